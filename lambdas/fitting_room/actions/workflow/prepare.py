"""Make a job's images ready for the provider whose turn it is: stage the originals, check them, fit each to the provider."""

from __future__ import annotations

from fitting_room import clock
from fitting_room.actions.workflow.attempts import drawn_seed, repeat
from fitting_room.actions.workflow.failover import next_position
from fitting_room.actions.workflow.fitting import Fitting
from fitting_room.actions.workflow.originals import Shelf, gone, stage
from fitting_room.actions.workflow.reuse import content_of, reuse
from fitting_room.actions.workflow.standing import standing
from fitting_room.clock import Clock
from fitting_room.jobs.errors import JobFailure
from fitting_room.jobs.job import Attempt, Job, Source
from fitting_room.jobs.outcome import Step, step
from fitting_room.settings import settings
from fitting_room.stores import jobs, media
from fitting_room.stores.offers import entry


def prepare(job_id: str, at: Clock) -> Step:
    """Outcome `prepared` with the runner to use, `failed`, or `ended`. Doing it twice gives the same attempt.

    A job for which an earlier result does is `ended`, too: it has its images then.
    """
    job = jobs.get(job_id, at.now())
    if job is None or job.final:
        return step("ended")
    stands, last = standing(job, at), job.latest
    again = last if last and stands and stands["outcome"] == "prepared" and not _there(last) else None
    if stands and not again:
        return stands
    if last and not again and _there(last) and (said := repeat(job, at)):  # its writer died before it could
        return said
    jobs.show_step(job, "preparing", at.now())
    said = _next_attempt(job, again, at)
    if jobs.unwanted(job.id):
        staged = media.listing(settings().media_bucket, f"staging/{job.id}/", deep=True)
        media.remove([found.key for found in staged])
    return said


def _next_attempt(job: Job, again: Attempt | None, at: Clock) -> Step:
    """Prepare the next attempt, or once more one whose images are gone from staging."""
    position, last = job.position if again else next_position(job), job.latest
    assert position is not None, "a job that stands nowhere is to be prepared"
    provider, shelf = entry(job.plan[position], at), Shelf()
    attempt = again or Attempt(n=last.n + 1 if last else 1, provider=provider.id, seed=drawn_seed(job, provider))
    sources: dict[str, Source] = {}
    try:
        if attempt.renewed:
            raise gone()
        sources = stage(job, shelf, at)
        fitting = Fitting(job, attempt.n, provider.as_of(provider.model(job.request, job.made_for, job.models)), shelf)
        fitting.fit(sources)
    except JobFailure as failure:
        if sources:  # a retry and the contact sheet read them
            jobs.staged(job, sources)
        jobs.fail(job, failure.fault)
        return step("failed", again=False)
    made = {"inputs": fitting.inputs, "renewed": again is not None, "prepared_at": clock.text(at.now())}
    attempt = attempt.model_copy(update=made)
    attempt.content = content_of(job, attempt, provider)
    if warnings := [warning for warning in fitting.warnings if warning not in job.warnings]:
        jobs.warn(job, warnings)
    if job.request.reuse and reuse(job, attempt.content, sources, at):
        return step("ended")
    jobs.begin(job, attempt, position, sources)
    return step("prepared", runner=provider.runner)


def _there(attempt: Attempt) -> bool:
    """Return whether the prepared images of an attempt are still in staging."""
    return all(media.exists(made.key, bucket=settings().media_bucket) for made in attempt.inputs.values())
