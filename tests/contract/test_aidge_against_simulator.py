"""The Aidge adapter on its simulator: every way to speak that a stage may choose, and each field of a request broken."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fitting_room.jobs.outcome import Failed, Pending, Ready, Unread
from fitting_room.providers.adapter import Order
from fitting_room.providers.aidge import adapter, body
from fitting_room.providers.aidge.entry import AidgeSettings
from local.simulators.aidge.app import Aidge
from local.simulators.kit.previews import Previews
from local.simulators.kit.server import running
from tests.contract.conftest import Running, StandInEngine, assert_the_simulator_is_named, fetched
from tests.contract.leaves import leaves, objects, removed, replaced, with_stranger, wrong_values
from tests.contract.orders import IMAGE, connection, order, try_on

KEY = json.dumps({"app_key": "sim-app", "app_secret": "sim-secret"})
SUIT = [{"image": IMAGE, "category": "tops"}, {"image": IMAGE, "category": "bottoms"}]
TRAITS = {"gender": "male", "style": "universal_2", "age": "young_adult", "body": "curvy"}
ASKED: dict[str, dict[str, Any]] = {
    "suit on traits": {
        **try_on(),
        "person": {"stock": TRAITS},
        "garments": SUIT,
        "output": {"count": 2},
        "provider_options": {"aidge": {"view": "halfbody", "quality_detect": False}},
    },
    "name": {**try_on(), "person": {"stock": {"name": "James"}}},
    "person": try_on(garment={"category": "auto"}),
    "photos": {
        **try_on(garment={"category": "one_piece"}),
        "person": {"photos": [IMAGE, IMAGE]},
        "output": {"count": 2},
    },
}


def png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue()


PICTURES = {
    "person": png(Image.linear_gradient("L").resize((384, 512)).convert("RGB")),
    "garment": png(Image.new("RGB", (400, 400), "teal")),
}
PICTURES["photo"] = PICTURES["person"]


@pytest.fixture(scope="module")
def media() -> Iterator[str]:
    """Where our links lead: `{url}/{role}`."""

    async def picture(request: Request) -> Response:
        return Response(PICTURES[request.path_params["role"].partition("-")[0]], media_type="image/png")

    with running(Starlette(routes=[Route("/{role}", picture)])) as url:
        yield url


@pytest.fixture
def simulator(engine: StandInEngine) -> Iterator[Running]:
    previews = Previews(engine)
    vendor = Aidge(previews, submits=10_000)
    with running(vendor.app()) as url:
        served = Running(vendor, url)
        yield served
        served.close()
    previews.close()


def wanted(media: str, asked: str = "person", **fields: Any) -> Order:
    """Its links lead to `media`."""
    plain = order("aidge", {**ASKED[asked], **fields}, pictures=PICTURES)
    inputs = {role: replace(each, link=lambda role=role: f"{media}/{role}") for role, each in plain.inputs.items()}
    return replace(plain, inputs=inputs)


def client(simulator: Running, key: str = KEY, **settings: Any) -> adapter.Aidge:
    return adapter.connect(connection(f"{simulator.url}/rest", key, settings=AidgeSettings(**settings)))


def bought(vendor: adapter.Aidge, order: Order) -> Any:
    """The end of a task whose results are asked for again until they are told, whatever befalls a read."""
    outcome: Any = vendor.start(order)
    submitted = outcome
    for _ in range(2000):
        if not isinstance(outcome, Pending | Unread):
            return outcome
        outcome = vendor.poll(order, submitted.provider_job_id)
    raise AssertionError("the simulator never finished")


def test_a_simulator_that_breaks_is_not_taken_for_aidge(
    simulator: Running, media: str, broken_engine: StandInEngine
) -> None:
    assert_the_simulator_is_named(bought(client(simulator), wanted(media)))


# what a stage may choose


@pytest.mark.parametrize(
    ("sign", "payload", "task_key"),
    list(itertools.product(("v2", "iop"), (None, "requestParams", "paramJson"), ("task_id", "taskId"))),
)
def test_every_way_to_speak_buys_a_picture(
    simulator: Running, media: str, sign: str, payload: str, task_key: str
) -> None:
    outcome = bought(client(simulator, sign=sign, payload=payload, task_key=task_key), wanted(media))
    assert len(fetched(outcome)) == 1
    assert len(simulator.purchases()) == 1


@pytest.mark.parametrize("shape", [None, "result_object", "result_flat"])
def test_every_shape_of_a_submits_answer(simulator: Running, media: str, shape: str | None) -> None:
    if shape:
        simulator.fault(on="submit", kind=shape)
    assert isinstance(bought(client(simulator), wanted(media)), Ready)


@pytest.mark.parametrize("asked", ASKED)
def test_every_kind_of_order(simulator: Running, media: str, asked: str) -> None:
    order = wanted(media, asked)
    outcome = bought(client(simulator), order)
    assert (len(fetched(outcome)), outcome.warnings) == (order.request.output.count, [])


def test_a_stage_on_trial_spends_the_trial_quota(simulator: Running, media: str) -> None:
    for trial in (True, False):
        bought(client(simulator, trial=trial), wanted(media))
    assert sorted(purchase["resource"] for purchase in simulator.purchases()) == ["purchased", "trial"]


# broken in one place


def payload_of(media: str, asked: str) -> dict[str, Any]:
    [suit] = json.loads(body.payload_of(wanted(media, asked)))
    return dict(suit)


def broken(suit: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for path in objects(suit):
        yield f"stranger in /{'/'.join(path)}", with_stranger(suit, path)
    yield "no clothesList", removed(suit, ("clothesList",))
    for path, value in leaves(suit):
        if path != ("clothesList",):
            yield from (
                (f"{path[-1]} = {wrong!r}", replaced(suit, path, wrong))
                for wrong in wrong_values(value)
                if path[-1] != "name" or not isinstance(wrong, str)
            )  # any name may be one of the library
    wrong: Any
    for wrong in (0, 9, 1.5):
        yield f"generateCount = {wrong}", replaced(suit, ("generateCount",), wrong)
    clothes = suit["clothesList"]
    for wrong in (None, [], "x", {}, [*clothes, *clothes, *clothes]):
        yield f"clothesList = {wrong!r}", replaced(suit, ("clothesList",), wrong)
    for index, cloth in enumerate(clothes):
        others = [{**cloth, name: wrong} for name, value in cloth.items() for wrong in wrong_values(value)]
        for other in [
            *others,
            {**cloth, "noSuchField": 1},
            removed(cloth, ("imageUrl",)),
            {**cloth, "type": "one_piece"},
        ]:
            yield f"cloth {other}", replaced(suit, ("clothesList",), [*clothes[:index], other, *clothes[index + 1 :]])
    if len(clothes) == 2:
        yield "two tops", replaced(suit, ("clothesList",), [clothes[0], clothes[0]])
        yield "a suit without types", replaced(suit, ("clothesList",), [removed(each, ("type",)) for each in clothes])
    if "modelImage" in suit:
        yield "nine photos", replaced(suit, ("modelImage",), suit["modelImage"][:1] * 9)


@pytest.mark.parametrize("asked", ASKED)
def test_a_request_broken_in_one_place_is_refused_and_not_charged(simulator: Running, media: str, asked: str) -> None:
    vendor, suit, accepted, tried = client(simulator), payload_of(media, asked), [], 0
    assert vendor.call(adapter.SUBMIT, "requestParams", json.dumps([suit])).json()["resCode"] == "200"
    sold = len(simulator.purchases())
    for name, other in broken(suit):
        tried += 1
        if vendor.call(adapter.SUBMIT, "requestParams", json.dumps([other])).json()["resCode"] == "200":
            accepted.append(name)
    assert accepted == []
    assert tried > 30
    assert len(simulator.purchases()) == sold == 1


def test_a_list_has_one_suit_and_is_a_string(simulator: Running, media: str) -> None:
    vendor, suit = client(simulator), payload_of(media, "person")
    for value in (json.dumps(suit), json.dumps([]), json.dumps([suit, suit]), "x", [suit]):
        assert vendor.call(adapter.SUBMIT, "requestParams", value).json()["resCode"] == "700", value  # type: ignore[arg-type]
    assert vendor.call(adapter.SUBMIT, "params", json.dumps([suit])).json()["resCode"] == "700"
    assert simulator.purchases() == []


@pytest.mark.parametrize("sign", ["v2", "iop"])
def test_every_part_of_a_signed_call_matters(simulator: Running, media: str, sign: str) -> None:
    sent: list[httpx.Request] = []

    def wire(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(500)

    settings = AidgeSettings.model_validate({"sign": sign})
    vendor = adapter.connect(connection(f"{simulator.url}/rest", KEY, settings=settings), httpx.MockTransport(wire))
    vendor.start(wanted(media))
    url, content = sent[0].url, sent[0].content
    signed = dict(url.params) if sign == "v2" else dict(httpx.QueryParams(content.decode()))
    assert {"app_key", "timestamp", "sign", "sign_method"} <= set(signed)
    for name in signed:
        for other in (removed(signed, (name,)), {**signed, name: f"{signed[name]} "}):
            answer = (
                httpx.post(
                    url.copy_with(query=None),
                    params=other,
                    content=content,
                    trust_env=False,
                    headers={"Content-Type": "application/json"},
                )
                if sign == "v2"
                else httpx.post(url, data=other, trust_env=False)
            )
            assert "taskId" not in answer.text, name
    assert simulator.purchases() == []


# trouble


def test_a_wrong_secret_is_told_to_the_operator(simulator: Running, media: str) -> None:
    for sign in ("v2", "iop"):
        vendor = client(simulator, json.dumps({"app_key": "sim-app", "app_secret": "another"}), sign=sign)
        outcome = vendor.start(wanted(media))
        assert isinstance(outcome, Failed), outcome
        assert (outcome.fault.code, outcome.charged) == ("provider_auth", "no")
    assert simulator.purchases() == []


def test_a_clock_that_is_wrong_is_told_to_the_operator(simulator: Running, media: str) -> None:
    vendor = client(simulator)
    vendor.clock = lambda: 1_000_000.0
    outcome = vendor.start(wanted(media))
    assert isinstance(outcome, Failed), outcome
    assert (outcome.fault.code, outcome.charged) == ("provider_auth", "no")


@pytest.mark.parametrize(
    ("fault", "expected", "sold"),
    [
        ({"kind": "drop_before"}, ("provider_unavailable", "unknown"), 0),
        ({"kind": "drop_after"}, ("provider_unavailable", "unknown"), 1),
        ({"kind": "status_after", "status": 500}, ("provider_error", "unknown"), 1),
        ({"kind": "malformed"}, ("provider_error", "unknown"), 1),
        ({"kind": "wrong_type"}, ("provider_error", "unknown"), 1),
        ({"kind": "status", "status": 502}, ("provider_error", "unknown"), 0),
        ({"kind": "status", "status": 429}, ("rate_limited", "no"), 0),
        *(
            ({"kind": "error", "name": name}, (code, "no"), 0)
            for name, code in {
                "500": "provider_error",
                "501": "rate_limited",
                "700": "provider_error",
                "701": "image_unreadable",
                "703": "image_unreadable",
                "707": "image_unreadable",
                "801": "provider_error",
                "1000": "content_blocked",
                "1001": "provider_error",
                "1002": "content_blocked",
            }.items()
        ),
    ],
)
def test_trouble_on_submit(
    simulator: Running, media: str, fault: dict[str, Any], expected: tuple[str, str], sold: int
) -> None:
    assert simulator.fault(on="submit", **fault).is_success
    outcome = client(simulator).start(wanted(media))
    assert isinstance(outcome, Failed), outcome
    assert (outcome.fault.code, outcome.charged) == expected
    assert (len(simulator.requests()), len(simulator.purchases())) == (1, sold)


def test_every_error_that_the_simulator_knows_is_told_and_keeps_the_requests_id(simulator: Running, media: str) -> None:
    for name in Aidge.error_names["submit"]:
        simulator.fault(on="submit", kind="error", name=name)
        outcome = client(simulator).start(wanted(media))
        assert isinstance(outcome, Failed), outcome
        assert outcome.charged == "no"
        assert str(outcome.fault.provider_detail).startswith("request "), name
        assert outcome.fault.detail != "Aidge refused the request.", name


@pytest.mark.parametrize(
    "fault",
    [
        {"on": "status", "kind": "drop_before"},
        {"on": "status", "kind": "malformed"},
        {"on": "status", "kind": "wrong_type"},
        {"on": "status", "kind": "status", "status": 503},
        {"on": "status", "kind": "status", "status": 429},
        {"on": "query", "kind": "error", "name": "500"},
        {"on": "query", "kind": "error", "name": "501"},
    ],
)
def test_trouble_while_the_results_are_asked_for_passes(simulator: Running, media: str, fault: dict[str, Any]) -> None:
    assert simulator.fault(**fault, times=3).is_success
    assert isinstance(bought(client(simulator), wanted(media)), Ready)


@pytest.mark.parametrize(
    ("name", "code"),
    [("failed", "provider_error"), ("801", "provider_error"), ("707", "image_unreadable"), ("1002", "content_blocked")],
)
def test_a_task_that_fails(simulator: Running, media: str, name: str, code: str) -> None:
    assert simulator.fault(on="status", kind="error", name=name).is_success
    outcome = bought(client(simulator), wanted(media))
    assert isinstance(outcome, Failed), outcome
    assert (outcome.fault.code, outcome.charged) == (code, "unknown")


def test_a_partial_result(simulator: Running, media: str) -> None:
    simulator.fault(on="status", kind="partial")
    outcome = bought(client(simulator), wanted(media, output={"count": 4}))
    assert len(outcome.addresses) == 2
    assert [warning.code for warning in outcome.warnings] == ["partial_result"]
