"""Which of a tenant's pictures a vendor already knows: a reference is made once per picture, not once per job."""

from __future__ import annotations

from datetime import datetime, timedelta

from boto3.dynamodb.conditions import Attr, ConditionBase
from botocore.exceptions import ClientError

from fitting_room import clock
from fitting_room.stores import aws
from fitting_room.stores.items import update_if

KEEP = timedelta(days=25)
"""Less than the 30 days for which vendors keep a reference."""


def take(tenant: str, provider: str, digest: str, now: datetime, until: datetime) -> str | bool:
    """The vendor's id of the reference; or True: it is the caller's to make, alone until that time; or False: somebody else
    is making it."""
    key = _key(tenant, provider, digest)
    found = aws.table().get_item(Key=key, ConsistentRead=True).get("Item", {})
    if "made_id" in found and str(found["expires_at"]) > clock.text(now):
        return str(found["made_id"])
    return update_if(
        key,
        "SET claimed_until = :until, #ttl = :ttl REMOVE made_id",
        "attribute_not_exists(pk) OR (attribute_exists(made_id) AND expires_at <= :now)"
        " OR (attribute_not_exists(made_id) AND claimed_until <= :now)",
        names={"#ttl": "ttl"},
        values={":until": clock.text(until), ":now": clock.text(now), ":ttl": int((now + KEEP).timestamp())},
    )


def keep(tenant: str, provider: str, digest: str, made_id: str, now: datetime) -> None:
    aws.table().put_item(
        Item={
            **_key(tenant, provider, digest),
            "made_id": made_id,
            "expires_at": clock.text(now + KEEP),
            "ttl": int((now + KEEP).timestamp()),
        }
    )


def forget(tenant: str, provider: str, digest: str, made_id: str) -> None:
    """The vendor does not know this one: the next job makes it anew. Nothing happens when one does already."""
    _delete(_key(tenant, provider, digest), Attr("made_id").eq(made_id))


def give_back(tenant: str, provider: str, digest: str, until: datetime) -> None:
    """Who was alone with it until that time has certainly made none. Nothing happens when it is somebody else's by now."""
    _delete(_key(tenant, provider, digest), Attr("made_id").not_exists() & Attr("claimed_until").eq(clock.text(until)))


def _delete(key: dict[str, str], condition: ConditionBase) -> None:
    try:
        aws.table().delete_item(Key=key, ConditionExpression=condition)
    except ClientError as error:
        if aws.reason(error) != "ConditionalCheckFailedException":
            raise


def _key(tenant: str, provider: str, digest: str) -> dict[str, str]:
    return {"pk": f"REFERENCES#{tenant}#{provider}", "sk": digest}
