"""The dialects that the HTTP API speaks: find the route, admit its caller, and answer in the vendor's own words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, NamedTuple

from fitting_room.actions.requests.authenticate import authenticate, permit
from fitting_room.actions.requests.throttle import admit, overload
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Refusal
from fitting_room.observability import error_facts, logger
from fitting_room.stores.api_keys import Caller, Scope

VENDORS = ("fashn", "tryiton")


class Call(NamedTuple):
    """A request for `/dialects/<path>`. `body`: decodes the JSON body, or raises `Refusal`. Header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: Callable[[], Any]


class Answer(NamedTuple):
    """`body`: bytes as they are, anything else as JSON."""

    status: int
    body: Any
    headers: Mapping[str, str] = MappingProxyType({})


class Route(NamedTuple):
    """What stands at `<...>` in the path is an argument of `answer`, after the call, the caller and the clock."""

    method: str
    path: str
    scope: Scope
    answer: Callable[..., Answer]


class Dialect(NamedTuple):
    """`refused`: says a refusal as the vendor would."""

    routes: tuple[Route, ...]
    refused: Callable[[Refusal], Answer]


def answer(call: Call, at: Clock) -> Answer:
    """Answer in a vendor's words. Raises `Refusal` where no vendor is named."""
    vendor, _, path = call.path.partition("/")
    if vendor == "results":
        from fitting_room.dialects import results

        return results.serve(path, at)
    if vendor not in VENDORS:
        raise Refusal.of(
            "not_found", "There is no such dialect.", f"The dialects here are: {', '.join(sorted(VENDORS))}."
        )
    dialect: Dialect = import_module(f"fitting_room.dialects.{vendor}.routes").DIALECT
    try:
        return _routed(dialect, call, f"/{path}", at)
    except Refusal as refusal:
        return dialect.refused(refusal)
    except Exception as error:
        if refused := overload(error):
            return dialect.refused(refused)
        logger.error("crashed", **error_facts(error))
        return dialect.refused(Refusal.of("internal", "Internal server error.", "Send the request again.", status=500))


def _routed(dialect: Dialect, call: Call, path: str, at: Clock) -> Answer:
    """Answer only a caller whose key has the route's scope. Tokens of shoppers speak no dialect."""
    for route in dialect.routes:
        match = re.fullmatch(re.sub(r"<\w+>", "([^/]+)", route.path), path)
        if match and route.method == call.method:
            authorization = call.headers.get("authorization")
            admit(authorization, at)
            caller: Caller = authenticate(authorization, at)
            permit(caller, route.scope, shoppers=False)
            return route.answer(call, caller, at, *match.groups())
    known = ", ".join(f"{route.method} {route.path}" for route in dialect.routes)
    raise Refusal.of(
        "not_found", "There is nothing at this path.", f"Served here are: {known}.".replace("<", "{").replace(">", "}")
    )
