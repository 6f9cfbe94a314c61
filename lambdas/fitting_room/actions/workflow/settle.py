"""End a job that has nothing left to do: its final status and the refund in one transaction; then free places and deliver."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from fitting_room import clock
from fitting_room.actions.cost import cost_of
from fitting_room.actions.job_view import summary
from fitting_room.actions.workflow.end_metrics import ACCOUNT, measure_end, provider_seconds
from fitting_room.actions.workflow.failover import lost, still_there
from fitting_room.actions.workflow.standing import standing
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Fault
from fitting_room.jobs.job import Job, Status, Usage
from fitting_room.jobs.outcome import Step, step
from fitting_room.observability import MetricUnit, logger, measure
from fitting_room.providers.base import Basis
from fitting_room.stores import (
    background,
    batches,
    budgets,
    capacity,
    debts,
    deliveries,
    jobs,
    media,
    owners,
    reusable,
    subjects,
)
from fitting_room.stores import usage as spending
from fitting_room.stores.aws import unimportant
from fitting_room.stores.debts import Kind
from fitting_room.stores.items import Conflict, request_erasure, set_due, transact
from fitting_room.stores.offers import entry

_OWED_SECONDS = 60
_TRIES = 5
REFUSED_ROWS = 3
"""Rows of a batch that meet accounts without credit, or refused keys, before it pauses."""
_NOTHING_LEFT = ("ended", "failed")


def settle(job_id: str, at: Clock) -> Step:
    """Bring a job to its end; doing it again changes nothing.

    A job with work left is not ended: it is looked at by the sweep at once, which resumes it.
    """
    for _ in range(_TRIES):
        job = jobs.get(job_id, at.now())
        if job is None:
            return step("ended")
        if job.final:
            for kind in _debts(job):
                pay_debt(job, kind, at)
            if job.request.webhook:
                _tell(job)
            return step("ended")
        if owners.wants_erased(job):
            request_erasure(jobs.key(job.id), job.id, at.now(), clock.later(at.now(), _OWED_SECONDS))
            continue
        if not over(job, at):
            logger.warning("a job came to its end with work left", job_id=job.id)
            set_due(jobs.key(job.id), clock.text(at.now()))
            return step("ended")
        _finish(job, at)
    raise TimeoutError("the job changed each time it was about to be settled")


def over(job: Job, at: Clock) -> bool:
    """Return whether an open job only has to be settled."""
    stands = standing(job, at)
    return stands is not None and stands["outcome"] in _NOTHING_LEFT and not stands.get("again")


def pay_debt(job: Job, kind: Kind, at: Clock) -> None:
    """Put the result beside the images of a drop folder, or write down how the making of a subject ended."""
    if kind == "subject":
        subjects.finish(job, _made_for(job, at), at.now())
    else:
        _deliver(job, at)
    debts.remove(job.id, kind)


def _tell(job: Job) -> None:
    """Queue the event for the webhook at once; the sweep does it otherwise."""
    with unimportant("queueing a webhook"):
        if delivery := deliveries.get(job.id):
            deliveries.enqueue(delivery)


def _deliver(job: Job, at: Clock) -> None:
    """Put the end of a job into its drop folder, in place of what was told before.

    An `error.json` stays beside a result unless it tells of an earlier try: it is about files that came after the job's.
    """
    told = summary(job, at)
    if job.status == "succeeded":
        again = job.retried_from or job.recovered_from or job.batch
        name, old = "result", ["status", *(["error"] if again else [])]
    else:
        name, old = "error", ["status", "result"]
        told["errors"] = [told["error"]]
    body = json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False).encode()
    media.put(written := f"{job.results_prefix}/{name}.json", body, "application/json")
    media.remove([f"{job.results_prefix}/{each}.json" for each in old])
    if jobs.unwanted(job.id):
        media.remove([written])


def _debts(job: Job) -> list[Kind]:
    kinds: list[Kind] = []
    if job.drop:
        kinds.append("drop")
    if job.subject:
        kinds.append("subject")
    return kinds


def _finish(job: Job, at: Clock) -> None:
    """Settle the job, unless it is no longer as it was read.

    In that case nothing happens: the caller reads it again.
    """
    error = None if job.made else _error(job, at)
    status: Status = "succeeded" if error is None else "cancelled" if error.code == "cancelled" else "failed"
    usage = _usage(job, at)
    counted = spending.of_job(job, status, usage, at.now())
    if job.batch:
        counted["batch"] = batches.settled(job, status, usage, error)
    look_at = clock.later(at.now(), _OWED_SECONDS)
    erased = clock.text(at.now()) if job.erase_requested_at else None
    end = jobs.finish(job, status=status, error=error, usage=_item(usage), now=at.now(), owed_at=erased)
    owed = {f"owes {kind}": debts.new_item(job.id, kind, look_at) for kind in _debts(job)}
    if job.request.webhook and not job.erase_requested_at:
        owed["owes webhook"] = deliveries.new_item(job, at.now(), look_at)
    try:
        transact(
            {"end": end, **counted, **owed, **_offer(job, status), **_refund(job, usage), **_correction(job, at)},
            at.sleep,
        )
    except Conflict:
        return
    with unimportant("places at providers"):
        _free(job, at)
    _stop_providers(job, at)
    _pause_batch(job, error)
    logger.info("job settled", job_id=job.id, status=status, code=error.code if error else None)
    measure_end(job, status, error, at)


def _offer(job: Job, status: Status) -> dict[str, dict[str, Any]]:
    """Offer the images to later jobs that ask for the same."""
    last = job.latest
    if status != "succeeded" or not (job.images and last and last.content) or job.reused_from or job.erase_requested_at:
        return {}
    return {"offer": reusable.of_job(job, last.content)}


def _free(job: Job, at: Clock) -> None:
    """Free every place that the job has.

    A provider that still works on a cancelled job keeps its place busy for a while.
    """
    for attempt in job.attempts.values():
        if attempt.lease is None:
            continue
        if attempt.outcome == "pending":
            capacity.shorten_lease(
                attempt.provider, attempt.lease, job.id, at.ms() + entry(attempt.provider, at).usual_ms
            )
        else:
            capacity.free_lease(attempt.provider, attempt.lease, job.id)


def _stop_providers(job: Job, at: Clock) -> None:
    """Ask every provider that still works on the job to stop, where it can."""
    for attempt in job.attempts.values():
        if attempt.outcome == "pending" and attempt.provider_job_id and entry(attempt.provider, at).cancels:
            background.ask({"stop": attempt.provider_job_id, "provider": attempt.provider})


def _pause_batch(job: Job, error: Fault | None) -> None:
    """Pause the batch after a few rows for which no provider of the plan takes orders any more."""
    if job.batch and error and error.code in ACCOUNT:
        with unimportant("pausing a batch"):
            if batches.pause(job.batch, error, after=REFUSED_ROWS):
                logger.error("a batch is paused", batch_id=job.batch, code=error.code)
                measure({"BatchPaused": (MetricUnit.Count, 1)})


def _made_for(job: Job, at: Clock) -> str | None:
    """Return the `provider/model` that can use the subject made by the job."""
    if job.latest is None:
        return None
    provider = entry(job.latest.provider, at)
    model = provider.model(job.request, chosen=job.models)
    return f"{provider.id}/{model.id}" if model else None


def _error(job: Job, at: Clock) -> Fault:
    last = job.latest
    if job.failure:
        return job.failure
    if job.cancel_requested:
        return _cancelled(job, at)
    if last is None or (not last.claimed_at and last.error is None):
        return Fault.of("internal", "The job stopped before anything was bought.", "Submit it again.")
    if last.error:
        return last.error
    return lost(last, "internal", "The provider did not answer the call.", entry(last.provider, at))


def _cancelled(job: Job, at: Clock) -> Fault:
    charged = job.latest.charged if job.latest else "no"
    if charged == "no":
        return Fault.of(
            "cancelled", "The job was cancelled before anything was bought.", "Submit it again if you still want it."
        )
    remedy = "Look at the provider's account to see whether it was charged."
    if job.latest and job.latest.provider_job_id:
        remedy = still_there(job.latest, entry(job.latest.provider, at))
    return Fault.of(
        "cancelled", "The job was cancelled while the provider worked on it; it may have been charged.", remedy
    )


def _usage(job: Job, at: Clock) -> Usage:
    """Return the total that the vendors charged for all attempts."""
    usage = Usage(basis=_basis("image"))
    for attempt in job.attempts.values():
        if attempt.recovered_n or (cost := cost_of(job, attempt, at)) is None:
            continue
        usage.images += cost.images
        usage.basis = _basis(cost.basis)
        if cost.amount is not None:
            usage.amount = round((usage.amount or 0) + cost.amount, 6)
        if cost.credits:
            usage.credits = (usage.credits or 0) + cost.credits
        if (seconds := provider_seconds(attempt)) is not None:
            usage.provider_seconds = round((usage.provider_seconds or 0) + seconds, 3)
    return usage


def _basis(unit: Basis) -> str:
    return f"list price of the catalogue, per {unit}"


def _refund(job: Job, usage: Usage) -> dict[str, dict[str, Any]]:
    """Return the writes that give back the part of the reservation that was not charged.

    Where the provider made more than was set aside, they take the rest from the day's budget.
    """
    if job.reserved is None or job.batch:  # a batch gives back at its own end
        return {}
    images = job.reserved.images - usage.images
    microusd = job.reserved.microusd - round((usage.amount or 0) * 1e6)
    if not (images or microusd):
        return {}
    return {"refund": budgets.refund(job.tenant, job.id, job.reserved.day, images, microusd)}


def _correction(job: Job, at: Clock) -> dict[str, dict[str, Any]]:
    """Return the writes that correct the job which bought, when its recovery learns of no charge.

    The attempt is marked as not charged, and its cost is given back.
    """
    last = job.latest
    if not (last and last.recovered_n and last.outcome == "failed" and last.charged == "no" and job.recovered_from):
        return {}
    old = jobs.get(job.recovered_from, at.now())
    attempt = old.attempts.get(str(last.recovered_n)) if old else None
    if old is None or attempt is None or attempt.charged == "no":
        return {}
    free = old.model_copy(
        update={"attempts": {**old.attempts, str(attempt.n): attempt.model_copy(update={"known_charge": "no"})}}
    )
    before, after = _usage(old, at), _usage(free, at)
    corrected = spending.of_job(free, old.status, after, clock.parse(str(old.finished_at)))
    writes = {f"corrected {name}": item for name, item in corrected.items()}
    writes["not charged"] = jobs.not_charged(old, attempt, _item(after))
    if old.reserved:
        microusd = round(((before.amount or 0) - (after.amount or 0)) * 1e6)
        images = before.images - after.images
        writes["late refund"] = budgets.refund(old.tenant, old.id, old.reserved.day, images, microusd)
    return writes


def _item(usage: Usage) -> dict[str, Any]:
    item: dict[str, Any] = json.loads(usage.model_dump_json(), parse_float=Decimal)
    return item
