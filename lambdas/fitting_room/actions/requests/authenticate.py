"""Find the caller of a request by its bearer key, and check the rights of that key."""

from __future__ import annotations

import re

from fitting_room.clock import Clock
from fitting_room.jobs.errors import Refusal
from fitting_room.stores import api_keys
from fitting_room.stores.api_keys import Caller, Scope

_BEARER = re.compile(r"^Bearer +(fr_(?:live|test)_[A-Za-z0-9_-]{20,64}) *$", re.IGNORECASE)


def authenticate(authorization: str | None, at: Clock) -> Caller:
    """Return the tenant, mode and scopes of the key in an `Authorization` header.

    Raises `Refusal` `unauthorized`.
    """
    match = _BEARER.match(authorization or "")
    caller = api_keys.find_caller(match[1], at) if match else None
    if caller is None:
        raise Refusal.of(
            "unauthorized",
            "The request has no valid API key.",
            "Send `Authorization: Bearer fr_live_...` or `fr_test_...` with a key of this deployment.",
        )
    return caller


def permit(caller: Caller, scope: Scope) -> None:
    """Raise `Refusal` `forbidden` for a caller whose key lacks the scope."""
    if scope not in caller.scopes:
        raise Refusal.of(
            "forbidden",
            f"This API key lacks the scope `{scope}`.",
            f"Use a key with the scope `{scope}`, or ask the operator to create one.",
        )
