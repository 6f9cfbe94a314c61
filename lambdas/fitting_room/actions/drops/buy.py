"""Make a folder's files a job: once, and again only after a failure that may pass."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from fitting_room import clock
from fitting_room.actions.drops.files import File
from fitting_room.actions.drops.folder import Folder
from fitting_room.actions.requests.retry import retry
from fitting_room.actions.requests.submit import submit
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.job import Job
from fitting_room.stores import api_keys, jobs
from fitting_room.stores.api_keys import Caller

KEEP = timedelta(days=15)
"""Longer than an event can come late: S3 and the queue repeat for days, the files themselves go after three."""


def caller_of(folder: Folder) -> Caller:
    return Caller(folder.tenant, "live", api_keys.allowed(folder.tenant))


def buy(folder: Folder, body: Any, files: Sequence[File], at: Clock, turn: int = 0) -> Job:
    """Return the job of these files, submitted if it is new.

    Every event of the same files, in any order, computes the same idempotency key, so there is one job. If its last try
    failed in a way that may pass, and a file was put again after that, the job is retried. A job that has kept no image or
    link to retry with is followed by a new one: both stand in the files. `turn`: how many such jobs there were.
    """
    caller, key = caller_of(folder), key_of(folder, files) + (f":{turn}" if turn else "")
    try:
        job = _last_try(submit(body, caller, key, at, drop=folder.name, keep=KEEP).job, at)
    except Refusal as refusal:
        raise in_words(refusal) from None
    put_again = job.final and max(file.modified for file in files) > clock.parse(str(job.finished_at))
    if not (put_again and job.status == "failed" and job.error and job.error.retryable):
        return job
    try:
        return retry(job.id, {}, caller, at).job
    except Refusal as refusal:
        if refusal.faults[0].code != "upload_missing":
            raise
    return buy(folder, body, files, at, turn + 1)


def bought(folder: Folder, files: Sequence[File], at: Clock) -> str | None:
    """Return the id of the job that these files were made into, if they were."""
    used = jobs.replayed(folder.tenant, f"live:{key_of(folder, files)}", at.now())
    return str(used["job_id"]) if used else None


def key_of(folder: Folder, files: Sequence[File]) -> str:
    """Return the idempotency key of a folder's files. It covers the folder, their names and their content."""
    named: list[Any] = [folder, *((file.name, file.etag) for file in files)]
    return "drop:" + hashlib.sha256(json.dumps(named).encode()).hexdigest()


def _last_try(job: Job, at: Clock) -> Job:
    while job.retried_by:
        later = jobs.get(job.retried_by, at.now())
        if later is None:
            raise _gone()
        job = later
    return job


def in_words(refusal: Refusal) -> Refusal:
    """Return a refusal in the words of a folder: a job or a batch that is gone has no key that its files could change."""
    return _gone() if refusal.faults[0].code in ("erased", "not_found") else refusal


def _gone() -> Refusal:
    return Refusal.of("erased", "What these files were made into was erased.", "Put the files into another folder.")
