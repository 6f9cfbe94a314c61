"""What every list asks for in its query: how many items, and where to go on."""

from __future__ import annotations

from fitting_room.actions.requests.query import fault
from fitting_room.jobs.errors import Fault

MOST = 100
NAMES = ("limit", "cursor")


def limit(text: str | None, faults: list[Fault]) -> int:
    """Return how many items a page holds. Add a wrong limit to `faults`."""
    text = str(MOST) if text is None else text
    if text.isascii() and text.isdecimal() and len(text) <= 3 and 1 <= int(text) <= MOST:
        return int(text)
    faults.append(fault("limit", f"`limit` must be a number from 1 to {MOST}.", f"Leave it out for {MOST}."))
    return MOST


def bad_cursor() -> Fault:
    return fault(
        "cursor",
        "Invalid `cursor`.",
        "Use the `next_cursor` of the page before, or leave it out to begin with the newest.",
    )
