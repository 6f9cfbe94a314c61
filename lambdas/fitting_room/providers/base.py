"""A provider is data (a `CatalogueEntry`) plus an adapter that speaks to the vendor.

The entry is read by the API, the planner and the CDK app, so this module imports neither an SDK nor an imaging library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from fitting_room.jobs.errors import Fault
from fitting_room.jobs.geometry import FitSpec
from fitting_room.jobs.outcome import Outcome
from fitting_room.jobs.request import Asked, TryOn


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
        return f"{self.minimum:g} to {self.maximum:g}"


class Price(_Frozen):
    """What one image costs up to `max_side` px and at `quality` (None: any). `amount` in `currency`; None: the vendor
    bills `credits` whose worth depends on the account."""

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


class CatalogueEntry(_Frozen):
    """One model of one vendor. `runner` is the Start function that calls it; `secret` that it needs a key of ours.

    `failures_free`: the vendor says failed jobs cost nothing. `deadline` in seconds counts from the submission.
    `rules` is code for what data cannot say: it returns the faults of a request for this provider.
    """

    id: str
    title: str
    model: str
    runner: Literal["bedrock", "http"]
    secret: bool
    polled: bool
    live: bool = True
    """Offered to live keys under `auto`; the sandbox is not."""
    options: Mapping[str, Option]
    max_garments: int = 1
    person: FitSpec
    garment: FitSpec
    max_body: int
    """Bytes of all pictures of one submission together, as sent (base64 counted)."""
    prices: tuple[Price, ...]
    lifecycle: Lifecycle
    retention: str
    failures_free: bool
    rate: Rate | None = None
    concurrency: int | None = None
    deadline: int = 1800
    status: str
    """What is known about the vendor today, with its date, for `GET /v1/providers` and the README."""
    options_model: type[BaseModel] | None = None
    """What `provider_options.<id>` may hold."""
    rules: Callable[[TryOn], list[Fault]] = lambda request: []  # noqa: ARG005

    def refuses(self, asked: Asked) -> Fault | None:
        """Why this model cannot honour one option, or None. The pointer is the option's."""
        option = self.options.get(asked.name)
        if option is not None and option.honours(asked.value):
            return None
        if option is None:
            detail, remedy = f"{self.title} has no option `{asked.name}`.", "Leave it out, or choose another provider."
        else:
            detail = f"{self.title} does not take this value for `{asked.name}`."
            remedy = f"Use {option.rule()}, or choose another provider."
        return Fault.of("unsupported_option", detail, remedy, pointer=asked.pointer, provider=self.id)

    def cost(self, quality: str | None, side: int | None = None) -> Price:
        """The price of one image; without `side` (px of the longer side) the dearest that can happen."""
        fitting = [price for price in self.prices
                   if price.quality in (None, quality or "standard")
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
    """What the adapter is to buy. `seed` is drawn for providers that take one. `options`: the provider's own model."""

    job_id: str
    attempt: int
    request: TryOn
    person: Input
    garments: list[Input]
    mask: Input | None
    seed: int | None
    options: Any


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
