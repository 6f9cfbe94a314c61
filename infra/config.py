"""Read the settings of a stage from `cdk.json` or `cdk -c key=value`; docs/operations.md lists them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from aws_cdk.aws_logs import RetentionDays
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fitting_room.providers import catalogue
from fitting_room.providers.base import CatalogueEntry
from fitting_room.providers.runners import RUNNERS, Runner
from fitting_room.settings import DeploymentSettings, FromText

_STAGE_DEFAULTS: dict[str, dict[str, Any]] = {
    "dev": {"retain": False, "log_retention": RetentionDays.ONE_WEEK},
    "prod": {"retain": True, "log_retention": RetentionDays.THREE_MONTHS},
}


FUNCTION_GROUPS = {
    "api": ("Api",),
    "callback": ("Callback", "Wait"),
    "prepare": ("Prepare",),
    "start": tuple(runner.state for runner in RUNNERS.values()),
    "poll": ("Poll",),
    "collect": ("Collect",),
    "settle": ("Settle",),
    "upkeep": ("Sweep", "Erase"),
    "notify": ("Notify",),
}
MOST_BYTES = 2500
"""Of the settings as JSON: Lambda takes 4 KB of environment, and the addresses of a stage need the rest."""
UNRESERVED = 100
"""What Lambda keeps of the account's quota for functions that reserve nothing."""


class StageConfig(BaseModel):
    """Hold the settings of one stage: from `cdk -c key=value`, else from the stage's object in `cdk.json`, else from here."""

    model_config = ConfigDict(frozen=True)

    stage: Literal["dev", "prod"]
    wheels: Literal["arm64", "host"] = "arm64"
    """`arm64` for AWS Lambda; `host` for the interpreter that runs the synth, which the local cloud uses."""
    deployment: DeploymentSettings
    """What the functions read. In the CDK context its fields stand beside the others."""
    lambda_quota: Annotated[int, Field(ge=1)] = 10
    """Lambda's concurrent executions in this account and region, as `aws lambda get-account-settings` says. A new account
    has ten."""
    api_rate: Annotated[int, Field(ge=1)] | None = None
    """Requests a second that the API takes over all callers. None: 100, or 1,000 from a `lambda_quota` of 100 up."""
    api_burst: Annotated[int, Field(ge=1)] | None = None
    """Requests that the API takes at once. None: twice the `api_rate`."""
    reserved_concurrency: Annotated[dict[str, Annotated[int, Field(ge=1)]], FromText] = {}
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
        values = _STAGE_DEFAULTS[stage] | context.get(stage, {}) | given | {"stage": stage}
        own = {key: values.pop(key) for key in _OWN if key in values}
        try:
            config = cls.model_validate(own | {"deployment": values}, extra="forbid")
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
        entries, chosen = catalogue.entries(), self.deployment
        known = {
            "endpoints": _AWS_SERVICES | {entry.id for entry in entries if not _runner(entry).needs_region},
            "bedrock_regions": {entry.id for entry in entries if _runner(entry).needs_region},
            "private_access": {entry.id for entry in entries},
            "provider_order": {entry.id for entry in entries if entry.live},
            "legacy_models": {f"{entry.id}/{model.id}" for entry in entries for model in entry.models if model.opt_in},
            "unmoderated": {entry.id for entry in entries if entry.live},
            "limits": {entry.id for entry in entries if entry.live},
            "provider_settings": {entry.id for entry in entries if entry.settings_model},
            "result_hosts": {entry.id for entry in entries if not _runner(entry).needs_region and entry.live},
        }
        for key, allowed in known.items():
            _check_known(key, getattr(chosen, key), allowed)
        _check_known("reserved_concurrency", self.reserved_concurrency, set(FUNCTION_GROUPS))
        self._check_reserved()
        if (length := len(chosen.model_dump_json(exclude_none=True).encode())) > MOST_BYTES:
            raise ValueError(
                f"The settings have {length:,} bytes as JSON, and a function can be told {MOST_BYTES:,}."
                " Shorten the longest, such as cors_origins or result_hosts."
            )
        if chosen.fetch_allow and self.stage == "prod":
            raise ValueError("fetch_allow: prod calls nothing on loopback. Leave it out, or use -c stage=dev.")
        for entry in entries:
            if entry.settings_model and entry.id in chosen.provider_settings:
                self._check_settings(entry.id, entry.settings_model)
            region = chosen.bedrock_regions.get(entry.id)
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
            known.model_validate(self.deployment.provider_settings[provider])
        except ValidationError as error:
            raise ValueError(
                "\n".join(
                    f"provider_settings.{provider}.{'.'.join(map(str, item['loc']))}: {item['msg']}."
                    f" Settings of {provider} are: {', '.join(known.model_fields)}."
                    for item in error.errors()
                )
            ) from None


_OWN = StageConfig.model_fields.keys() - {"deployment"}
_AWS_SERVICES = {
    service for runner in RUNNERS.values() for service in (runner.service, runner.lifecycles) if service is not None
}


def _runner(entry: CatalogueEntry) -> Runner:
    return RUNNERS[entry.runner]


def _check_known(key: str, named: Iterable[str], allowed: set[str]) -> None:
    if unknown := set(named) - allowed:
        raise ValueError(f"{key}: unknown {', '.join(sorted(unknown))}. Known: {', '.join(sorted(allowed)) or 'none'}.")


def _fault(item: Any) -> str:
    key = ".".join(map(str, item["loc"])).removeprefix("deployment.")
    if item["type"] == "extra_forbidden":
        known = [*StageConfig.model_fields, *DeploymentSettings.model_fields]
        known.remove("deployment")
        return f"{key}: no such setting. Use one of: {', '.join(known)}."
    return f"{key}: {item['msg']}. Set it in cdk.json under context, or with -c {key}=..."
