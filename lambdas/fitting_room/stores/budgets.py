"""The budget of a tenant for one UTC day: images, and money where the provider's price is known.

A day has one item that reservations add to. Amounts that were not charged are given back to 16 others. No transaction
holds the first, so submits of one tenant do not refuse each other. The others only grow, so an old reading of them is
safe.
"""

from __future__ import annotations

import zlib
from datetime import datetime
from typing import Any

from boto3.dynamodb.conditions import Key

from fitting_room.clock import Clock
from fitting_room.jobs.job import Reservation
from fitting_room.settings import settings
from fitting_room.stores import aws, tenants
from fitting_room.stores.cache import kept_for
from fitting_room.stores.items import ttl_of_day, uncount_job, update_if, update_once

GIVEN_BACK_ITEMS = 16
_RESERVE = (
    "ADD images :images, microusd :microusd SET #ttl = :ttl",
    "(attribute_not_exists(images) OR images <= :images_left)"
    " AND (attribute_not_exists(microusd) OR microusd <= :money_left)",
)
_TEST = "ADD jobs :count SET #ttl = :ttl", "attribute_not_exists(jobs) OR jobs <= :left"


def limits(tenant: str, at: Clock) -> tuple[int, int]:
    """Return the images and micro-USD that a tenant may buy in one day: its own budget, else the stage's."""
    own = tenants.find(tenant, at)
    images, usd = (own.daily_images, own.daily_usd) if own else (None, None)
    stage = settings().deployment
    return stage.daily_images if images is None else images, round((stage.daily_usd if usd is None else usd) * 1e6)


def coverable(tenant: str, reservation: Reservation, at: Clock) -> bool:
    """Return whether a whole day's budget would cover a reservation."""
    images, microusd = limits(tenant, at)
    return reservation.images <= images and reservation.microusd <= microusd


def reserve(tenant: str, reservation: Reservation, at: Clock) -> bool:
    """Set the cost of a job aside.

    Returns False when the day's budget does not cover it any more.
    """
    update, condition = _RESERVE
    values = _reserving(tenant, reservation, at)
    return update_if(_key(tenant, reservation.day), update, condition, names={"#ttl": "ttl"}, values=values)


def setting_aside(tenant: str, reservation: Reservation, at: Clock) -> dict[str, Any]:
    """Return the transaction item that sets the cost of a whole batch aside, once and together with its own record."""
    update, condition = _RESERVE
    return {
        "Update": {
            "TableName": aws.table().name,
            "Key": _key(tenant, reservation.day),
            "UpdateExpression": update,
            "ConditionExpression": condition,
            "ExpressionAttributeNames": {"#ttl": "ttl"},
            "ExpressionAttributeValues": _reserving(tenant, reservation, at),
        }
    }


def _reserving(tenant: str, reservation: Reservation, at: Clock) -> dict[str, int]:
    images, microusd = given_back(tenant, reservation.day, at)
    most_images, most_microusd = limits(tenant, at)
    return {
        ":images": reservation.images,
        ":microusd": reservation.microusd,
        ":images_left": most_images + images - reservation.images,
        ":money_left": most_microusd + microusd - reservation.microusd,
        ":ttl": ttl_of_day(reservation.day),
    }


def count_test_job(tenant: str, now: datetime) -> bool:
    """Count one job of a test key, which costs no money.

    Returns False when the day's number is used up.
    """
    update, condition = _TEST
    return update_if(_tests(tenant, now), update, condition, names={"#ttl": "ttl"}, values=_testing(now, 1))


def take_test_job_back(tenant: str, now: datetime) -> None:
    """Uncount a job of a test key that was not stored."""
    uncount_job(_tests(tenant, now))


def counting_tests(tenant: str, now: datetime, count: int) -> dict[str, Any]:
    """Return the transaction item that counts the rows of a batch of a test key."""
    update, condition = _TEST
    return {
        "Update": {
            "TableName": aws.table().name,
            "Key": _tests(tenant, now),
            "UpdateExpression": update,
            "ConditionExpression": condition,
            "ExpressionAttributeNames": {"#ttl": "ttl"},
            "ExpressionAttributeValues": _testing(now, count),
        }
    }


def _testing(now: datetime, count: int) -> dict[str, int]:
    most = settings().deployment.daily_test_jobs
    return {":count": count, ":left": most - count, ":ttl": ttl_of_day(now.date().isoformat())}


def test_jobs(tenant: str, now: datetime) -> int:
    """Return the jobs that a tenant's test keys submitted on this day."""
    return _number(aws.table().get_item(Key=_tests(tenant, now), ConsistentRead=True).get("Item", {}), "jobs")


def release(tenant: str, job_id: str, reservation: Reservation) -> None:
    """Undo a reservation whose job was not stored. It counts once at most, or the tenant could spend it twice."""
    update_once(refund(tenant, job_id, reservation.day, reservation.images, reservation.microusd)["Update"])


def refund(tenant: str, job_id: str, day: str, images: int, microusd: int) -> dict[str, Any]:
    """Return the transaction item that gives an uncharged amount back to the day it was taken from.

    An amount below 0 is taken from that day. So it is where a provider made more than was set aside.
    """
    number = zlib.crc32(job_id.encode()) % GIVEN_BACK_ITEMS
    return {
        "Update": {
            "TableName": aws.table().name,
            "Key": _key(tenant, f"{day}#{number:02d}"),
            "UpdateExpression": "ADD images :images, microusd :microusd SET #ttl = :ttl",
            "ExpressionAttributeNames": {"#ttl": "ttl"},
            "ExpressionAttributeValues": {":images": images, ":microusd": microusd, ":ttl": ttl_of_day(day)},
        }
    }


def spent(tenant: str, day: str) -> tuple[int, int]:
    """Return the images and micro-USD used on a day."""
    found = aws.table().get_item(Key=_key(tenant, day), ConsistentRead=True).get("Item", {})
    images, microusd = _given_back(tenant, day)
    return _number(found, "images") - images, _number(found, "microusd") - microusd


def _given_back(tenant: str, day: str) -> tuple[int, int]:
    found = aws.table().query(
        ConsistentRead=True,
        KeyConditionExpression=Key("pk").eq(f"BUDGET#{tenant}") & Key("sk").begins_with(f"{day}#"),
    )["Items"]
    return sum(_number(item, "images") for item in found), sum(_number(item, "microusd") for item in found)


given_back = kept_for(5)(_given_back)


def _number(item: Any, name: str) -> int:
    return int(str(item.get(name, 0)))


def _tests(tenant: str, now: datetime) -> dict[str, str]:
    return {"pk": f"TESTS#{tenant}", "sk": now.date().isoformat()}


def _key(tenant: str, day: str) -> dict[str, str]:
    return {"pk": f"BUDGET#{tenant}", "sk": day}
