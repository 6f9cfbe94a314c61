"""Make a job of a row whose turn it is. Doing it again finds the job that is there.

A row's job id is made of the batch and the row, so that a row can never become two jobs.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, NotRequired, TypedDict

from fitting_room import clock
from fitting_room.actions.requests.accept import accept
from fitting_room.actions.requests.check import Checked, check
from fitting_room.actions.requests.plan import Plan
from fitting_room.actions.requests.submit import made
from fitting_room.actions.workflow.queueing import PAUSED_SECONDS
from fitting_room.clock import Clock
from fitting_room.jobs.batch import Batch, Row, job_id_of
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.job import FINAL, Job, Reservation, Source
from fitting_room.jobs.tasks import request_of
from fitting_room.stores import api_keys, batch_rows, batches, jobs
from fitting_room.stores.api_keys import Caller
from fitting_room.stores.items import Conflict

OPEN_SECONDS = 30
"""Between two looks at an equal row whose run broke, and that the sweep resumes."""


class Admission(TypedDict):
    """What a child of the map branches on.

    `outcome`: `admitted`: run the job, and that is all; `first`: run it, then ask again; `wait`: ask again in `wait` seconds;
    `ended`.
    """

    outcome: str
    job_id: NotRequired[str]
    wait: NotRequired[int]


def admit(batch_id: str, numbers: list[int], at: Clock) -> Admission:
    """Make a job of the first of these rows that has none, once the rows before it are over."""
    batch = batches.get(batch_id, at.now())
    if batch is None or batch.over or batch.unwanted:
        return {"outcome": "ended"}
    if batch.status == "paused":
        return {"outcome": "wait", "wait": PAUSED_SECONDS}
    for place, n in enumerate(numbers):
        last, found = place == len(numbers) - 1, jobs.raw_item(job_id_of(batch.id, n))
        if found is None and (row := batch_rows.get(batch.id, n)) and row.request is not None:
            if row.request:  # or another invocation has made it since we looked
                _make(batch, row, row.request, at)
            return {"outcome": "admitted" if last else "first", "job_id": job_id_of(batch.id, n)}
        if found and "erased_at" not in found and found["status"] not in FINAL and not last:
            return {"outcome": "wait", "wait": OPEN_SECONDS}
    return {"outcome": "ended"}


def _make(batch: Batch, row: Row, text: str, at: Clock) -> None:
    caller = Caller(batch.tenant, batch.mode, api_keys.allowed(batch.tenant))
    body, failure = json.loads(text), None
    try:
        checked = _within(row.plan, body, check(body, caller, at, find_uploads=True), caller, at)
    except Refusal as refusal:  # it was right at the expansion: since then a file or a provider has gone
        failure = refusal.faults[0]
        request = request_of(body)
        nowhere = {role: Source() for role, _, _ in request.images()}
        checked = Checked(request, {}, nowhere, Plan(row.plan, {}, []))
    job, inline = made(job_id_of(batch.id, row.n), checked, caller, at)
    job = job.model_copy(
        update={
            "batch": batch.id,
            "row": row.n,
            "drop": batch.drop and f"{batch.drop}/{row.folder}",
            "created_at": batch.created_at,  # an erasure of its owner that came later covers it
            "failure": failure,
            "reserved": _share(job, batch),
        }
    )
    try:
        writes = {"admitted": batches.admitted(job), "row": batch_rows.admitted(batch.id, row.n)}
        accept(job, inline, writes, caller, at)
    except Conflict as conflict:
        if conflict.failed != {"job"}:
            raise
    current = batches.get(batch.id, at.now())
    if (
        current is None or current.over or current.unwanted
    ):  # the cancellation looked for open jobs before this one was there
        jobs.request_cancel(job, clock.text(at.now()))


def _within(plan: list[str], body: dict[str, Any], checked: Checked, caller: Caller, at: Clock) -> Checked:
    """Leave out providers that joined after the expansion: only those of its plan are covered by what was set aside.

    Raises `Refusal` where none of these is left.
    """
    covered = [provider for provider in checked.plan.providers if provider in plan]
    if not covered:
        return check({**body, "provider": plan[0], "fallback": []}, caller, at, find_uploads=True)
    return replace(checked, plan=replace(checked.plan, providers=covered))


def _share(job: Job, batch: Batch) -> Reservation | None:
    """Return what of the batch's reservation is the row's; it is of the day on which the batch was expanded."""
    return job.reserved and batch.reserved and job.reserved.model_copy(update={"day": batch.reserved.day})
