"""Providers' keys: one secret each, and an item that says which are configured."""

from __future__ import annotations

import time
from functools import cache

from boto3.dynamodb.conditions import Key

from fitting_room.settings import settings
from fitting_room.stores import aws

_CACHE_SECONDS = 30
_configured: tuple[float, frozenset[str]] = (0.0, frozenset())


def configured() -> frozenset[str]:
    """Ids of the providers this deployment can use; an answer is kept for 30 s in this process."""
    global _configured
    if _configured[0] <= time.monotonic():
        found = aws.table().query(KeyConditionExpression=Key("pk").eq("PROVIDERS"))["Items"]
        _configured = (time.monotonic() + _CACHE_SECONDS, frozenset(str(i["sk"]) for i in found if i["configured"]))
    return _configured[1]


@cache
def secret(provider: str) -> str:
    """The provider's key. A rotated key is picked up by new processes."""
    return aws.secrets().get_secret_value(SecretId=settings().provider_secrets[provider])["SecretString"]


def fresh(provider: str) -> str:
    secret.cache_clear()
    return secret(provider)


def previous(provider: str) -> str | None:
    return None
