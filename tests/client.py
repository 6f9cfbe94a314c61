"""What the tests of the Python client share: a clock that does not wait, and both clients behind one name."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import httpx

from fitting_room_client import AsyncFittingRoom, FittingRoom
from fitting_room_client.flow import Clock

URL = "https://api.example"
KEY = "fr_live_" + "a" * 32


class StillClock(Clock):
    """Time moves only while the client pauses; `meanwhile` is what then happens in the world."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.moment = 1000.0
        self.meanwhile: Callable[[float], object] = lambda _: None

    def now(self) -> float:
        return self.moment

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.slept.append(seconds)
        self.moment += seconds
        self.meanwhile(seconds)

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)


Do = Callable[..., Any]


def doing(flavour: str, answer: Callable[[httpx.Request], httpx.Response], clock: Clock, key: str = KEY) -> Do:
    """Call a method of either client by its name: `do("jobs.get", job_id)`."""
    transport = httpx.MockTransport(answer)
    fr: Any = (
        FittingRoom(URL, key, http=httpx.Client(transport=transport), clock=clock)
        if flavour == "blocking"
        else AsyncFittingRoom(URL, key, http=httpx.AsyncClient(transport=transport), clock=clock)
    )

    def do(name: str, *args: Any, **kwargs: Any) -> Any:
        found = attrgetter(name)(fr)(*args, **kwargs)
        if inspect.isasyncgen(found):
            return asyncio.run(_all(found))
        if inspect.isgenerator(found):
            return list(found)
        return asyncio.run(found) if inspect.iscoroutine(found) else found

    return do


async def _all(found: Any) -> list[Any]:
    return [item async for item in found]


def told(status: int, body: Any = None, **headers: str) -> httpx.Response:
    return httpx.Response(status, text=json.dumps(body), headers={n.replace("_", "-"): v for n, v in headers.items()})
