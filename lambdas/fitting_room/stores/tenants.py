"""Tenants, their providers and their budgets.

They share one partition, so that a list of them is one query.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from boto3.dynamodb.conditions import Key
from pydantic import BaseModel, ConfigDict, Field

from fitting_room import clock
from fitting_room.settings import TENANT
from fitting_room.stores import aws
from fitting_room.stores.cache import kept_for
from fitting_room.stores.items import adopt, put_new, read_either, to_item, update_if, without_decimals

NAME = re.compile(TENANT)
_PARTITION = "TENANTS"


class Tenant(BaseModel):
    """A tenant as it is stored.

    `providers`: those it may use (None: all). `in_account`: it may use those alone that keep photos in the account.
    `daily_images`, `daily_usd`: its own budget (None: the stage's).
    `webhook_secrets`: how many it has.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    name: str = Field(alias="sk")
    created_at: str = ""
    providers: frozenset[str] | None = None
    in_account: bool = False
    daily_images: int | None = None
    daily_usd: float | None = None
    webhook_secrets: int = 0


def create(name: str, now: datetime) -> bool:
    """Store a new tenant.

    Returns False when there is one of that name, of an earlier release too.
    """
    return read(name) is None and put_new({**key(name), "created_at": clock.text(now)})


def read(name: str) -> Tenant | None:
    found = read_either(key(name), _earlier(name))
    return Tenant.model_validate(without_decimals(found)) if found else None


find = kept_for(30)(read)
"""The tenant as it was at most 30 s ago."""


def listed() -> list[Tenant]:
    """Return all tenants, by name."""
    return [
        Tenant.model_validate(without_decimals(item))
        for item in aws.every(KeyConditionExpression=Key("pk").eq(_PARTITION))
    ]


def allow(name: str, providers: frozenset[str] | None, *, in_account: bool = False) -> bool:
    """Restrict a tenant to these providers or to those in the account, or let it use all (None).

    Returns False when there is no such tenant.
    """
    named = sorted(providers) if providers is not None else None
    return _set(name, {"providers": named, "in_account": in_account or None})


def set_budget(name: str, daily_images: int | None, daily_usd: float | None) -> bool:
    """Give a tenant a daily budget of its own; None: the stage's.

    Returns False when there is no such tenant.
    """
    budget = Tenant(name=name, daily_images=daily_images, daily_usd=daily_usd)
    item = to_item(budget)
    return _set(name, {each: item.get(each) for each in ("daily_images", "daily_usd")})


def _set(name: str, values: dict[str, Any]) -> bool:
    adopt_earlier(name)
    kept = {each: value for each, value in values.items() if value is not None}
    sets = "SET " + ", ".join(f"{each} = :{each}" for each in kept) if kept else ""
    gone = [each for each in values if each not in kept]
    removes = " REMOVE " + ", ".join(gone) if gone else ""
    new = {f":{each}": value for each, value in kept.items()}
    return update_if(key(name), (sets + removes).strip(), "attribute_exists(pk)", values=new)


def adopt_earlier(name: str) -> None:
    """Copy a tenant of release 0.1.0 to its new key. For one release."""
    adopt(key(name), _earlier(name))


def _earlier(name: str) -> dict[str, str]:
    return {"pk": f"TENANT#{name}", "sk": "TENANT"}


def key(name: str) -> dict[str, str]:
    return {"pk": _PARTITION, "sk": name}
