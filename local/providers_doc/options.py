"""The options of a provider, as tables: each with its range, default and meaning."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any, NamedTuple

from pydantic import BaseModel

from fitting_room.jobs.tasks import Task
from fitting_room.jobs.wording import expected, values
from fitting_room.providers import catalogue
from fitting_room.providers.base import CatalogueEntry, Model, Option
from local.providers_doc.markdown import but, code, paragraphs, table

_HEAD = ("Option", "For", "Values", "Default", "Meaning")


class Use(NamedTuple):
    """A task of a model. A provider whose models are the stage's own has one without a name."""

    model: str
    task: Task


def field(name: str) -> str:
    """Return an option's name as the client writes the field."""
    return name.replace("garment.", "garments[].")


def of(entry: CatalogueEntry) -> str:
    """Return the table, after a sentence for each model whose options another table has.

    The sandbox takes every option of its tasks.
    """
    if not entry.live:
        return ""
    same = {model.id: twin for model in entry.models if (twin := _twin(entry, model))}
    uses = {
        Use(model.id, task): entry.honours(task, model)
        for model in entry.models
        if model.id not in same
        for task in model.tasks
    }
    told = (f"`{entry.id}/{model}` has the options of `{twin}`." for model, twin in same.items())
    return paragraphs(
        *told, table(_HEAD, _rows(uses or {Use("", task): honoured for task, honoured in entry.tasks.items()}))
    )


def _twin(entry: CatalogueEntry, model: Model) -> str | None:
    """Return the model of an earlier provider with the same options, if there is one."""
    before = takewhile(lambda each: each.id != entry.id, catalogue.entries())
    return next(
        (
            f"{other.id}/{their.id}"
            for other in before
            for their in other.models
            if their.tasks == model.tasks
            and all(other.honours(task, their) == entry.honours(task, model) for task in model.tasks)
        ),
        None,
    )


def _rows(uses: Mapping[Use, Mapping[str, Option]]) -> Iterator[tuple[str, ...]]:
    """Yield a row for all options that are alike; one that differs by task or model has several."""
    found: dict[tuple[str, tuple[str, ...]], list[Use]] = {}
    for use, honoured in uses.items():
        for name, option in honoured.items():
            found.setdefault((field(name), _cells(option)), []).append(use)
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (name, cells), of_it in found.items():
        alike.setdefault((_for(of_it, list(uses)), cells), []).append(name)
    order = [name for name, _ in found]
    for (uses_of, cells), names in sorted(alike.items(), key=lambda item: order.index(item[1][0])):
        yield code(names), uses_of, *cells


def _for(some: list[Use], every: list[Use]) -> str:
    tasks = {use.task for use in some}
    if set(some) == {use for use in every if use.task in tasks}:
        return but([use.task for use in some], [use.task for use in every])
    return but([use.model for use in some], [use.model for use in every])


def _cells(option: Option) -> tuple[str, str, str]:
    meaning = option.meaning or ""
    said = " ".join(f"`{name}`: {text}" for name, text in (option.meanings or {}).items())
    drawn = f"Fitting Room draws at most {option.drawn:,}." if option.drawn else ""
    default = "" if option.default is None else f"`{_plain(option.default)}`"
    return _allowed(option), default, " ".join(part for part in (meaning, drawn, said) if part).replace("|", "\\|")


def _allowed(option: Option) -> str:
    if not option.limited:
        return "any"
    return option.rule() if option.values is None else code(map(_plain, option.values))


def _plain(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def of_model(model: type[BaseModel] | None, where: str, title: str = "Options of its own") -> str:
    """Return the table of a provider's own options or settings; empty if it has none."""
    if model is None or not model.model_fields:
        return ""
    schema = model.model_json_schema()
    rows = ((f"`{name}`", _sent(part), _absent(part), part.get("description", "")) for name, part in _fields(schema))
    return f"{title}, in `{where}`:\n\n{table(('Name', 'Values', 'Default', 'Meaning'), rows)}"


def _fields(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, part in schema["properties"].items():
        kinds = [kind for kind in part.get("anyOf", ()) if kind.get("type") != "null"]
        yield name, {**(kinds[0] if kinds else {}), **part}


def _sent(part: dict[str, Any]) -> str:
    if allowed := values(part):
        return code(allowed)
    return "a text" if "pattern" in part else expected({**part, "description": ""})


def _absent(part: dict[str, Any]) -> str:
    default = part.get("default")
    return "" if default in (None, {}) else f"`{_plain(default)}`"
