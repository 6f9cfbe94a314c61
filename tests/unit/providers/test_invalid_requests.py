"""Every rule of the request models, read from their own JSON schemas, and every rule over several fields: broken once each.

The schema only says what to break. Which pointer and which words come back is the parser's work.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any, NamedTuple

import pytest

from fitting_room.jobs import request as shared
from fitting_room.jobs import tasks
from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.jobs.parse import parse
from fitting_room.jobs.tasks import TASKS
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

Path = tuple[str | int, ...]
REMOVED = object()
STOCK = {"library": "general", "gender": "female", "style": "universal_1", "age": "children", "body": "slim"}
COMMON = {
    "output": EVERY_OUTPUT,
    "provider": "nova_canvas",
    "fallback": ["tryiton"],
    "provider_options": {"sandbox": {}},
    "owner": "a",
    "reference": "b",
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


class Broken(NamedTuple):
    rule: str
    body: dict[str, Any]
    pointer: str


def field_rules() -> dict[str, Broken]:
    rules: dict[str, Broken] = {}
    for body in FULL:
        schema = schema_of(body["task"])
        for path, keyword, value in broken(schema, schema["$defs"], body):
            pointer = "".join(f"/{part}" for part in path)
            rule = f"{body['task']} {pointer} {keyword}"
            rules.setdefault(rule, Broken(rule, changed(body, path, value), pointer))
    return rules


@cache
def schema_of(task: str) -> dict[str, Any]:
    return TASKS[task].model_json_schema()


def broken(
    schema: dict[str, Any], defs: dict[str, Any], value: Any, path: Path = ()
) -> Iterator[tuple[Path, str, Any]]:
    """(where, keyword, value that breaks it) of a schema and of all parts of it that the value has."""
    schema = resolved(schema, defs, value)
    kind = schema.get("type")
    if path and kind:
        yield path, "type", "x" if kind != "string" else 7
    if "const" in schema or "enum" in schema:
        yield path, "enum", "no such value"
    if kind == "object":
        yield from broken_object(schema, defs, value or {}, path)
    if kind == "array":
        for keyword, wrong in (("minItems", []), ("maxItems", [value[0]] * (schema["maxItems"] + 1) if value else [])):
            if keyword in schema:
                yield path, keyword, wrong
        if value:
            yield from broken(schema["items"], defs, value[0], (*path, 0))
    wrong_values = {
        "minLength": "",
        "maxLength": "x" * (schema.get("maxLength", 0) + 1),
        "pattern": "No\nsuch thing",
        "minimum": schema.get("minimum", 0) - 0.001 if kind == "number" else schema.get("minimum", 0) - 1,
        "maximum": schema.get("maximum", 0) + 0.001 if kind == "number" else schema.get("maximum", 0) + 1,
    }
    yield from ((path, keyword, wrong) for keyword, wrong in wrong_values.items() if keyword in schema)


def broken_object(
    schema: dict[str, Any], defs: dict[str, Any], value: dict[str, Any], path: Path
) -> Iterator[tuple[Path, str, Any]]:
    if schema.get("additionalProperties") is False:
        yield (*path, "stranger"), "unknown", 1
    elif isinstance(rest := schema.get("additionalProperties"), dict):
        yield from broken(rest, defs, None, (*path, "key"))
    for part in schema.get("patternProperties", {}).values():
        yield (*path, "No\nsuch name"), "patternProperties", "x"
        yield from broken(part, defs, None, (*path, "key"))
    if "maxProperties" in schema:
        yield path, "maxProperties", {str(n): "x" for n in range(schema["maxProperties"] + 1)}
    for name in schema.get("required", ()):
        yield (*path, name), "required", REMOVED
    for name, part in schema.get("properties", {}).items():
        yield from broken(part, defs, value.get(name), (*path, name))


def resolved(schema: dict[str, Any], defs: dict[str, Any], value: Any) -> dict[str, Any]:
    """Without references, `null`, and the kinds that the value is not."""
    if reference := schema.get("$ref"):
        return resolved(defs[reference.rpartition("/")[2]], defs, value)
    for several in ("anyOf", "oneOf"):
        kinds = [resolved(kind, defs, value) for kind in schema.get(several, ()) if kind.get("type") != "null"]
        if kinds and "type" in kinds[0].get("properties", {}) and isinstance(value, dict):
            kinds = [kind for kind in kinds if kind["properties"]["type"]["const"] == value["type"]]
        if kinds:
            return kinds[0]
    return schema


def changed(body: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    copy: Any = deepcopy(body)
    parent = copy
    for part in path[:-1]:
        if isinstance(parent, dict) and part not in parent:
            parent[part] = {}
        parent = parent[part]
    if value is REMOVED:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return dict(copy)


def faults(body: dict[str, Any]) -> list[Fault]:
    try:
        parse(body)
    except Refusal as refusal:
        return list(refusal.faults)
    return []


FIELDS = field_rules()


@pytest.mark.parametrize("rule", FIELDS)
def test_a_field_that_breaks_its_rule(rule: str) -> None:
    _, body, pointer = FIELDS[rule]
    [fault] = [fault for fault in faults(body) if fault.pointer == pointer]
    assert fault.code == "invalid_input"
    assert fault.detail.strip()
    assert fault.remedy.strip()
    assert not fault.retryable


@pytest.mark.parametrize("body", FULL, ids=[f"{body['task']} {body.get('mask', {}).get('type', '')}" for body in FULL])
def test_the_requests_that_are_broken_were_right(body: dict[str, Any]) -> None:
    assert [fault for fault in faults(body) if fault.pointer != "/reference_image"] == []


def test_every_keyword_of_the_schemas_is_broken_somewhere() -> None:
    known = {
        "required",
        "additionalProperties",
        "const",
        "enum",
        "minItems",
        "maxItems",
        "minLength",
        "maxLength",
        "pattern",
        "minimum",
        "maximum",
        "maxProperties",
        "patternProperties",
        "type",
    }
    silent = {
        "properties",
        "items",
        "title",
        "description",
        "default",
        "$ref",
        "$defs",
        "anyOf",
        "oneOf",
        "discriminator",
        "propertyNames",
        "examples",
    }
    for task in TASKS:
        assert set(keywords(schema_of(task))) <= known | silent
    kinds = {rule.rpartition(" ")[2] for rule in FIELDS}
    print(f"{len(FIELDS)} rules of single fields; {len(TOGETHER)} cases of rules over several")  # noqa: T201
    assert kinds == (known - {"additionalProperties", "const"}) | {"unknown"}


def keywords(schema: Any) -> Iterator[str]:
    """Those of JSON Schema; names of fields and definitions are none."""
    for key, value in schema.items():
        yield key
        if key in ("properties", "patternProperties", "$defs"):
            for part in value.values():
                yield from keywords(part)
        elif key in ("items", "additionalProperties", "propertyNames") and isinstance(value, dict):
            yield from keywords(value)
        elif key in ("anyOf", "oneOf"):
            for part in value:
                yield from keywords(part)


# rules over several fields

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
    (
        "A named stock person has its own traits.",
        asking("try_on", person={"stock": {"name": "James", "age": "children"}}),
        "/person/stock/name",
    ),
    *(
        (
            "An image mask belongs to one image of a person, and the request has none.",
            asking("try_on", person=person, mask=IMAGE_MASK),
            "/mask",
        )
        for person in ({"photos": [IMAGE]}, {"stock": {}}, {"subject": SUBJECT})
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
        for person in ({"photos": [IMAGE]}, {"stock": {}}, {"subject": SUBJECT})
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
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "broken"
    }
    assert written == {detail for detail, _, _ in TOGETHER}
