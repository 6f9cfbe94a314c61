"""Go on with a job whose run broke: a new run begins at Prepare, which answers for every record."""

from __future__ import annotations

from datetime import timedelta

from fitting_room import clock
from fitting_room.actions.workflow.settle import over, settle
from fitting_room.actions.workflow.standing import in_flight
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Fault
from fitting_room.jobs.job import Job
from fitting_room.observability import MetricUnit, logger, metrics
from fitting_room.stores import executions, jobs

PAUSES = (0, 1, 5, 15, 60)
"""Minutes between a break and the next run, by how often it has happened to the job; the last one repeats."""
LOOK_AGAIN = 120
"""Seconds after which the sweep looks whether a run was really started."""


def resume(job_id: str, run: int, at: Clock) -> None:
    """Start the run after the broken one, or settle a job that has nothing left to do.

    Where an event and a sweep both report the same break, only one starts the next run. Before a purchase the job
    fails when it has broken too often; after one never before its deadline.
    """
    job = jobs.get(job_id, at.now())
    if job is None or (not job.final and run != job.run):
        return
    if job.final or over(job, at):
        settle(job_id, at)
        return
    if job.latest and in_flight(job.latest, at):
        jobs.mark_adrift(job, str(job.latest.claimed_until))
        return
    if job.run > len(PAUSES) and not _bought(job):
        jobs.fail(job, _broken())
        settle(job_id, at)
        return
    pause = timedelta(minutes=PAUSES[min(job.run, len(PAUSES)) - 1])
    if pause and job.resume_at is None:
        jobs.resume_later(job, clock.text(at.now() + pause))
    elif not pause or clock.text(at.now()) >= str(job.resume_at):
        _start_next(job, at)


def _start_next(job: Job, at: Clock) -> None:
    if jobs.next_run(job, clock.later(at.now(), LOOK_AGAIN)):
        logger.warning("a broken run is resumed", job_id=job.id, run=job.run + 1)
        metrics.add_metric("Resumed", MetricUnit.Count, 1)
        executions.start_run(job.id, job.run + 1)


def _bought(job: Job) -> bool:
    return any(attempt.charged != "no" for attempt in job.attempts.values())


def _broken() -> Fault:
    return Fault.of(
        "internal",
        f"The job was resumed {len(PAUSES)} times and broke each time before anything was bought.",
        "Submit it again; if it breaks again, give its id to the operator.",
    )
