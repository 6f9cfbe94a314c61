"""Outcomes as data: an adapter's report of one call, and a workflow function's report to the state machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypedDict, Unpack

from fitting_room.jobs.errors import Fault, JobWarning

Charged = Literal["yes", "no", "unknown"]


@dataclass(frozen=True)
class Picture:
    """One returned picture, as the vendor's own bytes."""

    data: bytes
    seed: int | None = None


@dataclass(frozen=True)
class Finished:
    """The vendor is done and charges.

    `images` may be fewer than asked for (a warning then says why), and are none where a subject was trained. `token`
    is the word that stands for that subject in a prompt. `amount`: the cost of it all by the vendor's count, in the
    currency of its prices.
    """

    images: list[Picture]
    mask: bytes | None = None
    credits: float | None = None
    token: str | None = None
    warnings: list[JobWarning] = field(default_factory=list)
    amount: float | None = None


@dataclass(frozen=True)
class Pending:
    """The vendor took the job and works on it; look again in `wait` seconds."""

    provider_job_id: str
    wait: float = 2.0


@dataclass(frozen=True)
class Failed:
    """The call or the vendor's job failed.

    `charged` is `unknown` whenever the vendor may have accepted it. `retry_after`: seconds to wait before the next
    call to the vendor. `amount`: the cost if it is charged, by the vendor's count.
    """

    fault: Fault
    charged: Charged
    retry_after: float | None = None
    amount: float | None = None


@dataclass(frozen=True)
class Ready:
    """The vendor is done and its images lie at `addresses` (https or data URLs), in a lasting order.

    The workflow downloads them: one that cannot be had is fetched again until the attempt's deadline. `kept_for` says in
    words how long the vendor keeps them. `warnings` are kept only if the attempt finishes.
    """

    addresses: list[str]
    kept_for: str
    credits: float | None = None
    warnings: list[JobWarning] = field(default_factory=list)


@dataclass(frozen=True)
class Unread:
    """A status read failed in a way that may pass; it says nothing about the vendor's job.

    `why` names it for an operator (`HTTP 404`, `ReadTimeout`, `malformed`). `status` is the HTTP status, if there was one;
    for a vendor that refuses in an answer 200, the status that its words stand for. `retry_after`: seconds that the
    vendor asked for.
    """

    why: str
    status: int | None = None
    retry_after: float | None = None
    made: bool = True
    """False for a read that could not even be made: without a key, without a network, or throttled."""


Outcome = Finished | Pending | Failed
"""What a submission comes to."""
Reading = Finished | Ready | Pending | Failed | Unread
"""What a status read comes to. `Failed` is the vendor's own word in a read that succeeded."""


class _Facts(TypedDict, total=False):
    runner: str
    wait: int
    again: bool
    callback: str


class Step(_Facts):
    """The facts that the state machine branches on, and nothing else: the rest is in the table.

    `outcome`: prepared | busy | pending | finished | failed | ended. `runner`: which Start function, by its name in
    `providers/runners.py`. `wait`: whole seconds to wait before the next look. `callback`: the vendor will call back,
    probably `soon` or `later`. `again`: after `failed`, another attempt is planned.
    """

    outcome: str


def step(outcome: str, **facts: Unpack[_Facts]) -> Step:
    return {"outcome": outcome, **facts}
