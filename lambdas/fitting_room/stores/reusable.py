"""Which job has made the images of a content: the latest of those that succeeded."""

from __future__ import annotations

from typing import Any

from fitting_room import clock
from fitting_room.jobs.job import Job
from fitting_room.stores import aws
from fitting_room.stores.items import delete_if


def of_job(job: Job, content: str) -> dict[str, Any]:
    """Return the transaction item that offers the images of a job that succeeds."""
    ttl = int(clock.parse(job.expires_at).timestamp())
    return {"Put": {"TableName": aws.table().name, "Item": {**_key(content), "job_id": job.id, "ttl": ttl}}}


def find(content: str) -> str | None:
    """Return the id of the latest job of this content. It may be erased, or have expired."""
    found = aws.table().get_item(Key=_key(content), ConsistentRead=True).get("Item")
    return str(found["job_id"]) if found else None


def forget(job: Job) -> None:
    """Offer the images of an erased job no more."""
    for content in {attempt.content for attempt in job.attempts.values() if attempt.content}:
        delete_if(_key(content), "job_id = :id", id=job.id)


def _key(content: str) -> dict[str, str]:
    return {"pk": f"MADE#{content}", "sk": "MADE"}
