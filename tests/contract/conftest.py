"""The simulators over real HTTP, drawing with a stand-in engine that is quick; `real_*` fixtures draw with the real one."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from PIL import Image, PngImagePlugin

from fitting_room.jobs.outcome import Failed, Ready
from local.simulators.bedrock.app import Bedrock
from local.simulators.fal.app import Fal
from local.simulators.gemini.app import Gemini
from local.simulators.kit.previews import Previews
from local.simulators.kit.server import Simulator, running
from local.simulators.predictions.fashn import Fashn
from local.simulators.predictions.tryiton import TryItOn

SAMPLES = Path(__file__).parents[2] / "local" / "samples"


class NoBodyError(ValueError):
    """What the stand-in engine raises where the real one finds nobody."""


class Drawn(NamedTuple):
    image: Image.Image
    mask: Image.Image


class StandInEngine:
    """Paints a patch that depends on the seed. A wholly black person picture is nobody.

    `crashes`: the next drawings that fail with an error which is not about the pictures.
    """

    PreviewError = NoBodyError

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.crashes = 0

    def try_on(self, person: Image.Image, garment: Image.Image, **options: Any) -> Drawn:
        self.calls.append(options | {"size": person.size})
        if self.crashes:
            self.crashes -= 1
            raise IndexError("vector::_M_range_check: __n (which is 30) >= this->size() (which is 30)")
        if person.convert("L").getextrema() == (0, 0):
            raise NoBodyError("no person was found in the picture")
        image, mask = person.copy(), Image.new("L", person.size, 255)
        box = (100, 100, 200, 200)
        image.paste((options["seed"] % 256, 60, 90), box)
        mask.paste(0, box)
        return Drawn(image, mask)

    def png(self, image: Image.Image, label: Mapping[str, str]) -> bytes:
        out, info = io.BytesIO(), PngImagePlugin.PngInfo()
        info.add_text("label", json.dumps(dict(label)))
        image.save(out, "PNG", pnginfo=info, compress_level=1)
        return out.getvalue()


class Running:
    """A simulator under test and its `/_sim` routes."""

    def __init__(self, simulator: Simulator, url: str) -> None:
        self.simulator, self.url = simulator, url
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=10)

    def fault(self, **fault: Any) -> httpx.Response:
        return self._http.post("/_sim/faults", json=fault)

    def purchases(self) -> list[dict[str, Any]]:
        return list(self._http.get("/_sim/purchases").json()["purchases"])

    def requests(self) -> list[dict[str, Any]]:
        return list(self._http.get("/_sim/requests").json()["requests"])

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self._http.request(method, path, **options)

    def fresh(self) -> Running:
        for what in ("purchases", "requests", "faults"):
            self._http.delete(f"/_sim/{what}")
        return self

    def close(self) -> None:
        self._http.close()


def _serving(simulator: Simulator, previews: Previews) -> Iterator[Running]:
    with running(simulator.app()) as url:
        served = Running(simulator, url)
        yield served
        served.close()
    previews.close()


@pytest.fixture(scope="session")
def engine() -> StandInEngine:
    return StandInEngine()


@pytest.fixture
def broken_engine(engine: StandInEngine) -> Iterator[StandInEngine]:
    """Crashes at every drawing, until the test sets `crashes`."""
    engine.crashes = 1000
    yield engine
    engine.crashes = 0


def assert_the_simulator_is_named(outcome: Any) -> None:
    """Not the vendor, in any word of what a client reads; and nothing was bought."""
    assert isinstance(outcome, Failed), outcome
    assert (outcome.fault.code, outcome.charged, outcome.fault.retryable) == ("provider_error", "no", False)
    assert (
        outcome.fault.detail
        == "The simulator of the local cloud failed. No provider was called, and nothing was bought."
    )
    assert outcome.fault.remedy == "Look for the cause in .local/logs/simulators.log."


@pytest.fixture(scope="session")
def _bedrock(engine: StandInEngine) -> Iterator[Running]:
    previews = Previews(engine)
    yield from _serving(Bedrock(previews), previews)


@pytest.fixture
def bedrock_simulator(_bedrock: Running) -> Running:
    _bedrock.call("POST", "/_sim/model", json={"state": "active"})
    return _bedrock.fresh()


@pytest.fixture
def tryiton_simulator(engine: StandInEngine) -> Iterator[Running]:
    """Its own server for each test, as its credits and jobs outlive a reset."""
    previews = Previews(engine)
    yield from _serving(TryItOn(previews, credits=20), previews)


@pytest.fixture
def fashn_simulator(engine: StandInEngine) -> Iterator[Running]:
    """Its own server for each test, as its credits and jobs outlive a reset."""
    previews = Previews(engine)
    yield from _serving(Fashn(previews, credits=20), previews)


@pytest.fixture
def fal_simulator(engine: StandInEngine) -> Iterator[Running]:
    """Its own server for each test, as its jobs outlive a reset."""
    previews = Previews(engine)
    yield from _serving(Fal(previews), previews)


@pytest.fixture
def gemini_simulator(engine: StandInEngine) -> Iterator[Running]:
    previews = Previews(engine)
    yield from _serving(Gemini(previews), previews)


@pytest.fixture(scope="session")
def real_previews() -> Iterator[Previews]:
    previews = Previews()
    yield previews
    previews.close()


@pytest.fixture
def in_parallel() -> Callable[[int, Callable[[], Any]], list[Any]]:
    """Calls the function n times at once; the results, or the first exception."""

    def run(n: int, function: Callable[[], Any]) -> list[Any]:
        with ThreadPoolExecutor(n) as pool:
            return [future.result() for future in [pool.submit(function) for _ in range(n)]]

    return run


def fetched(outcome: Any) -> list[bytes]:
    """The images of a job that its vendor calls done."""
    assert isinstance(outcome, Ready), outcome
    return [httpx.get(url, trust_env=False).raise_for_status().content for url in outcome.addresses]


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> str:
    """Raw base64 of the picture's file."""
    out = io.BytesIO()
    image.save(out, format, **options)
    return base64.b64encode(out.getvalue()).decode()
