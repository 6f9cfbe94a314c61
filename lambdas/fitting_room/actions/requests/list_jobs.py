"""List a tenant's jobs, newest first, page by page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, get_args

from fitting_room import clock
from fitting_room.actions.job_view import provider_of, view
from fitting_room.actions.requests import paging
from fitting_room.actions.requests.query import fault, strangers
from fitting_room.clock import Clock
from fitting_room.jobs.batch import job_ids_of
from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.jobs.job import Job, Status
from fitting_room.jobs.tasks import TASKS
from fitting_room.stores import jobs
from fitting_room.stores.api_keys import Caller

_KNOWN_TO_THE_INDEX = ("task", "owner", "reference", "batch")
_CHOICES = {"status": get_args(Status), "task": tuple(TASKS)}
_TIMES = ("created_after", "created_before")
QUERY = (*paging.NAMES, "status", "provider", *_KNOWN_TO_THE_INDEX, *_TIMES)
QUERY_OF_A_BATCH = tuple(name for name in QUERY if name != "batch")


def list_jobs(caller: Caller, asked: dict[str, str], at: Clock, batch: str | None = None) -> dict[str, Any]:
    """Answer `{items, next_cursor}` for a query, or for one about the jobs of a batch.

    A page may be short, or empty, while there is a next cursor. Raises `Refusal` with status 400 and all faults.
    """
    if caller.token:
        if asked.get("owner", caller.token.owner) != caller.token.owner:
            raise Refusal.of("forbidden", "A token lists the jobs of its owner.", "Leave `owner` out.")
        asked = {**asked, "owner": caller.token.owner}
    faults = strangers(asked, QUERY)
    if batch:
        asked = {**asked, "batch": batch}
    limit = paging.limit(asked.get("limit"), faults)
    faults += [_no_such(name) for name in _CHOICES if name in asked and asked[name] not in _CHOICES[name]]
    after, before = (_moment(asked, name, faults) for name in _TIMES)
    if "batch" in asked and not clock.is_id(asked["batch"], "bat"):
        faults.append(fault("batch", "`batch` is no id of a batch.", "Send the id that POST /v1/batches answered."))
    if (cursor := asked.get("cursor")) is not None and jobs.position(cursor) is None:
        faults.append(paging.bad_cursor())
    if faults:
        raise Refusal(*faults, status=400)
    page = jobs.listed(
        caller.tenant,
        caller.mode,
        at.now(),
        limit=limit,
        cursor=cursor,
        facts={name: asked[name] for name in _KNOWN_TO_THE_INDEX if name in asked},
        wanted=_wanted(asked, after, before),
        between=(after, before),
        ids=job_ids_of(named) if (named := asked.get("batch")) else None,
    )
    return {"items": [view(job, at) for job in page.jobs], "next_cursor": page.cursor}


def _wanted(asked: dict[str, str], after: datetime | None, before: datetime | None) -> Callable[[Job], bool] | None:
    """Return the filters that only the job itself can answer; None without such a filter."""
    tests: list[Callable[[Job], bool]] = []
    if status := asked.get("status"):
        tests.append(lambda job: job.status == status)
    if provider := asked.get("provider"):
        tests.append(lambda job: provider_of(job) == provider)
    if after:
        tests.append(lambda job: job.created_at > clock.text(after))
    if before:
        tests.append(lambda job: job.created_at < clock.text(before))
    return (lambda job: all(test(job) for test in tests)) if tests else None


def _moment(asked: dict[str, str], name: str, faults: list[Fault]) -> datetime | None:
    try:
        moment = clock.parse(asked[name]) if name in asked else None
        if moment is None or (moment.tzinfo and 1970 < moment.year < 9999):
            return moment
    except ValueError:
        pass
    faults.append(fault(name, f"`{name}` is no time.", "Send a time with its zone, such as 2026-11-26T10:00:00Z."))
    return None


def _no_such(name: str) -> Fault:
    return fault(name, f"There is no such `{name}`.", f"Use one of: {', '.join(_CHOICES[name])}.")
