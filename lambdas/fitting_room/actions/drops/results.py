"""Whose the files are in the results of a drop folder: all jobs and batches of the folder share them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from fitting_room.clock import Clock
from fitting_room.jobs.job import Job, JobImage
from fitting_room.settings import settings
from fitting_room.stores import jobs, media

_IDS = ("id", "job_id", "batch_id")
_RESULT = "result.json"


def files_of(job: Job, at: Clock) -> Iterator[str]:
    """Yield the keys of the news and images of a job, but of no image that another job shows as its result there."""
    prefix, own = f"{job.results_prefix}/", {image.sha256 for image in _images(job)}
    found = _read(prefix)
    told = {key: _told_of(data) for key, data in found.items() if key.endswith(".json")}
    other = jobs.get(told.get(prefix + _RESULT) or job.id, at.now())
    theirs = {image.key for image in _images(other)} if other and other.id != job.id else set()
    for key, data in found.items():
        image = key not in told and key not in theirs and hashlib.sha256(data).hexdigest() in own
        if image or told.get(key) == job.id:
            yield key


def news_of(prefix: str, made_id: str) -> list[str]:
    """Return the keys of `status.json` files that tell of a job or a batch: at most one."""
    return [key for key, data in _read(f"{prefix}status.json").items() if _told_of(data) == made_id]


def _read(prefix: str) -> dict[str, bytes]:
    """Return what is there by key. It is listed first, because Erase may not ask for what is not there."""
    keys = [found.key for found in media.listing(settings().media_bucket, prefix)]
    return {key: data for key in keys if (data := media.read(key)) is not None}


def _told_of(data: bytes) -> str | None:
    document: dict[str, Any] = json.loads(data)
    return next((str(document[name]) for name in _IDS if name in document), None)


def _images(job: Job) -> list[JobImage]:
    return [image for image in (*job.images, job.mask) if image]
