"""Pay what is owed. Events are faster; the sweep is what makes them unnecessary."""

from __future__ import annotations

from fitting_room import clock
from fitting_room.actions.requests.delete import hand_over
from fitting_room.actions.upkeep.resume import resume
from fitting_room.actions.workflow.settle import pay, settle
from fitting_room.clock import Clock
from fitting_room.observability import MetricUnit, described, logger, metrics
from fitting_room.stores import debts, executions, jobs, tombstones
from fitting_room.stores.debts import Kind
from fitting_room.stores.items import due_now, owe, strike

LOOK_AGAIN = 120
"""Seconds until a job that is still running is looked at again."""


def sweep(at: Clock) -> int:
    """Do what every item of the `due` index is owed, and return how many there were.

    A job is started, resumed, settled or looked at later; a debt is paid; a job or subject that is to go is erased.
    """
    count = 0
    for key in due_now(at.now()):
        count += 1
        try:
            _do(key, at)
        except Exception as error:  # one stuck item must not keep the others waiting
            logger.error("sweep failed for an item", item=_named(key), **described(error))
            owe(key, clock.later(at.now(), LOOK_AGAIN))
    metrics.add_metric("Swept", MetricUnit.Count, count)
    return count


def _do(key: dict[str, str], at: Clock) -> None:
    kind, _, name = key["pk"].partition("#")
    if kind == "SUBJECTS":
        hand_over(key, at, subject_id=key["sk"], tenant=name)
    elif debt := debts.kind_of(key["sk"]):
        _pay(name, debt, at)
    else:
        _see_to(name, at)


def _pay(job_id: str, debt: Kind, at: Clock) -> None:
    job = jobs.get(job_id, at.now())
    if job is None:  # erased, or expired
        debts.paid(job_id, debt)
    else:
        pay(job, debt, at)


def _see_to(job_id: str, at: Clock) -> None:
    job, key = jobs.get(job_id, at.now()), jobs.key(job_id)
    if tombstones.get(job_id, at.now()) if job is None else job.final and job.erase_requested_at:
        hand_over(key, at, job_id=job_id)
        return
    if job is None:  # it has expired
        strike(key)
        return
    match "ENDED" if job.final else executions.status(job_id, job.run):
        case "ABSENT":
            logger.info("starting a stored job", job_id=job_id, run=job.run)
            executions.start(job_id, job.run)
            owe(key, clock.later(at.now(), LOOK_AGAIN))
        case "RUNNING":
            owe(key, clock.later(at.now(), LOOK_AGAIN))
        case "ENDED":
            settle(job_id, at)
            strike(key)
        case _:
            resume(job_id, job.run, at)


def _named(key: dict[str, str]) -> str:
    return key["sk"] if key["pk"].startswith("SUBJECTS#") else key["pk"].partition("#")[2]
