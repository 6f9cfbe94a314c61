"""Read the settings of a stage from `cdk.json` or `cdk -c key=value`; docs/operations.md lists them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from aws_cdk.aws_logs import RetentionDays
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from fitting_room.providers import catalogue
from fitting_room.settings import Limits

_STAGE_DEFAULTS: dict[str, dict[str, Any]] = {
    "dev": {"retain": False, "log_retention": RetentionDays.ONE_WEEK},
    "prod": {"retain": True, "log_retention": RetentionDays.THREE_MONTHS},
}


def _comma_list(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _json_object(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError('not a JSON object such as {"tryiton": ...}') from None


FUNCTION_GROUPS = {
    "api": ("Api",),
    "callback": ("Callback", "Wait"),
    "prepare": ("Prepare",),
    "start": ("StartBedrock", "StartHttp"),
    "poll": ("Poll",),
    "collect": ("Collect",),
    "settle": ("Settle",),
    "upkeep": ("Sweep", "Erase"),
}
UNRESERVED = 100
"""What Lambda keeps of the account's quota for functions that reserve nothing."""

CommaList = Annotated[tuple[str, ...], BeforeValidator(_comma_list)]
JsonMap = Annotated[dict[str, str], BeforeValidator(_json_object)]
Host = Annotated[str, StringConstraints(pattern=r"^([a-z0-9-]+\.)+[a-z]{2,}$")]
Days = Annotated[int, Field(ge=1, le=3650)]


class StageConfig(BaseModel):
    """Hold the settings of one stage: from `cdk -c key=value`, else from the stage's object in `cdk.json`, else from here."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    stage: Literal["dev", "prod"]
    wheels: Literal["arm64", "host"] = "arm64"
    """`arm64` for AWS Lambda; `host` for the interpreter that runs the synth, which the local cloud uses."""
    endpoints: JsonMap = {}
    """Other addresses of providers: `bedrock-runtime` (calls of models), `bedrock` (facts about models) or a provider id, each
    with a URL."""
    bedrock_regions: JsonMap = {"nova_canvas": "us-east-1"}
    """The region in which each provider on Bedrock is called: photos travel there. A provider that is not named is off."""
    private_access: CommaList = ()
    """Providers whose retired model this account may still call."""
    provider_order: CommaList = ()
    """Providers that `auto` tries first; the others follow in the catalogue's order."""
    legacy_models: CommaList = ()
    """Models that are offered although they are off by default, as `provider/model`."""
    unmoderated: CommaList = ()
    """Providers for which a request may say `moderation: none`. The operator is responsible for the images."""
    limits: Annotated[dict[str, Limits], BeforeValidator(_json_object)] = {}
    """What a contract with a provider permits, if it differs from the catalogue."""
    provider_settings: Annotated[dict[str, dict[str, Any]], BeforeValidator(_json_object)] = {}
    """By provider, facts about the account of this stage: see the provider's section of `docs/providers.md`."""
    result_hosts: Annotated[dict[str, list[Host]], BeforeValidator(_json_object)] = {}
    """By provider, more hosts from which results may be fetched, each with its subdomains."""
    callback_url: Annotated[str, StringConstraints(pattern=r"^(https?://[^\s?#]+)?$")] | None = None
    """The address that providers call when a job is done. None: the API's own. Empty: no provider is asked to call."""
    fetch_allow: CommaList = ()
    """`host:port` pairs on loopback that may be fetched. None on AWS."""
    cors_origins: CommaList = ()
    """Web pages that may call the API and use the buckets: scheme and host, without a slash at the end."""
    upload_days: Days = 3
    staging_days: Days = 3
    result_days: Days = 30
    daily_images: Annotated[int, Field(ge=1)] = 1000
    """Budget of a tenant per UTC day, in images."""
    daily_usd: Annotated[float, Field(gt=0)] = 50.0
    daily_test_jobs: Annotated[int, Field(ge=1)] = 500
    """Jobs of a tenant's test keys per UTC day."""
    lambda_quota: Annotated[int, Field(ge=1)] = 10
    """Lambda's concurrent executions in this account and region, as `aws lambda get-account-settings` says. A new account
    has ten."""
    api_rate: Annotated[int, Field(ge=1)] | None = None
    """Requests a second that the API takes over all callers. None: 100, or 1,000 from a `lambda_quota` of 100 up."""
    api_burst: Annotated[int, Field(ge=1)] | None = None
    """Requests that the API takes at once. None: twice the `api_rate`."""
    key_rate: Annotated[float, Field(gt=0)] = 20
    """Requests a second of one API key, counted by each process of the API function alone."""
    key_burst: Annotated[float, Field(ge=1)] = 40
    """Requests of one API key at once, counted likewise."""
    reserved_concurrency: Annotated[dict[str, Annotated[int, Field(ge=1)]], BeforeValidator(_json_object)] = {}
    """By group of functions, the executions that each function of it has for itself, and never more than these."""
    retain: bool
    """Whether images, table and secrets stay when a stack is deleted; such a stage also has point-in-time recovery."""
    log_retention: RetentionDays
    alarm_email: str | None = None
    """The address that all alarms are sent to. None: no alarms."""

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> StageConfig:
        """Read the CDK context. Raises `ValueError` with all faults, each naming key, rule and remedy."""
        stage = context.get("stage", "dev")
        if stage not in _STAGE_DEFAULTS:
            raise ValueError(f"stage: '{stage}' is not a stage. Use -c stage=dev or -c stage=prod.")
        # CDK's own keys hold a colon or a hyphen; every other key must be a setting.
        given = {key: value for key, value in context.items() if key.isidentifier() and key not in _STAGE_DEFAULTS}
        try:
            config = cls.model_validate(_STAGE_DEFAULTS[stage] | context.get(stage, {}) | given | {"stage": stage})
        except ValidationError as error:
            raise ValueError("\n".join(_fault(item) for item in error.errors())) from None
        return config._check_names()

    @property
    def throttle(self) -> tuple[int, int]:
        """Rate and burst of the API."""
        rate = self.api_rate or (100 if self.lambda_quota < 100 else 1000)
        return rate, self.api_burst or 2 * rate

    def reserved(self, function: str) -> int | None:
        """Return the executions that a function has for itself; None: it shares those of the account."""
        groups = (group for group, functions in FUNCTION_GROUPS.items() if function in functions)
        return next((self.reserved_concurrency[group] for group in groups if group in self.reserved_concurrency), None)

    def _check_reserved(self) -> None:
        wanted = sum(count * len(FUNCTION_GROUPS[group]) for group, count in self.reserved_concurrency.items())
        if wanted and wanted > self.lambda_quota - UNRESERVED:
            raise ValueError(
                f"reserved_concurrency: {wanted} in all, but Lambda keeps {UNRESERVED} of the account's"
                f" {self.lambda_quota} unreserved. Reserve less, or have the quota raised and set lambda_quota."
            )

    def _check_names(self) -> StageConfig:
        entries = catalogue.entries()
        known = {
            "endpoints": {"bedrock", "bedrock-runtime", *(entry.id for entry in entries if entry.runner == "http")},
            "bedrock_regions": {entry.id for entry in entries if entry.runner == "bedrock"},
            "private_access": {entry.id for entry in entries},
            "provider_order": {entry.id for entry in entries if entry.live},
            "legacy_models": {f"{entry.id}/{model.id}" for entry in entries for model in entry.models if model.opt_in},
            "unmoderated": {entry.id for entry in entries if entry.live},
            "limits": {entry.id for entry in entries if entry.live},
            "provider_settings": {entry.id for entry in entries if entry.settings_model},
            "result_hosts": {entry.id for entry in entries if entry.runner == "http" and entry.live},
            "reserved_concurrency": set(FUNCTION_GROUPS),
        }
        for key, allowed in known.items():
            if unknown := set(getattr(self, key)) - allowed:
                raise ValueError(
                    f"{key}: unknown {', '.join(sorted(unknown))}. Known: {', '.join(sorted(allowed)) or 'none'}."
                )
        self._check_reserved()
        for entry in entries:
            if entry.settings_model and entry.id in self.provider_settings:
                self._check_settings(entry.id, entry.settings_model)
            region = self.bedrock_regions.get(entry.id)
            for model in entry.models:
                possible = model.regions or model.inference_regions
                if region and possible and region not in possible:
                    raise ValueError(
                        f"bedrock_regions: {model.id} of {entry.id} cannot be called in {region}. Use one of "
                        f"{', '.join(possible)}."
                    )
        return self

    def _check_settings(self, provider: str, known: type[BaseModel]) -> None:
        try:
            known.model_validate(self.provider_settings[provider])
        except ValidationError as error:
            raise ValueError(
                "\n".join(
                    f"provider_settings.{provider}.{'.'.join(map(str, item['loc']))}: {item['msg']}."
                    f" Settings of {provider} are: {', '.join(known.model_fields)}."
                    for item in error.errors()
                )
            ) from None


def _fault(item: Any) -> str:
    key = ".".join(map(str, item["loc"]))
    if item["type"] == "extra_forbidden":
        return f"{key}: no such setting. Use one of: {', '.join(StageConfig.model_fields)}."
    return f"{key}: {item['msg']}. Set it in cdk.json under context, or with -c {key}=..."
