"""The faults of a request, told by the names that a vendor has for its fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby

from fitting_room.actions.requests.plan import OTHER_WAYS
from fitting_room.jobs.document import within
from fitting_room.jobs.errors import Fault
from fitting_room.jobs.wording import field_of


def sentence(fault: Fault, fields: Mapping[str, str]) -> str:
    """Return an error and its remedy, without what only our own API has: a client of a dialect names no provider.

    `fields`: the vendor's names, by JSON pointer of our request. A pointer that is none of ours is the vendor's own.
    """
    pointer = fault.pointer or ""
    text = f"{fault.detail} {fault.remedy.partition(OTHER_WAYS)[0]}"
    for place, name in fields.items():
        text = text.replace(f"`{field_of(place)}`", f"`{name}`")
    found = next((name for place, name in fields.items() if within(pointer, place)), field_of(pointer))
    return text if not found or found.startswith(("provider", "fallback")) else f"{found}: {text}"


def telling(faults: Iterable[Fault]) -> list[Fault]:
    """Return the faults that help: of the providers that could do the task, those of the one that lacks least.

    A provider that is retired, not configured or not allowed has a fault at `/provider`. It is told of where all are so.
    """
    own = [fault for fault in faults if not fault.provider]
    excluded = [
        list(group) for _, group in groupby((f for f in faults if f.provider), key=lambda fault: fault.provider)
    ]
    there = [group for group in excluded if not any(map(_absent, group))]
    return own + (min(there, key=len) if there else [fault for group in excluded for fault in group if _absent(fault)])


def _absent(fault: Fault) -> bool:
    return fault.pointer == "/provider"
