"""Bodies of HTML forms, with or without files, whose names say where a value goes: `tune[title]`, `tune[images][]`."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from typing import Any
from urllib.parse import parse_qsl

from local.simulators.kit.records import picture_facts


@dataclass(frozen=True)
class Upload:
    """A file of a multipart form."""

    name: str
    content: bytes

    def facts(self) -> dict[str, Any]:
        return {"file": self.name} | (
            picture_facts(base64.b64encode(self.content).decode()) or {"bytes": len(self.content)}
        )


def parsed(content_type: str, body: bytes) -> dict[str, Any]:
    """Nest a form's fields by the brackets of their names, without blank ones. Raises ValueError for no form."""
    header = Message()
    header["content-type"] = content_type
    fields: dict[str, Any] = {}
    for name, value in _parts(body, header) if header.get_content_maintype() == "multipart" else _pairs(body):
        if not re.fullmatch(r"\w+(\[\w*\])*", name):
            raise ValueError(f"{name!r} is no field name")
        if value != "":
            _put(fields, re.findall(r"\w+|(?<=\[)(?=\])", name), value)
    return fields


def shown(value: Any) -> Any:
    """Show a form with facts in the place of files."""
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shown(item) for item in value]
    return value.facts() if isinstance(value, Upload) else value


def _pairs(body: bytes) -> list[tuple[str, str | Upload]]:
    return [*parse_qsl(body.decode(), keep_blank_values=True)]


def _parts(body: bytes, header: Message) -> list[tuple[str, str | Upload]]:
    boundary = str(header.get_param("boundary", "")).encode()
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary)
    if not boundary or len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise ValueError("the multipart body has no boundary or no end")
    return [_part(piece) for piece in pieces[1:-1]]


def _part(piece: bytes) -> tuple[str, str | Upload]:
    head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    headers = BytesHeaderParser().parsebytes(head)
    name, file = (headers.get_param(key, None, "content-disposition") for key in ("name", "filename"))
    return str(name), content.decode() if file is None else Upload(str(file), content)


def _put(into: Any, path: list[str], value: str | Upload) -> None:
    """Put a value at its path.

    An empty step is a list's next item; fields of objects in a list start a new object when one comes again.
    """
    key, *rest = path
    if key in into and (not rest or not isinstance(into[key], list if rest[0] == "" else dict)):
        raise ValueError(f"{key} is given twice, or as two different things")
    if not rest:
        into[key] = value
    elif rest[0]:
        _put(into.setdefault(key, {}), rest, value)
    elif len(rest) == 1:
        into.setdefault(key, []).append(value)
    else:
        items = into.setdefault(key, [])
        if not items or rest[1] in items[-1]:
            items.append({})
        _put(items[-1], rest[1:], value)
