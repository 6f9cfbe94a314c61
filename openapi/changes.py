"""What a change of the document would break for a client that was made for the document before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
_METHODS = ("get", "post", "put", "patch", "delete")


def breaking(before: Json, after: Json) -> list[str]:
    """Return each such change in words; none for a document that only grew.

    Requests may ask for no more, and take no less. Answers may hold no less; new values of an enum are no break there,
    because clients are told to expect them.
    """
    found: list[str] = []
    for path, methods in before["paths"].items():
        for method in (name for name in methods if name in _METHODS):
            here = f"{method.upper()} {path}"
            now = after["paths"].get(path, {}).get(method)
            found += [f"{here} is gone"] if now is None else _operation(here, methods[method], now)
    asked = _used(before, "requestBody")
    for name, schema in before["components"]["schemas"].items():
        now = after["components"]["schemas"].get(name)
        found += [f"{name} is gone"] if now is None else _schema(name, schema, now, asked=name in asked)
    return found


def _operation(here: str, before: Json, after: Json) -> Iterator[str]:
    yield from (
        f"{here} no longer answers {status}" for status in before["responses"] if status not in after["responses"]
    )
    parameters = [{each["name"]: each for each in found.get("parameters", ())} for found in (before, after)]
    yield from (f"{here} no longer takes {name}" for name in parameters[0].keys() - parameters[1].keys())
    for name, each in parameters[1].items():
        old = parameters[0].get(name)
        if each.get("required") and not (old and old.get("required")):
            yield f"{here} now requires {name}"
        if old:
            yield from _schema(f"{here} {name}", old["schema"], each["schema"], asked=True)
    bodies = [found.get("requestBody") for found in (before, after)]
    if bodies[1] and bodies[1].get("required") and not (bodies[0] and bodies[0].get("required")):
        yield f"{here} now requires a body"


def _schema(here: str, before: Any, after: Any, *, asked: bool) -> Iterator[str]:
    if not isinstance(before, dict) or not isinstance(after, dict):
        return
    kinds = [_alternatives(each) for each in (before, after)]
    yield from (f"{here} is no longer {kind}" for kind in sorted(kinds[0] - kinds[1]) if kinds[1])
    if not asked:
        yield from (f"{here} may now be {kind}" for kind in sorted(kinds[1] - kinds[0]) if kinds[0] and kind == "null")
    yield from (f"{here} no longer has the value {value}" for value in _values(before) if value not in _values(after))
    old, new = before.get("properties", {}), after.get("properties", {})
    yield from (f"{here}.{name} is gone" for name in old if name not in new)
    required = [set(each.get("required", ())) for each in (before, after)]
    changed = required[1] - required[0] if asked else (required[0] - required[1]) & new.keys()
    yield from (f"{here}.{name} is {'now required' if asked else 'no longer always there'}" for name in sorted(changed))
    if asked:
        yield from _limits(here, before, after)
    for name in old.keys() & new.keys():
        yield from _schema(f"{here}.{name}", old[name], new[name], asked=asked)
    for part in ("items", "additionalProperties"):
        yield from _schema(f"{here}[]", before.get(part), after.get(part), asked=asked)


def _limits(here: str, before: Json, after: Json) -> Iterator[str]:
    for part, now in zip(_parts(before), _parts(after), strict=False):
        for limit, tighter in (("min", 1), ("max", -1)):
            for name in (key for key in now if key.startswith(limit) and key != "maxContains"):
                if name not in part or (now[name] - part[name]) * tighter > 0:
                    yield f"{here} has a tighter {name}: {now[name]}"


def _parts(schema: Json) -> list[Json]:
    return [schema, *(each for each in schema.get("anyOf", ()) if isinstance(each, dict))]


def _alternatives(schema: Json) -> set[str]:
    """Return the types and schemas that a value may have."""
    parts = schema.get("anyOf") or schema.get("oneOf") or [schema]
    return {str(part.get("type") or part.get("$ref", "").rpartition("/")[2]) for part in parts} - {""}


def _values(schema: Json) -> list[Any]:
    return [
        value for part in _parts(schema) for value in (part.get("enum") or ([part["const"]] if "const" in part else []))
    ]


def _used(document: Json, by: str) -> set[str]:
    """Return the names of all schemas that bodies of requests are made of."""
    left = [found[by] for methods in document["paths"].values() for found in methods.values() if by in found]
    names: set[str] = set()
    while left:
        part = left.pop()
        if isinstance(part, list):
            left += part
        elif isinstance(part, dict):
            name = str(part.get("$ref", "")).removeprefix("#/components/schemas/")
            if name in document["components"]["schemas"] and name not in names:
                names.add(name)
                left.append(document["components"]["schemas"][name])
            left += [value for value in part.values() if isinstance(value, dict | list)]
    return names
