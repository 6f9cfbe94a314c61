"""What a drop folder's owner reads in its results: one of `status.json` and `error.json`, until the job has ended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fitting_room.actions.drops.folder import Folder
from fitting_room.clock import Clock
from fitting_room.jobs.batch import Batch
from fitting_room.jobs.errors import Fault
from fitting_room.jobs.image_ref import MAX_KEY
from fitting_room.jobs.job import Job
from fitting_room.observability import logger
from fitting_room.stores import batches, jobs, media

_MOST = 100
"""Names of missing files that are listed."""


def waiting(folder: Folder, names: Sequence[str], detail: str) -> None:
    _tell(folder, "status", {"status": "waiting", "detail": detail, "waiting_for": names[:_MOST]})


def running(folder: Folder, made: Job | Batch, at: Clock) -> None:
    """Tell the id of an open job or batch.

    Its end puts news of its own in place of these; news of before would outlive it.
    """
    if made.status in ("succeeded", "finished"):
        _remove(folder, "status", "error")
    if _over(made):
        return
    kind, ends = ("job", "result.json") if isinstance(made, Job) else ("batch", "report.csv")
    detail = f"The {kind} is under way. At its end, {ends} or error.json takes the place of this file."
    _tell(folder, "status", {"status": "running", "detail": detail, f"{kind}_id": made.id})
    now = (jobs if isinstance(made, Job) else batches).get(made.id, at.now())
    if now is None or _over(now):  # its end may have been told in between
        _remove(folder, "status")


def batch_over(batch: Batch) -> None:
    """Tell the end of a batch, beside its reports: why nothing of it was run, or no more than that it is over."""
    folder = Folder(batch.tenant, str(batch.drop))
    if batch.status == "failed":
        refused(folder, batch.errors)
    else:
        _remove(folder, "status")


def _over(made: Job | Batch) -> bool:
    return made.final if isinstance(made, Job) else made.over


def refused(folder: Folder, faults: Sequence[Fault]) -> None:
    errors = [fault.model_dump(exclude_none=True) for fault in faults]
    _tell(folder, "error", {"status": "refused", "errors": errors})


def _tell(folder: Folder, name: str, body: dict[str, Any]) -> None:
    """Put one kind of news, and remove the other. A name that is too long even for that is only logged."""
    key = _key(folder, name)
    if len(key.encode()) > MAX_KEY:
        logger.warning("the news of a dropped folder has no key", news=name)
        return
    media.put(key, json.dumps(body, indent=2, ensure_ascii=False).encode(), "application/json")
    _remove(folder, "error" if name == "status" else "status")


def _remove(folder: Folder, *names: str) -> None:
    media.remove([_key(folder, name) for name in names])


def _key(folder: Folder, name: str) -> str:
    return f"{folder.results}{name}.json"
