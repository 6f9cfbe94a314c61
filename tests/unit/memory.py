"""Stand-ins that live in memory: a clock that only moves when somebody sleeps, and the places and slots of providers."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from fitting_room.clock import Clock, first_id
from fitting_room.jobs.rate import Rate
from fitting_room.stores import capacity

NOON = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
"""A day on which Nova Canvas still lived."""


class FakeClock(Clock):
    """Time stands still but for `sleep`; ids are ULIDs of its time that count up."""

    def __init__(self, start: datetime = NOON) -> None:
        self.moment = start
        self.slept: list[float] = []
        self.lock = threading.Lock()
        self.count = 0

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        with self.lock:
            self.slept.extend([seconds] if seconds else [])
            self.moment += timedelta(seconds=seconds)

    def new_id(self, prefix: str) -> str:
        with self.lock:
            self.count += 1
            return f"{first_id(prefix, self.moment)[:-16]}{self.count:016d}"


@dataclass
class Capacity:
    """`stores.capacity` without a table. `tests/integration/stores/test_capacity.py` holds both to the same rules."""

    JITTER_MS = capacity.JITTER_MS
    gap_ms = staticmethod(capacity.gap_ms)
    queues: dict[str, capacity.Queue] = field(default_factory=dict)
    leases: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)

    def look(self, provider: str) -> capacity.Queue:
        return self.queues.get(provider, capacity.Queue())

    def reserve_slot(self, provider: str, rate: Rate | None, now_ms: int, horizon_ms: int) -> tuple[int | None, int]:
        queue = self.look(provider)
        if (earliest := max(queue.blocked_ms, queue.next_ms if rate else -1)) >= horizon_ms:
            return None, earliest
        slot = max(now_ms, earliest)
        if rate:
            self.queues[provider] = queue._replace(next_ms=slot + capacity.gap_ms(rate))
        return slot, slot

    def block_until(self, provider: str, until_ms: int) -> None:
        queue = self.look(provider)
        self.queues[provider] = queue._replace(blocked_ms=max(until_ms, queue.blocked_ms))

    def let_live_first(self, provider: str, until_ms: int) -> None:
        queue = self.look(provider)
        self.queues[provider] = queue._replace(live_ms=max(until_ms, queue.live_ms))

    def acquire_lease(
        self, provider: str, cap: int, job_id: str, held: int | None, now_ms: int, until_ms: int
    ) -> int | None:
        taken = {n: who for (name, n), (who, until) in self.leases.items() if name == provider and until >= now_ms}
        own = [n for n, who in taken.items() if who == job_id]
        wanted = own + ([] if held is None else [held]) + list(range(cap))
        number = next((n for n in wanted if n < cap and taken.get(n, job_id) == job_id), None)
        if number is not None:
            self.leases[provider, number] = (job_id, until_ms)
        return number

    def free_lease(self, provider: str, number: int, job_id: str) -> None:
        if self.leases.get((provider, number), ("", 0))[0] == job_id:
            del self.leases[provider, number]
