"""Uploads: where a client's picture will lie, and until when."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from fitting_room import clock
from fitting_room.jobs.job import Mode
from fitting_room.stores import aws
from fitting_room.stores.api_keys import Caller


class Upload(NamedTuple):
    id: str
    tenant: str
    key: str
    mode: Mode


def put(upload: Upload, expires: datetime) -> None:
    aws.table().put_item(
        Item={
            "pk": f"UPLOAD#{upload.id}",
            "sk": "UPLOAD",
            **upload._asdict(),
            "expires_at": clock.text(expires),
            "ttl": int(expires.timestamp()),
        }
    )


def get(upload_id: str, caller: Caller, now: datetime) -> Upload | None:
    """Return the caller's own upload; None for another tenant's or mode's, and once it has expired."""
    found = aws.table().get_item(Key={"pk": f"UPLOAD#{upload_id}", "sk": "UPLOAD"}, ConsistentRead=True).get("Item")
    if not found or str(found["expires_at"]) <= clock.text(now):
        return None
    mode: Mode = "test" if found.get("mode") == "test" else "live"
    upload = Upload(upload_id, str(found["tenant"]), str(found["key"]), mode)
    return upload if caller.owns(upload) else None
