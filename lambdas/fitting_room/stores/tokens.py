"""Tokens for browsers: stored as a hash only, with what each allows and how much of it was used."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

from fitting_room import clock
from fitting_room.clock import Clock
from fitting_room.jobs.job import Mode
from fitting_room.jobs.token import Token
from fitting_room.stores import aws, owners
from fitting_room.stores.cache import kept_for
from fitting_room.stores.items import delete_if, transact, update_if

START = "fr_token_"
UPLOADS_A_JOB = 3
_AS_TEXT = ("request", "garments")


def new_secret() -> tuple[str, str]:
    """Return a new token and its digest."""
    secret = START + secrets.token_urlsafe(32)
    return secret, _digest(secret)


def put(token: Token, sleep: Callable[[float], None]) -> None:
    """Store a token, and list it under its owner. Free-form parts are text: DynamoDB would change their numbers."""
    ttl = int(clock.parse(token.expires_at).timestamp())
    facts = token.model_dump(mode="json", exclude={"digest", *_AS_TEXT})
    texts = {name: json.dumps(getattr(token, name)) for name in _AS_TEXT}
    items = {
        "token": {**_key(token.digest), **facts, **texts, "jobs": 0, "uploads": 0, "ttl": ttl},
        "owner": owners.belonging(_owner(token), f"tok_{token.digest}", ttl),
    }
    transact({name: {"Put": {"TableName": aws.table().name, "Item": item}} for name, item in items.items()}, sleep)


def find(secret: str, at: Clock) -> Token | None:
    """Return what a token allows; also of one that has expired. An answer is kept for 30 s in this process."""
    return _read(_digest(secret), at)


@kept_for(30)
def _read(digest: str) -> Token | None:
    found = aws.table().get_item(Key=_key(digest)).get("Item")
    if found is None:
        return None
    return Token.model_validate(
        {**found, "digest": digest, **{name: json.loads(str(found[name])) for name in _AS_TEXT}}
    )


def spend(token: Token, now: datetime) -> dict[str, Any]:
    """Return the transaction item that counts one job of a token, if it has one left."""
    return {
        "Update": {
            "TableName": aws.table().name,
            "Key": _key(token.digest),
            "UpdateExpression": "ADD jobs :one",
            "ConditionExpression": "jobs < :most AND expires_at > :now",
            "ExpressionAttributeValues": {":one": 1, ":most": token.max_jobs, ":now": clock.text(now)},
        }
    }


def count_upload(token: Token) -> bool:
    """Count one upload of a token. False when its jobs cannot need so many."""
    most = token.max_jobs * UPLOADS_A_JOB
    return update_if(_key(token.digest), "ADD uploads :one", "uploads < :most", values={":one": 1, ":most": most})


def remove(digest: str, made_until: str) -> bool:
    """Delete a token, unless it was made after that time. Returns whether it is gone."""
    return delete_if(_key(digest), "attribute_not_exists(pk) OR created_at <= :until", until=made_until)


def _owner(token: Token) -> owners.Owner:
    mode: Mode = "test" if token.mode == "test" else "live"
    return owners.find(token.tenant, mode, token.owner)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _key(digest: str) -> dict[str, str]:
    return {"pk": f"TOKEN#{digest}", "sk": "TOKEN"}
