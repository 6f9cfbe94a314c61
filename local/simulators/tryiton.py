"""TryItOn (api/v1): submit, poll, fetch; for the vendor's own Python client and the documented HTTP calls."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.simulators.predictions import API_ERRORS, Job, Predictions, check_key
from local.simulators.try_on_request import parse
from local.simulators.tryiton_request import ClothesRequest, FashionRequest

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
    error_names: ClassVar = {"submit": tuple(API_ERRORS), "status": RUNTIME_ERRORS}

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/tryon/fashion", self.fashion, methods=["POST"]),
            Route("/api/v1/tryon/clothes", self.clothes, methods=["POST"]),
            Route("/api/v1/status/{id}", self.status),
            Route("/api/v1/credits", self.credits),
            Route("/cdn/tryons/{id}/{file}", self.result),
        ]

    async def fashion(self, request: Request) -> Response:
        return await self.submit(request, partial(parse, FashionRequest), lambda job: {"ok": True, "jobId": job.id})

    async def clothes(self, request: Request) -> Response:
        return await self.submit(request, partial(parse, ClothesRequest), lambda job: {"id": job.id, "error": None})

    def told(self, job: Job, status: str, urls: list[str]) -> Response:
        answer: dict[str, Any] = {"ok": True} if isinstance(job.asked, FashionRequest) else {"id": job.id}
        return JSONResponse(answer | {"status": status, "output": urls, "error": job.error if status == "failed" else None})

    async def credits(self, request: Request) -> Response:
        check_key(request)
        balance = {"subscription": 0, "purchased": self._credits, "reserved": self._reserved}
        return JSONResponse({"ok": True, "credits": balance | {"on_demand": self._credits - self._reserved}})
