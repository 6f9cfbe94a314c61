"""Retry a failed or cancelled job: a new job of the same request and images, bought again only when the client says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from fitting_room.actions.job_view import find_job
from fitting_room.actions.requests.accept import Accepted, accept, changed
from fitting_room.actions.requests.check import unsigned
from fitting_room.actions.requests.context import deployment, subjects_of
from fitting_room.actions.requests.plan import plan
from fitting_room.actions.requests.submit import new_job
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.job import Job, Source
from fitting_room.jobs.parse import faults_of
from fitting_room.stores import aws, jobs, media
from fitting_room.stores.api_keys import Caller
from fitting_room.stores.items import Conflict


class RetryRequest(BaseModel):
    """`buy_again`: the client knows that the job was or may have been charged, and buys it a second time."""

    model_config = ConfigDict(extra="forbid", strict=True)

    buy_again: bool = False


def retry(job_id: str, body: Any, caller: Caller, at: Clock) -> Accepted:
    """Store and start the one retry of a job; a second call answers the same one.

    Raises `Refusal`: `forbidden` for a job that the token could not have made, `conflict` for a job that has not failed,
    `may_be_charged`, `upload_missing` for an image that is gone, and the refusals of a submit.
    """
    asked = _parsed(body)
    old = find_job(job_id, caller, at)
    if caller.token and caller.token.terms != old.terms:
        raise Refusal.of(
            "forbidden",
            "This job was not made with a token of the same `request` and `garments`.",
            "Submit a new job with this token, or ask the shop to retry this one.",
        )
    if other := _retry_of(old, at):
        return Accepted(other, replayed=True)
    _check(old, asked)
    used, unusable = subjects_of(old.request, caller, at)
    if unusable := [*unusable, *(unsigned(caller) if old.request.webhook else [])]:
        raise Refusal(*unusable)
    planned = plan(old.request, caller, deployment(at), subjects=used)
    new_id = at.new_id("job")
    job = new_job(new_id, old.request, caller, planned, used, at).model_copy(
        update={
            "sources": _copied(old, new_id),
            "retried_from": old.id,
            "drop": old.drop,
            "subject": old.subject,
        }
    )
    try:
        return accept(job, {}, {"retried": jobs.retried(old, job)}, caller, at)
    except Refusal:
        _take_back(job.sources)
        raise
    except Conflict as conflict:  # another call was faster, or the job is being erased
        _take_back(job.sources)
        if (other := _retry_of(find_job(job_id, caller, at), at)) is None:
            raise changed() from conflict
        return Accepted(other, replayed=True)


def _retry_of(old: Job, at: Clock) -> Job | None:
    """Return the one retry of a job; an erased one is none, so that the job may be retried once more."""
    return jobs.get(old.retried_by, at.now()) if old.retried_by else None


def may_be_charged(job: Job) -> bool:
    return any(attempt.charged != "no" for attempt in job.attempts.values())


def _parsed(body: Any) -> RetryRequest:
    try:
        return RetryRequest.model_validate(body)
    except ValidationError as error:
        raise Refusal(*faults_of(error, RetryRequest)) from None


def _check(old: Job, asked: RetryRequest) -> None:
    if old.erase_requested_at:
        raise Refusal.of("conflict", "This job is being erased.", "Submit a new job with POST /v1/jobs.")
    if old.status not in ("failed", "cancelled"):
        raise Refusal.of(
            "conflict",
            f"This job is {old.status}; only a failed or cancelled job can be retried.",
            "Submit a new job with POST /v1/jobs." if old.final else "Wait for its end, or cancel it first.",
        )
    if may_be_charged(old) and not asked.buy_again:
        raise Refusal.of(
            "may_be_charged",
            "An attempt of this job was or may have been charged; a retry would buy it a second time.",
            'Fetch what was bought with POST /v1/jobs/{id}/recover, or send {"buy_again": true}.',
        )


def _take_back(copies: Mapping[str, Source]) -> None:
    with aws.unimportant("copies for a refused retry"):
        media.remove([copy.staged for copy in copies.values() if copy.staged])


def _copied(old: Job, new_id: str) -> dict[str, Source]:
    """Copy every original into the staging of the new job, before anything is stored."""
    copies: dict[str, Source] = {}
    for role, pointer, _ in old.request.images():
        source = old.sources[role]
        key = f"staging/{new_id}/input-{role}"
        if not _copy(source, key):
            _take_back(copies)
            raise _gone(source, pointer)
        copies[role] = source.model_copy(update={"staged": key})
    return copies


def _gone(source: Source, pointer: str) -> Refusal:
    told = "An image of this job has expired.", "Upload it again and submit a new job with POST /v1/jobs."
    if source.key is None:  # a link leaves the record at the end of the job, because it may be signed
        told = (
            "This job has kept neither the image nor a link to it.",
            "Submit a new job with POST /v1/jobs that names the link, or upload the image.",
        )
    return Refusal.of("upload_missing", *told, status=409, pointer=pointer)


def _copy(source: Source, key: str) -> bool:
    """Copy the job's own copy of an original, or the original while there is none.

    Returns False when both are gone.
    """
    if source.staged and media.copy(source.staged, key):
        return True
    return bool(source.key) and media.copy(str(source.key), key, bucket=source.bucket)
