"""What the API answers, as models. `tests/integration/functions/test_openapi.py` holds every real answer against them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from fitting_room.jobs.batch import BatchStatus
from fitting_room.jobs.errors import Fault, JobWarning
from fitting_room.jobs.job import Status, StepName, Usage
from fitting_room.jobs.outcome import Charged
from fitting_room.jobs.tasks import Task
from fitting_room.jobs.tombstone import Remaining
from fitting_room.providers.base import Basis, Option, Price
from fitting_room.stores import deliveries
from fitting_room.stores.api_keys import Scope
from fitting_room.stores.model_lifecycles import State

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Day = Annotated[str, Field(json_schema_extra={"format": "date"})]


class Answer(BaseModel):
    """Closed here, so that a test finds a field that nobody described. In the document it is open: answers may grow."""

    model_config = ConfigDict(extra="forbid")


class Problem(Answer):
    """A refusal, as RFC 9457 describes it. The first error stands on top, and `errors` has all of them."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    remedy: str
    retryable: bool
    pointer: str | None = None
    provider: str | None = None
    provider_code: str | None = None
    provider_detail: str | None = None
    errors: list[Fault]
    instance: str


class UploadForm(Answer):
    """Send all `fields`, and then `file`, as one multipart POST to `url`."""

    url: str
    fields: dict[str, str]


class Upload(Answer):
    """The form can be sent until `expires_at`. Jobs may name the upload until `usable_until`."""

    id: str
    post: UploadForm
    expires_at: Time
    usable_until: Time


class TimelineEntry(Answer):
    step: StepName
    at: Time


class Cost(Answer):
    """At the catalogue's prices, or by what the provider counted.

    `amount` is null where it bills credits only, or publishes no price. `basis`: what its price is for.
    """

    images: int
    amount: float | None
    currency: str
    credits: float | None
    basis: Basis


class AttemptShown(Answer):
    """One call to one provider. `charged: unknown`: the provider may have charged, but Fitting Room cannot tell."""

    n: int
    provider: str
    model: str | None
    provider_job_id: str | None
    submitted_at: Time | None
    finished_at: Time | None
    outcome: Literal["pending", "finished", "failed"] | None
    charged: Charged
    cost: Cost | None
    recovered: bool
    error: Fault | None


class MaskShown(Answer):
    """`url` works until `url_expires_at`. Store the address in the job's `links` instead."""

    width: int
    height: int
    format: str
    bytes: int
    sha256: str
    seed: int | None
    provenance: Literal["c2pa", "xmp"] | None
    s3: str
    url: str | None = None
    url_expires_at: Time | None = None


class ImageShown(MaskShown):
    """As a mask; `n` counts from 1."""

    n: int


class JobLinks(Answer):
    """These addresses last as long as the job."""

    self: str
    images: list[str]
    mask: str | None


class JobShown(Answer):
    """`status` says how the job stands, `step` what happens to it now. It is over once `step` is `done`.

    For a key without the scope `read`, what is about the person or the images is empty. For a token, what is about the shop
    is empty: prices, `metadata`, `s3`, and the provider's own ids and words.
    """

    id: str
    task: Task
    status: Status
    step: StepName
    slot_at: Time | None
    timeline: list[TimelineEntry]
    provider: str
    model: str | None
    attempts: list[AttemptShown]
    images: list[ImageShown]
    mask: MaskShown | None
    subject: str | None
    batch: str | None
    warnings: list[JobWarning]
    error: Fault | None
    usage: Usage
    owner: str | None
    reference: str | None
    metadata: dict[str, str]
    links: JobLinks
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    expires_at: Time
    erase_requested_at: Time | None
    retry_until: Time | None
    retried_from: str | None
    retried_by: str | None
    recovered_from: str | None
    recovered_by: str | None
    reused_from: str | None


class Jobs(Answer):
    """Newest first. A page may be short, or empty, while `next_cursor` is not null."""

    items: list[JobShown]
    next_cursor: str | None


class RowCounts(Answer):
    """How the rows stand.

    `rows` counts all of them, `invalid` those that cannot be run. `queued`: not begun. `reused`: of those that succeeded, the
    rows for which nothing was bought.
    """

    rows: int
    invalid: int
    queued: int
    running: int
    succeeded: int
    failed: int
    cancelled: int
    reused: int


class BatchImages(Answer):
    """`most`: what all rows ask for; `bought`: what providers made so far."""

    most: int
    bought: int


class Amount(Answer):
    """`amount` is without what providers bill in credits."""

    amount: float
    currency: str
    credits: float


class BatchCost(Answer):
    """`most`: the dearest that all rows can come to; `reserved`: set aside on the day's budget until the end."""

    most: Amount
    reserved: Amount
    spent: Amount


class RowErrors(Answer):
    """Why rows have no result, and how many. Of rows that failed, `example` is the job of one.

    Invalid rows are counted by code and pointer, a row once for each of its faults; the 20 commonest are here. `line` is that
    of the first in the manifest, and `detail` and `remedy` are what the API tells of it.
    """

    code: str
    count: int
    example: str | None
    line: int | None
    pointer: str | None
    detail: str | None
    remedy: str | None


class BatchReports(Answer):
    """The first two can be read once the batch is over, the contact sheet at any time."""

    csv: str
    json_: Annotated[str, Field(alias="json")]
    html: str


class BatchLinks(Answer):
    self: str
    jobs: str


class BatchShown(Answer):
    """Many jobs of one manifest. It is over once `status` is finished, cancelled or failed.

    `errors`: why the batch as a whole failed, before anything was bought. `row_errors`: why rows are invalid
    or failed. `paused_for`: why Fitting Room paused the batch. `seconds_left`: Fitting Room estimates it from the pace
    since the last pause. It is null until a row is done.
    """

    id: str
    status: BatchStatus
    hold: bool
    reference: str | None
    counts: RowCounts
    images: BatchImages
    cost: BatchCost
    row_errors: list[RowErrors]
    errors: list[Fault]
    paused_for: Fault | None
    seconds_left: int | None
    report: BatchReports
    links: BatchLinks
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    expires_at: Time
    cancel_requested_at: Time | None
    erase_requested_at: Time | None


class Batches(Answer):
    """Newest first. `next_cursor` is null on the last page."""

    items: list[BatchShown]
    next_cursor: str | None


class BatchErasure(Answer):
    """`jobs`: how many are erased with the batch."""

    id: str
    jobs: int


class TokenMade(Answer):
    """The token is shown this once."""

    token: str
    expires_at: Time


class Share(Answer):
    limit: float
    used: float
    left: float


class Budget(Answer):
    """Of a live key `images` and `usd`, of a test key `jobs`."""

    day: Day
    renewed_at: Time
    images: Share | None = None
    usd: Share | None = None
    jobs: Share | None = None


class Account(Answer):
    """What a key is. `providers`: those that the tenant may use; null: all."""

    tenant: str
    mode: Literal["live", "test"]
    scopes: list[Scope]
    providers: list[str] | None
    budget: Budget


class OwnerErasure(Answer):
    """`jobs`: how many are erased. `remains` is told from the newest 100 of them."""

    owner: str
    jobs: int
    remains: list[Remaining]


class EstimatedCost(Answer):
    amount: float | None
    currency: str
    credits: float | None
    basis: Basis


class Offer(Answer):
    """The most that the job can cost at this provider. `starts_at`: when its next slot is free."""

    provider: str
    model: str | None
    images: int
    cost: EstimatedCost
    starts_at: Time


class Excluded(Answer):
    """Why a provider cannot do the job."""

    provider: str
    pointer: str | None
    code: str
    detail: str
    remedy: str


class Estimate(Answer):
    """What the job would do. `request`: the body as it is read, with inline images as a number of bytes."""

    plan: list[Offer]
    excluded: list[Excluded]
    warnings: list[JobWarning]
    request: dict[str, JsonValue]


class Erasure(Answer):
    """What stays although it is to be erased, and until when."""

    id: str
    remains: list[Remaining]


class Deliveries(Answer):
    """What the job's webhook was told, and what it answered."""

    webhook_id: str | None
    event: Literal["job.finished", "subject.finished"] | None
    host: str | None
    status: deliveries.Status | None
    next_at: Time | None
    items: list[deliveries.Try]


class SubjectLinks(Answer):
    self: str
    job: str


class SubjectShown(Answer):
    """A person or a garment that a provider has learned, or learns now. Only `made_for` can use it."""

    id: str
    kind: Literal["person", "garment"]
    class_name: str
    status: Literal["training", "ready", "failed"]
    provider: str
    made_for: str | None
    provider_subject_id: str | None
    token: str | None
    error: Fault | None
    owner: str | None
    reference: str | None
    created_at: Time
    ready_at: Time | None
    expires_at: Time
    erase_requested_at: Time | None
    erase_failed_at: Time | None
    links: SubjectLinks


class Subjects(Answer):
    """Newest first. `next_cursor` is null on the last page."""

    items: list[SubjectShown]
    next_cursor: str | None


class LifecycleShown(Answer):
    """The provider's dates. `checked`: the day on which their source was last read.

    `state` is Bedrock's own word where it could be asked (`checked_at`). It is `gone` with `until` where another provider
    answered so: then it is asked again. Else it is `unknown`.
    """

    launched: Day | None
    legacy: Day | None
    end_of_life: Day | None
    source: str
    checked: Day | None
    state: State
    checked_at: Time | None = None
    until: Time | None = None
    retired: bool


class ModelShown(Answer):
    """`options` is null where they are those of the provider. `qualities` is null where all are offered."""

    id: str
    tasks: list[Task]
    qualities: list[str] | None
    options: dict[str, dict[str, Option]] | None
    offered: bool
    lifecycle: LifecycleShown
    licence: str | None


class Photos(Answer):
    """How far photos travel. `regions`: of AWS, where they may be processed; none outside AWS, or while it is off."""

    leave_account: bool
    leave_aws: bool
    regions: list[str]


class ProviderShown(Answer):
    """What a provider can do, and under which conditions; `tasks` has the options of each task by name."""

    id: str
    title: str
    tasks: dict[str, dict[str, Option]]
    cannot: dict[str, str]
    models: list[ModelShown]
    prices: list[Price]
    max_garments: int
    retention: str
    photos: Photos
    erases: bool
    polled: bool
    callbacks: bool
    failures_free: bool
    status: str
    configured: bool
    paused: bool
    allowed: bool


class Providers(Answer):
    """In the order in which `auto` tries them."""

    items: list[ProviderShown]


class Spending(Answer):
    amount: float
    currency: str


class UsageTotal(Answer):
    """`charged_unknown`: attempts of which nobody knows whether they were charged; they are counted as if they were."""

    jobs: int
    succeeded: int
    failed: int
    cancelled: int
    images: int
    cost: Spending
    credits: float
    charged_unknown: int


class UsageItem(UsageTotal):
    """One combination of what the query groups by."""

    day: Day | None = None
    provider: str | None = None
    owner: str | None = None


class UsageReport(Answer):
    from_: Annotated[Day, Field(alias="from")]
    to: Day
    items: list[UsageItem]
    total: UsageTotal
