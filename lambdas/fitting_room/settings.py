"""The environment of a function, and the settings of its stage, which come in one variable: DEPLOYMENT.

A setting is one field of `DeploymentSettings` and one row of docs/operations.md. `infra/config.py` reads it from the
CDK context and checks the names of providers in it; every function reads it as `settings().deployment.<field>`.
"""

from __future__ import annotations

import json
import os
import re
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Json, model_validator


def _listed(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _json_object(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value  # no object either


def written(pattern: str, rule: str) -> AfterValidator:
    """Return the check of a text; `rule` says in words the text that `pattern` demands."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"{value!r} is not {rule}")
        return value

    return AfterValidator(check)


# On the command line, `-c key=value`, a value is text.
_List = BeforeValidator(_listed)
Names = Annotated[tuple[str, ...], _List]
FromText = BeforeValidator(_json_object)
Host = Annotated[
    str, written(r"([a-z0-9-]+\.)+[a-z]{2,}", "a host such as cdn.example.com, without a scheme or a path")
]
_URL = "an address such as https://hooks.example.com"
Url = Annotated[str, written(r"https?://[^\s?#]+", _URL)]
Origin = Annotated[
    str,
    written(r"\*|https?://[a-z0-9.-]+(:\d+)?", "an origin such as https://shop.example, without a slash at the end"),
]
Loopback = Annotated[str, written(r"(127\.0\.0\.1|localhost):\d+", "a port on this machine such as 127.0.0.1:9000")]
Bucket = Annotated[str, written(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "the name of a bucket")]
TENANT = r"[a-z0-9][a-z0-9-]{0,62}"
"""A tenant's name is a folder in both buckets."""
TenantName = Annotated[str, written(TENANT, "a tenant's name: up to 63 lower-case letters, digits and hyphens")]
Days = Annotated[int, Field(ge=1, le=3650)]


class Limits(BaseModel):
    """The limits of a stage's contract with a vendor, where they differ from the catalogue's.

    At most `submits` in any window of `seconds`, and `concurrency` jobs at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    submits: Annotated[int, Field(ge=1)] | None = None
    seconds: Annotated[float, Field(gt=0)] | None = None
    concurrency: Annotated[int, Field(ge=1)] | None = None


class SageMakerEndpoint(BaseModel):
    """An endpoint of this account and region that does try-ons: its name, what it costs, and its model's licence in words.

    A price of an image counts against the budget in USD. A price of an hour is only shown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    endpoint: Annotated[
        str, written(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", "the name of an endpoint: letters, digits and hyphens")
    ]
    licence: Annotated[str, Field(min_length=1, max_length=100)]
    price_per_image: Annotated[float, Field(ge=0)] | None = None
    price_per_hour: Annotated[float, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _one_price(self) -> SageMakerEndpoint:
        if (self.price_per_image is None) == (self.price_per_hour is None):
            raise ValueError("it needs one price: either price_per_image or price_per_hour, in USD")
        return self


ModelName = Annotated[str, written(r"[a-z0-9][a-z0-9._-]{0,39}", "a name such as vton-1.5, in lower case")]


class DeploymentSettings(BaseModel):
    """The operator's choices for a stage, which every function reads.

    A function ignores fields that it does not know: during a deployment its code may be older than its environment.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)  # infinity would reach the functions as null

    endpoints: Annotated[dict[str, Url], FromText, Field(examples=[{"tryiton": "http://127.0.0.1:9000"}])] = {}
    """Other addresses: of an AWS service that providers are called through (`bedrock-runtime`), of `bedrock`, which knows
    facts about models, or of a provider, by its id."""
    bedrock_regions: Annotated[dict[str, str], FromText, Field(examples=[{"stability": "us-west-2"}])] = {
        "nova_canvas": "us-east-1"
    }
    """The region in which each provider on Bedrock is called: photos travel there. A provider that is not named is off."""
    sagemaker: Annotated[
        dict[ModelName, SageMakerEndpoint],
        FromText,
        Field(examples=[{"vton": {"endpoint": "my-vton", "price_per_image": 0.01, "licence": "MIT"}}]),
    ] = {}
    """The account's own endpoints, by the name that each has as a model: `vton` is `sagemaker/vton`. Empty: none."""
    private_access: Names = ()
    """Providers whose retired model this account may still call."""
    provider_order: Names = ()
    """Providers that `auto` tries first; the others follow in the catalogue's order."""
    prefer: Literal["in_account"] | None = None
    """`in_account`: `auto` tries the providers first that keep photos in this account, then those that keep them in AWS."""
    legacy_models: Names = ()
    """Models that are offered although they are off by default, as `provider/model`."""
    unmoderated: Names = ()
    """Providers for which a request may say `moderation: none`. The operator is responsible for the images."""
    limits: Annotated[dict[str, Limits], FromText, Field(examples=[{"aidge": {"submits": 10, "seconds": 60}}])] = {}
    """What a contract with a provider permits, if it differs from the catalogue."""
    provider_settings: Annotated[dict[str, dict[str, Any]], FromText, Field(examples=[{"aidge": {"trial": True}}])] = {}
    """By provider, facts about the account of this stage: see the provider's page in `docs/providers`."""
    result_hosts: Annotated[dict[str, list[Host]], FromText, Field(examples=[{"fashn": ["cdn.example.com"]}])] = {}
    """By provider, more hosts from which results may be fetched, each with its subdomains."""
    callback_url: Annotated[str, written(r"(https?://[^\s?#]+)?", _URL)] | None = None
    """The address that providers call when a job is done. None: the API's own. Empty: no provider is asked to call."""
    fetch_allow: Annotated[tuple[Loopback, ...], _List] = ()
    """`host:port` pairs on loopback that may be fetched, and called as webhooks. For the local cloud; `prod` refuses any."""
    cors_origins: Annotated[tuple[Origin, ...], _List] = ()
    """Web pages that may call the API and use the buckets: scheme and host, without a slash at the end."""
    upload_days: Days = 3
    staging_days: Days = 3
    result_days: Days = 30
    daily_images: Annotated[int, Field(ge=1)] = 1000
    """Budget of a tenant per UTC day, in images."""
    daily_usd: Annotated[float, Field(gt=0)] = 50.0
    daily_test_jobs: Annotated[int, Field(ge=1)] = 500
    """Jobs of a tenant's test keys per UTC day."""
    batch_rows: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    """Rows that a manifest may have."""
    batch_concurrency: Annotated[int, Field(ge=1, le=1000)] = 20
    """Rows of one batch that run at once."""
    tenant_buckets: Annotated[
        dict[Bucket, Annotated[list[TenantName], Field(min_length=1)]],
        FromText,
        Field(examples=[{"photos-of-shop": ["shop"]}]),
    ] = {}
    """Other buckets of this account, each with the tenants that may name its images and manifests as `s3://...`."""
    daily_owner_jobs: Annotated[int, Field(ge=1)] = 1000
    """Jobs of one owner per UTC day."""
    daily_address_jobs: Annotated[int, Field(ge=1)] = 100
    """Jobs that tokens submit from one address on the internet per UTC day."""
    key_rate: Annotated[float, Field(gt=0)] = 20
    """Requests a second of one API key, counted by each process of the API function alone."""
    key_burst: Annotated[float, Field(ge=1)] = 40
    """Requests of one API key at once, counted likewise."""
    waiters: Annotated[int, Field(ge=0)] = 3
    """Callers of the API that may wait inside a function at once, as `Prefer: wait` asks. 0: none may."""
    dialect_waiters: Annotated[int, Field(ge=0)] = 3
    """Calls of a dialect that may wait inside a function at once. 0: every call is refused as throttled."""


class Settings(BaseModel):
    """The environment of a function, one field per variable; see `infra/functions.py`.

    A field has the variable's name in capitals. `provider_secrets`: the ids of the secrets, for the functions that
    may read them. The other optional ones are addresses that not every function calls. Using one that is not set is a
    bug, which shows as an empty name.
    """

    model_config = ConfigDict(frozen=True)

    table: str
    inbox_bucket: str
    media_bucket: str
    deployment: Json[DeploymentSettings]
    aws_region: str = "us-east-1"
    job_machine_arn: str = ""
    batch_machine_arn: str = ""
    erase_function: str = ""
    webhook_queue: str = ""
    drop_queue: str = ""
    api_url: str = ""
    provider_secrets: Json[dict[str, str]] = {}

    @property
    def callback_url(self) -> str:
        """Where providers reach the API; empty: no provider is asked to call."""
        chosen = self.deployment.callback_url
        return self.api_url if chosen is None else chosen


@cache
def settings() -> Settings:
    """Read the environment, once."""
    names = (name for name in Settings.model_fields if name.upper() in os.environ)
    return Settings.model_validate({name: os.environ[name.upper()] for name in names})


def deployment() -> DeploymentSettings:
    """Return the settings of the stage; the defaults outside one, where the catalogue is read by a synth or the admin tool."""
    return settings().deployment if "DEPLOYMENT" in os.environ else DeploymentSettings()
