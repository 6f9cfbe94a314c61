"""A batch: many jobs of one manifest, under one budget, with one report and one end."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from fitting_room.jobs.errors import Fault
from fitting_room.jobs.fields import Name, Strict, rule_error
from fitting_room.jobs.image_ref import HttpsUrl, S3Url, UploadId
from fitting_room.jobs.job import Mode, Reservation, Source, folder_of
from fitting_room.jobs.request import Webhook

BatchStatus = Literal["expanding", "running", "paused", "finished", "cancelled", "failed"]
OVER: tuple[BatchStatus, ...] = ("finished", "cancelled", "failed")
MAX_JOBS = 100
"""Rows that the body itself may hold."""
LONGEST_DEFAULTS = 65_536
"""Characters of JSON: as long as a row may be. Each row is stored with its defaults."""
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PLACES = 8


class ManifestRef(Strict):
    """A CSV, JSONL or JSON file: an `upload`, an `s3` address in the tenant's own folders, or a public https `url`."""

    upload: UploadId | None = None
    url: HttpsUrl | None = None
    s3: S3Url | None = None

    @model_validator(mode="after")
    def exactly_one(self) -> Self:
        if [self.upload, self.url, self.s3].count(None) != 2:
            raise rule_error("", "The manifest needs one source.", "Send exactly one of upload, url or s3.")
        return self


class Cross(Strict):
    """Each person with each garment: image references, or for garments also objects as in `garments` of a job."""

    persons: Annotated[list[Any], Field(min_length=1)]
    garments: Annotated[list[Any], Field(min_length=1)]


class Money(Strict):
    amount: Annotated[float, Field(gt=0, le=1_000_000)]
    currency: Literal["USD"] = "USD"


def _short(defaults: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(defaults)) > LONGEST_DEFAULTS:
        raise rule_error(
            "",
            f"The defaults are longer than {LONGEST_DEFAULTS:,} characters of JSON.",
            "Name each image by a link or an upload instead of writing it into the defaults.",
        )
    return defaults


class BatchRequest(Strict):
    """The body of `POST /v1/batches`: the rows as `manifest`, as `jobs` or as `cross`.

    `defaults`: the fields of a job for every row that does not give them. `max_cost`, `max_images`: a batch that may need
    more is refused whole. `hold`: wait for a resume before anything is bought.
    """

    manifest: ManifestRef | None = None
    jobs: Annotated[list[Any], Field(min_length=1, max_length=MAX_JOBS)] | None = None
    cross: Cross | None = None
    defaults: Annotated[dict[str, Any], AfterValidator(_short)] = {}
    max_cost: Money | None = None
    max_images: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    hold: bool = False
    webhook: Webhook | None = None
    reference: Name | None = None

    @model_validator(mode="after")
    def one_source_of_rows(self) -> Self:
        given = [name for name in ("manifest", "jobs", "cross") if getattr(self, name) is not None]
        if len(given) > 1:
            raise rule_error(f"/{given[1]}", "The rows are named in several ways.", f"Send only `{given[0]}`.")
        if not given:
            raise rule_error("/manifest", "The batch has no rows.", "Send one of `manifest`, `jobs` or `cross`.")
        return self


class ErrorCount(BaseModel):
    """How many rows ended with an error code, and the job of one of them."""

    model_config = ConfigDict(frozen=True)

    count: int = 0
    example: str = ""


class RowFault(BaseModel):
    """Why rows are invalid. `count`: rows with such a code at such a pointer; `fault` and `line`: of the first."""

    model_config = ConfigDict(frozen=True)

    fault: Fault
    line: int
    count: int


class Counts(BaseModel):
    """How the rows of a batch fared so far.

    `admitted`: rows that became jobs. `images`, `microusd` and `millicredits`: what these bought, at list prices. `paid`: the
    images that count against a budget.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    admitted: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    reused: int = 0
    images: int = 0
    paid: int = 0
    microusd: int = 0
    millicredits: int = 0
    errors: dict[str, ErrorCount] = {}

    @property
    def done(self) -> int:
        return self.succeeded + self.failed + self.cancelled


class Batch(BaseModel):
    """The record of a batch.

    `manifest`: where its rows lie; `defaults`: as JSON text. `most`: what all its rows can cost at most, once they are
    expanded; `reserved`: that, as set aside on the day's budget. `exhausted`: rows that failed since the last resume because
    a provider takes no more orders. `counts`: once the batch is over.
    """

    model_config = ConfigDict(extra="ignore", defer_build=True)

    id: str
    tenant: str
    mode: Mode
    status: BatchStatus = "expanding"
    manifest: Source
    name: str = ""
    """The manifest's file name, which may tell its kind."""
    crossed: bool = False
    """Whether the manifest holds persons and garments to be crossed, instead of rows."""
    defaults: str = "{}"
    max_images: int | None = None
    max_microusd: int | None = None
    hold: bool = False
    webhook: str | None = None
    reference: str | None = None
    drop: str | None = None
    """The drop folder that it came from: names of files are looked for there, and its reports are copied there."""
    rows: int = 0
    invalid: int = 0
    row_faults: list[RowFault] = []
    """The commonest first."""
    most_images: int = 0
    most_microusd: int = 0
    most_millicredits: int = 0
    reserved: Reservation | None = None
    exhausted: int = 0
    parked: int = 0
    """The run that has ended because the batch was paused: a resume starts the next one."""
    passes: int = 0
    """How often the map ended without all rows."""
    paused_for: Fault | None = None
    errors: list[Fault] = []
    """Why the batch as a whole failed."""
    run: int = 1
    """Counts the executions: a broken one, or one that waits for a resume, is followed by the next."""
    counts: Counts | None = None
    cancel_requested_at: str | None = None
    erase_requested_at: str | None = None
    created_at: str
    started_at: str | None = None
    resumed_at: str | None = None
    done_before: int = 0
    """Rows that were done at the last resume."""
    finished_at: str | None = None
    expires_at: str

    @property
    def owner(self) -> None:
        """A batch is the tenant's; its rows may have owners."""

    @property
    def over(self) -> bool:
        return self.status in OVER

    @property
    def valid(self) -> int:
        return self.rows - self.invalid

    @property
    def unwanted(self) -> bool:
        """Whether no further row is to be admitted."""
        return bool(self.cancel_requested_at or self.erase_requested_at)

    @property
    def report_prefix(self) -> str:
        return f"results/{folder_of(self.tenant, self.mode)}/batches/{self.id}/"


class Row(BaseModel):
    """A row as it is stored: `n` counts the rows of a manifest from 0, `line` is where it stands there.

    `request`: the job's body as JSON text, empty once the row has a job or has failed, gone once the row is blanked;
    `plan`: the providers as they were at the expansion. `same_as`: the first row that asks for the same: such rows run one
    after the other. A bad row has `faults` instead.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    n: int
    line: int
    id: str | None = None
    request: str | None = None
    plan: list[str] = []
    same_as: int | None = None
    faults: list[Fault] = []

    @property
    def folder(self) -> str:
        """The name of the row's folder in the results of a drop folder."""
        safe = re.sub(r"[^\w.-]+", "_", self.id or "", flags=re.ASCII)[:60]
        return f"row-{self.line}" + (f"-{safe}" if safe else "")


def job_id_of(batch_id: str, n: int) -> str:
    """Return the id of a row's job: it sorts by the time of the batch, then by row, and is the same in every run."""
    return f"{_start(batch_id)}{_written(n)}"


def job_ids_of(batch_id: str) -> tuple[str, str]:
    """Return the first and the last id that a row's job may have."""
    return f"{_start(batch_id)}{'0' * _PLACES}", f"{_start(batch_id)}{'Z' * _PLACES}"


def _start(batch_id: str) -> str:
    time = batch_id.partition("_")[2][:10]
    digest = int.from_bytes(hashlib.sha256(batch_id.encode()).digest()[:5])
    return f"job_{time}{_written(digest)}"


def _written(number: int) -> str:
    return "".join(_DIGITS[number >> 5 * place & 31] for place in reversed(range(_PLACES)))
