"""A folder with a `job.json`: a job request whose images may be files beside it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from fitting_room.actions.batch.rows import merged, resolved
from fitting_room.actions.drops import news
from fitting_room.actions.drops.buy import bought, buy, caller_of
from fitting_room.actions.drops.files import File, all_files_of, empty, named_in
from fitting_room.actions.drops.folder import Folder, flaw
from fitting_room.actions.drops.pair import pair_of
from fitting_room.actions.requests.check import check
from fitting_room.clock import Clock
from fitting_room.jobs.document import decoded
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.job import Job
from fitting_room.settings import settings
from fitting_room.stores import media

MAX_BYTES = 5_000_000
"""As of a request over HTTP."""
_LISTED = 10
"""Missing files that the text names."""


def job_of_order(folder: Folder, order: File, files: Sequence[File], at: Clock) -> Job | None:
    """Return the job of `job.json`; None while a file that it names is missing.

    Raises `Refusal` with all its faults, also before the files are there. A pair that was bought before its `job.json` came is
    not bought again.
    """
    if (pair := pair_of(files)) and (earlier := bought(folder, pair, at)):
        raise Refusal.of(
            "conflict",
            f"The person and the garment of this folder were made into {earlier} before `{order.name}` came.",
            f"Put `{order.name}` and its images into a new folder, `{order.name}` first.",
        )
    if (body := _body(folder, order)) is None:
        return None
    named = list(dict.fromkeys(named_in(body, folder)))
    deep = any("/" in name for name in named)
    there = {file.name: file for file in (all_files_of(folder) if deep else files)}
    used = [there[name] for name in named if name in there]
    if faults := empty(used):
        raise Refusal(*faults)
    if missing := [name for name in named if name not in there]:
        check(body, caller_of(folder), at, find_uploads=True)
        news.waiting(folder, missing, _told(missing, order, [name for name in there if name not in named]))
        return None
    return buy(folder, body, [order, *used], at)


def _body(folder: Folder, order: File) -> dict[str, Any] | None:
    """Return the request; None if the file was changed or removed since it was listed: that has an event of its own."""
    if order.size > MAX_BYTES:
        detail = f"`{order.name}` has {order.size:,} bytes; the limit is {MAX_BYTES:,}."
        raise Refusal.of("too_large", detail, "Put the images beside it as files, and name them.")
    raw = media.read(folder.prefix + order.name, bucket=settings().inbox_bucket, etag=order.etag)
    if raw is None:
        return None
    body = decoded(raw, f"`{order.name}`")
    if not isinstance(body, dict):
        example = '{"person": "person.jpg", "garment": "tee.png", "provider": "fashn"}'
        raise Refusal(flaw(f"`{order.name}` must hold a JSON object.", f"Write an object such as {example}."))
    body = resolved(merged({"reference": folder.name[:128]}, body), folder.address)
    if body["task"] == "train_subject":
        raise Refusal(flaw("A drop folder trains no subject.", "Use POST /v1/subjects.", "/task"))
    return body


def _told(missing: Sequence[str], order: File, others: Sequence[str]) -> str:
    """Return a text about the missing files. It names files with a similar name that nothing asks for."""
    several = f" and {len(missing) - _LISTED:,} more" if len(missing) > _LISTED else ""
    told = f"Waiting for {', '.join(f'`{name}`' for name in missing[:_LISTED])}{several}, which `{order.name}` names."
    near = dict.fromkeys(
        match for name in missing[:_LISTED] for match in difflib.get_close_matches(name, others, 1, 0.7)
    )
    return told + (f" The folder has {', '.join(f'`{name}`' for name in near)}." if near else "")
