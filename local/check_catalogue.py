"""Name the facts of the catalogue that nobody has looked at for 90 days: `make check-catalogue`.

Read the source of each, correct what has changed, and set its `checked` to the day you read it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

from fitting_room.providers import catalogue
from fitting_room.providers.base import CatalogueEntry

KEPT = timedelta(days=90)


def stale(entries: Iterable[CatalogueEntry], today: date) -> Iterator[str]:
    """Yield a line for each price, and each model with its id and dates, that was last read more than 90 days ago."""
    for entry in entries:
        facts = [(f"model {model.id}", model.lifecycle.checked, model.lifecycle.source) for model in entry.models]
        for price in entry.prices:
            place = [price.model, price.quality, price.max_side and f"up to {price.max_side} px"]
            named = ", ".join(str(each) for each in place if each) or "of all models"
            facts.append((f"price {named}", price.checked, price.source))
        for name, checked, source in facts:
            if checked is not None and today - checked > KEPT:
                yield f"{entry.id}: {name}: last checked on {checked}; read {source}"


def main(today: date) -> int:
    lines = list(stale(catalogue.entries(), today))
    print("\n".join(lines) or f"every price, date and model id was read within {KEPT.days} days of {today}")
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main(datetime.now(UTC).date()))
