"""Buy: one claim, one call.

The claim is a single conditional write; a caller that loses it never calls the provider. The state machine simply
repeats a failure before the claim. After the claim, this function goes on with the record alone.
"""

from __future__ import annotations

import math
import secrets
from dataclasses import replace
from typing import cast

from botocore.exceptions import ClientError

from fitting_room import clock
from fitting_room.actions.limits import stage_limits
from fitting_room.actions.workflow.attempts import asked, connect, order, persist, record_outcome, wait_for_turn
from fitting_room.actions.workflow.callback import expect_callback
from fitting_room.actions.workflow.queueing import LIVE_FIRST_SECONDS, PAUSED_SECONDS, batch_pause, left, place_pause
from fitting_room.actions.workflow.references import forget_references, register_references
from fitting_room.actions.workflow.standing import standing
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Fault, JobFailure
from fitting_room.jobs.job import Attempt, Job
from fitting_room.jobs.outcome import Failed, Pending, Step, step
from fitting_room.jobs.rate import Rate
from fitting_room.providers.adapter import Eraser, Order, Provider, Writer
from fitting_room.providers.base import CatalogueEntry
from fitting_room.stores import aws, batches, capacity, jobs, provider_keys
from fitting_room.stores.aws import TROUBLE, unimportant
from fitting_room.stores.offers import entry, pauses

BATCH_HORIZON_MS = 120_000
"""How far ahead a row of a batch may take a slot, and the one after it: so long a live job waits for a slot at most."""
SPARE_SECONDS = 5
"""Left of an invocation for its own end, when a write is repeated as long as the function lives."""
WRITING_SECONDS = 120
"""What an invocation keeps of its time, after the vendor may have answered, to write down what came of the call."""
_NO_KEY = ("ResourceNotFoundException", "AccessDeniedException", "DecryptionFailure", "InvalidRequestException")
"""What Secrets Manager says of a key that is not there or may not be read; anything else may pass."""


def start(job_id: str, remaining: float, at: Clock) -> Step:
    """Call the provider for the latest attempt unless another invocation has.

    `remaining`: seconds this invocation may still take. Returns `finished`, `pending`, `failed` (something or nothing bought),
    `busy` (no slot, or another call in flight) or `ended`. An invocation that dies between its claim and its call leaves a
    claim without an outcome: `charged: unknown`.
    """
    began = at.ms()
    job = jobs.get(job_id, at.now())
    if job is None or job.final:
        return step("ended")
    stands = standing(job, at)
    if stands is None or stands["outcome"] != "prepared":
        return stands or step("failed", again=True)
    attempt = job.latest
    assert attempt is not None, "a prepared job has an attempt"
    provider = entry(attempt.provider, at)
    if (waits := _paused_batch(job, attempt, provider, at)) is not None:
        return waits
    remaining = min(remaining, provider.answers + WRITING_SECONDS)
    until = began + (remaining - SPARE_SECONDS) * 1000
    try:
        key = provider_keys.secret(provider.id, at) if provider.secret else None
        vendor = connect(provider, at, key)
    except JobFailure as failure:  # the adapter knows what is wrong with the key
        return record_outcome(job, attempt, Failed(failure.fault, "no"), at)
    except ClientError as error:
        if aws.reason(error) not in _NO_KEY:
            raise
        return record_outcome(job, attempt, Failed(_no_key(provider, error), "no"), at)
    if attempt.claimed_at:  # the function that called has died: its answer is looked for where it must lie
        return record_outcome(job, attempt, Pending(cast(Writer, vendor).foreseen(job.id, attempt.n)), at)
    if (pause := _pause(job, attempt, at)) >= 1:
        return step("busy", runner=provider.runner, wait=math.ceil(pause))
    wanted = _ready(job, attempt, provider, vendor, key, remaining, at)
    if not isinstance(wanted, Order):
        return wanted
    if provider.answers_in_media:
        cast(Writer, vendor).write(wanted)
        attempt.provider_job_id = cast(Writer, vendor).foreseen(job.id, attempt.n)
    address, attempt.callback = expect_callback(job, attempt, provider, at) or (None, None)
    claimed = _claim(job, attempt, provider, until, at)
    if claimed is None:
        if attempt.provider_job_id and jobs.unwanted(job.id):
            cast(Eraser, vendor).erase_job(attempt.provider_job_id)
        return step("busy", runner=provider.runner, wait=1)
    ordered = replace(wanted, references=claimed.references, callback=address)
    outcome = asked(lambda to: to.start(ordered), vendor, provider, key, at)
    said = record_outcome(job, claimed, outcome, at, seconds=max(0, until - at.ms()) / 1000)
    if isinstance(outcome, Failed) and outcome.charged == "no" and not outcome.fault.retryable:
        with unimportant("references of a refused order"):
            forget_references(job, provider, wanted, claimed)
    return said


def _ready(
    job: Job,
    attempt: Attempt,
    provider: CatalogueEntry,
    vendor: Provider,
    key: str | None,
    remaining: float,
    at: Clock,
) -> Order | Step:
    """Return the order once it may be sent, with its images in memory and its references made; else the step that waits.

    Each call to the provider has a slot of its own, also one that makes a reference. A job that waits reads no image.
    """
    began, wanted = at.now(), None
    while True:
        if (waits := _capacity(job, attempt, provider, at)) is not None:
            return waits
        try:
            wanted = wanted or order(job, attempt, provider, read_now=True)
        except FileNotFoundError:  # a prepared image is gone from staging: Prepare makes it once more
            return step("failed", again=True)
        at.sleep(max(0, (attempt.slot_ms or 0) - at.ms()) / 1000)
        made = register_references(job, attempt, provider, vendor, key, wanted, began, remaining, at)
        if made is None:
            return wanted
        if made != "made":
            return made


def _pause(job: Job, attempt: Attempt, at: Clock) -> float:
    """Return the seconds for which the vendor of the attempt before this one asked to be left alone.

    The pause counts only if it is the same vendor.
    """
    before = job.attempts.get(str(attempt.n - 1))
    if before is None or before.provider != attempt.provider or not before.retry_after or not before.finished_at:
        return 0
    return before.retry_after - (at.now() - clock.parse(before.finished_at)).total_seconds()


def _capacity(job: Job, attempt: Attempt, provider: CatalogueEntry, at: Clock) -> Step | None:
    """Return None when the call may leave within a second, at its slot.

    The queue limit is checked only where a place or a slot is refused. The lease comes first: a slot that passes
    while a job waits for a lease would be lost to all jobs.
    """
    if provider.id in pauses(at):
        return _rest(job, attempt, provider, at)
    rate, concurrency = stage_limits(provider)
    queue = capacity.look(provider.id)
    if concurrency and (waits := _place(job, attempt, provider, concurrency, queue, at)) is not None:
        return waits
    return _slot(job, attempt, provider, rate, queue, at) if rate or queue.blocked_ms > at.ms() else None


def _paused_batch(job: Job, attempt: Attempt, provider: CatalogueEntry, at: Clock) -> Step | None:
    """Return the step in which a row waits for its paused batch, or None: its call would meet what the others met."""
    if attempt.claimed_at or not job.batch or left(job) <= 0 or not batches.paused(job.batch):
        return None
    return _stand_back(job, attempt, provider, min(left(job), PAUSED_SECONDS), at)


def _rest(job: Job, attempt: Attempt, provider: CatalogueEntry, at: Clock) -> Step:
    """Go on with the next provider of the plan while the operator lets this one rest; wait where there is no other."""
    if job.position + 1 < len(job.plan) or left(job) <= 0:
        fault = Fault.of(
            "provider_paused",
            f"The operator of this deployment has paused {provider.title}.",
            "Submit the job again later, or name a fallback provider.",
        )
        return record_outcome(job, attempt, Failed(fault, "no"), at)
    return wait_for_turn(job, attempt, provider, place_pause(job), at)


def _place(
    job: Job, attempt: Attempt, provider: CatalogueEntry, concurrency: int, queue: capacity.Queue, at: Clock
) -> Step | None:
    """Take a place for the job and return None, or the step that waits for one.

    Live jobs come first: while one of them waits, no row of a batch takes a place that becomes free.
    """
    before, now = attempt.lease, at.ms()
    if before is not None or not job.batch or now >= queue.live_ms:
        held = [each.lease for each in job.attempts.values() if each.provider == provider.id and each.lease is not None]
        until = now + provider.seconds(job.request.task) * 1000
        attempt.lease = capacity.acquire_lease(provider.id, concurrency, job.id, held[-1] if held else None, now, until)
    if attempt.lease is None:
        if left(job) <= 0:
            return record_outcome(job, attempt, Failed(_no_place(provider, concurrency), "no"), at)
        pause = place_pause(job)
        looks_at = now + pause * 1000
        if not job.batch and queue.live_ms < looks_at:
            capacity.let_live_first(provider.id, looks_at + LIVE_FIRST_SECONDS * 1000)
        return wait_for_turn(job, attempt, provider, pause, at)
    if attempt.lease != before:
        jobs.save_reserved(job, attempt)
    return None


def _slot(
    job: Job, attempt: Attempt, provider: CatalogueEntry, rate: Rate | None, queue: capacity.Queue, at: Clock
) -> Step | None:
    """Reserve a slot for the job and return the step that waits for it, or None.

    A job waits for one slot, in order. It gives up a slot missed by more than the jitter, because later slots were
    placed relative to it. No function could run then, so the wait for that slot does not count.
    """
    now, slot = at.ms(), attempt.slot_ms
    if missed := slot is not None and now > slot + capacity.JITTER_MS:
        attempt.waited -= attempt.slot_waited
    if slot is None or missed or slot < queue.blocked_ms:
        attempt.slot_waited = 0
        slot, earliest = capacity.reserve_slot(provider.id, rate, now, now + _ahead_ms(job, rate))
        attempt.slot_ms = slot
        if slot is None and (not job.batch or left(job) <= 0):
            return record_outcome(job, attempt, Failed(_no_slot(provider, earliest), "no"), at)
        if slot is None:
            return _stand_back(job, attempt, provider, batch_pause(), at)
    if (seconds := (slot - now) // 1000) < 1:
        return None
    attempt.slot_waited += seconds
    return wait_for_turn(job, attempt, provider, seconds, at, slot_at=clock.text(clock.from_ms(slot)))


def _ahead_ms(job: Job, rate: Rate | None) -> int:
    """Return how far ahead a job may take a slot. After the last slot of a row, a live job may have the next one."""
    waits = left(job) * 1000
    if not job.batch:
        return waits
    return min(waits, max(0, BATCH_HORIZON_MS - (capacity.gap_ms(rate) if rate else 0)))


def _stand_back(job: Job, attempt: Attempt, provider: CatalogueEntry, seconds: int, at: Clock) -> Step:
    """Let a row of a batch wait without a place: a live shopper may have it until then."""
    if attempt.lease is not None:
        capacity.free_lease(provider.id, attempt.lease, job.id)
        attempt.lease = None
    return wait_for_turn(job, attempt, provider, seconds, at)


def _claim(job: Job, attempt: Attempt, provider: CatalogueEntry, until: float, at: Clock) -> Attempt | None:
    """Claim the attempt; None when another invocation has, or when too little time is left for the call.

    When the answer to the claim is lost, the record says whether it holds. Raises the error of AWS while even that
    cannot be read.
    """
    now = at.now()
    claimed = attempt.model_copy(
        update={
            "claimed_at": clock.text(now),
            "claimed_until": clock.text(clock.from_ms(int(until) + SPARE_SECONDS * 1000)),
            "claimed_by": secrets.token_hex(8),
            "deadline_at": clock.later(now, provider.seconds(job.request.task)),
            "prices": [
                price.model_dump(mode="json", exclude_none=True)
                for price in provider.prices_of(job.request, provider.model(job.request, job.made_for, job.models))
            ],
        }
    )
    try:
        return claimed if jobs.claim(job, claimed) else None
    except TROUBLE:
        if not persist(lambda: _holds(job, claimed, at), until, at):
            return None
    if until - at.ms() < provider.answers * 1000:
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
        f"Ask the operator to store a key for {provider.title}.",
    )
