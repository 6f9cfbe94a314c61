"""When a client is to read an unfinished job again: its `Retry-After`."""

from __future__ import annotations

from fitting_room import clock
from fitting_room.clock import Clock
from fitting_room.jobs.job import Job
from fitting_room.stores.offers import entry

SOONEST, LATEST = 2, 60
"""Seconds until the next look, at least and at most."""
FIRST_LATEST = 15
"""Seconds until the first look, at most: a quick image does not lie there for long."""
UNKNOWN = 5
"""Seconds until the first look where the documents of a provider do not say how long an image takes."""
QUICK_TRAINING = 10
"""Seconds; a garment may be ready by then, and a person's pauses grow with its age."""


def of_job(job: Job, at: Clock) -> int:
    """Return the seconds to wait: first as long as the provider usually takes, then the longer the older the job is."""
    if job.subject:
        return of_training(job.created_at, at)
    if job.cancel_requested or job.recovered_from:  # no provider has to make anything
        return _seconds(job.created_at, SOONEST, at)
    provider = job.latest.provider if job.latest else job.plan[0]
    return _seconds(job.created_at, entry(provider, at).usual or UNKNOWN, at)


def of_training(created_at: str, at: Clock) -> int:
    return _seconds(created_at, QUICK_TRAINING, at)


def _seconds(created_at: str, usual: float, at: Clock) -> int:
    age = (at.now() - clock.parse(created_at)).total_seconds()
    return round(max(SOONEST, min(usual, FIRST_LATEST) - age, min(LATEST, age / 4)))
