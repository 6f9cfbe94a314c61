"""The faults of a request, told by the names that a vendor has for its fields and their values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import groupby

from fitting_room.actions.requests.plan import OTHER_WAYS
from fitting_room.jobs.document import within
from fitting_room.jobs.errors import Fault
from fitting_room.jobs.wording import field_of

Values = Mapping[str, Mapping[str, str]]
"""The vendor's values, by JSON pointer of our request and by our own value. A value that is not here the vendor has not."""
_LIST = re.compile(r"(?<=Use one of: )\w+(?:, \w+)*|(?<=Use )\w+(?=\.)|(?<=\()\w+(?:, \w+)+(?=\))")
"""The values that a remedy offers."""


def sentence(fault: Fault, fields: Mapping[str, str], values: Values) -> str:
    """Return an error and its remedy, without what only our own API has: a client of a dialect names no provider.

    `fields`: the vendor's names, by JSON pointer of our request. A pointer that is none of ours is the vendor's own.
    """
    pointer = fault.pointer or ""
    text = in_words(f"{fault.detail} {fault.remedy.partition(OTHER_WAYS)[0]}", pointer, values)
    for place, name in fields.items():
        text = text.replace(f"`{field_of(place)}`", f"`{name}`")
    found = next((name for place, name in fields.items() if within(pointer, place)), field_of(pointer))
    return text if not found or found.startswith(("provider", "fallback")) else f"{found}: {text}"


def in_words(text: str, pointer: str, values: Values) -> str:
    """Replace our values in the text of a fault by the vendor's. A list keeps only values that the vendor knows."""
    own = next((words for place, words in values.items() if within(pointer, place)), {})
    for ours, theirs in own.items():
        text = text.replace(f"`{ours}`", f"`{theirs}`")

    def offered(found: re.Match[str]) -> str:
        ours = found[0].split(", ")
        several = (own, *(words for words in values.values() if words.keys() >= set(ours)))
        words = next((words for words in several if words.keys() & set(ours)), {})
        return ", ".join(dict.fromkeys(words[value] for value in ours if value in words)) or found[0]

    return _LIST.sub(offered, text)


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
