"""FASHN (v1), model `tryon-v1.6`: run, poll, fetch; for the vendor's own Python client and the documented HTTP calls.

Webhooks are not sent; a `webhook_url` is refused. A failed job is refunded, and a job that is over tells what it has cost
in the header `x-fashn-credits-used`; that a failed one tells 0 is our reading.
"""

from __future__ import annotations

from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.simulators.fashn_request import Inputs, RunRequest
from local.simulators.predictions import API_ERRORS, Job, Predictions, check_key
from local.simulators.try_on_request import BadRequestError, parse

RUNTIME_ERRORS = (
    "ImageLoadError",
    "ContentModerationError",
    "PoseError",
    "InputValidationError",
    "PipelineError",
    "ThirdPartyError",
    "3rdPartyProviderError",
    "InternalServerError",
)


class Fashn(Predictions):
    name = "fashn"
    error_names: ClassVar = {"submit": tuple(API_ERRORS), "status": RUNTIME_ERRORS}

    def routes(self) -> list[Route]:
        return [
            Route("/v1/run", self.run, methods=["POST"]),
            Route("/v1/status/{id}", self.status),
            Route("/v1/credits", self.credits),
            Route("/cdn/{id}/{file}", self.result),
        ]

    async def run(self, request: Request) -> Response:
        def asked(body: Any) -> Inputs:
            if request.query_params:
                raise BadRequestError("this simulator sends no webhooks: leave the query out")
            return parse(RunRequest, body).inputs

        return await self.submit(request, asked, lambda job: {"id": job.id, "error": None})

    def told(self, job: Job, status: str, urls: list[str]) -> Response:
        over = status in ("completed", "failed")
        used = {"x-fashn-credits-used": str(job.cost if status == "completed" else 0)} if over else {}
        error = job.error if status == "failed" else None
        return JSONResponse({"id": job.id, "status": status, "output": urls or None, "error": error}, headers=used)

    async def credits(self, request: Request) -> Response:
        check_key(request)
        left = self._credits - self._reserved
        return JSONResponse({"credits": {"total": left, "subscription": 0, "on_demand": left}})
