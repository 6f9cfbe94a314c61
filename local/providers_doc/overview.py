"""The tables of all providers: which there are, which of them takes an option, and what each keeps of a photo."""

from __future__ import annotations

from fitting_room.jobs.tasks import TASKS
from fitting_room.providers import catalogue
from local.providers_doc.facts import PHOTOS, erasure, needs
from local.providers_doc.markdown import but, code, table
from local.providers_doc.options import field


def of_providers() -> str:
    rows = (
        (
            f"[`{entry.id}`](providers/{entry.id}.md)",
            but(list(entry.tasks), list(TASKS)),
            needs(entry),
            PHOTOS[entry.photos_stay_in],
        )
        for entry in catalogue.entries()
    )
    return table(("Provider", "Tasks", "Needs", "Photos"), rows)


def of_retention() -> str:
    rows = (
        (f"[`{entry.id}`](providers/{entry.id}.md)", PHOTOS[entry.photos_stay_in], entry.retention, erasure(entry))
        for entry in catalogue.entries()
    )
    return table(("Provider", "Photos", "Retention", "Erasure"), rows)


def of_options() -> str:
    """Return the table of the options of a try-on, each with the models that honour it."""
    takers: dict[str, dict[str, list[str]]] = {}
    for entry in catalogue.entries():
        names = {model.id: entry.honours("try_on", model) for model in entry.models} or {"": entry.tasks["try_on"]}
        for model, honoured in names.items() if entry.live else ():
            for name in honoured:
                takers.setdefault(name, {}).setdefault(entry.id, []).append(model)
    alike: dict[str, list[str]] = {}
    for name, found in takers.items():
        alike.setdefault(", ".join(_taker(*taker) for taker in found.items()), []).append(field(name))
    return table(("Option of a try-on", "Taken by"), ((code(names), taken) for taken, names in alike.items()))


def _taker(provider: str, models: list[str]) -> str:
    """Name the provider if all of its models take the option, else those that do."""
    every = [model.id for model in catalogue.entry(provider).models]
    return f"`{provider}`" if models in (every, [""]) else code(f"{provider}/{model}" for model in models)
