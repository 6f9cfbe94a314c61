"""fal's queue: submit, status, result, cancel, deletion and the files; for the vendor's Python client and the documented calls.

A request waits in the queue for one read of its status, is in progress for the next, then completed, failed or not: that it
failed only its result tells. Not shown: that files expire, limits of an account, signatures of webhooks, streams.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar
from uuid import uuid4

from PIL import Image, ImageOps
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.simulators.fal.request import MODELS, Input, detail
from local.simulators.kit.callbacks import FAULTS, Callbacks, reachable
from local.simulators.kit.editors import dressed
from local.simulators.kit.loading import ImageLoadError, loaded
from local.simulators.kit.previews import CannotDrawError, Previews
from local.simulators.kit.server import BROKEN, BROKEN_WHY, AnswerError, Simulator
from local.simulators.kit.shapes import shaped

PIXELS = 1_000_000
RESOLUTION = (864, 1296)
RETRIES = (5.0, 15.0, 40.0)
"""Seconds. The documents say "10 retries within 2 hours"; fewer and sooner is our choice."""
WAITING = ("IN_QUEUE", "IN_PROGRESS")
PLATFORM = {
    "bad_request": 400,
    "request_timeout": 504,
    "startup_timeout": 504,
    "runner_scheduling_failure": 503,
    "runner_disconnected": 503,
    "runner_incomplete_response": 502,
    "runner_server_error": 500,
    "internal_error": 500,
}
MODEL_ERRORS = {
    "content_policy_violation": 422,
    "no_media_generated": 422,
    "image_load_error": 422,
    "face_detection_error": 422,
    "internal_server_error": 500,
    "generation_timeout": 504,
}
WISHES = ("x-fal-request-timeout", "x-fal-store-io", "x-fal-object-lifecycle-preference")


@dataclass
class Job:
    id: str
    app: str
    asked: Input
    purchase: dict[str, Any]
    site: str
    webhook: str | None = None
    reads: int = 0
    state: str = "working"
    """working | done | failed"""
    failed: tuple[int, dict[str, Any]] | None = None
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"{self.site}/{self.app}/requests/{self.id}"

    @property
    def urls(self) -> dict[str, str]:
        return {
            "response_url": self.url,
            "status_url": f"{self.url}/status",
            "cancel_url": f"{self.url}/cancel",
        }


class Fal(Simulator):
    """seconds: how long a request takes at least; retries: seconds before each further try of a webhook."""

    name = "fal"
    fault_kinds: ClassVar = {
        "submit": ("delay", "status", "error", "drop_before", "drop_after", "status_after", "malformed", "wrong_type"),
        "status": ("delay", "status", "drop_before", "malformed", "wrong_type", "never_finish", "error"),
        "output": ("delay", "status", "drop_before", "malformed", "wrong_type", "foreign_url"),
        "result": ("delay", "status", "drop_before", "malformed", "wrong_type", "expired_url"),
        "cancel": ("delay", "status", "drop_before", "drop_after", "malformed"),
        "delete": ("delay", "status", "drop_before", "malformed", "wrong_type", "partial"),
        "callback": FAULTS,
    }
    error_names: ClassVar = {"submit": tuple(PLATFORM), "status": (*MODEL_ERRORS, *PLATFORM)}

    def __init__(self, previews: Previews, *, seconds: float = 0.0, retries: Sequence[float] = RETRIES) -> None:
        super().__init__()
        self._previews, self._seconds = previews, seconds
        self._callbacks = Callbacks(self.faults, self.sent, retries=retries)
        self._jobs: dict[str, Job] = {}
        self._working: set[asyncio.Task[None]] = set()

    def routes(self) -> list[Route]:
        one = "/{owner}/{app}/requests/{id}"
        return [
            Route("/requests/delete_io/{id}", self.delete, methods=["PUT"]),
            Route("/files/{id}/{file}", self.file),
            Route(one + "/status", self.status),
            Route(one + "/cancel", self.cancel, methods=["PUT"]),
            Route(one, self.output),
            Route("/{model:path}", self.submit, methods=["POST"]),
        ]

    def failure(self, status: int) -> Response:
        return _platform(status, "internal_error", f"the simulator was told to answer {status}")

    def named_failure(self, name: str, message: str | None) -> Response:
        return _platform(PLATFORM[name], name, message or f"the simulator was told to answer {name}")

    # submit

    async def submit(self, request: Request) -> Response:
        try:
            body = await request.json()
        except ValueError:
            body = None
        record = self.recorded(request, body)
        record["headers"] = {name: request.headers[name] for name in WISHES if name in request.headers}
        try:
            _check_key(request)
            self.before("submit")
            job = await self._sold(request, body)
        except AnswerError as answer:
            record["answered"] = answer.response.status_code
            raise
        record["answered"] = 200
        if await self._callbacks.early(job.webhook, self._told(job)):
            job.webhook = None
        task = asyncio.create_task(self._work(job))
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        told = {
            "request_id": job.id,
            "gateway_request_id": job.id,
            "status": "IN_QUEUE",
            "queue_position": 0,
            **job.urls,
        }
        return await self.after("submit", JSONResponse(told))

    async def _sold(self, request: Request, body: Any) -> Job:
        """Sell a job. Raises AnswerError."""
        model = request.path_params["model"]
        if (known := self.model_of(model)) not in MODELS:
            raise AnswerError(_platform(404, "not_found", "Application not found"))
        if unknown := sorted(set(request.query_params) - {"fal_webhook"}):
            raise AnswerError(_platform(400, "bad_request", f"unknown query parameter {unknown[0]}"))
        webhook = request.query_params.get("fal_webhook")
        if webhook is not None and not await reachable(webhook):
            raise AnswerError(
                _platform(400, "bad_request", "fal_webhook is not on this machine, and this simulator calls no other")
            )
        try:
            asked = MODELS[known].model_validate(body)
        except ValidationError as error:
            raise AnswerError(JSONResponse({"detail": [detail(each) for each in error.errors()]}, 422)) from None
        summary = f"{model}: {asked.count} images"
        purchase = self.purchases.add(
            id=(job_id := str(uuid4())), charged=None, images=asked.count, model=model, summary=summary
        )
        app = "/".join(model.split("/")[:2])
        job = self._jobs[job_id] = Job(job_id, app, asked, purchase, str(request.base_url).rstrip("/"), webhook)
        return job

    async def _work(self, job: Job) -> None:
        try:
            _, files = await asyncio.gather(asyncio.sleep(self._seconds), self._draw(job.asked))
        except ImageLoadError as error:
            self._fail(job, 422, "image_load_error", str(error))
        except CannotDrawError as error:
            self._fail(job, 422, "no_media_generated", str(error))
        except Exception:
            self._fail(job, 500, BROKEN, BROKEN_WHY)
            raise
        else:
            self._strike(job)
            if job.state == "working":
                names = (f"{n}.{job.asked.format}" for n in range(len(files)))
                job.state, job.files = "done", dict(zip(names, files, strict=True))
                self._settle(job, charged=True)

    def _strike(self, job: Job) -> None:
        if job.state == "working" and (fault := self.faults.take("status", "error")):
            name = fault.name or ""
            status = MODEL_ERRORS.get(name) or PLATFORM[name]
            self._fail(job, status, name, fault.message or f"the simulator was told to fail with {name}")

    async def _draw(self, asked: Input) -> list[bytes]:
        person, *garments = await asyncio.gather(loaded(asked.person), *(loaded(each) for each in asked.garments))
        if asked.limits:
            for picture, most in zip((person, *garments), asked.limits, strict=True):
                if picture.width * picture.height > most:
                    raise ImageLoadError(f"an image has more than {most} pixels")
        if asked.ratio != "auto":
            person = shaped(person, asked.ratio, PIXELS)
        elif person.width > RESOLUTION[0] or person.height > RESOLUTION[1]:
            person = ImageOps.contain(person, RESOLUTION, Image.Resampling.LANCZOS)
        worn = list(zip(garments, asked.regions, strict=True))
        draw = partial(dressed, self._previews, person, worn, format=asked.format, provider=self.name)
        return list(await asyncio.gather(*(draw(seed=asked.first_seed + n) for n in range(asked.count))))

    def _fail(self, job: Job, status: int, name: str, message: str) -> None:
        """Fail a job, and charge for a 422.

        "5xx is never charged; a 422 may be charged if a runner had already worked": here a 422 is.
        """
        if job.state != "working":
            return
        body: dict[str, Any] = (
            {"detail": message, "error_type": name}
            if name in PLATFORM
            else {"detail": [{"loc": ["body"], "msg": message, "type": name, "url": "https://docs.fal.ai/errors"}]}
        )
        job.state, job.failed = "failed", (status, body)
        self._settle(job, charged=status < 500)

    def _settle(self, job: Job, *, charged: bool) -> None:
        job.purchase["charged"] = charged
        self._callbacks.send(job.webhook, self._told(job))

    def _told(self, job: Job) -> dict[str, Any]:
        """Return the body of a webhook."""
        told = {"request_id": job.id, "gateway_request_id": job.id}
        if job.failed is None:
            return told | {"status": "OK", "payload": self._output(job)}
        status, body = job.failed
        return told | {"status": "ERROR", "error": f"Invalid status code: {status}", "payload": body}

    # status, result, cancel, deletion

    async def status(self, request: Request) -> Response:
        job = self._asked(request, "status")
        if unknown := sorted(set(request.query_params) - {"logs"}):
            return _platform(400, "bad_request", f"unknown query parameter {unknown[0]}")
        self._strike(job)
        over = job.state != "working" and not self.faults.take("status", "never_finish")
        word = "COMPLETED" if over else WAITING[min(job.reads, 1)]
        job.reads += 1
        told: dict[str, Any] = {"status": word, "request_id": job.id, **job.urls}
        if word == "IN_QUEUE":
            told["queue_position"] = 0
        else:
            told["logs"] = None
        if over:
            told["metrics"] = {"inference_time": 1.0}
            if job.failed:
                name = job.failed[1].get("error_type")
                told |= {"error": "the request failed"} | ({"error_type": name} if name else {})
        return await self.after("status", JSONResponse(told, 200 if over else 202))

    async def output(self, request: Request) -> Response:
        job = self._asked(request, "output")
        if job.state == "working":
            return _platform(400, "bad_request", "Request is still in progress")
        if job.failed:
            status, body = job.failed
            headers = {"X-Fal-Error-Type": body["error_type"]} if "error_type" in body else {}
            return await self.after("output", JSONResponse(body, status, headers))
        return await self.after("output", JSONResponse(self._output(job), headers={"x-fal-request-id": job.id}))

    def _output(self, job: Job) -> dict[str, Any]:
        urls = self.located("output", [f"{job.site}/files/{job.id}/{name}" for name in job.files])
        sizes = zip(urls, job.files.items(), strict=True)
        return {
            "images": [
                {"url": url, "content_type": f"image/{job.asked.format}", "file_name": name, "file_size": len(data)}
                for url, (name, data) in sizes
            ]
        }

    async def cancel(self, request: Request) -> Response:
        job = self._asked(request, "cancel")
        if job.state != "working":
            return await self.after("cancel", JSONResponse({"status": "ALREADY_COMPLETED"}, 400))
        queued = job.reads == 0
        self._fail(job, 499, "client_cancelled", "the client cancelled the request")
        job.purchase["charged"] = not queued
        return await self.after("cancel", JSONResponse({"status": "OK" if queued else "CANCELLATION_REQUESTED"}, 202))

    async def delete(self, request: Request) -> Response:
        self.recorded(request, None)
        if not request.headers.get("authorization", "").endswith(":admin"):
            return _platform(403, "forbidden", "this call needs a key of ADMIN scope; here, one that ends in :admin")
        self.before("delete")
        job = self._jobs.get(request.path_params["id"])
        if job is None:
            return _platform(404, "not_found", "Request not found")
        kept = "the storage was told to keep it" if job.files and self.faults.take("delete", "partial") else None
        results = [{"link": f"{job.site}/files/{job.id}/{name}", "exception": kept} for name in job.files]
        if kept is None:
            job.files.clear()
        return await self.after("delete", JSONResponse({"CDN_DELETE_RESULTS": results}))

    async def file(self, request: Request) -> Response:
        """Send a file, to every caller that knows the address."""
        self.before("result")
        job = self._jobs.get(request.path_params["id"])
        data = job.files.get(request.path_params["file"]) if job else None
        if job is None or data is None:
            return _platform(404, "not_found", "There is no such file, or it has expired.")
        return await self.after("result", Response(data, media_type=f"image/{job.asked.format}"))

    def _asked(self, request: Request, on: str) -> Job:
        """Return the request that a call is about. Raises AnswerError."""
        self.recorded(request, None)
        _check_key(request)
        self.before(on)
        job = self._jobs.get(request.path_params["id"])
        if job is None or job.app != f"{request.path_params['owner']}/{request.path_params['app']}":
            raise AnswerError(_platform(404, "not_found", "Request not found"))
        return job


def _platform(status: int, name: str, message: str) -> Response:
    return JSONResponse({"detail": message, "error_type": name}, status, {"X-Fal-Error-Type": name})


def _check_key(request: Request) -> None:
    if not request.headers.get("authorization", "").startswith("Key sim-"):
        raise AnswerError(
            _platform(401, "unauthorized", "Authentication is required; here, any key works that begins with sim-.")
        )
