"""TryItOn (api/v1): submit, poll, fetch; for the vendor's own Python client and the documented HTTP calls."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.simulators.predictions.app import API_ERRORS, Job, Predictions, check_key, refusal
from local.simulators.predictions.request import parse
from local.simulators.predictions.tryiton_request import ClothesRequest, FashionRequest

RUNTIME_ERRORS = (
    "ImageLoadError",
    "ContentModerationError",
    "PoseError",
    "PipelineError",
    "ThirdPartyError",
    "ProcessingError",
)


class TryItOn(Predictions):
    name = "tryiton"
    cdn: ClassVar = "/cdn/tryons"
    error_names: ClassVar = {"submit": tuple(API_ERRORS), "status": RUNTIME_ERRORS}

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/tryon/fashion", self.fashion, methods=["POST"]),
            Route("/api/v1/tryon/clothes", self.clothes, methods=["POST"]),
            Route("/api/v1/tryon/{other}", self.not_offered, methods=["POST"]),
            Route("/api/v1/status/{id}", self.status),
            Route("/api/v1/credits", self.credits),
            Route(self.cdn + "/{id}/{file}", self.result),
        ]

    async def fashion(self, request: Request) -> Response:
        return await self.submit(request, partial(parse, FashionRequest), lambda job: {"ok": True, "jobId": job.id})

    async def clothes(self, request: Request) -> Response:
        return await self.submit(request, partial(parse, ClothesRequest), lambda job: {"id": job.id, "error": None})

    async def not_offered(self, request: Request) -> Response:
        check_key(request)
        return refusal("NotFound", f"This simulator tries on clothes only, no {request.path_params['other']}.")

    def told(self, job: Job) -> dict[str, Any]:
        known = {"status": job.status, "output": self.urls(job), "error": job.error}
        if isinstance(job.asked, FashionRequest):
            return {"ok": True} | known
        if job.status == "failed":
            del known["output"]
        return {"id": job.id} | known

    async def credits(self, request: Request) -> Response:
        check_key(request)
        balance = {"subscription": 0, "purchased": self._credits, "reserved": self._reserved}
        return JSONResponse({"ok": True, "credits": balance | {"on_demand": self._credits - self._reserved}})
