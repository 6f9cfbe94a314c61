"""The images of a job as its client gave them: each is copied once into the job's own staging, from the web if need be.

From then on it does not matter to the job that an upload expires, that another job erases it, or that a link ends.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import datetime, timedelta
from threading import Lock

from fitting_room.clock import Clock
from fitting_room.images.master import ImageLimits
from fitting_room.jobs.errors import JobFailure
from fitting_room.jobs.job import Job, Source
from fitting_room.jobs.token import lies_under
from fitting_room.net import safe_http
from fitting_room.net.safe_http import FetchFailed
from fitting_room.settings import settings
from fitting_room.stores import aws, jobs, media

LIMITS = ImageLimits()
FETCH_TIME = {"live": timedelta(seconds=60), "test": timedelta(seconds=5)}
"""For all links of a job together. Prepare has 120 s, of which the rest is for fitting what came.

A test key costs its tenant nothing, so it must not hold functions that paid jobs need: its links get one short try.
"""
TRY_SECONDS = 20.0
LONGEST_PAUSE = 10.0
SIDE_BY_SIDE = 8
IN_HAND = 32_000_000


class Shelf:
    """Objects in staging. The first `IN_HAND` bytes also stay in memory, so that an ordinary job reads nothing back."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: dict[str, bytes] = {}
        self._room = IN_HAND

    def put(self, key: str, data: bytes, media_type: str) -> None:
        media.put(key, data, media_type)
        self._keep(key, data)

    def read(self, key: str) -> bytes | None:
        if (data := self._kept.get(key)) is None and (data := media.read(key)) is not None:
            self._keep(key, data)
        return data

    def _keep(self, key: str, data: bytes) -> None:
        with self._lock:
            if len(data) <= self._room:
                self._room -= len(data)
                self._kept[key] = data


def stage(job: Job, shelf: Shelf, at: Clock) -> dict[str, Source]:
    """Stage each image, all side by side, and return the places by role.

    A link is struck from the job as soon as it was followed. Raises `JobFailure`. `image_unreadable` comes before
    `image_unreachable`, which may pass.
    """
    aws.s3()  # made here, for the SDK does not make clients in several threads at once
    until, wanted = at.now() + FETCH_TIME[job.mode], {role: pointer for role, pointer, _ in job.request.images()}
    sources: dict[str, Source] = {}
    failures: dict[str, JobFailure] = {}
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        coming = {pool.submit(_staged, job, role, wanted[role], shelf, until, at): role for role in wanted}
        for done in as_completed(coming):
            role = coming[done]
            try:
                sources[role] = done.result()
            except JobFailure as failure:
                failures[role] = failure
                continue
            if job.sources[role].url:
                jobs.staged(job, sources)
    if failures:
        if sources:
            jobs.staged(job, sources)
        raise min((failures[role] for role in wanted if role in failures), key=lambda each: each.fault.retryable)
    return sources


def gone(pointer: str | None = None) -> JobFailure:
    return JobFailure(
        "image_unreadable",
        "An image of the request no longer exists.",
        "Upload it again and submit a new job.",
        pointer=pointer,
    )


def _staged(job: Job, role: str, pointer: str, shelf: Shelf, until: datetime, at: Clock) -> Source:
    source, key = job.sources[role], f"staging/{job.id}/input-{role}"
    there = source.staged or source.key == key  # where submitting put inline data
    if there and shelf.read(key) is not None:
        return source.model_copy(update={"staged": key})
    if source.url:
        data = _fetched(source, pointer, until, at, again=job.mode == "live")
    elif (
        source.key is None
        or (found := media.read(source.key, bucket=source.bucket, max_bytes=LIMITS.max_bytes)) is None
    ):
        raise gone(pointer)
    else:
        data = found
    shelf.put(key, data, "application/octet-stream")
    return source.model_copy(update={"url": None, "staged": key})


def _fetched(source: Source, pointer: str, until: datetime, at: Clock, *, again: bool) -> bytes:
    """Fetch the image behind a link. With `again` a failure that may pass is repeated with growing pauses in that time."""
    tries = 0
    while True:
        left = max(1.0, (until - at.now()).total_seconds())
        try:
            return safe_http.get(
                str(source.url),
                max_bytes=LIMITS.max_bytes,
                allow=frozenset(settings().deployment.fetch_allow),
                timeout=min(TRY_SECONDS, left),
                stays=lambda url: source.within is None or lies_under(url, source.within),
            ).data
        except FetchFailed as failed:
            pause = failed.retry_after or min(2.0**tries, LONGEST_PAUSE)
            if not (again and failed.passing) or at.now() + timedelta(seconds=pause) >= until:
                raise _unfetched(failed, pointer) from None
        at.sleep(pause)
        tries += 1


def _unfetched(failed: FetchFailed, pointer: str) -> JobFailure:
    detail = f"The image at {pointer} cannot be fetched: {failed.why}."
    if failed.passing:
        remedy = "Submit a new job with POST /v1/jobs once the host answers, or upload the image with POST /v1/uploads."
        return JobFailure("image_unreachable", detail, remedy, pointer=pointer)
    remedy = f"{failed.remedy} Or upload the image with POST /v1/uploads."
    return JobFailure("image_unreadable", detail, remedy, pointer=pointer)
