"""Providers' keys: one secret each, and an item that says which are configured."""

from __future__ import annotations

from datetime import datetime

from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError

from fitting_room import clock
from fitting_room.jobs.errors import JobFailure
from fitting_room.settings import settings
from fitting_room.stores import aws
from fitting_room.stores.cache import kept_for


@kept_for(30)
def configured() -> frozenset[str]:
    """Return the ids of the providers this deployment can use."""
    found = aws.table().query(KeyConditionExpression=Key("pk").eq("PROVIDERS"))["Items"]
    return frozenset(str(item["sk"]) for item in found if item["configured"])


def store(provider: str, secret: str | None, now: datetime) -> None:
    """Keep a provider's key, if it needs one, and offer the provider from now on."""
    if secret is not None:
        aws.secrets().put_secret_value(SecretId=settings().provider_secrets[provider], SecretString=secret)
    aws.table().put_item(Item={"pk": "PROVIDERS", "sk": provider, "configured": True, "at": clock.text(now)})


@kept_for(30)
def secret(provider: str) -> str:
    """Return the provider's key.

    Raises `JobFailure` (`provider_auth`), `ClientError`. A caller whose provider refused the kept key asks for
    `secret.fresh`.
    """
    value = _version(provider, "AWSCURRENT")
    if value is None:
        raise JobFailure(
            "provider_auth",
            f"The stored key of {provider} is not text.",
            f"Ask the operator to store a key for {provider} again.",
            provider=provider,
        )
    return value


def previous(provider: str) -> str | None:
    """Return the key before the last change, which may know jobs that the current one does not.

    Returns None where there is none.
    """
    try:
        return _version(provider, "AWSPREVIOUS")
    except ClientError as error:
        if aws.reason(error) == "ResourceNotFoundException":
            return None
        raise


def _version(provider: str, stage: str) -> str | None:
    """Return a version of the key, or None for a secret that holds bytes."""
    found = aws.secrets().get_secret_value(SecretId=settings().provider_secrets[provider], VersionStage=stage)
    return found.get("SecretString")
