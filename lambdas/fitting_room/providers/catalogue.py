"""The providers there are: one folder each, and one line here."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Protocol, cast

from fitting_room.providers.adapter import Connection, Provider
from fitting_room.providers.base import CatalogueEntry
from fitting_room.settings import deployment

PROVIDERS = (  # in the order in which `auto` tries them
    "nova_canvas",
    "stability",
    "fashn",
    "tryiton",
    "fal",
    "astria",
    "aidge",
    "sagemaker",
    "gemini",
    "sandbox",
)


class Adapter(Protocol):
    """The module `<provider>/adapter.py`."""

    def connect(self, connection: Connection) -> Provider: ...


def entries() -> tuple[CatalogueEntry, ...]:
    return tuple(map(entry, PROVIDERS))


def entry(provider_id: str) -> CatalogueEntry:
    """Return the entry of a provider.

    Raises `KeyError` for a provider that does not exist.
    """
    if provider_id not in PROVIDERS:
        raise KeyError(provider_id)
    return load(provider_id)


def load(provider_id: str) -> CatalogueEntry:
    """Return one entry as the stage has it."""
    found = _imported(provider_id)
    return found.model_copy(update=found.of_stage(deployment())) if found.of_stage else found


@cache
def _imported(provider_id: str) -> CatalogueEntry:
    """Import one entry alone: a job has to do with one provider or two."""
    return cast(CatalogueEntry, import_module(f"{__package__}.{provider_id}.entry").ENTRY)


def adapter(provider_id: str) -> Adapter:
    """Import the adapter of a provider.

    The import comes late: only the function that calls the vendor pays for its SDK. Raises `KeyError` for a provider
    that does not exist.
    """
    return cast(Adapter, import_module(f"{__package__}.{entry(provider_id).id}.adapter"))
