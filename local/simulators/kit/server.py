"""What every simulator shares: the `/_sim` routes, faults, hang-ups, and running on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Any, ClassVar

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from local.simulators.kit.faults import Fault, Faults
from local.simulators.kit.records import Log, without_pixels

TRANSPORT = "simulator.transport"
EXPIRED = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
BROKEN = "SimulatorFailed"
"""The name of an error that no vendor has: the simulator itself has failed. The adapters know it by this name."""
BROKEN_WHY = f"{BROKEN}: this is not the vendor's answer. See .local/logs/simulators.log."
ELSEWHERE = "http://198.51.100.7/x.png"
"""An address for documentation (RFC 5737): nobody's host, and no vendor's."""


class AnswerError(Exception):
    """Ends a request at once with this response: a refusal or an injected fault."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class HangUp(Response):
    """No answer at all: the connection closes."""

    async def __call__(self, scope: Scope, receive: Receive, _: Send) -> None:
        scope[TRANSPORT].abort()
        while (await receive())["type"] != "http.disconnect":
            pass


class Simulator(ABC):
    """One vendor. Subclasses bring the vendor's routes and say which faults they can show."""

    name: str
    fault_kinds: ClassVar[Mapping[str, Iterable[str]]]
    error_names: ClassVar[Mapping[str, Iterable[str]]]
    filter_reasons: ClassVar[Iterable[str]] = ()

    def __init__(self) -> None:
        self.faults = Faults(self.fault_kinds, self.error_names, self.filter_reasons)
        self.purchases = Log()
        self.requests = Log()
        self.sent = Log()
        self.renamed: dict[str, str] = {}
        """By the documented id of a model: the id that its vendor has since given it."""

    def model_of(self, name: str) -> str:
        """Return the documented id of the model that has this id now; an id that was replaced is no longer known."""
        if name in self.renamed:
            return ""
        return next((old for old, new in self.renamed.items() if new == name), name)

    @abstractmethod
    def routes(self) -> list[Route]: ...

    @abstractmethod
    def failure(self, status: int) -> Response:
        """Answer as the vendor does when it fails with this HTTP status."""

    @abstractmethod
    def named_failure(self, name: str, message: str | None) -> Response:
        """Answer as the vendor does to a call that ends in its error of this name."""

    def recorded(self, request: Request, body: object) -> dict[str, Any]:
        return self.requests.add(method=request.method, path=request.url.path, body=without_pixels(body))

    def before(self, on: str) -> None:
        """Let faults strike before the vendor has accepted anything. Raises AnswerError."""
        if self.faults.take(on, "drop_before"):
            raise AnswerError(HangUp())
        if fault := self.faults.take(on, "status"):
            raise AnswerError(_with(self.failure(fault.status or 500), fault))
        if self.faults.take(on, "expired_url"):
            raise AnswerError(Response(EXPIRED, 403, media_type="application/xml"))
        if on != "status" and (fault := self.faults.take(on, "error")):
            raise AnswerError(_with(self.named_failure(fault.name or "", fault.message), fault))

    async def after(self, on: str, response: Response) -> Response:
        """Let faults strike when the work is done (and bought, on submit) but the answer is not out yet."""
        if fault := self.faults.take(on, "delay"):
            await asyncio.sleep(fault.seconds or 0)
        if self.faults.take(on, "drop_after"):
            return HangUp()
        if fault := self.faults.take(on, "status_after"):
            return _with(self.failure(fault.status or 500), fault)
        if fault := self.faults.take(on, "malformed"):
            half = bytes(response.body[: len(response.body) // 2])
            return Response(half if fault.body is None else _raw(fault.body), media_type=response.media_type)
        if self.faults.take(on, "wrong_type"):
            return HTMLResponse("<!DOCTYPE html><title>Welcome</title><p>Please sign in.</p>")
        return response

    def located(self, on: str, urls: list[str]) -> list[str]:
        """Return the addresses of the results, as this call tells them."""
        return [ELSEWHERE for _ in urls] if urls and self.faults.take(on, "foreign_url") else urls

    def app(self) -> Starlette:
        control = [
            Route("/_sim/health", self._health),
            Route("/_sim/purchases", self._purchases, methods=["GET", "DELETE"]),
            Route("/_sim/requests", self._requests, methods=["GET", "DELETE"]),
            Route("/_sim/callbacks", self._sent, methods=["GET", "DELETE"]),
            Route("/_sim/faults", self._faults, methods=["GET", "POST", "DELETE"]),
            Route("/_sim/models", self._models, methods=["GET", "PUT", "DELETE"]),
        ]
        return Starlette(
            routes=[*control, *self.routes()],
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])],
            exception_handlers={AnswerError: _answer, Exception: _broken},
        )

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"ok": True, "simulator": self.name})

    async def _purchases(self, request: Request) -> Response:
        return listed(request, "purchases", self.purchases)

    async def _requests(self, request: Request) -> Response:
        return listed(request, "requests", self.requests)

    async def _sent(self, request: Request) -> Response:
        return listed(request, "callbacks", self.sent)

    async def _faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.faults.clear()
        if request.method != "POST":
            return JSONResponse({"faults": self.faults.listed()})
        try:
            fault = self.faults.add(await request.json())
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse(fault.model_dump(exclude_none=True), 201)

    async def _models(self, request: Request) -> Response:
        """Rename models, as a vendor does that puts a successor in the place of one."""
        if request.method != "GET":
            self.renamed = await request.json() if request.method == "PUT" else {}
        return JSONResponse({"renamed": self.renamed})


def listed(request: Request, name: str, log: Log) -> Response:
    """Answer `GET` and `DELETE` of a log."""
    if request.method == "DELETE":
        log.clear()
    return JSONResponse({name: log.listed()})


async def _answer(_: Request, error: Exception) -> Response:
    assert isinstance(error, AnswerError)
    return error.response


async def _broken(_: Request, __: Exception) -> Response:
    """Report a bug of the simulator, with words where each adapter looks for them.

    No vendor uses this shape or status. The server logs the error.
    """
    return JSONResponse({"error": BROKEN, "message": BROKEN_WHY}, 418, headers={"x-amzn-errortype": BROKEN})


def _raw(body: object) -> bytes:
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def _with(response: Response, fault: Fault) -> Response:
    """Return the vendor's answer, with the body and headers that the fault asks for."""
    if fault.body is not None:
        kept = {key: value for key, value in response.headers.items() if key != "content-length"}
        response = Response(_raw(fault.body), response.status_code, kept)
    response.headers.update(fault.headers or {})
    return response


class _Protocol(H11Protocol):
    """Hands the connection to the app, the only way to close it without an answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        app: ASGIApp = self.app

        async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, TRANSPORT: transport}, receive, send)

        self.app = with_transport


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to the caller: one process serves several apps."""
        yield


def loopback(port: int = 0) -> socket.socket:
    """Bind a socket; port 0: any free one. Raises OSError when the port is taken."""
    sock = socket.socket(proto=socket.IPPROTO_TCP)  # asyncio sends without delay only where this is told
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(("127.0.0.1", port))
    except OSError:
        sock.close()
        raise
    return sock


def server(app: ASGIApp) -> uvicorn.Server:
    return _Server(
        uvicorn.Config(
            app, http=_Protocol, lifespan="off", log_level="warning", access_log=False, timeout_graceful_shutdown=1
        )
    )


@contextlib.contextmanager
def running(app: ASGIApp) -> Iterator[str]:
    """Serve the app over real HTTP in a thread, at the URL that is yielded."""
    sock, http = loopback(), server(app)
    thread = threading.Thread(target=http.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    try:
        while not http.started:
            if not thread.is_alive():
                raise RuntimeError("the simulator did not start; its thread's error is above")
            thread.join(0.01)
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        http.should_exit = True
        thread.join(10)
        sock.close()
