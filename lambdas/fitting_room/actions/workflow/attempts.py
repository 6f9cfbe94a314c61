"""The parts that Start and Poll share: an attempt's order, the connection to its provider, and recording its outcome."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from fitting_room import clock
from fitting_room.actions.workflow.failover import next_position
from fitting_room.actions.workflow.queueing import left, refused_pause
from fitting_room.actions.workflow.standing import standing
from fitting_room.clock import Clock
from fitting_room.jobs.errors import JobFailure, JobWarning
from fitting_room.jobs.job import Attempt, Job, PreparedInput, StoredPicture
from fitting_room.jobs.outcome import Failed, Finished, Outcome, Pending, Step, step
from fitting_room.observability import MetricUnit, error_facts, logger, measure
from fitting_room.providers.adapter import Connection, Input, Order, Provider
from fitting_room.providers.base import CatalogueEntry
from fitting_room.providers.catalogue import adapter
from fitting_room.providers.runners import RUNNERS
from fitting_room.settings import settings
from fitting_room.stores import capacity, jobs, media, model_lifecycles, provider_keys, refusals
from fitting_room.stores.aws import TROUBLE, unimportant
from fitting_room.stores.items import set_due
from fitting_room.stores.offers import entry

_PAUSES = (0.5, 1, 2, 4, 5)
"""Seconds between two tries of a write that must not be lost; the last one repeats."""

Written = TypeVar("Written")
Answer = TypeVar("Answer")


def connect(provider: CatalogueEntry, at: Clock, secret: str | None = None) -> Provider:
    """Return the adapter, ready to call its provider with `secret`, or with the stored key.

    A missing key shows here, before anything is claimed.
    """
    config = settings().deployment
    given = config.provider_settings.get(provider.id, {})
    return adapter(provider.id).connect(
        Connection(
            endpoint=config.endpoints.get(provider.id),
            region=config.bedrock_regions.get(provider.id),
            secret=(secret or provider_keys.secret(provider.id, at)) if provider.secret else None,
            settings=provider.settings_model.model_validate(given) if provider.settings_model else None,
            objects=media,
        )
    )


def asked(
    call: Callable[[Provider], Answer], vendor: Provider, provider: CatalogueEntry, key: str | None, at: Clock
) -> Answer:
    """Return what the provider answers to a call.

    A refused key bought nothing: if it was changed meanwhile, call once more with the new one.
    """
    answer = call(vendor)
    refused = isinstance(answer, Failed) and answer.charged == "no" and answer.fault.code == "provider_auth"
    if not (refused and key):
        return answer
    try:
        changed = provider_keys.secret.fresh(provider.id, at)
        again = connect(provider, at, changed) if changed != key else None
    except (*TROUBLE, JobFailure):
        return answer
    return call(again) if again else answer


def order(job: Job, attempt: Attempt, provider: CatalogueEntry, *, read_now: bool = False) -> Order:
    """Return the order for the provider.

    With `read_now` its images are read here, so that no read can fail after the claim.
    """
    inputs = {role: _input(prepared, read_now) for role, prepared in attempt.inputs.items()}
    given = job.request.provider_options.get(provider.id, {})
    model = provider.model(job.request, job.made_for, job.models)
    assert model is not None, "a planned provider has a model for the request"
    return Order(
        job_id=job.id,
        attempt=attempt.n,
        request=job.request,
        model=model.sent_as or model.id,
        listed=model.like or model.id,
        inputs=inputs,
        seed=attempt.seed,
        options=provider.options_model.model_validate(given) if provider.options_model else None,
        references=attempt.references,
        subjects=job.subjects,
    )


def _input(prepared: PreparedInput, read_now: bool) -> Input:
    def read() -> bytes:
        data = media.read(prepared.key)
        if data is None:
            raise FileNotFoundError("a prepared image is gone from staging")
        return data

    data = read() if read_now else None
    return Input(
        prepared.media_type,
        prepared.width,
        prepared.height,
        read if data is None else lambda: data,
        lambda: media.link(prepared.key),
    )


def wait_for_turn(
    job: Job, attempt: Attempt, provider: CatalogueEntry, seconds: int, at: Clock, *, slot_at: str | None = None
) -> Step:
    """Let an unclaimed attempt wait for its turn.

    The pause counts against the job's queue limit.
    """
    attempt.waited += seconds
    jobs.wait(job, attempt, at.now(), slot_at=slot_at)
    return step("busy", runner=provider.runner, wait=seconds)


def record_outcome(job: Job, attempt: Attempt, outcome: Outcome, at: Clock, *, seconds: float = 0) -> Step:
    """Record an outcome on the attempt and return the next step.

    For `seconds` every write that must not be lost is repeated. The result of a synchronous provider is only in this
    memory, and so is the id of a job that a provider has just taken.
    """
    until = at.ms() + seconds * 1000
    now = clock.text(at.now())
    facts: dict[str, Any]
    match outcome:
        case Pending():
            facts = {"outcome": "pending", "provider_job_id": outcome.provider_job_id, "submitted_at": now}
        case Finished():
            results, mask = _staged(job, attempt, outcome, until, at)
            facts = {
                "outcome": "finished",
                "known_charge": "yes",
                "results": results,
                "mask": mask,
                "credits": outcome.credits,
                "amount": outcome.amount,
                "token": outcome.token,
                "submitted_at": attempt.submitted_at or attempt.claimed_at,
                "finished_at": now,
            }
        case Failed():
            outcome = _rested(job, attempt, outcome, at)
            facts = {
                "outcome": "failed",
                "provider_job_id": attempt.provider_job_id if attempt.outcome else None,  # a refused call made none
                "known_charge": outcome.charged,
                "finished_at": now,
                "submitted_at": attempt.submitted_at or attempt.claimed_at,
                "retry_after": outcome.retry_after,
                "amount": outcome.amount,
                "error": outcome.fault.model_copy(update={"provider": attempt.provider}),
            }
    after = attempt.model_copy(update=facts)
    warnings = outcome.warnings if isinstance(outcome, Finished) else []
    return record_attempt(job, after, warnings, at, until)


def record_attempt(job: Job, after: Attempt, warnings: list[JobWarning], at: Clock, until: float = 0) -> Step:
    """Record an attempt that has an outcome, in one write; everything after it only shows progress or frees a place."""
    found = persist(lambda: jobs.record(job, after, warnings), until, at)
    if found is None:  # or the answer to the write was lost, and its repetition met itself
        logger.warning("outcome was there already, or the job is erased", job_id=job.id, attempt=after.n)
    with unimportant("what follows an outcome"):
        found = found or jobs.raw_item(job.id)
        if found and _unattended(found):
            set_due(jobs.key(job.id), clock.text(at.now()))
        if after.outcome == "pending":
            jobs.show_step(job, "generating", at.now())
        else:
            release_place(job, after, at)
            _note_refusal(job, after, at)
    if after.outcome != "pending" and not after.recovered_n:
        measure({f"Attempt{str(after.outcome).capitalize()}": (MetricUnit.Count, 1)}, provider=after.provider)
    current = job.model_copy(update={"attempts": {**job.attempts, str(after.n): after}})
    if found is None or jobs.erasing(found):
        remove_if_unwanted(job, after)
    return standing(current, at) or repeat(current, at) or _again()


def repeat(job: Job, at: Clock) -> Step | None:
    """Begin another attempt at the provider of the last one, with the images that were fitted for that.

    None when it is another provider's turn, and when the new attempt cannot be written: Prepare does it then.
    """
    last = job.latest
    if last is None or next_position(job) != job.position or last.provider != job.plan[job.position]:
        return None
    provider, pause = entry(last.provider, at), math.ceil(last.retry_after or 0)
    attempt = Attempt(
        n=last.n + 1,
        provider=last.provider,
        inputs=last.inputs,
        content=last.content,
        renewed=last.renewed,
        references=last.references,
        seed=drawn_seed(job, provider),
        prepared_at=clock.text(at.now()),
        waited=pause,
    )
    with unimportant("another attempt at the same provider"):
        if jobs.begin(job, attempt, job.position, job.sources):
            return (
                step("busy", runner=provider.runner, wait=pause) if pause else step("prepared", runner=provider.runner)
            )
    return None


def drawn_seed(job: Job, provider: CatalogueEntry) -> int | None:
    """Return the client's seed.

    If the client names none and the provider takes one, draw it: the result can be made again. None means that the
    provider uses its own: the client asked for that, or the provider takes no seed.
    """
    asked = job.request.output.seed
    if asked is not None:
        return None if asked == "provider" else asked
    option = provider.honours(job.request.task, provider.model(job.request, job.made_for, job.models)).get(
        "output.seed"
    )
    if option is None or option.maximum is None:
        return None
    least = int(option.minimum or 0)
    return least + secrets.randbelow(int(option.drawn or option.maximum) - least + 1)


def _rested(job: Job, attempt: Attempt, refused: Failed, at: Clock) -> Failed:
    """Return the failure with the time for which a provider that answered 429 is left alone.

    An answer without a call to the provider sets no pause. The sandbox answers 429 because its client asked for it,
    so it gets no pause.
    """
    asked = entry(attempt.provider, at).live and (attempt.claimed_at or refused.retry_after is not None)
    if refused.fault.code != "rate_limited" or refused.charged != "no" or not asked:
        return refused
    pause = refused_pause(job, refused.retry_after)
    if pause <= left(job):
        return replace(refused, retry_after=pause)
    detail = f"{refused.fault.detail} It takes nothing more before {clock.later(at.now(), pause)}."
    return replace(refused, retry_after=pause, fault=refused.fault.model_copy(update={"detail": detail}))


def persist(write: Callable[[], Written], until: float, at: Clock) -> Written:
    """Do a write, again and again while AWS has trouble, until that moment (epoch ms).

    Raises the error of the last try.
    """
    for tries in range(10_000):
        try:
            return write()
        except TROUBLE as error:
            pause = _PAUSES[min(tries, len(_PAUSES) - 1)]
            if at.ms() + pause * 1000 >= until:
                raise
            logger.warning("a write is repeated", **error_facts(error))
            at.sleep(pause)
    raise AssertionError("time does not pass")


def release_place(job: Job, attempt: Attempt, at: Clock) -> None:
    """Free the attempt's place at the provider.

    If it answered 429, give out no slot until its pause is over.
    """
    if attempt.lease is not None:
        capacity.free_lease(attempt.provider, attempt.lease, job.id)
    if attempt.error and attempt.error.code == "rate_limited" and attempt.retry_after:
        capacity.block_until(attempt.provider, at.ms() + int(attempt.retry_after * 1000))


def _note_refusal(job: Job, attempt: Attempt, at: Clock) -> None:
    """Record the provider's refusal for the operator.

    A key that cannot be used counts as a refusal too.
    """
    code = attempt.error.code if attempt.error else ""
    if code in refusals.CODES and (attempt.claimed_at or code == "provider_auth"):
        refusals.note(attempt.provider, code, job.id, at.now())
    if code == "model_retired" and attempt.claimed_at:
        _note_gone(job, entry(attempt.provider, at), at)


def _note_gone(job: Job, provider: CatalogueEntry, at: Clock) -> None:
    """Record for the planner that the provider no longer knows the job's model.

    Bedrock is asked daily instead, and the sandbox only says what its client asks for.
    """
    model = provider.model(job.request, job.made_for, job.models)
    if model and provider.live and RUNNERS[provider.runner].lifecycles is None:
        model_lifecycles.put_gone(provider.id, model.known_as, at.now())


def stage(job: Job, attempt: Attempt, index: int, data: bytes, seed: int | None) -> StoredPicture:
    """Put one image of the provider into staging; `index` counts from 0 in the provider's order."""
    media.put(key := f"staging/{job.id}/{attempt.n}/result-{index}", data, "application/octet-stream")
    return StoredPicture(key=key, seed=seed)


def _staged(
    job: Job, attempt: Attempt, outcome: Finished, until: float, at: Clock
) -> tuple[list[StoredPicture], str | None]:
    results = []
    for index, image in enumerate(outcome.images):
        results.append(persist(lambda i=index, p=image: stage(job, attempt, i, p.data, p.seed), until, at))  # type: ignore[misc]
    mask = outcome.mask
    if mask is None:
        return results, None
    key = f"staging/{job.id}/{attempt.n}/result-mask"
    persist(lambda: media.put(key, mask, "application/octet-stream"), until, at)
    return results, key


def _unattended(found: dict[str, Any]) -> bool:
    """Return whether nothing else would notice the outcome soon.

    The job's run is broken, or the job is to end.
    """
    return bool(found.get("adrift") or found.get("cancel_requested"))


def remove_if_unwanted(job: Job, attempt: Attempt) -> None:
    """Remove the images of a job whose owner wants it erased: they must not outlive it."""
    if jobs.unwanted(job.id):
        keys = [stored.key for stored in attempt.results] + ([attempt.mask] if attempt.mask else [])
        media.remove(keys)


def _again() -> Step:
    return {"outcome": "failed", "again": True}
