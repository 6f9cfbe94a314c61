"""Pay what is owed. Events are faster; this is what makes them unnecessary."""

from __future__ import annotations

from fitting_room import clock
from fitting_room.actions.settle import settle
from fitting_room.actions.submit import start
from fitting_room.clock import Clock
from fitting_room.observability import MetricUnit, described, logger, metrics
from fitting_room.settings import settings
from fitting_room.stores import aws, jobs

LOOK_AGAIN = 120
"""Seconds until a job that is still running is looked at again."""


def sweep(at: Clock) -> int:
    """Look at every job that is due: start it, settle it, deliver it, or look again later. How many were due."""
    count = 0
    for job_id in jobs.due_now(at.now()):
        count += 1
        try:
            _pay(job_id, at)
        except Exception as error:  # one stuck job must not keep the others waiting
            logger.error("sweep failed for a job", job_id=job_id, **described(error))
            jobs.owe(job_id, clock.later(at.now(), LOOK_AGAIN))
    metrics.add_metric("Swept", MetricUnit.Count, count)
    return count


def _pay(job_id: str, at: Clock) -> None:
    job = jobs.get(job_id, at.now())
    status = "ENDED" if job is None or job.final else _execution(job_id)
    match status:
        case "ABSENT":
            logger.info("starting a stored job", job_id=job_id)
            start(job_id)
            jobs.owe(job_id, clock.later(at.now(), LOOK_AGAIN))
        case "RUNNING":
            jobs.owe(job_id, clock.later(at.now(), LOOK_AGAIN))
        case _:
            settle(job_id, at, certain=False)


def _execution(job_id: str) -> str:
    """The execution's status, or `ABSENT` when it was never started."""
    arn = settings().job_machine_arn.replace(":stateMachine:", ":execution:") + f":{job_id}"
    try:
        return str(aws.step_functions().describe_execution(executionArn=arn)["status"])
    except aws.step_functions().exceptions.ExecutionDoesNotExist:
        return "ABSENT"
