"""Pydantic's errors in the API's words: the error, and the value to send instead, as the model's own schema has it."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from pydantic import BaseModel

from fitting_room.jobs.document import Path, pointer_of
from fitting_room.jobs.errors import Fault
from fitting_room.jobs.request import Output
from fitting_room.jobs.tasks import TASKS, Keep, Styling

HOMES: dict[str, type[BaseModel]] = {"output": Output, "keep": Keep, "styling": Styling}
"""Objects of a request whose fields are often sent without them."""

_TYPES = {
    "string": "This must be a text.",
    "integer": "This must be a whole number.",
    "number": "This must be a number.",
    "boolean": "This must be true or false.",
    "array": "This must be a list.",
    "object": "This must be a JSON object.",
}
_DETAILS = {
    "missing": "This field is required.",
    "union_tag_not_found": "This field is required.",
    "extra_forbidden": "This field does not exist.",
    "literal_error": "There is no such value.",
    "union_tag_invalid": "There is no such kind.",
    "too_short": "At least {min_length} must be given.",
    "too_long": "At most {max_length} may be given.",
    "string_too_short": "The text is empty.",
    "string_too_long": "The text is longer than {max_length:,} characters.",
    "string_pattern_mismatch": "The text has the wrong form.",
    "greater_than_equal": "The number is too small.",
    "less_than_equal": "The number is too large.",
    "greater_than": "The number is too small.",
    "less_than": "The number is too large.",
    "multiple_of": "The number is no multiple of {multiple_of}.",
}


def fault_of(item: Any, model: type[BaseModel], root: str = "") -> Fault:
    """Return the fault of one error of `ValidationError.errors()`.

    The sent value is not repeated: it may be a picture or a name.
    """
    path, schema = place(model, item)
    context = item.get("ctx", {})
    if item["type"] == "rule":
        told = str(context["pointer"])
        pointer = told if told.startswith("/") else root + pointer_of((*path, told) if told else path)
        return Fault.of("invalid_input", context["detail"], context["remedy"], pointer=pointer)
    detail = known.format(**context) if (known := _DETAILS.get(item["type"])) else _TYPES[schema.get("type", "object")]
    remedy = _remedy(item, model, path, schema)
    return Fault.of("invalid_input", detail, remedy, pointer=root + pointer_of(path))


def _remedy(item: Any, model: type[BaseModel], path: Path, schema: dict[str, Any]) -> str:
    wanted = expected(schema)
    match item["type"]:
        case "missing" | "union_tag_not_found":
            return f"Add it: {wanted}."
        case "extra_forbidden":
            return _stranger(str(path[-1]), model, path, place(model, {**item, "loc": item["loc"][:-1]})[1])
        case "literal_error" | "union_tag_invalid":
            near = nearest(chosen(item), choices := values(schema))
            bare = "" if near is None or isinstance(choices[near], str) else " without quotes"
            return (f"Did you mean `{near}`{bare}? " if near else "") + f"Use {wanted}."
        case _:
            plain = ("number", "boolean") if "description" in schema else ("integer", "number", "boolean")
            quoted = isinstance(item.get("input"), str) and schema.get("type") in plain
            return f"Send {wanted}{', without quotes' if quoted else ''}."


def chosen(item: Any) -> Any:
    """Return the value that is none of the choices."""
    return item["ctx"]["tag"] if item["type"] == "union_tag_invalid" else item["input"]


def _stranger(name: str, model: type[BaseModel], path: Path, schema: dict[str, Any]) -> str:
    """Return the remedy for an unknown field: where it belongs, or how it is spelt."""
    tasks = [task for task, other in TASKS.items() if name in _names(other)]
    if model in TASKS.values() and len(path) == 1 and tasks:
        return f"Leave it out: `{name}` belongs to {_either(tasks)}."
    if home := next((home for home, fields in HOMES.items() if name in fields.model_fields and path[0] != home), None):
        return f"It stands in `{home}`: send `{home}.{name}`."
    known = [field for field, part in schema.get("properties", {}).items() if part.get("type") != "null"]
    if near := nearest(name, known):
        return f"Did you mean `{near}`? Otherwise leave it out."
    if known:
        return f"Leave it out. The fields here are: {', '.join(known)}."
    return "Leave it out: this provider has no options of its own."


def _names(model: type[BaseModel]) -> set[str]:
    """Return the names of the fields that a request may have.

    Those that are known only to be refused are left out.
    """
    return {field.alias or name for name, field in model.model_fields.items() if not field.exclude}


def nearest(name: Any, choices: Iterable[str], likeness: float = 0.7) -> str | None:
    """Return the choice that was most likely meant, or None."""
    if not isinstance(name, str) or len(name) > 64:
        return None
    written = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[\s-]+", "_", name.strip()).lower()
    known = list(choices)
    if begun := [choice for choice in known if len(written) > 2 and choice.startswith(written)]:
        return begun[0] if len(begun) == 1 else None
    return next(iter(difflib.get_close_matches(written, known, 1, likeness)), None)


def expected(schema: dict[str, Any]) -> str:
    """Return the value to send at a place, as the end of a sentence that begins with "Send"."""
    if kinds := schema.get("discriminator"):
        return f"an object whose `{kinds['propertyName']}` is one of: {', '.join(kinds['mapping'])}"
    if allowed := values(schema):
        return ("" if len(allowed) == 1 else "one of: ") + ", ".join(allowed)
    match schema.get("type"):
        case "string" | "integer" if told := schema.get("description"):
            return str(told)
        case "string":
            return _several("a text", schema.get("minLength"), schema.get("maxLength"), "character", "characters")
        case "integer" | "number" as kind:
            return _numbers(kind, schema)
        case "boolean":
            return "true or false"
        case "array":
            return _several("a list", schema.get("minItems"), schema.get("maxItems"), "entry", "entries")
        case "object" if "examples" in schema:
            return f"an object such as {json.dumps(schema['examples'][0])}"
        case "object" if schema.get("properties"):
            return f"an object with the fields {', '.join(schema['properties'])}"
        case "object" if "maxProperties" in schema:
            return f"an object of at most {schema['maxProperties']} entries"
        case _:
            return "a JSON object"


def _numbers(kind: str, schema: dict[str, Any]) -> str:
    words = "a whole number" if kind == "integer" else "a number"
    if "multipleOf" in schema:
        words = f"a multiple of {schema['multipleOf']}"
    low, high = schema.get("minimum"), schema.get("maximum")
    if (above := schema.get("exclusiveMinimum")) is not None:
        return f"{words} above {number(above)}" + ("" if high is None else f", at most {number(high)}")
    if low is not None and high is not None:
        return f"{words} from {number(low)} to {number(high)}"
    if low is not None:
        return f"{words}, at least {number(low)}"
    return words if high is None else f"{words} of at most {number(high)}"


def _several(what: str, low: int | None, high: int | None, one: str, many: str) -> str:
    if low is None and high is None:
        return what
    return f"{what} of {span(low, high)} {one if (high or low) == 1 else many}"


def values(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the values, or the kinds, of which one must be chosen, as JSON writes them.

    The answer is empty where the schema is no choice.
    """
    found = schema.get("enum") or ([schema["const"]] if "const" in schema else ())
    return {value if isinstance(value, str) else json.dumps(value): value for value in found}


def number(value: float) -> str:
    """Return a number as a person writes it: 2,147,483,646 or 1.1."""
    return f"{value:,.6f}".rstrip("0").rstrip(".")


def span(low: float | None, high: float | None) -> str:
    """Return a range in words: `1 to 8`, `at least 1`, `at most 8`."""
    if high is None:
        return f"at least {number(low or 0)}"
    if low == high:
        return number(high)
    return f"at most {number(high)}" if low is None else f"{number(low)} to {number(high)}"


def field_of(pointer: str) -> str:
    """Return a place as the client writes it: `garments[0].type`."""
    return re.sub(r"/(\d+)(?=/|$)", r"[\1]", pointer).replace("/", ".").removeprefix(".")


def _either(names: list[str]) -> str:
    return " and ".join(", ".join(names).rsplit(", ", 1))


def place(model: type[BaseModel], item: Any) -> tuple[Path, dict[str, Any]]:
    """Return the place of an error in the document, and the schema of the value there.

    Pydantic's own location also holds the tag that a union chose, and the word `[key]`.
    """
    whole = _schema(model)
    parent = schema = _plain(whole, whole)
    path: list[str | int] = []
    for part in item["loc"]:
        tags = schema.get("discriminator", {}).get("mapping", {})
        if part in tags:
            schema = _plain({"$ref": tags[part]}, whole)
        elif part == "[key]":
            schema = {"type": "string", **parent.get("propertyNames", {})}
        else:
            path.append(part)
            parent, schema = schema, _plain(_part(schema, part), whole)
    if item["type"].startswith("union_tag"):
        tag = schema["discriminator"]["propertyName"]
        path, schema = [*path, tag], {"enum": list(schema["discriminator"]["mapping"])}
    return tuple(path), schema


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _part(schema: dict[str, Any], part: str | int) -> dict[str, Any]:
    if isinstance(part, int):
        return dict(schema.get("items", {}))
    if found := schema.get("properties", {}).get(part):
        return dict(found)
    return dict(schema.get("additionalProperties") or next(iter(schema.get("patternProperties", {}).values()), {}))


def _plain(schema: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without references and `null`."""
    if reference := schema.get("$ref"):
        return _plain(whole["$defs"][reference.rpartition("/")[2]], whole)
    kinds = [kind for kind in schema.get("anyOf", ()) if kind.get("type") != "null"]
    return _plain(kinds[0], whole) if len(kinds) == 1 else schema
