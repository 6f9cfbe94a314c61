"""Which of a tenant's pictures a vendor already knows: a reference is made once per picture, not once per job."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from fitting_room import clock
from fitting_room.stores import aws
from fitting_room.stores.items import delete_if, update_if

KEEP = timedelta(days=25)
"""Less than the 30 days for which vendors keep a reference."""


class Claim(NamedTuple):
    """`made_id`: the provider's id of a reference that is there. Without one: whether the caller is the one to make it."""

    held: bool
    made_id: str | None = None


def claim(tenant: str, provider: str, digest: str, now: datetime, until: datetime) -> Claim:
    """Return the reference, or claim the making of it until that time.

    The claim is not held while another job makes it.
    """
    key = _key(tenant, provider, digest)
    found = aws.table().get_item(Key=key, ConsistentRead=True).get("Item", {})
    if "made_id" in found and str(found["expires_at"]) > clock.text(now):
        return Claim(held=False, made_id=str(found["made_id"]))
    held = update_if(
        key,
        "SET claimed_until = :until, #ttl = :ttl REMOVE made_id",
        "attribute_not_exists(pk) OR (attribute_exists(made_id) AND expires_at <= :now)"
        " OR (attribute_not_exists(made_id) AND claimed_until <= :now)",
        names={"#ttl": "ttl"},
        values={":until": clock.text(until), ":now": clock.text(now), ":ttl": int((now + KEEP).timestamp())},
    )
    return Claim(held)


def save(tenant: str, provider: str, digest: str, made_id: str, now: datetime) -> None:
    aws.table().put_item(
        Item={
            **_key(tenant, provider, digest),
            "made_id": made_id,
            "expires_at": clock.text(now + KEEP),
            "ttl": int((now + KEEP).timestamp()),
        }
    )


def forget(tenant: str, provider: str, digest: str, made_id: str) -> None:
    """Forget a reference that the provider no longer has.

    One that another job has made since stays as it is.
    """
    delete_if(_key(tenant, provider, digest), "made_id = :made", made=made_id)


def unclaim(tenant: str, provider: str, digest: str, until: datetime) -> None:
    """Release the claim until that time: its holder made nothing.

    A later claim of another job stays as it is.
    """
    condition = "attribute_not_exists(made_id) AND claimed_until = :until"
    delete_if(_key(tenant, provider, digest), condition, until=clock.text(until))


def _key(tenant: str, provider: str, digest: str) -> dict[str, str]:
    return {"pk": f"REFERENCES#{tenant}#{provider}", "sk": digest}
