"""A JSON document: where something in it lies, what no JSON should hold, and changing it place by place."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from fitting_room.jobs.errors import Refusal

Path = tuple[str | int, ...]

MAX_DEPTH = 64
_LONGEST_NAME = 128


def decoded(raw: bytes, name: str) -> Any:
    """Return the value of a JSON document, which `name` names in a refusal.

    Raises `Refusal` for text that is not JSON, and for a document of too many levels.
    """
    deep = Refusal.of(
        "invalid_input",
        f"{name} is nested more than {MAX_DEPTH} levels deep.",
        "Nothing here needs so many levels.",
        status=400,
        pointer="",
    )
    try:
        document = json.loads(raw, parse_constant=_no_number)
    except RecursionError:
        raise deep from None
    except ValueError as error:
        where = f" in line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        remedy = f"Check quotes, commas and brackets{where}."
        raise Refusal.of("invalid_input", f"{name} is not valid JSON.", remedy, status=400, pointer="") from None
    if too_deep(document):
        raise deep
    return document


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is JavaScript, not JSON")


def pointer_of(path: Path) -> str:
    """Return the JSON pointer of a path.

    A name that is no text, or a very long one, is shown as well as it can be.
    """
    return "".join("/" + _shown(str(part)).replace("~", "~0").replace("/", "~1") for part in path)


def path_of(pointer: str) -> Path:
    """Return the path of a JSON pointer. A number is the index of a list."""
    parts = (part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])
    return tuple(int(part) if part.isdecimal() else part for part in parts)


def _shown(name: str) -> str:
    name = name.encode("utf-8", "replace").decode()
    return name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "..."


def within(pointer: str, outer: str) -> bool:
    return pointer == outer or pointer.startswith(outer + "/")


def too_deep(document: Any) -> bool:
    """Return whether a document is nested more than `MAX_DEPTH` times.

    It does not fail at any depth.
    """
    level = [document]
    for _ in range(MAX_DEPTH + 1):
        level = [
            part
            for value in level
            if isinstance(value, dict | list)
            for part in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return False
    return True


def flaws(value: Any, path: Path = ()) -> Iterator[tuple[Path, str, str]]:
    """Yield (path, error, remedy) of values that only Python's JSON reader lets pass."""
    if isinstance(value, dict):
        for name, part in value.items():
            if flaw := _flaw(name):
                yield (*path, name), *flaw
            else:
                yield from flaws(part, (*path, name))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from flaws(part, (*path, index))
    elif flaw := _flaw(value):
        yield path, *flaw


def _flaw(value: Any) -> tuple[str, str] | None:
    if isinstance(value, float) and not math.isfinite(value):
        return "The number is too large.", "Send a smaller number."
    if isinstance(value, str):
        if "\x00" in value:
            return "The text holds a NUL character.", "Leave that character out."
        try:
            value.encode()
        except UnicodeEncodeError:
            return "The text holds half a character (a lone surrogate).", "Send the text as UTF-8."
    return None


def get(document: Any, path: Path) -> Any:
    """Return the value at a path, or None."""
    for part in path:
        try:
            document = document[part]
        except (KeyError, IndexError, TypeError):
            return None
    return document


def put(document: Any, path: Path, value: Any) -> None:
    """Set the value at a path whose parent exists."""
    get(document, path[:-1])[path[-1]] = value


def remove(document: Any, path: Path) -> None:
    """Remove the value at a path, if there is one."""
    parent = get(document, path[:-1])
    if isinstance(parent, dict):
        parent.pop(path[-1], None)
