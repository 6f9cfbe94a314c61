"""Accept a job: check everything, store it, start it. After a 202 the job cannot be lost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from fitting_room import clock
from fitting_room.actions.requests.accept import Accepted, accept, expiry, reservation
from fitting_room.actions.requests.check import Checked, check
from fitting_room.actions.requests.plan import Plan
from fitting_room.actions.requests.sources import inline, kept_request
from fitting_room.actions.requests.tokens import narrowed
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.job import Job, Source, Subject
from fitting_room.jobs.tasks import AnyRequest
from fitting_room.settings import settings
from fitting_room.stores import jobs, tombstones
from fitting_room.stores.api_keys import Caller
from fitting_room.stores.items import Conflict

KEEP_IDEMPOTENCY = timedelta(hours=24)
_IDEMPOTENCY_KEY = re.compile(r"^[\x21-\x7e]{1,255}$")


def submit(
    body: Any,
    caller: Caller,
    idempotency_key: str | None,
    at: Clock,
    *,
    drop: str | None = None,
    keep: timedelta = KEEP_IDEMPOTENCY,
) -> Accepted:
    """Store and start one job.

    The same idempotency key and body answer the same job. Raises `Refusal`: nothing is stored then, and nothing will
    be bought.
    """
    idempotency_key = checked_key(idempotency_key)
    if idempotency_key:  # what was tried with a test key may be done for real with the same key
        shopper = f" {caller.token.owner} " if caller.token else ":"  # shoppers cannot take each other's
        idempotency_key = f"{caller.mode}{shopper}{idempotency_key}"
    digest = jobs.body_hash(body)
    if idempotency_key and (used := jobs.replayed(caller.tenant, idempotency_key, at.now())):
        return _replay(used, digest, at)
    checked = _allowed(body, caller, at)
    job, given = made(at.new_id("job"), checked, caller, at)
    job = job.model_copy(update={"drop": drop})
    writes = {}
    if idempotency_key:
        writes["idempotency"] = jobs.remember(
            caller.tenant, idempotency_key, job_id=job.id, digest=digest, now=at.now(), keep=keep
        )
    try:
        return accept(job, given, writes, caller, at)
    except Conflict:  # another request with the same key was faster
        used_now = idempotency_key and jobs.replayed(caller.tenant, idempotency_key, at.now())
        if not used_now:
            raise
        return _replay(used_now, digest, at)


def checked_key(idempotency_key: str | None) -> str | None:
    """Return the key that a client sent.

    Raises `Refusal` for one that is none.
    """
    if idempotency_key is not None and not _IDEMPOTENCY_KEY.match(idempotency_key):
        raise Refusal.of(
            "invalid_input",
            "Idempotency-Key must be 1 to 255 visible ASCII characters.",
            "Use a UUID, or your own order number.",
            status=400,
        )
    return idempotency_key


def check_same_body(used: dict[str, Any], digest: str) -> None:
    """Raise `Refusal` if a key is sent with another body than the one it was used with."""
    if used["body_hash"] != digest:
        raise Refusal.of(
            "idempotency_conflict",
            "This Idempotency-Key was used with another body in the last 24 hours.",
            "Send the same body again, or use a new key.",
        )


def _allowed(body: Any, caller: Caller, at: Clock) -> Checked:
    """Check a body; a shopper's as the token makes it. What the shop has allowed is named with the rights of the shop."""
    token = caller.token
    if token is None:
        return check(body, caller, at, find_uploads=True)
    checked = check(narrowed(body, token, caller), caller._replace(token=None), at, find_uploads=True)
    sources = dict(checked.sources)
    for role, pointer, ref in checked.request.images():
        if ref.url and pointer.startswith("/garments/"):
            within = token.prefix_of({"url": ref.url})
            sources[role] = sources[role].model_copy(update={"within": within})
    return replace(checked, sources=sources)


def made(job_id: str, checked: Checked, caller: Caller, at: Clock) -> tuple[Job, dict[str, bytes]]:
    """Return the record of a job that is not stored yet, and by key the images that its request holds itself."""
    given = inline(checked.request)
    staged = {role: Source(bucket=settings().media_bucket, key=f"staging/{job_id}/input-{role}") for role in given}
    job = new_job(job_id, checked.request, caller, checked.plan, checked.subjects, at)
    job = job.model_copy(update={"sources": {**checked.sources, **staged}})
    return job, {str(staged[role].key): data for role, data in given.items()}


def new_job(
    job_id: str, request: AnyRequest, caller: Caller, planned: Plan, used: Mapping[str, Subject], at: Clock
) -> Job:
    """Return the record of a job that is not stored yet, without its sources."""
    now = clock.text(at.now())
    return Job(
        id=job_id,
        tenant=caller.tenant,
        mode=caller.mode,
        task=request.task,
        request=kept_request(request, planned.providers),
        sources={},
        terms=caller.token.terms if caller.token else None,
        plan=planned.providers,
        models=planned.models,
        warnings=planned.warnings,
        reserved=reservation(request, planned, used, at),
        subject=at.new_id("sub") if request.task == "train_subject" else None,
        subjects={subject.id: subject for subject in used.values()},
        timeline=[{"step": "queued", "at": now}],
        created_at=now,
        expires_at=expiry(at),
    )


def _replay(used: dict[str, Any], digest: str, at: Clock) -> Accepted:
    check_same_body(used, digest)
    job = jobs.get(str(used["job_id"]), at.now())
    if job is None:
        gone = "erased" if tombstones.get(str(used["job_id"]), at.now()) else "not_found"
        raise Refusal.of(gone, "The job of this Idempotency-Key no longer exists.", "Use a new key.")
    return Accepted(job, replayed=True)
