"""Callbacks that providers are to make: found by the hash of the secret in their address. The secret is stored nowhere.

A callback and the workflow's wait for it may come in either order. Each writes its own half and reads the other's in the
same update, so whichever is second sees both.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from fitting_room import clock
from fitting_room.stores import aws

KEEP = timedelta(days=2)


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def expect(digest: str, provider: str, now: datetime) -> None:
    """Store a callback address, before a vendor receives it."""
    aws.table().put_item(Item={**_key(digest), "provider": provider, "ttl": int((now + KEEP).timestamp())})


def wait(digest: str, task_token: str) -> bool:
    """Store the task token that the workflow waits with.

    Returns True when the callback came first: then no other call ends the wait.
    """
    found = aws.table().update_item(
        Key=_key(digest),
        UpdateExpression="SET task_token = :token REMOVE unseen",
        ReturnValues="ALL_OLD",
        ExpressionAttributeValues={":token": task_token},
    )
    return "unseen" in found.get("Attributes", {})


def woken(digest: str, provider: str, now: datetime) -> tuple[bool, str | None]:
    """Record a call of the provider.

    Return whether its address was given out, and the task token of the wait to end. The token is None while the
    workflow does not wait yet, and when the callback has come before.
    """
    try:
        found = aws.table().update_item(
            Key=_key(digest),
            UpdateExpression="SET woken_at = :now, unseen = :true REMOVE task_token",
            ConditionExpression="provider = :provider AND attribute_not_exists(woken_at)",
            ReturnValues="ALL_OLD",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
            ExpressionAttributeValues={":now": clock.text(now), ":true": True, ":provider": provider},
        )
    except ClientError as error:
        if aws.reason(error) != "ConditionalCheckFailedException":
            raise
        kept: dict[str, Any] = error.response.get("Item", {})  # type: ignore[assignment]
        return kept.get("provider") == {"S": provider}, None  # in an error, the SDK leaves values as they were sent
    token = found["Attributes"].get("task_token")
    return True, None if token is None else str(token)


def _key(digest: str) -> dict[str, str]:
    return {"pk": f"CALLBACK#{digest}", "sk": "CALLBACK"}
