"""Every adapter and every odd answer to a read of a paid job: none says anything about the job, and the next read has it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fitting_room.jobs.outcome import Failed, Finished, Pending, Reading, Ready, Unread
from fitting_room.providers import catalogue
from fitting_room.providers.adapter import Order, Reference
from local.simulators.aidge.app import Aidge
from local.simulators.astria.app import Astria
from local.simulators.fal.app import Fal
from local.simulators.kit.previews import Previews
from local.simulators.kit.server import Simulator, running
from local.simulators.predictions.fashn import Fashn
from local.simulators.predictions.tryiton import TryItOn
from tests.contract.conftest import Running, StandInEngine, encoded
from tests.contract.orders import IMAGE, connection, order, try_on
from tests.contract.vendor import vendor

PERSON = encoded(Image.linear_gradient("L").resize((384, 512)).convert("RGB"))
GARMENT = encoded(Image.new("RGB", (400, 400), "teal"))
PICTURES = {"person": PERSON, "picture": PERSON, "garment": GARMENT}
TRAINING = {
    "task": "train_subject",
    "kind": "person",
    "class_name": "woman",
    "pictures": [IMAGE] * 2,
    "provider": "astria/sd15",
}
ASTRIA = try_on(garment={"category": "one_piece"}, provider_options={"astria": {"person_class": "woman"}})


class Case(NamedTuple):
    """`on`: the simulator's name of the read. `base`: the path of the vendor's API."""

    provider: str
    make: Callable[[Previews], Simulator]
    body: dict[str, Any]
    on: str = "status"
    base: str = ""
    key: str = "sim-local"


CASES = {
    "tryiton": Case("tryiton", TryItOn, try_on(), base="/api/v1"),
    "fashn": Case("fashn", Fashn, try_on(), base="/v1"),
    "astria": Case("astria", Astria, ASTRIA, key="sd_sim-key"),
    "astria, training": Case("astria", Astria, TRAINING, on="tune_status", key="sd_sim-key"),
    "fal": Case("fal", Fal, try_on()),
    "fal, result": Case("fal", Fal, try_on(), on="output"),
    "aidge": Case("aidge", Aidge, try_on(), base="/rest", key='{"app_key": "sim-app", "app_secret": "sim-secret"}'),
}


class Line(NamedTuple):
    """A job that its vendor is done with, and how it is read."""

    simulator: Running
    on: str
    read: Callable[[], Reading]


@pytest.fixture(scope="module")
def lines() -> Iterator[dict[str, Line]]:
    previews = Previews(StandInEngine())
    with ExitStack() as stack:
        media = stack.enter_context(running(Starlette(routes=[Route("/{role}", _picture)])))
        found = {}
        for name, case in CASES.items():
            made = case.make(previews)
            simulator = Running(made, stack.enter_context(running(made.app())))
            stack.callback(simulator.close)
            found[name] = _bought(case, simulator, media)
        yield found
    previews.close()


async def _picture(request: Request) -> Response:
    role = request.path_params["role"].partition("-")[0]
    return Response(base64.b64decode(PICTURES[role]), media_type="image/png")


def _bought(case: Case, simulator: Running, media: str) -> Line:
    line = catalogue.adapter(case.provider).connect(connection(f"{simulator.url}{case.base}", case.key))
    wanted = _order(case, line, media)
    submitted = line.start(wanted)
    assert isinstance(submitted, Pending), submitted
    for _ in range(2000):
        if not isinstance(line.poll(wanted, submitted.provider_job_id), Pending):
            break
    return Line(simulator, case.on, lambda: line.poll(wanted, submitted.provider_job_id))


def _order(case: Case, line: Any, media: str) -> Order:
    files = {role: base64.b64decode(data) for role, data in PICTURES.items()}
    plain = order(case.provider, case.body, pictures=files, size=(384, 512))
    linked = {role: replace(each, link=lambda role=role: f"{media}/{role}") for role, each in plain.inputs.items()}
    kinds = catalogue.entry(case.provider).references(plain.request)
    references = {
        role: line.register(Reference(linked[role], kind, f"{kind.class_name} {role}", plain.model))
        for role, kind in kinds.items()
    }
    return replace(plain, inputs=linked, references=references)


FAILURES = [
    {"status": "failed", "error": {"name": "ImageLoadError", "message": "?"}},
    {"user_error": "NSFW"},
    {"resCode": "1002", "success": "false", "data": {"taskStatus": "failed"}},
]
"""What each vendor says of a job that failed."""
STATUSES = (302, 400, 401, 402, 403, 404, 408, 409, 410, 418, 422, 423, 425, 429, 451, 500, 502, 503, 504, 529)
WRONG_TYPES: list[Any] = [
    [],
    {},
    None,
    "completed",
    17,
    [[]],
    {"id": {}, "status": ["completed"], "images": "x", "trained_at": [], "data": 5},
    {"id": 1, "status": "completed", "output": {"0": "https://cdn/1.png"}, "images": [None], "trained_at": 5},
    {"id": 1, "status": 5, "images": {"0": 1}, "trained_at": {}, "data": {"taskStatus": ["finished"]}},
]
ODD: dict[str, tuple[dict[str, Any], str]] = {
    # an answer of the provider or of a proxy before it, and what an operator reads of it
    **{f"{status}": ({"kind": "status", "status": status}, f"HTTP {status}") for status in STATUSES},
    **{
        f"{status} that tells of a failure, {n}": ({"kind": "status", "status": status, "body": body}, f"HTTP {status}")
        for status in (401, 403, 404, 410, 500)
        for n, body in enumerate(FAILURES)
    },
    "404 in HTML": ({"kind": "status", "status": 404, "body": "<html>"}, "HTTP 404"),
    "HTML": ({"kind": "wrong_type"}, "malformed"),
    "half JSON": ({"kind": "malformed"}, "malformed"),
    "empty": ({"kind": "malformed", "body": ""}, "malformed"),
    "deep": ({"kind": "malformed", "body": "[" * 50_000}, "malformed"),
    "a reset": ({"kind": "drop_before"}, "RemoteProtocolError"),
    **{
        f"wrong types: {json.dumps(body)}": ({"kind": "malformed", "body": json.dumps(body)}, "malformed")
        for body in WRONG_TYPES
    },
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", CASES)
def test_an_odd_answer_to_a_read_says_nothing_of_the_job(lines: dict[str, Line], name: str, odd: str) -> None:
    line = lines[name]
    fault, why = ODD[odd]
    answer = line.simulator.fault(on=line.on, times=1, **fault)
    assert answer.is_success, answer.text
    reading = line.read()
    assert isinstance(reading, Unread), reading
    assert reading.why in (why, "ReadError") if why == "RemoteProtocolError" else reading.why == why
    assert reading.status == (None if fault["kind"] == "drop_before" else fault.get("status", 200))
    assert isinstance(line.read(), Ready | Finished), "the next read has the job"


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("name", CASES)
def test_how_long_a_vendor_wants_to_be_left_alone_is_passed_on(lines: dict[str, Line], name: str, status: int) -> None:
    line = lines[name]
    line.simulator.fault(on=line.on, kind="status", status=status, times=1, headers={"Retry-After": "45"})
    assert line.read() == Unread(f"HTTP {status}", status, 45, made=status != 429)


@pytest.mark.parametrize("name", CASES)
def test_nobody_answers(name: str) -> None:
    case = CASES[name]
    with vendor() as gone:
        url = gone.url
    line = catalogue.adapter(case.provider).connect(connection(url, case.key))
    reading = line.poll(order(case.provider, case.body), "1/2" if name == "astria" else "1")
    assert reading == Unread("ConnectError", made=False)


WRONG_KEYS = {"aidge": '{"app_key": "sim-app", "app_secret": "another"}'}


@pytest.mark.parametrize("wrong", ["key", "job"])
@pytest.mark.parametrize("name", CASES)
def test_a_key_that_is_refused_or_does_not_know_the_job_is_told_as_such(
    lines: dict[str, Line], name: str, wrong: str
) -> None:
    """Poll then tries the key before the last change, however the vendor says so."""
    case = CASES[name]
    key = WRONG_KEYS.get(name, "another") if wrong == "key" else case.key
    line = catalogue.adapter(case.provider).connect(connection(f"{lines[name].simulator.url}{case.base}", key))
    job = {"astria": "1/2", "fal": "fal-ai/fashn/requests/1"}.get(case.provider, "1")
    reading = line.poll(order(case.provider, case.body), job)
    assert isinstance(reading, Unread) and reading.status in (401, 403, 404), reading


@pytest.mark.parametrize("name", ["tryiton", "fashn", "astria", "aidge"])
def test_the_vendors_word_in_a_read_that_succeeds_counts(lines: dict[str, Line], name: str) -> None:
    line = lines[name]
    told = {
        "tryiton": {"id": "1", "status": "failed", "error": {"name": "PoseError", "message": "?"}},
        "fashn": {"id": "1", "status": "failed", "error": {"name": "PoseError", "message": "?"}},
        "astria": {"id": 1, "images": [], "user_error": "it failed"},
        "aidge": {"code": "0", "data": {"taskStatus": "failed"}},
    }[name]
    line.simulator.fault(on=line.on, kind="malformed", body=told, times=1)
    assert isinstance(line.read(), Failed)
