"""Wait inside a function for a job's end, where a client asks for it with `Prefer: wait=N` and a place is free.

There are few places: callers that wait must not hold the functions that their jobs need.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from fitting_room.clock import Clock
from fitting_room.jobs.job import Job
from fitting_room.settings import settings
from fitting_room.stores import capacity, jobs
from fitting_room.stores.aws import unimportant

LONGEST_WAIT = 25
"""Seconds. The gateway gives up after 30."""
SPARE_SECONDS = 2
"""Left of an invocation for its answer."""
LOOKS = 0.5, 2.0
"""Seconds between two looks at the job: the first pause, which doubles, and the longest."""
_PLACES = "waiters"
_WAIT = re.compile(r"\s*wait\s*=\s*\"?(\d{1,9})\"?\s*(;.*)?", re.IGNORECASE)


def preferred(prefer: str | None) -> int:
    """Return the seconds that a `Prefer` header asks to wait; 0 for none.

    RFC 7240: an unknown preference is ignored.
    """
    asked = next((found for part in (prefer or "").split(",") if (found := _WAIT.fullmatch(part))), None)
    return min(int(asked[1]), LONGEST_WAIT) if asked else 0


def wait_for(job: Job, seconds: float, waiter: str, at: Clock) -> tuple[Job, bool]:
    """Return the job as it is at its end or after so many seconds, and whether it was waited for: not without a place.

    `waiter`: an id of this wait. A test key gets the first place only, so that it cannot hold them all.
    """
    if job.final or seconds <= 0:
        return job, job.final
    waiters, until = settings().deployment.waiters, at.ms() + seconds * 1000
    places = waiters if job.mode == "live" else min(1, waiters)
    place = capacity.acquire_lease(_PLACES, places, waiter, None, at.ms(), int(until) + SPARE_SECONDS * 1000)
    if place is None:
        return job, False
    try:
        return watched(job, until, LOOKS, at), True
    finally:
        with unimportant("the place of a caller that waited"):
            capacity.free_lease(_PLACES, place, waiter)


def watched(
    job: Job, until_ms: float, looks: tuple[float, float], at: Clock, go_on: Callable[[], bool] = lambda: True
) -> Job:
    """Return the job as it is at its end, at that time, or when there is no reason to go on or nothing to look at."""
    pause, longest = looks
    while not job.final and at.ms() < until_ms and go_on():
        at.sleep(min(pause, (until_ms - at.ms()) / 1000))
        found = jobs.get(job.id, at.now())
        if found is None:
            break
        job, pause = found, min(2 * pause, longest)
    return job
