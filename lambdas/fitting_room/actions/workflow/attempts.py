"""What Start and Poll share: an attempt's order, the line to its vendor, and writing down what came of it."""

from __future__ import annotations

from typing import Any

from fitting_room import clock
from fitting_room.actions.workflow.failover import next_position
from fitting_room.clock import Clock
from fitting_room.images.fetch import fetch
from fitting_room.jobs.job import Attempt, Job, PreparedInput, StoredPicture
from fitting_room.jobs.outcome import Failed, Finished, Outcome, Pending, Step, step
from fitting_room.observability import MetricUnit, logger, metrics
from fitting_room.providers.base import CatalogueEntry, Connection, Input, Order, Provider
from fitting_room.providers.catalogue import adapter
from fitting_room.settings import settings
from fitting_room.stores import capacity, jobs, media, provider_keys

MAX_RESULT_BYTES = 50_000_000
LONGEST_WAIT = 30
CALLBACK_SOON = 300
"""Seconds after the submission during which a callback is expected any moment; later its absence is checked less often."""


def connect(provider: CatalogueEntry) -> Provider:
    """The adapter, ready to call its vendor. A missing key shows here, before anything is claimed."""
    config = settings()
    hosts = frozenset([*provider.result_hosts, *config.result_hosts.get(provider.id, ())])
    given = config.provider_settings.get(provider.id, {})
    return adapter(provider.id).connect(
        Connection(
            endpoint=config.provider_endpoints.get(provider.id),
            region=config.bedrock_regions.get(provider.id),
            secret=provider_keys.secret(provider.id) if provider.secret else None,
            download=lambda url: (
                fetch(url, max_bytes=MAX_RESULT_BYTES, allow=config.fetch_allow, hosts=hosts, pointer="/").data
            ),
            settings=provider.settings_model.model_validate(given) if provider.settings_model else None,
        )
    )


def order(job: Job, attempt: Attempt, provider: CatalogueEntry, *, read_now: bool = False) -> Order:
    """What to buy. With `read_now` the pictures are in memory already, so that nothing of ours can fail after the claim."""
    inputs = {role: _input(prepared, read_now) for role, prepared in attempt.inputs.items()}
    given = job.request.provider_options.get(provider.id, {})
    model = provider.model(job.request, job.made_for)
    assert model is not None, "a planned provider has a model for the request"
    return Order(
        job_id=job.id,
        attempt=attempt.n,
        request=job.request,
        model=model.id,
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
            raise FileNotFoundError("a prepared picture is gone from staging")
        return data

    data = read() if read_now else None
    return Input(
        prepared.media_type,
        prepared.width,
        prepared.height,
        read if data is None else lambda: data,
        lambda: media.link(prepared.key),
    )


def keep(job: Job, attempt: Attempt, outcome: Outcome, at: Clock) -> Step:
    """Record an outcome on the attempt and say what comes next. The vendor's job id is written before anything else."""
    now = clock.text(at.now())
    facts: dict[str, Any]
    match outcome:
        case Pending():
            facts = {"outcome": "pending", "provider_job_id": outcome.provider_job_id, "submitted_at": now}
        case Finished():
            results, mask = _stage(job, attempt, outcome)
            facts = {
                "outcome": "finished",
                "told": "yes",
                "results": results,
                "mask": mask,
                "credits": outcome.credits,
                "token": outcome.token,
                "submitted_at": attempt.submitted_at or attempt.claimed_at,
                "finished_at": now,
            }
        case Failed():
            facts = {
                "outcome": "failed",
                "told": outcome.charged,
                "finished_at": now,
                "submitted_at": attempt.submitted_at or attempt.claimed_at,
                "retry_after": outcome.retry_after,
                "error": outcome.fault.model_copy(update={"provider": attempt.provider}),
            }
    after = attempt.model_copy(update=facts)
    if not jobs.record(job, after):
        logger.warning("outcome came too late", job_id=job.id, attempt=attempt.n)
    if isinstance(outcome, Finished) and outcome.warnings:
        jobs.warn(job, outcome.warnings)
    if isinstance(outcome, Pending):
        if attempt.outcome is None:
            jobs.move(job, "generating", at.now())
    else:
        _let_go(job, after, at)
        metrics.add_dimension("provider", attempt.provider)
        metrics.add_metric("Attempt" + facts["outcome"].capitalize(), MetricUnit.Count, 1)
    return following(job.model_copy(update={"attempts": {**job.attempts, str(after.n): after}}), at)


def _let_go(job: Job, attempt: Attempt, at: Clock) -> None:
    """The attempt is over: its place at the vendor is free, and a vendor that had enough is left alone by everybody."""
    if attempt.lease is not None:
        capacity.free_lease(attempt.provider, attempt.lease, job.id)
    if attempt.error and attempt.error.code == "rate_limited" and attempt.retry_after:
        capacity.hold(attempt.provider, at.ms() + int(attempt.retry_after * 1000))


def following(job: Job, at: Clock) -> Step:
    """The next step of a job whose latest attempt has an outcome."""
    attempt = job.latest
    assert attempt is not None, "a job with an outcome has an attempt"
    if attempt.outcome == "finished":
        return step("finished")
    if attempt.outcome == "failed":
        return step("failed", again=next_position(job) is not None)
    since = (at.now() - clock.parse(attempt.submitted_at or clock.text(at.now()))).total_seconds()
    wait = max(1, min(LONGEST_WAIT, int(since / 4)))
    if attempt.callback:  # with a wait too: an execution that began before callbacks were known can only poll
        return step("pending", wait=wait, callback="soon" if since < CALLBACK_SOON else "later")
    return step("pending", wait=wait)


def _stage(job: Job, attempt: Attempt, outcome: Finished) -> tuple[list[StoredPicture], str | None]:
    folder = f"staging/{job.id}/{attempt.n}"
    results = []
    for index, picture in enumerate(outcome.images):
        media.put(key := f"{folder}/result-{index}", picture.data, "application/octet-stream")
        results.append(StoredPicture(key=key, seed=picture.seed))
    if outcome.mask is None:
        return results, None
    media.put(key := f"{folder}/result-mask", outcome.mask, "application/octet-stream")
    return results, key
