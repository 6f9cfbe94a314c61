"""The lines of a manifest, and what makes a line unreadable."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from fitting_room.jobs.errors import Fault

LONGEST_ROW = 65_536
"""Characters. A row names its images; one that holds them would be longer."""

Found = dict[str, Any] | list[Fault]
"""A row's object, or why there is none."""


class Line(NamedTuple):
    """`text` is None for a line that is longer than a row may be."""

    number: int
    text: str | None


def lines_of(stream: BinaryIO, newline: str) -> Iterator[Line]:
    """Yield the lines of a file. Bytes that are no UTF-8 become lone surrogates, for `unreadable` to find.

    `newline`: what ends a line, as `open` takes it.
    """
    text = io.TextIOWrapper(stream, "utf-8-sig", "surrogateescape", newline)
    number = 0
    while part := text.readline(LONGEST_ROW + 1):
        number += 1
        overlong = len(part) > LONGEST_ROW
        yield Line(number, None if overlong else part)
        while overlong and part and not part.endswith(("\n", "\r")):
            part = text.readline(LONGEST_ROW)


def unreadable(text: str | None) -> Fault | None:
    if text is None:
        return fault(
            f"The row is longer than {LONGEST_ROW:,} characters.",
            "Name each image by a link, an upload or a file name instead of writing it into the row.",
        )
    if "\x00" in text:
        return fault("The row holds a NUL character.", "Leave that character out.")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return fault("The row is not in UTF-8.", "Save the file as UTF-8; in Excel, choose `CSV UTF-8`.")
    return None


def fault(detail: str, remedy: str, pointer: str = "") -> Fault:
    return Fault.of("invalid_input", detail, remedy, pointer=pointer)
