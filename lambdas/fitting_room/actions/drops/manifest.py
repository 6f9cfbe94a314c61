"""A folder with a manifest: a batch of a job for each row, once the files of all rows are there or have had time to come."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import count, islice

from fitting_room import clock
from fitting_room.actions.batch import manifest, rows
from fitting_room.actions.batch.expand import MAX_BYTES
from fitting_room.actions.drops import news
from fitting_room.actions.drops.buy import KEEP, caller_of, in_words, key_of
from fitting_room.actions.drops.files import File, all_files_of, named_in
from fitting_room.actions.drops.folder import Folder, flaw
from fitting_room.actions.requests.create_batch import create_batch
from fitting_room.clock import Clock
from fitting_room.jobs.batch import Batch
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.image_ref import MAX_KEY
from fitting_room.settings import settings
from fitting_room.stores import media
from fitting_room.stores.drops import look_again

GRACE = timedelta(minutes=15)
"""How long the files of a manifest may come after it."""
PAUSE_SECONDS = 60
ROW_ROOM = 100
"""Bytes of the names of a row's results, below those of the folder's."""


def batch_of_manifest(folder: Folder, order: File, key: str, at: Clock) -> Batch | None:
    """Return the batch of a manifest; None while a file that it names may still come.

    `key`: the file that this is about. Only the manifest's own events look for the others, again and again: a look at each of
    thousands of images would list as many files each time.
    """
    if key != folder.prefix + order.name:
        return None
    if len(folder.results.encode()) + ROW_ROOM > MAX_KEY:
        raise Refusal(flaw("The folder's name is too long for the keys of its results.", "Use a shorter name."))
    left = (order.modified + GRACE - at.now()).total_seconds()
    if left > 0 and (missing := _missing(folder, order)):
        look_again(key, math.ceil(min(left, PAUSE_SECONDS)))
        until = clock.text(order.modified + GRACE)
        detail = f"Waiting for {len(missing):,} files that `{order.name}` names. At {until} it goes on without them."
        news.waiting(folder, missing, detail)
        return None
    return _batch(folder, order, at)


def _missing(folder: Folder, order: File) -> list[str]:
    there = {file.name for file in all_files_of(folder) if file.size}
    return [name for name in dict.fromkeys(_named(folder, order)) if name not in there]


def _named(folder: Folder, order: File) -> Iterator[str]:
    """Yield the names of the files that the rows name. Of a wrong row, or of too many rows, the batch tells.

    Raises `Refusal` for a file that is no manifest.
    """
    data = media.read(folder.prefix + order.name, bucket=settings().inbox_bucket, max_bytes=MAX_BYTES) or b""
    kind = manifest.kind_of(order.name, data[: manifest.START])
    for row in islice(manifest.read(io.BytesIO(data), kind), settings().deployment.batch_rows):
        if isinstance(row, rows.Row):
            with suppress(Refusal):
                yield from named_in(rows.resolved(rows.merged({}, row.body), folder.address), folder)


def _batch(folder: Folder, order: File, at: Clock) -> Batch:
    """Return the last batch of this manifest.

    There is a new one if the last one is over, not all of its rows succeeded, and the manifest was put again after that: it
    buys only what is missing.
    """
    body = {"manifest": {"s3": f"{folder.address}/{order.name}"}, "reference": folder.name[:128]}
    for n in count():
        key = key_of(folder, [order]) + (f":{n}" if n else "")
        try:
            batch = create_batch(body, caller_of(folder), key, at, drop=folder.name, etag=order.etag, keep=KEEP).batch
        except Refusal as refusal:
            raise in_words(refusal) from None
        if not (_incomplete(batch) and order.modified > clock.parse(str(batch.finished_at))):
            return batch
    raise AssertionError("the loop has no end")


def _incomplete(batch: Batch) -> bool:
    done = batch.counts.succeeded if batch.counts else 0
    return batch.over and (batch.status != "finished" or done < batch.rows)
