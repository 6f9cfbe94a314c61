"""Each adapter's real request is taken by the simulator; broken in any one place, it is refused.

Fields the vendors' documents call optional may be left out; everything else about a request must be as it is.
"""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from PIL import Image, ImageChops

from fitting_room.jobs.outcome import Failed, Finished, Pending, Ready, Unread
from fitting_room.providers.adapter import Order
from fitting_room.providers.fashn import adapter as fashn
from fitting_room.providers.nova_canvas import adapter as nova
from fitting_room.providers.nova_canvas.body import body_of, json_of
from fitting_room.providers.nova_canvas.entry import MODEL
from fitting_room.providers.tryiton import adapter as tryiton
from local.simulators.bedrock.app import Bedrock
from local.simulators.kit.previews import Previews
from tests.contract.conftest import Running, StandInEngine, _serving, assert_the_simulator_is_named, encoded, fetched
from tests.contract.leaves import Path, leaves, objects, removed, replaced, with_stranger, wrong_values
from tests.contract.orders import IMAGE, connection, order, try_on
from tests.contract.vendor import vendor

SIZE = (384, 512)
KEY = "sim-key"


def _mask(size: tuple[int, int] = SIZE, keep: int = 255, edit: int = 0) -> Image.Image:
    mask = Image.new("L", size, keep)
    mask.paste(edit, (50, 50, 150, 150))
    return mask


def _red(box: tuple[int, int, int, int]) -> Image.Image:
    """A light picture with a red thing that a prompt can name."""
    picture = Image.new("RGB", SIZE, (225, 225, 220))
    picture.paste("red", box)
    return picture


PERSON = encoded(Image.linear_gradient("L").resize(SIZE).convert("RGB"))
GARMENT = encoded(Image.new("RGB", (400, 400), "teal"))
PICTURES = {
    "person": base64.b64decode(PERSON),
    "garment": base64.b64decode(GARMENT),
    "mask": base64.b64decode(encoded(_mask())),
    "image": base64.b64decode(encoded(_red((50, 50, 150, 150)))),
    "condition": base64.b64decode(PERSON),
    "reference": base64.b64decode(GARMENT),
}

Change = tuple[str, dict[str, Any]]


# Nova Canvas

FULL = {
    "keep": {"face": True, "hands": False, "pose": True},
    "merge": "seamless",
    "output": {"count": 2, "quality": "best", "guidance": 7.5, "mask": True},
}
WORDS = {"prompt": "a lake at dawn", "negative_prompt": "boats"}
OUTPUT = {"count": 2, "quality": "best", "guidance": 7.5}
EDIT = {**WORDS, "image": IMAGE, "output": OUTPUT}
SIZED = {**WORDS, "size": {"width": 512, "height": 320}, "output": OUTPUT}
PROMPT_MASK, IMAGE_MASK = {"type": "prompt", "prompt": "the red thing"}, {"type": "image", "image": IMAGE}
NOVA: dict[str, dict[str, Any]] = {
    # every field of each shape
    "try_on, garment mask": try_on(
        garment={"category": "tops", "type": "long_sleeve_shirt"},
        mask={"type": "garment", "shape": "contour"},
        styling={"sleeves": "down", "tuck": "out", "outer_layer": "closed"},
        **FULL,
    ),
    "try_on, prompt mask": try_on(mask={"type": "prompt", "prompt": "the shirt", "shape": "bounding_box"}, **FULL),
    "try_on, image mask": try_on(mask=IMAGE_MASK, **FULL),
    "text_to_image": {"task": "text_to_image", "style": "photorealism", **SIZED},
    "text_to_image, conditioned": {
        "task": "text_to_image",
        "style": "maximalism",
        **SIZED,
        "condition": {"image": IMAGE, "control": "segmentation", "strength": 0.5},
    },
    "color_guided": {"task": "color_guided", "colors": ["#00FF00", "#FCF2AB"], "reference_image": IMAGE, **SIZED},
    "image_variation": {
        "task": "image_variation",
        "images": [IMAGE, IMAGE],
        "similarity": 0.5,
        **SIZED,
        "output": {"count": 2, "guidance": 7.5},
    },
    "inpaint, prompt mask": {"task": "inpaint", "mask": PROMPT_MASK, **EDIT},
    "inpaint, image mask": {"task": "inpaint", "mask": IMAGE_MASK, **EDIT},
    "outpaint, prompt mask": {"task": "outpaint", "mask": PROMPT_MASK, "transition": "precise", **EDIT},
    "outpaint, image mask": {"task": "outpaint", "mask": IMAGE_MASK, "transition": "soft", **EDIT},
    "remove_background": {"task": "remove_background", "image": IMAGE},
}
# "(Optional)" in the vendor's page, or a member of an object that is optional as a whole
NOVA_OPTIONAL = {
    "maskShape",
    "longSleeveStyle",
    "tuckingStyle",
    "outerLayerStyle",
    "preserveBodyPose",
    "preserveHands",
    "preserveFace",
    "mergeStyle",
    "returnMask",
    "numberOfImages",
    "quality",
    "cfgScale",
    "seed",
    "width",
    "height",
    "negativeText",
    "style",
    "controlMode",
    "controlStrength",
    "referenceImage in COLOR_GUIDED_GENERATION",
    "similarityStrength",
    "outPaintingMode",
    # "If you omit this field, the model will remove elements"; variations "with or without a text prompt"
    *(f"text in {shape}" for shape in ("IMAGE_VARIATION", "INPAINTING", "OUTPAINTING")),
}
NOVA_TEXTS = ("text", "negativeText", "maskPrompt")


def nova_order(shape: str) -> Order:
    seed = None if shape == "remove_background" else 12
    return order("nova_canvas", NOVA[shape], pictures=PICTURES, size=SIZE, seed=seed)


def nova_request(shape: str) -> Any:
    return json.loads(json_of(body_of(nova_order(shape))))


def nova_optional(request: dict[str, Any], path: Path) -> bool:
    return bool({path[-1], f"{path[-1]} in {request['taskType']}"} & NOVA_OPTIONAL)


def nova_changes(shape: str) -> Iterator[Change]:
    request = nova_request(shape)
    for path in objects(request):
        yield f"stranger in /{'/'.join(path)}", with_stranger(request, path)
        if path:
            yield f"no object at /{'/'.join(path)}", replaced(request, path, "x")
    for path, value in leaves(request):
        name = "/".join(path)
        if not nova_optional(request, path):
            yield f"no {name}", removed(request, path)
        for wrong in wrong_values(value):
            if not (path[-1] in NOVA_TEXTS and wrong == "no such value"):  # any text is a prompt
                yield f"{name} = {wrong!r}", replaced(request, path, wrong)
        for n, wrong in enumerate(NOVA_EDGES.get(path[-1], ())):
            yield f"{name}: edge {n}", replaced(request, path, wrong)
    yield from nova_contradictions(shape, request)


NOVA_PICTURES = [
    f"data:image/png;base64,{PERSON}",
    encoded(Image.new("RGB", (319, 400))),
    encoded(Image.new("RGB", (320, 1400))),
    encoded(Image.new("L", SIZE)),
    encoded(Image.new("RGBA", SIZE, (1, 2, 3, 200))),
    encoded(Image.new("RGB", SIZE), "WEBP"),
]
NOVA_EDGES: dict[str, list[Any]] = {
    # just outside what the documents allow
    "numberOfImages": [0, 6],
    "cfgScale": [1.0, 10.1],
    "seed": [2_147_483_647],
    **{field: [304, 4112, 500] for field in ("width", "height")},
    **{field: ["", "x" * 1025] for field in ("text", "negativeText")},
    "maskPrompt": [""],  # no limit of its length is documented
    **dict.fromkeys(("sourceImage", "referenceImage", "conditionImage", "image"), NOVA_PICTURES),
    "images": [[], [PERSON] * 6, *([PERSON, wrong] for wrong in NOVA_PICTURES)],
    "maskImage": [
        encoded(_mask()),  # one channel
        *(encoded(wrong.convert("RGB")) for wrong in (_mask(keep=200), _mask((512, 384)), _mask(edit=10))),
    ],
    "colors": [[], ["#000000"] * 11, ["#00000"], ["000000"], ["teal"]],
    "controlStrength": [-0.1, 1.1],
    "similarityStrength": [0.1, 1.1],
}


def nova_contradictions(shape: str, request: dict[str, Any]) -> Iterator[Change]:
    """What is right by itself, but not together, or not in this shape."""
    config, sides = "imageGenerationConfig", ((320, 1296), (2064, 2048))
    params = next(name for name in request if name.endswith("Params"))
    if "width" in request.get(config, {}):
        for width, height in sides:
            wrong = replaced(request, (config, "width"), width)
            yield f"{width} x {height}", replaced(wrong, (config, "height"), height)
    elif config in request:
        yield "a width", replaced(request, (config, "width"), 1024)
    else:
        yield "a config", replaced(request, (config,), {"seed": 1})
    if "quality" not in request.get(config, {}) and config in request:
        yield "a quality", replaced(request, (config, "quality"), "standard")
    if shape.startswith("try_on"):
        yield "a text", replaced(request, (params, "text"), "a red shirt")
        for kind in {"IMAGE", "GARMENT", "PROMPT"} - {request[params]["maskType"]}:
            yield f"maskType {kind}", replaced(request, (params, "maskType"), kind)
    if "garmentBasedMask" in request[params]:  # styling is for upper body garments
        yield "trousers with sleeves", replaced(request, (params, "garmentBasedMask", "garmentClass"), "LOWER_BODY")
    if "maskImage" in request[params]:
        nothing = 0 if shape.startswith("outpaint") else 255
        yield "nothing to change", replaced(request, (params, "maskImage"), encoded(_mask(keep=nothing, edit=nothing)))
        yield "two masks", replaced(request, (params, "maskPrompt"), "the red thing")
    if shape == "text_to_image":
        yield "a control without a picture", replaced(request, (params, "controlMode"), "CANNY_EDGE")


@pytest.fixture
def bedrock(bedrock_simulator: Running, monkeypatch: pytest.MonkeyPatch) -> Running:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return bedrock_simulator


@pytest.mark.parametrize("shape", NOVA)
def test_nova_buys_pictures(bedrock: Running, shape: str) -> None:
    outcome = nova.connect(connection(bedrock.url)).start(nova_order(shape))
    assert isinstance(outcome, Finished), outcome
    count = 1 if shape == "remove_background" else 2
    assert len({picture.data for picture in outcome.images}) == count
    assert bool(outcome.mask) == shape.startswith("try_on")
    assert outcome.warnings == []
    assert [purchase["images"] for purchase in bedrock.purchases()] == [count]


def test_nova_changes_what_the_mask_says(bedrock: Running) -> None:
    """Our masks mean the same in both tasks: black changes. So do prompts: what is named changes, or in outpainting stays."""
    source, inside = Image.open(io.BytesIO(PICTURES["image"])), (60, 60, 140, 140)
    outside = (200, 200, 380, 500)
    for shape, changed, kept in (
        ("inpaint, image mask", inside, outside),
        ("inpaint, prompt mask", inside, outside),
        ("outpaint, image mask", inside, outside),
        ("outpaint, prompt mask", outside, inside),
    ):
        outcome = nova.connect(connection(bedrock.url)).start(nova_order(shape))
        assert isinstance(outcome, Finished), outcome
        picture = Image.open(io.BytesIO(outcome.images[0].data)).convert("RGB")
        assert ImageChops.difference(picture.crop(changed), source.crop(changed)).getbbox(), shape
        assert not ImageChops.difference(picture.crop(kept), source.crop(kept)).getbbox(), shape


@pytest.mark.parametrize("shape", NOVA)
def test_nova_may_leave_optional_fields_out(bedrock: Running, shape: str) -> None:
    client, request = nova.connect(connection(bedrock.url)).bedrock.client, nova_request(shape)
    for path, _ in leaves(request):
        if nova_optional(request, path):
            client.invoke_model(modelId=MODEL, body=json.dumps(removed(request, path)))


@pytest.mark.parametrize("shape", NOVA)
def test_nova_broken_in_one_place_is_refused(bedrock: Running, shape: str) -> None:
    client, accepted, tried = nova.connect(connection(bedrock.url)).bedrock.client, [], 0
    for name, broken in nova_changes(shape):
        tried += 1
        try:
            client.invoke_model(modelId=MODEL, body=json.dumps(broken))
            accepted.append(name)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ValidationException", name
    assert accepted == []
    assert tried > 10 * sum(1 for _ in objects(nova_request(shape))), "every field was broken"
    assert bedrock.purchases() == []


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"kind": "drop_before"}, ("provider_unavailable", "unknown")),
        ({"kind": "drop_after"}, ("provider_unavailable", "unknown")),
        ({"kind": "malformed"}, ("provider_error", "unknown")),
        ({"kind": "blocked"}, ("content_blocked", "unknown")),
        ({"kind": "input_blocked"}, ("content_blocked", "no")),
        ({"kind": "status", "status": 503}, ("provider_unavailable", "no")),
        ({"kind": "error", "name": "ModelErrorException"}, ("provider_error", "unknown")),
    ],
)
def test_nova_in_trouble(bedrock: Running, fault: dict[str, Any], expected: tuple[str, str]) -> None:
    bedrock.fault(on="submit", **fault)
    outcome = nova.connect(connection(bedrock.url)).start(nova_order("try_on, garment mask"))
    assert isinstance(outcome, Failed), outcome
    assert (outcome.fault.code, outcome.charged) == expected
    assert len(bedrock.requests()) == 1


def test_bedrock_s_simulator_that_breaks_is_not_taken_for_bedrock(
    broken_engine: StandInEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it remember: the same request succeeds once the fault is gone."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    request, previews = nova_order("try_on, garment mask"), Previews(broken_engine)
    for simulator in _serving(Bedrock(previews), previews):  # with nothing drawn before
        provider = nova.connect(connection(simulator.url))
        assert_the_simulator_is_named(provider.start(request))
        assert simulator.purchases() == []
        broken_engine.crashes = 0
        assert isinstance(provider.start(request), Finished)


def test_nova_partly_blocked(bedrock: Running) -> None:
    bedrock.fault(on="submit", kind="partial")
    outcome = nova.connect(connection(bedrock.url)).start(nova_order("try_on, garment mask"))
    assert isinstance(outcome, Finished), outcome
    assert (len(outcome.images), [warning.code for warning in outcome.warnings]) == (1, ["partial_blocked"])


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("legacy", "model_retired"),
        ("end_of_life", "model_retired"),
        ("unknown", "model_retired"),
        ("no_access", "provider_auth"),
    ],
)
def test_nova_at_each_point_of_its_life(bedrock: Running, state: str, code: str) -> None:
    bedrock.call("POST", "/_sim/model", json={"state": state})
    outcome = nova.connect(connection(bedrock.url)).start(nova_order("try_on, garment mask"))
    assert isinstance(outcome, Failed), outcome
    assert (outcome.fault.code, outcome.charged) == (code, "no")


# TryItOn

TRYITON = try_on(
    garment={"category": "tops"}, moderation="conservative", output={"count": 2, "quality": "best", "format": "jpeg"}
)
CLOTHES = try_on(
    garment={"category": "tops", "photo": "flat_lay"},
    moderation="none",
    segmentation_free=False,
    output={"count": 2, "quality": "best", "format": "jpeg"},
    provider="tryiton/clothes",
)
TRYITON_CALLS: dict[str, dict[str, Any]] = {"tryon/fashion": TRYITON, "tryon/clothes": CLOTHES}
TRYITON_OPTIONAL = {
    # README: required are only the pictures, and the subcategory of clothing, jewelry and accessories
    "tryon/fashion": {"mode", "num_samples", "output_format", "moderation_level"},
    # page Clothes Tryon, "Optional Parameters"
    "tryon/clothes": {
        "category",
        "segmentation_free",
        "moderation_level",
        "garment_photo_type",
        "mode",
        "seed",
        "num_samples",
        "output_format",
    },
}
TRYITON_EDGES: dict[str, list[tuple[str, Any]]] = {
    "tryon/fashion": [
        ("category", "eyewear"),
        ("category", "auto"),
        ("subcategory", "dress"),
        ("seed", 42),
        ("segmentation_free", True),
        ("garment_photo_type", "auto"),
    ],
    "tryon/clothes": [
        ("category", "clothing"),
        ("category", "dresses"),
        ("category", "one_piece"),
        ("subcategory", "tops"),
        ("garment_photo_type", "flat_lay"),
        ("seed", 2**32),
        ("seed", 7.5),
    ],
}


def tryiton_order(path: str) -> Order:
    return order("tryiton", TRYITON_CALLS[path], pictures=PICTURES, seed=7 if path == "tryon/clothes" else None)


def tryiton_request(path: str) -> Any:
    return json.loads(tryiton.body_of(tryiton_order(path)).model_dump_json(exclude_none=True))


def tryiton_changes(call: str) -> Iterator[Change]:
    request = tryiton_request(call)
    assert set(request) >= TRYITON_OPTIONAL[call] | {"model_image", "garment_image"}
    yield "stranger", with_stranger(request, ())
    for path, value in leaves(request):
        if path[-1] not in TRYITON_OPTIONAL[call]:
            yield f"no {path[-1]}", removed(request, path)
        for wrong in wrong_values(value):
            yield f"{path[-1]} = {wrong!r}", replaced(request, path, wrong)
    for field, wrong in (
        ("model_image", PERSON),
        ("garment_image", GARMENT),
        ("num_samples", 0),
        ("num_samples", 5),
        ("mode", "best"),
        ("moderation_level", "strict"),
        ("output_format", "webp"),
        *TRYITON_EDGES[call],
    ):
        yield f"{field}: edge", replaced(request, (field,), wrong)


class Client:
    """The adapter on its simulator."""

    def __init__(self, simulator: Running, adapter: Any = tryiton, base: str = "/api/v1") -> None:
        self.provider = adapter.connect(connection(f"{simulator.url}{base}", KEY))
        body, seed = {tryiton: (TRYITON, None), fashn: (FASHN, 7)}[adapter]
        self.order = order(self.provider.id, body, pictures=PICTURES, seed=seed)

    def finished(self) -> Any:
        """The end of a job whose status is read again until it is told, whatever befalls a read."""
        outcome = submitted = self.provider.start(self.order)
        for _ in range(2000):
            if not isinstance(outcome, Pending | Unread):
                return outcome
            outcome = self.provider.poll(self.order, submitted.provider_job_id)
        raise AssertionError("the simulator never finished")


def test_tryiton_s_simulator_that_breaks_is_not_taken_for_tryiton(
    tryiton_simulator: Running, broken_engine: StandInEngine
) -> None:
    assert_the_simulator_is_named(Client(tryiton_simulator).finished())
    assert [purchase["charged"] for purchase in tryiton_simulator.purchases()] == [False]


def test_fashn_s_simulator_that_breaks_is_not_taken_for_fashn(
    fashn_simulator: Running, broken_engine: StandInEngine
) -> None:
    assert_the_simulator_is_named(Client(fashn_simulator, fashn, "/v1").finished())


@pytest.mark.parametrize("path", TRYITON_CALLS)
def test_tryiton_buys_pictures(tryiton_simulator: Running, path: str) -> None:
    client = Client(tryiton_simulator)
    client.order = tryiton_order(path)
    before = client.provider.credits()
    outcome = client.finished()
    assert len(fetched(outcome)) == 2
    assert (outcome.kept_for, outcome.credits, outcome.warnings) == ("72 hours", 2, [])
    assert [purchase["credits"] for purchase in tryiton_simulator.purchases()] == [2]
    assert client.provider.credits() == before - 2


@pytest.mark.parametrize("path", TRYITON_CALLS)
def test_tryiton_may_leave_optional_fields_out(tryiton_simulator: Running, path: str) -> None:
    http = Client(tryiton_simulator).provider.http
    for name in TRYITON_OPTIONAL[path]:
        answer = http.post(path, json=removed(tryiton_request(path), (name,)))
        assert answer.is_success, name


@pytest.mark.parametrize("path", TRYITON_CALLS)
def test_tryiton_broken_in_one_place_is_refused(tryiton_simulator: Running, path: str) -> None:
    http, accepted, tried = Client(tryiton_simulator).provider.http, [], 0
    for name, broken in tryiton_changes(path):
        tried += 1
        answer = http.post(path, json=broken)
        assert answer.status_code in (200, 400), name
        if answer.is_success:
            accepted.append(name)
    assert accepted == []
    assert tried > 40
    assert tryiton_simulator.purchases() == []


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"on": "submit", "kind": "drop_before"}, ("provider_unavailable", "unknown")),
        ({"on": "submit", "kind": "drop_after"}, ("provider_unavailable", "unknown")),
        ({"on": "submit", "kind": "malformed"}, ("provider_error", "unknown")),
        ({"on": "submit", "kind": "status", "status": 500}, ("provider_error", "unknown")),
        ({"on": "submit", "kind": "error", "name": "OutOfCredits"}, ("quota_exhausted", "no")),
        ({"on": "submit", "kind": "error", "name": "ConcurrencyLimitExceeded"}, ("rate_limited", "no")),
        ({"on": "submit", "kind": "error", "name": "UnauthorizedAccess"}, ("provider_auth", "no")),
    ],
)
def test_tryiton_in_trouble_on_submit(
    tryiton_simulator: Running, fault: dict[str, Any], expected: tuple[str, str]
) -> None:
    tryiton_simulator.fault(**fault)
    outcome = Client(tryiton_simulator).provider.start(order("tryiton", TRYITON, pictures=PICTURES))
    assert isinstance(outcome, Failed), outcome
    assert (outcome.fault.code, outcome.charged) == expected
    assert len(tryiton_simulator.requests()) == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"on": "status", "kind": "drop_before"},
        {"on": "status", "kind": "malformed"},
        {"on": "status", "kind": "status", "status": 503},
        {"on": "status", "kind": "status", "status": 429},
    ],
)
def test_tryiton_survives_trouble_while_polling(tryiton_simulator: Running, fault: dict[str, Any]) -> None:
    tryiton_simulator.fault(**fault, times=3)
    assert isinstance(Client(tryiton_simulator).finished(), Ready)


def test_tryiton_pictures_of_no_person(tryiton_simulator: Running) -> None:
    client = Client(tryiton_simulator)
    nobody = {**PICTURES, "person": base64.b64decode(encoded(Image.new("RGB", SIZE)))}
    client.order = order("tryiton", TRYITON, pictures=nobody)
    outcome = client.finished()
    assert (outcome.fault.code, outcome.charged, outcome.fault.provider_code) == ("pose_not_found", "no", "PoseError")


# FASHN

FASHN = try_on(
    garment={"category": "tops", "photo": "flat_lay"},
    moderation="conservative",
    segmentation_free=False,
    output={"count": 2, "quality": "best", "format": "jpeg"},
)
# client 0.9.0, TryOnRequestInputs: Required are the two pictures only
FASHN_OPTIONAL = {
    "category",
    "segmentation_free",
    "moderation_level",
    "garment_photo_type",
    "mode",
    "seed",
    "num_samples",
    "output_format",
}


def fashn_request() -> Any:
    return json.loads(
        fashn.body_of(order("fashn", FASHN, pictures=PICTURES, seed=7)).model_dump_json(exclude_none=True)
    )


def fashn_changes() -> Iterator[Change]:
    request = fashn_request()
    assert set(request["inputs"]) == FASHN_OPTIONAL | {"model_image", "garment_image"}
    for path in objects(request):
        yield f"stranger in /{'/'.join(path)}", with_stranger(request, path)
    yield "no inputs", removed(request, ("inputs",))
    for path, value in leaves(request):
        if path[-1] not in FASHN_OPTIONAL:
            yield f"no {path[-1]}", removed(request, path)
        for wrong in wrong_values(value):
            yield f"{path[-1]} = {wrong!r}", replaced(request, path, wrong)
    for field, wrong in (
        ("model_image", PERSON),
        ("garment_image", GARMENT),
        ("num_samples", 0),
        ("num_samples", 5),
        ("category", "one_piece"),
        ("category", "dresses"),
        ("garment_photo_type", "flat_lay"),
        ("mode", "best"),
        ("seed", 2**32),
        ("seed", 7.5),
        ("output_format", "webp"),
        ("moderation_level", "strict"),
    ):
        yield f"{field}: edge", replaced(request, ("inputs", field), wrong)
    yield "another model", replaced(request, ("model_name",), "tryon-v1.5")
    yield "the old format", request["inputs"]


def fashn_client(simulator: Running) -> Client:
    return Client(simulator, fashn, "/v1")


def test_fashn_buys_pictures(fashn_simulator: Running) -> None:
    client = fashn_client(fashn_simulator)
    before = client.provider.credits()
    outcome = client.finished()
    assert len(fetched(outcome)) == 2
    assert (outcome.kept_for, outcome.credits, outcome.warnings) == ("72 hours", 2, [])
    assert [purchase["credits"] for purchase in fashn_simulator.purchases()] == [2]
    assert client.provider.credits() == before - 2


def test_fashn_may_leave_optional_fields_out(fashn_simulator: Running) -> None:
    http = fashn_client(fashn_simulator).provider.http
    for name in FASHN_OPTIONAL:
        answer = http.post("run", json=removed(fashn_request(), ("inputs", name)))
        assert answer.is_success, name


def test_fashn_broken_in_one_place_is_refused(fashn_simulator: Running) -> None:
    http, accepted, tried = fashn_client(fashn_simulator).provider.http, [], 0
    for name, broken in fashn_changes():
        tried += 1
        answer = http.post("run", json=broken)
        assert answer.status_code in (200, 400), name
        if answer.is_success:
            accepted.append(name)
    assert accepted == []
    assert tried > 60
    assert fashn_simulator.purchases() == []


MAX = try_on(provider="fashn/tryon-max", prompt="Worn open.", output={"count": 2, "quality": "best", "format": "jpeg"})


def test_fashn_s_max_buys_pictures_at_the_credits_that_it_tells(fashn_simulator: Running) -> None:
    client = fashn_client(fashn_simulator)
    client.order = order("fashn", MAX, pictures=PICTURES, size=SIZE, seed=7)
    outcome = client.finished()
    assert len(fetched(outcome)) == 2
    [purchase] = fashn_simulator.purchases()
    assert outcome.credits == purchase["credits"] == 12, "more than four an image, by the header"


def test_fashn_s_max_broken_in_one_place_is_refused(fashn_simulator: Running) -> None:
    http, accepted = fashn_client(fashn_simulator).provider.http, []
    body = fashn.body_of(order("fashn", MAX, pictures=PICTURES, size=SIZE, seed=7))
    request = json.loads(body.model_dump_json(exclude_none=True))
    changes = [("a stranger", with_stranger(request, ("inputs",)))]
    changes += [(f"no {name}", removed(request, ("inputs", name))) for name in ("product_image", "model_image")]
    for path, value in leaves(request):
        for wrong in wrong_values(value):
            if path[-1] != "prompt" or wrong != "no such value":
                changes.append((f"{path[-1]} = {wrong!r}", replaced(request, path, wrong)))
    for foreign in ("category", "moderation_level", "garment_photo_type", "mode"):
        changes.append((foreign, replaced(request, ("inputs", foreign), "auto")))
    accepted = [name for name, broken in changes if http.post("run", json=broken).is_success]
    assert accepted == []
    assert fashn_simulator.purchases() == []


def test_fashn_calls_the_address_that_it_was_given(fashn_simulator: Running) -> None:
    client, path = fashn_client(fashn_simulator), "/v1/callbacks/fashn/a-token_1?x=1&y=%2F"
    with vendor() as shop:
        client.order = replace(client.order, callback=shop.url + path)
        assert isinstance(client.finished(), Ready)
        deadline = time.monotonic() + 20
        while not any(
            "answered" in call for call in fashn_simulator.call("GET", "/_sim/callbacks").json()["callbacks"]
        ):
            assert time.monotonic() < deadline, "the webhook is not called"
        assert [(call.method, call.path) for call in shop.requests] == [("POST", path)]


@pytest.mark.parametrize(
    ("fault", "expected", "sold"),
    [
        ({"kind": "drop_before"}, ("provider_unavailable", "unknown"), 0),
        ({"kind": "drop_after"}, ("provider_unavailable", "unknown"), 1),
        ({"kind": "malformed"}, ("provider_error", "unknown"), 1),
        ({"kind": "status", "status": 502, "body": "<html>"}, ("provider_error", "unknown"), 0),
        ({"kind": "error", "name": "InternalServerError"}, ("provider_error", "no"), 0),
        ({"kind": "error", "name": "OutOfCredits"}, ("quota_exhausted", "no"), 0),
        ({"kind": "error", "name": "RateLimitExceeded"}, ("rate_limited", "no"), 0),
        ({"kind": "error", "name": "ConcurrencyLimitExceeded"}, ("rate_limited", "no"), 0),
        ({"kind": "error", "name": "UnauthorizedAccess"}, ("provider_auth", "no"), 0),
    ],
)
def test_fashn_in_trouble_on_submit(
    fashn_simulator: Running, fault: dict[str, Any], expected: tuple[str, str], sold: int
) -> None:
    fashn_simulator.fault(on="submit", **fault)
    client = fashn_client(fashn_simulator)
    outcome = client.provider.start(client.order)
    assert isinstance(outcome, Failed), outcome
    assert (outcome.fault.code, outcome.charged) == expected
    assert (len(fashn_simulator.requests()), len(fashn_simulator.purchases())) == (1, sold)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "drop_before"},
        {"kind": "malformed"},
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 429},
    ],
)
def test_fashn_survives_trouble_while_polling(fashn_simulator: Running, fault: dict[str, Any]) -> None:
    fashn_simulator.fault(on="status", **fault, times=3)
    assert isinstance(fashn_client(fashn_simulator).finished(), Ready)


def test_fashn_pictures_of_no_person(fashn_simulator: Running) -> None:
    client = fashn_client(fashn_simulator)
    nobody = {**PICTURES, "person": base64.b64decode(encoded(Image.new("RGB", SIZE)))}
    client.order = order("fashn", FASHN, pictures=nobody, seed=7)
    outcome = client.finished()
    assert (outcome.fault.code, outcome.charged, outcome.fault.provider_code) == ("pose_not_found", "no", "PoseError")
