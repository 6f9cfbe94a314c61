"""What became of each row, as files that are kept: CSV for people, JSON for programs. Neither holds a link to an image."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from fitting_room.jobs.errors import Fault

RowStatus = Literal["invalid", "queued", "running", "succeeded", "failed", "cancelled", "erased"]
_COLUMNS = (
    "line",
    "id",
    "status",
    "error_code",
    "error_field",
    "error",
    "remedy",
    "job",
    "provider",
    "cost",
    "currency",
    "credits",
    "images",
    "reused_from",
    "reference",
)
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The last four are the signs in full width, which Excel reads as the others in some languages."""


class Cause(NamedTuple):
    """An error code, how many rows ended with it, and what one of these was told. `line`: of that one, if it is invalid."""

    code: str
    rows: int
    example: Fault | None = None
    line: int | None = None


class Facts(NamedTuple):
    """A batch as its report begins.

    `counts`: by what became of rows, `rows` being all of them. `finished_at`: None while rows are open. `spent` and
    `credits`: what was bought for money, and for a provider's own credits.
    """

    id: str
    status: str
    created_at: str
    counts: Mapping[str, int]
    reference: str | None = None
    finished_at: str | None = None
    spent: float = 0.0
    credits: float = 0.0
    reserved: float = 0.0
    currency: str = "USD"
    causes: tuple[Cause, ...] = ()


class ReportRow(NamedTuple):
    """A row as its report shows it.

    `faults`: why it is invalid, or how its job failed. `images`: how many its job has. The rest are links for the contact
    sheet, which live for minutes and are stored nowhere else: empty where the image is gone.
    """

    line: int
    status: RowStatus
    id: str | None = None
    job_id: str | None = None
    provider: str | None = None
    cost: float | None = None
    currency: str = "USD"
    credits: float | None = None
    images: int = 0
    reused_from: str | None = None
    reference: str | None = None
    faults: tuple[Fault, ...] = ()
    person: str = ""
    garments: tuple[str, ...] = ()
    results: tuple[str, ...] = ()


def csv_of(rows: Iterable[ReportRow]) -> str:
    """Return a table that Excel opens as it is meant: in UTF-8, and without a cell that it would run as a formula.

    A row with several faults has a line for each in its cells.
    """
    file = io.StringIO()
    file.write("\ufeff")
    writer = csv.writer(file)
    writer.writerow(_COLUMNS)
    for row in rows:
        told = ("\n".join(each) for each in zip(*map(_told, row.faults), strict=True)) if row.faults else ("",) * 4
        facts = (
            row.line,
            row.id,
            row.status,
            *told,
            row.job_id,
            row.provider,
            row.cost,
            row.currency if row.cost else None,
            row.credits,
        )
        writer.writerow(map(_cell, (*facts, " ".join(_images(row)), row.reused_from, row.reference)))
    return file.getvalue()


def json_of(batch: Facts, rows: Iterable[ReportRow]) -> str:
    """Return the batch and its rows, one row a line."""
    lines = (json.dumps(_document(row), ensure_ascii=False) for row in rows)
    return f'{{"batch": {json.dumps(_facts(batch), ensure_ascii=False)},\n"rows": [\n' + ",\n".join(lines) + "\n]}\n"


def _told(fault: Fault) -> tuple[str, str, str, str]:
    return fault.code, fault.pointer or "", fault.detail, fault.remedy


def _images(row: ReportRow) -> list[str]:
    """Return the paths at which the API answers the images; they can be stored, unlike links."""
    return [f"/v1/jobs/{row.job_id}/images/{n}" for n in range(1, row.images + 1)] if row.job_id else []


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULAS) else text


def _document(row: ReportRow) -> dict[str, Any]:
    faults = [fault.model_dump(exclude_none=True) for fault in row.faults]
    shown = row._asdict() | {"images": _images(row), "faults": faults}
    return {name: value for name, value in shown.items() if name not in ("person", "garments", "results")}


def _facts(batch: Facts) -> dict[str, Any]:
    causes = [
        {
            "code": cause.code,
            "count": cause.rows,
            "example": cause.example and cause.example.model_dump(exclude_none=True),
            "line": cause.line,
        }
        for cause in batch.causes
    ]
    return {**batch._asdict(), "counts": dict(batch.counts), "causes": causes}
