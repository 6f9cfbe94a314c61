"""How often and how many at once a vendor may be called, as this stage's contract with it says."""

from __future__ import annotations

from fitting_room.jobs.rate import Rate
from fitting_room.providers.base import CatalogueEntry
from fitting_room.settings import Limits, settings


def stage_limits(provider: CatalogueEntry) -> tuple[Rate | None, int | None]:
    """Return the rate and the concurrency that hold in this stage."""
    own = settings().deployment.limits.get(provider.id, Limits())
    rate = provider.rate
    if own.submits or own.seconds:
        rate = Rate(
            submits=own.submits or (rate.submits if rate else 1), seconds=own.seconds or (rate.seconds if rate else 60)
        )
    return rate, own.concurrency or provider.concurrency
