"""The records that replace those of erased jobs."""

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
    """Store a tombstone in place of the job's record, or of the earlier tombstone.

    `look_at`: the time to examine it again, if at all.
    """
    aws.table().put_item(
        Item={
            **jobs.key(tombstone.id),
            **to_item(tombstone),
            "ttl": int(clock.parse(tombstone.expires_at).timestamp()),
            **(due_attributes(tombstone.id, look_at) if look_at else {}),
        }
    )
