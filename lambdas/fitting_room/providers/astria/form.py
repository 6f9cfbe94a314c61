"""Bodies as the vendor's examples send them: multipart fields named `tune[title]`, `tune[images][]`, pictures as files."""

from __future__ import annotations

from collections.abc import Mapping

from fitting_room.providers.adapter import Input

Field = tuple[str | None, str] | tuple[str, bytes, str]
"""A text, or a file's name, content and media type."""
Form = list[tuple[str, Field]]


def form(name: str, fields: Mapping[str, object]) -> Form:
    """Return the form fields of the object `name` that are not None.

    Values are texts, numbers, flags, pictures, and lists of pictures.
    """
    sent: Form = []
    for key, value in fields.items():
        if isinstance(value, list):
            sent += [(f"{name}[{key}][]", _field(item, str(n))) for n, item in enumerate(value)]
        elif value is not None:
            sent.append((f"{name}[{key}]", _field(value, key)))
    return sent


def _field(value: object, file: str) -> Field:
    if isinstance(value, Input):
        return f"{file}.{value.media_type.rpartition('/')[2]}", value.read(), value.media_type
    return None, str(value).lower() if isinstance(value, bool) else str(value)
