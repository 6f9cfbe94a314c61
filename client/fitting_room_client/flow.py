"""One core for ordinary code and for asyncio: a generator says what is to be done next, and a runner does it.

httpx shares its authentication in the same way. A flow yields a `Send` or a `Pause`. The runner sends the answer back
into it, or throws what went wrong.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

import httpx


@dataclass(frozen=True)
class Send:
    request: httpx.Request


@dataclass(frozen=True)
class Pause:
    seconds: float


P = ParamSpec("P")
T = TypeVar("T")
Flow = Generator["Send | Pause", httpx.Response, T]
_NOTHING = httpx.Response(204)
"""What a pause is answered with."""


class Clock:
    """The time, and the ways to wait. Tests pass in one that does not wait."""

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    async def sleep_async(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Blocking:
    """Runs flows at once."""

    def __init__(self, http: httpx.Client, clock: Clock) -> None:
        self._http, self._clock = http, clock

    def _run(self, flow: Flow[T]) -> T:
        try:
            step = next(flow)
            while True:
                try:
                    answer = self._do(step)
                except httpx.RequestError as error:  # noqa: PERF203  each failure goes back into the flow
                    step = flow.throw(error)
                else:
                    step = flow.send(answer)
        except StopIteration as end:
            value: T = end.value
            return value

    def _do(self, step: Send | Pause) -> httpx.Response:
        if isinstance(step, Send):
            return self._http.send(step.request, follow_redirects=False)
        self._clock.sleep(step.seconds)
        return _NOTHING


class Awaiting:
    """Runs flows in an event loop."""

    def __init__(self, http: httpx.AsyncClient, clock: Clock) -> None:
        self._http, self._clock = http, clock

    async def _run(self, flow: Flow[T]) -> T:
        try:
            step = next(flow)
            while True:
                try:
                    answer = await self._do(step)
                except httpx.RequestError as error:  # noqa: PERF203  each failure goes back into the flow
                    step = flow.throw(error)
                else:
                    step = flow.send(answer)
        except StopIteration as end:
            value: T = end.value
            return value

    async def _do(self, step: Send | Pause) -> httpx.Response:
        if isinstance(step, Send):
            return await self._http.send(step.request, follow_redirects=False)
        await self._clock.sleep_async(step.seconds)
        return _NOTHING


class Call(Generic[P, T]):
    """A method that is written once, as a flow: it blocks in a `Blocking` object, and is awaited in an `Awaiting` one."""

    def __init__(self, flow: Callable[Concatenate[Any, P], Flow[T]]) -> None:
        self._flow = flow

    @overload
    def __get__(self, of: Blocking, kind: object = None) -> Callable[P, T]: ...
    @overload
    def __get__(self, of: Awaiting, kind: object = None) -> Callable[P, Awaitable[T]]: ...
    @overload
    def __get__(self, of: None, kind: object = None) -> Callable[Concatenate[Any, P], Flow[T]]: ...
    def __get__(self, of: Blocking | Awaiting | None, kind: object = None) -> Any:
        if of is None:  # of the class, for `help`
            return self._flow

        @functools.wraps(self._flow)
        def bound(*args: P.args, **kwargs: P.kwargs) -> T | Awaitable[T]:
            return of._run(self._flow(of, *args, **kwargs))

        return bound
