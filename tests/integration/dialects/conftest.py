"""The API on a loopback port, as a vendor's own client meets it: its base URL and its key are changed, and nothing else."""

from __future__ import annotations

import importlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import fashn
import httpx
import pytest
from tryiton import TryItOn
from werkzeug.serving import WSGIRequestHandler, make_server

from fitting_room.settings import settings
from tests.integration.functions.events import CONTEXT, event
from tests.integration.functions.gateway import gateway
from tests.integration.world import LIVE_KEY, World


class _Quiet(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        pass


@dataclass
class Api:
    """`cuts`: for each of the next requests, whether its connection breaks before the function runs, after it, or not."""

    url: str
    world: World
    function: Callable[[dict[str, Any], Any], dict[str, Any]]
    cuts: list[str | None] = field(default_factory=list)
    sent: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path and retry count of each request."""
    meanwhile: Callable[[], object] = lambda: None
    """What happens in the world after a cut."""

    def fashn(self, key: str = LIVE_KEY, **more: Any) -> fashn.Fashn:
        http = httpx.Client(trust_env=False)
        return fashn.Fashn(api_key=key, base_url=f"{self.url}/dialects/fashn", http_client=http, **more)

    def tryiton(self, key: str = LIVE_KEY) -> TryItOn:
        return TryItOn(key, base_url=f"{self.url}/dialects/tryiton")

    def call(self, method: str, path: str, key: str | None = LIVE_KEY, **more: Any) -> httpx.Response:
        headers = {**({"authorization": f"Bearer {key}"} if key else {}), **more.pop("headers", {})}
        return httpx.request(method, f"{self.url}/dialects{path}", headers=headers, trust_env=False, **more)

    def send(self, method: str, path: str, body: Any) -> dict[str, Any]:
        """What the function answers to a body, without a connection."""
        headers = {"authorization": f"Bearer {LIVE_KEY}", "content-type": "application/json"}
        answer: dict[str, Any] = self.function(
            event(method, f"/dialects{path}", json.dumps(body), headers=headers), CONTEXT
        )
        return answer

    def jobs(self) -> list[str]:
        """The ids of all jobs, the oldest first: each is a purchase."""
        return sorted({str(item["id"]) for item in self.world.items() if item["sk"] == "JOB"})


@pytest.fixture
def api(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    handler = importlib.import_module("functions.http.api.handler")
    monkeypatch.setattr(handler, "clock", world.at)
    application = gateway(handler.handler)
    api = Api("", world, handler.handler)

    def cutting(environ: dict[str, Any], start: Any) -> Any:
        api.sent.append(
            (
                environ["REQUEST_METHOD"],
                environ["PATH_INFO"].removeprefix("/dialects"),
                environ.get("HTTP_X_STAINLESS_RETRY_COUNT", ""),
            )
        )
        cut = api.cuts.pop(0) if api.cuts else None
        if cut == "before":
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            return [b""]
        answer = application(environ, start)
        if cut == "after":
            api.meanwhile()
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return answer

    server = make_server("127.0.0.1", 0, cutting, threaded=True, request_handler=_Quiet)
    api.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("API_URL", api.url)
    settings.cache_clear()
    for pause in ("INITIAL_RETRY_DELAY", "MAX_RETRY_DELAY"):  # before the client's own retry
        monkeypatch.setattr(f"fashn._base_client.{pause}", 0.0)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield api
    server.shutdown()
    thread.join(10)
    server.server_close()
    settings.cache_clear()
