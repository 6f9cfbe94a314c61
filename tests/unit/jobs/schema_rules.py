"""Requests that break one rule each, read from the request models' own JSON schemas: what `remedies.txt` is made of.

They show every refusal to a reader. They test no rule: a rule that is loosened loosens them too.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any, NamedTuple

from fitting_room.jobs.tasks import TASKS

Path = tuple[str | int, ...]
REMOVED = object()


class Broken(NamedTuple):
    rule: str
    body: dict[str, Any]
    pointer: str


def field_rules(bodies: list[dict[str, Any]]) -> dict[str, Broken]:
    rules: dict[str, Broken] = {}
    for body in bodies:
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
        for keyword, wrong in (
            ("minItems", []),
            ("maxItems", [value[0]] * (schema.get("maxItems", 0) + 1) if value else []),
        ):
            if keyword in schema:
                yield path, keyword, wrong
        if value:
            yield from broken(schema["items"], defs, value[0], (*path, 0))
    wrong_values = {
        "minLength": "",
        "maxLength": "x" * (schema.get("maxLength", 0) + 1),
        "pattern": "No\nsuch thing",
        "exclusiveMinimum": schema.get("exclusiveMinimum"),
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
