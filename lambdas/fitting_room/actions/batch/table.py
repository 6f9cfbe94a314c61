"""A manifest as a table: CSV as spreadsheets and scripts write it."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, NamedTuple

from fitting_room.actions.batch import fields
from fitting_room.actions.batch.lines import LONGEST_ROW, Found, Line, fault, lines_of, unreadable
from fitting_room.jobs.document import Path, pointer_of, within
from fitting_room.jobs.errors import Fault, Refusal

_SEPARATORS = ",;\t"
_MOST_FAULTS = 50
"""Wrong columns that are told at once."""
_METADATA = "`metadata.<name>` comes back with the job"


class Column(NamedTuple):
    """`path` is empty for a column without a header."""

    path: Path
    schemas: list[fields.Schema]


def rows(stream: BinaryIO) -> Iterator[tuple[int, Found]]:
    """Yield the number of each row's first line, and its object. Raises `Refusal` for a header that is none."""
    records = _Records(lines_of(stream, ""))
    columns = _columns(records.header())
    for line, cells in records:
        if isinstance(cells, Fault):
            yield line, [cells]
        elif any(cells):
            yield line, _row(columns, cells)


class _TooLong(Exception):
    pass


class _Records:
    """Splits lines into records. A quote that nothing closes takes only its own line with it, and not the rest."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines, self._again, self._taken = lines, deque[Line](), list[Line]()
        self._separator: str | None = None

    def header(self) -> list[str]:
        """Return the cells of the first line that is not empty, and learn from it how cells are separated."""
        for line in self._lines:
            text = line.text or ""
            if told := re.fullmatch(r"sep=(.)\s*", text):  # written for Excel
                self._separator = told[1]
            elif text.strip() or line.text is None:
                self._separator = self._separator or max(_SEPARATORS, key=text.count)
                self._again.append(line)
                break
        cells = next((cells for _, cells in self), [])
        if isinstance(cells, Fault):
            raise Refusal(cells)
        return cells

    def __iter__(self) -> Iterator[tuple[int, list[str] | Fault]]:
        while True:
            self._taken = []
            try:
                cells = next(
                    csv.reader(self._texts(), delimiter=self._separator or ",", skipinitialspace=True, strict=True)
                )
            except StopIteration:
                return
            except (_TooLong, csv.Error) as error:
                yield self._taken[0].number, self._broken(error)
            else:
                flaw = unreadable("".join(line.text or "" for line in self._taken))
                yield self._taken[0].number, flaw or [cell.strip() for cell in cells]

    def _texts(self) -> Iterator[str]:
        """Yield the lines of one record, until there are more than it may have."""
        left = LONGEST_ROW
        while line := self._again.popleft() if self._again else next(self._lines, None):
            self._taken.append(line)
            if line.text is None or (left := left - len(line.text)) < 0:
                raise _TooLong
            yield line.text

    def _broken(self, error: Exception) -> Fault:
        first, *rest = self._taken
        if first.text is None and (flaw := unreadable(None)):
            return flaw
        if isinstance(error, _TooLong) or "unexpected end" in str(error):
            self._again.extendleft(reversed(rest))
            return fault("A quote opens in this row, and nothing closes it.", "Close it, or leave it out.")
        return fault(
            "A quote inside a quoted text ends it too early.", 'Write such a quote twice: "a ""small"" shirt".'
        )


def _columns(header: Iterable[str]) -> list[Column]:
    """Return what each column holds. Raises `Refusal` with every column that names no field, or one that is taken."""
    columns: list[Column] = []
    faults: list[Fault] = []
    taken: dict[str, str] = {}
    for n, title in enumerate(header, 1):
        if len(faults) == _MOST_FAULTS:
            break
        name = re.sub(r"\[(\d+)\]", r".\1", title)
        found = fields.at(name) if name else ((), [])
        if found is None:
            faults.append(_unknown(n, title, name))
            continue
        columns.append(Column(*found))
        pointer = pointer_of(columns[-1].path)
        if name and (same := next((other for other in taken if _overlap(pointer, other)), None)):
            detail = f"Column {n}, `{title[:60]}`, names what {taken[same]} names."
            faults.append(fault(detail, "Keep one of them.", pointer))
        elif name:
            taken[pointer] = f"`{title}`"
    if not taken and not faults:
        faults.append(fault("The table has no header.", "Name the columns in its first line: id,person,garment."))
    if faults:
        raise Refusal(*faults)
    return columns


def _overlap(one: str, other: str) -> bool:
    return within(one, other) or within(other, one)


def _unknown(n: int, title: str, name: str) -> Fault:
    near = fields.suggested(name)
    meant = f"Did you mean `{near}`? Otherwise" if near else "Use the path of a field, such as `output.count`, or"
    detail = f"Column {n}, `{title[:60]}`, names no field of a job."
    return fault(detail, f"{meant} remove the column; {_METADATA}.", pointer_of(tuple(name.split("."))))


def _row(columns: list[Column], cells: list[str]) -> Found:
    body: dict[Any, Any] = {}
    for n, cell in enumerate(cells):
        if not cell:
            continue
        column = columns[n] if n < len(columns) else Column((), [])
        if not column.path:
            detail = f"Cell {n + 1} stands in a column without a header."
            remedy = "Name the column, or empty the cell. Put quotes around a text that holds the separator."
            return [fault(detail, remedy)]
        place = body
        for part in column.path[:-1]:
            place = place.setdefault(part, {})
        place[column.path[-1]] = fields.typed(cell, column.schemas)
    lists: dict[str, Any] = _with_lists(body)
    return lists


def _with_lists(value: Any) -> Any:
    """Return the value with a list for each object whose names are indexes; an empty cell leaves no hole in it."""
    if not isinstance(value, dict):
        return value
    if value and all(isinstance(name, int) for name in value):
        return [_with_lists(value[index]) for index in sorted(value)]
    return {name: _with_lists(part) for name, part in value.items()}
