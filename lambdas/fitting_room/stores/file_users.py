"""Which jobs use an uploaded or dropped file: it is erased with the last of them."""

from __future__ import annotations

import hashlib
from typing import Any

from boto3.dynamodb.conditions import Key

from fitting_room import clock
from fitting_room.jobs.job import Job, Source
from fitting_room.settings import settings
from fitting_room.stores import aws


def of_job(job: Job) -> dict[str, dict[str, Any]]:
    """Return the transaction items that say which files of the inbox a new job uses, by name."""
    ttl = int(clock.parse(job.expires_at).timestamp())
    return {
        f"uses {key}": {"Put": {"TableName": aws.table().name, "Item": {**_key(key, job.id), "ttl": ttl}}}
        for key in files(job)
    }


def files(job: Job) -> list[str]:
    """Return the keys of the files in the inbox that a job was made from."""
    return sorted({str(source.key) for source in _inbox(job)})


def forget(key: str, job_id: str) -> bool:
    """Strike a job off a file's users; True when it was the last one, so that the file can go."""
    aws.table().delete_item(Key=_key(key, job_id))
    return not others(key, job_id)


def others(key: str, job_id: str) -> bool:
    """Return whether another job uses the file."""
    found = aws.table().query(
        KeyConditionExpression=Key("pk").eq(_key(key, job_id)["pk"]), ConsistentRead=True, Limit=2
    )["Items"]
    return any(item["sk"] != job_id for item in found)


def _inbox(job: Job) -> list[Source]:
    return [source for source in job.sources.values() if source.key and source.bucket == settings().inbox_bucket]


def _key(key: str, job_id: str) -> dict[str, str]:
    return {"pk": f"USED#{hashlib.sha256(key.encode()).hexdigest()}", "sk": job_id}
