"""Pay what is owed. Events are faster; this is what makes them unnecessary."""

from __future__ import annotations

from fitting_room import clock
from fitting_room.actions.requests.delete import hand_over
from fitting_room.actions.requests.submit import start
from fitting_room.actions.workflow.settle import settle
from fitting_room.clock import Clock
from fitting_room.observability import MetricUnit, described, logger, metrics
from fitting_room.settings import settings
from fitting_room.stores import aws, jobs, tombstones
from fitting_room.stores.items import due_now, owe, strike

LOOK_AGAIN = 120
"""Seconds until a job that is still running is looked at again."""


def sweep(at: Clock) -> int:
    """Look at every job that is due: start it, settle it, deliver it, or look again later; and have every job and subject
    erased that is to be. How many were due."""
    count = 0
    for key in due_now(at.now()):
        count += 1
        kind, _, name = key["pk"].partition("#")
        try:
            if kind == "SUBJECTS":
                hand_over(key, at, subject_id=key["sk"], tenant=name)
            else:
                _pay(name, at)
        except Exception as error:  # one stuck item must not keep the others waiting
            logger.error("sweep failed for an item", item=key["sk"] if kind == "SUBJECTS" else name, **described(error))
            owe(key, clock.later(at.now(), LOOK_AGAIN))
    metrics.add_metric("Swept", MetricUnit.Count, count)
    return count


def _pay(job_id: str, at: Clock) -> None:
    job, key = jobs.get(job_id, at.now()), jobs.key(job_id)
    if tombstones.get(job_id, at.now()) if job is None else job.final and job.erase_requested_at:
        hand_over(key, at, job_id=job_id)
        return
    if job is None:  # it has expired
        strike(key)
        return
    match "ENDED" if job.final else _execution(job_id):
        case "ABSENT":
            logger.info("starting a stored job", job_id=job_id)
            start(job_id)
            owe(key, clock.later(at.now(), LOOK_AGAIN))
        case "RUNNING":
            owe(key, clock.later(at.now(), LOOK_AGAIN))
        case _:
            settle(job_id, at, certain=False)


def _execution(job_id: str) -> str:
    """The execution's status, or `ABSENT` when it was never started."""
    arn = settings().job_machine_arn.replace(":stateMachine:", ":execution:") + f":{job_id}"
    try:
        return str(aws.step_functions().describe_execution(executionArn=arn)["status"])
    except aws.step_functions().exceptions.ExecutionDoesNotExist:
        return "ABSENT"
