"""Hand out a place to upload one file to: the server chooses or checks the key, S3 enforces type and size."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError

from fitting_room import clock
from fitting_room.actions.drops.form import drop_key
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.fields import Strict
from fitting_room.jobs.job import folder_of
from fitting_room.jobs.parse import faults_of
from fitting_room.settings import settings
from fitting_room.stores import media, owners, tokens, uploads
from fitting_room.stores.api_keys import Caller

MAX_BYTES = 30_000_000
DropName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1024),
    Field(description="a folder, a slash and the name of a file, such as summer/person.jpg"),
]


class UploadRequest(Strict):
    """`bytes`: the file's size, at most 30,000,000; a larger file is refused by S3 itself.

    `drop`: the folder and the name of a file for the drop folder, such as `summer/person.jpg`.
    """

    content_type: Literal[
        "image/jpeg",
        "image/png",
        "image/webp",
        "image/avif",
        "image/heic",
        "image/heif",
        "text/csv",
        "application/jsonl",
        "application/json",
    ]
    bytes: Annotated[int, Field(ge=1, le=MAX_BYTES)]
    drop: DropName | None = None


def create_upload(body: Any, caller: Caller, at: Clock) -> dict[str, Any]:
    """Return `{id, post: {url, fields}, expires_at, usable_until}`: send `fields` and then the file as one POST to `url`.

    The form ends at `expires_at`; jobs may name the upload until `usable_until`.
    """
    try:
        request = UploadRequest.model_validate(body)
    except ValidationError as error:
        raise Refusal(*faults_of(error, UploadRequest)) from None
    drop = drop_key(request.drop, request.content_type, caller) if request.drop else None
    token = caller.token
    if token and not tokens.count_upload(token):
        raise Refusal.of(
            "forbidden",
            f"A token takes at most {tokens.UPLOADS_A_JOB} uploads for each of its jobs.",
            "Name an upload that was made before, or ask the shop for a new token.",
        )
    upload_id, now = at.new_id("upl"), clock.text(at.now())
    key, owner = drop or f"uploads/{folder_of(caller.tenant, caller.mode)}/{upload_id}", token.owner if token else None
    upload = uploads.Upload(upload_id, caller.tenant, key, caller.mode, owner, now)
    until = at.now() + timedelta(days=settings().deployment.upload_days)
    if owner:
        owners.put(owners.find(caller.tenant, caller.mode, owner), upload_id, int(until.timestamp()))
    uploads.put(upload, until)
    return {
        "id": upload_id,
        "post": media.upload_form(key, request.content_type, request.bytes),
        "expires_at": clock.later(at.now(), media.LINK_SECONDS),
        "usable_until": clock.text(until),
    }
