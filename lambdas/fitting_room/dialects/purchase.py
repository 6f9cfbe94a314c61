"""Submit a vendor's request as an ordinary job: the vendor's own model first, and once however often its client sends it."""

from __future__ import annotations

import re
from typing import Any

from fitting_room.actions.requests.check import check
from fitting_room.actions.requests.submit import submit
from fitting_room.clock import Clock
from fitting_room.dialects.http import Call
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.job import Job
from fitting_room.stores import jobs, repeats
from fitting_room.stores.api_keys import Caller

_MOST_FALLBACKS = 4
_ABOUT = {"owner": "x-fitting-room-owner", "reference": "x-fitting-room-reference"}
"""Fields of a job that the vendors do not know, and the headers that set them."""


def buy(body: dict[str, Any], model: str | None, call: Call, caller: Caller, at: Clock) -> Job:
    """Return the job of a request in our words. `model`: the one of the vendor, as `provider/model`.

    A client that Stainless made sends a call again by itself when its connection breaks, and counts that in a header.
    Such a repeat gets the job of the call that it repeats. Equal calls that are no repeats are purchases of their own.
    """
    body = body | {name: call.headers[header] for name, header in _ABOUT.items() if header in call.headers}
    digest, retry = jobs.body_hash([call.path, body]), _retry(call)
    known = repeats.take(caller.key, digest, retry, at.now()) if retry else None
    if known is None:
        known = repeats.Call(at.new_id("call"), _plan(body, model, caller, at))
        repeats.remember(caller.key, digest, known, retry, at.now())
    provider, *fallback = known.plan
    return submit({**body, "provider": provider, "fallback": fallback}, caller, known.id, at).job


def _retry(call: Call) -> int:
    """Return how often the client has sent this call before."""
    count = re.fullmatch("[0-9]{1,3}", call.headers.get("x-stainless-retry-count", ""))
    return int(count[0]) if count else 0


def _plan(body: dict[str, Any], model: str | None, caller: Caller, at: Clock) -> tuple[str, ...]:
    """Return the vendor's model and then whom `auto` would try; or `auto` alone, where that model cannot be had here."""
    if model is None or not _can(body, model, caller, at):
        return ("auto",)
    others = _can(body, "auto", caller, at)
    return (model, *[other for other in others if other != model.partition("/")[0]][:_MOST_FALLBACKS])


def _can(body: dict[str, Any], provider: str, caller: Caller, at: Clock) -> list[str]:
    try:
        return check({**body, "provider": provider}, caller, at, find_uploads=False).plan.providers
    except Refusal:
        return []
