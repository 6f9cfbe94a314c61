"""What a tenant may buy in one UTC day: images, and money where the vendor's price is known."""

from __future__ import annotations

from typing import Any

from fitting_room.jobs.job import Reservation
from fitting_room.settings import settings
from fitting_room.stores import aws


def _key(tenant: str, day: str) -> dict[str, str]:
    return {"pk": f"BUDGET#{tenant}", "sk": day}


def coverable(reservation: Reservation) -> bool:
    """Whether a whole day's budget would do. A condition on the item cannot say it: DynamoDB compares attributes."""
    return reservation.images <= settings().daily_images and reservation.microusd <= int(settings().daily_usd * 1e6)


def reserve(tenant: str, reservation: Reservation) -> dict[str, Any]:
    """The transaction item that sets the cost of a job aside; its condition fails when the day's budget is used up."""
    limits = {
        ":images_left": settings().daily_images - reservation.images,
        ":money_left": int(settings().daily_usd * 1e6) - reservation.microusd,
    }
    return {
        "Update": {
            "TableName": aws.table().name,
            "Key": _key(tenant, reservation.day),
            "UpdateExpression": "ADD images :images, microusd :microusd",
            "ConditionExpression": (
                "(attribute_not_exists(images) OR images <= :images_left)"
                " AND (attribute_not_exists(microusd) OR microusd <= :money_left)"
            ),
            "ExpressionAttributeValues": {**limits, ":images": reservation.images, ":microusd": reservation.microusd},
        }
    }


def refund(tenant: str, day: str, images: int, microusd: int) -> dict[str, Any]:
    """The transaction item that gives back what was not charged, to the day it was taken from."""
    return {
        "Update": {
            "TableName": aws.table().name,
            "Key": _key(tenant, day),
            "UpdateExpression": "ADD images :images, microusd :microusd",
            "ExpressionAttributeValues": {":images": -images, ":microusd": -microusd},
        }
    }


def spent(tenant: str, day: str) -> tuple[int, int]:
    """Images and micro-USD used on a day."""
    found = aws.table().get_item(Key=_key(tenant, day), ConsistentRead=True).get("Item", {})
    return int(str(found.get("images", 0))), int(str(found.get("microusd", 0)))
