"""The seven other requests of Nova Canvas against plain boto3: what works, and each rule of the documents, one row a rule."""

from __future__ import annotations

import base64
import copy
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageColor, ImageDraw

from local.simulators.bedrock.app import Bedrock
from local.simulators.kit.previews import Previews
from local.simulators.kit.server import running
from tests.contract.bedrock import REMOVED, invoke, opened, refused, with_value
from tests.contract.conftest import SAMPLES, Running, encoded

SIZE = (384, 512)
BOX = (100, 150, 300, 400)  # of the red thing in PICTURE
CONFIG = {"numberOfImages": 1, "quality": "standard", "cfgScale": 6.5, "seed": 12}
SIZED = CONFIG | {"width": 512, "height": 640}


def picture(size: tuple[int, int] = SIZE) -> Image.Image:
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    ImageDraw.Draw(image).rectangle(BOX, fill="red")
    return image


def mask(inside: int, outside: int, size: tuple[int, int] = SIZE) -> Image.Image:
    image = Image.new("L", size, outside)
    ImageDraw.Draw(image).rectangle(BOX, fill=inside)
    return image.convert("RGB")


PICTURE, CUT, KEEP = encoded(picture()), encoded(mask(0, 255)), encoded(mask(0, 255))

PARAMS = {
    "TEXT_IMAGE": "textToImageParams", "COLOR_GUIDED_GENERATION": "colorGuidedGenerationParams",
    "IMAGE_VARIATION": "imageVariationParams", "INPAINTING": "inPaintingParams", "OUTPAINTING": "outPaintingParams",
    "BACKGROUND_REMOVAL": "backgroundRemovalParams",
}  # fmt: skip
WORDS = {"text": "a lake at dawn", "negativeText": "boats"}
BODIES: dict[str, dict[str, Any]] = {
    # every field that the document lists for the shape
    "text": {"taskType": "TEXT_IMAGE", "textToImageParams": WORDS | {"style": "MAXIMALISM"}, "imageGenerationConfig": SIZED},
    "conditioned": {
        "taskType": "TEXT_IMAGE",
        "textToImageParams": WORDS | {"style": "PHOTOREALISM", "conditionImage": PICTURE, "controlMode": "SEGMENTATION",
                                      "controlStrength": 0.7},
        "imageGenerationConfig": SIZED,
    },
    "colours": {
        "taskType": "COLOR_GUIDED_GENERATION",
        "colorGuidedGenerationParams": WORDS | {"colors": ["#00FF00", "#FCF2AB"], "referenceImage": PICTURE},
        "imageGenerationConfig": SIZED,
    },
    "variation": {
        "taskType": "IMAGE_VARIATION",
        "imageVariationParams": WORDS | {"images": [PICTURE], "similarityStrength": 0.8},
        "imageGenerationConfig": {key: value for key, value in SIZED.items() if key != "quality"},
    },
    "inpaint": {
        "taskType": "INPAINTING",
        "inPaintingParams": WORDS | {"image": PICTURE, "maskImage": CUT},
        "imageGenerationConfig": CONFIG,
    },
    "outpaint": {
        "taskType": "OUTPAINTING",
        "outPaintingParams": WORDS | {"image": PICTURE, "maskImage": KEEP, "outPaintingMode": "PRECISE"},
        "imageGenerationConfig": CONFIG,
    },
    "background": {"taskType": "BACKGROUND_REMOVAL", "backgroundRemovalParams": {"image": PICTURE}},
}  # fmt: skip


def changed(shape: str, path: str, value: Any) -> dict[str, Any]:
    """A body with one value set. In path `p.` is the task's params and `c.` its config."""
    params = PARAMS[BODIES[shape]["taskType"]]
    where = path.replace("c.", "imageGenerationConfig.", 1) if path.startswith("c.") else path
    where = where.replace("p.", f"{params}.", 1) if where.startswith("p.") else where
    return with_value(BODIES[shape], where, value)


def least(shape: str) -> dict[str, Any]:
    """Only what is required; of the texts called required only those that the document does not let one omit."""
    needed = {"text": ("text",), "conditioned": ("text", "conditionImage"), "colours": ("text", "colors"),
              "variation": ("images",), "inpaint": ("image", "maskImage"), "outpaint": ("image", "maskImage"),
              "background": ("image",)}[shape]  # fmt: skip
    body = copy.deepcopy(BODIES[shape])
    params = PARAMS[body["taskType"]]
    return {"taskType": body["taskType"], params: {key: body[params][key] for key in needed}}


def pixels(image: Image.Image) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.asarray(image.convert("RGB")).astype(np.int16)


def drawn(simulator: Running, shape: str, *changes: tuple[str, Any]) -> Image.Image:
    body = BODIES[shape]
    for path, value in changes:
        params = PARAMS[body["taskType"]]
        place = path.replace("c.", "imageGenerationConfig.", 1) if path.startswith("c.") else f"{params}.{path[2:]}"
        body = with_value(body, place, value)
    return opened(invoke(simulator, body)["images"][0])


# what works


@pytest.mark.parametrize("shape", BODIES)
def test_each_shape_is_answered_with_one_labelled_png_and_one_purchase(bedrock_simulator: Running, shape: str) -> None:
    answer = invoke(bedrock_simulator, BODIES[shape])

    (image,) = (opened(b64) for b64 in answer.pop("images"))
    assert answer == {}
    assert image.format == "PNG"
    assert image.size == ((512, 640) if "width" in BODIES[shape].get("imageGenerationConfig", {}) else SIZE)
    assert BODIES[shape]["taskType"] in str(image.info)
    (purchase,) = bedrock_simulator.purchases()
    assert (purchase["images"], purchase["charged"], purchase["quality"]) == (1, True, "standard")
    assert (purchase["width"], purchase["height"]) == image.size


@pytest.mark.parametrize("shape", BODIES)
def test_optional_fields_may_be_left_out(bedrock_simulator: Running, shape: str) -> None:
    (image,) = invoke(bedrock_simulator, least(shape))["images"]

    # "Both default to 1024"
    generated = BODIES[shape]["taskType"] in ("TEXT_IMAGE", "COLOR_GUIDED_GENERATION", "IMAGE_VARIATION")
    assert opened(image).size == ((1024, 1024) if generated else SIZE)


@pytest.mark.parametrize("shape", [shape for shape in BODIES if shape != "background"])
def test_several_images_come_from_several_seeds_and_the_same_seed_draws_the_same(
    bedrock_simulator: Running, shape: str
) -> None:
    three = invoke(bedrock_simulator, changed(shape, "c.numberOfImages", 3))["images"]

    assert len(set(three)) == 3
    assert invoke(bedrock_simulator, changed(shape, "c.seed", 14))["images"] == [three[2]]


EDGES: list[dict[str, Any]] = [
    changed("text", "p.text", "x" * 1024),
    changed("text", "p.style", "3D_ANIMATED_FAMILY_FILM"),
    changed("text", "imageGenerationConfig", SIZED | {"width": 320, "height": 1280}),
    changed("text", "imageGenerationConfig", SIZED | {"width": 4096, "height": 1024}),
    changed("text", "imageGenerationConfig", SIZED | {"width": 2048, "height": 2048, "quality": "premium"}),
    changed("conditioned", "p.controlStrength", 0),
    changed("conditioned", "p.controlStrength", 1.0),
    changed("conditioned", "p.controlMode", "CANNY_EDGE"),
    changed("colours", "p.colors", ["#abcdef"] * 10),
    changed("variation", "p.images", [PICTURE] * 5),
    changed("variation", "p.similarityStrength", 0.2),
    changed("variation", "p.similarityStrength", 1),
    changed("inpaint", "c.cfgScale", 1.1),
    changed("outpaint", "p.outPaintingMode", "DEFAULT"),
    changed("outpaint", "c.quality", "premium"),
]


@pytest.mark.parametrize("body", EDGES)
def test_the_edge_of_each_range_is_accepted(bedrock_simulator: Running, body: dict[str, Any]) -> None:
    assert invoke(bedrock_simulator, body)["images"]


# what is refused: a request broken in one place, and what the refusal says


BAD_PICTURES = [
    (encoded(picture(), "WEBP"), "the image must be PNG or JPEG"),
    (encoded(picture((319, 512))), "each side must be 320 to 4096"),
    (encoded(picture((320, 1281))), "the aspect ratio must be between 1:4 and 4:1"),
    ("data:image/png;base64," + PICTURE, "expected a raw base64 string"),
    (PICTURE[:400], "the image could not be read"),
]  # fmt: skip


def rows() -> Iterator[tuple[dict[str, Any], str]]:
    for shape, body in BODIES.items():
        params = PARAMS[body["taskType"]]
        # "taskType": ..., and the task's own parameter object
        yield changed(shape, params, REMOVED), f"[{params}] not found"
        yield changed(shape, "virtualTryOnParams", {}), "extraneous key [virtualTryOnParams]"
        yield changed(shape, "p.prompt", "x"), "extraneous key [prompt]"
        yield changed(shape, "p.maskShape", "CONTOUR"), "extraneous key [maskShape]"
        if shape == "background":
            continue
        # "`negativeText` (Optional) ... 1-1024 characters in length", and `text` likewise
        for field in ("text", "negativeText"):
            yield changed(shape, f"p.{field}", ""), f"{field}: expected minLength: 1, actual: 0"
            yield changed(shape, f"p.{field}", "x" * 1025), f"{field}: expected maxLength: 1024, actual: 1025"
            yield changed(shape, f"p.{field}", None), f"{field} must not be null"
        # numberOfImages 1-5; seed 0-2,147,483,646; "Values range from 1.1-10, inclusive"
        yield changed(shape, "c.numberOfImages", 0), "numberOfImages"
        yield changed(shape, "c.numberOfImages", 6), "numberOfImages"
        yield changed(shape, "c.seed", -1), "seed"
        yield changed(shape, "c.seed", 2_147_483_647), "seed"
        yield changed(shape, "c.cfgScale", 1.0), "cfgScale"
        yield changed(shape, "c.cfgScale", 10.5), "cfgScale"
        yield changed(shape, "c.steps", 20), "extraneous key [steps]"
        if shape != "variation":
            # "standard" (default) or "premium"
            yield changed(shape, "c.quality", "high"), "high is not a valid enum value"
        if shape in ("inpaint", "outpaint"):
            # "`width` and `height` values should not be provided for the INPAINTING, OUTPAINTING ... task types"
            yield changed(shape, "c.width", 1024), "extraneous key [width]"
            yield changed(shape, "c.height", 1024), "extraneous key [height]"
        else:
            # "Each side must be between 320-4096 pixels, inclusive", "evenly divisible by 16", "1:4 and 4:1", 4,194,304
            yield changed(shape, "c.width", 304), "width"
            yield changed(shape, "c.height", 4112), "height"
            yield changed(shape, "c.width", 1000), "multiple of 16"
            yield changed(shape, "imageGenerationConfig", {"width": 336, "height": 1360}), "between 1:4 and 4:1"
            yield changed(shape, "imageGenerationConfig", {"width": 2064, "height": 2048}), "4194304 pixels"
    # "`text` (Required)" in the three shapes of generation
    for shape in ("text", "conditioned", "colours"):
        yield changed(shape, "p.text", REMOVED), "[text] not found"
    # "style": eight values
    yield changed("text", "p.style", "photorealism"), "photorealism is not a valid enum value"
    yield changed("conditioned", "p.style", "ANIME"), "ANIME is not a valid enum value"
    # "CANNY_EDGE" | "SEGMENTATION"; "The range is 0 to 1.0"; both fields are of the shape with a condition image
    yield changed("conditioned", "p.controlMode", "DEPTH"), "DEPTH is not a valid enum value"
    yield changed("conditioned", "p.controlStrength", -0.1), "controlStrength"
    yield changed("conditioned", "p.controlStrength", 1.1), "controlStrength"
    yield changed("text", "p.controlMode", "CANNY_EDGE"), "[controlMode] is not permitted without conditionImage"
    yield changed("text", "p.controlStrength", 0.5), "[controlStrength] is not permitted without conditionImage"
    # "A list of up to 10 color codes ... hexadecimal values in the form #RRGGBB"
    yield changed("colours", "p.colors", REMOVED), "[colors] not found"
    yield changed("colours", "p.colors", []), "colors"
    yield changed("colours", "p.colors", ["#000000"] * 11), "colors"
    for wrong in ("red", "#F00", "00FF00", "#00FF0G", "#00FF00FF"):
        yield changed("colours", "p.colors", [wrong]), "colors/0"
    yield changed("colours", "p.style", "MAXIMALISM"), "extraneous key [style]"
    # "A list of 1-5 images"; "betweeen 0.2-1.0"; no quality in its imageGenerationConfig
    yield changed("variation", "p.images", REMOVED), "[images] not found"
    yield changed("variation", "p.images", []), "images"
    yield changed("variation", "p.images", [PICTURE] * 6), "images"
    yield changed("variation", "p.images", PICTURE), "images"
    yield changed("variation", "p.similarityStrength", 0.1), "similarityStrength"
    yield changed("variation", "p.similarityStrength", 1.1), "similarityStrength"
    yield changed("variation", "c.quality", "standard"), "extraneous key [quality]"
    # "You must specify either the maskPrompt or the maskImage parameter, but not both"
    for shape in ("inpaint", "outpaint"):
        yield changed(shape, "p.image", REMOVED), "[image] not found"
        yield (
            changed(shape, "p.maskImage", REMOVED),
            "either maskPrompt or maskImage must be specified, but not both; found neither",
        )
        yield (
            changed(shape, "p.maskPrompt", "the box"),
            "either maskPrompt or maskImage must be specified, but not both; found both",
        )
        prompted = changed(shape, "p.maskImage", REMOVED)
        place = f"{PARAMS[prompted['taskType']]}.maskPrompt"
        yield with_value(prompted, place, ""), "maskPrompt: expected minLength: 1, actual: 0"
        # "The mask image must be the same size as the input image", "pure black ... pure white. No other colors"
        yield changed(shape, "p.maskImage", encoded(mask(0, 255, (512, 384)))), "as large as the source image"
        yield changed(shape, "p.maskImage", encoded(mask(128, 255))), "pure black and pure white"
        # image-gen-access: input images are of 8 bit RGB
        yield changed(shape, "p.maskImage", encoded(mask(0, 255).convert("L"))), "must be 8 bit RGB"
    # "inpainting and outpainting requests are opposites": nothing to edit is a mask of the other colour
    yield (
        changed("inpaint", "p.maskImage", encoded(mask(255, 255))),
        "all white, so there is nothing to edit; areas to edit are black",
    )
    yield (
        changed("outpaint", "p.maskImage", encoded(mask(0, 0))),
        "all black, so there is nothing to edit; areas to edit are white",
    )
    # "outPaintingMode": "DEFAULT" | "PRECISE", of outpainting only
    yield changed("outpaint", "p.outPaintingMode", "FAST"), "FAST is not a valid enum value"
    yield changed("inpaint", "p.outPaintingMode", "PRECISE"), "extraneous key [outPaintingMode]"
    # "common to all task types except BACKGROUND_REMOVAL"
    yield changed("background", "imageGenerationConfig", {}), "extraneous key [imageGenerationConfig]"
    yield changed("background", "p.image", REMOVED), "[image] not found"
    yield changed("background", "p.text", "x"), "extraneous key [text]"
    # every picture by the same rules: "JPEG or PNG", "Base64 string", 320 to 4096 a side, no transparency
    for shape, field, name in (
        ("conditioned", "conditionImage", "conditionImage"),
        ("colours", "referenceImage", "referenceImage"),
        ("inpaint", "image", "image"),
        ("outpaint", "image", "image"),
        ("background", "image", "image"),
        ("inpaint", "maskImage", "maskImage"),
        ("outpaint", "maskImage", "maskImage"),
    ):
        for wrong, says in BAD_PICTURES:
            yield changed(shape, f"p.{field}", wrong), f"{name}: {says}"
    for wrong, says in BAD_PICTURES:
        yield changed("variation", "p.images", [PICTURE, wrong]), f"images/1: {says}"


TRANSPARENT = encoded(Image.new("RGBA", SIZE, (9, 9, 9, 254)))
ROWS = list(rows())


@pytest.mark.parametrize(("body", "says"), ROWS, ids=[f"{body.get('taskType')}-{says}" for body, says in ROWS])
def test_a_request_broken_in_one_place_is_refused_and_not_sold(
    bedrock_simulator: Running, body: dict[str, Any], says: str
) -> None:
    code, status, message = refused(bedrock_simulator, body)

    assert (code, status) == ("ValidationException", 400)
    assert says in message
    assert bedrock_simulator.purchases() == []


@pytest.mark.parametrize("body", [
    changed("conditioned", "p.conditionImage", TRANSPARENT), changed("colours", "p.referenceImage", TRANSPARENT),
    changed("variation", "p.images", [TRANSPARENT]), changed("inpaint", "p.image", TRANSPARENT),
    changed("background", "p.image", TRANSPARENT),
])  # fmt: skip
def test_a_translucent_picture_is_refused(bedrock_simulator: Running, body: dict[str, Any]) -> None:
    # "must not contain any transparent or translucent pixels"
    assert "translucent" in refused(bedrock_simulator, body)[2]


@pytest.mark.parametrize(("body", "says"), [([], "JSONObject"), ("x", "JSONObject"), (None, "JSONObject")])
def test_a_body_that_is_no_object_is_refused(bedrock_simulator: Running, body: Any, says: str) -> None:
    assert says in refused(bedrock_simulator, body)[2]


# what the pictures show


def test_the_words_and_the_style_choose_the_picture(bedrock_simulator: Running) -> None:
    first, other, styled = (
        drawn(bedrock_simulator, "text"),
        drawn(bedrock_simulator, "text", ("p.text", "a city")),
        drawn(bedrock_simulator, "text", ("p.style", "DESIGN_SKETCH")),
    )

    assert len({image.tobytes() for image in (first, other, styled)}) == 3
    assert min(pixels(image).std() for image in (first, other, styled)) > 10


def test_a_condition_image_lends_its_edges_the_more_the_stronger(bedrock_simulator: Running) -> None:
    # "Elements of the generated image will follow the prominent contours, or "edges", of the condition image closely"
    seen = {
        strength: pixels(
            drawn(bedrock_simulator, "conditioned", ("p.controlMode", "CANNY_EDGE"), ("p.controlStrength", strength))
        )
        for strength in (0.0, 0.5, 1.0)
    }
    # the picture's red box, scaled to cover 512 x 640: what sticks out above and below is cut off
    scale = 512 / SIZE[0]
    left, middle = round(BOX[0] * scale), round((BOX[1] + BOX[3]) / 2 * scale - (SIZE[1] * scale - 640) / 2)
    edge = (slice(middle - 20, middle + 20), slice(left - 3, left + 4))

    darker = [(seen[0.0] - seen[strength])[edge].mean() for strength in (0.5, 1.0)]
    assert 5 < darker[0] < darker[1]


def test_a_segmented_condition_image_lends_its_areas(bedrock_simulator: Running) -> None:
    image = pixels(drawn(bedrock_simulator, "conditioned", ("p.controlStrength", 1.0)))

    box = image[250:430, 150:350].reshape(-1, 3)
    assert (box == np.median(box, axis=0)).all(axis=1).mean() > 0.95


def test_the_given_colours_dominate(bedrock_simulator: Running) -> None:
    colours = ["#FF9800", "#0055AA", "#22AA22"]
    guided = invoke(bedrock_simulator, with_value(least("colours"), "colorGuidedGenerationParams.colors", colours))
    image = pixels(opened(guided["images"][0]))

    distance = [np.abs(image - np.array(ImageColor.getrgb(colour))).max(axis=-1) for colour in colours]
    assert (np.min(distance, axis=0) < 40).mean() > 0.9


def test_a_reference_image_keeps_its_layout_in_the_given_colours(bedrock_simulator: Running) -> None:
    image = pixels(drawn(bedrock_simulator, "colours", ("p.colors", ["#000033", "#3333FF"])))

    assert image[..., 2].mean() > 1.5 * image[..., 0].mean()


def test_a_variation_is_gently_but_visibly_another_picture(bedrock_simulator: Running) -> None:
    base64_person = base64.b64encode((SAMPLES / "person_a.png").read_bytes()).decode()
    near, far = (
        pixels(drawn(bedrock_simulator, "variation", ("p.images", [base64_person]), ("c.width", 416), ("c.height", 624),
                     ("p.similarityStrength", similarity), ("p.text", "x")))
        for similarity in (1.0, 0.2)
    )  # fmt: skip
    original = pixels(opened(base64_person).convert("RGB").resize((416, 624)))

    assert 1.5 < np.abs(near - original).mean() < np.abs(far - original).mean() < 70


INSIDE, OUTSIDE = (slice(BOX[1], BOX[3] + 1), slice(BOX[0], BOX[2] + 1)), (slice(0, BOX[1]), slice(None))


def test_inpainting_repaints_the_black_and_nothing_else(bedrock_simulator: Running) -> None:
    before, after = pixels(picture()), pixels(drawn(bedrock_simulator, "inpaint", ("p.text", "a blue door")))

    changes = (before != after).any(axis=-1)
    assert changes[INSIDE].mean() > 0.95
    assert changes.sum() == changes[INSIDE].sum()
    assert after[INSIDE][..., 2].mean() > after[INSIDE][..., 0].mean()


def test_inpainting_without_a_text_removes(bedrock_simulator: Running) -> None:
    # "If you omit this field, the model will remove elements inside the masked area ... seamless extension"
    (image,) = invoke(bedrock_simulator, changed("inpaint", "p.text", REMOVED))["images"]
    before, after = pixels(Image.linear_gradient("L").resize(SIZE).convert("RGB")), pixels(opened(image))

    # the red is gone, but for what bleeds in from its antialiased rim
    assert np.abs(after - before)[INSIDE].mean() < 45
    assert np.ptp(after[INSIDE].mean(axis=(0, 1))) < 25


def test_outpainting_replaces_the_white_and_keeps_the_black(bedrock_simulator: Running) -> None:
    # image-gen-access.html: for outpainting "the model will change the areas colored white"
    before, after = pixels(picture()), pixels(drawn(bedrock_simulator, "outpaint"))

    changes = (before != after).any(axis=-1)
    assert not changes[INSIDE].any()
    assert changes[OUTSIDE].mean() > 0.95


def test_default_mode_blends_where_precise_cuts(bedrock_simulator: Running) -> None:
    # "DEFAULT to transition smoothly"; "PRECISE to strictly adhere to the mask boundaries"
    before = pixels(picture())
    rim = (slice(BOX[1], BOX[3]), slice(BOX[0] - 4, BOX[0]))
    smooth, precise = (
        np.abs(pixels(drawn(bedrock_simulator, "outpaint", ("p.outPaintingMode", mode))) - before)[rim].mean()
        for mode in ("DEFAULT", "PRECISE")
    )

    assert smooth < 0.5 * precise


@pytest.mark.parametrize(("shape", "changes_inside"), [("inpaint", True), ("outpaint", False)])
def test_a_mask_prompt_names_what_changes_in_inpainting_and_what_stays_in_outpainting(
    bedrock_simulator: Running, shape: str, changes_inside: bool
) -> None:
    body = changed(shape, "p.maskImage", REMOVED)
    body = with_value(body, f"{PARAMS[body['taskType']]}.maskPrompt", "the red box")
    after = pixels(opened(invoke(bedrock_simulator, body)["images"][0]))

    changes = (pixels(picture()) != after).any(axis=-1)
    inner = changes[BOX[1] + 5 : BOX[3] - 5, BOX[0] + 5 : BOX[2] - 5].mean()
    corner = changes[:100, :80].mean()
    assert (inner > 0.9, corner > 0.9) == (changes_inside, not changes_inside)


def test_background_removal_answers_a_png_with_soft_eight_bit_alpha(bedrock_simulator: Running) -> None:
    # "will return a PNG image with full 8-bit transparency"
    person = base64.b64encode((SAMPLES / "person_a.png").read_bytes()).decode()
    image = drawn(bedrock_simulator, "background", ("p.image", person))

    alpha = np.asarray(image.getchannel("A"))
    assert (image.format, image.mode) == ("PNG", "RGBA")
    assert (alpha[300, 410], alpha[20, 20]) == (255, 0)
    assert len(np.unique(alpha)) > 50
    assert 0.1 < (alpha > 128).mean() < 0.4


# objects in scenes, with the real engine


@pytest.fixture(scope="module")
def _real_bedrock(real_previews: Previews) -> Iterator[Running]:
    with running(Bedrock(real_previews).app()) as url:
        served = Running(Bedrock(real_previews), url)
        yield served
        served.close()


@pytest.fixture
def real_bedrock(_real_bedrock: Running) -> Running:
    return _real_bedrock.fresh()


ROOM, COUCH = ((SAMPLES / f"{name}.png").read_bytes() for name in ("room", "couch"))
CORNER = (330, 350, 930, 650)


def scene(**params: Any) -> dict[str, Any]:
    shared = {"sourceImage": base64.b64encode(ROOM).decode(), "referenceImage": base64.b64encode(COUCH).decode()}
    return {"taskType": "VIRTUAL_TRY_ON", "virtualTryOnParams": shared | {"returnMask": True} | params}


def room_mask() -> str:
    image = Image.new("RGB", (1024, 768), "white")
    image.paste("black", CORNER)
    return encoded(image)


def test_a_couch_lands_in_the_masks_box_and_nothing_else_changes(real_bedrock: Running) -> None:
    answer = invoke(
        real_bedrock, scene(maskType="IMAGE", imageBasedMask={"maskImage": room_mask()}, mergeStyle="BALANCED")
    )

    before, after = pixels(Image.open(io.BytesIO(ROOM))), pixels(opened(answer["images"][0]))
    changes = (before != after).any(axis=-1)
    inside = np.zeros(changes.shape, bool)
    inside[CORNER[1] : CORNER[3], CORNER[0] : CORNER[2]] = True
    assert not changes[~inside].any()
    green = (after[..., 1] > after[..., 0] + 20) & (after[..., 1] > after[..., 2])
    assert green[inside].mean() > 0.4
    assert np.array_equal(np.asarray(opened(answer["maskImage"]).convert("L")) == 0, inside)


def test_a_prompt_finds_the_thing_to_replace(real_bedrock: Running) -> None:
    answer = invoke(real_bedrock, scene(maskType="PROMPT", promptBasedMask={"maskPrompt": "the grey box"}))

    changed_part = Image.eval(opened(answer["maskImage"]).convert("L"), lambda level: 255 - level).getbbox()
    assert changed_part
    assert np.abs(np.array(changed_part) - (420, 380, 821, 621)).max() < 12


def test_a_garment_class_is_for_people_only(real_bedrock: Running) -> None:
    worn = scene(maskType="GARMENT", garmentBasedMask={"garmentClass": "UPPER_BODY"})

    assert "no person" in refused(real_bedrock, worn)[2]
    assert real_bedrock.purchases() == []
