"""Providers' keys: one secret each, and an item that says which are configured."""

from __future__ import annotations

import time

from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError

from fitting_room.jobs.errors import JobFailure
from fitting_room.settings import settings
from fitting_room.stores import aws

_CACHE_SECONDS = 30
_configured: tuple[float, frozenset[str]] = (0.0, frozenset())
_secrets: dict[str, tuple[float, str]] = {}


def configured() -> frozenset[str]:
    """Ids of the providers this deployment can use; an answer is kept for 30 s in this process."""
    global _configured
    if _configured[0] <= time.monotonic():
        found = aws.table().query(KeyConditionExpression=Key("pk").eq("PROVIDERS"))["Items"]
        _configured = (time.monotonic() + _CACHE_SECONDS, frozenset(str(i["sk"]) for i in found if i["configured"]))
    return _configured[1]


def secret(provider: str) -> str:
    """The provider's key; it is kept for 30 s in this process. Raises `JobFailure` (`provider_auth`), `ClientError`."""
    known = _secrets.get(provider)
    return known[1] if known and known[0] > time.monotonic() else fresh(provider)


def fresh(provider: str) -> str:
    """The key as it is stored now, for a caller whose vendor refused the one that was kept. Raises like `secret`."""
    value = _version(provider, "AWSCURRENT")
    if value is None:
        raise JobFailure(
            "provider_auth",
            f"The stored key of {provider} is not text.",
            f"Ask the operator to store it again with `python -m admin provider set {provider}`.",
            provider=provider,
        )
    _secrets[provider] = (time.monotonic() + _CACHE_SECONDS, value)
    return value


def previous(provider: str) -> str | None:
    """The key before the last change, which may know jobs that the current one does not. None where there is none."""
    try:
        return _version(provider, "AWSPREVIOUS")
    except ClientError as error:
        if aws.reason(error) == "ResourceNotFoundException":
            return None
        raise


def _version(provider: str, stage: str) -> str | None:
    """None for a secret that holds bytes."""
    found = aws.secrets().get_secret_value(SecretId=settings().provider_secrets[provider], VersionStage=stage)
    return found.get("SecretString")
