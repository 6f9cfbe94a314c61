"""The images and spending of tenants: one item for each job that ended.

Items are in a partition for each tenant, mode and UTC day.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from boto3.dynamodb.conditions import Key
from pydantic import BaseModel, ConfigDict, Field

from fitting_room import clock
from fitting_room.jobs.job import Job, Mode, Status, Usage
from fitting_room.stores import aws
from fitting_room.stores.items import to_item, update_if, without_decimals

KEEP = timedelta(days=400)


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


def of_job(job: Job, status: Status, usage: Usage, ended: datetime) -> dict[str, Any]:
    """Return the transaction item that records the cost of a job that ended at that time."""
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
    item = {**_key(job.tenant, job.mode, day, job.id), **to_item(spent), "ttl": int((ended + KEEP).timestamp())}
    return {"Put": {"TableName": aws.table().name, "Item": item}}


def forget_owner(job: Job) -> None:
    """Keep the money of an ended job that is erased, and not the person whom it was for."""
    if job.finished_at:
        update_if(_key_of(job), "REMOVE #owner", "attribute_exists(pk)", names={"#owner": "owner"})


def read(tenant: str, mode: Mode, first: date, last: date) -> Iterator[Spent]:
    """Yield the jobs that ended on these UTC days, both included."""
    for number in range((last - first).days + 1):
        day = (first + timedelta(days=number)).isoformat()
        here = Key("pk").eq(_partition(tenant, mode, day))
        yield from (Spent.model_validate(without_decimals(item)) for item in aws.every(KeyConditionExpression=here))


def _key_of(job: Job) -> dict[str, str]:
    ended = clock.parse(str(job.finished_at)).date().isoformat()
    return _key(job.tenant, job.mode, ended, job.id)


def _key(tenant: str, mode: Mode, day: str, job_id: str) -> dict[str, str]:
    return {"pk": _partition(tenant, mode, day), "sk": job_id}


def _partition(tenant: str, mode: Mode, day: str) -> str:
    return f"USAGE#{tenant}#{mode}#{day}"
