"""Every piece of the vendor's advice: a request that it is given for, and one like it that it is not given for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from fitting_room.jobs.parse import parse
from fitting_room.providers.nova_canvas.advice import ADVICE
from tests.unit.providers.requests import GARMENT_MASK, IMAGE, IMAGE_MASK, PROMPT_MASK, asking, planned

ROOT = Path(__file__).parents[3]
BY_CODE = {advice.code: advice for advice in ADVICE}
BOX, CONTOUR = {"shape": "bounding_box"}, {"shape": "contour"}
PLAIN = frozenset({"plain_backdrop"})


class Case(NamedTuple):
    code: str
    pointer: str
    given: dict[str, Any]
    """Gets the advice."""
    other: dict[str, Any]
    """Does not."""


def worn(category: str = "tops", kind: str | None = None, **fields: Any) -> dict[str, Any]:
    return asking("try_on", garment={"category": category, **({"type": kind} if kind else {})}, **fields)


def styled(kind: str | None = None, **styling: str) -> dict[str, Any]:
    return worn("tops", kind, styling=styling)


def guided(guidance: float, task: str = "inpaint") -> dict[str, Any]:
    return asking(task, prompt="a rug", output={"guidance": guidance})


CASES = [
    # "Avoid using negating words ("no", "not", "without", etc.) in your `text` and `negativeText` values."
    Case(
        "negation_in_prompt",
        "/prompt",
        asking("text_to_image", prompt="a hall with NO mirrors"),
        asking("text_to_image", prompt="a noble, northern hall; knots in the nothofagus", negative_prompt="mirrors"),
    ),
    Case(
        "negation_in_prompt",
        "/prompt",
        asking("outpaint", prompt="a street where cars don’t drive"),
        asking("outpaint", mask={"type": "prompt", "prompt": "what is not sky"}),
    ),
    *(
        Case("negation_in_prompt", "/prompt", asking("inpaint", prompt=prompt), asking("inpaint", prompt="a rug"))
        for prompt in (
            "none of the chairs",
            "neither chairs",
            "nor chairs",
            "nothing on the table",
            "a street with nobody",
            "a light from nowhere",
            "what one cannot see",
        )
    ),
    Case("negation_in_prompt", "/prompt", asking("image_variation", prompt="not red"), asking("image_variation")),
    Case("negation_in_prompt", "/prompt", asking("color_guided", prompt="never blue"), asking("color_guided")),
    Case("negation_in_prompt", "/prompt", asking("inpaint", prompt="a cup without a handle"), asking("inpaint")),
    Case(
        "negation_in_negative_prompt",
        "/negative_prompt",
        asking("inpaint", negative_prompt="without mirrors"),
        asking("inpaint", negative_prompt="mirrors"),
    ),
    # "Low values (1.1-3)", "Medium values (4-7)", "High values (8-10)"
    Case("guidance_low", "/output/guidance", guided(3), guided(3.5)),
    Case("guidance_low", "/output/guidance", guided(1.1, "text_to_image"), asking("text_to_image")),
    Case("guidance_high", "/output/guidance", guided(8), guided(7.5)),
    Case("guidance_high", "/output/guidance", worn(output={"guidance": 10}), worn()),
    # "The `colors` list has the strongest effect when a `referenceImage` is not provided."
    Case(
        "reference_weakens_colors",
        "/reference_image",
        asking("color_guided", reference_image=IMAGE),
        asking("color_guided"),
    ),
    # "If you omit this field, the model will remove elements inside the masked area."
    Case("removes_without_prompt", "/prompt", asking("inpaint"), asking("inpaint", prompt="a rug")),
    Case("removes_without_prompt", "/prompt", asking("outpaint", prompt=None), asking("outpaint", prompt="a beach")),
    # "you can get a halo effect if your prompt calls for a new background that is significantly different"
    Case("soft_transition_halo", "/transition", asking("outpaint"), asking("outpaint", transition="precise")),
    Case(
        "soft_transition_halo",
        "/transition",
        asking("outpaint", transition="soft"),
        asking("outpaint", transition="precise"),
    ),
    # "This mode is generally better when you are making significant changes to the background."
    Case("precise_transition_colors", "/transition", asking("outpaint", transition="precise"), asking("outpaint")),
    # "Masks created with the "PROMPT" mask type will adhere tightly to the shape of the item you describe."
    Case("tight_prompt_mask", "/mask/shape", worn(mask=PROMPT_MASK | CONTOUR), worn(mask=PROMPT_MASK | BOX)),
    Case(
        "tight_prompt_mask",
        "/mask/shape",
        asking("try_on", scene=IMAGE, mask=PROMPT_MASK | CONTOUR),
        worn(mask=GARMENT_MASK | CONTOUR),
    ),
    # "the bounding box mask can overlap the face and we recommend using `preserveFace: ON`"
    Case(
        "box_over_face", "/keep/face", worn(mask=GARMENT_MASK | BOX), worn(mask=GARMENT_MASK | BOX, keep={"face": True})
    ),
    Case("box_over_face", "/keep/face", worn(mask=PROMPT_MASK), worn(mask=PROMPT_MASK | CONTOUR)),
    Case("box_over_face", "/keep/face", worn(mask=PROMPT_MASK | BOX), asking("try_on", scene=IMAGE, mask=PROMPT_MASK)),
    # DEFAULT leaves it to the vendor, as nothing does
    Case(
        "box_over_face",
        "/keep/face",
        worn(mask=PROMPT_MASK | {"shape": "default"}, keep={"face": "default"}),
        worn(mask=PROMPT_MASK | {"shape": "default"}, keep={"face": True}),
    ),
    # "You are using `maskShape: BOUNDING_BOX` but don't want to generate new hands or face."
    Case(
        "box_over_hands",
        "/keep/hands",
        worn(mask=GARMENT_MASK | BOX),
        worn(mask=GARMENT_MASK | BOX, keep={"hands": False}),
    ),
    Case("box_over_hands", "/keep/hands", worn(mask=PROMPT_MASK), worn(mask=GARMENT_MASK)),
    # "allows end-users to draw their own masks. Preserving these features prevents the end-users from accidentally ..."
    Case(
        "drawn_mask_over_face_or_hands",
        "/keep",
        worn(mask=IMAGE_MASK, keep={"face": True}),
        worn(mask=IMAGE_MASK, keep={"face": True, "hands": False}),
    ),
    Case(
        "drawn_mask_over_face_or_hands", "/keep", worn(mask=IMAGE_MASK), asking("try_on", scene=IMAGE, mask=IMAGE_MASK)
    ),
    # "For garments that cover the neck, `preserveFace: ON` can exclude enough of the neck"
    Case("kept_face_over_neck", "/keep/face", worn(keep={"face": True}), worn(keep={"face": False})),
    Case(
        "kept_face_over_neck", "/keep/face", worn("outfit", keep={"face": True}), worn("bottoms", keep={"face": True})
    ),
    Case(
        "kept_face_over_neck",
        "/keep/face",
        worn("accessories", mask=PROMPT_MASK, keep={"face": True}),
        worn("eyewear", mask=PROMPT_MASK, keep={"face": True}),
    ),
    # "When a person is detected in the source image"
    *(
        Case(
            code,
            f"/keep/{part}",
            worn(category, mask=PROMPT_MASK, keep={part: True}),
            asking("try_on", scene=IMAGE, mask=PROMPT_MASK, keep={part: True}, garment={"category": category}),
        )
        for code, part, category in (
            ("kept_face_over_neck", "face", "tops"),
            ("kept_pose_of_other_heels", "pose", "footwear"),
            ("kept_pose_with_accessory", "pose", "accessories"),
            ("kept_hands_with_accessory", "hands", "accessories"),
        )
    ),
    # "the model is wearing high-heeled shoes and the reference image is of flat-heeled shoes, or vice-versa"
    Case(
        "kept_pose_of_other_heels",
        "/keep/pose",
        worn("footwear", keep={"pose": True}),
        worn("tops", keep={"pose": True}),
    ),
    Case(
        "kept_pose_of_other_heels",
        "/keep/pose",
        worn("auto", "boots", keep={"pose": True}),
        worn("auto", "boots", keep={"face": True}),
    ),
    # "when trying on handbags or other accessories, generating new poses or hands can generate more natural-looking results"
    Case(
        "kept_pose_with_accessory",
        "/keep/pose",
        worn("accessories", mask=PROMPT_MASK, keep={"pose": True}),
        worn("accessories", mask=PROMPT_MASK, keep={"pose": False}),
    ),
    Case(
        "kept_hands_with_accessory",
        "/keep/hands",
        worn("jewelry", mask=IMAGE_MASK, keep={"hands": True}),
        worn("headwear", mask=IMAGE_MASK, keep={"hands": True}),
    ),
    # "When a person is detected in the source image, these parameters determine"
    Case(
        "keep_needs_a_person",
        "/keep",
        asking("try_on", scene=IMAGE, mask=PROMPT_MASK, keep={"pose": False}),
        worn(mask=PROMPT_MASK, keep={"pose": False}),
    ),
    # `SLEEVE_UP`: "a long-sleeve shirt with the sleeves up, short-sleeve shirt, or no-sleeve shirt"
    Case("sleeves_up_condition", "/styling/sleeves", styled(sleeves="up"), styled(sleeves="down")),
    # `TUCKED`: "Can be applied when the source image has the shirt tucked in."
    Case("tuck_in_condition", "/styling/tuck", styled(tuck="in"), styled(tuck="out")),
    # "Controls whether the sleeves of a long-sleeve shirt are rolled up or down."
    Case(
        "sleeves_of_long_sleeves",
        "/styling/sleeves",
        styled("no_sleeve_shirt", sleeves="down"),
        styled("long_sleeve_shirt", sleeves="down"),
    ),
    # "For outer garments, like jackets, setting this value to "OPEN" guarantees that the original ... will be retained"
    Case("outer_layer_unsaid", "/styling/outer_layer", styled("other_upper_body"), styled("long_sleeve_shirt")),
    Case(
        "outer_layer_unsaid",
        "/styling/outer_layer",
        worn("tops", "other_upper_body", mask=GARMENT_MASK),
        worn("tops", "other_upper_body", mask=IMAGE_MASK),
    ),
    # "Using a value of "CLOSED" with an outer garment might not always render the garment as closed."
    Case(
        "closed_may_stay_open",
        "/styling/outer_layer",
        styled(outer_layer="closed"),
        styled("long_sleeve_shirt", outer_layer="closed"),
    ),
    # "The `outerLayerStyle` parameter applies only to outer layer, upper body garments."
    Case(
        "open_is_for_outer_layers",
        "/styling/outer_layer",
        styled("short_sleeve_shirt", outer_layer="open"),
        styled("other_upper_body", outer_layer="open"),
    ),
    # "Ensures that there will never be a noticeable seam ... all pixels in the image change slightly"
    Case("seamless_changes_everything", "/merge", worn(merge="seamless"), worn(merge="balanced")),
    # "this mode can sometimes result in a visible seam"
    Case("detailed_seam", "/merge", worn(merge="detailed"), worn(merge="seamless")),
    # "Can greatly improve fine-grained details like logos and text"
    Case(
        "detailed_for_lettering",
        "/merge",
        asking("try_on", scene=IMAGE, mask={"type": "prompt", "prompt": "the Logo"}),
        asking("try_on", scene=IMAGE, mask={"type": "prompt", "prompt": "the logo"}, merge="detailed"),
    ),
    Case(
        "detailed_for_lettering",
        "/merge",
        worn(mask={"type": "prompt", "prompt": "the text"}, merge="balanced"),
        worn(mask={"type": "prompt", "prompt": "the textile"}, merge="balanced"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.code for case in CASES])
def test_the_advice_is_given_where_it_applies_and_only_there(case: Case) -> None:
    given, other = (planned("nova_canvas", body).warnings for body in (case.given, case.other))
    [warning] = [warning for warning in given if warning.code == case.code]
    assert warning.pointer == case.pointer
    assert warning.detail
    assert warning.remedy
    assert case.code not in [warning.code for warning in other]


GHOSTS = [
    # "most likely to occur when the image features a person standing against a solid color or uniformly textured background"
    (worn(merge="balanced"), PLAIN, True),
    (worn(), PLAIN, True),
    (worn(merge="balanced"), frozenset(), False),
    (worn(merge="seamless"), PLAIN, False),
    (worn(merge="detailed"), PLAIN, False),
    (asking("inpaint"), PLAIN, False),
]


@pytest.mark.parametrize(("body", "seen", "given"), GHOSTS)
def test_a_ghost_is_warned_of_once_the_picture_was_seen(
    body: dict[str, Any], seen: frozenset[str], given: bool
) -> None:
    warning = BY_CODE["balanced_ghost"].warning(parse(body), seen)
    assert (warning and warning.pointer) == ("/merge" if given else None)
    assert "balanced_ghost" not in [warning.code for warning in planned("nova_canvas", body).warnings]


def test_every_piece_of_advice_has_a_case() -> None:
    print(f"{len(CASES) + len(GHOSTS)} cases of {len(ADVICE)} pieces of advice")  # noqa: T201
    assert set(BY_CODE) == {case.code for case in CASES} | {"balanced_ghost"}
    assert len(BY_CODE) == len(ADVICE)
    assert all(f"`{code}`" in (ROOT / "docs/providers/nova_canvas.md").read_text() for code in BY_CODE)
    assert all(advice.source.startswith("https://docs.aws.amazon.com/nova/") for advice in ADVICE)


@pytest.mark.parametrize(
    "body",
    [
        worn(),
        worn("bottoms", merge="balanced", output={"guidance": 6.5}),
        asking("text_to_image", prompt="a lake"),
        asking("remove_background"),
        asking("image_variation"),
        asking("inpaint", prompt="a rug"),
    ],
)
def test_nothing_is_said_without_a_reason(body: dict[str, Any]) -> None:
    assert planned("nova_canvas", body).warnings == []
