"""Tables and lists of Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

WIDTH = 100


def paragraphs(*parts: str) -> str:
    """Join what is not empty; tables are not wrapped."""
    return "\n\n".join(_wrapped(part) for whole in parts if whole for part in whole.split("\n\n"))


def _wrapped(part: str) -> str:
    return part if part.startswith("|") else "\n".join(map(_filled, part.split("\n")))


def _filled(line: str) -> str:
    indent = "  " if line.startswith("- ") else ""
    return textwrap.fill(line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table without the columns that are empty in every row; empty without rows."""
    found = list(rows)
    kept = [n for n in range(len(head)) if n == 0 or any(row[n] for row in found)]
    first, *rest = (f"| {' | '.join(line[n] for n in kept)} |" for line in (head, *found))
    return "\n".join((first, "|" + "---|" * len(kept), *rest)) if found else ""


def code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def but(some: Sequence[str], every: Sequence[str]) -> str:
    """Name these, or those that are left where they are fewer; nothing if it is all."""
    named, rest = dict.fromkeys(some), [each for each in dict.fromkeys(every) if each not in some]
    if not rest:
        return ""
    return f"all but {code(rest)}" if len(rest) < len(named) / 2 else code(named)


def counted(number: float | None, thing: str) -> str:
    return f"{number:,g} {thing}{'s' * (number != 1)}" if number is not None else thing
