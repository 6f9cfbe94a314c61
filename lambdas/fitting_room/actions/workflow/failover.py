"""The step after a failed attempt: another try at the same provider, the next provider of the plan, or the end."""

from __future__ import annotations

from fitting_room.actions.workflow.queueing import left
from fitting_room.jobs.errors import Fault
from fitting_room.jobs.job import Attempt, Job

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


def lost(attempt: Attempt, code: str, detail: str, *, kept_for: str | None = None) -> Fault:
    """Return the fault of a purchase whose outcome is unknown.

    This deployment never repeats it, and the remedy warns the client not to repeat it blindly. With the provider's
    job id the result can still be fetched. `kept_for`: how long the provider keeps it, in words.
    """
    remedy = "Look at the provider's account before you submit this job again: it may have been charged."
    if attempt.provider_job_id:
        until = f" The provider keeps results: {kept_for.rstrip('.: ')}." if kept_for else ""
        remedy = (
            "The result may still be at the provider: fetch it with POST /v1/jobs/{id}/recover, which buys nothing."
        )
        remedy += until
    return Fault.of(code, detail, remedy, retryable=False, provider=attempt.provider)
