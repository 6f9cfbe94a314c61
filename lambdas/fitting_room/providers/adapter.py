"""The protocols of an adapter, and their inputs: the code of a provider, beside its data in `base.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from fitting_room.jobs.job import Subject
from fitting_room.jobs.outcome import Failed, Outcome, Reading
from fitting_room.jobs.tasks import AnyRequest
from fitting_room.providers.base import ReferenceKind


@dataclass(frozen=True)
class Input:
    """One prepared picture, fitted to the provider: read only when it is needed. Width and height in px."""

    media_type: Literal["image/png", "image/jpeg"]
    width: int
    height: int
    read: Callable[[], bytes]
    link: Callable[[], str]
    """A presigned address of the picture, good for a few minutes from now: for vendors that fetch it themselves."""


@dataclass(frozen=True)
class Order:
    """An order for the adapter to buy from `model`, with the prepared pictures by role.

    `seed` is drawn for providers that take one. `options`: the provider's own model. `references`: by role, the
    vendor's id of the reference made of that input. `subjects`: by id, those that the request names. `callback`: the
    address of the completion webhook, if the provider is to call one; it holds a secret. `listed`: the model's id in
    the catalogue, where an operator has set `model`.
    """

    job_id: str
    attempt: int
    request: AnyRequest
    model: str
    inputs: Mapping[str, Input]
    seed: int | None
    options: Any
    references: Mapping[str, str] = field(default_factory=dict)
    subjects: Mapping[str, Subject] = field(default_factory=dict)
    callback: str | None = None
    listed: str = ""

    @property
    def shape(self) -> str:
        """The model's id in the catalogue, by which an adapter knows the form of its request."""
        return self.listed or self.model

    @property
    def base(self) -> Input:
        """The picture whose framing the results keep.

        `KeyError` for a task without one.
        """
        return self.inputs[str(self.request.base)]

    @property
    def garments(self) -> list[Input]:
        return self.numbered("garment")

    @property
    def mask(self) -> Input | None:
        return self.inputs.get("mask")

    def numbered(self, role: str) -> list[Input]:
        """Return the inputs `<role>-<n>` in order.

        A number is missing where no picture was given.
        """
        found = {
            int(number): name for name in self.inputs for word, _, number in [name.rpartition("-")] if word == role
        }
        return [self.inputs[found[number]] for number in sorted(found)]


class Objects(Protocol):
    """The media bucket, for a provider that answers into it.

    `read` gives None for a missing object. Of an object larger than `max_bytes` it gives one byte more than that.
    """

    def put(self, key: str, data: bytes, media_type: str) -> None: ...

    def read(self, key: str, *, max_bytes: int | None = None) -> bytes | None: ...

    def remove(self, keys: Iterable[str]) -> None: ...


@dataclass(frozen=True)
class Connection:
    """The address and key of a vendor.

    `endpoint` None: the vendor's own; `secret` None: no key needed. `settings`: the stage's own for this provider, a
    `settings_model`.
    """

    endpoint: str | None
    region: str | None
    secret: str | None
    settings: Any = None
    objects: Objects | None = None


class Provider(Protocol):
    """A client of one vendor, made by `adapter.connect(connection)`.

    An exception is a bug. After `start` it counts as a purchase whose outcome is unknown.
    """

    def start(self, order: Order) -> Outcome: ...

    def poll(self, order: Order, provider_job_id: str) -> Reading: ...


@dataclass(frozen=True)
class Reference:
    """A picture to register with a vendor.

    `title` is the same for the same picture and kind. So a reference whose making was interrupted can be found again.
    `model`: the catalogue's, for which it is made.
    """

    picture: Input
    kind: ReferenceKind
    title: str
    model: str


class Writer(Protocol):
    """A provider whose entry says `answers_in_media`: it reads there what its call names, and answers there.

    Writing is done before the claim, so it may raise what S3 raises. `foreseen` gives the id of a submission whose
    answer is still unread.
    """

    def write(self, order: Order) -> None: ...

    def foreseen(self, job_id: str, attempt: int) -> str: ...


class Registrar(Protocol):
    """A provider whose entry names `references`. Gives the vendor's id, or how it failed: `charged` as for a purchase."""

    def register(self, reference: Reference) -> str | Failed: ...


class Eraser(Protocol):
    """A provider that deletes its copies when asked.

    `job`: its own id of a job; `reference`: of a subject or reference. It returns False when it must be asked again.
    A copy that is not there counts as deleted.
    """

    def erase_job(self, provider_job_id: str) -> bool: ...

    def erase_reference(self, made_id: str) -> bool: ...


class Canceller(Protocol):
    """A provider that stops working on a job when asked.

    It returns True if it says that the job is out of its queue, or will be stopped. The job ends here whatever it
    says.
    """

    def cancel(self, provider_job_id: str) -> bool: ...


class Account(Protocol):
    """A provider that reports its balance, for free.

    Raises `JobFailure`.
    """

    def credits(self) -> float: ...


class Listing(Protocol):
    """A provider that lists its models, for free.

    `moved`: by model of the catalogue, the id in the list where it is not the one that is used here; empty if the
    list has no such model. Raises `JobFailure` for a list that cannot be read.
    """

    def moved(self) -> Mapping[str, str]: ...
