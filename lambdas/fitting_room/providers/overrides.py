"""The operator's changes to the catalogue without a release: the id a model is bought by, its dates, and prices."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from fitting_room.providers.base import CatalogueEntry, Lifecycle, Model, Price

VENDOR_ID = r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}"
VendorId = Annotated[str, StringConstraints(pattern=f"^{VENDOR_ID}$")]
_OF_UNITS = ("first", "units", "taken", "written")
"""What a price has beside its amount where its unit is not the image."""
Amount = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Pause(_Frozen):
    """Since when nothing is bought from a provider, and why, in the operator's words."""

    at: str
    reason: str = ""


class ModelChange(_Frozen):
    """A change of a model.

    `sent_as`: the id that the provider receives instead of the catalogue's. `like`: this model is a new one, whose requests
    have the form of that one of the catalogue.
    """

    like: VendorId | None = None
    sent_as: VendorId | None = None
    legacy: date | None = None
    end_of_life: date | None = None


class PriceChange(_Frozen):
    """The prices of the catalogue with exactly this model, and this quality and size where they are named.

    Where a model has none of its own, or none of this quality, it gets one. `amount` is that of an image, whatever the
    unit in the catalogue.
    """

    model: str | None = None
    quality: str | None = None
    max_side: int | None = None
    amount: Amount | None = None
    credits: Amount | None = None

    def fits(self, price: Price) -> bool:
        return (
            price.model == self.model
            and self.quality in (None, price.quality)
            and self.max_side in (None, price.max_side)
        )

    def same_place(self, other: PriceChange) -> bool:
        return (self.model, self.quality, self.max_side) == (other.model, other.quality, other.max_side)


class Override(_Frozen):
    """All changes of one provider. `at`: when the last one was made."""

    at: str = ""
    paused: Pause | None = None
    models: dict[str, ModelChange] = {}
    prices: tuple[PriceChange, ...] = ()

    def applied(self, entry: CatalogueEntry) -> CatalogueEntry:
        """Return the entry with the changes.

        Changes of models and prices that the catalogue no longer has are left out.
        """
        added = list(self._added(entry))
        prices = [*entry.prices]
        for model in added:
            prices += [
                price.model_copy(update={"model": model.id}) for price in entry.prices if price.model == model.like
            ]
        changed = entry.model_copy(update={"models": tuple(map(self._model, (*entry.models, *added)))})
        prices += self._more(changed, prices)
        return changed.model_copy(update={"prices": tuple(map(self._price, prices))})

    def faults(self, entry: CatalogueEntry) -> Iterator[str]:
        """Yield, for each change that the provider does not know, the names that it does know."""
        known = [model.id for model in entry.models]
        for name, change in self.models.items():
            if change.like is None and name not in known:
                yield f"{entry.id} has no model `{name}`: use {', '.join(known)}; or add it with --like"
            if change.like is not None and name in known:
                yield f"{entry.id} has the model `{name}` in the catalogue: go back to that with --clear"
            if change.like is not None and change.like not in known:
                yield f"--like: {entry.id} has no model `{change.like}`: use {', '.join(known)}"
            if change.like is not None and not re.fullmatch(VENDOR_ID, name):
                yield "--model: send up to 128 letters, digits and characters of . _ : / -"
            if (change.sent_as or change.like) and not entry.sends_model:
                yield (
                    f"{entry.title} is not told a model's id, or may be called only with the ids that were deployed:"
                    " another id needs a release"
                )
        after = self.applied(entry)
        for price in self.prices:
            if not any(map(price.fits, after.prices)):
                have = "; ".join(sorted(set(map(_place, entry.prices))))
                yield f"{entry.id} has no price for this model, quality and size. It has prices for: {have}"

    def _added(self, entry: CatalogueEntry) -> Iterator[Model]:
        """Yield the operator's own models, each a copy of the one that it is like."""
        known = {model.id: model for model in entry.models}
        for name, change in self.models.items():
            if name not in known and change.like in known:
                own = {"id": name, "like": change.like, "names": (), "lifecycle": Lifecycle(**self._source)}
                yield known[change.like].model_copy(update=own)

    def _more(self, entry: CatalogueEntry, prices: Sequence[Price]) -> Iterator[Price]:
        """Yield a price of its own for each model or quality that has none, to be changed like any other."""
        for change in self.prices:
            model = next((model for model in entry.models if model.id == change.model), None)
            if model is None or change.max_side is not None or any(map(change.fits, prices)):
                continue
            if change.quality in (None, *_qualities(entry, model)):
                wider = (price for price in prices if price.model in (None, model.id))
                yield next(wider, prices[0]).model_copy(
                    update={"model": model.id, "quality": change.quality, "max_side": None}
                )

    def _model(self, model: Model) -> Model:
        change = self.models.get(model.id)
        if change is None:
            return model
        dates = change.model_dump(include={"legacy", "end_of_life"}, exclude_none=True)
        lifecycle = model.lifecycle.model_copy(update={**dates, **self._source}) if dates else model.lifecycle
        return model.model_copy(update={"lifecycle": lifecycle, "sent_as": change.sent_as})

    def _price(self, price: Price) -> Price:
        for change in self.prices:
            if change.fits(price):
                facts = change.model_dump(include={"amount", "credits"}, exclude_none=True)
                unit = {} if change.amount is None else dict.fromkeys(_OF_UNITS) | {"basis": "image"}
                price = price.model_copy(update={**facts, **unit, **self._source})
        return price

    @property
    def _source(self) -> dict[str, Any]:
        day = self.at[:10]
        return {"source": f"set by the operator on {day}", "checked": date.fromisoformat(day) if day else None}


def _qualities(entry: CatalogueEntry, model: Model) -> set[Any]:
    options = [entry.honours(task, model).get("output.quality") for task in model.tasks]
    return {value for option in options if option for value in option.values or ()}


def _place(price: Price) -> str:
    parts = {"--model": price.model, "--quality": price.quality, "--max-side": price.max_side}
    return " ".join(f"{name} {value}" for name, value in parts.items() if value is not None) or "all models together"
