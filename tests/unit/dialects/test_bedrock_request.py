"""Each field of Nova Canvas' requests, typed from its page, and the place that it has in a job."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from fitting_room.actions.requests.plan import Deployment, plan
from fitting_room.dialects.bedrock.errors import BedrockError, Names, of_refusal
from fitting_room.dialects.bedrock.request import translated
from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.jobs.parse import parse
from fitting_room.providers.catalogue import entries
from fitting_room.stores.api_keys import Caller

PNG = "iVBORw0KGgo="
IMAGE = {"data": "data:;base64,iVBORw0KGgo="}
OUTPUT = {"format": "png", "seed": "provider"}
EDIT = {**OUTPUT, "size": "original"}

TEXT = {"taskType": "TEXT_IMAGE", "textToImageParams": {"text": "a chair"}}
COLORS = {
    "taskType": "COLOR_GUIDED_GENERATION",
    "colorGuidedGenerationParams": {"text": "a chair", "colors": ["#ff8800"]},
}
VARIATION = {"taskType": "IMAGE_VARIATION", "imageVariationParams": {"images": [PNG, PNG]}}
INPAINT = {"taskType": "INPAINTING", "inPaintingParams": {"image": PNG, "maskImage": PNG}}
OUTPAINT = {"taskType": "OUTPAINTING", "outPaintingParams": {"image": PNG, "maskImage": PNG}}
BACKGROUND = {"taskType": "BACKGROUND_REMOVAL", "backgroundRemovalParams": {"image": PNG}}
PARAMS = {"sourceImage": PNG, "referenceImage": PNG}
GARMENT = {"maskType": "GARMENT", "garmentBasedMask": {"garmentClass": "UPPER_BODY"}}
PROMPT = {"maskType": "PROMPT", "promptBasedMask": {"maskPrompt": "the sofa"}}
TRY_ON = {"taskType": "VIRTUAL_TRY_ON", "virtualTryOnParams": {**PARAMS, **GARMENT}}
PERSON = {"task": "try_on", "person": IMAGE, "output": EDIT}
TOP = [{"image": IMAGE, "category": "tops"}]


def _with(base: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    """A request with one field more, or another value of it."""
    first, _, rest = place.partition(".")
    return {**base, first: _with(base.get(first, {}), rest, value) if rest else value}


def _get(made: Any, place: str) -> Any:
    for part in place.split("."):
        made = made[int(part)] if isinstance(made, list) else (made or {}).get(part)
    return made


@pytest.mark.parametrize(
    ("sent", "job"),
    [
        (TEXT, {"task": "text_to_image", "prompt": "a chair", "output": OUTPUT}),
        (
            {**TEXT, "textToImageParams": {"text": "a chair", "conditionImage": PNG}},
            {"task": "text_to_image", "prompt": "a chair", "condition": {"image": IMAGE}, "output": OUTPUT},
        ),
        (COLORS, {"task": "color_guided", "prompt": "a chair", "colors": ["#ff8800"], "output": OUTPUT}),
        (VARIATION, {"task": "image_variation", "images": [IMAGE, IMAGE], "output": OUTPUT}),
        (INPAINT, {"task": "inpaint", "image": IMAGE, "mask": {"type": "image", "image": IMAGE}, "output": EDIT}),
        (
            OUTPAINT,
            {
                "task": "outpaint",
                "image": IMAGE,
                "mask": {"type": "image", "image": IMAGE, "read": "white_changes"},
                "output": EDIT,
            },
        ),
        (BACKGROUND, {"task": "remove_background", "image": IMAGE, "output": EDIT}),
        (TRY_ON, {**PERSON, "garments": TOP}),
        (
            {**TRY_ON, "virtualTryOnParams": {**PARAMS, **PROMPT}},
            {**PERSON, "garments": [{"image": IMAGE}], "mask": {"type": "prompt", "prompt": "the sofa"}},
        ),
        (
            {
                **TRY_ON,
                "virtualTryOnParams": {**PARAMS, "maskType": "IMAGE", "imageBasedMask": {"maskImage": PNG}},
            },
            {**PERSON, "garments": [{"image": IMAGE}], "mask": {"type": "image", "image": IMAGE}},
        ),
    ],
    ids=[
        "text",
        "conditioned",
        "colors",
        "variation",
        "inpaint",
        "outpaint",
        "background",
        "garment",
        "prompt",
        "mask",
    ],
)
def test_each_shape_is_a_job(sent: dict[str, Any], job: dict[str, Any]) -> None:
    made = translated(sent).job
    assert made == job
    assert parse(made).task == job["task"]


CLOTHES = "virtualTryOnParams.garmentBasedMask"
STYLING = f"{CLOTHES}.garmentStyling"
EXCLUSIONS = "virtualTryOnParams.maskExclusions"
CONFIG = "imageGenerationConfig"


@pytest.mark.parametrize(
    ("base", "sent", "value", "place", "written"),
    [
        (TEXT, "textToImageParams.text", "a table", "prompt", "a table"),
        (TEXT, "textToImageParams.negativeText", "mirrors", "negative_prompt", "mirrors"),
        (TEXT, "textToImageParams.style", "3D_ANIMATED_FAMILY_FILM", "style", "3d_animated_family_film"),
        (TEXT, "textToImageParams.style", "PHOTOREALISM", "style", "photorealism"),
        (TEXT, f"{CONFIG}.numberOfImages", 5, "output.count", 5),
        (TEXT, f"{CONFIG}.quality", "premium", "output.quality", "best"),
        (TEXT, f"{CONFIG}.quality", "standard", "output.quality", None),
        (TEXT, f"{CONFIG}.cfgScale", 8, "output.guidance", 8),
        (TEXT, f"{CONFIG}.cfgScale", 6.5, "output.guidance", None),
        (TEXT, f"{CONFIG}.seed", 0, "output.seed", 0),
        (TEXT, f"{CONFIG}.seed", 12, "output.seed", "provider"),
        (TEXT, f"{CONFIG}.width", 512, "size", {"width": 512, "height": 1024}),
        (TEXT, f"{CONFIG}.height", 512, "size", {"width": 1024, "height": 512}),
        (VARIATION, "imageVariationParams.text", "a chair", "prompt", "a chair"),
        (VARIATION, "imageVariationParams.negativeText", "mirrors", "negative_prompt", "mirrors"),
        (VARIATION, "imageVariationParams.similarityStrength", 0.7, "similarity", 0.7),
        (COLORS, "colorGuidedGenerationParams.negativeText", "mirrors", "negative_prompt", "mirrors"),
        (COLORS, "colorGuidedGenerationParams.referenceImage", PNG, "reference_image", IMAGE),
        (INPAINT, "inPaintingParams.text", "a plant", "prompt", "a plant"),
        (INPAINT, "inPaintingParams.negativeText", "mirrors", "negative_prompt", "mirrors"),
        (OUTPAINT, "outPaintingParams.text", "a beach", "prompt", "a beach"),
        (OUTPAINT, "outPaintingParams.outPaintingMode", "DEFAULT", "transition", "soft"),
        (OUTPAINT, "outPaintingParams.outPaintingMode", "PRECISE", "transition", "precise"),
        (TRY_ON, f"{CLOTHES}.garmentClass", "LOWER_BODY", "garments.0.category", "bottoms"),
        (TRY_ON, f"{CLOTHES}.garmentClass", "FULL_BODY", "garments.0.category", "one_piece"),
        (TRY_ON, f"{CLOTHES}.garmentClass", "FOOTWEAR", "garments.0.category", "footwear"),
        (TRY_ON, f"{CLOTHES}.garmentClass", "LONG_SLEEVE_SHIRT", "garments.0.category", "tops"),
        (TRY_ON, f"{CLOTHES}.garmentClass", "SHORT_PANTS", "garments.0.category", "bottoms"),
        (TRY_ON, f"{CLOTHES}.garmentClass", "LONG_DRESS", "garments.0.category", "one_piece"),
        (TRY_ON, f"{CLOTHES}.garmentClass", "FULL_BODY_OUTFIT", "garments.0.category", "auto"),
        (TRY_ON, f"{CLOTHES}.garmentClass", "BOOTS", "garments.0.category", "footwear"),
        (TRY_ON, f"{CLOTHES}.maskShape", "CONTOUR", "mask", {"type": "garment", "shape": "contour"}),
        (TRY_ON, f"{CLOTHES}.maskShape", "DEFAULT", "mask", None),
        (TRY_ON, f"{STYLING}.longSleeveStyle", "SLEEVE_UP", "styling", {"sleeves": "up"}),
        (TRY_ON, f"{STYLING}.longSleeveStyle", "SLEEVE_DOWN", "styling", {"sleeves": "down"}),
        (TRY_ON, f"{STYLING}.tuckingStyle", "TUCKED", "styling", {"tuck": "in"}),
        (TRY_ON, f"{STYLING}.tuckingStyle", "UNTUCKED", "styling", {"tuck": "out"}),
        (TRY_ON, f"{STYLING}.outerLayerStyle", "OPEN", "styling", {"outer_layer": "open"}),
        (TRY_ON, f"{STYLING}.outerLayerStyle", "CLOSED", "styling", None),
        (TRY_ON, f"{EXCLUSIONS}.preserveFace", "ON", "keep", {"face": True}),
        (TRY_ON, f"{EXCLUSIONS}.preserveHands", "OFF", "keep", {"hands": False}),
        (TRY_ON, f"{EXCLUSIONS}.preserveBodyPose", "ON", "keep", {"pose": True}),
        (TRY_ON, f"{EXCLUSIONS}.preserveBodyPose", "DEFAULT", "keep", None),
        (TRY_ON, "virtualTryOnParams.mergeStyle", "SEAMLESS", "merge", "seamless"),
        (TRY_ON, "virtualTryOnParams.returnMask", True, "output.mask", True),
        (TRY_ON, "virtualTryOnParams.returnMask", False, "output.mask", None),
    ],
)
def test_each_field_has_its_place(base: dict[str, Any], sent: str, value: Any, place: str, written: Any) -> None:
    made = translated(_with(base, sent, value)).job
    assert _get(made, place) == written
    parse(made)


@pytest.mark.parametrize(
    ("more", "mask"),
    [
        ({"conditionImage": PNG, "controlMode": "SEGMENTATION"}, {"image": IMAGE, "control": "segmentation"}),
        ({"conditionImage": PNG, "controlMode": "CANNY_EDGE"}, {"image": IMAGE}),
        ({"conditionImage": PNG, "controlStrength": 0.3}, {"image": IMAGE, "strength": 0.3}),
        ({"conditionImage": PNG, "controlStrength": 0.7}, {"image": IMAGE}),
    ],
)
def test_a_condition_is_followed_as_it_says(more: dict[str, Any], mask: dict[str, Any]) -> None:
    assert translated({**TEXT, "textToImageParams": {"text": "a chair", **more}}).job["condition"] == mask


@pytest.mark.parametrize(("shape", "mask"), [("BOUNDING_BOX", None), ("DEFAULT", None), ("CONTOUR", "contour")])
def test_the_box_around_a_prompt_s_thing_is_the_default(shape: str, mask: str | None) -> None:
    params = {**PARAMS, "maskType": "PROMPT", "promptBasedMask": {"maskPrompt": "the sofa", "maskShape": shape}}
    assert translated({**TRY_ON, "virtualTryOnParams": params}).job["mask"].get("shape") == mask


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ([], ["#: The body must be a JSON object"]),
        ({}, ["#/taskType: There is no such task.", "VIRTUAL_TRY_ON"]),
        ({**TEXT, "textToImageParams": {}}, ["#/textToImageParams/text: This field is required."]),
        (
            {**TEXT, "imageGenerationConfig": {"cfgScale": 11, "width": 500, "foo": 1, "numberOfImages": 6}},
            [
                "#/imageGenerationConfig/cfgScale: The number is too large. Send a number from 1.1 to 10.",
                "#/imageGenerationConfig/width: The number is no multiple of 16.",
                "#/imageGenerationConfig/numberOfImages",
                "#/imageGenerationConfig/foo: This field does not exist.",
            ],
        ),
        (
            {**TEXT, "textToImageParams": {"text": "x", "controlMode": "EDGE"}},
            ["#/textToImageParams/conditionImage: This field is required", "CANNY_EDGE, SEGMENTATION"],
        ),
        (
            {**VARIATION, "imageGenerationConfig": {"quality": "premium"}},
            ["#/imageGenerationConfig/quality: This field does not exist."],
        ),
        (
            {**INPAINT, "inPaintingParams": {"image": PNG}},
            ["#/inPaintingParams: There must be one mask. Send either `maskPrompt` or `maskImage`."],
        ),
        (
            {**OUTPAINT, "outPaintingParams": {"image": PNG, "maskImage": PNG, "maskPrompt": "x"}},
            ["#/outPaintingParams: There must be one mask."],
        ),
        (
            {**TRY_ON, "virtualTryOnParams": {**PARAMS, "maskType": "GARMENT", "promptBasedMask": {"maskPrompt": "x"}}},
            [
                "#/virtualTryOnParams/garmentBasedMask: The maskType GARMENT needs it.",
                "#/virtualTryOnParams/promptBasedMask: It belongs to the maskType PROMPT. Leave it out.",
            ],
        ),
        (
            _with(TRY_ON, f"{CLOTHES}.garmentClass", "HAT"),
            ["#/virtualTryOnParams/garmentBasedMask/garmentClass: There is no such class. Use one of: UPPER_BODY"],
        ),
    ],
)
def test_a_malformed_request_is_told_all_that_is_wrong_at_the_vendor_s_places(sent: Any, words: list[str]) -> None:
    with pytest.raises(BedrockError) as refused:
        translated(sent)
    assert (refused.value.kind, refused.value.status) == ("ValidationException", 400)
    assert str(refused.value).startswith("Malformed input request: ")
    assert [each for each in words if each not in str(refused.value)] == [], str(refused.value)


def _refused(*faults: Fault, **facts: Any) -> BedrockError:
    names = Names({"/output/guidance": "imageGenerationConfig.cfgScale", "/try_on": "VIRTUAL_TRY_ON"}, "Use GARMENT.")
    return of_refusal(Refusal(*faults, **facts), names)


def _lacks(provider: str, option: str) -> Fault:
    return Fault.of(
        "unsupported_option",
        f"{provider} does not take `{option}` for the task `try_on`.",
        "Leave it out. Or name another provider that can: `nova_canvas`.",
        pointer="/" + option.replace(".", "/"),
        provider=provider,
    )


def test_a_refusal_names_the_vendor_s_fields_of_the_provider_that_lacks_least() -> None:
    gone = Fault.of("model_retired", "Nova is retired.", "Name another.", pointer="/provider", provider="nova_canvas")
    lacking = [_lacks("aidge", "output.guidance"), _lacks("aidge", "mask"), _lacks("fashn", "output.guidance")]
    error = _refused(gone, *lacking)
    assert (error.kind, str(error)) == (
        "ValidationException",
        "No provider of this deployment does this. imageGenerationConfig.cfgScale: fashn does not take"
        " `imageGenerationConfig.cfgScale` for the task `VIRTUAL_TRY_ON`. Leave it out.",
    )
    assert "Use GARMENT." in str(_refused(_lacks("fashn", "mask")))
    assert str(_refused(gone)) == "No provider of this deployment does this. Nova is retired. Name another."


@pytest.mark.parametrize(
    ("code", "kind", "status"),
    [
        ("unauthorized", "AccessDeniedException", 403),
        ("forbidden", "AccessDeniedException", 403),
        ("provider_not_allowed", "AccessDeniedException", 403),
        ("budget_exceeded", "ServiceQuotaExceededException", 400),
        ("throttled", "ThrottlingException", 429),
        ("provider_paused", "ServiceUnavailableException", 503),
        ("erased", "ResourceNotFoundException", 404),
        ("invalid_input", "ValidationException", 400),
        ("idempotency_conflict", "ValidationException", 400),
    ],
)
def test_a_refusal_has_the_type_that_an_sdk_expects(code: str, kind: str, status: int) -> None:
    error = _refused(Fault.of(code, "It is so.", "Do that."), retry_after=7)
    assert (error.kind, error.status, str(error), error.headers) == (
        kind,
        status,
        "It is so. Do that.",
        {"retry-after": "7"},
    )


# ------------------------------------------------------------------------------------------------ garment classes
EVERYONE = frozenset(entry.id for entry in entries())
HERE = Deployment(entries(), configured=EVERYONE, today=date(2026, 11, 26))
SHOES = ("FOOTWEAR", "SHOES", "BOOTS", "OTHER_FOOTWEAR")
CLOTHES_CLASSES = (
    "UPPER_BODY",
    "LOWER_BODY",
    "FULL_BODY",
    "LONG_SLEEVE_SHIRT",
    "SHORT_SLEEVE_SHIRT",
    "NO_SLEEVE_SHIRT",
    "OTHER_UPPER_BODY",
    "LONG_PANTS",
    "SHORT_PANTS",
    "OTHER_LOWER_BODY",
    "LONG_DRESS",
    "SHORT_DRESS",
    "FULL_BODY_OUTFIT",
    "OTHER_FULL_BODY",
)


def _told(garment_class: str, provider: str) -> str | None:
    """What a client hears of a class where only this provider is there, or None where the provider takes it."""
    made = translated(_with(TRY_ON, f"{CLOTHES}.garmentClass", garment_class))
    try:
        plan(parse({**made.job, "provider": provider}), Caller("acme", "live", None), HERE)
    except Refusal as refusal:
        return str(of_refusal(refusal, made.names))
    return None


@pytest.mark.parametrize("garment_class", CLOTHES_CLASSES)
@pytest.mark.parametrize("provider", ["fashn", "fal", "tryiton"])
def test_each_class_of_clothes_is_done_by_each_living_provider(garment_class: str, provider: str) -> None:
    assert _told(garment_class, provider) is None


@pytest.mark.parametrize("garment_class", SHOES)
def test_shoes_are_done_by_tryiton_alone_and_others_offer_classes_that_they_take(garment_class: str) -> None:
    assert _told(garment_class, "tryiton") is None
    for provider in ("fashn", "fal"):
        told = _told(garment_class, provider)
        assert told and "does not take this value for `virtualTryOnParams.garmentBasedMask.garmentClass`" in told
        offered = told.partition("Use one of: ")[2].removesuffix(".").split(", ")
        assert offered == ["FULL_BODY_OUTFIT", "UPPER_BODY", "LOWER_BODY", "FULL_BODY"]
        assert [_told(each, provider) for each in offered] == [None] * 4


def test_nova_canvas_hears_of_its_own_classes_too() -> None:
    category = Fault.of(
        "invalid_input",
        "Nova Canvas does not recognise the kind of garment.",
        "Name the category (tops, bottoms, one_piece, outfit, footwear), or use a prompt or image mask.",
        pointer="/garments/0/category",
        provider="nova_canvas",
    )
    made = translated(_with(TRY_ON, f"{CLOTHES}.garmentClass", "FULL_BODY_OUTFIT"))
    assert "(UPPER_BODY, LOWER_BODY, FULL_BODY, FOOTWEAR)" in str(of_refusal(Refusal(category), made.names))
