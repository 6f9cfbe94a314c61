"""Every way to break a JSON document in one place."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

Path = tuple[str, ...]


def leaves(document: dict[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    for key, value in document.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def objects(document: dict[str, Any], path: Path = ()) -> Iterator[Path]:
    yield path
    for key, value in document.items():
        if isinstance(value, dict):
            yield from objects(value, (*path, key))


def replaced(document: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    copy = deepcopy(document)
    _parent(copy, path)[path[-1]] = value
    return copy


def removed(document: dict[str, Any], path: Path) -> dict[str, Any]:
    copy = deepcopy(document)
    del _parent(copy, path)[path[-1]]
    return copy


def with_stranger(document: dict[str, Any], path: Path) -> dict[str, Any]:
    return replaced(document, (*path, "noSuchField"), "x")


def _parent(document: dict[str, Any], path: Path) -> dict[str, Any]:
    for key in path[:-1]:
        document = document[key]
    return document


def wrong_values(value: Any) -> Iterator[Any]:
    """Values no vendor should take in place of this one: other types, null, and text that is no enum value."""
    yield None
    yield ["x"]
    yield {} if not isinstance(value, dict) else "x"
    if isinstance(value, str):
        yield from (7, "no such value")
    elif isinstance(value, bool):
        yield from ("true", 1)
    else:
        yield from (str(value), -1, 10**12)
