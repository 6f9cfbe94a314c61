"""Places for callers that wait inside a function for minutes: few, so that they do not hold the functions that jobs need.

A place is a lease of half a minute that its holder renews. So the place of a function that died is free soon. A client that
calls again takes over the place of its first call, which then ends: nobody reads its answer any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fitting_room.clock import Clock
from fitting_room.jobs.job import Mode
from fitting_room.stores import capacity
from fitting_room.stores.aws import unimportant

LEASE_MS = 30_000


@dataclass
class Place:
    """`waiter`: the client's call, the same in each of its tries."""

    pool: str
    number: int
    waiter: str
    until_ms: int

    def kept(self, at: Clock) -> bool:
        """Renew the place when half of its time is over; False once a later try of the same call has taken it over."""
        return self.until_ms - at.ms() > LEASE_MS // 2 or self._moved(at.ms() + LEASE_MS)

    def _moved(self, until_ms: int) -> bool:
        moved = capacity.renew_lease(self.pool, self.number, self.waiter, self.until_ms, until_ms)
        self.until_ms = until_ms if moved else self.until_ms
        return moved


@contextmanager
def place(pool: str, places: int, mode: Mode, waiter: str, at: Clock) -> Iterator[Place | None]:
    """Hold one of the places of a pool; None where all are taken. A test key gets the first place only."""
    allowed, until = places if mode == "live" else min(1, places), at.ms() + LEASE_MS
    number = capacity.acquire_lease(pool, allowed, waiter, None, at.ms(), until)
    held = None if number is None else Place(pool, number, waiter, until)
    try:
        yield held
    finally:
        if held:
            with unimportant("the place of a caller that waited"):
                held._moved(0)
