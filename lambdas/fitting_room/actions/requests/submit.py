"""Accept a job: check everything, store it in one transaction, start it. After a 202 the job cannot be lost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel

from fitting_room import clock
from fitting_room.actions.cost import asked_side
from fitting_room.actions.requests.check import Checked, check
from fitting_room.clock import Clock
from fitting_room.jobs.data_url import decode
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.image_ref import ImageRef
from fitting_room.jobs.job import Job, Reservation, Source, Subject
from fitting_room.jobs.tasks import AnyRequest, TrainSubject
from fitting_room.observability import logger
from fitting_room.providers.catalogue import entry
from fitting_room.settings import settings
from fitting_room.stores import aws, budgets, jobs, media, subjects, tombstones
from fitting_room.stores.api_keys import Caller
from fitting_room.stores.items import Conflict, due, transact

KEEP_IDEMPOTENCY = timedelta(hours=24)
START_GRACE = 60
"""Seconds after which the sweep starts a job that nobody started."""
_IDEMPOTENCY_KEY = re.compile(r"^[\x21-\x7e]{1,255}$")


@dataclass(frozen=True)
class Accepted:
    job: Job
    replayed: bool = False


def submit(
    body: Any,
    caller: Caller,
    idempotency_key: str | None,
    at: Clock,
    *,
    drop: str | None = None,
    keep: timedelta = KEEP_IDEMPOTENCY,
) -> Accepted:
    """Store and start one job. The same idempotency key and body answer the same job.

    Raises `Refusal`: nothing was stored then, and nothing will be bought.
    """
    if idempotency_key is not None and not _IDEMPOTENCY_KEY.match(idempotency_key):
        raise Refusal.of(
            "invalid_input",
            "Idempotency-Key must be 1 to 255 visible ASCII characters.",
            "Use a UUID, or your own order number.",
            status=400,
        )
    if idempotency_key:  # what was tried with a test key may be done for real with the same key
        idempotency_key = f"{caller.mode}:{idempotency_key}"
    digest = jobs.body_hash(body)
    if idempotency_key and (used := jobs.replayed(caller.tenant, idempotency_key, at.now())):
        return _replay(used, digest, at)

    checked = check(body, caller, at, look=True)
    request = checked.request
    job = _new_job(checked, caller, at, drop)
    writes = [
        {
            "Put": {
                "TableName": aws.table().name,
                "ConditionExpression": "attribute_not_exists(pk)",
                "Item": jobs.item(job) | due(job.id, clock.later(at.now(), START_GRACE)),
            }
        }
    ]
    if job.reserved:
        if not budgets.coverable(job.reserved):
            raise _over_budget(at)
        writes.append(budgets.reserve(caller.tenant, job.reserved))
    if idempotency_key:
        writes.append(
            jobs.remember(caller.tenant, idempotency_key, job_id=job.id, digest=digest, now=at.now(), keep=keep)
        )
    if isinstance(request, TrainSubject):
        writes.append(subjects.begin(job, request))
    try:
        transact(writes, at.sleep)
    except Conflict as conflict:
        return _after_conflict(conflict, caller, idempotency_key, digest, job, at)
    start(job.id)
    return Accepted(job)


def start(job_id: str) -> None:
    """Start the execution, named by the job. A refused start is the sweep's to repeat."""
    try:
        aws.step_functions().start_execution(
            stateMachineArn=settings().job_machine_arn, name=job_id, input=f'{{"job_id":"{job_id}"}}'
        )
    except (ClientError, BotoCoreError) as error:
        logger.warning("start refused", job_id=job_id, error=type(error).__name__)


def _new_job(checked: Checked, caller: Caller, at: Clock, drop: str | None) -> Job:
    request, planned, used = checked.request, checked.plan, checked.subjects
    job_id, now = at.new_id("job"), at.now()
    sources = {**checked.sources, **_inline(request, job_id)}
    return Job(
        id=job_id,
        tenant=caller.tenant,
        mode=caller.mode,
        task=request.task,
        request=_kept(request, planned.providers),
        sources=sources,
        plan=planned.providers,
        warnings=planned.warnings,
        reserved=_reservation(request, planned.providers, used, now.date().isoformat()),
        subject=at.new_id("sub") if request.task == "train_subject" else None,
        subjects={subject.id: subject for subject in used.values()},
        drop=drop,
        timeline=[{"step": "queued", "at": clock.text(now)}],
        created_at=clock.text(now),
        expires_at=clock.text(now + timedelta(days=settings().result_days)),
    )


def _reservation(
    request: AnyRequest, providers: list[str], used: Mapping[str, Subject], day: str
) -> Reservation | None:
    """The dearest that the plan can cost: any one of its providers, every image."""
    count, made_for = request.output.count, frozenset(subject.made_for for subject in used.values())
    prices = [entry(name).cost(request, asked_side(request), made_for) for name in providers]
    if all(price.free for price in prices):
        return None
    amount = max(price.amount or 0 for price in prices)
    return Reservation(day=day, images=count, microusd=round(amount * count * 1e6))


def _inline(request: AnyRequest, job_id: str) -> dict[str, Source]:
    """Inline pictures, put into S3."""
    sources = {}
    for role, _, ref in request.images():
        if ref.data:
            sources[role] = Source(bucket=settings().media_bucket, key=f"staging/{job_id}/input-{role}")
            media.put(f"staging/{job_id}/input-{role}", decode(ref.data), "application/octet-stream")
    return sources


def _kept(request: AnyRequest, providers: list[str]) -> AnyRequest:
    """The request without inline pictures, which are in S3 by now, without links, which may be signed and stand in the
    sources until they are fetched, and without options that nobody has checked: those of providers outside the plan may be
    of any size and depth."""

    def kept(value: Any) -> Any:
        if isinstance(value, ImageRef) and (value.url or value.data):
            return type(value)(data="data:;base64,")
        if isinstance(value, BaseModel):
            return value.model_copy(update={name: kept(part) for name, part in value})
        return [kept(part) for part in value] if isinstance(value, list) else value

    options = {provider: given for provider, given in request.provider_options.items() if provider in providers}
    stored: AnyRequest = kept(request)
    return stored.model_copy(update={"provider_options": options})


def _after_conflict(
    conflict: Conflict, caller: Caller, idempotency_key: str | None, digest: str, job: Job, at: Clock
) -> Accepted:
    """Another request with the same key was faster, or the budget is used up, or the table is too busy."""
    if idempotency_key and (used := jobs.replayed(caller.tenant, idempotency_key, at.now())):
        return _replay(used, digest, at)
    if job.reserved and conflict.reasons[1:2] == ["ConditionalCheckFailed"]:
        raise _over_budget(at) from conflict
    raise Refusal.of(
        "throttled", "Too many jobs are being submitted at this moment.", "Send the request again.", retry_after=1
    ) from conflict


def _over_budget(at: Clock) -> Refusal:
    tomorrow = (at.now() + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return Refusal.of(
        "budget_exceeded",
        "The tenant's budget for today does not cover this job.",
        "Wait until 00:00 UTC, or ask the operator to raise the daily budget.",
        retry_after=int((tomorrow - at.now()).total_seconds()) + 1,
    )


def _replay(used: dict[str, Any], digest: str, at: Clock) -> Accepted:
    if used["body_hash"] != digest:
        raise Refusal.of(
            "idempotency_conflict",
            "This Idempotency-Key was used with another body in the last 24 hours.",
            "Send the same body again, or use a new key.",
        )
    job = jobs.get(str(used["job_id"]), at.now())
    if job is None:
        gone = "erased" if tombstones.get(str(used["job_id"]), at.now()) else "not_found"
        raise Refusal.of(gone, "The job of this Idempotency-Key is no longer there.", "Use a new key.")
    return Accepted(job, replayed=True)
