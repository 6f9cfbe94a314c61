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
from fitting_room.actions.requests.plan import Deployment, Plan, plan
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Fault, JobFailure, Refusal
from fitting_room.jobs.image_ref import ImageRef
from fitting_room.jobs.job import Job, Reservation, Source, Subject
from fitting_room.jobs.parse import parse
from fitting_room.jobs.tasks import AnyRequest, TrainSubject
from fitting_room.observability import logger
from fitting_room.providers.catalogue import entries, entry
from fitting_room.settings import settings
from fitting_room.stores import aws, budgets, jobs, media, provider_keys, subjects, tombstones, uploads
from fitting_room.stores import model_lifecycles as models
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

    request = parse(body)
    used_subjects = subjects_of(request, caller.tenant, at)
    planned = plan(request, caller.mode, deployment(at), allowed=caller.providers, subjects=used_subjects)
    job = _new_job(request, caller, planned, used_subjects, at, drop)
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


def deployment(at: Clock) -> Deployment:
    config = settings()
    first = {provider: index for index, provider in enumerate(config.provider_order)}
    ordered = sorted(entries(), key=lambda entry: first.get(entry.id, len(first)))
    return Deployment(
        ordered,
        provider_keys.configured(),
        frozenset(config.bedrock_regions),
        config.private_access,
        models.observed(),
        at.now().date(),
        config.legacy_models,
        config.unmoderated,
    )


def subjects_of(request: AnyRequest, tenant: str, at: Clock) -> dict[str, Subject]:
    """By JSON pointer, the subjects that a request names. Raises `Refusal` when one of them cannot be used."""
    found = {pointer: subjects.ready(subject_id, tenant, at.now()) for pointer, subject_id in request.subjects()}
    missing = [
        Fault.of(
            "subject_not_ready",
            "This subject is unknown, still being made, failed, or being erased.",
            "See GET /v1/subjects/{id}, and submit the job once its status is ready.",
            pointer=pointer,
        )
        for pointer, subject in found.items()
        if subject is None
    ]
    misplaced = [
        Fault.of("invalid_input", f"This subject is a {subject.kind}.", "Name it where one belongs.", pointer=pointer)
        for pointer, subject in found.items()
        if subject and not pointer.startswith(f"/{subject.kind}")
    ]
    if missing or misplaced:
        raise Refusal(*missing, *misplaced)
    return {pointer: subject for pointer, subject in found.items() if subject}


def _new_job(
    request: AnyRequest, caller: Caller, planned: Plan, used: Mapping[str, Subject], at: Clock, drop: str | None
) -> Job:
    job_id, now = at.new_id("job"), at.now()
    sources = _sources(request, caller.tenant, job_id, at)
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
    prices = [entry(name).cost(request, made_for=made_for) for name in providers]
    if all(price.free for price in prices):
        return None
    amount = max(price.amount or 0 for price in prices)
    return Reservation(day=day, images=count, microusd=round(amount * count * 1e6))


def _sources(request: AnyRequest, tenant: str, job_id: str, at: Clock) -> dict[str, Source]:
    """Where each picture lies. All faults at once; inline data is put into S3 only when there is none."""
    faults: list[Fault] = []
    sources: dict[str, Source] = {}
    inline: dict[str, bytes] = {}
    for role, pointer, ref in request.images():
        try:
            if ref.data:
                from fitting_room.images.fetch import data_url  # imports an imaging library: only for those who need it

                inline[role] = data_url(ref.data, pointer=pointer)
                sources[role] = Source(bucket=settings().media_bucket, key=f"staging/{job_id}/input-{role}")
            else:
                sources[role] = _source(ref, tenant, at)
        except JobFailure as failure:
            faults.append(Fault.of("invalid_input", failure.fault.detail, failure.fault.remedy, pointer=pointer))
        except Refusal as refusal:
            faults += [fault.model_copy(update={"pointer": f"{pointer}/{ref.kind}"}) for fault in refusal.faults]
    if faults:
        raise Refusal(*faults)
    for role, data in inline.items():
        media.put(f"staging/{job_id}/input-{role}", data, "application/octet-stream")
    return sources


def _source(ref: ImageRef, tenant: str, at: Clock) -> Source:
    if ref.upload:
        upload = uploads.get(ref.upload, tenant, at.now())
        if upload is None or not media.exists(upload.key, bucket=settings().inbox_bucket):
            raise Refusal.of(
                "upload_missing",
                "This upload is unknown, expired, or its file has not arrived.",
                "Create an upload with POST /v1/uploads, send the file, then submit the job.",
            )
        return Source(bucket=settings().inbox_bucket, key=upload.key)
    if ref.s3:
        bucket, _, key = ref.s3.removeprefix("s3://").partition("/")
        own = {settings().inbox_bucket: ("uploads", "drop"), settings().media_bucket: ("results",)}
        folders = own.get(bucket, ())
        if {"..", "."} & set(key.split("/")) or not any(key.startswith(f"{folder}/{tenant}/") for folder in folders):
            raise Refusal.of(
                "invalid_input",
                "An s3 reference must lie in the tenant's own folders of this deployment.",
                f"Use uploads/{tenant}/ or drop/{tenant}/ of the inbox, or results/{tenant}/ of the media bucket.",
            )
        return Source(bucket=bucket, key=key)
    return Source(url=ref.url)


def _kept(request: AnyRequest, providers: list[str]) -> AnyRequest:
    """The request without inline pictures, which are in S3 by now, without links, which may be signed and stand in the
    sources until they are fetched, and without options that nobody has checked: those of providers outside the plan may be
    of any size and depth."""

    def kept(value: Any) -> Any:
        if isinstance(value, ImageRef) and (value.url or value.data):
            return type(value)(data="data:image/x;base64,")
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
