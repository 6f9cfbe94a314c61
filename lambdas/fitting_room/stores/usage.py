"""The images and spending of tenants: one item for each job that ended.

Items are in a partition for each tenant, mode and UTC day. They outlive their jobs, and name the owner. So the owner has an
entry for each (`USAGE#<day>#<job>`) that lives as long, by which an erasure finds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from boto3.dynamodb.conditions import Key
from pydantic import BaseModel, ConfigDict, Field

from fitting_room import clock
from fitting_room.jobs.job import Job, Mode, Status, Usage
from fitting_room.stores import aws, owners
from fitting_room.stores.items import to_item, update_if, without_decimals

KEEP = timedelta(days=400)
OF_OWNER = "USAGE#"
"""How the name of an entry begins."""


class Spent(BaseModel):
    """The cost of one job.

    `amount`: in USD by the catalogue's prices. `unknown`: attempts that may or may not have been charged; they are
    counted as charged.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    job_id: str = Field(alias="sk", exclude=True)
    day: str
    status: Status
    task: str
    provider: str
    images: int = 0
    amount: float | None = None
    credits: float | None = None
    unknown: int = 0
    owner: str | None = None


def of_job(job: Job, status: Status, usage: Usage, ended: datetime) -> dict[str, dict[str, Any]]:
    """Return the transaction items that record the cost of a job that ended at that time, by name."""
    day = ended.date().isoformat()
    spent = Spent(
        job_id=job.id,
        day=day,
        status=status,
        task=job.task,
        provider=job.latest.provider if job.latest else job.provider,
        images=usage.images,
        amount=usage.amount,
        credits=usage.credits,
        unknown=sum(attempt.charged == "unknown" for attempt in job.attempts.values()),
        owner=None if job.erase_requested_at else job.request.owner,
    )
    ttl = int((ended + KEEP).timestamp())
    items = {"usage": {**_key(job.tenant, job.mode, day, job.id), **to_item(spent), "ttl": ttl}}
    if spent.owner:
        owner = owners.find(job.tenant, job.mode, spent.owner)
        items["usage of owner"] = owners.belonging(owner, _entry(day, job.id), ttl)
    return {name: {"Put": {"TableName": aws.table().name, "Item": item}} for name, item in items.items()}


def forget_owner_of(job: Job) -> None:
    """Keep the money of an ended job that is erased, and not the person whom it was for."""
    if job.owner and job.finished_at:
        day = clock.parse(job.finished_at).date().isoformat()
        forget_owner(owners.find(job.tenant, job.mode, job.owner), _entry(day, job.id))


def job_of(entry: str) -> str:
    """Return the job that an owner's entry is about."""
    return entry.rpartition("#")[2]


def forget_owner(owner: owners.Owner, entry: str) -> None:
    """Strike the owner from the figures that an entry of the owner names, then the entry."""
    _, day, job_id = entry.split("#")
    key = _key(owner.tenant, owner.mode, day, job_id)
    update_if(key, "REMOVE #owner", "attribute_exists(pk)", names={"#owner": "owner"})
    owners.forget(owner, entry)


def read(tenant: str, mode: Mode, first: date, last: date) -> Iterator[Spent]:
    """Yield the jobs that ended on these UTC days, both included."""
    for number in range((last - first).days + 1):
        day = (first + timedelta(days=number)).isoformat()
        here = Key("pk").eq(_partition(tenant, mode, day))
        yield from (Spent.model_validate(without_decimals(item)) for item in aws.every(KeyConditionExpression=here))


def _entry(day: str, job_id: str) -> str:
    return f"{OF_OWNER}{day}#{job_id}"


def _key(tenant: str, mode: Mode, day: str, job_id: str) -> dict[str, str]:
    return {"pk": _partition(tenant, mode, day), "sk": job_id}


def _partition(tenant: str, mode: Mode, day: str) -> str:
    return f"USAGE#{tenant}#{mode}#{day}"
