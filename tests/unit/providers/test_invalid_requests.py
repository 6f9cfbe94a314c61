"""The rules of a request, typed by hand: for each field the last value that is right, and the first that is wrong.

So a rule that is loosened or tightened by mistake fails here. Rules over several fields stand at the end.
"""

from __future__ import annotations

import ast
import inspect
from copy import deepcopy
from typing import Any

import pytest

from fitting_room.jobs import request as shared
from fitting_room.jobs import tasks
from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.jobs.parse import parse
from tests.unit.providers.requests import (
    EVERY_OUTPUT,
    GARMENT_MASK,
    IMAGE,
    IMAGE_MASK,
    PROMPT_MASK,
    SIZE,
    SUBJECT,
    WORDS,
    asking,
)

REMOVED = object()
STOCK = {"library": "general", "gender": "female", "style": "universal_1", "age": "children", "body": "slim"}
COMMON = {
    "output": EVERY_OUTPUT,
    "provider": "nova_canvas",
    "fallback": ["tryiton"],
    "provider_options": {"sandbox": {}},
    "owner": "a",
    "reference": "b",
    "webhook": {"url": "https://shop.example/hook"},
    "metadata": {"key": "value"},
}
WORN = {
    "garments": [{"image": IMAGE, "category": "tops", "type": "long_sleeve_shirt", "photo": "flat_lay"}],
    "keep": {"face": True, "hands": True, "pose": True},
    "merge": "balanced",
    "segmentation_free": True,
    "styling": {"sleeves": "up", "tuck": "in", "outer_layer": "open"},
    "moderation": "none",
    **WORDS,
    **COMMON,
}
FULL: list[dict[str, Any]] = [
    # every field of every task, with each kind of mask
    asking("try_on", mask={**GARMENT_MASK, "shape": "contour"}, **WORN),
    asking("try_on", mask={**PROMPT_MASK, "shape": "contour"}, **WORN),
    asking("try_on", mask=IMAGE_MASK, **WORN),
    asking("try_on", scene=IMAGE, mask=IMAGE_MASK, **WORN),
    asking(
        "text_to_image",
        style="maximalism",
        size=SIZE,
        condition={"image": IMAGE, "control": "canny_edge", "strength": 1},
        **WORDS,
        **COMMON,
    ),
    asking("color_guided", reference_image=IMAGE, size=SIZE, **WORDS, **COMMON),
    asking("image_variation", similarity=0.5, size=SIZE, **WORDS, **COMMON),
    asking("inpaint", **WORDS, **COMMON),
    asking("inpaint", **{**WORDS, **COMMON, "mask": IMAGE_MASK}),
    asking("outpaint", transition="soft", **{**WORDS, **COMMON}),
    asking("outpaint", transition="soft", **{**WORDS, **COMMON, "mask": IMAGE_MASK}),
    asking("remove_background", **COMMON),
    asking("train_subject", photo="flat_lay", **{**COMMON, "output": {}}),
    *(
        asking(
            "try_on",
            mask={**GARMENT_MASK, "shape": "contour"},
            **{**WORN, "person": person, "garments": [{"subject": SUBJECT, "category": "tops"}]},
        )
        for person in ({"subject": SUBJECT}, {"photos": [IMAGE]}, {"stock": STOCK})
    ),
]


def faults(body: dict[str, Any]) -> list[Fault]:
    try:
        parse(body)
    except Refusal as refusal:
        return list(refusal.faults)
    return []


RED, TOO_MANY, NO_VALUE = "#102030", "At most {} may be given.", "There is no such value."
SMALL, LARGE, REQUIRED = "The number is too small.", "The number is too large.", "This field is required."
FORM, LONG = "The text has the wrong form.", "The text is longer than {} characters."
NONE_GIVEN, EMPTY, UNKNOWN = "At least 1 must be given.", "The text is empty.", "This field does not exist."
GARMENT = {"image": IMAGE, "category": "tops"}
CANNY = {"image": IMAGE, "control": "canny_edge"}

RULES: dict[str, list[tuple[str, list[Any], Any, str]]] = {
    # by task: (where, the last values that are right, the first that is wrong, what is said of it)
    "try_on": [
        ("/garments", [[GARMENT], [GARMENT] * 8], [GARMENT] * 9, TOO_MANY.format(8)),
        ("/garments", [], [], NONE_GIVEN),
        ("/garments", [], REMOVED, REQUIRED),
        ("/garments/0/category", ["auto", "one_piece", "object"], "dress", NO_VALUE),
        ("/garments/0/type", ["long_sleeve_shirt", "other_footwear"], "shirt", NO_VALUE),
        ("/garments/0/photo", ["auto", "flat_lay", "model"], "ghost", NO_VALUE),
        ("/person", [{"photos": [IMAGE] * 8}], {"photos": [IMAGE] * 9}, TOO_MANY.format(8)),
        ("/person", [{"stock": {"name": "n" * 128}}], {"stock": {"name": "n" * 129}}, LONG.format(128)),
        ("/person", [{"stock": {"age": "young_adult"}}], {"stock": {"age": "old"}}, NO_VALUE),
        ("/keep", [{"face": True, "hands": False, "pose": "default"}], {"face": "yes"}, NO_VALUE),
        ("/keep/pose", [], 1, NO_VALUE),
        ("/styling", [{"sleeves": "up", "tuck": "in", "outer_layer": "open"}], {"tuck": "half"}, NO_VALUE),
        ("/merge", ["balanced", "seamless", "detailed"], "hard", NO_VALUE),
        ("/moderation", ["conservative", "permissive", "none"], "off", NO_VALUE),
        ("/segmentation_free", [True, False], "true", "This must be true or false."),
        ("/mask", [{**GARMENT_MASK, "shape": "bounding_box"}], {**GARMENT_MASK, "shape": "circle"}, NO_VALUE),
        (
            "/mask",
            [{"type": "prompt", "prompt": "x" * 4096}],
            {"type": "prompt", "prompt": "x" * 4097},
            LONG.format("4,096"),
        ),
        ("/mask", [{**IMAGE_MASK, "read": "alpha"}], {**IMAGE_MASK, "read": "red"}, NO_VALUE),
        ("/negative_prompt", ["x" * 1024], "x" * 1025, LONG.format("1,024")),
    ],
    "text_to_image": [
        ("/prompt", ["x" * 1024], "x" * 1025, LONG.format("1,024")),
        ("/prompt", [], "  ", EMPTY),
        ("/prompt", [], REMOVED, REQUIRED),
        ("/negative_prompt", ["x"], "", EMPTY),
        ("/style", ["photorealism", "design_sketch"], "cubism", NO_VALUE),
        ("/size", [{"width": 64, "height": 8192}], {"width": 63, "height": 64}, SMALL),
        ("/size", [], {"width": 64, "height": 8193}, LARGE),
        ("/size", [], {"width": 1024}, REQUIRED),
        ("/condition", [CANNY, {"image": IMAGE, "control": "segmentation"}], {**CANNY, "control": "depth"}, NO_VALUE),
        ("/condition", [{**CANNY, "strength": 0}, {**CANNY, "strength": 1}], {**CANNY, "strength": 1.001}, LARGE),
        ("/condition", [], {**CANNY, "strength": -0.001}, SMALL),
        ("/condition", [], {"control": "canny_edge"}, REQUIRED),
    ],
    "color_guided": [
        ("/colors", [[RED], [RED] * 10], [RED] * 11, TOO_MANY.format(10)),
        ("/colors", [], [], NONE_GIVEN),
        ("/colors", [], REMOVED, REQUIRED),
        ("/colors/0", ["#a0B0c0"], "#a0b0c", FORM),
        ("/colors/0", [], "#a0b0cg", FORM),
        ("/colors/0", [], "red", FORM),
        ("/colors/0", [], 0x102030, "This must be a text."),
        ("/prompt", ["x" * 1024], "x" * 1025, LONG.format("1,024")),
        ("/prompt", [], REMOVED, REQUIRED),
        ("/reference_image", [IMAGE], "https://shop.example/p.png", "This must be a JSON object."),
        ("/size", [{"width": 8192, "height": 64}], {"width": 64, "height": 63}, SMALL),
    ],
    "image_variation": [
        ("/images", [[IMAGE], [IMAGE] * 5], [IMAGE] * 6, TOO_MANY.format(5)),
        ("/images", [], [], NONE_GIVEN),
        ("/images", [], REMOVED, REQUIRED),
        ("/images/0", [], {}, "The image has no source."),
        (
            "/images/0",
            [],
            {**IMAGE, "data": "data:image/png;base64,iVBORw0KGgo="},
            "The image is named in several ways.",
        ),
        ("/similarity", [0.2, 1], 0.199, SMALL),
        ("/similarity", [], 1.001, LARGE),
        ("/similarity", [], "0.5", "This must be a number."),
        ("/prompt", ["x" * 1024], "x" * 1025, LONG.format("1,024")),
        ("/size", [], {"width": 8193, "height": 64}, LARGE),
    ],
    "inpaint": [
        ("/image", [], REMOVED, REQUIRED),
        ("/image", [], {}, "The image has no source."),
        ("/mask", [], REMOVED, REQUIRED),
        ("/mask", [], {"type": "garment"}, "There is no such kind."),
        (
            "/mask",
            [{"type": "prompt", "prompt": "x" * 4096}],
            {"type": "prompt", "prompt": "x" * 4097},
            LONG.format("4,096"),
        ),
        ("/mask", [], {"type": "prompt", "prompt": " "}, EMPTY),
        ("/mask", [], {"type": "prompt"}, REQUIRED),
        ("/mask", [{**IMAGE_MASK, "read": "white_changes"}], {**IMAGE_MASK, "read": "black"}, NO_VALUE),
        ("/prompt", ["x" * 1024], "x" * 1025, LONG.format("1,024")),
        ("/negative_prompt", ["x" * 1024], "x" * 1025, LONG.format("1,024")),
        ("/transition", [], "soft", UNKNOWN),
    ],
    "outpaint": [
        ("/transition", ["soft", "precise"], "hard", NO_VALUE),
        ("/image", [], REMOVED, REQUIRED),
        ("/mask", [], REMOVED, REQUIRED),
        ("/mask", [], {"type": "garment"}, "There is no such kind."),
        (
            "/mask",
            [{"type": "prompt", "prompt": "x" * 4096}],
            {"type": "prompt", "prompt": "x" * 4097},
            LONG.format("4,096"),
        ),
        ("/mask", [{**IMAGE_MASK, "read": "black_changes"}], {"type": "image"}, REQUIRED),
        ("/prompt", ["x" * 1024], "x" * 1025, LONG.format("1,024")),
        ("/prompt", [], "", EMPTY),
        ("/negative_prompt", ["x" * 1024], "x" * 1025, LONG.format("1,024")),
        ("/person", [], IMAGE, UNKNOWN),
    ],
    "remove_background": [
        ("/image", [], REMOVED, REQUIRED),
        ("/image", [], {}, "The image has no source."),
        ("/image", [], {"upload": "upl_1"}, FORM),
        ("/image", [{"s3": "s3://bucket/" + "k" * 1024}], {"s3": "s3://bu/key"}, FORM),
        ("/image", [], {"s3": "s3://bucket/" + "k" * 1025}, "The key is longer than the 1,024 bytes of S3."),
        (
            "/image",
            [{"s3": "s3://bucket/" + "ü" * 512}],
            {"s3": "s3://bucket/" + "ü" * 513},
            "The key is longer than the 1,024 bytes of S3.",
        ),
        (
            "/image",
            [{"url": "https://a.example/" + "p" * 4078}],
            {"url": "https://a.example/" + "p" * 4079},
            LONG.format("4,096"),
        ),
        ("/image", [], {"url": "http://shop.example/p.png"}, "The link is http, which is not encrypted."),
        ("/image", [], {"url": "https://shop.example:8443/p.png"}, "The link names a port other than 443."),
        (
            "/image",
            [],
            {"url": "https://localhost/p.png"},
            "The link names a host that is not on the public internet.",
        ),
        ("/output", [{"format": "png"}, {"format": "webp"}], {"format": "gif"}, NO_VALUE),
        ("/mask", [], PROMPT_MASK, UNKNOWN),
        ("/prompt", [], "a lake", UNKNOWN),
    ],
    "train_subject": [
        ("/pictures", [[IMAGE], [IMAGE] * 30], [IMAGE] * 31, TOO_MANY.format(30)),
        ("/pictures", [], [], NONE_GIVEN),
        ("/pictures", [], REMOVED, REQUIRED),
        ("/kind", ["person", "garment"], "animal", NO_VALUE),
        ("/kind", [], REMOVED, REQUIRED),
        ("/class_name", ["dress", "evening dress", "d" * 32], "d" * 33, LONG.format(32)),
        ("/class_name", [], "Dress", FORM),
        ("/class_name", [], "long evening dress", FORM),
        ("/class_name", [], REMOVED, REQUIRED),
        ("/photo", ["auto", "flat_lay", "model"], "ghost", NO_VALUE),
    ],
}
OF_EVERY_TASK: list[tuple[str, list[Any], Any, str]] = [
    ("/output", [{"count": 1}, {"count": 8}], {"count": 0}, SMALL),
    ("/output", [], {"count": 9}, LARGE),
    ("/output", [], {"count": True}, "This must be a whole number."),
    ("/output", [{"format": "png"}, {"format": "webp"}], {"format": "tiff"}, NO_VALUE),
    ("/output", [{"quality": "fast"}, {"quality": "standard"}, {"quality": "best"}], {"quality": "high"}, NO_VALUE),
    ("/output", [{"size": "provider"}], {"size": "1024x1024"}, NO_VALUE),
    ("/output", [{"seed": 0}, {"seed": 4_294_967_295}, {"seed": "provider"}], {"seed": 4_294_967_296}, LARGE),
    ("/output", [], {"seed": -1}, SMALL),
    ("/output", [{"guidance": 1.1}, {"guidance": 10}], {"guidance": 1.09}, SMALL),
    ("/output", [], {"guidance": 10.01}, LARGE),
    ("/output", [{"mask": True}], {"mask": 1}, "This must be true or false."),
    ("/provider", ["auto", "p" * 128], "p" * 129, LONG.format(128)),
    ("/provider", [], "", EMPTY),
    ("/owner", ["o" * 128], "o" * 129, LONG.format(128)),
    ("/owner", [], "Jane\nDoe", FORM),
    ("/reference", ["r" * 128], "r" * 129, LONG.format(128)),
    ("/metadata", [{str(n): "x" for n in range(16)}], {str(n): "x" for n in range(17)}, TOO_MANY.format(16)),
    ("/metadata", [{"key": "v" * 512}], {"key": "v" * 513}, LONG.format(512)),
    ("/metadata", [{"k" * 128: "v"}], {"k" * 129: "v"}, LONG.format(128)),
    ("/provider_options", [{"sandbox": {}}], {"sandbox": 3}, "This must be a JSON object."),
    ("/stranger", [], 1, UNKNOWN),
]
CASES = [
    (task, *row)
    for task, rows in {**RULES, "text_to_image": RULES["text_to_image"] + OF_EVERY_TASK}.items()
    for row in rows
]


def with_field(task: str, pointer: str, value: Any) -> dict[str, Any]:
    body: Any = deepcopy(asking(task))
    place = body
    parts: list[Any] = [int(part) if part.isdigit() else part for part in pointer[1:].split("/")]
    *parents, name = parts
    for parent in parents:
        place = place[parent] if isinstance(place, list) else place.setdefault(parent, {})
    if value is REMOVED:
        del place[name]
    else:
        place[name] = value
    return dict(body)


@pytest.mark.parametrize(
    ("task", "pointer", "right", "wrong", "detail"), CASES, ids=[f"{n}-{c[0]}{c[1]}" for n, c in enumerate(CASES)]
)
def test_a_field_is_right_up_to_its_limit_and_wrong_beyond(
    task: str, pointer: str, right: list[Any], wrong: Any, detail: str
) -> None:
    for value in right:
        assert faults(with_field(task, pointer, value)) == [], value
    [fault] = faults(with_field(task, pointer, wrong))
    assert (fault.code, fault.detail, fault.retryable) == ("invalid_input", detail, False)
    assert fault.pointer and fault.pointer.startswith(pointer)
    assert fault.remedy.strip()


@pytest.mark.parametrize("task", [task for task in RULES if task != "train_subject"])
def test_every_task_has_the_same_output_and_the_same_notes(task: str) -> None:
    wrong = {"output": {"count": 9, "seed": -1}, "owner": "", "metadata": {"key": "v" * 513}, "stranger": 1}
    assert {fault.pointer for fault in faults({**asking(task), **wrong})} == {
        "/output/count",
        "/output/seed",
        "/owner",
        "/metadata/key",
        "/stranger",
    }


# rules over several fields

NO_ONE_IMAGE: list[dict[str, Any]] = [{"photos": [IMAGE]}, {"stock": {}}, {"subject": SUBJECT}]
TOGETHER = [
    (
        "A try-on has a person or a scene, not both.",
        {**asking("try_on"), "scene": IMAGE, "mask": PROMPT_MASK},
        "/scene",
    ),
    ("A try-on needs a person or a scene.", {"task": "try_on", "garments": [{"image": IMAGE}]}, "/person"),
    ("Nobody in a scene wears a garment, so there is no garment mask.", asking("try_on", scene=IMAGE), "/mask"),
    (
        "Nobody in a scene wears a garment, so there is no garment mask.",
        asking("try_on", scene=IMAGE, mask=GARMENT_MASK),
        "/mask",
    ),
    *(
        ("A mask has a shape only in `try_on`.", asking(task, mask={**PROMPT_MASK, "shape": "contour"}), "/mask/shape")
        for task in ("inpaint", "outpaint")
    ),
    (
        "An image without background needs a format with transparency.",
        asking("remove_background", output={"format": "jpeg"}),
        "/output/format",
    ),
    *(
        (
            "There is no original size: this task starts from no image whose size it keeps.",
            asking(task, output={"size": "original"}),
            "/output/size",
        )
        for task in ("text_to_image", "color_guided", "image_variation")
    ),
    (
        "A fallback goes only with a named provider: auto plans its own.",
        asking("inpaint", fallback=["tryiton"]),
        "/fallback",
    ),
    ("A garment is either an image or a subject.", asking("try_on", garments=[{}]), "/garments/0/image"),
    (
        "A garment is either an image or a subject.",
        asking("try_on", garments=[{"image": IMAGE, "subject": SUBJECT}]),
        "/garments/0/image",
    ),
    *(
        (
            "A named stock person has its own traits.",
            asking("try_on", person={"stock": {"name": "James", **trait}}),
            "/person/stock/name",
        )
        for trait in ({"gender": "male"}, {"style": "universal_1"}, {"age": "children"}, {"body": "slim"})
    ),
    *(
        (
            "An image mask belongs to one image of a person, and the request has none.",
            asking("try_on", person=person, mask=IMAGE_MASK),
            "/mask",
        )
        for person in NO_ONE_IMAGE
    ),
    (
        "An image mask belongs to one image of a person, and the request has none.",
        asking(
            "try_on", person={"subject": SUBJECT}, mask=IMAGE_MASK, garments=[{"subject": SUBJECT, "photo": "model"}]
        ),
        "/mask",
    ),
    *(
        (
            "There is no original size, because the person is not one image.",
            asking("try_on", person=person, output={"size": "original"}),
            "/output/size",
        )
        for person in NO_ONE_IMAGE
    ),
    *(
        (
            "This task takes no width and height: the provider takes the size of a result from the images it is given.",
            asking(task, size={"width": 1024, "height": 1024}),
            "/size",
        )
        for task in ("try_on", "inpaint", "outpaint", "remove_background")
    ),
    ("A training makes no images.", asking("train_subject", output={"count": 2}), "/output"),
    ("A training makes no images that could be used again.", asking("train_subject", reuse=True), "/reuse"),
    (
        "This says how a garment was photographed, and a person is trained.",
        asking("train_subject", kind="person", photo="flat_lay"),
        "/photo",
    ),
]


@pytest.mark.parametrize(("detail", "body", "pointer"), TOGETHER)
def test_fields_that_contradict_each_other(detail: str, body: dict[str, Any], pointer: str) -> None:
    [fault] = faults(body)
    assert (fault.code, fault.pointer, fault.detail) == ("invalid_input", pointer, detail)
    assert fault.remedy.strip()


def test_a_mask_without_its_image_is_told_the_way_that_this_person_has() -> None:
    def remedy(person: dict[str, Any]) -> str:
        [fault] = faults(asking("try_on", person=person, mask=IMAGE_MASK))
        return fault.remedy

    trained, photographed = remedy({"subject": SUBJECT}), remedy({"photos": [IMAGE]})
    assert "garments[0].photo to model" in trained
    assert "`input_image`" in trained
    assert "the person as one image" in photographed
    assert faults(asking("try_on", person={"subject": SUBJECT}, mask=IMAGE_MASK, input_image=IMAGE)) == []


def test_every_rule_over_several_fields_has_a_case() -> None:
    written = {
        ast.literal_eval(call.args[1])
        for module in (shared, tasks)
        for call in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "rule_error"
    }
    assert written == {detail for detail, _, _ in TOGETHER}
