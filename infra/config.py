"""Read the settings of a stage from `cdk.json` or `cdk -c key=value`; docs/operations.md lists them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from aws_cdk.aws_logs import RetentionDays
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fitting_room.jobs.wording import expected, place
from fitting_room.providers import catalogue
from fitting_room.providers.base import CatalogueEntry
from fitting_room.providers.runners import RUNNERS, Runner, RunnerName
from fitting_room.settings import DeploymentSettings, FromText, Host, written

_STAGE_DEFAULTS: dict[str, dict[str, Any]] = {
    "dev": {"retain": False, "alarms": False, "log_retention": RetentionDays.ONE_WEEK},
    "prod": {"retain": True, "alarms": True, "log_retention": RetentionDays.THREE_MONTHS},
}
_LOCAL_ONLY = {"wheels": "arm64", "endpoints": {}, "fetch_allow": ()}
"""Settings of the local cloud, with the one value that they may have in prod."""


FUNCTION_GROUPS = {
    "api": ("Api",),
    "callback": ("Callback", "Wait", "Wake"),
    "prepare": ("Prepare",),
    "start": tuple(runner.state for runner in RUNNERS.values()),
    "poll": ("Poll",),
    "collect": ("Collect",),
    "settle": ("Settle",),
    "batch": ("Expand", "Admit", "Finish"),
    "ingest": ("Ingest",),
    "upkeep": ("Sweep", "Erase"),
    "notify": ("Notify",),
    "dialect": ("BedrockDialect",),
}
"""By name, the functions that may have executions of their own. Not WatchModels: it runs once a day, and may run later."""
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
    reserved_concurrency: Annotated[
        dict[str, Annotated[int, Field(ge=1)]], FromText, Field(examples=[{"api": 20, "start": 50}])
    ] = {}
    """By group of functions, the executions that each function of it has for itself, and never more than these."""
    retain: bool
    """Whether images, table and secrets stay when a stack is deleted; such a stage also has point-in-time recovery."""
    log_retention: RetentionDays
    alarms: bool
    """Whether the stage has alarms, a dashboard and named log queries. The local cloud cannot make them."""
    alarm_email: Annotated[str, written(r"[^@\s]+@[^@\s]+\.[^@\s]+", "an e-mail address")] | None = None
    """The address that all alarms are sent to. None: the alarms reach only what is subscribed to their topic."""
    domain_name: Host | None = None
    """The API's own host name. None: the one that API Gateway gives it."""
    certificate_arn: (
        Annotated[
            str,
            written(
                r"arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/\S+",
                "the ARN of a certificate, such as arn:aws:acm:us-east-1:123456789012:certificate/0a1b",
            ),
        ]
        | None
    ) = None
    """The certificate for `domain_name`, in ACM and in the Region of the stage."""
    bedrock_dialect: bool = False
    """Whether the stage has an address that takes calls for Nova Canvas on Bedrock, as docs/dialects.md says."""
    customer_key: bool = False
    """Whether a KMS key of the stage encrypts all it stores. Else AWS's own keys do."""

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> StageConfig:
        """Read the CDK context. Raises `ValueError` with all faults, each naming key, rule and remedy."""
        stage = context.get("stage", "dev")
        if stage not in _STAGE_DEFAULTS:
            raise ValueError(f"stage: '{stage}' is not a stage. Use -c stage=dev or -c stage=prod.")
        of_stage = context.get(stage, {})
        if not isinstance(of_stage, Mapping):
            raise ValueError(f'{stage}: not an object of settings. Write "{stage}": {{"daily_usd": 200}} in cdk.json.')
        if misspelt := [told for key in context if (told := _misspelt(key))]:
            raise ValueError("\n".join(misspelt))
        # CDK's own keys hold a colon or a hyphen; every other key must be a setting.
        given = {key: value for key, value in context.items() if key.isidentifier() and key not in _STAGE_DEFAULTS}
        values = _STAGE_DEFAULTS[stage] | dict(of_stage) | given | {"stage": stage}
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

    @property
    def runners(self) -> dict[RunnerName, Runner]:
        """The ways to call providers that this stage has."""
        return {
            name: runner
            for name, runner in RUNNERS.items()
            if runner.setting is None or getattr(self.deployment, runner.setting)
        }

    def reserved(self, function: str) -> int | None:
        """Return the executions that a function has for itself; None: it shares those of the account."""
        groups = (group for group, functions in FUNCTION_GROUPS.items() if function in functions)
        return next((self.reserved_concurrency[group] for group in groups if group in self.reserved_concurrency), None)

    def _check_reserved(self) -> None:
        absent = {RUNNERS[name].state for name in RUNNERS.keys() - self.runners.keys()}
        absent |= set() if self.bedrock_dialect else {"BedrockDialect"}
        absent |= set() if self.deployment.sagemaker else {"Wake"}
        wanted = sum(
            count * len(set(FUNCTION_GROUPS[group]) - absent) for group, count in self.reserved_concurrency.items()
        )
        if wanted and wanted > self.lambda_quota - UNRESERVED:
            raise ValueError(
                f"reserved_concurrency: {wanted} in all, but Lambda keeps {UNRESERVED} of the account's"
                f" {self.lambda_quota} unreserved. Reserve less, or have the quota raised and set lambda_quota."
            )

    def _check_together(self) -> None:
        """Check settings that depend on one another."""
        if self.stage == "prod":
            for key, only in _LOCAL_ONLY.items():
                if (value := getattr(self if key in _OWN else self.deployment, key)) != only:
                    raise ValueError(
                        f"{key}: {value!r} is for the local cloud. Leave it out in prod, or use stage=dev."
                    )
        if (self.domain_name is None) != (self.certificate_arn is None):
            given, missing = "domain_name", "certificate_arn"
            if self.domain_name is None:
                given, missing = missing, given
            raise ValueError(f"{missing}: missing beside {given}. Set both, or neither.")
        if self.alarm_email and not self.alarms:
            raise ValueError("alarm_email: this stage has no alarms to send. Set alarms=true, or leave it out.")

    def _check_names(self) -> StageConfig:
        self._check_together()
        entries, chosen = catalogue.entries(), self.deployment
        known = {
            "endpoints": _AWS_SERVICES | {entry.id for entry in entries if _runner(entry).service is None},
            "bedrock_regions": {entry.id for entry in entries if _runner(entry).needs_region},
            "private_access": {entry.id for entry in entries if _runner(entry).needs_region},
            "provider_order": {entry.id for entry in entries if entry.live},
            "legacy_models": {f"{entry.id}/{model.id}" for entry in entries for model in entry.models if model.opt_in},
            "unmoderated": {entry.id for entry in entries if entry.live},
            "limits": {entry.id for entry in entries if entry.live},
            "provider_settings": {entry.id for entry in entries if entry.settings_model},
            "result_hosts": {entry.id for entry in entries if _runner(entry).service is None and entry.live},
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
                    f"provider_settings.{provider}.{'.'.join(map(str, place(known, item)[0]))}: {_rule(item, known)}."
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


def _settings() -> list[str]:
    return [name for name in (*StageConfig.model_fields, *DeploymentSettings.model_fields) if name != "deployment"]


def _misspelt(key: str) -> str | None:
    """Say what is wrong with a key of the context that looks like CDK's own, and is a setting by its sound."""
    if key.isidentifier() or {":", "@", "/"} & set(key):
        return None
    name = key.partition(".")[0].replace("-", "_")
    meant = _meant(name, _settings())
    if not meant:
        return None
    if "." in key:
        return f"{key}: a part of a setting cannot be set alone. Write the whole as JSON: -c '{meant}={{...}}'."
    return f"{key}: no such setting. Did you mean {meant}?"


def _meant(name: str, known: Iterable[str]) -> str:
    return next(iter(difflib.get_close_matches(name, known, 1, 0.8)), "")


def _fault(item: Any) -> str:
    path = [str(part) for part in place(StageConfig, item)[0] if part != "deployment"]
    key, top = ".".join(path), path[0] if path else "deployment"
    words = f"{key or top}: {_rule(item, StageConfig)}."
    if item["type"] != "extra_forbidden":
        return f"{words} Set {top} in cdk.json under context, or with -c {top}=..."
    known = _settings()
    if len(path) > 1:
        _, parent = place(StageConfig, {**item, "loc": item["loc"][:-1]})
        known = list(parent["properties"])
    meant = _meant(path[-1] if path else top, known)
    return f"{words}{f' Did you mean {meant}?' if meant else ''} Use one of: {', '.join(known)}."


def _rule(item: Any, model: type[BaseModel]) -> str:
    """Say the rule that a value breaks."""
    wanted = "a text" if item["type"] == "string_type" else expected(place(model, item)[1] | {"description": ""})
    match item["type"]:
        case "value_error":
            return str(item["msg"].removeprefix("Value error, "))
        case "extra_forbidden":
            return "no such setting"
        case "missing":
            return f"missing. It must be {wanted}"
    return f"{item['input']!r} is not {wanted}"
