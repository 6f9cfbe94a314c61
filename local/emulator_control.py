"""Make the emulated AWS fail, and read what AWS would bill: for tests and demonstrations.

emulator = EmulatorControl("http://127.0.0.1:4566")
with emulator.faults({"service": "s3", "match": "/results/", "code": "SlowDown", "status": 503, "times": 2}):
    ...
emulator.usage().writes[0].peak
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NotRequired, TypedDict

import httpx
from pydantic import BaseModel, ConfigDict


class Fault(TypedDict):
    """See `local.emulator.faults.Fault`."""

    service: str
    operation: NotRequired[str]
    match: NotRequired[str]
    code: NotRequired[str]
    status: NotRequired[int]
    message: NotRequired[str]
    reasons: NotRequired[list[str]]
    cut: NotRequired[bool]
    when: NotRequired[Literal["before", "after"]]
    seconds: NotRequired[float]
    times: NotRequired[int]
    for_seconds: NotRequired[float]
    concurrency: NotRequired[int]
    writes_per_second: NotRequired[float]


class Writes(BaseModel):
    """Write units on one partition key: altogether, and in its busiest second. `index` is none for the table itself."""

    table: str
    index: str | None
    value: str
    total: float
    peak: float


class Invocations(BaseModel):
    invocations: int
    errors: int
    throttles: int
    gb_seconds: float


class Usage(BaseModel):
    """Since the start, or the last `reset_usage`.

    requests: by service and operation.
    writes: the busiest key first.
    functions: by name.
    transitions: of state machines, by machine and execution.
    """

    model_config = ConfigDict(extra="forbid")

    since: float
    seconds: float
    requests: dict[str, dict[str, int]]
    writes: list[Writes]
    functions: dict[str, Invocations]
    transitions: dict[str, dict[str, int]]
    log_bytes: int

    def writes_on(self, value: str, index: str | None = None) -> Writes:
        """Count the writes to one partition key; a key that is not listed had none."""
        none = Writes(table="", index=index, value=value, total=0, peak=0)
        return next((each for each in self.writes if (each.index, each.value) == (index, value)), none)


class EmulatorControl:
    """`url`: the emulator's, as `aws` in `.local/endpoints.json`. Raises httpx.HTTPStatusError for a fault that is none."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=f"{url}/_emulator", timeout=60, trust_env=False)

    @contextmanager
    def faults(self, *faults: Fault) -> Iterator[None]:
        """Put faults in force inside the block; no fault is in force after it."""
        try:
            for fault in faults:
                self._http.post("/faults", json=fault).raise_for_status()
            yield
        finally:
            self._http.delete("/faults").raise_for_status()

    def struck(self) -> int:
        """Count how often the faults in force have struck."""
        return sum(fault["struck"] for fault in self._http.get("/faults").raise_for_status().json()["faults"])

    def usage(self) -> Usage:
        return Usage.model_validate(self._http.get("/usage").raise_for_status().json())

    def reset_usage(self) -> None:
        self._http.delete("/usage").raise_for_status()
