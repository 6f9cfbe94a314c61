"""The fields that a row may have: those of a job of any task, by the path that a column names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from fitting_room.jobs.document import Path
from fitting_room.jobs.tasks import TASKS
from fitting_room.jobs.wording import nearest, values
from fitting_room.providers import catalogue

Schema = dict[str, Any]

SHORT: dict[str, Path] = {"garment": ("garments", 0, "image"), "category": ("garments", 0, "category"), "id": ("id",)}
"""What a column may be called for short."""
_OPTIONS = "provider_options"


def at(name: str) -> tuple[Path, list[Schema]] | None:
    """Return the path that a column's name stands for, and what may stand there; None if no task has such a field."""
    path = SHORT.get(name) or tuple(name.split("."))
    if path == ("id",):
        return path, [{"type": "string"}]
    if path[0] == _OPTIONS and len(path) > 2:
        return _option(path)
    found: dict[Path, list[Schema]] = {}
    for schema in of_tasks().values():
        for place, kind in _below(schema, path):
            found.setdefault(place, []).append(kind)
    return next(iter(found.items()), None)


def image(schemas: Iterable[Schema]) -> bool:
    """Return whether a reference of an image stands there."""
    return any("upload" in schema.get("properties", ()) for schema in schemas)


def typed(text: str, schemas: Iterable[Schema]) -> Any:
    """Return the text of a cell as the field's type. One that does not fit stays a text, and is refused as one later."""
    for schema in schemas:
        choices = {written: value for written, value in values(schema).items() if not isinstance(value, str)}
        kind = schema.get("type")
        if kind == "boolean":
            choices = {"true": True, "false": False}
        if text.lower() in choices:
            return choices[text.lower()]
        if kind == "integer" and re.fullmatch(r"[+-]?[0-9]{1,18}(\.0{1,6})?", text):
            return int(text.partition(".")[0])
        if kind == "number" and re.fullmatch(r"[+-]?[0-9]{1,18}([.,][0-9]{1,18})?", text):
            return float(text.replace(",", "."))  # Excel writes a comma where the language does
        if (kind in ("object", "array") and text[:1] in ("{", "[")) or not schema:
            try:
                return json.loads(text)
            except (ValueError, RecursionError):
                continue
    return text


def suggested(name: str) -> str | None:
    """Return the name of the field that a column was most likely meant for."""
    plain = re.sub(r"(?<=\.)\d+", "0", name)
    known = _options(plain) if plain.startswith(f"{_OPTIONS}.") else _names()
    near = next((field for field in known if field.rpartition(".")[2] == plain.lower()), None) or nearest(plain, known)
    indexes = iter(re.findall(r"(?<=\.)\d+", name))
    return near and re.sub(r"(?<=\.)0(?=\.|$)", lambda zero: next(indexes, zero[0]), near)


def _options(name: str) -> list[str]:
    """Return the options of the provider that a column most likely means, as columns name them."""
    provider = nearest(name.split(".")[1], catalogue.PROVIDERS)
    return [f"{_OPTIONS}.{provider}.{option}" for option in _of_provider(provider)[0]] if provider else []


@cache
def of_tasks() -> dict[str, Schema]:
    """Return by task the schema of its request."""
    return {task: model.model_json_schema() for task, model in TASKS.items()}


def parts(schema: Schema, name: str | int, whole: Schema) -> list[Schema]:
    """Return what may stand under a name or at an index of a value."""
    if isinstance(name, int):
        inside = schema.get("items") if name < schema.get("maxItems", name + 1) else None
    elif "properties" in schema:
        inside = schema["properties"].get(name)
    else:
        inside = schema.get("additionalProperties") or next(iter(schema.get("patternProperties", {}).values()), None)
    return [] if inside is None or isinstance(inside, bool) else kinds(inside, whole)


def kinds(schema: Schema, whole: Schema) -> list[Schema]:
    """Return each kind of value that a schema allows, without references and `null`."""
    if reference := schema.get("$ref"):
        return kinds(whole["$defs"][reference.rpartition("/")[2]], whole)
    if several := schema.get("anyOf") or schema.get("oneOf"):
        return [kind for each in several for kind in kinds(each, whole)]
    return [] if schema.get("type") == "null" else [schema]


def _below(whole: Schema, path: Path) -> Iterator[tuple[Path, Schema]]:
    found: list[tuple[Path, Schema]] = [((), whole)]
    for part in path:
        found = [
            ((*place, name), kind)
            for place, schema in found
            for name in [int(part) if schema.get("type") == "array" and str(part).isdecimal() else part]
            for kind in parts(schema, name, whole)
        ]
    yield from found


def _option(path: Path) -> tuple[Path, list[Schema]] | None:
    """Return the place of a provider's option. Its own model knows the option's type."""
    _, provider, *rest = path
    if provider not in catalogue.PROVIDERS:
        return None
    properties, whole = _of_provider(str(provider))
    found = list(_below({**whole, "properties": properties}, tuple(rest)))
    return (path[:2] + found[0][0], [kind for _, kind in found]) if found else None


def _of_provider(provider: str) -> tuple[dict[str, Schema], Schema]:
    model = catalogue.entry(provider).options_model
    whole = model.model_json_schema() if model else {}
    return whole.get("properties", {}), whole


@cache
def _names() -> tuple[str, ...]:
    """Return how columns of plain values may be called."""
    found = [*SHORT]
    for schema in of_tasks().values():
        found += _leaves(schema, "", schema)
    return tuple(dict.fromkeys(found))


def _leaves(schema: Schema, prefix: str, whole: Schema) -> Iterator[str]:
    for name in schema.get("properties", ()):
        for kind in parts(schema, name, whole):
            several = parts(kind, 0, whole) if kind.get("type") == "array" else []
            for inner, place in [(kind, f"{prefix}{name}"), *((each, f"{prefix}{name}.0") for each in several)]:
                yield place
                if not image([inner]):
                    yield from _leaves(inner, f"{place}.", whole)
