"""What stands in the place of an erased job."""

from __future__ import annotations

from datetime import datetime

from fitting_room import clock
from fitting_room.jobs.tombstone import Tombstone
from fitting_room.stores import aws, jobs
from fitting_room.stores.items import due_attributes, to_item, without_decimals


def get(job_id: str, now: datetime) -> Tombstone | None:
    found = aws.table().get_item(Key=jobs.key(job_id), ConsistentRead=True).get("Item")
    if found is None or "erased_at" not in found or str(found["expires_at"]) <= clock.text(now):
        return None
    return Tombstone.model_validate(without_decimals(found))


def put(tombstone: Tombstone, look_at: str | None) -> None:
    """In the place of the job's record, or of the tombstone as it was; to be looked at again at that time, if at all."""
    aws.table().put_item(
        Item={
            **jobs.key(tombstone.id),
            **to_item(tombstone),
            "ttl": int(clock.parse(tombstone.expires_at).timestamp()),
            **(due_attributes(tombstone.id, look_at) if look_at else {}),
        }
    )
