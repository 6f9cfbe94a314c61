"""The Aidge simulator against the vendor's pages and samples: both signatures, each rule of the request, codes, rate, pictures.

Dropped connections and control routes it shares with the other simulators; they are tested there.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.simulators.aidge.app import Aidge
from local.simulators.aidge.signature import iop_signature, v2_signature
from local.simulators.kit.previews import Previews
from local.simulators.kit.server import running
from tests.contract.conftest import SAMPLES, Running, StandInEngine

SUBMIT, RESULTS = "/ai/virtual/tryon-pro", "/ai/virtual/tryon-results"
TRIAL = {"x-iop-trial": "true"}
SIZE = (384, 512)
REMOVED = object()
HTTP = httpx.Client(trust_env=False)


def file(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()


FILES = {
    "person.png": file(Image.linear_gradient("L").resize(SIZE).convert("RGB")),
    "second.png": file(Image.linear_gradient("L").resize((300, 400)).convert("RGB")),
    "nobody.png": file(Image.new("RGB", SIZE)),
    "teal.png": file(Image.new("RGB", (400, 400), "teal")),
    "navy.png": file(Image.new("RGB", (400, 400), "navy")),
    "least.png": file(Image.new("RGB", (150, 3000), "teal")),
    "small.png": file(Image.new("RGB", (149, 400), "teal")),
    "large.png": file(Image.new("RGB", (150, 3001), "teal")),
    "broken.png": b"\x89PNG\r\n",
    **{name: (SAMPLES / name).read_bytes() for name in ("person_a.png", "tee.png", "jeans.png", "room.png")},
}


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    """Where the pictures lie, at `{url}/{name}`."""

    async def picture(request: Request) -> Response:
        found = FILES.get(request.path_params["name"])
        return Response(found or b"", 200 if found else 404, media_type="image/png")

    with running(Starlette(routes=[Route("/{name}", picture)])) as url:
        yield url


@contextmanager
def served(previews: Previews, **settings: Any) -> Iterator[Running]:
    simulator = Aidge(previews, **settings)
    with running(simulator.app()) as url:
        serving = Running(simulator, url)
        yield serving
        serving.close()


@pytest.fixture(scope="module")
def previews(engine: StandInEngine) -> Iterator[Previews]:
    drawing = Previews(engine)
    yield drawing
    drawing.close()


@pytest.fixture(scope="module")
def _aidge(previews: Previews) -> Iterator[Running]:
    with served(previews, submits=100_000) as serving:
        yield serving


@pytest.fixture
def aidge(_aidge: Running) -> Running:
    """Return the simulator without the work of earlier tests, which would take the faults of this one."""
    deadline = time.monotonic() + 30
    while any(entry["charged"] is None for entry in _aidge.purchases()):
        assert time.monotonic() < deadline, "a task of an earlier test does not end"
    return _aidge.fresh()


def v2(**changes: Any) -> dict[str, str]:
    """The query of a call, in the words of the vendor's HTTP samples."""
    now = str(changes.pop("timestamp", round(time.time() * 1000)))
    query = {"partner_id": "aidge", "sign_method": "sha256", "sign_ver": "v2", "app_key": "sim-app", "timestamp": now}
    query["sign"] = v2_signature("sim-secret", now)
    return {name: value for name, value in (query | changes).items() if value is not REMOVED}


def call(simulator: Running, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
    answer = simulator.call("POST", f"/rest{path}", params=v2(), json=body, headers=headers)
    assert answer.status_code == 200
    return answer.json()


def suit(shop: str, **changes: Any) -> dict[str, Any]:
    full = {
        "clothesList": [{"imageUrl": f"{shop}/teal.png", "type": "tops"}],
        "model": {"base": "General", "gender": "female", "style": "universal_1", "body": "slim"},
        "viewType": "fullbody", "inputQualityDetect": 0, "generateCount": 1,
    }  # fmt: skip
    return {key: value for key, value in (full | changes).items() if value is not REMOVED}


def own(shop: str, *photos: str, **changes: Any) -> dict[str, Any]:
    return suit(shop, model=REMOVED, modelImage=[f"{shop}/{name}" for name in photos], **changes)


def submitted(simulator: Running, asked: dict[str, Any], headers: dict[str, str] | None = None) -> str:
    answer = call(simulator, SUBMIT, {"requestParams": json.dumps([asked])}, headers)
    assert (answer["resCode"], answer["resMessage"]) == ("200", "success")
    return str(json.loads(answer["data"]["result"])["taskId"])


def over(simulator: Running, task: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while True:
        answer: dict[str, Any] = call(simulator, RESULTS, {"task_id": task})
        if answer["data"]["taskStatus"] in ("finished", "failed"):
            return answer
        assert time.monotonic() < deadline, "the task does not end"


def urls_of(answer: dict[str, Any]) -> list[str]:
    assert answer["data"]["taskStatus"] == "finished"
    (subtask,) = answer["data"]["taskResult"]
    return [image["imageUrl"] for image in subtask["taskResult"]["result"]["imageList"]]


def opened(url: str) -> Image.Image:
    return Image.open(io.BytesIO(HTTP.get(url).raise_for_status().content))


def pictures(simulator: Running, asked: dict[str, Any]) -> list[Image.Image]:
    return [opened(url) for url in urls_of(over(simulator, submitted(simulator, asked)))]


# signatures


def test_the_iop_signature_of_the_open_platforms_page() -> None:
    # "/order/getaccess_tokentestapp_key123456order_id1234sign_methodsha256timestamp1517820392000"
    parameters = {
        "timestamp": "1517820392000", "order_id": "1234", "app_key": "123456", "access_token": "test", "sign_method": "sha256",
        "sign": "is not signed", "nothing": "",
    }  # fmt: skip

    expected = "4190D32361CFB9581350222F345CB77F3B19F0E31D162316848A2C1FFD5FAB4A"
    assert iop_signature("helloworld", "/order/get", parameters) == expected


def test_the_v2_signature() -> None:
    # HMAC-SHA256 by secret of secret + timestamp, computed beforehand: no vector is published
    expected = "A9D08CCC5E698A0D2333095232616AD9D3E59F70B4AFBA0FAA671BBA018D87CD"
    assert v2_signature("testsecret", "1700000000000") == expected


def iop_call(
    simulator: Running, path: str, own: dict[str, str], headers: dict[str, str] | None = None, **changes: Any
) -> Any:
    """System parameters in the query, the API's in a form, all signed together."""
    system = {
        "app_key": "sim-app",
        "sign_method": "sha256",
        "timestamp": str(round(time.time() * 1000)),
        "partner_id": "iop",
    }
    system["sign"] = iop_signature("sim-secret", path, {**system, **own})
    query = {name: value for name, value in (system | changes).items() if value is not REMOVED}
    return simulator.call("POST", f"/rest{path}", params=query, data=own, headers=headers).json()


@pytest.mark.parametrize("name", ["paramJson", "requestParams"])
def test_a_classic_iop_call_submits_and_queries(aidge: Running, shop: str, name: str) -> None:
    told = iop_call(aidge, SUBMIT, {name: json.dumps([suit(shop)])})
    task = json.loads(told["data"]["result"])["taskId"]

    assert over(aidge, task)["data"]["taskId"] == task
    assert iop_call(aidge, RESULTS, {"task_id": task})["data"]["taskStatus"] == "finished"


BAD_SIGNATURES: list[dict[str, Any]] = [
    {"sign": "A9D08CCC5E698A0D2333095232616AD9D3E59F70B4AFBA0FAA671BBA018D87CD"}, {"sign": REMOVED}, {"sign": "é"},
    {"app_key": "other"}, {"app_key": REMOVED}, {"sign_method": "md5"}, {"timestamp": REMOVED},
]  # fmt: skip


@pytest.mark.parametrize("change", [*BAD_SIGNATURES, {"partner_id": "iop"}, {"sign_ver": "v1"}, {"sign_ver": REMOVED}])
def test_a_wrong_v2_signature_is_refused(aidge: Running, shop: str, change: dict[str, Any]) -> None:
    body = {"requestParams": json.dumps([suit(shop)])}
    query = v2() | change if "timestamp" in change else v2(**change)
    query = {name: value for name, value in query.items() if value is not REMOVED}

    answer = aidge.call("POST", f"/rest{SUBMIT}", params=query, json=body)

    assert (answer.status_code, answer.json()["code"]) == (200, "IncompleteSignature")
    assert answer.json()["message"] == "The request signature does not conform to platform standards"
    assert set(answer.json()) == {"code", "type", "message", "request_id"}
    assert aidge.purchases() == []


@pytest.mark.parametrize("change", [*BAD_SIGNATURES, {"partner_id": "other"}, {"more": "than was signed"}])
def test_a_wrong_iop_signature_is_refused(aidge: Running, shop: str, change: dict[str, Any]) -> None:
    answer = iop_call(aidge, SUBMIT, {"paramJson": json.dumps([suit(shop)])}, **change)

    assert answer["code"] == "IncompleteSignature"
    assert aidge.purchases() == []


@pytest.mark.parametrize(("minutes", "taken"), [(-16, False), (-14, True), (14, True), (16, False)])
def test_a_timestamp_may_be_fifteen_minutes_off(previews: Previews, minutes: float, taken: bool) -> None:
    now = 1_800_000_000
    with served(previews, clock=lambda: float(now)) as simulator:
        query = v2(timestamp=(now + minutes * 60) * 1000 // 1)
        answer = simulator.call("POST", f"/rest{RESULTS}", params=query, json={"task_id": "none"}).json()

    assert answer["code"] == ("0" if taken else "IncompleteSignature")


# what works


def test_a_submit_and_a_query_have_the_pages_shapes(aidge: Running, shop: str) -> None:
    submit = call(aidge, SUBMIT, {"requestParams": json.dumps([suit(shop)])})
    task = json.loads(submit["data"]["result"])["taskId"]
    query = over(aidge, task)

    # "code": "0", "data": {"result": "{\"taskId\":\"1ce4fd33-...\"}"}, "requestId", "success": "true", "resCode": "200", ...
    assert submit == {
        "code": "0", "data": {"result": f'{{"taskId":"{task}"}}'}, "requestId": submit["requestId"], "success": "true",
        "resCode": "200", "resMessage": "success", "request_id": submit["request_id"],
    }  # fmt: skip
    assert len(task) == len("1ce4fd33-b9d5-4e21-a24c-0c4027d2b105")
    assert (query["resCode"], query["success"], query["data"]["taskId"]) == ("200", "true", task)
    (subtask,) = query["data"]["taskResult"]
    assert subtask["taskStatus"] == "finished"
    assert subtask["taskResult"]["result"]["clothes"] == f"{shop}/teal.png"


@pytest.mark.parametrize(("fault", "found"), [("result_object", lambda data: data["result"]["taskId"]),
                                              ("result_flat", lambda data: data["taskId"])])  # fmt: skip
def test_the_task_id_can_be_told_in_the_other_shapes(
    aidge: Running, shop: str, fault: str, found: Callable[..., str]
) -> None:
    aidge.fault(on="submit", kind=fault, times=1)

    answer = call(aidge, SUBMIT, {"requestParams": json.dumps([suit(shop)])})

    assert found(answer["data"]) == aidge.purchases()[0]["id"]
    # "resCode | Number", "success | Boolean"
    assert (answer["resCode"], answer["success"]) == (200, True)


@pytest.mark.parametrize("path", [SUBMIT, "/ai/virtual/tryon"])
@pytest.mark.parametrize("name", ["requestParams", "paramJson"])
@pytest.mark.parametrize("id_name", ["task_id", "taskId"])
def test_both_names_of_each_parameter_will_do(aidge: Running, shop: str, path: str, name: str, id_name: str) -> None:
    task = json.loads(call(aidge, path, {name: json.dumps([suit(shop)])})["data"]["result"])["taskId"]

    assert call(aidge, RESULTS, {id_name: task})["data"]["taskId"] == task


def test_only_the_clothes_are_required_and_four_images_are_the_default(aidge: Running, shop: str) -> None:
    # "you can leave blank for automatic type recognition"; "Default is 4."
    least = {"clothesList": [{"imageUrl": f"{shop}/teal.png"}]}

    assert len(pictures(aidge, least)) == 4
    (purchase,) = aidge.purchases()
    assert (purchase["images"], purchase["charged"]) == (4, True)


def test_each_own_photo_is_worn_in_turn(aidge: Running, shop: str) -> None:
    worn = pictures(aidge, own(shop, "person.png", "second.png", generateCount=3))

    assert [picture.size for picture in worn] == [SIZE, (300, 400), SIZE]


def test_two_garments_go_on_tops_first(aidge: Running, shop: str, engine: StandInEngine) -> None:
    engine.calls.clear()
    two = [{"imageUrl": f"{shop}/navy.png", "type": "bottoms"}, {"imageUrl": f"{shop}/teal.png", "type": "tops"}]

    assert len(pictures(aidge, own(shop, "second.png", clothesList=two))) == 1
    assert [each["region"] for each in engine.calls] == ["upper", "lower"]


@pytest.mark.parametrize(("view", "heights"), [
    ("fullbody", [512, 512, 512]), ("halfbody", [256, 256, 256]), ("mixed", [512, 256, 512]),
])  # fmt: skip
def test_the_view_type_crops_to_the_upper_half(aidge: Running, shop: str, view: str, heights: list[int]) -> None:
    worn = pictures(aidge, own(shop, "person.png", viewType=view, generateCount=3))

    assert [picture.size for picture in worn] == [(SIZE[0], height) for height in heights]


@pytest.mark.parametrize("model", [{"base": "General", "name": "James"}, {"gender": "male", "age": "children"}, {}])
def test_a_stock_model_is_drawn(aidge: Running, shop: str, model: dict[str, Any]) -> None:
    with Image.open(SAMPLES / "person_a.png") as person:
        assert [picture.size for picture in pictures(aidge, suit(shop, model=model))] == [person.size]


def test_a_task_is_submitted_then_running_then_finished(previews: Previews, shop: str) -> None:
    with served(previews, working=2.0) as simulator:
        task, seen = submitted(simulator, suit(shop)), ["-"]
        while seen[-1] != "finished":
            answer = call(simulator, RESULTS, {"task_id": task})
            seen += [answer["data"]["taskStatus"]] if answer["data"]["taskStatus"] != seen[-1] else []

    assert seen[1:] == ["submitted", "running", "finished"]


def test_the_log_of_requests_has_what_was_asked_and_no_signature(aidge: Running, shop: str) -> None:
    submitted(aidge, suit(shop), TRIAL)
    iop_call(aidge, SUBMIT, {"paramJson": json.dumps([suit(shop)])})

    first, second = aidge.requests()
    assert (first["body"], second["body"]) == ({"requestParams": [suit(shop)]}, {"paramJson": [suit(shop)]})
    assert (first["trial"], second["trial"]) == (True, False)
    assert set(first["query"]) == {"partner_id", "sign_method", "sign_ver", "app_key", "timestamp"}
    assert "sign" not in second["query"]


# what is refused: a request broken in one place, and what the refusal says


def clothes(*types: str) -> Callable[[str], dict[str, Any]]:
    return lambda shop: suit(shop, clothesList=[{"imageUrl": f"{shop}/teal.png", "type": each} for each in types])


@pytest.mark.parametrize(("broken", "says"), [
    # "clothesList ... can contain 2 elements at most and the 'type' parameter ... MUST be 'tops' and 'bottoms'"
    (lambda shop: suit(shop, clothesList=REMOVED), "clothesList is required"),
    (lambda shop: suit(shop, clothesList=[]), "clothesList"),
    (clothes("tops", "bottoms", "tops"), "clothesList"),
    (clothes("tops", "tops"), "one of type tops and one of type bottoms"),
    (clothes("dresses", "bottoms"), "one of type tops and one of type bottoms"),
    # "For suits tryon, type is required."
    (clothes("tops", ""), "one of type tops and one of type bottoms"),
    (clothes("shoes"), "clothesList.0.type"),
    (lambda shop: suit(shop, clothesList=[{"type": "tops"}]), "clothesList.0.imageUrl is required"),
    (lambda shop: suit(shop, clothesList=[{"imageUrl": "data:image/png;base64,iVBO"}]), "clothesList.0.imageUrl"),
    (lambda shop: suit(shop, clothesList=[{"imageUrl": f"{shop}/teal.png", "mask": "x"}]), "unknown parameter clothesList.0"),
    # "A list of URLs for customized model images with maximum 8."
    (lambda shop: own(shop, *["person.png"] * 9), "modelImage"),
    (lambda shop: own(shop), "modelImage"),
    (lambda shop: suit(shop, model=REMOVED, modelImage=f"{shop}/person.png"), "modelImage"),
    (lambda shop: suit(shop, model=REMOVED, modelImage=["person.png"]), "modelImage.0"),
    # "If you need customized model, you can delete this param."
    (lambda shop: suit(shop, modelImage=[f"{shop}/person.png"]), "model must be left out"),
    (lambda shop: suit(shop, model={"base": "Private"}), "model.base"),
    (lambda shop: suit(shop, model={"name": "James", "gender": "male"}), "gender does not apply"),
    (lambda shop: suit(shop, model={"name": ""}), "model.name"),
    (lambda shop: suit(shop, model={"gender": "Female"}), "model.gender"),
    (lambda shop: suit(shop, model={"style": "universal_4"}), "model.style"),
    (lambda shop: suit(shop, model={"age": "adult"}), "model.age"),
    (lambda shop: suit(shop, model={"body": "tall"}), "model.body"),
    (lambda shop: suit(shop, viewType="full_body"), "viewType"),
    # "supporting an input range of 1 to 8"
    (lambda shop: suit(shop, generateCount=0), "generateCount"),
    (lambda shop: suit(shop, generateCount=9), "generateCount"),
    (lambda shop: suit(shop, generateCount="4"), "generateCount"),
    (lambda shop: suit(shop, inputQualityDetect=2), "inputQualityDetect"),
    (lambda shop: suit(shop, inputQualityDetect=True), "inputQualityDetect"),
    (lambda shop: suit(shop, model=None), "model must not be null"),
    (lambda shop: suit(shop, seed=1), "unknown parameter seed"),
])  # fmt: skip
def test_a_suit_broken_in_one_place_is_refused_and_not_sold(
    aidge: Running, shop: str, broken: Callable[[str], dict[str, Any]], says: str
) -> None:
    answer = call(aidge, SUBMIT, {"requestParams": json.dumps([broken(shop)])})

    assert (answer["code"], answer["resCode"], answer["success"]) == ("0", "700", "false")
    assert says in answer["resMessage"]
    assert aidge.purchases() == []


@pytest.mark.parametrize(("body", "says"), [
    # "The value is a List, but should be transferred to String value."
    (lambda one: {"requestParams": [one]}, "requestParams must be a String"),
    (lambda one: {"requestParams": json.dumps(one)}, "a List of one suit"),
    (lambda one: {"requestParams": json.dumps([one, one])}, "a List of one suit"),
    (lambda one: {"requestParams": "[{"}, "not valid JSON"),
    (lambda one: {"requestParams": json.dumps(["tee"])}, "dictionary"),
    (lambda one: {"requestParams": json.dumps([one]), "paramJson": json.dumps([one])}, "one parameter is required"),
    (lambda one: {"requestParams": json.dumps([one]), "callback": "x"}, "unknown parameter callback"),
    (lambda one: {}, "one parameter is required"),
    (lambda one: [one], "one parameter is required"),
])  # fmt: skip
def test_a_body_that_is_no_list_in_a_string_is_refused(
    aidge: Running, shop: str, body: Callable[[Any], Any], says: str
) -> None:
    answer = call(aidge, SUBMIT, body(suit(shop)))

    assert (answer["resCode"], says in answer["resMessage"]) == ("700", True), answer


@pytest.mark.parametrize("body", [{}, {"task_id": "1ce4fd33"}, {"id": "1ce4fd33"}, {"task_id": 1}])
def test_a_query_for_no_task_is_refused(aidge: Running, body: dict[str, Any]) -> None:
    assert call(aidge, RESULTS, body)["resCode"] == "700"


# pictures that will not do


@pytest.mark.parametrize(("name", "detect", "code"), [
    ("missing.png", 0, "701"), ("broken.png", 0, "701"),
    # "minimum side length ≥150 pixels and maximum side length ≤3000 pixels"
    ("small.png", 0, "703"), ("large.png", 0, "703"), ("least.png", 0, "200"),
    # "1": Yes, filter low-quality images
    ("room.png", 1, "707"), ("room.png", 0, "200"),
    ("person_a.png", 1, "707"), ("person_a.png", 0, "200"),  # somebody wears it, before a plain ground
    ("tee.png", 1, "200"), ("jeans.png", 1, "200"),
])  # fmt: skip
def test_a_garment_picture_is_held_to_the_rules(aidge: Running, shop: str, name: str, detect: int, code: str) -> None:
    asked = suit(shop, clothesList=[{"imageUrl": f"{shop}/{name}", "type": "tops"}], inputQualityDetect=detect)

    assert call(aidge, SUBMIT, {"requestParams": json.dumps([asked])})["resCode"] == code
    assert len(aidge.purchases()) == (code == "200")


def test_a_picture_elsewhere_than_on_this_machine_is_not_fetched(aidge: Running, shop: str) -> None:
    asked = suit(shop, clothesList=[{"imageUrl": "http://198.51.100.7/tee.png", "type": "tops"}])

    assert call(aidge, SUBMIT, {"requestParams": json.dumps([asked])})["resCode"] == "701"


def test_a_photo_that_cannot_be_fetched_is_named(aidge: Running, shop: str) -> None:
    answer = call(aidge, SUBMIT, {"requestParams": json.dumps([own(shop, "person.png", "missing.png")])})

    assert (answer["resCode"], "modelImage.1" in answer["resMessage"]) == ("700", True)


def test_a_photo_without_a_person_fails_the_task_and_is_not_charged(aidge: Running, shop: str) -> None:
    answer = over(aidge, submitted(aidge, own(shop, "nobody.png")))

    assert (answer["resCode"], answer["data"]["taskStatus"]) == ("801", "failed")
    assert [entry["charged"] for entry in aidge.purchases()] == [False]


# codes and faults

TABLE = [
    ("500", "system error"), ("501", "rate limit exceed"), ("700", "invalid input"),
    ("701", "Clothing image dowloading failed, please try another input"),
    ("703", "Input clothes image resoulution low, please try other image"),
    ("707", "Input clothing image is not a complete flat lay. Please try another image."),
    ("1001", "content control failed, please retry"), ("1002", "content risk filter failed, please contact us"),
]  # fmt: skip
QUERY_ONLY = [("801", "model failed"), ("1000", "content has sensitive data, please try other input")]


@pytest.mark.parametrize(("code", "message"), TABLE)
def test_each_code_of_the_page_can_be_had_on_submit(aidge: Running, shop: str, code: str, message: str) -> None:
    aidge.fault(on="submit", kind="error", name=code, times=1)

    answer = call(aidge, SUBMIT, {"requestParams": json.dumps([suit(shop)])})

    assert (answer["resCode"], answer["resMessage"], answer["success"]) == (code, message, "false")
    assert aidge.purchases() == []


@pytest.mark.parametrize(("code", "message"), [pair for pair in TABLE if pair[0] != "501"] + QUERY_ONLY)
def test_each_code_can_fail_a_task(aidge: Running, shop: str, code: str, message: str) -> None:
    aidge.fault(on="status", kind="error", name=code, times=1)

    answer = over(aidge, submitted(aidge, suit(shop)))

    assert (answer["resCode"], answer["resMessage"], answer["data"]["taskStatus"]) == (code, message, "failed")
    assert [entry["charged"] for entry in aidge.purchases()] == [False]


def test_a_task_can_fail_without_a_reason(aidge: Running, shop: str) -> None:
    aidge.fault(on="status", kind="error", name="failed", times=1)

    answer = over(aidge, submitted(aidge, suit(shop)))

    assert (answer["resCode"], answer["data"]["taskStatus"]) == ("200", "failed")


def test_a_query_that_is_refused_leaves_the_task_alone(aidge: Running, shop: str) -> None:
    task = submitted(aidge, suit(shop))
    aidge.fault(on="query", kind="error", name="501", times=1)

    assert call(aidge, RESULTS, {"task_id": task})["resCode"] == "501"
    assert urls_of(over(aidge, task))


def test_a_task_can_seem_never_to_finish(aidge: Running, shop: str) -> None:
    task = submitted(aidge, suit(shop))
    over(aidge, task)
    aidge.fault(on="status", kind="never_finish")

    assert call(aidge, RESULTS, {"task_id": task})["data"]["taskStatus"] == "running"


def test_results_can_be_fewer_elsewhere_or_expired(aidge: Running, shop: str) -> None:
    task = submitted(aidge, suit(shop, generateCount=3))
    whole = urls_of(over(aidge, task))
    for kind, on in (("partial", "status"), ("foreign_url", "status"), ("expired_url", "result")):
        aidge.fault(on=on, kind=kind, times=1)

    assert urls_of(call(aidge, RESULTS, {"task_id": task})) == ["http://198.51.100.7/x.png"]
    assert [HTTP.get(whole[0]).status_code for _ in range(2)] == [403, 200]


def test_an_answer_lost_after_the_submit_was_taken_is_a_purchase(aidge: Running, shop: str) -> None:
    aidge.fault(on="submit", kind="drop_after", times=1)

    with pytest.raises(httpx.RemoteProtocolError):
        call(aidge, SUBMIT, {"requestParams": json.dumps([suit(shop)])})

    assert len(aidge.purchases()) == 1


# rate and resources


class Timer:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_three_submits_are_accepted_in_any_sixty_seconds(previews: Previews, shop: str) -> None:
    # "this API supports receiving up to three requests within 60 seconds"
    timer, body = Timer(), {"requestParams": json.dumps([suit(shop)])}
    with served(previews, timer=timer) as simulator:
        taken = []
        for timer.now in (1000.0, 1030.0, 1059.0, 1059.9, 1060.0, 1061.0, 1090.0):
            taken.append(call(simulator, SUBMIT, body)["resCode"])
        assert len(simulator.purchases()) == 5

    assert taken == ["200", "200", "200", "501", "200", "501", "200"]


def test_a_refused_submit_does_not_count_for_the_rate(previews: Previews, shop: str) -> None:
    bodies = [{"requestParams": json.dumps([each])} for each in (suit(shop, seed=1), suit(shop))]
    with served(previews, submits=1, timer=Timer()) as simulator:
        assert [call(simulator, SUBMIT, body)["resCode"] for body in (*bodies, bodies[1])] == ["700", "200", "501"]


def test_submits_at_once_do_not_slip_past_the_rate(
    previews: Previews, shop: str, in_parallel: Callable[[int, Callable[[], Any]], list[Any]]
) -> None:
    body = {"requestParams": json.dumps([suit(shop)])}
    with served(previews) as simulator:
        codes = in_parallel(8, lambda: call(simulator, SUBMIT, body)["resCode"])

    assert sorted(codes) == ["200"] * 3 + ["501"] * 5


@pytest.mark.parametrize(("settings", "headers"), [({"trial": 0}, TRIAL), ({"purchased": 0}, {}),
                                                  ({"purchased": 0}, {"x-iop-trial": "false"})])  # fmt: skip
def test_without_resources_a_submit_is_refused(
    previews: Previews, shop: str, settings: dict[str, int], headers: dict[str, str]
) -> None:
    with served(previews, **settings) as simulator:
        answer = call(simulator, SUBMIT, {"requestParams": json.dumps([suit(shop)])}, headers)
        assert simulator.purchases() == []

    assert "Sorry, your calling resources have been exhausted" in answer["message"]


def test_the_header_says_which_resource_is_used_and_a_failed_task_gives_it_back(previews: Previews, shop: str) -> None:
    with served(previews, trial=2, purchased=0) as simulator:
        over(simulator, submitted(simulator, own(shop, "nobody.png", generateCount=2), TRIAL))
        over(simulator, submitted(simulator, suit(shop, generateCount=2), TRIAL))
        again = call(simulator, SUBMIT, {"requestParams": json.dumps([suit(shop)])}, TRIAL)

        assert [(each["resource"], each["charged"]) for each in simulator.purchases()] == [
            ("trial", False),
            ("trial", True),
        ]
    assert "exhausted" in again["message"]


# the real engine


def test_a_real_person_wears_both_garments(real_previews: Previews, shop: str) -> None:
    two = [{"imageUrl": f"{shop}/{name}.png", "type": kind} for name, kind in (("jeans", "bottoms"), ("tee", "tops"))]
    person = Image.open(io.BytesIO(FILES["person_a.png"]))
    with served(real_previews) as simulator:
        whole, half = pictures(simulator, own(shop, "person_a.png", clothesList=two, viewType="mixed", generateCount=2))

    assert (whole.size, half.size) == (person.size, (person.width, person.height // 2))
    legs, chest = (310, 800, 520, 1000), (320, 300, 500, 450)
    assert all(whole.crop(box).tobytes() != person.crop(box).tobytes() for box in (legs, chest))
    assert all("preview" in str(picture.info).lower() for picture in (whole, half))
