"""What the simulators of TryItOn and FASHN share: jobs that are sold by credits, drawn, polled and fetched.

Answers keep the submitted person picture's aspect and are shrunk, never enlarged, to fit 864x1296 (the documented
processing resolution of both; what the vendors really do with other aspects is not documented).
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from secrets import token_hex
from typing import Any, ClassVar, Protocol

from PIL import Image, ImageOps
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from local.simulators.kit.callbacks import Callbacks, reachable
from local.simulators.kit.loading import ImageLoadError, loaded
from local.simulators.kit.previews import NO_PICTURE, CannotDrawError, Format, Previews
from local.simulators.kit.server import BROKEN, BROKEN_WHY, AnswerError, Simulator
from local.simulators.predictions.request import BadRequestError

RESOLUTION = (864, 1296)
JOBS_KEPT = 1000

API_ERRORS = {
    "BadRequest": 400,
    "UnauthorizedAccess": 401,
    "NotFound": 404,
    "RateLimitExceeded": 429,
    "ConcurrencyLimitExceeded": 429,
    "OutOfCredits": 429,
    "InternalServerError": 500,
}
BY_STATUS = {status: name for name, status in API_ERRORS.items()} | {429: "RateLimitExceeded"}


class Asked(Protocol):
    """A request that was found to be right."""

    @property
    def endpoint(self) -> str: ...
    @property
    def category(self) -> str: ...
    @property
    def mode(self) -> str: ...
    @property
    def model_image(self) -> str: ...
    @property
    def garment_image(self) -> str: ...
    @property
    def num_samples(self) -> int: ...
    @property
    def output_format(self) -> Format: ...
    @property
    def region(self) -> str | None: ...
    @property
    def first_seed(self) -> int: ...


def refusal(name: str, message: str) -> Response:
    return JSONResponse({"error": name, "message": message}, API_ERRORS[name])


def cost_of(asked: Asked) -> int:
    """Return the cost in credits: one an image, unless the model has a price of its own."""
    return int(getattr(asked, "credits", asked.num_samples))


@dataclass
class Job:
    """`purchase` is its entry in the purchase log; its `charged` is None until the job is over.

    `site` is where the client reached the vendor, `reads` how often its status was asked while it ran.
    """

    id: str
    asked: Asked
    purchase: dict[str, Any]
    site: str
    webhook: str | None = None
    reads: int = 0
    status: str = "processing"
    error: dict[str, str] | None = None
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def cost(self) -> int:
        return cost_of(self.asked)


class Predictions(Simulator):
    """seconds: how long a job takes at least; credits: the balance it begins with; retries: as for Callbacks."""

    cdn: ClassVar[str]
    """The path below which the results lie, each at `/{id}/{file}`."""
    cost_header: ClassVar[str | None] = None
    """Where a status answer tells the credits of a job that is over."""
    fault_kinds: ClassVar = {
        "submit": ("delay", "status", "error", "drop_before", "drop_after", "status_after", "malformed", "wrong_type"),
        "status": ("delay", "status", "error", "drop_before", "malformed", "wrong_type", "never_finish", "foreign_url"),
        "result": ("delay", "status", "drop_before", "malformed", "wrong_type", "expired_url"),
    }

    def __init__(
        self, previews: Previews, *, seconds: float = 0.0, credits: int = 100_000, retries: Sequence[float] = ()
    ) -> None:
        super().__init__()
        self._previews = previews
        self._callbacks = Callbacks(self.faults, self.sent, retries=retries)
        self._seconds = seconds
        self._credits, self._reserved = credits, 0
        self._jobs: dict[str, Job] = {}
        self._working: set[asyncio.Task[None]] = set()

    def failure(self, status: int) -> Response:
        response = refusal(BY_STATUS.get(status, "InternalServerError"), f"the simulator was told to answer {status}")
        response.status_code = status
        return response

    def named_failure(self, name: str, message: str | None) -> Response:
        return refusal(name, message or f"the simulator was told to answer {name}")

    # submit

    async def submit(
        self,
        request: Request,
        asked_of: Callable[[Any], Asked],
        accepted: Callable[[Job], Any],
        webhook: str | None = None,
    ) -> Response:
        """Answer a submit. `asked_of` reads the JSON body and may raise BadRequestError; `accepted` answers a sold job."""
        body = await _json(request)
        record = self.recorded(request, body)
        try:
            check_key(request)
            self.before("submit")
            asked = asked_of(body)
            if webhook is not None and not await reachable(webhook):
                raise BadRequestError(
                    "webhook_url is not an http(s) URL on this machine, and this simulator calls no other"
                )
            job = self._sold(asked, str(request.base_url).rstrip("/"))
        except BadRequestError as error:
            record["answered"] = 400
            return refusal("BadRequest", str(error))
        except AnswerError as answer:
            record["answered"] = answer.response.status_code
            raise
        record["answered"] = 200
        if not await self._callbacks.early(webhook, self.told(job)):
            job.webhook = webhook
        self._start(job)
        return await self.after("submit", JSONResponse(accepted(job)))

    def _sold(self, asked: Asked, site: str) -> Job:
        """Reserve the credits. Raises BadRequestError, or AnswerError when credits do not suffice."""
        if asked.region is None:
            raise BadRequestError(NO_PICTURE)
        if (cost := cost_of(asked)) > self._credits - self._reserved:
            raise AnswerError(refusal("OutOfCredits", "You have run out of credits."))
        job_id, images = token_hex(12), asked.num_samples
        summary = f"{asked.endpoint} {asked.category}: {images} images, {asked.mode}"
        purchase = self.purchases.add(id=job_id, charged=None, images=images, credits=cost, summary=summary)
        job = self._jobs[job_id] = Job(job_id, asked, purchase, site)
        self._reserved += job.cost
        while len(self._jobs) > JOBS_KEPT:
            del self._jobs[next(iter(self._jobs))]
        return job

    def _start(self, job: Job) -> None:
        task = asyncio.create_task(self._work(job))
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _work(self, job: Job) -> None:
        try:
            _, files = await asyncio.gather(asyncio.sleep(self._seconds), self._draw(job.asked))
        except ImageLoadError as error:
            self._fail(job, "ImageLoadError", str(error))
        except CannotDrawError as error:
            self._fail(job, "PoseError", str(error))
        except Exception:
            self._fail(job, BROKEN, BROKEN_WHY)
            raise
        else:
            self._strike(job)
            self._complete(job, files)

    def _strike(self, job: Job) -> None:
        """Fail with the error that a fault asks for, at the end of the work or at a status read, whichever comes first."""
        if job.status == "processing" and (fault := self.faults.take("status", "error")):
            self._fail(job, fault.name or "", fault.message or f"the simulator was told to fail with {fault.name}")

    async def _draw(self, asked: Asked) -> list[bytes]:
        person, garment = await asyncio.gather(loaded(asked.model_image), loaded(asked.garment_image))
        if person.width > RESOLUTION[0] or person.height > RESOLUTION[1]:
            person = ImageOps.contain(person, RESOLUTION, Image.Resampling.LANCZOS)
        options: dict[str, Any] = {"region": asked.region, "shape": "bounding_box", "styling": {}, "merge": "balanced"}
        options |= {"keep_face": True, "keep_hands": True, "keep_pose": False}
        draw = partial(
            self._previews.try_on, person, garment, format=asked.output_format, label={"provider": self.name}
        )
        pictures = await asyncio.gather(*(draw(seed=asked.first_seed + n, **options) for n in range(asked.num_samples)))
        return [picture.image for picture in pictures]

    def _complete(self, job: Job, files: list[bytes]) -> None:
        if job.status == "processing":
            job.status, job.files = (
                "completed",
                {f"output-{n}.{job.asked.output_format}": f for n, f in enumerate(files)},
            )
            self._settle(job, charged=True)

    def _fail(self, job: Job, name: str, message: str) -> None:
        if job.status == "processing":
            job.status, job.error = "failed", {"name": name, "message": message}
            self._settle(job, charged=False)

    def _settle(self, job: Job, *, charged: bool) -> None:
        self._reserved -= job.cost
        self._credits -= job.cost if charged else 0
        job.purchase["charged"] = charged
        self._callbacks.send(job.webhook, self.told(job))

    # poll, fetch

    def urls(self, job: Job) -> list[str]:
        return [f"{job.site}{self.cdn}/{job.id}/{name}" for name in job.files]

    @abstractmethod
    def told(self, job: Job) -> dict[str, Any]:
        """Describe a job as the vendor does."""

    async def status(self, request: Request) -> Response:
        self.recorded(request, None)
        check_key(request)
        self.before("status")
        job = self._jobs.get(request.path_params["id"])
        if job is None:
            return refusal("NotFound", "There is no job with this id.")
        self._strike(job)
        shown = job
        if job.status != "processing" and self.faults.take("status", "never_finish"):
            shown = replace(job, status="processing", error=None, files={})
        answer = self.told(shown)
        job.reads += 1
        if answer.get("output"):
            answer["output"] = self.located("status", answer["output"])
        return await self.after("status", JSONResponse(answer, headers=self._cost(shown)))

    def _cost(self, job: Job) -> dict[str, str]:
        if self.cost_header is None or job.status == "processing":
            return {}
        return {self.cost_header: str(job.cost if job.status == "completed" else 0)}

    async def result(self, request: Request) -> Response:
        self.before("result")
        job = self._jobs.get(request.path_params["id"])
        picture = job.files.get(request.path_params["file"]) if job else None
        if job is None or picture is None:
            return refusal("NotFound", "There is no such file, or it has expired.")
        return await self.after("result", Response(picture, media_type=f"image/{job.asked.output_format}"))


def check_key(request: Request) -> None:
    if not request.headers.get("authorization", "").startswith("Bearer sim-"):
        raise AnswerError(
            refusal(
                "UnauthorizedAccess", "The API key is missing or invalid; here, any key works that begins with sim-."
            )
        )


async def _json(request: Request) -> Any:
    try:
        return await request.json()
    except ValueError:
        raise AnswerError(refusal("BadRequest", "The request body is not valid JSON.")) from None
