"""The names in a query: a misspelt one would be a filter that does nothing, so every route refuses what it does not take."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from fitting_room.jobs.errors import Fault
from fitting_room.jobs.wording import nearest


def strangers(asked: Iterable[str], known: Collection[str]) -> list[Fault]:
    """Return a fault for each name that the call does not take, with the name that was probably meant."""
    return [
        fault(name[:40], "This call takes no such query parameter.", _remedy(name, known))
        for name in asked
        if name not in known
    ]


def fault(name: str, detail: str, remedy: str) -> Fault:
    return Fault.of("invalid_input", detail, remedy, pointer=f"/{name}")


def _remedy(name: str, known: Collection[str]) -> str:
    if near := nearest(name, known):
        return f"Did you mean `{near}`? Otherwise leave it out."
    return f"Leave it out, or use one of: {', '.join(known)}." if known else "Leave it out: this call takes no query."
