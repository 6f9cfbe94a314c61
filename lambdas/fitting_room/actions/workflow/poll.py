"""Look how a vendor's job is doing, several times within one invocation, until it is over or the deadline has passed."""

from __future__ import annotations

from botocore.exceptions import ClientError

from fitting_room import clock
from fitting_room.actions.workflow.attempts import connect, following, keep, order
from fitting_room.actions.workflow.failover import lost
from fitting_room.clock import Clock
from fitting_room.jobs.errors import JobFailure
from fitting_room.jobs.outcome import Failed, Pending, Step, step
from fitting_room.observability import described, logger
from fitting_room.providers.base import CatalogueEntry, Provider
from fitting_room.providers.catalogue import entry
from fitting_room.stores import jobs

LOOK_SECONDS = 10
"""How long one invocation keeps looking at the vendor's pace before it hands the wait to the state machine."""
NO_LINE_SECONDS = 60


def poll(job_id: str, at: Clock) -> Step:
    """`pending` with a wait that grows to 30 s, `finished`, `failed` or `ended`. Reading a status buys nothing, so this may
    be repeated at will."""
    job = jobs.get(job_id, at.now())
    if job is None or job.final or job.latest is None:
        return step("ended")
    attempt = job.latest
    if attempt.outcome != "pending" or not attempt.provider_job_id:
        return following(job, at) if attempt.outcome else step("failed", again=False)
    provider = entry(attempt.provider)
    wanted, vendor = order(job, attempt, provider), _line_to(provider)
    until = at.ms() + LOOK_SECONDS * 1000
    while True:
        outcome = (
            vendor.poll(wanted, attempt.provider_job_id)
            if vendor
            else Pending(attempt.provider_job_id, NO_LINE_SECONDS)
        )
        if not isinstance(outcome, Pending):
            return keep(job, attempt, outcome, at)
        if clock.text(at.now()) >= str(attempt.deadline_at):  # after a last look: what was paid for may be there
            fault = lost(attempt, "timed_out", f"{provider.title} did not finish by {attempt.deadline_at}.")
            return keep(job, attempt, Failed(fault, "unknown"), at)
        if attempt.callback or at.ms() + outcome.wait * 1000 > until:  # a vendor that calls back is not asked often
            return following(job, at)
        at.sleep(outcome.wait)


def _line_to(provider: CatalogueEntry) -> Provider | None:
    """None while the key cannot be read or used: what has been bought is worth waiting for an operator who mends that."""
    try:
        return connect(provider)
    except (ClientError, JobFailure) as error:
        logger.error("no line to a vendor", provider=provider.id, **described(error))
        return None
