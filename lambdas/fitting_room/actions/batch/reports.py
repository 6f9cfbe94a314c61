"""The reports of a batch: CSV and JSON, stored at its end, and a contact sheet, made page by page when asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Literal

from fitting_room import clock
from fitting_room.actions.batch import contact_sheet, report
from fitting_room.actions.batch.report import Cause, Facts, ReportRow, RowStatus
from fitting_room.actions.drops.folder import Folder
from fitting_room.actions.job_view import provider_of
from fitting_room.clock import Clock
from fitting_room.jobs.batch import Batch, Counts, Row, job_id_of
from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.jobs.job import Job, Source
from fitting_room.settings import settings
from fitting_room.stores import batch_rows, batches, executions, jobs, media

Stored = Literal["csv", "json"]
SHEET_QUERY = ("page",)
_TYPES: dict[Stored, str] = {"json": "application/json", "csv": "text/csv; charset=utf-8"}
_TOGETHER = 100
_BEGINNING = 100
"""Bytes of a report as JSON that name its batch."""
LOOK_AGAIN = 120
"""Seconds after which the sweep looks whether a run was really started."""
SOON = 5
"""Seconds after which a report that is written anew may be there."""


def write_reports(batch: Batch, at: Clock) -> None:
    """Store both reports of a batch that is over."""
    rows = [row for row, _ in _rows(batch, 0, batch.rows, at)]
    texts: dict[Stored, str] = {"csv": report.csv_of(rows), "json": report.json_of(_facts(batch, at), rows)}
    for form, text in texts.items():
        media.put(_key(batch, form), text.encode(), _TYPES[form])


def show_reports(batch: Batch) -> None:
    """Copy the reports of a batch that ends into its drop folder, in place of those of an earlier batch."""
    for form in _TYPES:
        media.copy(_key(batch, form), f"{_folder(batch)}report.{form}")


def reports_stored(batch: Batch) -> bool:
    return all(media.exists(_key(batch, form), bucket=settings().media_bucket) for form in _TYPES)


def forget_row(batch: Batch, row: int) -> None:
    """Remove what tells of a row: its page of the contact sheet, and the reports, which are written anew when asked for."""
    page = row // contact_sheet.PAGE + 1
    media.remove([*stored_reports(batch), _sheet_key(batch, page)])


def stored_reports(batch: Batch) -> list[str]:
    """Return the keys of both reports, and of their copies in the drop folder unless another batch has put its own there."""
    own = [_key(batch, form) for form in _TYPES]
    if not batch.drop:
        return own
    copies = [found.key for found in media.listing(settings().media_bucket, f"{_folder(batch)}report.")]
    named = [key for key in copies if key.endswith(".json")]
    others = named and batch.id.encode() not in (media.read(named[0], max_bytes=_BEGINNING) or b"")
    return own if others else own + copies


def report_link(batch: Batch, form: Stored, at: Clock) -> str:
    """Return a fresh link to a stored report.

    Raises `Refusal` `conflict` before the end of the batch, and for a moment after one of its rows was erased.
    """
    if not batch.over or batch.erase_requested_at:
        remedy = "Wait for its end, read GET /v1/batches/{id}/jobs, or look at the contact sheet."
        raise Refusal.of("conflict", f"This batch is {batch.status}: it has no report yet.", remedy)
    if not reports_stored(batch):  # the machine runs once more, and finds nothing else to do
        if executions.start_run(batch.id, batch.run) == "was":
            start_next_run(batch, at)
        raise Refusal.of(
            "conflict",
            "The report is written anew, without what was erased.",
            "Send the request again in a moment.",
            retry_after=SOON,
        )
    return media.link(_key(batch, form))


def start_next_run(batch: Batch, at: Clock) -> None:
    """Start the run after the one that has ended, unless another caller does."""
    if batches.next_run(batch, clock.later(at.now(), LOOK_AGAIN)):
        executions.start_run(batch.id, batch.run + 1)


def sheet_link(batch: Batch, asked: dict[str, str], at: Clock) -> str:
    """Return a link to a page of the contact sheet as it is now. The page and the links in it live as long."""
    pages = max(1, -(-batch.rows // contact_sheet.PAGE))
    text = asked.get("page", "1")
    if not (text.isascii() and text.isdecimal() and len(text) <= 7 and 1 <= int(text) <= pages):
        raise Refusal.of(
            "invalid_input",
            "There is no such page.",
            f"Use a number from 1 to {pages}.",
            pointer="/page",
            status=400,
        )
    page, first = int(text), (int(text) - 1) * contact_sheet.PAGE
    found = _rows(batch, first, min(batch.rows, first + contact_sheet.PAGE), at)
    rows = [_with_links(row, job) for row, job in found]
    html = contact_sheet.sheet(_facts(batch, at), rows, page, pages)
    key = _sheet_key(batch, page)
    media.put(key, html.encode(), "text/html; charset=utf-8")
    return media.link(key)


def _rows(batch: Batch, first: int, end: int, at: Clock) -> Iterator[tuple[ReportRow, Job | None]]:
    for start in range(first, end, _TOGETHER):
        some = list(batch_rows.between(batch.id, start, min(end, start + _TOGETHER)))
        ids = [job_id_of(batch.id, row.n) for row in some if not row.faults]
        found = {job.id: job for job in jobs.many(ids, at.now())}
        for row in some:
            job = found.get(job_id_of(batch.id, row.n))
            yield _shown(batch, row, job), job


def _shown(batch: Batch, row: Row, job: Job | None) -> ReportRow:
    if row.faults:
        return ReportRow(line=row.line, status="invalid", id=row.id, faults=tuple(row.faults))
    if job is None or job.erase_requested_at:
        return ReportRow(line=row.line, status=_without_job(batch, row), id=None if job else row.id)
    status: RowStatus = job.status if job.final else "queued" if job.step == "queued" else "running"
    return ReportRow(
        line=row.line,
        status=status,
        id=row.id,
        job_id=job.id,
        provider=provider_of(job),
        cost=job.usage.amount,
        currency=job.usage.currency,
        credits=job.usage.credits,
        images=len(job.images),
        reused_from=job.reused_from,
        reference=job.request.reference,
        faults=(job.error,) if job.error else (),
    )


def _without_job(batch: Batch, row: Row) -> RowStatus:
    if row.request is not None:
        return "failed" if batch.over else "queued"
    return "erased" if batch.status == "finished" else "cancelled"


def _with_links(row: ReportRow, job: Job | None) -> ReportRow:
    """Add links to the images of a row, where they are still there."""
    if job is None or row.job_id is None:
        return row
    links = {role: _link(source) for role, source in job.sources.items() if source.staged}
    return row._replace(
        person=next((links[role] for role in ("person", "scene", "image") if role in links), ""),
        garments=tuple(link for role, link in links.items() if role.startswith("garment")),
        results=tuple(media.link(image.key, bucket=image.bucket) for image in job.images),
    )


def _link(source: Source) -> str:
    """Return a link to a job's own copy of an image, with a mark that copies of the same object share."""
    mark = f"#{hashlib.sha256(f'{source.bucket}/{source.key}'.encode()).hexdigest()[:16]}" if source.key else ""
    return f"{media.link(str(source.staged))}{mark}"


def _facts(batch: Batch, at: Clock) -> Facts:
    counts = batch.counts or batches.counts(batch.id)
    return Facts(
        id=batch.id,
        status=batch.status,
        created_at=batch.created_at,
        counts=counts_of(batch, counts),
        reference=batch.reference,
        finished_at=batch.finished_at,
        spent=counts.microusd / 1e6,
        credits=counts.millicredits / 1000,
        reserved=batch.reserved.microusd / 1e6 if batch.reserved and not batch.over else 0.0,
        causes=_causes(batch, counts, at),
    )


def _causes(batch: Batch, counts: Counts, at: Clock) -> tuple[Cause, ...]:
    """Return why rows are invalid and why rows failed, the commonest first."""
    invalid = [Cause(each.fault.code, each.count, each.fault, each.line) for each in batch.row_faults]
    failed = [Cause(code, each.count, _example(each.example, at)) for code, each in counts.errors.items()]
    return tuple(sorted(invalid + failed, key=lambda cause: -cause.rows))


def counts_of(batch: Batch, counts: Counts) -> dict[str, int]:
    """Return how many rows there are of each kind. A row counts as queued until it is admitted, then as running."""
    return {
        "rows": batch.rows,
        "invalid": batch.invalid,
        "queued": 0 if batch.over else batch.valid - counts.admitted,
        "running": 0 if batch.over else counts.admitted - counts.done,
        **{name: getattr(counts, name) for name in ("succeeded", "failed", "cancelled", "reused")},
    }


def _example(job_id: str, at: Clock) -> Fault | None:
    job = jobs.get(job_id, at.now()) if job_id else None
    return job.error if job else None


def _sheet_key(batch: Batch, page: int) -> str:
    return f"staging/{batch.id}/sheet-{page}.html"


def _key(batch: Batch, form: Stored) -> str:
    return f"{batch.report_prefix}report.{form}"


def _folder(batch: Batch) -> str:
    return Folder(batch.tenant, str(batch.drop)).results
