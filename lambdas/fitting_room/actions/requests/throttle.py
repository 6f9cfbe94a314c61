"""Refuse requests that are too many: of one API key, or for AWS."""

from __future__ import annotations

import math

from fitting_room.clock import Clock
from fitting_room.jobs.errors import Refusal
from fitting_room.observability import error_facts, logger
from fitting_room.settings import settings
from fitting_room.stores import aws

_MOST_KEYS = 1000
_buckets: dict[int, tuple[float, float]] = {}
"""By hash of a key: the requests it may still send at once, and the time in seconds at which that was counted."""


def admit(authorization: str | None, at: Clock) -> None:
    """Count one request of a key, known or not, so that one client does not take the others' share of the API.

    Raises `Refusal` `throttled` when it has sent too many. Each process counts alone, so the rate of a key over all
    processes is only approximate: it costs no call to AWS.
    """
    rate, burst = settings().deployment.key_rate, settings().deployment.key_burst
    sent = (authorization or "").strip().rpartition(" ")[2]  # more spaces, or another `Bearer`, make no other key
    now, key = at.ms() / 1000, hash(sent)
    left, counted = _buckets.get(key, (burst, now))
    left = min(burst, left + max(0.0, now - counted) * rate)
    if left < 1:
        raise Refusal.of(
            "throttled",
            "This API key sends too many requests.",
            "Send the request again after the seconds in `Retry-After`, and look at jobs no sooner than theirs says.",
            retry_after=math.ceil((1 - left) / rate),
        )
    if len(_buckets) >= _MOST_KEYS:  # a guesser must not fill the memory
        _buckets.clear()
    _buckets[key] = (left - 1, now)


def overload(error: Exception) -> Refusal | None:
    """Return the refusal of a request that AWS throttled; None for any other error."""
    if not aws.throttled(error):
        return None
    logger.warning("AWS throttled a request", **error_facts(error))
    return Refusal.of(
        "throttled", "AWS takes no more calls of this deployment for now.", "Send the request again.", retry_after=1
    )


def forget() -> None:
    _buckets.clear()
