"""Batches as their tenant sees them: read, list, cancel, resume, delete."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fitting_room import clock
from fitting_room.actions.batch.finish import cancel_open
from fitting_room.actions.batch.reports import LOOK_AGAIN, counts_of, start_next_run
from fitting_room.actions.requests import paging
from fitting_room.actions.requests.delete import GRACE
from fitting_room.actions.requests.query import strangers
from fitting_room.clock import Clock, is_id
from fitting_room.jobs.batch import Batch, Counts
from fitting_room.jobs.errors import Refusal
from fitting_room.stores import background, batches, executions
from fitting_room.stores.api_keys import Caller
from fitting_room.stores.aws import unimportant

_SHOWN = {
    "id",
    "status",
    "hold",
    "reference",
    "paused_for",
    "errors",
    "created_at",
    "started_at",
    "finished_at",
    "expires_at",
    "cancel_requested_at",
    "erase_requested_at",
}
REPORTS = ("csv", "json", "html")


def find_batch(batch_id: str, caller: Caller, at: Clock) -> Batch:
    """Return the caller's batch, of the mode of the key.

    Raises `Refusal`: `erased`, or `not_found`, for another tenant's or mode's as for one that never was.
    """
    found = batches.get(batch_id, at.now()) if is_id(batch_id, "bat") else None
    if found and caller.owns(found):
        return found
    raw = (batches.raw_item(batch_id) if is_id(batch_id, "bat") else None) or {}
    if "erased_at" in raw and (raw["tenant"], raw["mode"]) == (caller.tenant, caller.mode):
        raise Refusal.of("erased", f"This batch was erased on {raw['erased_at']}.", "Nothing is left to do.")
    raise Refusal.of("not_found", "There is no such batch.", "Check the id; a batch is kept for a limited time only.")


def view(batch: Batch, at: Clock) -> dict[str, Any]:
    """Return the batch with its counts as they are now."""
    counts = batch.counts or batches.counts(batch.id)
    base = f"/v1/batches/{batch.id}"
    return {
        **batch.model_dump(mode="json", include=_SHOWN),
        "paused_for": batch.paused_for and batch.paused_for.model_dump(mode="json"),
        "counts": counts_of(batch, counts),
        "images": {"most": batch.most_images, "bought": counts.images},
        "cost": {
            "most": _cost(batch.most_microusd, batch.most_millicredits),
            "reserved": _cost(batch.reserved.microusd if batch.reserved and not batch.over else 0),
            "spent": _cost(counts.microusd, counts.millicredits),
        },
        "row_errors": _row_errors(batch, counts),
        "seconds_left": _seconds_left(batch, counts, at.now()),
        "report": {form: f"{base}/report.{form}" for form in REPORTS},
        "links": {"self": base, "jobs": f"{base}/jobs"},
    }


def list_batches(caller: Caller, asked: dict[str, str], at: Clock) -> dict[str, Any]:
    """Answer `{items, next_cursor}`, newest first. Raises `Refusal` with status 400 and all faults."""
    faults = strangers(asked, paging.NAMES)
    limit, cursor = paging.limit(asked.get("limit"), faults), asked.get("cursor")
    if cursor is not None and not is_id(cursor, "bat"):
        faults.append(paging.bad_cursor())
    if faults:
        raise Refusal(*faults, status=400)
    found, next_cursor = batches.listed(caller.tenant, caller.mode, at.now(), limit, cursor)
    return {"items": [view(batch, at) for batch in found], "next_cursor": next_cursor}


def cancel_batch(batch_id: str, caller: Caller, at: Clock) -> Batch:
    """Ask for the end of a batch and return it; one that is over stays as it is.

    No row is admitted from now on. Then the open rows are cancelled, and the machine is stopped. Its next run sees to the
    end.
    """
    batch = find_batch(batch_id, caller, at)
    if not batch.over and batches.request_cancel(batch.id, at.now(), clock.text(at.now())):
        _stop(batch, at)
    return find_batch(batch_id, caller, at)


def resume_batch(batch_id: str, caller: Caller, at: Clock) -> Batch:
    """Go on with a batch that is paused; one that runs goes on as it is.

    Raises `Refusal` `conflict` for any other.
    """
    batch = find_batch(batch_id, caller, at)
    if batch.unwanted or batch.status not in ("paused", "running"):
        raise Refusal.of(
            "conflict",
            f"This batch is {'being cancelled' if batch.unwanted and not batch.over else batch.status}.",
            "Only a paused batch can be resumed. To run its manifest again, create a new batch.",
        )
    resumed = batches.resume(batch.id, batches.counts(batch.id).done, at.now(), clock.later(at.now(), LOOK_AGAIN))
    if resumed and (resumed.parked == resumed.run or executions.start_run(batch.id, resumed.run) == "was"):
        start_next_run(resumed, at)
    return find_batch(batch_id, caller, at)


def delete_batch(batch_id: str, caller: Caller, at: Clock) -> dict[str, Any]:
    """Mark a batch to be erased with all its jobs, and answer `{id, jobs}`: how many jobs that are.

    The erase function does the work, and the sweep calls it until it is done.
    """
    batch = find_batch(batch_id, caller, at)
    counts = batch.counts or batches.counts(batch.id)
    batches.request_erasure(batch.id, at.now(), clock.later(at.now(), GRACE))
    if not batch.over:
        _stop(batch, at)
    background.ask({"batch_id": batch.id})
    return {"id": batch.id, "jobs": counts.admitted}


def _stop(batch: Batch, at: Clock) -> None:
    """Cancel the open rows, then stop the machine, so that no run of a row is stopped that is not cancelled."""
    with unimportant("cancelling the rows of a batch"):
        counts = batches.counts(batch.id)
        cancel_open(batch, counts.admitted - counts.done, at)
    with unimportant("stopping a batch"):
        executions.stop_run(batch.id, batch.run)
    start_next_run(batch, at)


def _cost(microusd: int, millicredits: int = 0) -> dict[str, Any]:
    return {"amount": round(microusd / 1e6, 6), "currency": "USD", "credits": millicredits / 1000}


def _row_errors(batch: Batch, counts: Counts) -> list[dict[str, Any]]:
    """Return why rows are invalid and why rows failed, the commonest first."""
    invalid = [
        {"code": each.fault.code, "count": each.count, "example": None, "line": each.line}
        | {name: getattr(each.fault, name) for name in ("pointer", "detail", "remedy")}
        for each in batch.row_faults
    ]
    failed = [
        {"code": code, "count": each.count, "example": each.example or None}
        | dict.fromkeys(("line", "pointer", "detail", "remedy"))
        for code, each in counts.errors.items()
    ]
    return sorted(invalid + failed, key=lambda each: -each["count"])


def _seconds_left(batch: Batch, counts: Counts, now: datetime) -> int | None:
    """Return in how many seconds the rows may be done, by their pace since the last pause. None while it cannot be told."""
    since, done = batch.resumed_at or batch.started_at, counts.done - batch.done_before
    if batch.status != "running" or since is None or done <= 0:
        return None
    return round((now - clock.parse(since)).total_seconds() / done * (batch.valid - counts.done))
