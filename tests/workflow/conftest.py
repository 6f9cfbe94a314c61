"""The deployment in memory and the simulators over HTTP, for tests of a whole job without a cloud."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from fitting_room.stores import media
from local.simulators.aidge.app import Aidge
from local.simulators.astria.app import Astria
from local.simulators.fal.app import Fal
from local.simulators.gemini.app import Gemini
from local.simulators.kit.previews import Previews
from local.simulators.kit.server import Simulator, running
from local.simulators.predictions.fashn import Fashn
from local.simulators.predictions.tryiton import TryItOn
from tests.contract.conftest import Running, StandInEngine
from tests.integration.conftest import world
from tests.integration.world import World

__all__ = ["world"]

WORK = 0.2
"""Seconds that a vendor works on a job: a job can fail only while it is worked on."""


@pytest.fixture(scope="module")
def simulators() -> Iterator[dict[str, Running]]:
    """One of each external vendor, with more credits and room than any test uses up."""
    previews = Previews(StandInEngine())
    vendors: dict[str, Simulator] = {
        "tryiton": TryItOn(previews, seconds=WORK),
        "fashn": Fashn(previews, seconds=WORK),
        "astria": Astria(previews),
        "aidge": Aidge(previews, submits=1000, working=WORK),
        "fal": Fal(previews, seconds=WORK),
        "gemini": Gemini(previews),
    }
    with ExitStack() as stack:
        yield {name: Running(vendor, stack.enter_context(running(vendor.app()))) for name, vendor in vendors.items()}
    previews.close()


@pytest.fixture
def links(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Presigned links that a vendor on this machine can follow: the buckets in memory have no server of their own."""

    class Bucket(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = media.read(self.path[1:].partition("?")[0])
            self.send_response(404 if data is None else 200)
            self.send_header("Content-Type", f"image/{self.path.partition('?')[0].rpartition('.')[2]}")
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    Thread(target=server.serve_forever, daemon=True).start()
    at = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(media, "link", lambda key, **_: f"{at}/{key}?X-Amz-Signature=signed")
    yield
    server.shutdown()
    server.server_close()
