"""Uploads: where a client's picture will lie, and until when."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from fitting_room import clock
from fitting_room.stores import aws


class Upload(NamedTuple):
    id: str
    tenant: str
    key: str


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


def get(upload_id: str, tenant: str, now: datetime) -> Upload | None:
    """The tenant's own upload; None for anybody else's, and once it has expired."""
    found = aws.table().get_item(Key={"pk": f"UPLOAD#{upload_id}", "sk": "UPLOAD"}, ConsistentRead=True).get("Item")
    if not found or found["tenant"] != tenant or str(found["expires_at"]) <= clock.text(now):
        return None
    return Upload(upload_id, tenant, str(found["key"]))
