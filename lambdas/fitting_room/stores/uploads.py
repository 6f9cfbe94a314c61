"""Uploads: where a client's picture will lie, and until when."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from fitting_room import clock
from fitting_room.jobs.job import Mode
from fitting_room.stores import aws
from fitting_room.stores.api_keys import Caller


class Upload(NamedTuple):
    """`owner`: who made it with a token; None: nobody, it was made with a key."""

    id: str
    tenant: str
    key: str
    mode: Mode
    owner: str | None = None
    created_at: str = ""


def put(upload: Upload, expires: datetime) -> None:
    aws.table().put_item(
        Item={
            **_key(upload.id),
            **{name: value for name, value in upload._asdict().items() if value is not None},
            "expires_at": clock.text(expires),
            "ttl": int(expires.timestamp()),
        }
    )


def get(upload_id: str, caller: Caller, now: datetime) -> Upload | None:
    """Return the caller's own upload; None for another tenant's or mode's, and once it has expired."""
    found = _item(upload_id)
    if not found or str(found["expires_at"]) <= clock.text(now):
        return None
    upload = _upload(found)
    return upload if caller.owns(upload) else None


def find(upload_id: str) -> Upload | None:
    """Return an upload, whoever made it, also one that has expired."""
    found = _item(upload_id)
    return _upload(found) if found else None


def remove(upload_id: str) -> None:
    aws.table().delete_item(Key=_key(upload_id))


def _upload(item: dict[str, Any]) -> Upload:
    mode: Mode = "test" if item.get("mode") == "test" else "live"
    owner = str(item["owner"]) if "owner" in item else None
    return Upload(str(item["id"]), str(item["tenant"]), str(item["key"]), mode, owner, str(item.get("created_at", "")))


def _item(upload_id: str) -> dict[str, Any] | None:
    return aws.table().get_item(Key=_key(upload_id), ConsistentRead=True).get("Item")


def _key(upload_id: str) -> dict[str, str]:
    return {"pk": f"UPLOAD#{upload_id}", "sk": "UPLOAD"}
