"""End a job: its final status, the refund of what was not charged, and the lease, in one transaction; then deliver."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from fitting_room import clock
from fitting_room.actions.cost import cost_of
from fitting_room.actions.job_view import summary
from fitting_room.actions.workflow.failover import lost
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Fault
from fitting_room.jobs.job import Attempt, Job, Usage
from fitting_room.jobs.outcome import Step, step
from fitting_room.observability import MetricUnit, logger, metrics
from fitting_room.providers.catalogue import entry
from fitting_room.stores import budgets, capacity, jobs, media, subjects
from fitting_room.stores.items import Conflict, owe, transact

_OWED_SECONDS = 60
_TRIES = 5


def settle(job_id: str, at: Clock, *, certain: bool) -> Step:
    """Bring a job to its end; doing it again changes nothing.

    `certain`: no function of ours works on the job any more, as when the state machine itself calls. Otherwise (an event, a
    sweep) a call to a vendor may still be in flight, and then the job is looked at again when that call must be over.
    """
    for _ in range(_TRIES):
        job = jobs.get(job_id, at.now())
        if job is None:
            return step("ended")
        if job.final:
            deliver(job, at)
            return step("ended")
        last = job.latest
        if not certain and last and _in_flight(last, at):
            owe(jobs.key(job.id), str(last.claimed_until))
            return step("ended")
        _finish(job, at)
    raise TimeoutError("the job changed each time it was about to be settled")


def _in_flight(attempt: Attempt, at: Clock) -> bool:
    return bool(attempt.claimed_until) and attempt.outcome is None and clock.text(at.now()) < str(attempt.claimed_until)


def deliver(job: Job, at: Clock) -> None:
    """Put the result beside the pictures of a drop folder, or write down what became of a subject, and strike the job off
    the list of what is owed. Any other job is owed something only when it is to be erased."""
    if job.subject:
        subjects.finish(job, _made_for(job), at.now())
        jobs.paid(job.id)
    if job.drop:
        name = "result" if job.status == "succeeded" else "error"
        body = json.dumps(summary(job), indent=2, ensure_ascii=False, allow_nan=False).encode()
        media.put(written := f"{job.results_prefix}/{name}.json", body, "application/json")
        if not jobs.paid(job.id):  # it is being erased, and what does that may have been here already
            media.remove([written])


def _finish(job: Job, at: Clock) -> None:
    """Nothing happens when the job is no longer as it was read: whoever calls reads it again."""
    done = job.images or (job.subject and job.latest and job.latest.outcome == "finished")
    error = None if done else _error(job)
    status = "succeeded" if done else "cancelled" if error and error.code == "cancelled" else "failed"
    usage = _usage(job)
    owed = clock.later(at.now(), _OWED_SECONDS) if job.drop or job.subject or job.erase_requested_at else None
    end = jobs.finish(job, status=status, error=error, usage=_item(usage), now=at.now(), owed_at=owed)
    writes = [end, *_refund(job, usage)]
    try:
        try:
            transact([*writes, *_leases(job)], at.sleep)
        except Conflict as conflict:
            if "ConditionalCheckFailed" not in conflict.reasons[len(writes) :]:
                raise
            transact(writes, at.sleep)  # a lease has expired and is another job's by now; the others expire too
    except Conflict as conflict:
        if conflict.reasons[:1] != ["ConditionalCheckFailed"]:
            raise
        return
    logger.info("job settled", job_id=job.id, status=status, code=error.code if error else None)
    metrics.add_metric("Job" + status.capitalize(), MetricUnit.Count, 1)


def _made_for(job: Job) -> str | None:
    """The `provider/model` that can use what the job has made."""
    if job.latest is None:
        return None
    provider = entry(job.latest.provider)
    model = provider.model(job.request)
    return f"{provider.id}/{model.id}" if model else None


def _error(job: Job) -> Fault:
    last = job.latest
    if job.failure:
        return job.failure
    if last is None or (not last.claimed_at and last.error is None):
        return Fault.of("internal", "The job stopped before anything was bought.", "Submit it again.")
    if last.error:
        return last.error
    if last.outcome is None:
        return lost(last, "internal", "Our call to the provider ended without an answer.")
    if last.outcome == "pending":
        return lost(last, "internal", "The job was stopped while the provider was working on it.")
    return Fault.of(
        "internal",
        "The provider delivered, but its pictures could not be brought to their place.",
        "Contact the operator with the job's id: the pictures are kept for a day.",
        provider=last.provider,
    )


def _usage(job: Job) -> Usage:
    """What the vendors charged, all attempts together."""
    usage = Usage(basis="list price of the catalogue, per image")
    for attempt in job.attempts.values():
        if (cost := cost_of(job, attempt)) is None:
            continue
        usage.images += cost.images
        if cost.amount is not None:
            usage.amount = round((usage.amount or 0) + cost.amount, 6)
        if cost.credits:
            usage.credits = (usage.credits or 0) + cost.credits
        if attempt.submitted_at and attempt.finished_at:
            seconds = (clock.parse(attempt.finished_at) - clock.parse(attempt.submitted_at)).total_seconds()
            usage.provider_seconds = round((usage.provider_seconds or 0) + seconds, 3)
    return usage


def _refund(job: Job, usage: Usage) -> list[dict[str, Any]]:
    """Less than nothing where a vendor made more than was set aside: what was charged is what the day's budget has lost."""
    if job.reserved is None:
        return []
    images = job.reserved.images - usage.images
    microusd = job.reserved.microusd - round((usage.amount or 0) * 1e6)
    return [budgets.refund(job.tenant, job.reserved.day, images, microusd)] if images or microusd else []


def _leases(job: Job) -> list[dict[str, Any]]:
    held = {
        (attempt.provider, attempt.lease)
        for attempt in job.attempts.values()
        if attempt.lease is not None and not attempt.over
    }
    return [capacity.release_lease(provider, number, job.id) for provider, number in sorted(held)]


def _item(usage: Usage) -> dict[str, Any]:
    item: dict[str, Any] = json.loads(usage.model_dump_json(), parse_float=Decimal)
    return item
