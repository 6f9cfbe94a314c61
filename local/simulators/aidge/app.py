"""Aidge's virtual try-on: submit and query, signed either way, on trial or bought resources, three submits a minute.

Sources: the vendor's pages "Virtual Try-on Submit API Reference" and "Virtual Try-On Query API Reference", its HTTP samples.
Resources are counted in images here, and come back when a task fails; the vendor's pages say neither.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qsl
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.simulators.aidge.answers import CODES, GATEWAY, RefusedError, Shape, failed, queried, refused, submitted
from local.simulators.aidge.pictures import Scene, drawn, scene
from local.simulators.aidge.request import Suit, shown, suit_of, task_of
from local.simulators.aidge.signature import SYSTEM, SignatureError, check
from local.simulators.kit.previews import CannotDrawError, Previews
from local.simulators.kit.server import BROKEN, BROKEN_WHY, AnswerError, Simulator
from local.simulators.predictions.request import BadRequestError

TASKS_KEPT = 1000


@dataclass
class Task:
    """`purchase` is its entry in the purchase log; its `charged` is None until the task is over. `error`: name, message."""

    id: str
    suit: Suit
    resource: str
    purchase: dict[str, Any]
    status: str = "submitted"
    error: tuple[str, str | None] | None = None
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        return self.status in ("finished", "failed")


class Aidge(Simulator):
    """Aidge's two calls.

    submits, seconds: so many are accepted within so long. trial, purchased: the images of each resource.
    working: how long a task takes at least, half of it as submitted. clock: seconds since 1970; timer: any
    seconds that only grow.

    Faults beside the usual: on `submit`, `result_object` and `result_flat` tell the task's id in other shapes.
    An `error` on `status` fails the task, one on `query` is about the call alone. `partial` on `status` tells
    the first half of the images.
    """

    name = "aidge"
    fault_kinds: ClassVar = {
        "submit": (
            "delay", "status", "error", "drop_before", "drop_after", "status_after", "malformed", "wrong_type",
            "result_object", "result_flat",
        ),
        "query": ("error",),
        "status": (
            "delay", "status", "error", "drop_before", "malformed", "wrong_type", "never_finish", "foreign_url", "partial",
        ),
        "result": ("delay", "status", "drop_before", "malformed", "wrong_type", "expired_url"),
    }  # fmt: skip
    error_names: ClassVar = {
        "submit": (*CODES, *GATEWAY),
        "query": ("500", "501", "700", *GATEWAY),
        "status": (*sorted(set(CODES) - {"501"}), "failed"),
    }

    def __init__(
        self,
        previews: Previews,
        *,
        key: str = "sim-app",
        secret: str = "sim-secret",
        submits: int = 3,
        seconds: float = 60.0,
        trial: int = 100_000,
        purchased: int = 100_000,
        working: float = 0.0,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._previews, self._key, self._secret = previews, key, secret
        self._submits, self._seconds, self._admitted = submits, seconds, deque[float]()
        self._left = {"trial": trial, "purchased": purchased}
        self._working_time, self._clock, self._timer = working, clock, timer
        self._tasks: dict[str, Task] = {}
        self._working: set[asyncio.Task[None]] = set()

    def routes(self) -> list[Route]:
        return [
            Route("/rest/ai/virtual/tryon-pro", self.submit, methods=["POST"]),
            Route("/rest/ai/virtual/tryon", self.submit, methods=["POST"]),
            Route("/rest/ai/virtual/tryon-results", self.results, methods=["POST"]),
            Route("/cdn/{id}/{file}", self.result),
        ]

    def failure(self, status: int) -> Response:
        return JSONResponse(refused("501" if status == 429 else "500"), status)

    def named_failure(self, name: str, message: str | None) -> Response:
        return JSONResponse(refused(name, message))

    async def _answered(
        self, request: Request, on: str, answer: Callable[[Mapping[str, Any], Request], Any]
    ) -> Response:
        """Read and check the call, and keep what it was and how it ended; `answer` may raise the errors of its body."""
        raw = await request.body()
        query, form, parameters = _read(request, raw)
        record = self.recorded(request, shown(parameters))
        record |= {
            "query": {name: value for name, value in query.items() if name != "sign"},
            "trial": _on_trial(request),
        }
        try:
            check(self._key, self._secret, request.url.path.removeprefix("/rest"), query, form, self._clock())
            response: Response = JSONResponse(await answer(parameters, request))
        except SignatureError as error:
            record["why"] = str(error)
            response = JSONResponse(refused("IncompleteSignature"))
        except BadRequestError as error:
            response = JSONResponse(refused("700", f"invalid input: {error}"))
        except RefusedError as error:
            response = JSONResponse(error.answer)
        except AnswerError as answered:
            record["answered"] = answered.response.status_code
            raise
        else:
            response = await self.after(on, response)
        record["answered"] = response.status_code
        return response

    # submit

    async def submit(self, request: Request) -> Response:
        return await self._answered(request, "submit", self._accepted)

    async def _accepted(self, parameters: Mapping[str, Any], request: Request) -> dict[str, Any]:
        """Accept a task. Raises BadRequestError, RefusedError or AnswerError."""
        self.before("submit")
        admitted = self._admit()
        try:
            suit = suit_of(parameters)
            task = self._sold(suit, await scene(suit), "trial" if _on_trial(request) else "purchased")
        except (BadRequestError, RefusedError):
            if admitted in self._admitted:
                self._admitted.remove(admitted)
            raise
        return submitted(task.id, self._shape())

    def _admit(self) -> float:
        """Admit a call, and return when. Raises RefusedError.

        The time counts from the arrival, because fetching the pictures is not the caller's time.
        """
        now = self._timer()
        while self._admitted and self._admitted[0] <= now - self._seconds:
            self._admitted.popleft()
        if len(self._admitted) >= self._submits:
            raise RefusedError("501")
        self._admitted.append(now)
        return now

    def _sold(self, suit: Suit, seen: Scene, resource: str) -> Task:
        """Take from the resource and set to work. Raises RefusedError when there is not enough of it."""
        images = suit.generate_count
        if images > self._left[resource]:
            raise RefusedError("ResourcesExhausted")
        self._left[resource] -= images
        task_id = str(uuid4())
        purchase = self.purchases.add(id=task_id, charged=None, images=images, resource=resource, summary=suit.summary)
        task = self._tasks[task_id] = Task(task_id, suit, resource, purchase)
        while len(self._tasks) > TASKS_KEPT:
            del self._tasks[next(iter(self._tasks))]
        work = asyncio.create_task(self._work(task, seen))
        self._working.add(work)
        work.add_done_callback(self._working.discard)
        return task

    def _shape(self) -> Shape:
        if self.faults.take("submit", "result_object"):
            return "object"
        return "flat" if self.faults.take("submit", "result_flat") else "string"

    # work

    async def _work(self, task: Task, seen: Scene) -> None:
        await asyncio.sleep(self._working_time / 2)
        if not task.over:
            task.status = "running"
        try:
            _, files = await asyncio.gather(
                asyncio.sleep(self._working_time / 2), drawn(self._previews, task.suit, seen)
            )
        except CannotDrawError as error:
            self._fail(task, "801", f"model failed: {error}")
        except Exception:
            self._fail(task, BROKEN, BROKEN_WHY)
            raise
        else:
            self._finish(task, files)

    def _finish(self, task: Task, files: list[bytes]) -> None:
        if not task.over and (fault := self.faults.take("status", "error")):
            self._fail(task, fault.name or "", fault.message)
        if not task.over:
            task.status, task.files = "finished", {f"{number}.png": file for number, file in enumerate(files)}
            task.purchase["charged"] = True

    def _fail(self, task: Task, name: str, message: str | None = None) -> None:
        if not task.over:
            task.status, task.error = "failed", (name, message)
            task.purchase["charged"] = False
            self._left[task.resource] += task.suit.generate_count

    # query, fetch

    async def results(self, request: Request) -> Response:
        return await self._answered(request, "status", self._told)

    async def _told(self, parameters: Mapping[str, Any], request: Request) -> dict[str, Any]:
        """Answer a read of a task. Raises BadRequestError or AnswerError.

        No document says how the vendor answers for a task that does not exist.
        """
        self.before("query")
        self.before("status")
        task = self._tasks.get(task_of(parameters))
        if task is None:
            raise BadRequestError("there is no task with this task_id")
        if not task.over and (fault := self.faults.take("status", "error")):
            self._fail(task, fault.name or "", fault.message)
        if task.over and self.faults.take("status", "never_finish"):
            return queried(task.id, "running", [], "")
        if task.error:
            return failed(task.id, *task.error)
        urls = [str(request.url_for("result", id=task.id, file=name)) for name in task.files]
        if urls and self.faults.take("status", "partial"):
            urls = urls[: max(1, len(urls) // 2)]
        return queried(task.id, task.status, self.located("status", urls), task.suit.clothes_list[0].image_url)

    async def result(self, request: Request) -> Response:
        self.before("result")
        task = self._tasks.get(request.path_params["id"])
        picture = task.files.get(request.path_params["file"]) if task else None
        if picture is None:
            return Response("no such file", 404, media_type="text/plain")
        return await self.after("result", Response(picture, media_type="image/png"))


def _on_trial(request: Request) -> bool:
    return request.headers.get("x-iop-trial") == "true"


def _read(request: Request, raw: bytes) -> tuple[dict[str, str], dict[str, str], dict[str, Any]]:
    """Read the query, the form's fields signed with it, and the API's own parameters, of the body and the query."""
    query = dict(request.query_params)
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        form = dict(parse_qsl(raw.decode(errors="replace"), keep_blank_values=True))
        return query, form, {name: value for name, value in (form | query).items() if name not in SYSTEM}
    try:
        body = json.loads(raw)
    except ValueError:
        body = {}
    own = {name: value for name, value in query.items() if name not in SYSTEM}
    return query, {}, own | (body if isinstance(body, dict) else {})
