"""Recover a failed or cancelled job: a new job that buys nothing and fetches images that were, or may have been, paid for."""

from __future__ import annotations

from datetime import timedelta

from fitting_room import clock
from fitting_room.actions.job_view import find_job
from fitting_room.actions.requests.accept import Accepted, accept, changed, expiry
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.job import Attempt, Job, Reads
from fitting_room.settings import settings
from fitting_room.stores import jobs, media
from fitting_room.stores.api_keys import Caller
from fitting_room.stores.items import Conflict

TIME_TO_READ = timedelta(minutes=15)


def recover(job_id: str, caller: Caller, at: Clock, *, provider_job_id: str | None = None) -> Accepted:
    """Store and start the recovery of a job; while one is open, a second call answers the same job.

    `provider_job_id`: the job's id that an operator found in the provider's account for the latest attempt. Raises
    `Refusal` `nothing_to_recover`, `not_found` or `erased`.
    """
    old = find_job(job_id, caller, at)
    if open_one := _open(old, caller, at):
        return Accepted(open_one, replayed=True)
    attempt = _bought(old, provider_job_id)
    if attempt is None:
        raise Refusal.of(
            "nothing_to_recover",
            f"This job is {old.status} and has nothing to fetch.",
            "Recover only a failed or cancelled job that a provider took and that was or may have been charged.",
        )
    job = _recovery(old, attempt, at)
    try:
        return accept(job, {}, {"recovered": jobs.recovered(old, job)}, caller, at)
    except Conflict as conflict:
        other = _open(find_job(job_id, caller, at), caller, at)
        if other is None:
            raise changed() from conflict
        return Accepted(other, replayed=True)


def _open(old: Job, caller: Caller, at: Clock) -> Job | None:
    """Return the existing recovery of a job, unless it failed or was cancelled."""
    if old.recovered_by is None:
        return None
    job = jobs.get(old.recovered_by, at.now())
    return job if job and caller.owns(job) and job.status not in ("failed", "cancelled") else None


def _bought(job: Job, provider_job_id: str | None) -> Attempt | None:
    """Return the latest attempt whose images are in staging, or whose job at the provider is known.

    It has the images that are still there. It is finished if they are all, or all that can be had.
    """
    if job.status not in ("failed", "cancelled") or job.erase_requested_at:
        return None
    for attempt in sorted(job.attempts.values(), key=lambda each: each.n, reverse=True):
        if attempt.charged == "no":
            continue
        known = provider_job_id or attempt.provider_job_id
        there = [stored for stored in attempt.results if media.exists(stored.key, bucket=settings().media_bucket)]
        whole = attempt.outcome == "finished" and there and (there == attempt.results or not known)
        if whole or known:
            outcome = "finished" if whole else "pending"
            return attempt.model_copy(update={"provider_job_id": known, "results": there, "outcome": outcome})
    return None


def _recovery(old: Job, attempt: Attempt, at: Clock) -> Job:
    """Build the job that recovers an attempt.

    It begins at Collect when the images are in staging, otherwise at Poll. It has its own time limit.
    """
    now = at.now()
    staged = attempt.outcome == "finished"
    copied = attempt.model_copy(
        update={
            "n": 1,
            "recovered_n": attempt.n,
            "lease": None,
            "callback": None,
            "reads": Reads(),
            "known_charge": attempt.known_charge if staged else None,
            "error": None,
            "deadline_at": clock.text(now + TIME_TO_READ),
            "submitted_at": attempt.submitted_at or attempt.claimed_at,
            "finished_at": attempt.finished_at if staged else None,
        }
    )
    return Job(
        id=at.new_id("job"),
        tenant=old.tenant,
        mode=old.mode,
        task=old.task,
        request=old.request,
        sources=old.sources,
        terms=old.terms,
        subject=old.subject,
        subjects=old.subjects,
        plan=[attempt.provider],
        models=old.models,
        attempts={"1": copied},
        drop=old.drop,
        recovered_from=old.id,
        timeline=[{"step": "queued", "at": clock.text(now)}],
        created_at=clock.text(now),
        expires_at=expiry(at),
    )
