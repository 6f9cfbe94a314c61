"""What a provider's own words for a failed job mean, where its adapter has them as a table."""

from __future__ import annotations

from collections.abc import Mapping

from fitting_room.jobs.errors import CODES
from fitting_room.providers.base import CatalogueEntry
from fitting_room.providers.fal.answers import TOLD
from fitting_room.providers.fashn.adapter import Fashn
from fitting_room.providers.shared.failures import Told
from fitting_room.providers.tryiton.adapter import TryItOn
from local.providers_doc.markdown import code, table

WORDS: Mapping[str, Mapping[str, Told]] = {
    "fal": TOLD,
    "fashn": {**Fashn.runtime, **Fashn.ends, "any other": Fashn.unnamed},
    "tryiton": {**TryItOn.runtime, **TryItOn.ends, "any other": TryItOn.unnamed},
}


def of(entry: CatalogueEntry) -> str:
    """Return the table; words with one meaning share a row."""
    alike: dict[tuple[str, str, str], list[str]] = {}
    for word, told in WORDS.get(entry.id, {}).items():
        alike.setdefault(_meaning(told, told.free or entry.failures_free), []).append(word)
    rows = ((code(words), *meaning) for meaning, words in alike.items())
    return table(("Word for a job that failed", "`code`", "Charged", "Retryable"), rows)


def _meaning(told: Told, free: bool) -> tuple[str, str, str]:
    again = CODES[told.code].retryable if told.retryable is None else told.retryable
    return f"`{told.code}`", "no" if free else "not known", ("yes" if free else "if it was free") if again else "no"
