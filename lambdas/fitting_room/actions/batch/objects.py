"""A manifest as JSON: an object a line, or one document with all of them."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, Never

from fitting_room.actions.batch.lines import LONGEST_ROW, Found, fault, lines_of, unreadable
from fitting_room.jobs.document import too_deep
from fitting_room.jobs.errors import Refusal

_CHUNK = 65_536
_MOST = 8_000_000
"""Characters after which a row without an end is not looked at any more."""
_ROW = 'Write an object such as {"person": "anna.jpg", "garment": "tee.jpg"}.'


def of_lines(stream: BinaryIO) -> Iterator[tuple[int, Found]]:
    """Yield the number of each line that is not empty, and its object."""
    for number, text in lines_of(stream, "\n"):
        if flaw := unreadable(text):
            yield number, [flaw]
        elif text and not text.isspace():
            yield number, _parsed(text.strip())


def of_document(stream: BinaryIO) -> Iterator[tuple[int, Found]]:
    """Yield each row's number in a list, or in the list `jobs` of an object without other fields.

    Raises `Refusal` where the document breaks: what follows cannot be told from a row.
    """
    text = _Text(stream)
    inside = text.took("{")
    if inside and (text.value() != "jobs" or not text.took(":")):
        text.refuse()
    if not text.took("["):
        text.refuse()
    ended = text.took("]")
    while not ended:
        value = text.value()
        text.row += 1
        yield text.row, _checked(value)
        ended = text.took("]")
        if not ended and not text.took(","):
            text.refuse()
    if (inside and not text.took("}")) or text.more():
        text.refuse()


def _parsed(text: str) -> Found:
    try:
        return _checked(_JSON.decode(text))
    except RecursionError:
        return [fault("The row is nested too deeply.", _ROW)]
    except ValueError as error:
        where = f": {error.msg} at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
        return [fault(f"The line is no JSON{where}.", f"Check quotes, commas and brackets. {_ROW}")]


def _checked(value: Any) -> Found:
    if isinstance(value, _Long):
        return [flaw] if (flaw := unreadable(None)) else []
    if not isinstance(value, dict):
        return [fault("The row is no JSON object.", _ROW)]
    return [fault("The row is nested too deeply.", _ROW)] if too_deep(value) else value


def _no_number(word: str) -> Never:
    raise ValueError(word)


_JSON = json.JSONDecoder(parse_constant=_no_number)


class _Long:
    """Stands for a row that is longer than a row may be."""


class _Text:
    """A document that is read piece by piece. `row`: how many rows were read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._decoder = stream, codecs.getincrementaldecoder("utf-8-sig")()
        self._text, self._at, self._over, self.row = "", 0, False, 0

    def more(self) -> bool:
        """Skip white space, and return whether something follows."""
        while True:
            match = re.compile(r"[ \t\r\n]*").match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return True
            if not self._read():
                return False

    def took(self, character: str) -> bool:
        """Skip white space and this character, and return whether it was there."""
        found = self.more() and self._text[self._at] == character
        self._at += found
        return found

    def value(self) -> Any:
        self.more()
        while True:
            try:
                value, end = _JSON.raw_decode(self._text, self._at)
            except RecursionError:
                self.refuse()
            except ValueError:
                if len(self._text) - self._at > _MOST or not self._read():
                    self.refuse()
            else:
                if end < len(self._text) or not self._read():
                    length, self._at = end - self._at, end
                    return _Long() if length > LONGEST_ROW else value

    def refuse(self) -> Never:
        where = f"after row {self.row}" if self.row else "before its first row"
        raise Refusal(
            fault(
                f"The manifest is no list of rows: it breaks off {where}.",
                'Check quotes, commas and brackets there. Write [{"person": ..., "garment": ...}, ...] or'
                ' {"jobs": [...]}, or one object a line in a file named .jsonl.',
            )
        )

    def _read(self) -> bool:
        """Read on, and return whether there was something. The pieces grow, so that a long row is not read too often."""
        if self._over:
            return False
        piece = self._stream.read(max(_CHUNK, len(self._text) - self._at))
        self._over = not piece
        try:
            decoded = self._decoder.decode(piece, final=self._over)
        except UnicodeDecodeError:
            self.refuse()
        self._text, self._at = self._text[self._at :] + decoded, 0
        return bool(decoded) or not self._over
