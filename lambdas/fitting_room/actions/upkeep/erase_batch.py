"""Erase a batch that is over: its jobs one by one, then its rows, its manifest and its reports."""

from __future__ import annotations

from fitting_room import clock
from fitting_room.actions.batch.reports import stored_reports
from fitting_room.actions.drops.folder import Folder
from fitting_room.actions.drops.results import news_of
from fitting_room.actions.requests.delete import SAME_PURCHASE, linked
from fitting_room.clock import Clock
from fitting_room.jobs.batch import Batch, job_id_of
from fitting_room.jobs.job import Source
from fitting_room.observability import logger
from fitting_room.settings import settings
from fitting_room.stores import batch_rows, batches, deliveries, jobs, media
from fitting_room.stores.items import request_erasure, set_due

OPEN_SECONDS = 30
"""Until a batch is looked at again that is not over yet."""
SPARE_SECONDS = 20
"""Left of an invocation for the last thousand rows."""


def erase_batch(batch_id: str, remaining: float, at: Clock) -> None:
    """Erase a batch that is marked for it. What does not fit into `remaining` seconds is left to the next call."""
    batch = batches.get(batch_id, at.now())
    if batch is None or not batch.erase_requested_at:
        return
    if not batch.over:
        set_due(batches.key(batch.id), clock.later(at.now(), OPEN_SECONDS))
        return
    until = at.ms() + (remaining - SPARE_SECONDS) * 1000
    for start in range(0, batch.rows, batch_rows.IN_A_PARTITION):
        end = min(batch.rows, start + batch_rows.IN_A_PARTITION)
        if not any(True for _ in batch_rows.between(batch.id, start, end)):
            continue
        if at.ms() > until:
            set_due(batches.key(batch.id), clock.text(at.now()))
            return
        _erase_rows(batch, start, end, at)
    _erase_files(batch)
    batches.remove_counts(batch.id)
    deliveries.remove(batch.id)
    batches.bury(batch, at.now())
    logger.info("batch erased", batch_id=batch.id)


def _erase_rows(batch: Batch, start: int, end: int, at: Clock) -> None:
    for job_id in jobs.there([job_id_of(batch.id, n) for n in range(start, end)]):
        job = jobs.get(job_id, at.now())
        same = linked(job, SAME_PURCHASE, at) if job and job.recovered_by else filter(None, [job])
        for each in same:
            if not each.erase_requested_at:
                request_erasure(jobs.key(each.id), each.id, at.now(), clock.text(at.now()))
    batch_rows.remove(batch.id, start, end)


def _erase_files(batch: Batch) -> None:
    config = settings()
    media.remove(found.key for found in media.listing(config.media_bucket, f"staging/{batch.id}/", deep=True))
    media.remove(stored_reports(batch))
    if batch.drop:
        folder = Folder(batch.tenant, batch.drop).results
        media.remove([f"{folder}error.json", *news_of(folder, batch.id)])
    manifest = batch.manifest
    if manifest.bucket == config.inbox_bucket and manifest.key and not _changed(manifest):
        media.remove([manifest.key], bucket=manifest.bucket)


def _changed(manifest: Source) -> bool:
    """Return whether a drop folder has another manifest of that name now, which makes a batch of its own."""
    if manifest.etag is None:
        return False
    there = {found.key: found.etag for found in media.listing(str(manifest.bucket), str(manifest.key))}
    return there.get(str(manifest.key), manifest.etag) != manifest.etag
