"""Bring a batch to its end once its map is over: wait for the last rows, write the reports, give back what was not spent.

A batch is over when as many rows are done as were admitted, and no other can be. The end of the map proves neither.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NotRequired, TypedDict

from fitting_room import clock
from fitting_room.actions.batch.reports import reports_stored, show_reports, write_reports
from fitting_room.actions.drops import news
from fitting_room.actions.requests.cancel import end_run
from fitting_room.actions.workflow.queueing import PAUSED_SECONDS
from fitting_room.clock import Clock
from fitting_room.jobs.batch import Batch, BatchStatus, Counts, ErrorCount, job_id_of, job_ids_of
from fitting_room.observability import logger
from fitting_room.stores import batch_rows, batches, budgets, deliveries, jobs
from fitting_room.stores.aws import unimportant
from fitting_room.stores.items import Conflict, transact

LOOK_AGAIN = 15
"""Seconds until the last rows are looked at again."""
ADMISSION = timedelta(seconds=45)
"""How long a row may still be admitted after the cancellation: longer than its function lives."""
PAUSES = (0, 60, 300, 900, 3600)
"""Seconds before the rows that were not admitted are run again, by how often the map ended without them."""


class Ending(TypedDict):
    """What the batch machine branches on. `outcome`: look again or run `more` rows in `wait` seconds; `ended`."""

    outcome: str
    wait: NotRequired[int]


def finish(batch_id: str, at: Clock) -> Ending:
    """End a batch that has nothing left to do; doing it again changes nothing."""
    batch = batches.get(batch_id, at.now())
    if batch is None:
        return {"outcome": "ended"}
    if batch.over:
        _tell(batch)
        if not batch.erase_requested_at and not reports_stored(batch):  # a row of it was erased since
            write_reports(batch, at)
        return {"outcome": "ended"}
    counts = batches.counts(batch.id)
    if batch.unwanted:
        return _cancelled(batch, counts, at)
    if batch.errors:
        return _end(batch, "failed", counts.model_copy(update={"cancelled": batch.valid}), at)
    if counts.done < counts.admitted:
        return {"outcome": "look", "wait": PAUSED_SECONDS if batch.status == "paused" else LOOK_AGAIN}
    if batch.status != "expanding" and counts.admitted == batch.valid:
        return _end(batch, "finished", counts, at)
    if batch.status == "paused":
        return {"outcome": "ended"} if batches.park(batch) else {"outcome": "look", "wait": 1}
    return _unadmitted(batch, counts, at)


def cancel_open(batch: Batch, count: int, at: Clock) -> None:
    """Ask for the end of the `count` rows that are open, the newest first, and stop their runs."""
    for job in jobs.of_batch(batch.tenant, batch.mode, job_ids_of(batch.id), at.now()):
        if count <= 0:
            return
        if job.final:
            continue
        count -= 1
        if not job.cancel_requested and jobs.request_cancel(job, clock.text(at.now())):
            end_run(job)


def _cancelled(batch: Batch, counts: Counts, at: Clock) -> Ending:
    """Wait for the open rows, and for those that were being admitted when the cancellation came."""
    if counts.done < counts.admitted:
        cancel_open(batch, counts.admitted - counts.done, at)
        return {"outcome": "look", "wait": LOOK_AGAIN}
    left = batch.valid - counts.admitted
    if left and at.now() < clock.parse(str(batch.cancel_requested_at)) + ADMISSION:
        return {"outcome": "look", "wait": LOOK_AGAIN}
    counts = counts.model_copy(update={"cancelled": counts.cancelled + left})
    return _end(batch, "cancelled" if counts.cancelled or batch.status == "expanding" else "finished", counts, at)


def _unadmitted(batch: Batch, counts: Counts, at: Clock) -> Ending:
    """Run the rows again that the map ended without. They fail once that has been in vain too often."""
    passes = batches.count_pass(batch.id)
    if passes <= len(PAUSES):
        logger.warning("rows of a batch were not admitted", batch_id=batch.id, passes=passes)
        return {"outcome": "more", "wait": PAUSES[passes - 1]}
    left = batch.valid - counts.admitted
    before = counts.errors.get("internal", ErrorCount())
    errors = counts.errors | {"internal": before.model_copy(update={"count": before.count + left})}
    return _end(batch, "finished", counts.model_copy(update={"failed": counts.failed + left, "errors": errors}), at)


def _end(batch: Batch, status: BatchStatus, counts: Counts, at: Clock) -> Ending:
    """End the batch in one transaction. One that changed in the meantime is looked at again."""
    over = batch.model_copy(update={"status": status, "counts": counts, "finished_at": clock.text(at.now())})
    writes = {"end": batches.finish(over, at.now())}
    if back := _unspent(batch, counts):
        writes["refund"] = back
    if batch.webhook and not batch.erase_requested_at:
        owed_at = clock.later(at.now(), LOOK_AGAIN)
        writes["webhook"] = deliveries.new_item_of_batch(over, at.now(), owed_at)
    if not batch.erase_requested_at:
        _blank_unadmitted(over, counts)
        write_reports(over, at)
        if batch.drop:
            show_reports(over)
    try:
        transact(writes, at.sleep)
    except Conflict:
        return {"outcome": "look", "wait": 1}
    logger.info("batch over", batch_id=batch.id, status=status, rows=batch.rows)
    _tell(over)
    return {"outcome": "ended"}


def _unspent(batch: Batch, counts: Counts) -> dict[str, Any] | None:
    """Return the write that gives back what the batch set aside and its rows did not spend."""
    if batch.reserved is None:
        return None
    images, microusd = batch.reserved.images - counts.paid, batch.reserved.microusd - counts.microusd
    return budgets.refund(batch.tenant, batch.id, batch.reserved.day, images, microusd)


def _blank_unadmitted(batch: Batch, counts: Counts) -> None:
    """Keep nothing of rows that never became jobs: no erasure of an owner would find them. A report names those that failed."""
    if counts.admitted == batch.valid:
        return
    forget = batch_rows.forget_body if batch.status == "finished" else batch_rows.blank
    for row in batch_rows.between(batch.id, 0, batch.rows):
        if row.request and not jobs.there([job_id_of(batch.id, row.n)]):
            forget(batch.id, row.n)


def _tell(batch: Batch) -> None:
    """Tell the drop folder, and queue the event for the webhook at once; the sweep does that otherwise."""
    if batch.drop and not batch.erase_requested_at:
        news.batch_over(batch)
    with unimportant("queueing a webhook"):
        if batch.webhook and (delivery := deliveries.get(batch.id)):
            deliveries.enqueue(delivery)
