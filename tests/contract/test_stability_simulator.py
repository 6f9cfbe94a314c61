"""Stability AI's models on the Bedrock simulator against plain boto3, and each rule of the documents, one row a rule."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.contract.bedrock import REMOVED, invoke, opened, refused, with_value
from tests.contract.conftest import SAMPLES, Running, encoded

INPAINT = "us.stability.stable-image-inpaint-v1:0"
REMOVE_BACKGROUND = "us.stability.stable-image-remove-background-v1:0"
CORE, ULTRA = "stability.stable-image-core-v1:1", "stability.stable-image-ultra-v1:1"
REGIONS = {INPAINT: "us-east-1", REMOVE_BACKGROUND: "us-east-2", CORE: "us-west-2", ULTRA: "us-west-2"}

SIZE = (240, 300)
BOX = (60, 80, 180, 220)
INSIDE = (slice(BOX[1] + 8, BOX[3] - 8), slice(BOX[0] + 8, BOX[2] - 8))
GROWN = 8  # pixels around the mask that the blurred edge of grow_mask 5 may reach


def picture(size: tuple[int, int] = SIZE) -> Image.Image:
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    ImageDraw.Draw(image).ellipse(BOX, fill="red")
    return image


def mask(size: tuple[int, int] = SIZE, level: int = 255) -> Image.Image:
    image = Image.new("L", size, 0)
    ImageDraw.Draw(image).rectangle(BOX, fill=level)
    return image


def with_hole() -> Image.Image:
    image = picture().convert("RGBA")
    image.putalpha(mask().point([255 - level for level in range(256)]))
    return image


PICTURE = encoded(picture())
PROMPT = {"prompt": "a green field", "negative_prompt": "people", "seed": 7, "output_format": "png"}
BODIES: dict[str, dict[str, Any]] = {
    # every field that the documents list
    INPAINT: PROMPT | {"image": PICTURE, "mask": encoded(mask()), "style_preset": "photographic", "grow_mask": 5},
    REMOVE_BACKGROUND: {"image": PICTURE, "output_format": "png"},
    CORE: PROMPT | {"aspect_ratio": "3:2"},
    ULTRA: PROMPT | {"aspect_ratio": "9:16", "mode": "text-to-image"},
}
LEAST: dict[str, dict[str, Any]] = {
    INPAINT: {"image": encoded(with_hole()), "prompt": "a door"}, REMOVE_BACKGROUND: {"image": PICTURE},
    CORE: {"prompt": "a lake"}, ULTRA: {"prompt": "a lake"},
}  # fmt: skip


def sell(simulator: Running, model: str, body: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    return invoke(simulator, (BODIES[model] if body is None else body) | changes, model, region=REGIONS[model])


def drawn(simulator: Running, model: str, **changes: Any) -> Image.Image:
    return opened(sell(simulator, model, **changes)["images"][0])


def pixels(image: Image.Image) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.asarray(image.convert("RGB")).astype(np.int16)


# what works


@pytest.mark.parametrize("model", BODIES)
def test_each_model_answers_one_image_its_seed_and_a_null_reason(bedrock_simulator: Running, model: str) -> None:
    answer = sell(bedrock_simulator, model)

    # {'seeds': [2130420379], "finish_reasons": [null], "images": ["..."]}
    assert set(answer) == {"seeds", "finish_reasons", "images"}
    assert answer["finish_reasons"] == [None]
    assert answer["seeds"] == [7] if "seed" in BODIES[model] else answer["seeds"][0] > 0
    (image,) = (opened(b64) for b64 in answer["images"])
    assert image.format == "PNG"
    assert "stability" in str(image.info)
    (purchase,) = bedrock_simulator.purchases()
    assert (purchase["images"], purchase["charged"], purchase["model"]) == (1, True, model.removeprefix("us."))


@pytest.mark.parametrize("model", BODIES)
def test_optional_fields_may_be_left_out(bedrock_simulator: Running, model: str) -> None:
    assert sell(bedrock_simulator, model, LEAST[model])["images"]


@pytest.mark.parametrize("seed", [{}, {"seed": 0}])
def test_no_seed_and_zero_are_another_seed_each_time(bedrock_simulator: Running, seed: dict[str, int]) -> None:
    # "(Omit this parameter or pass 0 to use a random seed.)"
    first, second = (sell(bedrock_simulator, CORE, LEAST[CORE], **seed) for _ in range(2))

    assert first["seeds"] != second["seeds"]
    assert first["images"] != second["images"]


def test_the_same_seed_draws_the_same_picture(bedrock_simulator: Running) -> None:
    assert sell(bedrock_simulator, ULTRA)["images"] == sell(bedrock_simulator, ULTRA)["images"]


@pytest.mark.parametrize(("model", "wanted", "kind"), [
    (INPAINT, "jpeg", "JPEG"), (INPAINT, "webp", "WEBP"), (REMOVE_BACKGROUND, "webp", "WEBP"),
    (REMOVE_BACKGROUND, "jpeg", "JPEG"), (CORE, "jpeg", "JPEG"), (ULTRA, "jpeg", "JPEG"),
])  # fmt: skip
def test_each_output_format_is_labelled_as_no_models_work(
    bedrock_simulator: Running, model: str, wanted: str, kind: str
) -> None:
    answer = sell(bedrock_simulator, model, output_format=wanted)

    assert opened(answer["images"][0]).format == kind
    assert b"not by a model" in base64.b64decode(answer["images"][0])


@pytest.mark.parametrize("ratio", ["16:9", "1:1", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21"])
@pytest.mark.parametrize("model", [CORE, ULTRA])
def test_each_aspect_ratio_gives_a_picture_of_about_that_ratio(
    bedrock_simulator: Running, model: str, ratio: str
) -> None:
    width, height = drawn(bedrock_simulator, model, aspect_ratio=ratio).size

    across, down = map(int, ratio.split(":"))
    assert abs(width / height / (across / down) - 1) < 0.06
    # "Supported dimensions: height 640 to 1,536 px, width 640 to 1,536 px"
    assert 640 <= min(width, height) <= max(width, height) <= 1536


@pytest.mark.parametrize(("model", "changes"), [
    (INPAINT, {"prompt": ""}), (INPAINT, {"prompt": "x" * 10_000}), (INPAINT, {"seed": 4_294_967_294}),
    (INPAINT, {"grow_mask": 0}), (INPAINT, {"grow_mask": 20}), (INPAINT, {"image": encoded(picture(), "WEBP")}),
    (INPAINT, {"image": encoded(Image.new("RGB", (64, 160)))}), (INPAINT, {"mask": encoded(mask((120, 150)))}),
    (REMOVE_BACKGROUND, {"image": encoded(picture(), "JPEG")}), (CORE, {"seed": 4_294_967_295}),
    (CORE, {"mode": "text-to-image"}),
])  # fmt: skip
def test_the_edge_of_each_range_is_accepted(bedrock_simulator: Running, model: str, changes: dict[str, Any]) -> None:
    assert sell(bedrock_simulator, model, **changes)["images"]


def test_inpainting_repaints_the_white_and_leaves_the_black(bedrock_simulator: Running) -> None:
    # "Completely black pixels represent no inpainting strength while completely white pixels represent maximum strength"
    before, after = pixels(picture()), pixels(drawn(bedrock_simulator, INPAINT, prompt="a blue lake"))

    changes = (before != after).any(axis=-1)
    far = np.ones(changes.shape, bool)
    far[BOX[1] - 2 * GROWN : BOX[3] + 2 * GROWN, BOX[0] - 2 * GROWN : BOX[2] + 2 * GROWN] = False
    assert changes[INSIDE].mean() > 0.95
    assert not changes[far].any()


def test_a_grey_mask_inpaints_in_part(bedrock_simulator: Running) -> None:
    half = encoded(mask(level=128))
    before = pixels(picture())
    whole, part = (
        np.abs(pixels(drawn(bedrock_simulator, INPAINT, mask=given)) - before)[INSIDE].mean()
        for given in (BODIES[INPAINT]["mask"], half)
    )

    assert 0.4 < part / whole < 0.6


def test_grow_mask_grows_it(bedrock_simulator: Running) -> None:
    before = pixels(picture())
    areas = [
        (pixels(drawn(bedrock_simulator, INPAINT, grow_mask=by)) != before).any(axis=-1).sum() for by in (0, 5, 20)
    ]

    assert areas[0] < areas[1] < areas[2]


def test_without_a_mask_the_transparent_pixels_are_inpainted(bedrock_simulator: Running) -> None:
    # "Transparent pixels will be inpainted while opaque pixels will be preserved"
    given = pixels(with_hole())
    after = pixels(opened(sell(bedrock_simulator, INPAINT, LEAST[INPAINT])["images"][0]))

    changes = (given != after).any(axis=-1)
    assert changes[INSIDE].mean() > 0.95
    assert not changes[:40].any()


def test_the_background_is_removed_with_soft_alpha(bedrock_simulator: Running) -> None:
    person = base64.b64encode((SAMPLES / "person_a.png").read_bytes()).decode()
    alpha = np.asarray(drawn(bedrock_simulator, REMOVE_BACKGROUND, image=person).getchannel("A"))

    assert (alpha[300, 410], alpha[20, 20]) == (255, 0)
    assert len(np.unique(alpha)) > 50


# what is refused: (model, a change, what the refusal says)

BAD_PICTURES = [
    # "Every side of the image must be at least 64 pixels"
    (encoded(Image.new("RGB", (63, 100))), "each side must be 64"),
    # "The total pixel count cannot exceed 9,437,184 pixels"
    (encoded(Image.new("RGB", (3073, 3072)), "JPEG"), "at most 9437184 pixels"),
    # "Image aspect ratio must be between 1:2.5 and 2.5:1"
    (encoded(Image.new("RGB", (100, 251))), "between 1:2.5 and 2.5:1"),
    # "Supported formats: jpeg, png, webp"
    (encoded(Image.new("RGB", SIZE), "GIF"), "JPEG or PNG or WEBP"),
    # "The Base64 image"
    ("data:image/png;base64," + PICTURE, "raw base64"),
    ("https://example.com/a.png", "not a valid base64"),
    (PICTURE[:200], "could not be read"),
]
RULES: list[tuple[str, str, Any, str]] = [
    # "Inpaint has the following required parameters: prompt, image"
    (INPAINT, "prompt", REMOVED, "[prompt] not found"),
    (INPAINT, "image", REMOVED, "[image] not found"),
    # "Minimum 0 and Maximum 10000 characters"
    (INPAINT, "prompt", "x" * 10_001, "prompt: expected maxLength: 10000, actual: 10001"),
    (INPAINT, "negative_prompt", "x" * 10_001, "negative_prompt: expected maxLength"),
    (INPAINT, "prompt", None, "prompt must not be null"),
    (INPAINT, "prompt", 7, "#/prompt"),
    # "Range 0 to 4294967294"
    (INPAINT, "seed", -1, "seed"),
    (INPAINT, "seed", 4_294_967_295, "seed"),
    (INPAINT, "seed", 1.5, "seed"),
    # "Enum: jpeg, png, webp"
    (INPAINT, "output_format", "gif", "gif is not a valid enum value"),
    (INPAINT, "output_format", "PNG", "PNG is not a valid enum value"),
    # "Enum: 3d-model, analog-film, ... tile-texture"
    (INPAINT, "style_preset", "PHOTOREALISM", "PHOTOREALISM is not a valid enum value"),
    # "Range between 0 and 20"
    (INPAINT, "grow_mask", -1, "grow_mask"),
    (INPAINT, "grow_mask", 21, "grow_mask"),
    # "one will be derived from the alpha channel of the image parameter"
    (INPAINT, "mask", REMOVED, "mask: without a mask the image needs transparent pixels"),
    # no field of another service or vendor
    (INPAINT, "search_prompt", "a shirt", "extraneous key [search_prompt]"),
    (INPAINT, "maskImage", PICTURE, "extraneous key [maskImage]"),
    (INPAINT, "aspect_ratio", "1:1", "extraneous key [aspect_ratio]"),
    *((INPAINT, "image", wrong, f"image: {says}" if says[0] == "e" else says) for wrong, says in BAD_PICTURES),
    *((INPAINT, "mask", wrong, says) for wrong, says in BAD_PICTURES),
    (REMOVE_BACKGROUND, "image", REMOVED, "[image] not found"),
    (REMOVE_BACKGROUND, "prompt", "x", "extraneous key [prompt]"),
    (REMOVE_BACKGROUND, "seed", 1, "extraneous key [seed]"),
    (REMOVE_BACKGROUND, "output_format", "tiff", "tiff is not a valid enum value"),
    *((REMOVE_BACKGROUND, "image", wrong, says) for wrong, says in BAD_PICTURES),
    *(row for model in (CORE, ULTRA) for row in (
        (model, "prompt", REMOVED, "[prompt] not found"),
        (model, "prompt", "x" * 10_001, "prompt: expected maxLength: 10000"),
        (model, "negative_prompt", "x" * 10_001, "negative_prompt: expected maxLength: 10000"),
        # "Enum: 16:9, 1:1, 21:9, 2:3, 3:2, 4:5, 5:4, 9:16, 9:21"
        (model, "aspect_ratio", "4:3", "4:3 is not a valid enum value"),
        # "Enum: text-to-image"
        (model, "mode", "image-to-image", "image-to-image is not a valid enum value"),
        # "Supported formats: JPEG, PNG"
        (model, "output_format", "webp", "webp is not a valid enum value"),
        # "Range: 0 to 4294967295"
        (model, "seed", 4_294_967_296, "seed"),
        (model, "image", PICTURE, "extraneous key [image]"),
        (model, "width", 1024, "extraneous key [width]"),
        (model, "taskType", "TEXT_IMAGE", "extraneous key [taskType]"),
    )),
]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "field", "value", "says"), RULES, ids=[f"{row[0].split('-')[2]}-{row[3]}" for row in RULES]
)
def test_a_request_broken_in_one_place_is_refused_and_not_sold(
    bedrock_simulator: Running, model: str, field: str, value: Any, says: str
) -> None:
    body = with_value(BODIES[model], field, value)

    code, status, message = refused(bedrock_simulator, body, model=model, region=REGIONS[model])

    assert (code, status) == ("ValidationException", 400)
    assert says in message
    assert bedrock_simulator.purchases() == []


@pytest.mark.parametrize("model", [INPAINT, REMOVE_BACKGROUND])
def test_the_services_answer_to_their_inference_profile_only(bedrock_simulator: Running, model: str) -> None:
    bare = model.removeprefix("us.")

    code, status, message = refused(bedrock_simulator, BODIES[model], model=bare)

    assert (code, status) == ("ValidationException", 400)
    assert f"Invocation of model ID {bare} with on-demand throughput isn’t supported." in message


@pytest.mark.parametrize(("model", "region"), [
    (CORE, "us-east-1"), (ULTRA, "eu-west-1"), (INPAINT, "eu-west-1"), (f"us.{CORE}", "us-west-2"),
    ("stability.stable-image-core-v1:0", "us-west-2"),
])  # fmt: skip
def test_elsewhere_they_are_invalid_identifiers(bedrock_simulator: Running, model: str, region: str) -> None:
    message = refused(bedrock_simulator, LEAST[CORE], model=model, region=region)[2]

    assert message == "The provided model identifier is invalid."


# filters

REASONS = ["Filter reason: prompt", "Filter reason: output image", "Filter reason: input image", "Inference error"]


@pytest.mark.parametrize("reason", REASONS)
def test_a_filtered_answer_is_a_200_with_its_reason_and_no_images(bedrock_simulator: Running, reason: str) -> None:
    assert bedrock_simulator.fault(on="submit", kind="filtered", reason=reason, times=1).status_code == 201

    # {"finish_reasons": ["Filter reason: prompt"]}
    assert sell(bedrock_simulator, INPAINT) == {"finish_reasons": [reason]}
    assert [(entry["charged"], entry["images"]) for entry in bedrock_simulator.purchases()] == [(None, 0)]
    assert sell(bedrock_simulator, INPAINT)["finish_reasons"] == [None]


def test_a_filtered_answer_may_have_another_body(bedrock_simulator: Running) -> None:
    body = {"seeds": [0], "finish_reasons": ["Filter reason: output image"], "images": [""]}
    bedrock_simulator.fault(on="submit", kind="filtered", reason="Filter reason: output image", body=body)

    assert sell(bedrock_simulator, ULTRA) == body


@pytest.mark.parametrize(("fault", "says"), [({}, "reason"), ({"reason": "because"}, "'because' is not one of")])
def test_a_reason_that_is_none_of_the_four_is_refused(
    bedrock_simulator: Running, fault: dict[str, str], says: str
) -> None:
    answer = bedrock_simulator.fault(on="submit", kind="filtered", **fault)

    assert answer.status_code == 400
    assert says in answer.json()["error"]


def test_the_request_log_holds_facts_of_the_pictures_instead_of_pixels(bedrock_simulator: Running) -> None:
    sell(bedrock_simulator, INPAINT)

    (entry,) = bedrock_simulator.requests()
    assert entry["body"]["mask"] == entry["body"]["mask"] | {
        "width": SIZE[0],
        "height": SIZE[1],
        "format": "PNG",
        "mode": "L",
    }
    assert entry["body"]["prompt"] == "a green field"


def test_pictures_are_as_large_as_they_came(bedrock_simulator: Running) -> None:
    out = io.BytesIO()
    picture((333, 200)).save(out, "PNG")
    given = base64.b64encode(out.getvalue()).decode()

    assert drawn(bedrock_simulator, INPAINT, image=given).size == (333, 200)
    assert drawn(bedrock_simulator, REMOVE_BACKGROUND, image=given).size == (333, 200)
