"""A manifest on this machine: the files that its rows name, and the manifest with uploads in their place.

The rewritten manifest keeps the line of each row, so the API's report names the lines of the file. The API checks the rows.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fitting_room_client.errors import BadInput
from fitting_room_client.models import Fault
from fitting_room_client.requests import bad, bytes_of, way_of

_IMAGES = frozenset(
    ("person", "scene", "garment", "image", "images", "pictures", "photos", "input_image", "reference_image")
)
"""The fields of a row that name images."""
_FREE = ("metadata", "provider_options")
_SEPARATORS = ",;\t"
_MOST = 20
Change = Callable[[str, str], str]
"""Gets the name of an image and where it stands; returns what to write instead."""


@dataclass(frozen=True)
class Manifest:
    path: Path
    text: str
    kind: str

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read a manifest. Raises `BadInput` for a file that is none."""
        try:
            text = bytes_of(path, str(path)).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise _unfit(path, "is not in UTF-8") from None
        if "\x00" in text[:1000] or not text.strip():
            raise _unfit(path, "holds no rows")
        return cls(path, text, _kind(text))

    @property
    def content_type(self) -> str:
        return {"csv": "text/csv", "jsonl": "application/jsonl", "json": "application/json"}[self.kind]

    def files(self) -> list[Path]:
        """Return each file that a row names, once. Raises `BadInput` with those that are not there."""
        found: dict[Path, str] = {}

        def see(name: str, place: str) -> str:
            found.setdefault(self.path.parent / name, place)
            return name

        self.changed(see)
        missing = [(path, place) for path, place in found.items() if not path.is_file()]
        if missing:
            remedy = "Put the file there, or write another name: they count from the manifest's folder."
            raise BadInput(*(_fault(place, f"There is no file {path}.", remedy) for path, place in missing[:_MOST]))
        return list(found)

    def with_uploads(self, ids: dict[Path, str]) -> bytes:
        return self.changed(lambda name, _: ids[self.path.parent / name]).encode()

    def changed(self, change: Change) -> str:
        """Return its text with every name of a file changed."""
        if self.kind == "csv":
            return _table(self.text, change)
        if self.kind == "jsonl":
            return "\n".join(_line(n, line, change) for n, line in enumerate(self.text.split("\n"), 1))
        try:
            return json.dumps(_walked(json.loads(self.text), "", "", change))
        except ValueError as error:
            raise bad(str(self.path), f"This is no JSON: {error}.", "Check quotes, commas and brackets.") from None


def _kind(text: str) -> str:
    begin = text.lstrip()
    if not begin.startswith(("{", "[")):
        return "csv"
    try:
        first = json.loads(begin.partition("\n")[0])
    except ValueError:
        return "json"
    return "jsonl" if isinstance(first, dict) and "jobs" not in first else "json"


def _table(text: str, change: Change) -> str:
    file = io.StringIO()
    writer: Any = None
    columns: list[tuple[int, str]] = []
    separator = _separator(text)
    for line, cells in _records(text, separator):
        writer = writer or csv.writer(file, delimiter=separator, lineterminator="\n")
        if columns or not any(cells) or cells[0].startswith("sep="):
            for n, name in columns:
                if n < len(cells) and _local(cells[n].strip()):
                    cells[n] = change(cells[n].strip(), f"line {line}, {name}")
        else:
            columns = [(n, name.strip()) for n, name in enumerate(cells) if _names_image(name)] or [(-1, "")]
        writer.writerow(cells)
    return file.getvalue()


def _records(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the first line and the cells of each record."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            detail = "The quotes of this row are not in pairs."
            raise bad(f"line {line}", detail, 'Close each quote; write one inside a quoted text twice: "".') from None
        yield line, cells


def _separator(text: str) -> str:
    if told := re.match(r"\s*sep=(.)", text):
        return told[1]
    header = text.lstrip().partition("\n")[0]
    return max(_SEPARATORS, key=header.count)


def _names_image(column: str) -> bool:
    names = [name for name in re.split(r"[.\[\]]+", column.strip()) if name and not name.isdecimal()]
    return bool(names) and names[-1] in _IMAGES and names[0] not in _FREE


def _line(number: int, line: str, change: Change) -> str:
    try:
        row = json.loads(line)
    except ValueError:
        return line
    return json.dumps(_walked(row, "", f"line {number}, ", change))


def _walked(value: Any, name: str, place: str, change: Change) -> Any:
    if isinstance(value, dict):
        return {
            key: part if key in _FREE else _walked(part, key, f"{place}/{key}", change) for key, part in value.items()
        }
    if isinstance(value, list):
        return [_walked(part, name, f"{place}/{n}", change) for n, part in enumerate(value)]
    return change(value, place) if isinstance(value, str) and name in _IMAGES and _local(value) else value


def _local(text: str) -> bool:
    return bool(text) and not text.startswith("{") and way_of(text) is None


def _fault(place: str, detail: str, remedy: str) -> Fault:
    return Fault(code="invalid_input", pointer=place, detail=detail, remedy=remedy)


def _unfit(path: Path, why: str) -> BadInput:
    return bad(str(path), f"The manifest {why}.", "Save it as CSV in UTF-8 (in Excel: `CSV UTF-8`), or as JSON lines.")
