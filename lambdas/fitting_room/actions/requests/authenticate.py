"""Who is calling: a bearer key, known by its hash."""

from __future__ import annotations

import re

from fitting_room.jobs.errors import Refusal
from fitting_room.stores import api_keys

_BEARER = re.compile(r"^Bearer +(fr_(?:live|test)_[A-Za-z0-9_-]{20,64}) *$", re.IGNORECASE)


def authenticate(authorization: str | None) -> api_keys.Caller:
    """The tenant and mode of the key in an `Authorization` header. Raises `Refusal` `unauthorized`."""
    match = _BEARER.match(authorization or "")
    caller = api_keys.find(match[1]) if match else None
    if caller is None:
        raise Refusal.of(
            "unauthorized",
            "The request has no valid API key.",
            "Send `Authorization: Bearer fr_live_...` or `fr_test_...` with a key of this deployment.",
        )
    return caller
