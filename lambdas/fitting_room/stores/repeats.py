"""Calls that a client may send again by itself, for the ten minutes in which it does so.

A call is written down before its job is submitted, with the idempotency key of that submit. So a repeat finds it even
while the first call still runs, and both make one job.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import NamedTuple

from boto3.dynamodb.conditions import Key

from fitting_room import clock
from fitting_room.stores import aws
from fitting_room.stores.items import update_if

KEEP = timedelta(minutes=10)


class Call(NamedTuple):
    """`id`: the idempotency key of its submit. `plan`: the providers that were chosen for it, in the order of their turns."""

    id: str
    plan: tuple[str, ...]


def remember(api_key: str, digest: str, call: Call, retry: int, now: datetime) -> None:
    """Write down a call of a key. `digest`: of its path and body. `retry`: how often the client had sent it before."""
    expires = now + KEEP
    aws.table().put_item(
        Item={
            **_key(api_key, digest, call.id),
            "plan": json.dumps(call.plan),
            "answered": retry,
            "expires_at": clock.text(expires),
            "ttl": int(expires.timestamp()),
        }
    )


def take(api_key: str, digest: str, retry: int, now: datetime) -> Call | None:
    """Return the newest call that no client has been answered with at this retry or a later one.

    It is marked in the same write, so that two clients that repeat equal calls get a job each.
    """
    found = aws.every(
        KeyConditionExpression=Key("pk").eq(_key(api_key, digest, "")["pk"]),
        ScanIndexForward=False,
        ConsistentRead=True,
    )
    for item in found:
        if str(item["expires_at"]) <= clock.text(now):
            return None
        call = Call(str(item["sk"]), tuple(json.loads(str(item["plan"]))))
        if update_if(
            _key(api_key, digest, call.id), "SET answered = :retry", "answered < :retry", values={":retry": retry}
        ):
            return call
    return None


def _key(api_key: str, digest: str, call_id: str) -> dict[str, str]:
    return {"pk": f"REPEATS#{api_key}#{digest}", "sk": call_id}
