"""Subjects: a provider's models and references of a tenant's person or garment, made or in the making."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from boto3.dynamodb.conditions import Key
from pydantic import BaseModel, ConfigDict

from fitting_room import clock
from fitting_room.jobs.errors import Fault
from fitting_room.jobs.job import Job, Subject
from fitting_room.jobs.tasks import TrainSubject
from fitting_room.stores import aws
from fitting_room.stores.items import delete_if, to_item, update_if, without_decimals


class StoredSubject(BaseModel):
    """A subject as it is stored.

    `job_id`: the job that makes it. `made_for`, `made_id` and `token` are known once it is ready. `provider` is the
    first of the job's plan until then.
    """

    model_config = ConfigDict(extra="ignore")

    id: str
    tenant: str
    kind: Literal["person", "garment"]
    class_name: str
    status: Literal["training", "ready", "failed"] = "training"
    job_id: str
    provider: str
    made_for: str | None = None
    made_id: str | None = None
    token: str | None = None
    error: Fault | None = None
    owner: str | None = None
    reference: str | None = None
    created_at: str
    ready_at: str | None = None
    expires_at: str
    erase_requested_at: str | None = None
    erase_failed_at: str | None = None
    """When the provider was given up on: its copy is still there."""


def begin(job: Job, request: TrainSubject) -> dict[str, Any]:
    """Return the transaction item of a subject that `job` is to make."""
    assert job.subject, "a training has a subject"
    stored = StoredSubject(
        id=job.subject,
        tenant=job.tenant,
        kind=request.kind,
        class_name=request.class_name,
        job_id=job.id,
        provider=job.plan[0],
        owner=request.owner,
        reference=request.reference,
        created_at=job.created_at,
        expires_at=job.expires_at,
    )
    item = {**key(job.tenant, job.subject), **to_item(stored), "ttl": int(clock.parse(job.expires_at).timestamp())}
    return {"Put": {"TableName": aws.table().name, "ConditionExpression": "attribute_not_exists(pk)", "Item": item}}


def again(job: Job) -> dict[str, Any]:
    """Return the transaction item of a subject that was not made, and that `job` is to make now."""
    return {
        "Update": {
            "TableName": aws.table().name,
            "Key": key(job.tenant, str(job.subject)),
            "UpdateExpression": "SET #status = :training, job_id = :job, #provider = :provider REMOVE #error",
            "ConditionExpression": "#status = :failed AND attribute_not_exists(erase_requested_at)",
            "ExpressionAttributeNames": {"#status": "status", "#provider": "provider", "#error": "error"},
            "ExpressionAttributeValues": {
                ":training": "training",
                ":failed": "failed",
                ":job": job.id,
                ":provider": job.plan[0],
            },
        }
    }


def get(subject_id: str, tenant: str, now: datetime) -> StoredSubject | None:
    """Return the tenant's own subject.

    None for a subject of another tenant, and once it has expired.
    """
    found = aws.table().get_item(Key=key(tenant, subject_id), ConsistentRead=True).get("Item")
    return (
        StoredSubject.model_validate(without_decimals(found))
        if found and str(found["expires_at"]) > clock.text(now)
        else None
    )


def ready(subject_id: str, tenant: str, now: datetime) -> Subject | None:
    """Return the subject as a job uses it, or None while it cannot be used."""
    found = get(subject_id, tenant, now)
    if found is None or found.status != "ready" or found.erase_requested_at:
        return None
    return Subject.model_validate(found.model_dump())


def listed(tenant: str, now: datetime, limit: int, after: str | None = None) -> tuple[list[StoredSubject], str | None]:
    """Return at most `limit` subjects, newest first and older than `after`.

    The second value is the id to go on after, if there may be more.
    """
    more: Any = {"ExclusiveStartKey": key(tenant, after)} if after else {}
    found = aws.table().query(
        KeyConditionExpression=Key("pk").eq(f"SUBJECTS#{tenant}"), ScanIndexForward=False, Limit=limit, **more
    )
    living = [
        StoredSubject.model_validate(without_decimals(item))
        for item in found["Items"]
        if str(item["expires_at"]) > clock.text(now)
    ]
    return living, str(found["LastEvaluatedKey"]["sk"]) if "LastEvaluatedKey" in found else None


def finish(job: Job, made_for: str | None, now: datetime) -> None:
    """Record the end of the subject that a settled job was to make.

    Nothing happens when it was erased meanwhile, or when another job makes it now.
    """
    last = job.latest
    assert job.subject, "a training has a subject"
    values: dict[str, Any]
    if job.status == "succeeded" and last and last.provider_job_id:
        update = (
            "SET #status = :ready, made_for = :for, made_id = :id, #token = :token, #provider = :by, ready_at = :now"
        )
        values = {
            ":ready": "ready",
            ":for": made_for,
            ":id": last.provider_job_id,
            ":token": last.token,
            ":by": last.provider,
            ":now": clock.text(now),
        }
        names = {"#status": "status", "#token": "token", "#provider": "provider"}
    else:
        update, names = "SET #status = :failed, #error = :error", {"#status": "status", "#error": "error"}
        values = {":failed": "failed", ":error": to_item(job.error) if job.error else None}
    update_if(key(job.tenant, job.subject), update, "job_id = :job", names=names, values=values | {":job": job.id})


def give_up(subject: StoredSubject, now: datetime) -> None:
    """Record that the provider does not delete the subject.

    It is not asked any more until the owner asks again.
    """
    update_if(
        key(subject.tenant, subject.id),
        "SET erase_failed_at = :now REMOVE due_shard, due_at",
        "attribute_exists(pk)",
        values={":now": clock.text(now)},
    )


def remove(subject: StoredSubject) -> bool:
    """Delete the subject.

    Returns False, without deleting it, when `made_id` was stored after `subject` was read: the provider then holds a
    copy.
    """
    where = key(subject.tenant, subject.id)
    if subject.made_id is None:
        return delete_if(where, "attribute_not_exists(made_id)")
    aws.table().delete_item(Key=where)
    return True


def key(tenant: str, subject_id: str) -> dict[str, str]:
    return {"pk": f"SUBJECTS#{tenant}", "sk": subject_id}
