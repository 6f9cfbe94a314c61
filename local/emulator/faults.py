"""Keep the faults and the limits that a test or a demonstration sets."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

NUMBERS = ("status", "times", "seconds", "for_seconds", "concurrency", "writes_per_second")
WORDS = ("operation", "match", "code", "message")
ACTIONS = ("code", "cut", "seconds", "concurrency", "writes_per_second")


@dataclass
class Fault:
    """What goes wrong, where, when and how often.

    service: as in an endpoint's name, e.g. `dynamodb`, `s3`, `lambda`, `states`.
    operation: as in the API, e.g. `UpdateItem`; absent: every one. S3 writes of every kind are a `PutObject`. A fault of
        `lambda` without one is of `Invoke`, and that is every invocation, a state machine's or a queue's too.
    match: a regular expression to be found in the path or body of the request, in the name of the function that is
        invoked, or, for `writes_per_second`, in the partition key's value.
    code, status, message: the error that is answered.
    reasons: of a `TransactionCanceledException`, by position; those left out are `None`, as AWS writes it.
    cut: half an answer, then the connection closes.
    when: whether the operation is done before it is told to have failed.
    seconds: a pause before the answer; alone, the answer is only late.
    times, for_seconds: how often, and for how long from now; absent: until the faults are cleared.
    concurrency: at most so many functions run at once, in the whole account.
    writes_per_second: at most so many write units a second on one partition key of a table or an index.
    struck: how often it did.
    """

    service: str
    operation: str | None = None
    match: str | None = None
    code: str | None = None
    status: int | None = None
    message: str = "injected"
    reasons: list[str] | None = None
    cut: bool = False
    when: str = "before"
    seconds: float | None = None
    times: int | None = None
    for_seconds: float | None = None
    concurrency: int | None = None
    writes_per_second: float | None = None
    struck: int = 0

    def concerns(self, service: str, operation: str, text: str) -> bool:
        return (
            self.service == service
            and self.operation in (None, operation)
            and (self.match is None or re.search(self.match, text) is not None)
        )


class Faults:
    """Oldest first. `services`: the names that a fault may carry."""

    def __init__(self, services: Collection[str], now: Callable[[], float] = time.monotonic) -> None:
        self._services = services
        self._now = now
        self._lock = threading.Lock()
        self._all: list[tuple[float, Fault]] = []  # with the time it was added

    def add(self, payload: object) -> Fault:
        """Add a fault. Raises ValueError, naming the field that is wrong and what to send instead."""
        if problem := _problem(payload, self._services):
            raise ValueError(problem)
        assert isinstance(payload, dict)
        fault = Fault(**payload)
        if fault.service == "lambda" and fault.operation is None:
            fault.operation = "Invoke"
        with self._lock:
            self._all.append((self._now(), fault))
        return fault

    def clear(self) -> None:
        with self._lock:
            self._all.clear()

    def listed(self) -> list[dict[str, Any]]:
        """List all faults, also those that are used up or over, for the sake of `struck`."""
        with self._lock:
            return [
                {k: v for k, v in asdict(fault).items() if v is not None and v is not False} for _, fault in self._all
            ]

    def take(self, service: str, operation: str, text: str) -> Fault | None:
        """Take the oldest fault on this call, and use it up once."""
        with self._lock:
            faults = (fault for fault in self._in_force() if not (fault.concurrency or fault.writes_per_second))
            fault = next((fault for fault in faults if fault.concerns(service, operation, text)), None)
            if fault:
                fault.struck += 1
        return fault

    def limit(self, name: str, text: str = "") -> tuple[float, Fault] | None:
        """Find the lowest limit of this name for this text, and the fault that sets it."""
        with self._lock:
            limits = [
                (value, fault)
                for fault in self._in_force()
                if (value := getattr(fault, name)) and (fault.match is None or re.search(fault.match, text))
            ]
        return min(limits, key=lambda each: each[0], default=None)

    def _in_force(self) -> Iterator[Fault]:
        now = self._now()
        for added, fault in self._all:
            over = fault.for_seconds is not None and now >= added + fault.for_seconds
            if not over and (fault.times is None or fault.struck < fault.times):
                yield fault


def _problem(payload: object, services: Collection[str]) -> str | None:
    """Say what is wrong with a fault, in which field, and what to send instead."""
    if not isinstance(payload, dict):
        return "send a JSON object"
    known = {field.name for field in fields(Fault)} - {"struck"}
    if unknown := sorted(payload.keys() - known):
        return f"/{unknown[0]}: no such field; send one of {', '.join(sorted(known))}"
    if payload.get("service") not in services:
        return f"/service: {payload.get('service')!r} is no service; send dynamodb, lambda, s3, states ..."
    for name in NUMBERS:
        if name in payload and not (type(payload[name]) in (int, float) and payload[name] > 0):
            return f"/{name}: {payload[name]!r} is not above zero; send a number that is"
    for name in WORDS:
        if not isinstance(payload.get(name, ""), str):
            return f"/{name}: {payload[name]!r} is no string; send one"
    if payload.get("when", "before") not in ("before", "after"):
        return f"/when: {payload['when']!r} is neither; send before or after"
    try:
        re.compile(payload.get("match", ""))
    except re.error as error:
        return f"/match: no regular expression ({error}); send one"
    return _contradiction(payload)


def _contradiction(payload: dict[str, Any]) -> str | None:
    if not any(payload.get(name) for name in ACTIONS):
        return f"the fault does nothing; send one of {', '.join(ACTIONS)}"
    if ("code" in payload) != ("status" in payload):
        return "/status: an error has a code and a status; send both"
    if "concurrency" in payload and payload["service"] != "lambda":
        return "/concurrency: only functions have it; send service lambda"
    if "concurrency" in payload and "match" in payload:
        return "/match: the limit is the account's; leave it out, or set a function's own with PutFunctionConcurrency"
    if "writes_per_second" in payload and payload["service"] != "dynamodb":
        return "/writes_per_second: only tables have it; send service dynamodb"
    if "reasons" in payload and not str(payload.get("operation")).startswith("Transact"):
        return "/reasons: only a transaction has them; send operation TransactWriteItems"
    if payload.get("cut") and payload["service"] == "lambda" and payload.get("operation", "Invoke") == "Invoke":
        return "/cut: an invocation has no connection to cut; send a code of Lambda's own, e.g. ServiceException"
    return None
