"""Each adapter's real request is taken by the simulator; broken in any one place, it is refused.

Fields the vendors' documents call optional may be left out; everything else about a request must be as it is.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from PIL import Image

from fitting_room.jobs.outcome import Failed, Finished, Pending
from fitting_room.providers.base import Order
from fitting_room.providers.nova_canvas import adapter as nova
from fitting_room.providers.nova_canvas.entry import MODEL
from fitting_room.providers.tryiton import adapter as tryiton
from tests.contract.conftest import Running, encoded
from tests.contract.leaves import leaves, objects, removed, replaced, with_stranger, wrong_values
from tests.contract.orders import connection, order, try_on

SIZE = (384, 512)
KEY = "sim-key"


def _mask(size: tuple[int, int] = SIZE, keep: int = 255, edit: int = 0) -> Image.Image:
    mask = Image.new("L", size, keep)
    mask.paste(edit, (50, 50, 150, 150))
    return mask


PERSON = encoded(Image.linear_gradient("L").resize(SIZE).convert("RGB"))
GARMENT = encoded(Image.new("RGB", (400, 400), "teal"))
PICTURES = {"person": base64.b64decode(PERSON), "garment": base64.b64decode(GARMENT),
            "mask": base64.b64decode(encoded(_mask()))}

Change = tuple[str, dict[str, Any]]


# Nova Canvas

FULL = {"keep": {"face": True, "hands": False, "pose": True}, "merge": "seamless",
        "output": {"count": 2, "quality": "best", "guidance": 7.5, "mask": True}}
NOVA = {
    "garment": try_on(garment={"category": "tops", "type": "long_sleeve_shirt"}, mask={"type": "garment", "shape": "contour"},
                      styling={"sleeves": "down", "tuck": "out", "outer_layer": "closed"}, **FULL),
    "prompt": try_on(mask={"type": "prompt", "prompt": "the shirt", "shape": "bounding_box"}, **FULL),
    "image": try_on(mask={"type": "image", "image": {"url": "https://shop.example/mask.png"}}, **FULL),
}
# "(Optional)" in the vendor's page, or a member of an object that is optional as a whole
NOVA_OPTIONAL = {"maskShape", "longSleeveStyle", "tuckingStyle", "outerLayerStyle", "preserveBodyPose", "preserveHands",
                 "preserveFace", "mergeStyle", "returnMask", "numberOfImages", "quality", "cfgScale", "seed"}


def nova_order(mask: str) -> Order:
    return order("nova_canvas", NOVA[mask], pictures=PICTURES, size=SIZE, seed=12)


def nova_request(mask: str) -> Any:
    return json.loads(nova.body_of(nova_order(mask)).json_bytes())


def nova_changes(mask: str) -> Iterator[Change]:
    request = nova_request(mask)
    for path in objects(request):
        yield f"stranger in /{'/'.join(path)}", with_stranger(request, path)
        if path:
            yield f"no object at /{'/'.join(path)}", replaced(request, path, "x")
    for path, value in leaves(request):
        name = "/".join(path)
        if path[-1] not in NOVA_OPTIONAL:
            yield f"no {name}", removed(request, path)
        for wrong in wrong_values(value):
            if not (path[-1] == "maskPrompt" and wrong == "no such value"):  # any text is a prompt
                yield f"{name} = {wrong!r}", replaced(request, path, wrong)
    for path, wrong in nova_edges(mask):
        yield f"{'/'.join(path)}: edge", replaced(request, path, wrong)


def nova_edges(mask: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Just outside what the documents allow."""
    params, config = ("virtualTryOnParams",), ("imageGenerationConfig",)
    yield from (((*config, "numberOfImages"), 0), ((*config, "numberOfImages"), 6), ((*config, "cfgScale"), 1.0),
                ((*config, "cfgScale"), 10.1), ((*config, "seed"), 2_147_483_647), ((*config, "width"), 1024))
    for field in ("sourceImage", "referenceImage"):
        for wrong in (f"data:image/png;base64,{PERSON}", encoded(Image.new("RGB", (319, 400))),
                      encoded(Image.new("RGB", (320, 1400))), encoded(Image.new("L", SIZE)),
                      encoded(Image.new("RGBA", SIZE, (1, 2, 3, 200))), encoded(Image.new("RGB", SIZE), "WEBP")):
            yield (*params, field), wrong
    yield (*params, "text"), "a red shirt"
    if mask == "prompt":
        yield from (((*params, "promptBasedMask", "maskPrompt"), text) for text in ("", "x" * 1025))
    if mask == "image":
        where = (*params, "imageBasedMask", "maskImage")
        masks = (_mask(keep=200), _mask((512, 384)), _mask(edit=255), _mask(edit=10))
        yield from ((where, encoded(wrong)) for wrong in masks)
    if mask == "garment":
        yield (*params, "garmentBasedMask", "garmentClass"), "LOWER_BODY"  # styling is for upper body garments
    for other in {"IMAGE", "GARMENT", "PROMPT"} - {mask.upper()}:
        yield (*params, "maskType"), other


@pytest.fixture
def bedrock(bedrock_simulator: Running, monkeypatch: pytest.MonkeyPatch) -> Running:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return bedrock_simulator


@pytest.mark.parametrize("mask", NOVA)
def test_nova_buys_pictures(bedrock: Running, mask: str) -> None:
    outcome = nova.connect(connection(bedrock.url)).start(nova_order(mask))
    assert isinstance(outcome, Finished), outcome
    assert [picture.seed for picture in outcome.images] == [12, 12]
    assert outcome.mask
    assert outcome.warnings == []
    assert [purchase["images"] for purchase in bedrock.purchases()] == [2]


@pytest.mark.parametrize("mask", NOVA)
def test_nova_may_leave_optional_fields_out(bedrock: Running, mask: str) -> None:
    client, request = nova.connect(connection(bedrock.url)).client, nova_request(mask)
    for path, _ in leaves(request):
        if path[-1] in NOVA_OPTIONAL:
            client.invoke_model(modelId=MODEL, body=json.dumps(removed(request, path)))


@pytest.mark.parametrize("mask", NOVA)
def test_nova_broken_in_one_place_is_refused(bedrock: Running, mask: str) -> None:
    client, accepted, tried = nova.connect(connection(bedrock.url)).client, [], 0
    for name, broken in nova_changes(mask):
        tried += 1
        try:
            client.invoke_model(modelId=MODEL, body=json.dumps(broken))
            accepted.append(name)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ValidationException", name
    assert accepted == []
    assert tried > 80
    assert bedrock.purchases() == []


@pytest.mark.parametrize(("fault", "expected"), [
    ({"kind": "drop_before"}, ("provider_unavailable", "unknown")),
    ({"kind": "drop_after"}, ("provider_unavailable", "unknown")),
    ({"kind": "malformed"}, ("provider_error", "unknown")),
    ({"kind": "blocked"}, ("content_blocked", "unknown")),
    ({"kind": "input_blocked"}, ("content_blocked", "no")),
    ({"kind": "status", "status": 503}, ("provider_unavailable", "no")),
    ({"kind": "error", "name": "ModelErrorException"}, ("provider_error", "unknown")),
])
def test_nova_in_trouble(bedrock: Running, fault: dict[str, Any], expected: tuple[str, str]) -> None:
    bedrock.fault(on="submit", **fault)
    outcome = nova.connect(connection(bedrock.url)).start(nova_order("garment"))
    assert isinstance(outcome, Failed), outcome
    assert (outcome.fault.code, outcome.charged) == expected
    assert len(bedrock.requests()) == 1


def test_nova_partly_blocked(bedrock: Running) -> None:
    bedrock.fault(on="submit", kind="partial")
    outcome = nova.connect(connection(bedrock.url)).start(nova_order("garment"))
    assert isinstance(outcome, Finished), outcome
    assert (len(outcome.images), [warning.code for warning in outcome.warnings]) == (1, ["partial_blocked"])


@pytest.mark.parametrize(("state", "code"), [("legacy", "model_retired"), ("end_of_life", "model_retired"),
                                             ("unknown", "model_retired"), ("no_access", "provider_auth")])
def test_nova_at_each_point_of_its_life(bedrock: Running, state: str, code: str) -> None:
    bedrock.call("POST", "/_sim/model", json={"state": state})
    outcome = nova.connect(connection(bedrock.url)).start(nova_order("garment"))
    assert isinstance(outcome, Failed), outcome
    assert (outcome.fault.code, outcome.charged) == (code, "no")


# TryItOn

TRYITON = try_on(garment={"category": "tops"}, moderation="conservative",
                 output={"count": 2, "quality": "best", "format": "jpeg"})
# README: required are only the pictures, and the subcategory of clothing, jewelry and accessories
TRYITON_OPTIONAL = {"mode", "num_samples", "output_format", "moderation_level"}


def tryiton_request() -> Any:
    return json.loads(tryiton.body_of(order("tryiton", TRYITON, pictures=PICTURES)).json_bytes())


def tryiton_changes() -> Iterator[Change]:
    request = tryiton_request()
    yield "stranger", with_stranger(request, ())
    for path, value in leaves(request):
        if path[-1] not in TRYITON_OPTIONAL:
            yield f"no {path[-1]}", removed(request, path)
        for wrong in wrong_values(value):
            yield f"{path[-1]} = {wrong!r}", replaced(request, path, wrong)
    for field, wrong in (("model_image", PERSON), ("garment_image", GARMENT), ("num_samples", 0), ("num_samples", 5),
                         ("category", "eyewear"), ("category", "auto"), ("subcategory", "dress"), ("seed", 42),
                         ("segmentation_free", True), ("garment_photo_type", "auto"), ("output_format", "webp")):
        yield f"{field}: edge", replaced(request, (field,), wrong)


class Client:
    """The adapter on its simulator."""

    def __init__(self, simulator: Running) -> None:
        self.provider = tryiton.connect(connection(f"{simulator.url}/api/v1", KEY, download=self.download))
        self.order = order("tryiton", TRYITON, pictures=PICTURES)

    def download(self, url: str) -> bytes:
        return httpx.get(url, trust_env=False).raise_for_status().content

    def finished(self) -> Any:
        outcome = self.provider.start(self.order)
        for _ in range(2000):
            if not isinstance(outcome, Pending):
                return outcome
            outcome = self.provider.poll(self.order, outcome.provider_job_id)
        raise AssertionError("the simulator never finished")


def test_tryiton_buys_pictures(tryiton_simulator: Running) -> None:
    outcome = Client(tryiton_simulator).finished()
    assert isinstance(outcome, Finished), outcome
    assert (len(outcome.images), outcome.credits, outcome.warnings) == (2, 2, [])
    assert [purchase["credits"] for purchase in tryiton_simulator.purchases()] == [2]


def test_tryiton_may_leave_optional_fields_out(tryiton_simulator: Running) -> None:
    http = Client(tryiton_simulator).provider.http
    for name in TRYITON_OPTIONAL:
        answer = http.post("tryon/fashion", json=removed(tryiton_request(), (name,)))
        assert answer.is_success, name


def test_tryiton_broken_in_one_place_is_refused(tryiton_simulator: Running) -> None:
    http, accepted, tried = Client(tryiton_simulator).provider.http, [], 0
    for name, broken in tryiton_changes():
        tried += 1
        answer = http.post("tryon/fashion", json=broken)
        assert answer.status_code in (200, 400), name
        if answer.is_success:
            accepted.append(name)
    assert accepted == []
    assert tried > 40
    assert tryiton_simulator.purchases() == []


@pytest.mark.parametrize(("fault", "expected"), [
    ({"on": "submit", "kind": "drop_before"}, ("provider_unavailable", "unknown")),
    ({"on": "submit", "kind": "drop_after"}, ("provider_unavailable", "unknown")),
    ({"on": "submit", "kind": "malformed"}, ("provider_error", "unknown")),
    ({"on": "submit", "kind": "status", "status": 500}, ("provider_error", "unknown")),
    ({"on": "submit", "kind": "error", "name": "OutOfCredits"}, ("quota_exhausted", "no")),
    ({"on": "submit", "kind": "error", "name": "ConcurrencyLimitExceeded"}, ("rate_limited", "no")),
    ({"on": "submit", "kind": "error", "name": "UnauthorizedAccess"}, ("provider_auth", "no")),
])
def test_tryiton_in_trouble_on_submit(tryiton_simulator: Running, fault: dict[str, Any], expected: tuple[str, str]) -> None:
    tryiton_simulator.fault(**fault)
    outcome = Client(tryiton_simulator).provider.start(order("tryiton", TRYITON, pictures=PICTURES))
    assert isinstance(outcome, Failed), outcome
    assert (outcome.fault.code, outcome.charged) == expected
    assert len(tryiton_simulator.requests()) == 1


@pytest.mark.parametrize("fault", [
    {"on": "status", "kind": "drop_before"}, {"on": "status", "kind": "malformed"},
    {"on": "status", "kind": "status", "status": 503}, {"on": "status", "kind": "status", "status": 429},
])
def test_tryiton_survives_trouble_while_polling(tryiton_simulator: Running, fault: dict[str, Any]) -> None:
    tryiton_simulator.fault(**fault, times=3)
    assert isinstance(Client(tryiton_simulator).finished(), Finished)


def test_tryiton_pictures_of_no_person(tryiton_simulator: Running) -> None:
    client = Client(tryiton_simulator)
    nobody = {**PICTURES, "person": base64.b64decode(encoded(Image.new("RGB", SIZE)))}
    client.order = order("tryiton", TRYITON, pictures=nobody)
    outcome = client.finished()
    assert (outcome.fault.code, outcome.charged, outcome.fault.provider_code) == ("pose_not_found", "no", "PoseError")
