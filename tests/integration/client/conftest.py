"""The client before the real API: httpx's transport is exchanged for the API's handler and the two buckets."""

from __future__ import annotations

import email
import email.policy
import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.client import Do, StillClock, doing
from tests.integration.functions.events import CONTEXT, event
from tests.integration.world import INBOX, MEDIA, TENANT, Vendor, World, picture


@dataclass
class Deployment:
    """Everything that answers HTTP. `before` and `after` may give another answer than the deployment's, or raise one."""

    world: World
    handler: Any
    requests: list[httpx.Request] = field(default_factory=list)
    before: Callable[[httpx.Request], httpx.Response | None] = lambda _: None
    after: Callable[[httpx.Request], httpx.Response | None] = lambda _: None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.before(request) or self._answer(request, self._real(request))

    def _answer(self, request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        return self.after(request) or answer

    def _real(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "api.example":
            return self._api(request)
        if request.method == "POST":
            return self._receive(request)
        return httpx.Response(200, content=self.world.read(request.url.path.lstrip("/"), MEDIA))

    def _api(self, request: httpx.Request) -> httpx.Response:
        headers, text = (
            {name.lower(): value for name, value in request.headers.items()},
            request.content.decode() or None,
        )
        query = dict(request.url.params) or None
        asked = event(request.method, request.url.path, text, headers=headers, query=query)
        answer = self.handler(asked, CONTEXT)
        return httpx.Response(answer["statusCode"], headers=answer["headers"], text=answer["body"])

    def _receive(self, request: httpx.Request) -> httpx.Response:
        """Take a form as S3 does."""
        raw = b"Content-Type: " + request.headers["content-type"].encode() + b"\r\n\r\n" + request.content
        parts = email.message_from_bytes(raw, policy=email.policy.HTTP).iter_parts()
        form: dict[Any, Any] = {
            part.get_param("name", header="content-disposition"): part.get_payload(decode=True) for part in parts
        }
        assert list(form)[-1] == "file"  # S3 ignores what comes after it
        folder, _, name = form["key"].decode().rpartition("/")
        self.world.put(name, form["file"], folder=folder, bucket=INBOX)
        return httpx.Response(204)

    def stored(self, job_id: str, name: int | str = 1) -> bytes:
        """An image in the media bucket."""
        return self.world.read(f"results/{TENANT}/{job_id}/{name}.png", MEDIA)

    def sent(self, method: str, path: str) -> list[httpx.Request]:
        return [asked for asked in self.requests if (asked.method, asked.url.path) == (method, path)]


@pytest.fixture
def deployment(world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    world.configure("tryiton")
    handler = importlib.import_module("functions.http.api.handler")
    monkeypatch.setattr(handler, "clock", world.at)
    return Deployment(world, handler.handler)


@pytest.fixture
def clock(deployment: Deployment) -> StillClock:
    """While the client pauses, every job that waits is run to its end."""
    clock, ran = StillClock(), set[str]()

    def meanwhile(seconds: float) -> None:
        deployment.world.at.sleep(seconds)
        for name in deployment.world.executions():
            if name not in ran:
                ran.add(name)
                deployment.world.run(name)

    clock.meanwhile = meanwhile
    return clock


@pytest.fixture(params=["blocking", "awaiting"])
def do(request: pytest.FixtureRequest, deployment: Deployment, clock: StillClock) -> Do:
    return doing(request.param, deployment, clock)


@pytest.fixture
def person(tmp_path: Path) -> Path:
    path = tmp_path / "person.png"
    path.write_bytes(picture(360, 540))
    return path


@pytest.fixture
def tee(tmp_path: Path) -> Path:
    path = tmp_path / "tee.jpg"  # its name is wrong; the bytes decide
    path.write_bytes(picture(200, 200, "navy"))
    return path
