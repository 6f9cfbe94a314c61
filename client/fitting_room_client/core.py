"""Each call of the API as a flow. `FittingRoom` and `AsyncFittingRoom` run them, and add nothing."""

from __future__ import annotations

import math
import os
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import date, datetime, timezone
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from fitting_room_client.errors import AnswerLost, DeadlinePassed, FittingRoomError, JobFailed
from fitting_room_client.flow import Clock, Flow, Pause
from fitting_room_client.models import Answer, Erased, Estimate, Fault, Image, Job, Page, Provider, Upload
from fitting_room_client.requests import bad, bytes_of, content_type
from fitting_room_client.results import Picture, Result
from fitting_room_client.retries import LAST_TRY, persist, refusal, retry_after

CALL_SECONDS = 60.0
"""How long a call that waits for no job may take, its repetitions included."""
JOB_SECONDS = 600.0
LOOK_SECONDS = 2.0
"""Between two looks at a job, where the API names no time."""
SERVER_WAITS = 25
"""Seconds that the API is asked to hold a submit, so that a quick job needs no second call."""
NOT_SENT = "upl_" + "0" * 26
"""Stands for a file in an estimate, which looks at no image."""
OnChange = Callable[[Job], object]
A = TypeVar("A", bound=Answer)


class Core:
    def __init__(self, url: str | None, key: str | None, tries: int, clock: Clock) -> None:
        """Read `FITTING_ROOM_URL` and `FITTING_ROOM_KEY` of the environment for what is None. Raises `BadInput`."""
        self.url = (url or os.environ.get("FITTING_ROOM_URL", "")).strip().rstrip("/")
        self._key = (key or os.environ.get("FITTING_ROOM_KEY", "")).strip()
        self._tries, self.clock = tries, clock
        if not self.url.startswith(("https://", "http://")):
            raise bad("url", "The address of the API is missing.", "Set FITTING_ROOM_URL to https://...")
        if not re.fullmatch("[!-~]+", self._key):  # of another key httpx would complain, and repeat it in the traceback
            raise bad("key", "The API key is missing or is none.", "Set FITTING_ROOM_KEY to fr_live_... or fr_test_...")

    def until(self, seconds: float) -> float:
        return self.clock.now() + seconds

    # ------------------------------------------------------------------------------------------------ try-ons and jobs
    def try_on(
        self, request: Mapping[str, Any], key: str | None, deadline: float, see: OnChange | None
    ) -> Flow[Result]:
        until = self.until(deadline)
        answer = yield from self._submitted(request, key, until, hold=see is None)
        submitted = read(Job, answer)
        try:
            job = yield from self.wait(submitted, until, see, retry_after(answer))
            return (yield from self.pictures(job, until))
        except FittingRoomError as error:
            error.job = error.job or submitted
            raise

    def submit(self, request: Mapping[str, Any], key: str | None) -> Flow[Job]:
        return read(Job, (yield from self._submitted(request, key, self.until(CALL_SECONDS))))

    def _submitted(
        self, request: Mapping[str, Any], key: str | None, until: float, *, hold: bool = False
    ) -> Flow[httpx.Response]:
        """Upload the files of the request, and submit it with one key however often it is sent."""
        body = yield from self._uploaded(request, "", until, {})
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        if hold and (seconds := int(min(SERVER_WAITS, until - self.clock.now()))) > 0:
            headers["Prefer"] = f"wait={seconds}"
        try:
            return (yield from self._ask("POST", "/v1/jobs", until=until, json=body, headers=headers))
        except AnswerLost as lost:
            remedy = "The job may exist. Submit `request` of this error again, with its `idempotency_key`."
            error = AnswerLost(lost.faults[0].model_copy(update={"remedy": remedy}))
            error.request, error.idempotency_key = body, headers["Idempotency-Key"]
            raise error from lost

    def wait(self, job: Job | str, until: float, see: OnChange | None = None, pause: float | None = None) -> Flow[Job]:
        """Look at a job after `pause` seconds, and until it is done. Raises `DeadlinePassed`."""
        seen = job if isinstance(job, Job) else Job(id=job)
        if see and seen.step:
            see(seen)
        while not seen.done:
            left = until - self.clock.now() - LAST_TRY
            if seen.step and left <= 0:
                raise DeadlinePassed(seen)
            yield Pause(max(0.0, min(pause or 0.0, left)))
            # the network may be away for a while
            answer = yield from self._ask("GET", _path(seen.id), until=until, tries=math.inf)
            before, seen = seen, read(Job, answer)
            pause = retry_after(answer) or LOOK_SECONDS
            if see and seen.step != before.step:
                see(seen)
        return seen

    def pictures(self, job: Job, until: float) -> Flow[Result]:
        """Download the images of a job that was read a moment ago. Raises `JobFailed` if it has none."""
        if job.status != "succeeded":
            raise JobFailed(job)
        images = []
        for image in job.images:
            images.append((yield from self._download(image, until)))  # noqa: PERF401  a comprehension cannot yield
        mask = (yield from self._download(job.mask, until)) if job.mask else None
        return Result(job, images, mask)

    def result(self, job_id: str) -> Flow[Result]:
        until = self.until(CALL_SECONDS)
        job = yield from self.job("GET", job_id)
        return (yield from self.pictures(job, until))

    def job(self, method: str, job_id: str, action: str = "", body: Mapping[str, Any] | None = None) -> Flow[Job]:
        """Get a job, or do something to it that answers a job."""
        return read(Job, (yield from self._ask(method, _path(job_id) + action, json=body)))

    def delete(self, job_id: str) -> Flow[Erased]:
        return read(Erased, (yield from self._ask("DELETE", _path(job_id))))

    def page(self, limit: int, cursor: str | None, filters: Mapping[str, str | datetime | None]) -> Flow[Page]:
        query = {"limit": str(limit), "cursor": cursor, **{name: _text(value) for name, value in filters.items()}}
        return read(Page, (yield from self._ask("GET", "/v1/jobs", query=query)))

    # -------------------------------------------------------------------------------------------------- everything else
    def upload(self, image: bytes, until: float, pointer: str = "") -> Flow[Upload]:
        return (yield from self.store(image, content_type(image, pointer), until))

    def store(self, content: bytes, kind: str, until: float) -> Flow[Upload]:
        asked = {"content_type": kind, "bytes": len(content)}
        made = read(Upload, (yield from self._ask("POST", "/v1/uploads", until=until, json=asked)))
        form, files = made.post["fields"], {"file": content}

        def build() -> httpx.Request:
            return httpx.Request("POST", made.post["url"], data=form, files=files)

        sent = yield from persist(build, until, self._tries, self.clock)
        if not sent.is_success:
            raise refusal(sent)
        return made

    def estimate(self, request: Mapping[str, Any]) -> Flow[Estimate]:
        return read(Estimate, (yield from self._ask("POST", "/v1/jobs/estimate", json=_unsent(request))))

    def providers(self) -> Flow[list[Provider]]:
        answer = yield from self._ask("GET", "/v1/providers")
        return [Provider.model_validate(item) for item in _decoded(answer)["items"]]

    def usage(self, since: date | str | None, until: date | str | None, by: str | None) -> Flow[dict[str, Any]]:
        query = {"from": _text(since), "to": _text(until), "by": by}
        return dict(_decoded((yield from self._ask("GET", "/v1/usage", query=query))))

    def _ask(
        self,
        method: str,
        path: str,
        *,
        until: float | None = None,
        json: Any = None,
        query: Mapping[str, str | None] | None = None,
        headers: Mapping[str, str] | None = None,
        tries: float | None = None,
    ) -> Flow[httpx.Response]:
        """Ask the API; only it gets the key. It may answer where to look instead.

        Raises `Refused`, `NotDelivered` or `AnswerLost`.
        """
        given = {name: value for name, value in (query or {}).items() if value is not None}
        sent = {"Authorization": f"Bearer {self._key}", "User-Agent": "fitting-room-python", **(headers or {})}

        def build() -> httpx.Request:
            return httpx.Request(method, self.url + path, json=json, params=given or None, headers=sent)

        until = self.until(CALL_SECONDS) if until is None else until
        answer = yield from persist(build, until, tries or self._tries, self.clock)
        if not answer.is_success and answer.status_code != 303:
            raise refusal(answer)
        return answer

    def _uploaded(self, value: Any, pointer: str, until: float, ids: dict[Any, str]) -> Flow[Any]:
        """Put an upload's id in the place of each file in a request. `ids`: of the files that were uploaded already."""
        if isinstance(value, bytes | os.PathLike):
            if value not in ids:
                data = value if isinstance(value, bytes) else bytes_of(value, pointer)
                ids[value] = (yield from self.upload(data, until, pointer)).id
            return {"upload": ids[value]}
        if isinstance(value, Mapping):
            done = {}
            for name, part in value.items():
                done[name] = yield from self._uploaded(part, f"{pointer}/{name}", until, ids)
            return done
        if isinstance(value, list | tuple):
            parts = []
            for n, part in enumerate(value):
                parts.append((yield from self._uploaded(part, f"{pointer}/{n}", until, ids)))
            return parts
        return value

    def _download(self, image: Image, until: float) -> Flow[Picture]:
        return Picture(image, (yield from self.fetch(image.url or "", until)))

    def fetch(self, link: str, until: float) -> Flow[bytes]:
        def build() -> httpx.Request:
            request = httpx.Request("GET", link)
            request.url = _Signed(request.url)
            return request

        answer = yield from persist(build, until, self._tries, self.clock)
        if not answer.is_success:
            raise refusal(answer)
        return answer.content


class _Signed(httpx.URL):
    """A link that shows a photo to anybody who has it. httpx writes every address that it asks into its log."""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}{self.path}"


def _path(job_id: str) -> str:
    return f"/v1/jobs/{quote(job_id, safe='')}"


def read(model: type[A], answer: httpx.Response) -> A:
    try:
        return model.model_validate(_decoded(answer))
    except ValidationError as error:
        [first, *_] = error.errors(include_url=False, include_input=False)
        raise _stranger(answer, f"{'/'.join(map(str, first['loc']))}: {first['msg']}") from None


def _decoded(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        raise _stranger(answer, "it is no JSON") from None


def _stranger(answer: httpx.Response, why: str) -> FittingRoomError:
    detail = f"The answer of {answer.url.host} is not what the API answers: {why}."
    return FittingRoomError(Fault(code="unexpected_answer", detail=detail, remedy="Check the address and the version."))


def _unsent(value: Any) -> Any:
    if isinstance(value, bytes | os.PathLike):
        return {"upload": NOT_SENT}
    if isinstance(value, Mapping):
        return {name: _unsent(part) for name, part in value.items()}
    return [_unsent(part) for part in value] if isinstance(value, list | tuple) else value


def _text(value: date | str | None) -> str | None:
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat()
    return None if value is None else str(value)
