"""Find the caller of a request by its bearer key, and check the rights of that key."""

from __future__ import annotations

import re

from fitting_room import clock
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Refusal
from fitting_room.stores import api_keys, tokens
from fitting_room.stores.api_keys import Caller, Scope

_BEARER = re.compile(r"^Bearer +(fr_(?:live|test|token)_[A-Za-z0-9_-]{20,64}) *$", re.IGNORECASE)


def authenticate(authorization: str | None, at: Clock) -> Caller:
    """Return the tenant, mode and scopes of the key or token in an `Authorization` header.

    Raises `Refusal` `unauthorized`.
    """
    match = _BEARER.match(authorization or "")
    find = _shopper if match and match[1].startswith(tokens.START) else api_keys.find_caller
    caller = find(match[1], at) if match else None
    if caller is None:
        raise Refusal.of(
            "unauthorized",
            "The request has no valid API key.",
            "Send `Authorization: Bearer fr_live_...` or `fr_test_...` with a key of this deployment.",
        )
    return caller


def _shopper(secret: str, at: Clock) -> Caller | None:
    """Return the caller whose key made the token, held to it. A token ends with its key."""
    token = tokens.find(secret, at)
    if token is None or (caller := api_keys.caller_of(token.made_by, at)) is None:
        return None
    if token.expires_at <= clock.text(at.now()):
        raise Refusal.of("unauthorized", "This token has expired.", "Ask the shop for a new token.")
    return caller._replace(token=token)


def permit(caller: Caller, scope: Scope, *, shoppers: bool) -> None:
    """Raise `Refusal` `forbidden` for a caller whose key lacks the scope, or a token that is not for such calls."""
    if caller.token and not shoppers:
        raise Refusal.of(
            "forbidden",
            "A token may not make this call.",
            "With a token, upload images, and submit, see, cancel, retry, recover and erase jobs of its owner.",
        )
    if scope not in caller.scopes:
        raise Refusal.of(
            "forbidden",
            f"This API key lacks the scope `{scope}`.",
            f"Use a key with the scope `{scope}`, or ask the operator to create one.",
        )
