"""Faults a test may inject into a simulator, and when each one strikes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

NEEDS: Mapping[str, frozenset[str]] = {
    "delay": frozenset({"seconds"}),
    "status": frozenset({"status"}),
    "status_after": frozenset({"status"}),
    "error": frozenset({"name"}),
    "filtered": frozenset({"reason"}),
}
"""What a kind cannot do without; every other kind stands alone."""
TAKES: Mapping[str, frozenset[str]] = {
    "status": frozenset({"body", "headers"}),
    "status_after": frozenset({"body", "headers"}),
    "error": frozenset({"message", "headers"}),
    "malformed": frozenset({"body"}),
    "filtered": frozenset({"body"}),
}
"""What a kind may bring along."""


class Fault(BaseModel):
    """`times` counts the calls it strikes; absent: every call until the faults are cleared."""

    model_config = ConfigDict(extra="forbid", strict=True)

    on: str
    kind: str
    seconds: float | None = Field(default=None, ge=0)
    status: int | None = Field(default=None, ge=200, le=599)
    body: Any = None
    headers: dict[str, str] | None = None
    name: str | None = None
    message: str | None = None
    reason: str | None = None
    times: int | None = Field(default=None, ge=1)


class Faults:
    """The faults in force, oldest first.

    kinds: what this simulator can do on each call, e.g. `{"submit": {"delay", "drop_after"}}`.
    names: the error names that kind `error` may carry on each call.
    reasons: those that kind `filtered` may carry.
    """

    def __init__(
        self, kinds: Mapping[str, Iterable[str]], names: Mapping[str, Iterable[str]], reasons: Iterable[str] = ()
    ) -> None:
        self._kinds = {on: frozenset(allowed) for on, allowed in kinds.items()}
        self._names = {on: frozenset(allowed) for on, allowed in names.items()}
        self._reasons = sorted(reasons)
        self._active: list[Fault] = []

    def add(self, payload: object) -> Fault:
        """Add a fault. Raises ValueError, naming what is wrong and what would be right."""
        try:
            fault = Fault.model_validate(payload)
        except ValidationError as error:
            problems = (f"{'.'.join(map(str, each['loc'])) or 'fault'}: {each['msg']}" for each in error.errors())
            raise ValueError("; ".join(problems)) from None
        self._check(fault)
        self._active.append(fault)
        return fault

    def _check(self, fault: Fault) -> None:
        if fault.on not in self._kinds:
            raise ValueError(f"on: {fault.on!r} is not one of {sorted(self._kinds)}")
        if fault.kind not in self._kinds[fault.on]:
            raise ValueError(f"kind: {fault.kind!r} on {fault.on!r} is not one of {sorted(self._kinds[fault.on])}")
        given = fault.model_fields_set - {"on", "kind", "times"}
        needs, takes = NEEDS.get(fault.kind, frozenset()), TAKES.get(fault.kind, frozenset())
        if missing := needs - given:
            raise ValueError(f"kind {fault.kind!r} needs {sorted(missing)}")
        if foreign := given - needs - takes:
            raise ValueError(f"kind {fault.kind!r} takes no {sorted(foreign)}")
        if fault.kind == "error" and fault.name not in self._names.get(fault.on, ()):
            raise ValueError(f"name: {fault.name!r} is not one of {sorted(self._names.get(fault.on, ()))}")
        if fault.kind == "filtered" and fault.reason not in self._reasons:
            raise ValueError(f"reason: {fault.reason!r} is not one of {self._reasons}")

    def take(self, on: str, kind: str) -> Fault | None:
        """Take the oldest fault of this kind on this call, and use it up once."""
        fault = next((f for f in self._active if (f.on, f.kind) == (on, kind)), None)
        if fault and fault.times is not None:
            fault.times -= 1
            if not fault.times:
                self._active.remove(fault)
        return fault

    def clear(self) -> None:
        self._active.clear()

    def listed(self) -> list[dict[str, Any]]:
        return [fault.model_dump(exclude_none=True) for fault in self._active]
