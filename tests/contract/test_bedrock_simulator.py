"""The Bedrock simulator against plain boto3, and against each rule of the Nova Canvas documents, one row a rule."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import botocore.exceptions
import numpy as np
import pytest
from PIL import Image

from local.simulators.bedrock.app import Bedrock
from local.simulators.kit.previews import Previews
from local.simulators.kit.server import running
from tests.contract.bedrock import NOVA, REMOVED, invoke, opened, refused, with_value
from tests.contract.conftest import SAMPLES, Running, StandInEngine, encoded

SIZE = (384, 512)

PERSON = encoded(Image.linear_gradient("L").resize(SIZE).convert("RGB"))
GARMENT = encoded(Image.new("RGB", (400, 400), "teal"))


def mask_of(size: tuple[int, int] = SIZE, mode: str = "RGB", keep: Any = "white", edit: Any = "black") -> Image.Image:
    mask = Image.new(mode, size, keep)
    mask.paste(edit, (50, 50, 150, 150))
    return mask


def body(mask_type: str = "GARMENT") -> dict[str, Any]:
    """A request that uses every field the documents list for this mask type."""
    blocks: dict[str, dict[str, Any]] = {
        "GARMENT": {"garmentBasedMask": {"garmentClass": "UPPER_BODY", "maskShape": "CONTOUR", "garmentStyling": {
            "longSleeveStyle": "SLEEVE_DOWN", "tuckingStyle": "UNTUCKED", "outerLayerStyle": "CLOSED"}}},
        "PROMPT": {"promptBasedMask": {"maskShape": "BOUNDING_BOX", "maskPrompt": "the shirt"}},
        "IMAGE": {"imageBasedMask": {"maskImage": encoded(mask_of())}},
    }  # fmt: skip
    exclusions = {"preserveBodyPose": "ON", "preserveHands": "OFF", "preserveFace": "DEFAULT"}
    params = {"sourceImage": PERSON, "referenceImage": GARMENT, "maskType": mask_type, **blocks[mask_type]}
    return {
        "taskType": "VIRTUAL_TRY_ON",
        "virtualTryOnParams": params | {"maskExclusions": exclusions, "mergeStyle": "SEAMLESS", "returnMask": True},
        "imageGenerationConfig": {"numberOfImages": 1, "quality": "standard", "cfgScale": 6.5, "seed": 12},
    }


def changed(path: str, value: Any, mask_type: str = "GARMENT") -> dict[str, Any]:
    return with_value(body(mask_type), path, value)


VTO, GBM, PBM = "virtualTryOnParams", "virtualTryOnParams.garmentBasedMask", "virtualTryOnParams.promptBasedMask"
IBM, STYLING = "virtualTryOnParams.imageBasedMask", "virtualTryOnParams.garmentBasedMask.garmentStyling"
EXCLUDE, CONFIG = "virtualTryOnParams.maskExclusions", "imageGenerationConfig"


# what works


@pytest.mark.parametrize("mask_type", ["GARMENT", "PROMPT", "IMAGE"])
def test_each_mask_type_is_answered_with_a_picture_a_mask_and_one_purchase(
    bedrock_simulator: Running, mask_type: str
) -> None:
    answer = invoke(bedrock_simulator, body(mask_type))

    assert set(answer) == {"images", "maskImage"}
    assert opened(answer["images"][0]).size == opened(answer["maskImage"]).size == SIZE
    assert opened(answer["images"][0]).format == "PNG"
    (purchase,) = bedrock_simulator.purchases()
    assert (purchase["images"], purchase["quality"], purchase["charged"]) == (1, "standard", True)


def test_optional_fields_may_be_left_out(bedrock_simulator: Running, engine: StandInEngine) -> None:
    params = {"sourceImage": PERSON, "referenceImage": GARMENT, "maskType": "GARMENT"}
    params["garmentBasedMask"] = {"garmentClass": "LOWER_BODY"}  # type: ignore[assignment]

    answer = invoke(bedrock_simulator, {"taskType": "VIRTUAL_TRY_ON", "virtualTryOnParams": params})

    assert set(answer) == {"images"}
    assert engine.calls[-1] == {
        "region": "lower", "shape": "bounding_box", "merge": "balanced", "seed": 12, "size": SIZE, "styling": {},
        "keep_face": True, "keep_hands": True, "keep_pose": False,
    }  # fmt: skip


def test_several_images_come_from_several_seeds(bedrock_simulator: Running) -> None:
    answer = invoke(bedrock_simulator, changed(f"{CONFIG}.numberOfImages", 5))

    assert len(set(answer["images"])) == 5
    assert [entry["images"] for entry in bedrock_simulator.purchases()] == [5]


def test_the_same_seed_draws_the_same_picture(bedrock_simulator: Running) -> None:
    assert invoke(bedrock_simulator, body())["images"] == invoke(bedrock_simulator, body())["images"]


@pytest.mark.parametrize("request_body", [
    changed(f"{VTO}.sourceImage", encoded(opened(PERSON).convert("RGBA"))),  # "may contain an additional alpha channel"
    changed(f"{VTO}.sourceImage", encoded(opened(PERSON), "JPEG")),
    changed(f"{CONFIG}.seed", 2_147_483_646),
    changed(f"{CONFIG}.cfgScale", 10),
    changed(f"{CONFIG}.cfgScale", 1.1),
    changed(f"{PBM}.maskPrompt", "x" * 1025, "PROMPT"),  # no limit of its length is documented
    changed(f"{IBM}.maskImage", encoded(mask_of(mode="RGBA")), "IMAGE"),
    changed(f"{VTO}.referenceImage", encoded(Image.new("RGB", (320, 1280), "teal"))),
])  # fmt: skip
def test_the_edge_of_each_range_is_accepted(bedrock_simulator: Running, request_body: dict[str, Any]) -> None:
    assert invoke(bedrock_simulator, request_body)["images"]


def test_what_the_request_asks_reaches_the_engine(bedrock_simulator: Running, engine: StandInEngine) -> None:
    invoke(bedrock_simulator, changed(f"{CONFIG}.seed", 77))

    assert engine.calls[-1] == {
        "region": "upper", "shape": "contour", "merge": "seamless", "seed": 77, "size": SIZE,
        "keep_face": True, "keep_hands": False, "keep_pose": True,
        "styling": {"longSleeveStyle": "SLEEVE_DOWN", "tuckingStyle": "UNTUCKED", "outerLayerStyle": "CLOSED"},
    }  # fmt: skip


# what is refused: (a request broken in one place, what the refusal says)

IMAGE_RULES: list[tuple[Image.Image, dict[str, Any], str]] = [
    # "Supported image formats: PNG, JPEG"
    (Image.new("RGB", SIZE), {"format": "WEBP"}, "PNG or JPEG"),
    (Image.new("RGB", SIZE), {"format": "GIF"}, "PNG or JPEG"),
    # "8 bits per color channel (RGB)"
    (Image.new("I;16", SIZE), {}, "8 bit RGB"),
    (Image.new("L", SIZE), {}, "8 bit RGB"),
    (Image.new("CMYK", SIZE), {"format": "JPEG"}, "8 bit RGB"),
    # "must not contain any transparent or translucent pixels"
    (Image.new("RGBA", SIZE, (9, 9, 9, 254)), {}, "translucent"),
    # "Each side must be between 320-4096 pixels, inclusive"
    (Image.new("RGB", (319, 512)), {}, "320 to 4096"),
    (Image.new("RGB", (4097, 1025)), {}, "320 to 4096"),
    # "aspect ratio must be between 1:4 and 4:1"
    (Image.new("RGB", (1281, 320)), {}, "between 1:4 and 4:1"),
    # "total pixel count must be less than 4,194,304"; 2048x2048 is listed as valid
    (Image.new("RGB", (2049, 2048)), {}, "4194304 pixels"),
]


@pytest.mark.parametrize("field", ["sourceImage", "referenceImage"])
@pytest.mark.parametrize(("image", "options", "says"), IMAGE_RULES)
def test_input_images_outside_the_rules_are_refused(
    bedrock_simulator: Running, field: str, image: Image.Image, options: dict[str, Any], says: str
) -> None:
    code, status, message = refused(bedrock_simulator, changed(f"{VTO}.{field}", encoded(image, **options)))

    assert (code, status) == ("ValidationException", 400)
    assert field in message
    assert says in message
    assert bedrock_simulator.purchases() == []


def _jpeg_mask() -> str:
    return encoded(mask_of(), "JPEG", quality=40)


SCHEMA_RULES: list[tuple[dict[str, Any], str]] = [
    # "taskType": "VIRTUAL_TRY_ON"
    (changed("taskType", REMOVED), "[taskType] not found"),
    (changed("taskType", "TRY_ON"), "#/taskType: TRY_ON is not a valid enum value"),
    (changed("taskType", "INPAINTING"), "[inPaintingParams] not found; #: extraneous key [virtualTryOnParams]"),
    (changed("virtualTryOnParams", REMOVED), "[virtualTryOnParams] not found"),
    (changed("textToImageParams", {"text": "x"}), "extraneous key [textToImageParams]"),
    # "`sourceImage` (Required)", "`referenceImage` (Required)", "`maskType` (Required)"
    (changed(f"{VTO}.sourceImage", REMOVED), "[sourceImage] not found"),
    (changed(f"{VTO}.referenceImage", REMOVED), "[referenceImage] not found"),
    (changed(f"{VTO}.maskType", REMOVED), "[maskType] not found"),
    # "formatted as a Base64 string"
    (changed(f"{VTO}.sourceImage", "data:image/png;base64," + PERSON), "leave out the prefix"),
    (changed(f"{VTO}.sourceImage", "https://example.com/person.png"), "not a valid base64"),
    (changed(f"{VTO}.sourceImage", base64.b64encode(b"no picture " * 20).decode()), "could not be read"),
    (changed(f"{VTO}.sourceImage", encoded(opened(PERSON))[:400]), "could not be read"),
    (changed(f"{VTO}.sourceImage", 7), "#/virtualTryOnParams/sourceImage"),
    (changed(f"{VTO}.sourceImage", None), "sourceImage must not be null"),
    # "virtual try-on does not support a text prompt or negative text prompt"
    (changed(f"{VTO}.text", "a shirt"), "extraneous key [text]"),
    (changed(f"{VTO}.negativeText", "logos"), "extraneous key [negativeText]"),
    # "maskType": "IMAGE" | "GARMENT" | "PROMPT", and the block each one requires
    (changed(f"{VTO}.maskType", "garment"), "garment is not a valid enum value"),
    (changed(f"{VTO}.garmentBasedMask", REMOVED), "[garmentBasedMask] not found"),
    (changed(f"{VTO}.promptBasedMask", REMOVED, "PROMPT"), "[promptBasedMask] not found"),
    (changed(f"{VTO}.imageBasedMask", REMOVED, "IMAGE"), "[imageBasedMask] not found"),
    (changed(f"{VTO}.promptBasedMask", {"maskPrompt": "x"}), "extraneous key [promptBasedMask]"),
    (changed(f"{VTO}.imageBasedMask", {"maskImage": PERSON}), "extraneous key [imageBasedMask]"),
    (changed(f"{VTO}.garmentBasedMask", {"garmentClass": "SHOES"}, "IMAGE"), "extraneous key [garmentBasedMask]"),
    # "`garmentClass` (Required)"; "maskShape": "CONTOUR" | "BOUNDING_BOX" | "DEFAULT"
    (changed(f"{GBM}.garmentClass", REMOVED), "[garmentClass] not found"),
    (changed(f"{GBM}.garmentClass", "TOPS"), "TOPS is not a valid enum value"),
    (changed(f"{GBM}.maskShape", "BOX"), "BOX is not a valid enum value"),
    (changed(f"{GBM}.maskPrompt", "x"), "extraneous key [maskPrompt]"),
    # garmentStyling and its three enums; "apply only to upper body garments"
    (changed(f"{STYLING}.longSleeveStyle", "DOWN"), "DOWN is not a valid enum value"),
    (changed(f"{STYLING}.tuckingStyle", "IN"), "IN is not a valid enum value"),
    (changed(f"{STYLING}.outerLayerStyle", "ZIPPED"), "ZIPPED is not a valid enum value"),
    (changed(f"{STYLING}.sleeve", "UP"), "extraneous key [sleeve]"),
    (changed(f"{GBM}.garmentClass", "LONG_PANTS"), "upper body garments only"),
    (changed(f"{GBM}.garmentClass", "FULL_BODY"), "upper body garments only"),
    # "`maskPrompt` (Required)"
    (changed(f"{PBM}.maskPrompt", REMOVED, "PROMPT"), "[maskPrompt] not found"),
    (changed(f"{PBM}.maskPrompt", "", "PROMPT"), "maskPrompt"),
    (changed(f"{PBM}.maskShape", "ROUND", "PROMPT"), "ROUND is not a valid enum value"),
    # maskExclusions, mergeStyle, returnMask
    (changed(f"{EXCLUDE}.preserveFace", "on"), "on is not a valid enum value"),
    (changed(f"{EXCLUDE}.preserveHands", True), "True is not a valid enum value"),
    (changed(f"{EXCLUDE}.preserveBodyPose", "AUTO"), "AUTO is not a valid enum value"),
    (changed(f"{EXCLUDE}.preserveHair", "ON"), "extraneous key [preserveHair]"),
    (changed(f"{VTO}.mergeStyle", "SHARP"), "SHARP is not a valid enum value"),
    (changed(f"{VTO}.returnMask", "true"), "#/virtualTryOnParams/returnMask"),
    # "`width` and `height` values should not be provided for the ... VIRTUAL_TRY_ON task types"
    (changed(f"{CONFIG}.width", 1024), "extraneous key [width]"),
    (changed(f"{CONFIG}.height", 1024), "extraneous key [height]"),
    # "up to five images"; seed 0-2,147,483,646; "1.1-10, inclusive"; "standard" | "premium"
    (changed(f"{CONFIG}.numberOfImages", 0), "numberOfImages"),
    (changed(f"{CONFIG}.numberOfImages", 6), "numberOfImages"),
    (changed(f"{CONFIG}.numberOfImages", "1"), "numberOfImages"),
    (changed(f"{CONFIG}.numberOfImages", True), "numberOfImages"),
    (changed(f"{CONFIG}.seed", -1), "seed"),
    (changed(f"{CONFIG}.seed", 2_147_483_647), "seed"),
    (changed(f"{CONFIG}.seed", 1.5), "seed"),
    (changed(f"{CONFIG}.cfgScale", 1.0), "cfgScale"),
    (changed(f"{CONFIG}.cfgScale", 10.1), "cfgScale"),
    (changed(f"{CONFIG}.quality", "best"), "best is not a valid enum value"),
    (changed(f"{CONFIG}.style", "PHOTOREALISM"), "extraneous key [style]"),
    # "The mask image must be the same size as the input image"
    (changed(f"{IBM}.maskImage", encoded(mask_of((512, 384))), "IMAGE"), "as large as the source image"),
    # "edited are shaded pure black ... ignore are shaded pure white. No other colors are allowed"
    (changed(f"{IBM}.maskImage", encoded(mask_of(edit=(1, 1, 1))), "IMAGE"), "pure black and pure white"),
    (changed(f"{IBM}.maskImage", _jpeg_mask(), "IMAGE"), "pure black and pure white"),
    (changed(f"{IBM}.maskImage", encoded(mask_of(edit="red")), "IMAGE"), "pure black"),
    (changed(f"{IBM}.maskImage", encoded(Image.new("RGB", SIZE, "white")), "IMAGE"), "areas to edit are black"),
    # image-gen-access: input images are of 8 bit RGB
    (changed(f"{IBM}.maskImage", encoded(mask_of(mode="L", keep=255, edit=0)), "IMAGE"), "must be 8 bit RGB"),
    (changed(f"{IBM}.maskImage", encoded(mask_of(mode="1", keep=1, edit=0)), "IMAGE"), "must be 8 bit RGB"),
    (changed(f"{IBM}.maskImage", REMOVED, "IMAGE"), "[maskImage] not found"),
]  # fmt: skip


@pytest.mark.parametrize(("request_body", "says"), SCHEMA_RULES, ids=[says for _, says in SCHEMA_RULES])
def test_a_request_broken_in_one_place_is_refused_and_not_sold(
    bedrock_simulator: Running, request_body: dict[str, Any], says: str
) -> None:
    code, status, message = refused(bedrock_simulator, request_body)

    assert (code, status) == ("ValidationException", 400)
    assert says in message
    assert bedrock_simulator.purchases() == []


CLASSES = {
    "upper": ["UPPER_BODY", "LONG_SLEEVE_SHIRT", "SHORT_SLEEVE_SHIRT", "NO_SLEEVE_SHIRT", "OTHER_UPPER_BODY"],
    "lower": ["LOWER_BODY", "LONG_PANTS", "SHORT_PANTS", "OTHER_LOWER_BODY"],
    "full": ["FULL_BODY", "LONG_DRESS", "SHORT_DRESS", "FULL_BODY_OUTFIT", "OTHER_FULL_BODY"],
    "foot": ["FOOTWEAR", "SHOES", "BOOTS", "OTHER_FOOTWEAR"],
}


@pytest.mark.parametrize(
    ("region", "garment_class"), [(region, each) for region in CLASSES for each in CLASSES[region]]
)
def test_every_garment_class_is_drawn_where_it_is_worn(
    bedrock_simulator: Running, engine: StandInEngine, region: str, garment_class: str
) -> None:
    seed = len(engine.calls) + 1000  # no picture that was drawn before
    request = changed(GBM, {"garmentClass": garment_class}) | {CONFIG: {"seed": seed}}

    assert invoke(bedrock_simulator, request)["images"]
    assert (engine.calls[-1]["region"], engine.calls[-1]["seed"]) == (region, seed)


def test_a_body_above_25_000_000_bytes_is_refused(bedrock_simulator: Running) -> None:
    # InvokeModel: "Length Constraints: Maximum length of 25000000"
    padded = json.dumps(body()).encode().ljust(25_000_001)

    assert "25000000" in refused(bedrock_simulator, padded)[2]
    assert invoke(bedrock_simulator, padded[:-1])["images"]


def test_a_picture_without_a_person_is_refused_and_not_sold(bedrock_simulator: Running) -> None:
    code, _, message = refused(bedrock_simulator, changed(f"{VTO}.sourceImage", encoded(Image.new("RGB", SIZE))))

    assert (code, message) == ("ValidationException", "no person was found in the picture")
    assert bedrock_simulator.purchases() == []


def test_a_body_that_is_not_json_is_refused(bedrock_simulator: Running) -> None:
    assert refused(bedrock_simulator, b"{")[:2] == ("ValidationException", 400)


def test_an_unsigned_call_is_refused(bedrock_simulator: Running) -> None:
    answer = bedrock_simulator.call("POST", f"/model/{NOVA}/invoke", json=body())

    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (403, "MissingAuthenticationTokenException")


# the model's life


@pytest.mark.parametrize(("state", "code", "status", "says"), [
    ("end_of_life", "ResourceNotFoundException", 404, "This model version has reached the end of its life."),
    ("legacy", "ResourceNotFoundException", 404, "marked by provider as Legacy"),
    ("unknown", "ValidationException", 400, "The provided model identifier is invalid."),
    ("no_access", "AccessDeniedException", 403, "access"),
])  # fmt: skip
def test_each_point_of_the_models_life_has_its_error(
    bedrock_simulator: Running, state: str, code: str, status: int, says: str
) -> None:
    bedrock_simulator.call("POST", "/_sim/model", json={"state": state}).raise_for_status()

    answer = refused(bedrock_simulator, body())

    assert answer[:2] == (code, status)
    assert says in answer[2]
    assert bedrock_simulator.purchases() == []


def test_an_unknown_state_is_refused(bedrock_simulator: Running) -> None:
    assert bedrock_simulator.call("POST", "/_sim/model", json={"state": "asleep"}).status_code == 400


@pytest.mark.parametrize("where", [{"model": "amazon.nova-canvas-v2:0"}, {"region": "eu-central-1"}])
def test_another_model_or_a_region_without_it_is_an_invalid_identifier(
    bedrock_simulator: Running, where: dict[str, str]
) -> None:
    assert refused(bedrock_simulator, body(), **where)[2] == "The provided model identifier is invalid."


# content filters


def test_all_images_blocked_is_a_200_with_an_error_and_no_images(bedrock_simulator: Running) -> None:
    bedrock_simulator.fault(on="submit", kind="blocked", times=1)

    answer = invoke(bedrock_simulator, changed(f"{VTO}.returnMask", False))

    assert answer == {"error": "All of the generated images have been blocked by our content filters."}
    assert [entry["charged"] for entry in bedrock_simulator.purchases()] == [None]
    assert "error" not in invoke(bedrock_simulator, body())


def test_some_images_blocked_is_one_fewer_and_an_error(bedrock_simulator: Running) -> None:
    bedrock_simulator.fault(on="submit", kind="partial")

    answer = invoke(bedrock_simulator, changed(f"{CONFIG}.numberOfImages", 3))

    assert len(answer["images"]) == 2
    assert answer["error"] == "Some of the generated images have been blocked by our content filters."
    assert [entry["images"] for entry in bedrock_simulator.purchases()] == [2]


def test_a_blocked_input_is_a_validation_error(bedrock_simulator: Running) -> None:
    bedrock_simulator.fault(on="submit", kind="input_blocked")

    code, _, message = refused(bedrock_simulator, body())

    assert code == "ValidationException"
    assert message.startswith("This request has been blocked by our content filters.")
    assert bedrock_simulator.purchases() == []


# faults


@pytest.mark.parametrize(("name", "status"), [
    ("AccessDeniedException", 403), ("ResourceNotFoundException", 404), ("ModelTimeoutException", 408),
    ("ModelErrorException", 424), ("ThrottlingException", 429), ("ModelNotReadyException", 429),
    ("InternalServerException", 500), ("ServiceUnavailableException", 503), ("ServiceQuotaExceededException", 400),
])  # fmt: skip
def test_each_service_error_arrives_as_boto3s_own_exception(bedrock_simulator: Running, name: str, status: int) -> None:
    bedrock_simulator.fault(on="submit", kind="error", name=name, message="on request")

    assert refused(bedrock_simulator, body()) == (name, status, "on request")
    assert bedrock_simulator.purchases() == []


def test_a_status_fault_carries_its_body_and_headers(bedrock_simulator: Running) -> None:
    bedrock_simulator.fault(
        on="submit", kind="status", status=503, headers={"retry-after": "7"}, body={"message": "busy"}
    )

    with pytest.raises(botocore.exceptions.ClientError) as caught:
        invoke(bedrock_simulator, body())

    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "7"
    assert caught.value.response["Error"] == {"Code": "ServiceUnavailableException", "Message": "busy"}


def test_a_client_that_gives_up_on_a_late_answer_has_been_charged(bedrock_simulator: Running) -> None:
    bedrock_simulator.fault(on="submit", kind="delay", seconds=3600, times=1)

    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        invoke(bedrock_simulator, body(), read_timeout=1)

    deadline = time.monotonic() + 20
    while not bedrock_simulator.purchases():
        assert time.monotonic() < deadline, "it was never sold"
        time.sleep(0.01)
    assert len(bedrock_simulator.purchases()) == 1


def test_a_late_answer_is_still_the_answer(bedrock_simulator: Running) -> None:
    bedrock_simulator.fault(on="submit", kind="delay", seconds=0.3)
    begun = time.monotonic()

    assert invoke(bedrock_simulator, body())["images"]
    assert time.monotonic() - begun >= 0.3


@pytest.mark.parametrize(("kind", "sold"), [("drop_before", 0), ("drop_after", 1)])
def test_a_connection_dropped_before_or_after_the_purchase(bedrock_simulator: Running, kind: str, sold: int) -> None:
    bedrock_simulator.fault(on="submit", kind=kind, times=1)

    with pytest.raises(botocore.exceptions.ConnectionClosedError):
        invoke(bedrock_simulator, body())

    assert len(bedrock_simulator.purchases()) == sold
    assert invoke(bedrock_simulator, body())["images"]


def test_a_malformed_answer_is_sold_and_not_json(bedrock_simulator: Running) -> None:
    bedrock_simulator.fault(on="submit", kind="malformed")

    with pytest.raises(json.JSONDecodeError):
        invoke(bedrock_simulator, body())

    assert len(bedrock_simulator.purchases()) == 1


@pytest.mark.parametrize(("fault", "says"), [
    ({"on": "submit", "kind": "explode"}, "explode"),
    ({"on": "status", "kind": "delay", "seconds": 1}, "status"),
    ({"on": "submit", "kind": "delay"}, "seconds"),
    ({"on": "submit", "kind": "delay", "seconds": -1}, "seconds"),
    ({"on": "submit", "kind": "blocked", "seconds": 1}, "seconds"),
    ({"on": "submit", "kind": "error", "name": "PoseError"}, "PoseError"),
    ({"on": "submit", "kind": "status", "status": 9000}, "status"),
    ({"on": "submit", "kind": "blocked", "count": 2}, "count"),
    ({"kind": "blocked"}, "on"),
    (["blocked"], "fault"),
])  # fmt: skip
def test_a_fault_it_cannot_show_is_refused(bedrock_simulator: Running, fault: Any, says: str) -> None:
    answer = bedrock_simulator.call("POST", "/_sim/faults", json=fault)

    assert answer.status_code == 400
    assert says in answer.json()["error"]
    assert bedrock_simulator.call("GET", "/_sim/faults").json() == {"faults": []}


def test_cleared_faults_strike_no_more(bedrock_simulator: Running) -> None:
    bedrock_simulator.fault(on="submit", kind="drop_before")
    bedrock_simulator.call("DELETE", "/_sim/faults")

    assert invoke(bedrock_simulator, body())["images"]


# the logs


def test_the_purchase_log_empties(bedrock_simulator: Running) -> None:
    invoke(bedrock_simulator, body())

    assert {"id", "at", "summary"} <= set(bedrock_simulator.purchases()[0])
    assert bedrock_simulator.call("DELETE", "/_sim/purchases").json() == {"purchases": []}
    assert bedrock_simulator.purchases() == []


def test_the_request_log_holds_facts_of_the_pictures_instead_of_pixels(bedrock_simulator: Running) -> None:
    invoke(bedrock_simulator, body())
    refused(bedrock_simulator, changed(f"{CONFIG}.seed", -1))

    accepted, turned_away = bedrock_simulator.requests()

    assert (accepted["answered"], turned_away["answered"]) == (200, 400)
    expected = body()
    facts = accepted["body"]["virtualTryOnParams"].pop("sourceImage")
    assert (facts["width"], facts["height"], facts["format"]) == (*SIZE, "PNG")
    assert facts["bytes"] == len(base64.b64decode(PERSON))
    accepted["body"]["virtualTryOnParams"].pop("referenceImage")
    for name in ("sourceImage", "referenceImage"):
        expected["virtualTryOnParams"].pop(name)
    assert accepted["body"] == expected


def test_a_foreign_host_header_is_refused(bedrock_simulator: Running) -> None:
    assert bedrock_simulator.call("GET", "/_sim/purchases", headers={"host": "evil.example"}).status_code == 400


def test_equal_requests_at_once_are_drawn_once_and_sold_each(
    bedrock_simulator: Running, engine: StandInEngine, in_parallel: Callable[..., list[Any]]
) -> None:
    request, before = changed(f"{CONFIG}.seed", 4242), len(engine.calls)

    in_parallel(8, lambda: invoke(bedrock_simulator, request))

    assert len(engine.calls) - before == 1
    assert len(bedrock_simulator.purchases()) == 8


# the real engine


def sample(name: str) -> str:
    return base64.b64encode((SAMPLES / name).read_bytes()).decode()


def test_a_real_person_wears_the_garment_inside_the_mask_only(real_previews: Previews) -> None:
    person = sample("person_a.png")
    params = {"sourceImage": person, "referenceImage": sample("tee.png"), "maskType": "GARMENT",
              "garmentBasedMask": {"garmentClass": "UPPER_BODY"}, "returnMask": True}  # fmt: skip
    with running(Bedrock(real_previews).app()) as url:
        served = Running(Bedrock, url)  # type: ignore[arg-type]
        answer = invoke(served, {"taskType": "VIRTUAL_TRY_ON", "virtualTryOnParams": params})

    before, after = (np.asarray(opened(b64).convert("RGB")) for b64 in (person, answer["images"][0]))
    mask = np.asarray(opened(answer["maskImage"]).convert("L"))
    differs = (before != after).any(axis=-1)
    assert set(np.unique(mask)) == {0, 255}
    assert 0.05 < (mask == 0).mean() < 0.5
    assert differs[mask == 0].mean() > 0.5
    assert not differs[mask == 255].any()
