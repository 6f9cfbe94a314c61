"""A shop's server: takes every webhook, keeps what it got (`/_sim/deliveries`), and fails as it is told.

Faults on `deliver`: `delay`, `status` (with `headers`, for a redirect), `drop_before`, `drop_after`.
"""

from __future__ import annotations

from typing import ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.simulators.kit.records import Log
from local.simulators.kit.server import Simulator, listed

KEPT = ("webhook-id", "webhook-timestamp", "webhook-signature", "content-type", "user-agent")


class WebhookReceiver(Simulator):
    name = "webhook_receiver"
    fault_kinds: ClassVar = {"deliver": ("delay", "status", "drop_before", "drop_after")}
    error_names: ClassVar = {}

    def __init__(self) -> None:
        super().__init__()
        self.deliveries = Log()

    def routes(self) -> list[Route]:
        return [
            Route("/_sim/deliveries", self._deliveries, methods=["GET", "DELETE"]),
            Route("/{path:path}", self.deliver, methods=["POST"]),
        ]

    async def deliver(self, request: Request) -> Response:
        """Take a webhook, and keep its body as text, because a signature is of its very bytes."""
        entry = self.deliveries.add(
            path=request.url.path,
            headers={name: request.headers[name] for name in KEPT if name in request.headers},
            body=(await request.body()).decode(),
        )
        entry["answered"] = None
        self.before("deliver")
        answer = await self.after("deliver", Response(status_code=204))
        entry["answered"] = answer.status_code
        return answer

    async def _deliveries(self, request: Request) -> Response:
        return listed(request, "deliveries", self.deliveries)

    def failure(self, status: int) -> Response:
        return JSONResponse({"error": "told to fail"}, status)

    def named_failure(self, name: str, message: str | None) -> Response:
        raise NotImplementedError("a receiver has no errors with names")
