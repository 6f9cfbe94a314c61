"""A provider is data (a `CatalogueEntry`) plus an adapter that speaks to the vendor.

The entry is read by the API, the planner and the CDK app, so this module imports neither an SDK nor an imaging library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from fitting_room.jobs.errors import Fault, Warning
from fitting_room.jobs.geometry import FitSpec
from fitting_room.jobs.outcome import Outcome
from fitting_room.jobs.request import Asked
from fitting_room.jobs.tasks import AnyRequest, Task


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Option(_Frozen):
    """How far an option is honoured: any value, one of `values`, or a number from `minimum` to `maximum`."""

    values: tuple[str | bool, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None

    def honours(self, value: Any) -> bool:
        if self.values is not None and value not in self.values:
            return False
        return (self.minimum is None or value >= self.minimum) and (self.maximum is None or value <= self.maximum)

    def rule(self) -> str:
        """The rule in words, for a remedy: `one of: a, b` or `1 to 5`."""
        if self.values is not None:
            return "one of: " + ", ".join(str(value) for value in self.values)
        if self.minimum == self.maximum:
            return f"{self.minimum:g}"
        return f"{self.minimum:g} to {self.maximum:g}"


class Price(_Frozen):
    """What one image of `model` costs up to `max_side` px and at `quality` (None: any). `amount` in `currency`; None: the
    vendor bills `credits` whose worth depends on the account."""

    model: str | None = None
    amount: float | None = None
    currency: str = "USD"
    credits: float | None = None
    quality: str | None = None
    max_side: int | None = None
    source: str


class Rate(_Frozen):
    """At most `submits` submissions in any window of `seconds`."""

    submits: int
    seconds: float


class Lifecycle(_Frozen):
    """The vendor's dates, and where they were read."""

    launched: date | None = None
    legacy: date | None = None
    end_of_life: date | None = None
    source: str

    def retired(self, today: date) -> bool:
        return self.end_of_life is not None and today >= self.end_of_life


class Model(_Frozen):
    """One model of a vendor: the tasks it does, at which `qualities` (None: all), and its dates. `inference_regions`: for a
    Bedrock inference profile, every region it may call the model in."""

    id: str
    tasks: tuple[Task, ...]
    qualities: tuple[str, ...] | None = None
    lifecycle: Lifecycle
    inference_regions: tuple[str, ...] = ()

    @property
    def foundation(self) -> str:
        """The id of the model itself, which an inference profile names behind the prefix of its geography."""
        return self.id.partition(".")[2] if self.inference_regions else self.id

    def does(self, request: AnyRequest) -> bool:
        return request.task in self.tasks and (
            self.qualities is None or (request.output.quality or "standard") in self.qualities)


class Advice(_Frozen):
    """What the vendor's document advises, as a warning. `applies` returns the pointer of the field it is about, or None;
    it is told the codes of what was seen on the base picture, nothing before that picture was looked at."""

    code: str
    detail: str
    remedy: str
    source: str
    applies: Callable[[AnyRequest, frozenset[str]], str | None]

    def warning(self, request: AnyRequest, seen: frozenset[str] = frozenset()) -> Warning | None:
        pointer = self.applies(request, seen)
        return None if pointer is None else Warning(code=self.code, detail=self.detail, remedy=self.remedy, pointer=pointer)


class CatalogueEntry(_Frozen):
    """One vendor's offer. `runner` is the Start function that calls it; `secret` that it needs a key of ours.

    `tasks`: per task the options it honours, by the names of `Request.options()`. `failures_free`: the vendor says failed
    jobs cost nothing. `deadline` in seconds counts from the submission. `rules` is code for what data cannot say: it returns
    the faults of a request for this provider.
    """

    id: str
    title: str
    models: tuple[Model, ...]
    runner: Literal["bedrock", "http"]
    secret: bool
    polled: bool
    live: bool = True
    """Offered to live keys under `auto`; the sandbox is not."""
    tasks: Mapping[Task, Mapping[str, Option]]
    cannot: Mapping[Task, str] = {}
    """Why a task that one might expect of this vendor is not offered."""
    max_garments: int = 1
    exact_size: bool = True
    """Whether a `size` is kept to the pixel; else only its shape, and that roughly."""
    base: FitSpec
    """Of the picture whose framing the results keep, and its mask."""
    others: FitSpec
    """Of every other picture: garments, references, conditions."""
    max_body: int
    """Bytes of all pictures of one submission together, as sent (base64 counted)."""
    prices: tuple[Price, ...]
    retention: str
    failures_free: bool
    rate: Rate | None = None
    concurrency: int | None = None
    deadline: int = 1800
    status: str
    """What is known about the vendor today, with its date, for `GET /v1/providers` and the README."""
    options_model: type[BaseModel] | None = None
    """What `provider_options.<id>` may hold."""
    rules: Callable[[AnyRequest], list[Fault]] = lambda request: []  # noqa: ARG005
    advice: tuple[Advice, ...] = ()

    def model(self, request: AnyRequest) -> Model | None:
        """The model that would do a request: the one it names (`id/model`), else the first that can."""
        provider, _, named = request.provider.partition("/")
        named = named if provider == self.id else ""
        return next((model for model in self.models if model.does(request) and named in ("", model.id)), None)

    def refuses(self, task: Task, asked: Asked) -> Fault | None:
        """Why this vendor cannot honour one option, or None. The pointer is the option's."""
        option = self.tasks.get(task, {}).get(asked.name)
        if option is not None and option.honours(asked.value):
            return None
        if option is None:
            detail, remedy = f"{self.title} has no option `{asked.name}`.", "Leave it out, or choose another provider."
        else:
            detail = f"{self.title} does not take this value for `{asked.name}`."
            remedy = f"Use {option.rule()}, or choose another provider."
        return Fault.of("unsupported_option", detail, remedy, pointer=asked.pointer, provider=self.id)

    def cost(self, request: AnyRequest, side: int | None = None) -> Price:
        """The price of one image; without `side` (px of the longer side) the dearest that can happen."""
        model = self.model(request)
        quality = request.output.quality or "standard"
        fitting = [price for price in self.prices
                   if price.model in (None, model and model.id) and price.quality in (None, quality)
                   and (side is None or price.max_side is None or side <= price.max_side)]
        pick = max if side is None else min
        return pick(fitting or self.prices, key=lambda price: price.amount or 0)


@dataclass(frozen=True)
class Input:
    """One prepared picture, fitted to the provider: read only when it is needed. Width and height in px."""

    media_type: Literal["image/png", "image/jpeg"]
    width: int
    height: int
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Order:
    """What the adapter is to buy: from `model`, with the prepared pictures by role. `seed` is drawn for providers that take
    one. `options`: the provider's own model."""

    job_id: str
    attempt: int
    request: AnyRequest
    model: str
    inputs: Mapping[str, Input]
    seed: int | None
    options: Any

    @property
    def base(self) -> Input:
        """The picture whose framing the results keep. `KeyError` for a task without one."""
        return self.inputs[str(self.request.base)]

    @property
    def garments(self) -> list[Input]:
        return self.numbered("garment")

    @property
    def mask(self) -> Input | None:
        return self.inputs.get("mask")

    def numbered(self, role: str) -> list[Input]:
        """The inputs `<role>-0`, `<role>-1`, ... in order."""
        return [self.inputs[f"{role}-{index}"] for index in range(sum(name.startswith(f"{role}-") for name in self.inputs))]


@dataclass(frozen=True)
class Connection:
    """How to reach a vendor. `endpoint` None: the vendor's own; `secret` None: no key needed; `download` fetches a result
    by URL through the safe fetcher, raising `JobFailure`."""

    endpoint: str | None
    region: str | None
    secret: str | None
    download: Callable[[str], bytes]


class Provider(Protocol):
    """`adapter.connect(connection)` gives one. Both calls return an outcome; an exception is a bug, and after `start` it
    counts as a purchase of unknown fate."""

    def start(self, order: Order) -> Outcome: ...

    def poll(self, order: Order, provider_job_id: str) -> Outcome: ...
