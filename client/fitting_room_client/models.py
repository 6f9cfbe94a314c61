"""The answers of the API. A field that this version does not know is kept: `job.model_extra`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class Fault(Answer):
    """What is wrong, in which field (`pointer`), and what to send instead (`remedy`). Warnings have the same fields."""

    code: str
    detail: str
    remedy: str = ""
    retryable: bool = False
    pointer: str | None = None
    provider: str | None = None
    provider_code: str | None = None
    provider_detail: str | None = None


class Problem(Fault):
    """The body of a refusal. `errors` has every fault, of which the problem itself is the first."""

    status: int
    errors: list[Fault] = []


class Cost(Answer):
    amount: float | None = None
    currency: str | None = None
    credits: float | None = None

    def __str__(self) -> str:
        parts = []
        if self.amount is not None and (self.amount or not self.credits):
            parts.append(f"{self.amount:g} {self.currency}")
        if self.credits or (self.credits is not None and self.amount is None):
            parts.append(f"{self.credits:g} credit{'' if self.credits == 1 else 's'}")
        return ", ".join(parts) or "not known"


class Attempt(Answer):
    """One call to a provider. `charged`: yes, no or unknown."""

    n: int
    provider: str
    model: str | None = None
    outcome: str | None = None
    charged: str | None = None
    provider_job_id: str | None = None
    cost: Cost | None = None
    error: Fault | None = None


class Image(Answer):
    """An image of a job. Anyone with `url` can see it for 15 minutes, so `repr` leaves it out."""

    n: int | None = None
    width: int | None = None
    height: int | None = None
    format: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    seed: int | None = None
    url: str | None = Field(default=None, repr=False)
    url_expires_at: datetime | None = None


class Job(Answer):
    """A job. `step` is `done` when nothing more happens; `status` is then succeeded, failed or cancelled."""

    id: str
    task: str = ""
    status: str = ""
    step: str = ""
    slot_at: datetime | None = None
    timeline: list[dict[str, Any]] = []
    provider: str | None = None
    model: str | None = None
    attempts: list[Attempt] = []
    images: list[Image] = []
    mask: Image | None = None
    warnings: list[Fault] = []
    error: Fault | None = None
    owner: str | None = None
    reference: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    expires_at: datetime | None = None

    @property
    def done(self) -> bool:
        return self.step == "done"


class Page(Answer):
    """One page of jobs, newest first. It may be short, and there is still a next one while there is a cursor."""

    items: list[Job]
    next_cursor: str | None = None


class Offer(Answer):
    """A provider that can do the job: what it costs at most, and when its next slot is free."""

    provider: str
    model: str | None = None
    images: int | None = None
    cost: Cost = Cost()
    starts_at: datetime | None = None


class Estimate(Answer):
    """`plan`: the providers that can, in the order in which they are tried. `excluded`: what stops each of the others."""

    plan: list[Offer]
    excluded: list[Fault] = []
    warnings: list[Fault] = []
    request: dict[str, Any] = {}


class Provider(Answer):
    id: str
    title: str = ""
    tasks: dict[str, Any] = {}
    models: list[dict[str, Any]] = []
    prices: list[dict[str, Any]] = []
    retention: str | None = None
    configured: bool = False
    allowed: bool = False

    @property
    def usable(self) -> bool:
        """Whether this key can use one of its models today."""
        living = (m for m in self.models if m.get("offered") and not m.get("lifecycle", {}).get("retired"))
        return self.configured and self.allowed and any(living)


class Upload(Answer):
    """A place for one file; `post` is the form that brings it there."""

    id: str
    post: dict[str, Any] = Field(repr=False)
    usable_until: datetime | None = None


class BatchCost(Answer):
    """`most`: what all rows can cost; `reserved`: set aside today; `spent`: bought so far, at list prices."""

    most: Cost = Cost()
    reserved: Cost = Cost()
    spent: Cost = Cost()


class RowErrors(Answer):
    """Why rows have no result, and how many. `example`: the job of one that failed.

    `line`, `pointer`, `detail`, `remedy`: the first line of the manifest that is invalid for this reason, and its fault.
    """

    code: str
    count: int
    example: str | None = None
    line: int | None = None
    pointer: str | None = None
    detail: str | None = None
    remedy: str | None = None


class Batch(Answer):
    """A batch. `status`: expanding, running or paused; then finished, cancelled or failed, and nothing more happens.

    `errors`: the reasons why the whole batch failed. `row_errors`: the reasons why rows are invalid or failed,
    with their counts.
    `paused_for`: the error for which the API paused it.
    """

    id: str
    status: str = ""
    reference: str | None = None
    counts: dict[str, int] = {}
    images: dict[str, int] = {}
    cost: BatchCost = BatchCost()
    seconds_left: int | None = None
    paused_for: Fault | None = None
    errors: list[Fault] = []
    row_errors: list[RowErrors] = []
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def over(self) -> bool:
        return self.status in ("finished", "cancelled", "failed")

    @property
    def done(self) -> int:
        """How many of its rows are over."""
        return sum(self.counts.get(name, 0) for name in ("invalid", "succeeded", "failed", "cancelled"))


class BatchPage(Answer):
    """One page of batches, newest first."""

    items: list[Batch]
    next_cursor: str | None = None


class Erased(Answer):
    """What stays after an erasure, where, and until when; empty if nothing does."""

    id: str
    remains: list[dict[str, Any]] = []


class Event(Answer):
    """A webhook. `id` is the same in every repetition of it."""

    id: str
    type: str
    timestamp: datetime
    data: dict[str, Any]
