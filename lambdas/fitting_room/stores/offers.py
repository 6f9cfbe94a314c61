"""The offers of providers in this deployment: the catalogue with its operator's changes.

They are one table item, kept for 30 s. Nothing here raises because AWS has trouble: the last reading counts then, or
the catalogue alone. A purchase in progress asks for prices and limits, and must not be lost for them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pydantic import ValidationError

from fitting_room.clock import Clock
from fitting_room.observability import logger
from fitting_room.providers import catalogue
from fitting_room.providers.base import CatalogueEntry
from fitting_room.providers.overrides import Override, Pause
from fitting_room.stores import aws
from fitting_room.stores.cache import kept_for
from fitting_room.stores.items import to_item, without_decimals

_KEY = {"pk": "OVERRIDES", "sk": "OVERRIDES"}


@dataclass
class _Reading:
    """The last one of the table item, and the entries that were asked for since."""

    overrides: dict[str, Override] = field(default_factory=dict)
    entries: dict[str, CatalogueEntry] = field(default_factory=dict)


_last = _Reading()


def entry(provider_id: str, at: Clock) -> CatalogueEntry:
    """Return the entry of a provider, with the operator's override applied.

    Raises `KeyError` for a provider that does not exist.
    """
    given, changed = catalogue.entry(provider_id), overrides(at).get(provider_id)
    if changed is None:
        return given
    if provider_id not in _last.entries:
        _last.entries[provider_id] = changed.applied(given)
    return _last.entries[provider_id]


def entries(at: Clock) -> tuple[CatalogueEntry, ...]:
    return tuple(entry(provider_id, at) for provider_id in catalogue.PROVIDERS)


def pauses(at: Clock) -> dict[str, Pause]:
    """Return the paused providers, each with the time and the reason."""
    return {provider: override.paused for provider, override in overrides(at).items() if override.paused}


def overrides(at: Clock) -> dict[str, Override]:
    """Return the operator's changes by provider, at most 30 s old."""
    _look(at)
    return _last.overrides


@kept_for(30)
def _look() -> None:
    with aws.unimportant("what the operator has changed"):
        _last.overrides, _last.entries = read(), {}


def read() -> dict[str, Override]:
    found = aws.table().get_item(Key=_KEY).get("Item", {})
    read = {provider: _parsed(provider, value) for provider, value in found.items() if provider not in _KEY}
    return {provider: override for provider, override in read.items() if override}


def put(provider: str, override: Override) -> None:
    """Store all changes of one provider; one without any is forgotten."""
    update = partial(aws.table().update_item, Key=_KEY, ExpressionAttributeNames={"#provider": provider})
    if override == Override(at=override.at):
        update(UpdateExpression="REMOVE #provider")
    else:
        update(UpdateExpression="SET #provider = :new", ExpressionAttributeValues={":new": to_item(override)})


def forget() -> None:
    """Read the table at the next question."""
    _look.clear()
    _last.overrides, _last.entries = {}, {}


def _parsed(provider: str, value: Any) -> Override | None:
    """Return the override in a stored value, or None if it cannot be read.

    Another release may have written it. A pause in it counts all the same: it guards money.
    """
    try:
        return Override.model_validate(without_decimals(value))
    except ValidationError:
        logger.error("an override cannot be read; it is left out", provider=provider)
        paused = isinstance(value, dict) and value.get("paused")
        return Override(paused=Pause(at="", reason="its override cannot be read")) if paused else None
