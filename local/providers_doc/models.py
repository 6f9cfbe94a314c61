"""The models of a provider: tasks, prices, dates, regions, and where and when each was read."""

from __future__ import annotations

from fitting_room.providers.base import CatalogueEntry, Model, Price
from local.providers_doc.markdown import code, counted, table

_HEAD = (
    "Model",
    "Tasks",
    "`auto`",
    "Region",
    "Legacy since",
    "End of life",
    "Price of an image",
    "Last checked",
)


def of(entry: CatalogueEntry) -> str:
    """Return the table of the models, and a line of sources below it."""
    several = len({model.tasks for model in entry.models}) > 1
    rows = [_row(entry, model, code(model.tasks) if several else "") for model in entry.models]
    return (
        f"{table(_HEAD, rows)}\n\nWhere this was read, on the day of the last column:\n\n{_sources(entry)}"
        if entry.live and rows
        else table(_HEAD, rows)
    )


def _row(entry: CatalogueEntry, model: Model, tasks: str) -> tuple[str, ...]:
    life, prices = model.lifecycle, _prices(entry, model)
    days = [day for day in (life.checked, *(each.checked for each in prices)) if day]
    return (
        f"`{model.id}`",
        tasks,
        use(entry, model),
        ", ".join(model.inference_regions or model.regions),
        str(life.legacy or ""),
        str(life.end_of_life or ""),
        "; ".join(map(price, prices)),
        str(min(days, default="")),
    )


def _prices(entry: CatalogueEntry, model: Model) -> list[Price]:
    return [each for each in entry.prices if each.model in (None, model.id)]


def use(entry: CatalogueEntry, model: Model) -> str:
    """Say whether `auto` takes a model, or what must name it."""
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


def price(each: Price) -> str:
    if each.amount is None:
        return counted(each.credits, "credit") if each.credits else "not known"
    parts = (each.quality and f"`{each.quality}`", each.max_side and f"up to {each.max_side:,} px")
    place = ", ".join(part for part in parts if part)
    return f"{place + ': ' if place else ''}{_amount(each)}"


def _amount(each: Price) -> str:
    if each.basis == "image" or each.amount is None:
        return f"{_number(each.amount)} {each.currency}"
    if each.basis == "token":
        rate = f"{each.amount * 1e6:g} {each.currency} for a million tokens"
    elif each.first is not None:
        rate = f"{_number(each.first)} {each.currency} for the first {each.basis}, {_number(each.amount)} for each more"
    else:
        rate = f"{_number(each.amount)} {each.currency} a {each.basis}"
    most = each.per_image()
    return rate if most is None else f"{rate}; at most {_number(most)} for {counted(each.units, each.basis)}"


def _number(amount: float | None) -> str:
    return "" if amount is None else f"{amount:.6f}".rstrip("0").rstrip(".")


def _sources(entry: CatalogueEntry) -> str:
    read = (f"- Models and dates: {each.lifecycle.source}" for each in entry.models)
    paid = (f"- Prices: {each.source}" for each in entry.prices)
    return "\n".join(dict.fromkeys([*read, *paid]))
