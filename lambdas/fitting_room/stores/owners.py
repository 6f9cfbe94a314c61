"""What belongs to an owner: an item for each job, subject, upload, token and usage figure; and since when all is to go.

A submit writes its item with the job and reads the mark after that; an erasure writes the mark and reads the items after that.
So whichever comes second sees the other, and no transaction holds an item that all jobs of an owner share.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from boto3.dynamodb.conditions import Key

from fitting_room import clock
from fitting_room.jobs.job import Job, Mode
from fitting_room.settings import settings
from fitting_room.stores import aws
from fitting_room.stores.items import due_attributes, update_if

_MARK = "OWNER"


class Owner(NamedTuple):
    """`partition`: where the items of this owner lie. The owner's name is not in it."""

    tenant: str
    mode: Mode
    partition: str

    @property
    def mark(self) -> dict[str, str]:
        return {"pk": self.partition, "sk": _MARK}


def find(tenant: str, mode: Mode, name: str) -> Owner:
    return Owner(tenant, mode, f"OWNER#{tenant}#{mode}#{hashlib.sha256(name.encode()).hexdigest()}")


def at(partition: str) -> Owner:
    """Return the owner whose items lie there."""
    _, tenant, mode, _ = partition.split("#")
    return Owner(tenant, "test" if mode == "test" else "live", partition)


def of_job(job: Job) -> dict[str, dict[str, Any]]:
    """Return the transaction items that say whose a new job is, and the subject that it makes, by name."""
    if job.owner is None:
        return {}
    owner, ttl = find(job.tenant, job.mode, job.owner), int(clock.parse(job.expires_at).timestamp())
    return {
        f"owner of {name}": {"Put": {"TableName": aws.table().name, "Item": belonging(owner, name, ttl)}}
        for name in (job.id, job.subject)
        if name
    }


def belonging(owner: Owner, name: str, ttl: int) -> dict[str, Any]:
    """Return the item that says whose a job, a subject or an upload is, by its id."""
    return {"pk": owner.partition, "sk": name, "ttl": ttl}


def put(owner: Owner, name: str, ttl: int) -> None:
    aws.table().put_item(Item=belonging(owner, name, ttl))


def belongings(owner: Owner) -> dict[str, int]:
    """Return by its id all that belongs to an owner, read consistently, and when it expires, in seconds since 1970."""
    found = aws.every(KeyConditionExpression=Key("pk").eq(owner.partition), ConsistentRead=True)
    return {str(item["sk"]): int(item["ttl"]) for item in found if item["sk"] != _MARK}


def forget(owner: Owner, name: str) -> None:
    """Strike off what is erased."""
    aws.table().delete_item(Key={"pk": owner.partition, "sk": name})


def forget_job(job: Job) -> None:
    if job.owner is not None:
        forget(find(job.tenant, job.mode, job.owner), job.id)


def erase_before(owner: Owner, now: datetime, look_at: str) -> None:
    """Mark that all is to go that an owner has now, and put the mark on the `due` index.

    The mark is kept for `result_days`: until then a row of an open batch may become a job.
    """
    due = due_attributes(owner.partition, look_at)
    update_if(
        owner.mark,
        "SET erased_before = :now, due_shard = :shard, due_at = :at, #ttl = :ttl",
        "attribute_not_exists(erased_before) OR erased_before <= :now",
        names={"#ttl": "ttl"},
        values={
            ":now": clock.text(now),
            ":shard": due["due_shard"],
            ":at": look_at,
            ":ttl": int((now + timedelta(days=settings().deployment.result_days)).timestamp()),
        },
    )


def erased_before(owner: Owner) -> str | None:
    """Return until when all that an owner had is to go; None when nobody asked for that."""
    found = aws.table().get_item(Key=owner.mark, ConsistentRead=True).get("Item")
    return str(found["erased_before"]) if found else None


def wants_erased(job: Job) -> bool:
    """Whether a job is not marked yet, and its owner's erasure says that it is to go."""
    if job.owner is None or job.erase_requested_at:
        return False
    before = erased_before(find(job.tenant, job.mode, job.owner))
    return before is not None and job.created_at <= before
