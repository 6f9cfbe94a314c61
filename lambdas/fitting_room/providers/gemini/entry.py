"""Gemini, Google's general image editor, over the Gemini API with a key.

It is no try-on engine: it follows an instruction, and may change colours, faces and the frame. Source: the vendor's Python
client `google-genai` 3.6.1 (`types.py`) and its pages "Deprecations", "Image generation", "Zero data retention".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from fitting_room.jobs.geometry import FitSpec
from fitting_room.jobs.rate import Rate
from fitting_room.providers.base import CatalogueEntry, Lifecycle, Model, Option, Price
from fitting_room.providers.shared.instructions import OPTIONS
from fitting_room.settings import DeploymentSettings

ID = "gemini"
TITLE = "Gemini"
NANO_BANANA: Final = "gemini-nano-banana-2.1"
LITE: Final = "gemini-3.1-flash-lite-image"
PRO: Final = "gemini-3-pro-image"
ANSWER_SECONDS = 300
"""Ours: no document says how long an image takes at most."""
_CHECKED = date(2026, 11, 25)
_DATES = "https://ai.google.dev/gemini-api/docs/deprecations"
_LISTED = "github.com/BerriAI/litellm, discussion 44983, and Google's client 3.6.1, which lists it"
ModelName = Annotated[str, Field(pattern=r"^[a-z0-9.-]{1,100}$")]


class Options(BaseModel):
    """Everything that is offered of Gemini is in the request itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Settings(BaseModel):
    """The operator's settings for Gemini."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: Annotated[
        Mapping[str, Annotated[list[ModelName], Field(min_length=1, max_length=4)]],
        Field(
            description="By model of the catalogue, its names at Google. A later one is called once Google no longer"
            " knows those before it, which costs nothing."
        ),
    ] = {}


MODELS = (
    Model(id=NANO_BANANA, tasks=("try_on",), lifecycle=Lifecycle(source=f"{_LISTED}; no dates", checked=_CHECKED)),
    Model(
        id=LITE,
        tasks=("try_on",),
        qualities=("standard",),
        named_only=True,
        lifecycle=Lifecycle(source="github.com/TanStack/ai, issue 870; no dates", checked=_CHECKED),
    ),
    Model(
        id=PRO,
        tasks=("try_on",),
        named_only=True,
        lifecycle=Lifecycle(source=f"{_DATES}; no end is named", checked=_CHECKED),
    ),
)


def of_stage(stage: DeploymentSettings) -> Mapping[str, Any]:
    """Return the models with the names that the stage has set."""
    named: Mapping[str, list[str]] = stage.provider_settings.get(ID, {}).get("models", {})
    return {"models": tuple(model.model_copy(update={"names": tuple(named.get(model.id, ()))}) for model in MODELS)}


_OPTIONS = OPTIONS | {
    "output.count": Option(minimum=1, maximum=1),
    "output.quality": Option(
        values=("standard", "best"), default="standard", meanings={"standard": "1K.", "best": "2K: dearer."}
    ),
    "output.seed": Option(
        minimum=0, maximum=2**31 - 1, meaning="Absent: Fitting Room draws one. `provider`: none is sent."
    ),
}
_FIT = FitSpec(max_side=2048)
_TOKENS = 1120
"""Of an image of 1K: 0.0336 USD at 30 USD for a million."""
_NANO_BANANA_TOKENS: Mapping[str, Any] = {"basis": "token", "amount": 30e-6, "taken": 1.5e-6, "written": 7.5e-6}

ENTRY = CatalogueEntry(
    id=ID,
    title=TITLE,
    models=MODELS,
    runner="http",
    editor=True,
    secret=True,
    polled=False,
    tasks={"try_on": _OPTIONS},
    instead={"output.count": "Send one job per image: a call makes one."},
    max_garments=6,
    keeps_framing=False,
    keeps_shape=True,
    base=_FIT,
    others=_FIT,
    max_body=18_000_000,  # "20 MB" for a request with images in it, in documents of 2025
    prices=(
        Price(
            model=NANO_BANANA,
            quality="standard",
            **_NANO_BANANA_TOKENS,
            units=_TOKENS,
            source=_LISTED,
            checked=_CHECKED,
        ),
        Price(
            model=NANO_BANANA,
            quality="best",
            **_NANO_BANANA_TOKENS,
            source=f"{_LISTED}; how many tokens 2K takes is not",
            checked=_CHECKED,
        ),
        Price(
            model=LITE,
            basis="token",
            amount=30e-6,
            taken=0.25e-6,
            written=1.5e-6,
            units=_TOKENS,
            source="second-hand: github.com/TanStack/ai, issue 870",
            checked=_CHECKED,
        ),
        Price(model=PRO, amount=0.134, source="unconfirmed: public price tables", checked=_CHECKED),
    ),
    retention="Prompts and answers for a limited time against abuse, in the paid tier: "
    "https://ai.google.dev/gemini-api/docs/zdr",
    failures_free=False,
    rate=Rate(submits=10, seconds=60),  # ours: Google tells the limits of a project in AI Studio only
    answers=ANSWER_SECONDS,
    sends_model=True,
    usual=20,  # ours
    settings_model=Settings,
    of_stage=of_stage,
    status="2026-11-25: in service as far as Google's client and documents show; not tried with a real key. A general editor:"
    " it may change colours, faces and the frame.",
    options_model=Options,
)
