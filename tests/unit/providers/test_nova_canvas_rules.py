"""Every rule of the Nova Canvas entry: a request that breaks it is refused before any purchase, with pointer and remedy."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

import pytest

from fitting_room.actions.requests.plan import Deployment
from fitting_room.jobs.parse import parse
from fitting_room.providers import catalogue
from fitting_room.providers.nova_canvas.rules import RULES
from tests.unit.providers.requests import GARMENT_MASK, IMAGE, IMAGE_MASK, PROMPT_MASK, asking, found, planned, refused

ENTRY = catalogue.entry("nova_canvas")
GENERATING = ("text_to_image", "color_guided", "image_variation")
EDITING = ("inpaint", "outpaint")
SAMPLED = ("try_on", *GENERATING, *EDITING)
GRADED = ("try_on", "text_to_image", "color_guided", *EDITING)


class Case(NamedTuple):
    rule: str
    body: dict[str, Any]
    pointer: str
    code: str = "unsupported_option"
    remedy: str = ""


def catalogue_rules() -> Iterator[str]:
    """By name: the limits and gaps of the options (the sandbox has every option there is), and the rules written as code."""
    for task, names in catalogue.entry("sandbox").tasks.items():
        for name in names:
            option = ENTRY.tasks[task].get(name)
            if option is None:
                yield f"{task} has no {name}"
            elif option.values is not None:
                yield f"{name} of {task} is one of a few"
            else:
                yield from (
                    f"{name} of {task} has a {limit}"
                    for limit in ("minimum", "maximum")
                    if getattr(option, limit) is not None
                )
    yield from (rule.__name__ for rule in RULES)
    yield "one garment"


def output(**fields: Any) -> dict[str, Any]:
    return {"output": fields}


def cases() -> Iterator[Case]:
    # number_of_images 1-5, seed 0-2,147,483,646, cfgScale 1.1-10
    for task in SAMPLED:
        yield Case(
            f"output.count of {task} has a minimum", asking(task, **output(count=0)), "/output/count", "invalid_input"
        )
        yield Case(
            f"output.count of {task} has a maximum", asking(task, **output(count=6)), "/output/count", remedy="1 to 5"
        )
        yield Case(
            f"output.seed of {task} has a minimum", asking(task, **output(seed=-1)), "/output/seed", "invalid_input"
        )
        yield Case(f"output.seed of {task} has a maximum", asking(task, **output(seed=2_147_483_647)), "/output/seed")
        yield Case(
            f"output.guidance of {task} has a minimum",
            asking(task, **output(guidance=1)),
            "/output/guidance",
            "invalid_input",
        )
        yield Case(
            f"output.guidance of {task} has a maximum",
            asking(task, **output(guidance=10.1)),
            "/output/guidance",
            "invalid_input",
        )
    # quality: standard or premium; not listed for IMAGE_VARIATION
    for task in GRADED:
        yield Case(
            f"output.quality of {task} is one of a few",
            asking(task, **output(quality="fast")),
            "/output/quality",
            remedy="standard, best",
        )
    yield Case(
        "image_variation has no output.quality",
        asking("image_variation", **output(quality="standard")),
        "/output/quality",
        remedy="Leave it out",
    )
    # BACKGROUND_REMOVAL has no imageGenerationConfig
    yield Case(
        "output.count of remove_background has a minimum",
        asking("remove_background", **output(count=0)),
        "/output/count",
        "invalid_input",
    )
    yield Case(
        "output.count of remove_background has a maximum",
        asking("remove_background", **output(count=2)),
        "/output/count",
        remedy="Use 1.",
    )
    for name, value in (("quality", "standard"), ("seed", 1), ("guidance", 5)):
        yield Case(
            f"remove_background has no output.{name}",
            asking("remove_background", **output(**{name: value})),
            f"/output/{name}",
            remedy="Leave it out",
        )
    # returnMask is a field of VIRTUAL_TRY_ON
    for task in (*GENERATING, *EDITING, "remove_background"):
        yield Case(
            f"{task} has no output.mask", asking(task, **output(mask=True)), "/output/mask", remedy="Leave it out"
        )
    # "virtual try-on does not support a text prompt or negative text prompt"
    more: tuple[tuple[str, Any], ...] = (
        ("prompt", "in red"),
        ("negative_prompt", "blur"),
        ("segmentation_free", True),
        ("moderation", "permissive"),
        ("input_image", IMAGE),
    )
    for name, value in more:
        yield Case(f"try_on has no {name}", asking("try_on", **{name: value}), f"/{name}", remedy="Leave it out")
    # "You must specify either the maskPrompt or the maskImage parameter"
    for task in EDITING:
        yield Case(
            f"mask of {task} is one of a few",
            asking(task, mask=GARMENT_MASK),
            "/mask/type",
            "invalid_input",
            "image, prompt",
        )
    yield from values_of_the_shapes()
    yield from written_rules()
    yield from size_rules()


def values_of_the_shapes() -> Iterator[Case]:
    """What the vendor's shapes list, the API takes, and nothing else: so the request itself is refused."""

    def few(name: str, task: str, pointer: str, remedy: str, **fields: Any) -> Case:
        return Case(f"{name} of {task} is one of a few", asking(task, **fields), pointer, "invalid_input", remedy)

    # "maskType": "IMAGE" | "GARMENT" | "PROMPT", "maskShape": "CONTOUR" | "BOUNDING_BOX" | "DEFAULT"
    yield few("mask", "try_on", "/mask/type", "garment, image, prompt", mask={"type": "box"})
    yield few("mask.shape", "try_on", "/mask/shape", "default", mask={"type": "garment", "shape": "DEFAULT"})
    # "preserveFace": "OFF" | "ON" | "DEFAULT"
    for part in ("face", "hands", "pose"):
        yield few(f"keep.{part}", "try_on", f"/keep/{part}", "default", keep={part: "ON"})
    yield few("merge", "try_on", "/merge", "seamless", merge="blended")
    for name, value in (("sleeves", "down"), ("tuck", "out"), ("outer_layer", "closed")):
        yield few(f"styling.{name}", "try_on", f"/styling/{name}", value, styling={name: "DEFAULT"})
    yield few("transition", "outpaint", "/transition", "precise", transition="DEFAULT")
    condition = {"image": IMAGE}
    yield few(
        "condition.control", "text_to_image", "/condition/control", "canny", condition={**condition, "control": "depth"}
    )
    # "The range is 0 to 1.0"; "Valid values are betweeen 0.2-1.0"
    for limit, strength, similarity in (("minimum", -0.1, 0.1), ("maximum", 1.1, 1.1)):
        yield Case(
            f"condition.strength of text_to_image has a {limit}",
            asking("text_to_image", condition={**condition, "strength": strength}),
            "/condition/strength",
            "invalid_input",
        )
        yield Case(
            f"similarity of image_variation has a {limit}",
            asking("image_variation", similarity=similarity),
            "/similarity",
            "invalid_input",
        )


def written_rules() -> Iterator[Case]:
    def worn(rule: str, pointer: str, code: str = "unsupported_option", remedy: str = "", **fields: Any) -> Case:
        return Case(rule, asking("try_on", **fields), pointer, code, remedy)

    category, kind, invalid = "/garments/0/category", "/garments/0/type", "invalid_input"
    yield Case(
        "one garment",
        asking("try_on", garments=[{"image": IMAGE, "category": "tops"}] * 2),
        "/garments/1",
        remedy="one image that shows all pieces",
    )
    # "garmentClass (Required)"
    for fields in (
        {"garment": {"category": "auto"}},
        {"garment": {"photo": "model"}},
        {"garment": {"category": "auto"}, "mask": GARMENT_MASK},
    ):
        yield worn("garment_mask_needs_a_category", category, invalid, "tops, bottoms, one_piece", **fields)
    for name in ("headwear", "eyewear", "jewelry", "accessories", "object"):
        yield worn("garment_mask_needs_a_class", category, remedy="prompt or image mask", garment={"category": name})
    yield worn("type_fits_category", kind, invalid, "long_sleeve_shirt", garment={"category": "tops", "type": "boots"})
    yield worn(
        "type_fits_category",
        kind,
        invalid,
        "short_pants",
        garment={"category": "bottoms", "type": "long_dress"},
        mask=IMAGE_MASK,
    )
    yield worn(
        "type_fits_category",
        kind,
        invalid,
        "Leave the type out",
        garment={"category": "headwear", "type": "boots"},
        mask=IMAGE_MASK,
    )
    # "garmentStyling" is a member of "garmentBasedMask"
    for mask in (PROMPT_MASK, IMAGE_MASK):
        yield worn(
            "styling_needs_a_garment_mask",
            "/styling/tuck",
            remedy="mask of type garment",
            styling={"tuck": "in"},
            mask=mask,
        )
    # "apply only to upper body garments"
    for garment in (
        {"category": "bottoms"},
        {"category": "footwear"},
        {"category": "one_piece"},
        {"category": "outfit"},
        {"category": "auto", "type": "boots"},
    ):
        yield worn(
            "styling_is_for_upper_bodies",
            "/styling/sleeves",
            remedy="category tops",
            styling={"sleeves": "down"},
            garment=garment,
        )
    for name, value in (("tuck", "out"), ("outer_layer", "open")):
        yield worn(
            "styling_is_for_upper_bodies", f"/styling/{name}", styling={name: value}, garment={"category": "bottoms"}
        )


def size_rules() -> Iterator[Case]:
    # "Each side must be between 320-4096 pixels, inclusive", evenly divisible by 16, aspect 1:4 to 4:1, 4,194,304 px
    def sized(rule: str, task: str, width: int, height: int, pointer: str, remedy: str) -> Case:
        return Case(rule, asking(task, size={"width": width, "height": height}), pointer, remedy=remedy)

    for task in GENERATING:
        yield sized("side_in_range", task, 304, 512, "/size/width", "320 to 4,096")
        yield sized("side_in_range", task, 512, 319, "/size/height", "320 to 4,096")
        yield sized("side_in_range", task, 4112, 1040, "/size/width", "320 to 4,096")
        yield sized("side_in_steps", task, 1000, 512, "/size/width", "992 or 1008")
        yield sized("side_in_steps", task, 512, 4095, "/size/height", "4080 or 4096")
        yield sized("aspect_in_range", task, 320, 1296, "/size", "4 times")
        yield sized("aspect_in_range", task, 2048, 496, "/size", "4 times")
        yield sized("pixels_in_range", task, 2064, 2048, "/size", "4,194,304")


CASES = list(cases())


@pytest.mark.parametrize("case", CASES, ids=[case.rule for case in CASES])
def test_a_broken_rule_is_answered_with_its_field_and_the_remedy(case: Case) -> None:
    expected, faults = (case.code, case.pointer), refused("nova_canvas", case.body)
    assert expected in [(fault.code, fault.pointer) for fault in faults]
    [fault] = [fault for fault in faults if fault.pointer == case.pointer]
    assert fault.detail.strip()
    assert case.remedy in fault.remedy
    assert fault.remedy.strip()
    assert not fault.retryable


def test_every_rule_of_the_catalogue_has_a_case() -> None:
    rules = set(catalogue_rules())
    print(f"{len(CASES)} cases of {len(rules)} rules")  # noqa: T201
    assert rules == {case.rule for case in CASES}


def test_faults_come_all_at_once() -> None:
    body = asking("try_on", garment={"category": "bottoms", "type": "boots"}, prompt="red", styling={"tuck": "in"})
    assert found("nova_canvas", body) == [
        ("unsupported_option", "/prompt"),
        ("invalid_input", "/garments/0/type"),
        ("unsupported_option", "/styling/tuck"),
    ]


MOST: dict[str, Any] = {"count": 5, "quality": "best", "seed": 2_147_483_646, "guidance": 10}


ALLOWED: list[dict[str, Any]] = [
    {"mask": GARMENT_MASK | {"shape": "contour"}},
    {"mask": PROMPT_MASK},
    {"mask": IMAGE_MASK},
    {"merge": "seamless"},
    {"keep": {"face": True, "hands": False, "pose": True}},
    output(**MOST, mask=True),
    output(seed=0, guidance=1.1),
    {"styling": {"sleeves": "up", "tuck": "in", "outer_layer": "open"}},
    {"styling": {"tuck": "in"}, "garment": {"category": "auto", "type": "other_upper_body", "photo": "model"}},
    {"garment": {"category": "auto", "type": "long_dress"}},
    {"scene": IMAGE, "mask": PROMPT_MASK},
    *({"garment": {"category": category}} for category in ("bottoms", "one_piece", "outfit", "footwear")),
]


@pytest.mark.parametrize(
    "body",
    [
        *(asking("try_on", **fields) for fields in ALLOWED),
        *(
            asking("try_on", garment={"category": category}, mask=mask, **where)
            for mask in (PROMPT_MASK, IMAGE_MASK)
            for where in ({}, {"scene": IMAGE})
            for category in ("auto", "headwear", "eyewear", "jewelry", "accessories", "object")
        ),
        asking(
            "text_to_image",
            negative_prompt="fog",
            style="maximalism",
            size={"width": 320, "height": 1280},
            condition={"image": IMAGE, "control": "canny_edge", "strength": 0},
            **output(**MOST),
        ),
        *(
            asking("text_to_image", size={"width": width, "height": height})
            for width, height in ((2048, 2048), (4096, 1024))
        ),
        asking(
            "color_guided",
            negative_prompt="fog",
            reference_image=IMAGE,
            size={"width": 1280, "height": 320},
            **output(**MOST),
        ),
        asking(
            "image_variation",
            images=[IMAGE] * 5,
            prompt="a",
            negative_prompt="b",
            similarity=0.2,
            size={"width": 336, "height": 320},
            **output(count=5, seed=0, guidance=1.1),
        ),
        *(
            asking(task, mask=mask, prompt="a", negative_prompt="b", **output(**MOST))
            for task in EDITING
            for mask in (PROMPT_MASK, IMAGE_MASK)
        ),
        asking("outpaint", transition="precise"),
        asking("inpaint"),
        *(asking("remove_background", **output(count=1, format=form, size="original")) for form in ("png", "webp")),
    ],
)
def test_what_the_documents_allow_is_planned(body: dict[str, Any]) -> None:
    assert planned("nova_canvas", body).providers == ["nova_canvas"]


@pytest.mark.parametrize(
    ("quality", "side", "amount"),
    [
        (None, 1024, 0.04),
        ("standard", 1024, 0.04),
        ("best", 1024, 0.06),
        (None, 1025, 0.06),
        ("best", 2048, 0.08),
        ("best", 4096, 0.08),
        (None, None, 0.06),
        ("best", None, 0.08),
    ],
)
def test_the_price(quality: str | None, side: int | None, amount: float) -> None:
    request = parse(asking("try_on", **output(**({"quality": quality} if quality else {}))))
    assert ENTRY.cost(request, ENTRY.model(request), side).amount == amount


def test_nova_is_past_its_end_of_life() -> None:
    [model] = ENTRY.models
    alive, dead = (Deployment([ENTRY], frozenset(), today=date(2026, 9, day)) for day in (29, 30))
    assert not alive.retired(ENTRY, model)
    assert dead.retired(ENTRY, model)
