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
from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.observability import logger
from fitting_room.settings import settings
from fitting_room.stores import api_keys, aws, media
from fitting_room.stores.api_keys import Caller

KEEP = timedelta(days=15)
"""Longer than an event can come late: S3 and the queue repeat for days, the files themselves go after three."""


class Folder(NamedTuple):
    """`drop/<tenant>/<name>/` in the inbox; `name` may hold slashes."""

    tenant: str
    name: str

    @classmethod
    def of(cls, key: str) -> Self | None:
        """The folder an object lies in, or None if it does not lie in one. Keys arrive as they are: not URL-encoded."""
        parts = key.split("/")
        if len(parts) < 4 or parts[0] != "drop" or not all(parts[:-1]):
            return None
        return cls(parts[1], "/".join(parts[2:-1]))

    @property
    def prefix(self) -> str:
        return f"drop/{self.tenant}/{self.name}/"


def ingest(key: str, at: Clock) -> str | None:
    """The id of the folder's job once it holds both files, else None. Every event of one pair of files, in any order,
    computes the same idempotency key, so there is one job. A refusal becomes a readable `error.json`."""
    folder = Folder.of(key)
    if folder is None or not _known(folder.tenant):
        logger.warning("dropped file ignored: no folder of a known tenant")
        return None
    found = [file for file in _files(folder) if _role(file.name)]
    roles = [_role(file.name) for file in found]
    try:
        if extra := [role for role in ("person", "garment") if roles.count(role) > 1]:
            raise Refusal.of(
                "invalid_input",
                f"The folder holds more than one {extra[0]} image.",
                f"Keep one file {extra[0]}.<ext> in the folder and put it again.",
                pointer=f"/{extra[0]}",
            )
        if len(found) < 2:
            return None
        pictures = {
            str(_role(file.name)): f"s3://{settings().inbox_bucket}/{folder.prefix}{file.name}" for file in found
        }
        body = {
            "task": "try_on",
            "person": {"s3": pictures["person"]},
            "garments": [{"image": {"s3": pictures["garment"]}}],
            "reference": folder.name[:128],
        }
        caller = Caller(folder.tenant, "live", api_keys.allowed(folder.tenant))
        accepted = submit(body, caller, _key(folder, found), at, drop=folder.name, keep=KEEP)
        if put_again := _put_again(accepted, found):
            accepted = submit(body, caller, _key(folder, found, put_again), at, drop=folder.name, keep=KEEP)
    except Refusal as refusal:
        if refusal.faults[0].code == "throttled":
            raise
        _explain(folder, refusal.faults)
        return None
    return accepted.job.id


def _known(tenant: str) -> bool:
    return "Item" in aws.table().get_item(Key={"pk": f"TENANT#{tenant}", "sk": "TENANT"})


class _File(NamedTuple):
    name: str
    etag: str
    modified: datetime


def _files(folder: Folder) -> list[_File]:
    """List what lies directly in the folder."""
    listed = media.listing(settings().inbox_bucket, folder.prefix)
    return [_File(found.key.removeprefix(folder.prefix), found.etag, found.modified) for found in listed]


def _role(name: str) -> str | None:
    stem, dot, _ = name.lower().rpartition(".")
    return stem if dot and stem in ("person", "garment") else None


def _put_again(accepted: Accepted, found: list[_File]) -> str:
    """When a file was put again after the folder's job had failed in a way that may pass; empty when none was."""
    job, newest = accepted.job, max(file.modified for file in found)
    failed = accepted.replayed and job.status == "failed" and job.error is not None and job.error.retryable
    return clock.text(newest) if failed and newest > clock.parse(str(job.finished_at)) else ""


def _key(folder: Folder, found: list[_File], put_again: str = "") -> str:
    """The idempotency key: the folder, its two files and what is in them; and when they were put again."""
    named: list[Any] = [folder, *((file.name, file.etag) for file in found), *([put_again] if put_again else [])]
    return "drop:" + hashlib.sha256(json.dumps(named).encode()).hexdigest()


def _explain(folder: Folder, faults: tuple[Fault, ...]) -> None:
    body: dict[str, Any] = {"status": "refused", "errors": [fault.model_dump(exclude_none=True) for fault in faults]}
    media.put(
        f"results/{folder.tenant}/drop/{folder.name}/error.json",
        json.dumps(body, indent=2, allow_nan=False).encode(),
        "application/json",
    )
