"""Buy: one claim, one call. The claim is a single conditional write; a caller that loses it never calls the provider.

Whatever fails before the claim is simply run again by the state machine. After it, this function goes on with what is written
down.
"""

from __future__ import annotations

import math
import random
import secrets
from dataclasses import replace
from datetime import datetime, timedelta

from botocore.exceptions import ClientError

from fitting_room import clock
from fitting_room.actions.workflow import callback
from fitting_room.actions.workflow.attempts import (
    connect,
    keep,
    limits,
    order,
    persist,
)
from fitting_room.actions.workflow.references import forget, register
from fitting_room.actions.workflow.standing import standing
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Fault, JobFailure
from fitting_room.jobs.job import Attempt, Job
from fitting_room.jobs.outcome import Failed, Outcome, Step, step
from fitting_room.providers.base import CatalogueEntry, Order, Provider
from fitting_room.providers.catalogue import entry
from fitting_room.stores import aws, capacity, jobs, provider_keys
from fitting_room.stores.aws import TROUBLE, unimportant

QUEUE_LIMIT, BATCH_QUEUE_LIMIT = timedelta(minutes=15), timedelta(hours=24)
"""How long a prepared attempt may wait for its turn before the job moves on to the next provider."""
BATCH_HORIZON = timedelta(minutes=2)
"""How far ahead a row of a batch may take a slot: so long does a live shopper wait behind a catalogue at most."""
BATCH_SECONDS = 60, 120
"""Between two looks of such a row at slots that are all further away."""
BUSY_SECONDS = 5, 10
"""Between two looks at a full vendor. Shorter looks would fill an execution's history before a long plan is done."""
SPARE_SECONDS = 5
"""Left of an invocation for its own end, when a write is repeated as long as the function lives."""
CALL_SECONDS = 60
"""An invocation with less time than this takes a claim back whose answer came late."""
_NO_KEY = ("ResourceNotFoundException", "AccessDeniedException", "DecryptionFailure", "InvalidRequestException")
"""What Secrets Manager says of a key that is not there or may not be read; anything else may pass."""


def start(job_id: str, remaining: float, at: Clock) -> Step:
    """Call the provider for the latest attempt unless another invocation has.

    `remaining`: seconds this invocation may still take. Returns `finished`, `pending`, `failed` (something or nothing bought),
    `busy` (no slot, or another call in flight) or `ended`. An invocation that dies between its claim and its call leaves a
    claim without an outcome: `charged: unknown`.
    """
    until = at.ms() + (remaining - SPARE_SECONDS) * 1000
    job = jobs.get(job_id, at.now())
    if job is None or job.final:
        return step("ended")
    stands = standing(job, at)
    if stands is None or stands["outcome"] != "prepared":
        return stands or step("failed", again=True)
    attempt = job.latest
    assert attempt is not None, "a prepared job has an attempt"
    provider = entry(attempt.provider)
    try:
        vendor = connect(provider)
    except JobFailure as failure:  # the adapter knows what is wrong with the key
        return keep(job, attempt, Failed(failure.fault, "no"), at)
    except ClientError as error:
        if aws.reason(error) not in _NO_KEY:
            raise
        return keep(job, attempt, Failed(_no_key(provider, error), "no"), at)
    limit = clock.parse(attempt.prepared_at or job.created_at) + (BATCH_QUEUE_LIMIT if job.batch else QUEUE_LIMIT)
    if (pause := _pause(job, attempt, at)) >= 1:
        if at.now() + timedelta(seconds=pause) > limit:
            return keep(job, attempt, Failed(_no_slot(provider, at.ms() + int(pause * 1000)), "no"), at)
        return step("busy", runner=provider.runner, wait=math.ceil(pause))
    try:
        wanted = order(job, attempt, provider, read_now=True)
    except FileNotFoundError:  # a prepared image is gone from staging: Prepare makes it once more
        return step("failed", again=True)
    if (waits := register(job, attempt, provider, vendor, wanted, remaining, limit, at)) is not None:
        return waits
    if (waits := _capacity(job, attempt, provider, limit, at)) is not None:
        return waits
    address, attempt.callback = callback.expect(provider, at) or (None, None)
    claimed = _claim(job, attempt, provider, until, at)
    if claimed is None:
        return step("busy", runner=provider.runner, wait=1)
    ordered = replace(wanted, references=claimed.references, callback=address)
    outcome = _buy(vendor, ordered, provider)
    said = keep(job, claimed, outcome, at, seconds=max(0, until - at.ms()) / 1000)
    if isinstance(outcome, Failed) and outcome.charged == "no" and not outcome.fault.retryable:
        with unimportant("references of a refused order"):
            forget(job, provider, wanted, claimed)
    return said


def _buy(vendor: Provider, ordered: Order, provider: CatalogueEntry) -> Outcome:
    """Call the provider. A refused key bought nothing: if it was changed meanwhile, call once more with the new one."""
    outcome = vendor.start(ordered)
    refused = isinstance(outcome, Failed) and outcome.charged == "no" and outcome.fault.code == "provider_auth"
    if not (refused and provider.secret):
        return outcome
    try:
        known = provider_keys.secret(provider.id)
        changed = provider_keys.fresh(provider.id)
        again = connect(provider, changed) if changed != known else None
    except (*TROUBLE, JobFailure):
        return outcome
    return again.start(ordered) if again else outcome


def _pause(job: Job, attempt: Attempt, at: Clock) -> float:
    """Seconds that the vendor of the attempt before this one asked to be left alone, if it is the same vendor."""
    before = job.attempts.get(str(attempt.n - 1))
    if before is None or before.provider != attempt.provider or not before.retry_after or not before.finished_at:
        return 0
    return before.retry_after - (at.now() - clock.parse(before.finished_at)).total_seconds()


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


def _claim(job: Job, attempt: Attempt, provider: CatalogueEntry, until: float, at: Clock) -> Attempt | None:
    """Claim the attempt; None when another invocation has, or when too little time is left for the call.

    When the answer to the claim is lost, the record says whether it holds. Raises what AWS raises while even that cannot be
    read.
    """
    now = at.now()
    claimed = attempt.model_copy(
        update={
            "claimed_at": clock.text(now),
            "claimed_until": clock.text(clock.from_ms(int(until) + SPARE_SECONDS * 1000)),
            "claimed_by": secrets.token_hex(8),
            "deadline_at": clock.later(now, provider.seconds(job.request.task)),
        }
    )
    try:
        return claimed if jobs.claim(job, claimed) else None
    except TROUBLE:
        if not persist(lambda: _holds(job, claimed, at), until, at):
            return None
    if until - at.ms() < CALL_SECONDS * 1000:
        persist(lambda: jobs.unclaim(job, claimed), until, at)
        return None
    return claimed


def _holds(job: Job, claimed: Attempt, at: Clock) -> bool:
    current = jobs.get(job.id, at.now())
    return bool(current and current.latest and current.latest.claimed_by == claimed.claimed_by)


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


def _no_key(provider: CatalogueEntry, error: ClientError) -> Fault:
    return Fault.of(
        "provider_auth",
        f"The key of {provider.title} cannot be read ({aws.reason(error)}).",
        f"Ask the operator to run `python -m admin provider set {provider.id}`.",
    )
