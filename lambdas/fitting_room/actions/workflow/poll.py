"""Read the status of a provider's job once, and fetch its images.

Reading is free, so no refusal of a read is final. Only the provider's own word ends an attempt, or the deadline and
three more reads after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from fitting_room import clock
from fitting_room.actions.workflow.attempts import (
    connect,
    order,
    record_attempt,
    record_outcome,
    release_place,
    remove_if_unwanted,
)
from fitting_room.actions.workflow.downloads import Missing, download
from fitting_room.actions.workflow.failover import lost
from fitting_room.actions.workflow.standing import standing, waiting
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Fault, JobFailure, JobWarning
from fitting_room.jobs.job import Attempt, Job, Reads
from fitting_room.jobs.outcome import Failed, Finished, Pending, Reading, Ready, Step, Unread, step
from fitting_room.observability import MetricUnit, error_facts, logger, metrics
from fitting_room.providers.adapter import Provider
from fitting_room.providers.base import CatalogueEntry
from fitting_room.providers.shared.results import partial
from fitting_room.stores import jobs, provider_keys
from fitting_room.stores.aws import TROUBLE, unimportant
from fitting_room.stores.offers import entry

REFUSED_PAUSES = (5, 15, 30, 60, 120, 300)
"""Seconds after the first, second ... refused read in a row; the last one repeats."""
WARNED_AFTER = 3
"""Refused reads in a row after which the job and a metric report them."""
PLACE_KEPT = timedelta(minutes=5)
"""How long refused reads hold the place at the provider: one call too many is a free 429, a blocked provider is not."""
LAST_READS, LAST_READ_SECONDS = 3, 60
"""After the deadline, so many reads at least so many seconds apart must find nothing before a purchase is called lost."""
UNMADE = timedelta(hours=6)
"""How long after the deadline a read that could not be made does not count."""
_REFUSED_KEY = (401, 403, 404)
"""A changed key is refused, or belongs to an account that does not know the job."""


def poll(job_id: str, remaining: float, at: Clock) -> Step:
    """Return `pending` with a wait, `finished`, `failed` or `ended`.

    `remaining`: seconds this invocation may still take. It may be repeated at will, because it buys nothing.
    """
    until = at.ms() + remaining * 1000
    job = jobs.get(job_id, at.now())
    if job is None or job.final:
        return step("ended")
    attempt, stands = job.latest, standing(job, at)
    if attempt is None or attempt.outcome != "pending" or (stands and stands["outcome"] != "pending"):
        return stands or step("failed", again=True)
    provider = entry(attempt.provider, at)
    match reading := _read(job, attempt, provider, at):
        case Finished() | Failed():
            return record_outcome(job, attempt, reading, at)
        case Ready():
            return _fetch(job, attempt, provider, reading, until, at)
        case Pending():
            return _look_again(job, attempt, provider, at)
        case Unread():
            return _refused(job, attempt, provider, reading, at)


def _read(job: Job, attempt: Attempt, provider: CatalogueEntry, at: Clock) -> Reading:
    """Read with the key as it is known here; if that is refused, with the key as it is now, and with the one before."""
    refused: Unread | None = None
    for vendor in _connections(provider, at):
        reading = vendor.poll(order(job, attempt, provider), str(attempt.provider_job_id))
        if not isinstance(reading, Unread) or reading.status not in _REFUSED_KEY:
            return reading
        refused = refused or reading
    return refused or Unread("no connection", made=False)


def _connections(provider: CatalogueEntry, at: Clock) -> Iterator[Provider]:
    """Yield connections with each key that may work: the kept one, the one read afresh, the previous one.

    A key that cannot be read or used is passed over. A purchase is worth waiting for an operator to mend the key.
    """
    if not provider.secret:
        yield connect(provider, at)
        return
    tried: set[str | None] = {None}
    keys: tuple[Callable[[], str | None], ...] = (
        lambda: provider_keys.secret(provider.id, at),
        lambda: provider_keys.secret.fresh(provider.id, at),
        lambda: provider_keys.previous(provider.id),
    )
    for read in keys:
        try:
            if (key := read()) not in tried:
                tried.add(key)
                yield connect(provider, at, key)
        except (*TROUBLE, JobFailure) as error:
            logger.error("a provider's key cannot be read or used", provider=provider.id, **error_facts(error))


def _fetch(job: Job, attempt: Attempt, provider: CatalogueEntry, ready: Ready, until: float, at: Clock) -> Step:
    """Bring the provider's images into staging.

    Those that cannot be had now are fetched again, until the deadline.
    """
    if not ready.addresses:
        return _refused(job, attempt, provider, Unread("done, but without images"), at)
    came = download(job, attempt, provider, ready.addresses, until, at)
    reads = attempt.reads.model_copy(update={"kept_for": ready.kept_for, "made": len(ready.addresses)})
    attempt = attempt.model_copy(update={"results": came.results, "reads": reads})
    warnings = list(ready.warnings)
    if came.missing:
        attempt = _in_vain(attempt, at, made=all(each.made for each in came.missing))
        missing, left = came.missing[0], len(came.missing)
        if not _over(attempt, at):
            logger.warning("a result is not there yet", job_id=job.id, missing=left, why=missing.why)
            return _later(job, attempt, provider, "result not there", _not_there(provider, missing), at)
        if not came.results:
            return record_outcome(job, attempt, Failed(_unfetched(provider, ready, missing), "yes"), at)
        warnings.append(partial(f"{left} more came from {provider.title}, but could not be fetched: {missing.why}."))
    return _finish(job, attempt, warnings, at, credits=ready.credits)


def _look_again(job: Job, attempt: Attempt, provider: CatalogueEntry, at: Clock) -> Step:
    """Return the step that reads the status again, for a job the provider still works on."""
    before = attempt.reads
    reads = _late(before.model_copy(update={"refused": 0, "since": None}), attempt, at)
    attempt = attempt.model_copy(update={"reads": reads})
    if _over(attempt, at):
        return _lost(job, attempt, provider, f"The job was not finished by {attempt.deadline_at}.", at)
    if reads != before:
        with unimportant("how a read went"):
            jobs.record_reads(job, attempt, [])
    return waiting(job, attempt, at, LAST_READ_SECONDS if reads.late else 0)


def _refused(job: Job, attempt: Attempt, provider: CatalogueEntry, unread: Unread, at: Clock) -> Step:
    """Return the step after a refused read of the status, or the end past the deadline."""
    attempt = _in_vain(attempt, at, made=unread.made)
    if _over(attempt, at):
        detail = f"The provider's answer could not be read by {attempt.deadline_at} ({unread.why})."
        return _lost(job, attempt, provider, detail, at)
    told, status = _not_answering(provider, unread), str(unread.status or unread.why)
    return _later(job, attempt, provider, status, told, at, pause=unread.retry_after or 0)


def _later(
    job: Job, attempt: Attempt, provider: CatalogueEntry, status: str, told: JobWarning, at: Clock, *, pause: float = 0
) -> Step:
    """Return the step after a read in vain.

    The next reads are spaced, a warning is added, and the place at the provider is freed after a while.
    """
    reads, warnings = attempt.reads, []
    if reads.refused == WARNED_AFTER:
        metrics.add_dimension("provider", provider.id)
        metrics.add_dimension("status", status)
        metrics.add_metric("LookRefused", MetricUnit.Count, 1)
        warnings = [told] if told not in job.warnings else []
    with unimportant("how a read went"):
        jobs.record_reads(job, attempt, warnings)
        if attempt.lease is not None and at.now() - clock.parse(str(reads.since)) >= PLACE_KEPT:
            release_place(job, attempt, at)
        if attempt.results:
            remove_if_unwanted(job, attempt)
    spaced = REFUSED_PAUSES[min(reads.refused, len(REFUSED_PAUSES)) - 1]
    return waiting(job, attempt, at, max(spaced, pause, LAST_READ_SECONDS if reads.late else 0))


def _lost(job: Job, attempt: Attempt, provider: CatalogueEntry, detail: str, at: Clock) -> Step:
    """End an attempt at its deadline: with the images that are in staging, or as a purchase of unknown outcome."""
    if attempt.results:
        rest = partial(f"The other images of {provider.title} could not be fetched by {attempt.deadline_at}.")
        return _finish(job, attempt, [rest], at)
    return record_outcome(job, attempt, Failed(lost(attempt, "timed_out", detail, provider), "unknown"), at)


def _finish(job: Job, attempt: Attempt, warnings: list[JobWarning], at: Clock, *, credits: float | None = None) -> Step:
    facts = {"outcome": "finished", "known_charge": "yes", "credits": credits, "finished_at": clock.text(at.now())}
    return record_attempt(job, attempt.model_copy(update=facts), warnings, at)


def _in_vain(attempt: Attempt, at: Clock, *, made: bool) -> Attempt:
    """Return the attempt after one more read in vain.

    A read that could not be made is not held against the deadline, for `UNMADE`.
    """
    counts = made or at.now() >= _deadline(attempt) + UNMADE
    reads = _late(attempt.reads, attempt, at) if counts else attempt.reads
    more = {"refused": reads.refused + 1, "since": reads.since or clock.text(at.now())}
    return attempt.model_copy(update={"reads": reads.model_copy(update=more)})


def _late(reads: Reads, attempt: Attempt, at: Clock) -> Reads:
    """Count a read after the deadline, unless the last one that counted was less than a minute ago."""
    if at.now() < _deadline(attempt):
        return reads
    if reads.late_at and (at.now() - clock.parse(reads.late_at)).total_seconds() < LAST_READ_SECONDS:
        return reads
    return reads.model_copy(update={"late": reads.late + 1, "late_at": clock.text(at.now())})


def _over(attempt: Attempt, at: Clock) -> bool:
    return at.now() >= _deadline(attempt) and attempt.reads.late >= LAST_READS


def _deadline(attempt: Attempt) -> datetime:
    return clock.parse(str(attempt.deadline_at))


def _unfetched(provider: CatalogueEntry, ready: Ready, missing: Missing) -> Fault:
    mend = f" {_list_host(provider)}" if missing.unlisted else ""
    return Fault.of(
        "timed_out",
        f"{provider.title} made the images, but none could be fetched and stored in time: {missing.why}.",
        f"The provider keeps them: {ready.kept_for}.{mend} Fetch them with POST /v1/jobs/{{id}}/recover, which buys"
        " nothing.",
        retryable=False,
        provider=provider.id,
    )


def _not_there(provider: CatalogueEntry, missing: Missing) -> JobWarning:
    mend = _list_host(provider) if missing.unlisted else "Nothing is left to do."
    return JobWarning(
        code="result_not_fetched",
        detail=f"{provider.title} made the images, but one of them is not here yet: {missing.why}.",
        remedy=f"{mend} The image is fetched again until the job's deadline.",
    )


def _list_host(provider: CatalogueEntry) -> str:
    return f"Ask the operator to add the host to `result_hosts` of {provider.id}, if it is the provider's."


def _not_answering(provider: CatalogueEntry, unread: Unread) -> JobWarning:
    return JobWarning(
        code="provider_not_answering",
        detail=f"{provider.title} has the job, but its status cannot be read ({unread.why}).",
        remedy="Nothing is left to do: the status is read again until the job's deadline.",
    )
