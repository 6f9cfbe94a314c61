"""The S3 way in: a person and a garment dropped into one folder become one job, however often we hear of it."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self

from fitting_room import clock
from fitting_room.actions.requests.accept import Accepted
from fitting_room.actions.requests.submit import submit
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Refusal
from fitting_room.observability import logger
from fitting_room.settings import settings
from fitting_room.stores import api_keys, media, tenants
from fitting_room.stores.api_keys import Caller

KEEP = timedelta(days=15)
"""Longer than an event can come late: S3 and the queue repeat for days, the files themselves go after three."""


EXTENSIONS = frozenset({"jpg", "jpeg", "png", "webp", "avif", "heic", "heif"})
"""What counts as an image; anything else in a folder (a camera's sidecar, a note, half a download) is ignored."""
LONGEST_KEY = 1024
"""Bytes of an S3 key. The keys of results are longer than those of the dropped files."""
_NAMES = "Name the images person.<ext> and garment.<ext>, one of each, and put them into one folder."


class Folder(NamedTuple):
    """`drop/<tenant>/<name>/` in the inbox; `name` may hold slashes, and is empty for a file that lies in no folder."""

    tenant: str
    name: str

    @classmethod
    def of(cls, key: str) -> Self | None:
        """Return the folder of an object, or None for a key of another form.

        Keys arrive as they are: not URL-encoded.
        """
        parts = key.split("/")
        if len(parts) < 3 or parts[0] != "drop" or not all(parts[:-1]):
            return None
        return cls(parts[1], "/".join(parts[2:-1]))

    @property
    def prefix(self) -> str:
        return f"drop/{self.tenant}/{self.name}/" if self.name else f"drop/{self.tenant}/"

    @property
    def results(self) -> str:
        return self.prefix.replace(f"drop/{self.tenant}/", f"results/{self.tenant}/drop/", 1)


class _File(NamedTuple):
    name: str
    etag: str
    modified: datetime

    @property
    def role(self) -> str | None:
        stem = self.name.lower().rpartition(".")[0]
        return stem if stem in ("person", "garment") else None


def ingest(key: str, at: Clock) -> str | None:
    """Return the id of the folder's job once it holds both images, else None.

    Every event of one pair of files, in any order, computes the same idempotency key, so there is one job. A refusal becomes
    a readable `error.json`; a folder that waits for its second image gets a `status.json`.
    """
    folder = Folder.of(key)
    if folder is None or tenants.read(folder.tenant) is None:
        logger.warning("dropped file ignored: no folder of a known tenant")
        return None
    try:
        pair = _pair(folder)
        return _submitted(folder, pair, at) if pair else None
    except Refusal as refusal:
        if refusal.faults[0].code == "throttled":
            raise
        _write(
            folder,
            "error",
            {"status": "refused", "errors": [fault.model_dump(exclude_none=True) for fault in refusal.faults]},
        )
        return None


def _pair(folder: Folder) -> list[_File]:
    """Return the folder's two images; nothing while one is missing.

    Raises `Refusal` for a folder that is no pair.
    """
    images = _images(folder)
    roles = [image.role for image in images]
    strangers = [image.name for image in images if image.role is None]
    if images and not folder.name:
        raise _refusal(f"`{images[0].name}` lies in no folder.", "")
    if {".", ".."} & set(folder.name.split("/")):
        raise _refusal("The folder's name has a part that is `.` or `..`.", "", "Use another name for the folder.")
    if len(f"{folder.results}result.json".encode()) > LONGEST_KEY:
        raise _refusal("The folder's name is too long for the keys of its results.", "", "Use a shorter name.")
    for role in ("person", "garment"):
        if roles.count(role) > 1:
            raise _refusal(f"The folder holds more than one {role} image.", f"/{role}", f"Keep one {role}.<ext>.")
    pair = [image for image in images if image.role]
    if len(pair) < 2 and strangers:
        raise _refusal(f"`{strangers[0]}` is neither the person nor the garment.", "")
    if len(pair) == 1:
        missing = "garment" if pair[0].role == "person" else "person"
        _write(folder, "status", {"status": "waiting", "detail": f"Waiting for {missing}.<ext>."})
    return pair if len(pair) == 2 else []


def _submitted(folder: Folder, pair: list[_File], at: Clock) -> str:
    images = {str(file.role): {"s3": f"s3://{settings().inbox_bucket}/{folder.prefix}{file.name}"} for file in pair}
    body = {
        "task": "try_on",
        "person": images["person"],
        "garments": [{"image": images["garment"]}],
        "reference": folder.name[:128],
    }
    caller = Caller(folder.tenant, "live", api_keys.allowed(folder.tenant))
    accepted = submit(body, caller, _key(folder, pair), at, drop=folder.name, keep=KEEP)
    if put_again := _put_again(accepted, pair):
        accepted = submit(body, caller, _key(folder, pair, put_again), at, drop=folder.name, keep=KEEP)
    if not accepted.replayed:  # old news of the folder
        media.remove([f"{folder.results}status.json", f"{folder.results}error.json"])
    return accepted.job.id


def _refusal(detail: str, pointer: str, remedy: str = _NAMES) -> Refusal:
    return Refusal.of("invalid_input", detail, remedy, pointer=pointer)


def _images(folder: Folder) -> list[_File]:
    """List the images that lie directly in the folder."""
    listed = media.listing(settings().inbox_bucket, folder.prefix)
    files = [_File(found.key.removeprefix(folder.prefix), found.etag, found.modified) for found in listed]
    return [file for file in files if file.name.lower().rpartition(".")[2] in EXTENSIONS and file.name[0] != "."]


def _put_again(accepted: Accepted, found: list[_File]) -> str:
    """Return the time when a file was put again after the folder's job had failed in a way that may pass.

    Empty when no file was.
    """
    job, newest = accepted.job, max(file.modified for file in found)
    failed = accepted.replayed and job.status == "failed" and job.error is not None and job.error.retryable
    return clock.text(newest) if failed and newest > clock.parse(str(job.finished_at)) else ""


def _key(folder: Folder, found: list[_File], put_again: str = "") -> str:
    """Return the idempotency key of a folder.

    It covers the folder, its two files with their content, and the time when they were put again.
    """
    named: list[Any] = [folder, *((file.name, file.etag) for file in found), *([put_again] if put_again else [])]
    return "drop:" + hashlib.sha256(json.dumps(named).encode()).hexdigest()


def _write(folder: Folder, name: str, body: dict[str, Any]) -> None:
    """Put news into the folder's results.

    A name that is too long even for that is only logged.
    """
    key = f"{folder.results}{name}.json"
    if len(key.encode()) > LONGEST_KEY:
        logger.warning("the news of a dropped folder has no key", news=name)
        return
    media.put(key, json.dumps(body, indent=2).encode(), "application/json")
