"""FASHN (v1), models `tryon-v1.6` and `tryon-max`: run, poll or be called, fetch; for its Python client and its documents.

A job that waits is `starting`, then `in_queue`, then `processing`: one word a read, as no document says how long each lasts.
A failed job is refunded, and a job that is over tells what it has cost in the header `x-fashn-credits-used`; that a failed
one tells 0 is our reading. Not shown: that results end after 72 h, those in base64 after 60 minutes.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.simulators.kit.callbacks import FAULTS
from local.simulators.kit.previews import Previews
from local.simulators.predictions.app import API_ERRORS, Job, Predictions, check_key
from local.simulators.predictions.fashn_request import MODELS, Inputs, MaxInputs, request_of
from local.simulators.predictions.request import BadRequestError, parse

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
WAITING = ("starting", "in_queue")
RETRIES = (5.0, 15.0, 40.0, 80.0, 160.0)
"""Seconds. The documents say "up to 5 retries" in about five minutes; how they lie in these is our choice."""


class Fashn(Predictions):
    """retries: seconds before each further try of a webhook that was not answered with 2xx."""

    name = "fashn"
    cdn: ClassVar = "/cdn"
    cost_header: ClassVar = "x-fashn-credits-used"
    fault_kinds: ClassVar = Predictions.fault_kinds | {"callback": FAULTS}
    error_names: ClassVar = {"submit": tuple(API_ERRORS), "status": RUNTIME_ERRORS}

    def __init__(
        self, previews: Previews, *, seconds: float = 0.0, credits: int = 100_000, retries: Sequence[float] = RETRIES
    ) -> None:
        super().__init__(previews, seconds=seconds, credits=credits, retries=retries)

    def routes(self) -> list[Route]:
        return [
            Route("/v1/run", self.run, methods=["POST"]),
            Route("/v1/status/{id}", self.status),
            Route("/v1/credits", self.credits),
            Route(self.cdn + "/{id}/{file}", self.result),
        ]

    async def run(self, request: Request) -> Response:
        named: dict[str, Any] = {}

        def asked(body: Any) -> Inputs | MaxInputs:
            if unknown := sorted(set(request.query_params) - {"webhook_url"}):
                raise BadRequestError(f"unknown query parameter {unknown[0]}")
            if isinstance(body, dict) and isinstance(body.get("model_name"), str):
                named["model"] = body["model_name"]
                if (known := self.model_of(named["model"])) not in MODELS:
                    raise BadRequestError(f"model_name must be one of {', '.join(MODELS)}")
                body = {**body, "model_name": known}
            return parse(request_of(body), body).inputs

        def accepted(job: Job) -> dict[str, Any]:
            job.purchase.update(named)
            return {"id": job.id, "error": None}

        webhook = request.query_params.get("webhook_url")
        return await self.submit(request, asked, accepted, webhook)

    def told(self, job: Job) -> dict[str, Any]:
        waiting = job.status == "processing" and job.reads < len(WAITING)
        status = WAITING[job.reads] if waiting else job.status
        output = (
            _inline(job) if isinstance(job.asked, Inputs | MaxInputs) and job.asked.return_base64 else self.urls(job)
        )
        return {"id": job.id, "status": status, "output": output or None, "error": job.error}

    async def credits(self, request: Request) -> Response:
        check_key(request)
        left = self._credits - self._reserved
        return JSONResponse({"credits": {"total": left, "subscription": 0, "on_demand": left}})


def _inline(job: Job) -> list[str]:
    prefix = f"data:image/{job.asked.output_format};base64,"
    return [prefix + base64.b64encode(file).decode() for file in job.files.values()]
