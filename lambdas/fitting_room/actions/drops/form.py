"""The key of a file that is sent into a drop folder with a form of `POST /v1/uploads`, in place of S3 credentials."""

from __future__ import annotations

from fitting_room.actions.drops.folder import Folder, flaw
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.image_ref import MAX_KEY
from fitting_room.stores.api_keys import Caller

ENDINGS = {
    "image/jpeg": ("jpg", "jpeg"),
    "image/png": ("png",),
    "image/webp": ("webp",),
    "image/avif": ("avif",),
    "image/heic": ("heic", "heif"),
    "image/heif": ("heif", "heic"),
    "application/json": ("json",),
    "application/jsonl": ("jsonl",),
    "text/csv": ("csv",),
}
"""By content type: the endings that a file of it has."""


def drop_key(drop: str, content_type: str, caller: Caller) -> str:
    """Return the key of `<folder>/<file>`.

    Raises `Refusal`: `forbidden` for a shopper and for a test key, because what lies in a drop folder is bought.
    """
    if caller.token or caller.mode == "test":
        raise Refusal.of(
            "forbidden",
            f"A {'token' if caller.token else 'test key'} cannot send files into drop folders: their jobs are live.",
            "Use a live key, or leave `drop` out and submit the job with POST /v1/jobs.",
        )
    folder, name = Folder.of(f"drop/{caller.tenant}/{drop}"), drop.rpartition("/")[2]
    assert folder, "a key with a tenant has a folder"
    faults = [fault.model_copy(update={"pointer": "/drop"}) for fault in folder.flaws()]
    endings = ENDINGS[content_type]
    if name.rpartition(".")[2].lower() not in endings or name.startswith((".", "~")):
        detail = f"The file's name does not end as one of type {content_type}, or is hidden."
        faults.append(flaw(detail, f"Let it end with {' or '.join(f'.{ending}' for ending in endings)}.", "/drop"))
    if len(f"{folder.prefix}{name}".encode()) > MAX_KEY:
        faults.append(flaw("The name of the folder and the file is too long.", "Use a shorter one.", "/drop"))
    if faults:
        raise Refusal(*faults)
    return f"{folder.prefix}{name}"
