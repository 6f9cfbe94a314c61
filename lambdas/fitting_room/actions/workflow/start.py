"""Buy: one claim, one call. The claim is a single conditional write, and who loses it never calls the vendor."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import datetime, timedelta

from botocore.exceptions import ClientError

from fitting_room import clock
from fitting_room.actions.limits import limits
from fitting_room.actions.workflow import callback
from fitting_room.actions.workflow.attempts import connect, following, keep, order
from fitting_room.actions.workflow.references import forget, register
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Fault, JobFailure
from fitting_room.jobs.job import Attempt, Job
from fitting_room.jobs.outcome import Failed, Step, step
from fitting_room.providers.base import CatalogueEntry
from fitting_room.providers.catalogue import entry
from fitting_room.stores import capacity, jobs

QUEUE_LIMIT, BATCH_QUEUE_LIMIT = timedelta(minutes=15), timedelta(hours=24)
"""How long a prepared attempt may wait for its turn before the job moves on to the next provider."""
BATCH_HORIZON = timedelta(minutes=2)
"""How far ahead a row of a batch may take a slot: so long does a live shopper wait behind a catalogue at most."""
BATCH_SECONDS = 60, 120
"""Between two looks of such a row at slots that are all further away."""
BUSY_SECONDS = 5, 10
"""Between two looks at a full vendor. Shorter looks would fill an execution's history before a long plan is done."""


def start(job_id: str, remaining: float, at: Clock) -> Step:
    """Call the vendor for the latest attempt unless somebody has. `remaining`: seconds this invocation may still take.

    `finished`, `pending`, `failed` (nothing or something bought), `busy` (no slot, or another call in flight), `ended`.
    An exception after the claim leaves a claim without an outcome: `charged: unknown`.
    """
    job = jobs.get(job_id, at.now())
    if job is None or job.final or job.latest is None:
        return step("ended")
    attempt = job.latest
    provider = entry(attempt.provider)
    if attempt.outcome:
        return following(job, at)
    if attempt.claimed_at:
        return _claimed_elsewhere(attempt, provider, at)
    if job.cancel_requested:
        jobs.fail(
            job,
            Fault.of(
                "cancelled",
                "The job was cancelled before anything was bought.",
                "Submit it again if it is still wanted.",
            ),
        )
        return step("failed", again=False)
    try:
        vendor = connect(provider)
    except (ClientError, JobFailure) as error:
        return keep(job, attempt, Failed(_no_key(provider, error), "no"), at)
    limit = clock.parse(attempt.prepared_at or job.created_at) + (BATCH_QUEUE_LIMIT if job.batch else QUEUE_LIMIT)
    if (pause := _pause(job, attempt, at)) >= 1:
        if at.now() + timedelta(seconds=pause) > limit:
            return keep(job, attempt, Failed(_no_slot(provider, at.ms() + int(pause * 1000)), "no"), at)
        return step("busy", runner=provider.runner, wait=math.ceil(pause))
    wanted = order(job, attempt, provider, read_now=True)
    if (waiting := register(job, attempt, provider, vendor, wanted, remaining, limit, at)) is not None:
        return waiting
    if (waiting := _capacity(job, attempt, provider, limit, at)) is not None:
        return waiting
    address, attempt.callback = callback.expect(provider, at) or (None, None)
    claimed = _claim(job, attempt, provider, remaining, at)
    if claimed is None:
        return step("busy", runner=provider.runner, wait=1)
    outcome = vendor.start(replace(wanted, references=claimed.references, callback=address))
    said = keep(job, claimed, outcome, at)
    if isinstance(outcome, Failed) and outcome.charged == "no" and not outcome.fault.retryable:
        forget(job, provider, wanted, claimed)
    return said


def _pause(job: Job, attempt: Attempt, at: Clock) -> float:
    """Seconds that the vendor of the attempt before this one asked to be left alone, if it is the same vendor."""
    before = job.attempts.get(str(attempt.n - 1))
    if before is None or before.provider != attempt.provider or not before.retry_after or not before.finished_at:
        return 0
    return before.retry_after - (at.now() - clock.parse(before.finished_at)).total_seconds()


def _claimed_elsewhere(attempt: Attempt, provider: CatalogueEntry, at: Clock) -> Step:
    """The attempt is claimed and has no outcome: its caller is still at it, or died and nobody knows what was bought."""
    left = (clock.parse(str(attempt.claimed_until)) - at.now()).total_seconds()
    if left > 0:
        return step("busy", runner=provider.runner, wait=math.ceil(left))
    return step("failed", again=False)


def _capacity(job: Job, attempt: Attempt, provider: CatalogueEntry, limit: datetime, at: Clock) -> Step | None:
    """None when the call may leave now. The lease comes first: a slot that passes while a job waits for a lease would be
    lost to everybody. A job waits for one slot, in order; a slot missed by more than the jitter is given up, because later
    slots were placed relative to it."""
    rate, concurrency = limits(provider)
    if concurrency:
        held = [each.lease for each in job.attempts.values() if each.provider == provider.id and each.lease is not None]
        attempt.lease = capacity.acquire_lease(
            provider.id,
            concurrency,
            job.id,
            held[-1] if held else None,
            at.ms(),
            at.ms() + provider.seconds(job.request.task) * 1000,
        )
        if attempt.lease is None and at.now() >= limit:
            return keep(job, attempt, Failed(_no_place(provider, concurrency), "no"), at)
        if attempt.lease is None:
            jobs.move(job, "waiting_for_slot", at.now())
            return step("busy", runner=provider.runner, wait=random.randint(*BUSY_SECONDS))  # noqa: S311  jitter, not a secret
        jobs.keep_place(job, attempt)
    if rate:
        now = at.ms()
        slot = attempt.slot_ms
        if slot is None or now > slot + capacity.JITTER_MS:
            horizon = min(limit, at.now() + BATCH_HORIZON) if job.batch else limit
            slot, earliest = capacity.reserve_slot(provider.id, rate, now, int(horizon.timestamp() * 1000))
            if slot is None and job.batch and at.now() < limit:
                if attempt.lease is not None:  # a live shopper may have the place until then
                    capacity.free_lease(provider.id, attempt.lease, job.id)
                jobs.move(job, "waiting_for_slot", at.now())
                return step("busy", runner=provider.runner, wait=random.randint(*BATCH_SECONDS))  # noqa: S311
            if slot is None:
                return keep(job, attempt, Failed(_no_slot(provider, earliest), "no"), at)
            attempt.slot_ms = slot
            jobs.keep_place(job, attempt)
        if (ahead := slot - at.ms()) >= 1000:
            jobs.move(job, "waiting_for_slot", at.now(), slot_at=clock.text(clock.from_ms(slot)))
            return step("busy", runner=provider.runner, wait=ahead // 1000)
        at.sleep(max(0, ahead) / 1000)
    return None


def _claim(job: Job, attempt: Attempt, provider: CatalogueEntry, remaining: float, at: Clock) -> Attempt | None:
    now = at.now()
    claimed = attempt.model_copy(
        update={
            "claimed_at": clock.text(now),
            "claimed_until": clock.later(now, remaining),
            "claimed_by": at.new_id("claim"),
            "deadline_at": clock.later(now, provider.seconds(job.request.task)),
        }
    )
    return claimed if jobs.claim(job, claimed) else None


def _no_place(provider: CatalogueEntry, concurrency: int) -> Fault:
    return Fault.of(
        "rate_limited",
        f"All {concurrency} places at {provider.title} were taken for too long.",
        "Submit the job again later, or name a fallback provider.",
    )


def _no_slot(provider: CatalogueEntry, earliest_ms: int) -> Fault:
    return Fault.of(
        "rate_limited",
        f"{provider.title} has no free slot before {clock.text(clock.from_ms(earliest_ms))}.",
        "Submit the job again after that time, or name a fallback provider.",
    )


def _no_key(provider: CatalogueEntry, error: Exception) -> Fault:
    if isinstance(error, JobFailure):  # the adapter knows what is wrong with the key
        return error.fault
    return Fault.of(
        "provider_auth",
        f"The key of {provider.title} cannot be read ({type(error).__name__}).",
        f"Ask the operator to run `python -m admin provider set {provider.id}`.",
    )
