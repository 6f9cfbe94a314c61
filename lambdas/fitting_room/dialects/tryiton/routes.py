"""TryItOn's API at `/dialects/tryiton`, its base URL; `/api/v1` may follow, as it does in the vendor's own address."""

from __future__ import annotations

from functools import partial

from fitting_room.actions.job_view import find_job
from fitting_room.clock import Clock
from fitting_room.dialects.http import Answer, Call, Dialect, Route
from fitting_room.dialects.predictions import images_left, parsed, refused
from fitting_room.dialects.purchase import buy
from fitting_room.dialects.tryiton import answer, request
from fitting_room.jobs.errors import Refusal
from fitting_room.stores.api_keys import Caller


def fashion(call: Call, caller: Caller, at: Clock) -> Answer:
    return _bought(parsed(request.FashionRequest, call.body()), call, caller, at)


def clothes(call: Call, caller: Caller, at: Clock) -> Answer:
    return _bought(parsed(request.ClothesRequest, call.body()), call, caller, at)


def other(_: Call, __: Caller, ___: Clock, kind: str) -> Answer:
    raise Refusal.of(
        "not_found",
        f"No provider here does a try-on of `{kind[:40]}`.",
        "Use /tryon/fashion or /tryon/clothes.",
    )


def status(_: Call, caller: Caller, at: Clock, job_id: str) -> Answer:
    return answer.status(find_job(job_id, caller, at), at)


def credits(_: Call, caller: Caller, at: Clock) -> Answer:
    return answer.credits(images_left(caller, at))


def _bought(asked: request.TryOn, call: Call, caller: Caller, at: Clock) -> Answer:
    try:
        return answer.accepted(buy(request.ours(asked), asked.model, call, caller, at))
    except Refusal as refusal:
        return refused(refusal, asked.fields, asked.values)


_ROUTES = (
    Route("POST", "/tryon/fashion", "submit", fashion),
    Route("POST", "/tryon/clothes", "submit", clothes),
    Route("POST", "/tryon/<kind>", "submit", other),
    Route("GET", "/status/<id>", "read", status),
    Route("GET", "/credits", "read", credits),
)
DIALECT = Dialect(
    _ROUTES + tuple(route._replace(path=f"/api/v1{route.path}") for route in _ROUTES), partial(refused, fields={})
)
