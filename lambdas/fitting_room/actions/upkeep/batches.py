"""Keep batches going: start the next run of one whose run broke or was stopped, and have erased what is to go."""

from __future__ import annotations

from fitting_room import clock
from fitting_room.actions.batch.reports import start_next_run
from fitting_room.actions.requests.delete import GRACE
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Fault
from fitting_room.observability import MetricUnit, logger, metrics
from fitting_room.stores import background, batches, executions
from fitting_room.stores.items import clear_due, set_due

LOOK_AGAIN = 600
"""Seconds until a batch that runs or is paused is looked at again."""


MOST_EXPANSIONS = 5
"""Runs in which the manifest could not be read through."""


def see_to(batch_id: str, at: Clock) -> None:
    """Do what is due for a batch: erase it, or start a run of its machine."""
    batch, key = batches.get(batch_id, at.now()), batches.key(batch_id)
    if batch is None:
        clear_due(key)
    elif batch.erase_requested_at and batch.over:
        set_due(key, clock.later(at.now(), GRACE))
        background.ask({"batch_id": batch.id})
    elif batch.over:
        clear_due(key)
    else:
        found = executions.start_run(batch.id, batch.run)
        if found == "was" and not executions.is_running(batch.id, batch.run):
            resume_run(batch.id, batch.run, at)
        elif found != "refused":
            set_due(key, clock.later(at.now(), LOOK_AGAIN))


def resume_run(batch_id: str, run: int, at: Clock) -> None:
    """Start the run after one that ended with work left. A paused batch waits for its tenant."""
    batch = batches.get(batch_id, at.now())
    if batch is None or batch.over or run != batch.run:
        return
    if batch.status == "paused" and not batch.unwanted:
        set_due(batches.key(batch.id), clock.later(at.now(), LOOK_AGAIN))
        return
    if batch.status == "expanding" and batch.run >= MOST_EXPANSIONS:
        batches.refused(batch, [_broken()])
    logger.warning("a broken batch is resumed", batch_id=batch.id, run=batch.run + 1)
    metrics.add_metric("BatchResumed", MetricUnit.Count, 1)
    start_next_run(batch, at)


def _broken() -> Fault:
    return Fault.of(
        "internal",
        f"Reading the manifest broke {MOST_EXPANSIONS} times.",
        "Create the batch again; if it breaks again, give its id to the operator.",
    )
