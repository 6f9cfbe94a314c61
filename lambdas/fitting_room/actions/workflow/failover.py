"""The step after a failed attempt: another try at the same provider, the next provider of the plan, or the end."""

from __future__ import annotations

from fitting_room.actions.workflow.queueing import left
from fitting_room.jobs.errors import Fault
from fitting_room.jobs.job import Attempt, Job
from fitting_room.providers.base import CatalogueEntry

TRIES = {"provider_error": 2}
"""How often the last provider of a plan is asked, by what it said."""


def next_position(job: Job) -> int | None:
    """Return the index into the plan for the next attempt; None when there must not be one.

    Another attempt is made only when nothing was charged and the fault is the provider's. A provider that took a job
    and failed for nothing gets one more try. A provider that did not take it, for the moment, is tried again only
    when no other can do the job. With too many calls it is tried for as long as the job may wait.
    """
    last = job.latest
    if last is None:
        return 0
    if last.outcome != "failed" or last.error is None or last.charged != "no" or not last.error.moves_on:
        return None
    if last.recovered_n:  # a recovery buys nothing
        return None
    tries = sum(attempt.provider == last.provider for attempt in job.attempts.values())
    if last.error.code == "provider_error" and last.error.retryable and last.provider_job_id and tries == 1:
        return job.position
    if job.position + 1 < len(job.plan):
        return job.position + 1
    refused = (
        last.claimed_at or last.retry_after is not None
    )  # by the vendor: what we did not send would not go better now
    if last.error.code == "rate_limited":
        again = last.retry_after is not None and last.retry_after <= left(job) > 0
    else:
        again = tries < TRIES.get(last.error.code, 1)
    return job.position if again and refused and last.error.retryable else None


def lost(attempt: Attempt, code: str, detail: str, provider: CatalogueEntry) -> Fault:
    """Return the fault of a purchase whose outcome is unknown.

    This deployment never repeats it, and the remedy warns the client not to repeat it blindly.
    """
    remedy = "Look at the provider's account before you submit this job again: it may have been charged."
    if attempt.provider_job_id:
        remedy = still_there(attempt, provider)
    return Fault.of(code, detail, remedy, retryable=False, provider=attempt.provider)


def still_there(attempt: Attempt, provider: CatalogueEntry) -> str:
    """Return the remedy for a result that the provider may still have: how to fetch it, and for how long it is kept."""
    kept_for = (attempt.reads.kept_for or provider.retention).rstrip(".: ")
    return (
        "The result may still be at the provider: fetch it with POST /v1/jobs/{id}/recover, which buys nothing."
        f" Retention at the provider: {kept_for}."
    )
