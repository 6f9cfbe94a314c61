"""When a client is to read an unfinished job again: its `Retry-After`."""

from __future__ import annotations

from fitting_room import clock
from fitting_room.clock import Clock
from fitting_room.jobs.job import Job
from fitting_room.stores.offers import entry

SOONEST, LATEST = 2, 60
"""Seconds until the next look, at least and at most."""
USUAL_TRAINING = 40
"""Seconds; a garment is ready by then, and a person's pauses grow with its age."""


def of_job(job: Job, at: Clock) -> int:
    """Return the seconds to wait: the longer the provider usually takes, or the job has taken, the more."""
    if job.subject:
        return of_training(job.created_at, at)
    provider = job.latest.provider if job.latest else job.plan[0]
    return _seconds(job.created_at, entry(provider, at).usual or SOONEST, at)


def of_training(created_at: str, at: Clock) -> int:
    return _seconds(created_at, USUAL_TRAINING, at)


def _seconds(created_at: str, usual: float, at: Clock) -> int:
    age = (at.now() - clock.parse(created_at)).total_seconds()
    return round(max(SOONEST, min(LATEST, max(usual, age) / 4)))
