"""Configuration of a function, read once from its environment. The names are set in `infra/service_stack.py`."""

from __future__ import annotations

import os
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _comma_list(value: Any) -> Any:
    return frozenset(filter(None, value.split(","))) if isinstance(value, str) else value


CommaList = Annotated[frozenset[str], BeforeValidator(_comma_list)]


class Limits(BaseModel):
    """What a stage's contract with a vendor permits, where it is not what the catalogue says: at most `submits` in any
    window of `seconds`, `concurrency` jobs at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    submits: Annotated[int, Field(ge=1)] | None = None
    seconds: Annotated[float, Field(gt=0)] | None = None
    concurrency: Annotated[int, Field(ge=1)] | None = None


class Settings(BaseModel):
    """A function that does not need a value does not get it; using it anyway is a bug that shows as a missing name."""

    model_config = ConfigDict(frozen=True)

    table: str
    inbox_bucket: str
    media_bucket: str
    aws_region: str = "us-east-1"
    job_machine_arn: str = ""
    provider_secrets: dict[str, str] = {}
    provider_endpoints: dict[str, str] = {}
    bedrock_regions: dict[str, str] = {}
    private_access: CommaList = frozenset()
    """Providers whose retired model this account may still call, by arrangement with the vendor."""
    provider_order: tuple[str, ...] = ()
    """Providers that `auto` tries first; the others follow in the catalogue's order."""
    legacy_models: CommaList = frozenset()
    """`provider/model` of the models that are offered only where a stage asks for them."""
    unmoderated: CommaList = frozenset()
    """Providers for which `moderation: none` may be asked."""
    limits: dict[str, Limits] = {}
    provider_settings: dict[str, dict[str, Any]] = {}
    result_hosts: dict[str, list[str]] = {}
    """Hosts of results beside those of the catalogue, by provider."""
    callback_url: str = ""
    """Where vendors reach our API; empty: no vendor is asked to call back."""
    fetch_allow: CommaList = frozenset()
    """Exact `host:port` pairs that may be fetched although they are on loopback. Empty on AWS."""
    erase_function: str = ""
    cors_origins: CommaList = frozenset()
    daily_images: int = 1000
    daily_usd: float = 50.0
    daily_test_jobs: int = 500
    """Jobs that a tenant may submit with test keys in one UTC day."""
    key_rate: float = 20
    """Requests a second of one API key, in each process of the API function."""
    key_burst: float = 40
    result_days: int = 30
    upload_days: int = 3
    staging_days: int = 3


@cache
def settings() -> Settings:
    import json

    values: dict[str, Any] = {}
    for name, field in Settings.model_fields.items():
        if (text := os.environ.get(name.upper())) is not None:
            values[name] = json.loads(text) if str(field.annotation).startswith(("dict", "tuple")) else text
    return Settings.model_validate(values)
