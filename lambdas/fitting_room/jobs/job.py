"""The job record: the item in the table, from which `GET /v1/jobs/{id}` is made."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import CoreSchema, core_schema

from fitting_room.jobs.errors import Fault, JobWarning
from fitting_room.jobs.outcome import Charged
from fitting_room.jobs.request import Request
from fitting_room.jobs.tasks import AnyRequest, request_of

Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]
StepName = Literal["queued", "preparing", "waiting_for_slot", "submitting", "generating", "collecting", "done"]
FINAL: tuple[Status, ...] = ("succeeded", "failed", "cancelled")
Mode = Literal["live", "test"]


def folder_of(tenant: str, mode: Mode) -> str:
    """Return the tenant's folder in the buckets, for keys of one mode: a live key must not read what test keys made."""
    return f"{tenant}/test" if mode == "test" else tenant


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", defer_build=True)


class _AsItsTask:
    """The request is checked and written by the model of its own task: a union would build the validators of all."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda given: given if isinstance(given, Request) else request_of(given),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda request: request.model_dump(mode="json", by_alias=True)
            ),
        )


class Source(_Record):
    """Where one image of the request lies: an object in a bucket of this stage, or a public address until it was fetched.

    `etag`: of the only content that counts; a drop folder's manifest has one. `staged`: the key of the job's own copy, which
    does for the rest of its life. `within`: the prefix that redirects must not leave.
    """

    bucket: str | None = None
    key: str | None = None
    etag: str | None = None
    url: str | None = None
    staged: str | None = None
    within: str | None = None


class PreparedInput(_Record):
    """One picture fitted to a provider; `frame` is what undoes the fit (`images.fit.Frame`)."""

    key: str
    media_type: Literal["image/png", "image/jpeg"]
    width: int
    height: int
    frame: dict[str, Any] = {}
    sha256: str | None = None


class Subject(_Record):
    """A provider's model or reference of a person or a garment, as a job uses it.

    `made_for`: the `provider/model` that can use it; `token`: the word that stands for it in a prompt; `made_id`: the
    vendor's id of it.
    """

    id: str
    kind: Literal["person", "garment"]
    class_name: str
    made_for: str
    made_id: str
    token: str | None = None


class StoredPicture(_Record):
    """A vendor's picture as it came, in `staging/`."""

    key: str
    seed: int | None = None


class Reads(_Record):
    """How the status reads of a pending attempt went.

    `refused`: reads refused in a row, the first of them at `since`. `late`: reads after the deadline that found no end, each
    at least a minute after the one before (`late_at`). `kept_for`: how long the provider keeps its result, in its own words.
    `made`: the images that it made, all of which it bills.
    """

    refused: int = 0
    since: str | None = None
    late: int = 0
    late_at: str | None = None
    kept_for: str | None = None
    made: int = 0


class Attempt(_Record):
    """One try at one provider.

    The single write that allows the purchase sets `claimed_at`. With a claim but no `outcome`, it is unknown whether
    the vendor was paid.
    """

    n: int
    provider: str
    inputs: dict[str, PreparedInput] = {}
    content: str | None = None
    """The hash of what it asks of its model: jobs of the same content have the same images."""
    renewed: bool = False
    """Its inputs were gone from staging and were made once more."""
    seed: int | None = None
    prepared_at: str | None = None
    waited: int = 0
    """Seconds of the pauses in which it waited for its turn."""
    slot_ms: int | None = None
    slot_waited: int = 0
    """Seconds of `waited` for the slot: they are given back when the slot is missed."""
    lease: int | None = None
    claimed_at: str | None = None
    claimed_by: str | None = None
    claimed_until: str | None = None
    prices: list[dict[str, Any]] = []
    """Those at which it was bought, one for each size (`providers.base.Price`). Earlier releases kept none."""
    deadline_at: str | None = None
    outcome: Literal["pending", "finished", "failed"] | None = None
    known_charge: Charged | None = Field(default=None, alias="charged")
    provider_job_id: str | None = None
    submitted_at: str | None = None
    finished_at: str | None = None
    error: Fault | None = None
    retry_after: float | None = None
    """Seconds for which the vendor asked to be left alone."""
    results: list[StoredPicture] = []
    mask: str | None = None
    credits: float | None = None
    amount: float | None = None
    """What it cost by what the vendor counted, where it counts."""
    token: str | None = None
    references: dict[str, str] = {}
    """By role: the vendor's id of the reference that was made of that input."""
    callback: str | None = None
    """The digest under which the vendor's callback is awaited."""
    reads: Reads = Reads()
    recovered_n: int | None = None
    """The number of the attempt of another job that this one is a copy of: it costs this job nothing."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True, defer_build=True)

    @property
    def charged(self) -> Charged:
        if self.known_charge:
            return self.known_charge
        return "unknown" if self.claimed_at else "no"

    @property
    def over(self) -> bool:
        return self.outcome in ("finished", "failed")


class JobImage(_Record):
    n: int
    bucket: str
    key: str
    width: int
    height: int
    format: str
    bytes: int
    sha256: str
    seed: int | None = None
    provenance: Literal["c2pa", "xmp"] | None = None
    """The mark in the bytes that says a machine made or changed the image. A mask has none."""
    vendor_pixels: int | None = None
    """The pixels of the vendor's own picture, before the framing was restored: a price per megapixel counts them."""


class Usage(_Record):
    """The cost of the job.

    `amount` is None where the provider bills credits only; `basis` says how it was counted.
    """

    images: int = 0
    amount: float | None = None
    currency: str = "USD"
    basis: str = ""
    credits: float | None = None
    provider_seconds: float | None = None


class Reservation(_Record):
    """The amount set aside on the tenant's budget when the job was accepted, and its UTC day."""

    day: str
    images: int
    microusd: int


class Job(_Record):
    id: str
    tenant: str
    mode: Mode
    task: str
    status: Status = "queued"
    step: StepName = "queued"
    slot_at: str | None = None
    timeline: list[dict[str, str]] = []
    request: Annotated[AnyRequest, _AsItsTask]
    sources: dict[str, Source]
    terms: str | None = None
    """Of the token that it was submitted with; None: with a key."""
    subject: str | None = None
    """The subject that this job makes."""
    subjects: dict[str, Subject] = {}
    """By id: the subjects that this job uses."""
    batch: Annotated[str | None, BeforeValidator(lambda value: value or None)] = None
    """The batch of which it is a row: it may queue for a day, and lets live shoppers go first. Release 0.1.0 stored false."""
    row: int | None = None
    """The number of that row."""
    plan: list[str]
    models: dict[str, str] = {}
    """By provider of the plan: the model that was chosen at the submit. Earlier releases kept none."""
    position: int = 0
    attempts: dict[str, Attempt] = {}
    images: list[JobImage] = []
    mask: JobImage | None = None
    warnings: list[JobWarning] = []
    failure: Fault | None = None
    """Why no (further) attempt can be made; becomes `error` when the job is settled."""
    error: Fault | None = None
    usage: Usage = Usage()
    reserved: Reservation | None = None
    drop: str | None = None
    """The drop folder this job came from; its results are mirrored there."""
    created_at: str
    started_at: str | None = None
    finished_at: str | None = None
    expires_at: str
    cancel_requested: bool = False
    run: int = 1
    """Counts the executions of this job: a broken one is followed by the next."""
    resume_at: str | None = None
    """When the run that broke is followed by the next one."""
    retried_from: str | None = None
    retried_by: str | None = None
    recovered_from: str | None = None
    recovered_by: str | None = None
    reused_from: str | None = None
    """The job whose images these are copies of."""
    erase_requested_at: str | None = None
    """Since when its owner wants everything of it gone."""

    @property
    def final(self) -> bool:
        return self.status in FINAL

    @property
    def owner(self) -> str | None:
        return self.request.owner

    @property
    def made_for(self) -> frozenset[str]:
        """The `provider/model` of every subject it uses: only that model can do the job."""
        return frozenset(subject.made_for for subject in self.subjects.values())

    @property
    def provider(self) -> str:
        return self.plan[min(self.position, len(self.plan) - 1)]

    @property
    def latest(self) -> Attempt | None:
        return self.attempts[max(self.attempts, key=int)] if self.attempts else None

    @property
    def waited(self) -> int:
        """Seconds of the pauses in which the job waited for its turn, at all providers together."""
        return sum(attempt.waited for attempt in self.attempts.values())

    @property
    def made(self) -> bool:
        """Whether everything the job was to make is there: its images, or its subject."""
        return bool(self.images) or bool(self.subject and self.latest and self.latest.outcome == "finished")

    @property
    def results_prefix(self) -> str:
        return f"results/{folder_of(self.tenant, self.mode)}/" + (f"drop/{self.drop}" if self.drop else self.id)
