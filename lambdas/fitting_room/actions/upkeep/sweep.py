"""Do the due work: start, resume, settle and erase jobs and batches. Events are faster; the sweep makes up for lost ones."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial

from fitting_room import clock
from fitting_room.actions.requests.delete import invoke_erase
from fitting_room.actions.upkeep import batches
from fitting_room.actions.upkeep.resume import resume
from fitting_room.actions.workflow.settle import pay_debt, settle
from fitting_room.clock import Clock
from fitting_room.jobs.job import Job
from fitting_room.observability import MetricUnit, error_facts, logger, metrics
from fitting_room.stores import aws, debts, deliveries, executions, jobs, tombstones
from fitting_room.stores.aws import unimportant
from fitting_room.stores.debts import Kind
from fitting_room.stores.items import DUE_SHARDS, clear_due, due_now, set_due

LOOK_AGAIN = 600
"""Seconds until a job that is still running is looked at again, if its deadline does not come first."""
STUCK_SECONDS = 120
"""Seconds until an item that could not be done is tried again."""
SPARE_SECONDS = 10
"""Seconds kept for the item in hand. The sweep of the next minute does the items that this one did not reach."""


def sweep(at: Clock, remaining: float = 60) -> int:
    """Serve the items of the `due` index that fit into `remaining` seconds, and return their number.

    A job or a batch is started, resumed, settled or looked at later; a debt is paid; a webhook is queued; a job, a batch, a
    subject or all of an owner is erased. The shards are done side by side.
    """
    until = at.now() + timedelta(seconds=remaining - SPARE_SECONDS)
    (
        aws.table(),
        aws.step_functions(),
        aws.functions(),
        aws.queues(),
    )  # made here, for the SDK does not make clients in several threads
    with ThreadPoolExecutor(DUE_SHARDS) as pool:
        count = sum(pool.map(partial(_sweep, until=until, at=at), range(DUE_SHARDS)))
    metrics.add_metric("Swept", MetricUnit.Count, count)
    metrics.add_metric("SweepHeartbeat", MetricUnit.Count, 1)
    return count


def _sweep(shard: int, until: datetime, at: Clock) -> int:
    count = 0
    for key in due_now(at.now(), [shard]):
        if at.now() >= until:
            logger.warning("the sweep leaves items for the next minute", shard=shard)
            break
        count += 1
        try:
            _do(key, at)
        except Exception as error:  # one stuck item must not keep the others waiting
            logger.error("sweep failed for an item", item=_named(key), **error_facts(error))
            with unimportant("when a stuck item is tried again"):
                set_due(key, clock.later(at.now(), STUCK_SECONDS))
    return count


def _do(key: dict[str, str], at: Clock) -> None:
    kind, _, name = key["pk"].partition("#")
    if kind == "SUBJECTS":
        invoke_erase(key, at, subject_id=key["sk"], tenant=name)
    elif kind == "OWNER":
        invoke_erase(key, at, owner=key["pk"])
    elif key["sk"] == deliveries.SORT_KEY:
        _tell(name, at)
    elif kind == "BATCH":
        batches.see_to(name, at)
    elif debt := debts.kind_of(key["sk"]):
        _pay(name, debt, at)
    else:
        _see_to(name, at)


def _pay(job_id: str, debt: Kind, at: Clock) -> None:
    job = jobs.get(job_id, at.now())
    if job is None:  # erased, or expired
        debts.remove(job_id, debt)
    else:
        pay_debt(job, debt, at)


def _tell(job_id: str, at: Clock) -> None:
    """Queue a webhook that is due, and look at it again should it come to nothing."""
    if delivery := deliveries.get(job_id):
        set_due(deliveries.key(job_id), clock.later(at.now(), STUCK_SECONDS))
        deliveries.enqueue(delivery)


def _see_to(job_id: str, at: Clock) -> None:
    job, key = jobs.get(job_id, at.now()), jobs.key(job_id)
    if tombstones.get(job_id, at.now()) if job is None else job.final and job.erase_requested_at:
        invoke_erase(key, at, job_id=job_id)
    elif job is None:  # it has expired
        clear_due(key)
    elif job.final:
        settle(job_id, at)
        clear_due(key)
    else:
        _see_to_open(job, at)


def _see_to_open(job: Job, at: Clock) -> None:
    """Start an open job.

    Starting a job that runs changes nothing and says so. Only one whose run has ended needs another read.
    """
    found = executions.start_run(job.id, job.run)
    if found == "was" and not executions.is_running(job.id, job.run):
        resume(job.id, job.run, at)
    elif found != "refused":
        set_due(jobs.key(job.id), _look_at(job, at))


def _look_at(job: Job, at: Clock) -> str:
    later, deadline = clock.later(at.now(), LOOK_AGAIN), job.latest and job.latest.deadline_at
    return min(later, deadline) if deadline and deadline > clock.text(at.now()) else later


def _named(key: dict[str, str]) -> str:
    return key["sk"] if key["pk"].startswith(("SUBJECTS#", "OWNER#")) else key["pk"].partition("#")[2]
