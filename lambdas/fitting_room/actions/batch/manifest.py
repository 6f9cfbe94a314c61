"""A manifest to its rows: CSV, a JSON object a line, or a JSON list. It is read once, row by row.

A row's body is a job request in which images may be texts (`rows.resolved`), and defaults are missing (`rows.merged`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Literal

from fitting_room.actions.batch import objects, table
from fitting_room.actions.batch.lines import Found, fault
from fitting_room.actions.batch.rows import BadRow, Row, full
from fitting_room.images import sniff
from fitting_room.jobs.errors import Fault, Refusal

Kind = Literal["csv", "jsonl", "json"]
_READERS: dict[Kind, Callable[[BinaryIO], Iterator[tuple[int, Found]]]] = {
    "csv": table.rows,
    "jsonl": objects.of_lines,
    "json": objects.of_document,
}
START = 65_536
"""How many of a manifest's first bytes `kind_of` should see."""
_LONGEST_ID = 128
_SEND = "Send a CSV file (in Excel: save as `CSV UTF-8`), or a JSON object a line (.jsonl)."
_SPREADSHEETS = {b"PK\x03\x04": "an Excel file or another archive", b"\xd0\xcf\x11\xe0": "an old Excel file"}
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def kind_of(name: str, start: bytes) -> Kind:
    """Return the kind of a manifest by its first bytes; where these leave it open, by its name.

    Raises `Refusal` for a file that is none.
    """
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if other := _other(start):
        raise _refusal(f"The manifest is {other}.", _SEND)
    if not text:
        raise _refusal("The manifest is empty.", _SEND)
    suffix = name.lower().rpartition(".")[2]
    if text.startswith(b"["):
        return "json"
    if text.startswith(b"{"):
        return "jsonl" if suffix in ("jsonl", "ndjson") or _stands_alone(text) else "json"
    if suffix in ("jsonl", "ndjson"):
        return "jsonl"
    return "json" if suffix == "json" else "csv"


def read(lines: BinaryIO, kind: Kind) -> Iterator[Row | BadRow]:
    """Yield the rows of a manifest, and close it.

    Raises `Refusal` for a manifest that is none, also after its first rows: so nothing should be bought before the end.
    """
    line, seen = 0, dict[int, int]()
    for line, found in _READERS[kind](lines):
        yield _row(line, found, seen)
    if not line:
        raise _refusal("The manifest has no row.", "Write one row for each job.")


def _row(line: int, found: Found, seen: dict[int, int]) -> Row | BadRow:
    """Check what concerns the manifest alone. `seen`: by the hash of an id, the line that has it."""
    if isinstance(found, list):
        return BadRow(line, None, found)
    name, faults = _name(found.pop("id", None))
    if name is not None and (earlier := seen.setdefault(hash(name), line)) != line:
        faults.append(fault(f"The row in line {earlier} has this id, too.", "Give each row its own id.", "/id"))
    for short in ("garment", "category"):
        if short in found and "garments" in found:
            faults.append(fault(f"The row has `garments`, so `{short}` says it twice.", "Leave it out.", f"/{short}"))
    return BadRow(line, name, faults) if faults else Row(line, name, full(found))


def _name(given: Any) -> tuple[str | None, list[Fault]]:
    if isinstance(given, int) and not isinstance(given, bool):
        given = str(given)
    if given is None:
        return None, []
    if isinstance(given, str) and 0 < len(given) <= _LONGEST_ID and given.isprintable():
        return given, []
    return None, [fault("The id is none.", f"Write a text of 1 to {_LONGEST_ID} characters in one line.", "/id")]


def _other(start: bytes) -> str | None:
    """Return what a file is that cannot be a manifest."""
    if start.startswith(_UTF_16) or b"\x00" in start[:4]:
        return "in UTF-16, not UTF-8"
    known = next((name for begin, name in _SPREADSHEETS.items() if start.startswith(begin)), None)
    kind = sniff.kind(start)
    return known or (None if kind in ("unknown", "JSON") else f"of type {kind}")


def _stands_alone(text: bytes) -> bool:
    """Return whether the first line is a row."""
    try:
        first = json.loads(text.partition(b"\n")[0])
    except (ValueError, RecursionError):
        return False
    return isinstance(first, dict) and "jobs" not in first


def _refusal(detail: str, remedy: str) -> Refusal:
    return Refusal(fault(detail, remedy, "/manifest"))
