"""Cancel a job: mark its record, then stop its run.

The answer reports all purchases; nothing bought is thrown away.
"""

from __future__ import annotations

from fitting_room import clock
from fitting_room.actions.job_view import find_job
from fitting_room.clock import Clock
from fitting_room.jobs.job import Job
from fitting_room.stores import executions, jobs
from fitting_room.stores.api_keys import Caller
from fitting_room.stores.aws import unimportant


def cancel(job_id: str, caller: Caller, at: Clock) -> Job:
    """Ask for the end of a job and return it; a job that is over stays as it is.

    Raises `Refusal` `not_found` or `erased`. A job that is not claimed yet buys nothing. A call in flight ends first.
    Images in staging are still collected.
    """
    job = find_job(job_id, caller, at)
    if not job.final and jobs.request_cancel(job, clock.text(at.now())):
        end_run(job)
    return find_job(job_id, caller, at)


def end_run(job: Job) -> None:
    """Stop a job's run, so that its end is settled at once.

    A run that never was is started, so that it ends the same way. A run that cannot be stopped now still ends: each
    of its functions sees that the job is to end.
    """
    with unimportant("stopping a run"):
        if not executions.stop_run(job.id, job.run):
            executions.start_run(job.id, job.run)
