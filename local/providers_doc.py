"""Write the table of docs/providers.md that comes from the catalogue: `make providers-doc`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from fitting_room.providers import catalogue
from fitting_room.providers.base import CatalogueEntry, Model, Price

FILE = Path(__file__).parents[1] / "docs" / "providers.md"
_TABLE = re.compile(r"(?<=<!-- from the catalogue: make providers-doc -->\n).*?(?=<!-- end -->)", re.DOTALL)
_HEAD = """
| Model | Tasks | `auto` uses it | Legacy since | End of life | Price | Photos | Last checked |
|---|---|---|---|---|---|---|---|
"""
_PHOTOS = {"account": "stay in the account", "aws": "stay in AWS", None: "leave AWS"}


def written(text: str) -> str:
    """Return the document with the table as the catalogue has it today."""
    table = _HEAD + "".join(row + "\n" for entry in catalogue.entries() for row in _rows(entry)) + "\n"
    return _TABLE.sub(lambda _: table, text)


def _rows(entry: CatalogueEntry) -> Iterator[str]:
    for model in entry.models:
        life = model.lifecycle
        prices = [price for price in entry.prices if price.model in (None, model.id)]
        days = [day for day in (life.checked, *(price.checked for price in prices)) if day]
        cells = (
            f"`{entry.id}/{model.id}`",
            ", ".join(f"`{task}`" for task in model.tasks),
            _use(entry, model),
            str(life.legacy or ""),
            str(life.end_of_life or ""),
            "; ".join(map(_price, prices)),
            _PHOTOS[entry.photos_stay_in],
            str(min(days, default="")),
        )
        yield f"| {' | '.join(cells)} |"


def _use(entry: CatalogueEntry, model: Model) -> str:
    if not entry.live or model.named_only:
        return "by name only"
    if model.opt_in:
        return "by name, where `legacy_models` names it"
    before = [other for other in entry.models[: entry.models.index(model)] if not other.named_only]
    taken = all(
        any(task in other.tasks and other.qualities in (None, model.qualities) for other in before)
        for task in model.tasks
    )
    return "by name only" if taken else "while it lives"


def _price(price: Price) -> str:
    if price.amount is None:
        return f"{price.credits:g} credit{'s' * (price.credits != 1)}" if price.credits else "not known"
    parts = (price.quality and f"`{price.quality}`", price.max_side and f"up to {price.max_side:,} px")
    place = ", ".join(part for part in parts if part)
    units = "" if price.basis == "image" else f" a {price.basis}"
    first = f"{price.first:g} for the first, then " if price.first is not None else ""
    return f"{place + ': ' if place else ''}{first}{_number(price.amount)} {price.currency}{units}"


def _number(amount: float) -> str:
    return f"{amount:.6f}".rstrip("0").rstrip(".")


if __name__ == "__main__":
    FILE.write_text(written(FILE.read_text(encoding="utf-8")), encoding="utf-8")
