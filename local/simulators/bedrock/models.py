"""The models this Bedrock knows, where they are, and which point of its life each one is told to be at.

Sources: model-lifecycle-legacy.html (dates of Nova Canvas), stable-image-services.html (profiles and regions),
API_FoundationModelLifecycle.html (fields).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError, field_validator

from local.simulators.bedrock.errors import END_OF_LIFE, INVALID_MODEL, LEGACY_UNUSED, NO_ACCESS

NOVA_CANVAS = "amazon.nova-canvas-v1:0"
INPAINT = "stability.stable-image-inpaint-v1:0"
REMOVE_BACKGROUND = "stability.stable-image-remove-background-v1:0"
CORE = "stability.stable-image-core-v1:1"
ULTRA = "stability.stable-image-ultra-v1:1"

Refusal = tuple[str, str]
CALLS: dict[str, Refusal | None] = {
    "active": None,
    "legacy": LEGACY_UNUSED,
    "legacy_in_use": None,
    "end_of_life": END_OF_LIFE,
    "unknown": INVALID_MODEL,
    "no_access": NO_ACCESS,
}
"""What a call of the model ends in, by state. `legacy_in_use`: of an account that kept using it."""
LOOKUPS: dict[str, Refusal] = {
    state: error for state in ("end_of_life", "unknown", "no_access") if (error := CALLS[state])
}
"""What `GetFoundationModel` ends in. Of a model past its end it may also answer, with dates: see `Life`."""
DATES = ("startOfLifeTime", "legacyTime", "publicExtendedAccessTime", "endOfLifeTime")


@dataclass(frozen=True)
class Model:
    """profile: answers to `us.<id>` only, as an inference profile."""

    id: str
    name: str
    provider: str
    regions: frozenset[str]
    inputs: tuple[str, ...] = ("TEXT", "IMAGE")
    profile: bool = False
    dates: dict[str, str] = field(default_factory=dict)
    """Of the stages that this model is known to have or to have had."""

    @property
    def called(self) -> str:
        return f"us.{self.id}" if self.profile else self.id


US = frozenset({"us-east-1", "us-east-2", "us-west-2"})
NOVA_DATES = {
    "startOfLifeTime": "2024-12-03T00:00:00Z",  # the announcement; the API's own value was in no document read
    "legacyTime": "2026-03-30T00:00:00Z",
    "endOfLifeTime": "2026-09-30T00:00:00Z",
}
MODELS = {
    model.id: model
    for model in (
        Model(
            NOVA_CANVAS,
            "Nova Canvas",
            "Amazon",
            frozenset({"us-east-1", "eu-west-1", "ap-northeast-1"}),
            dates=NOVA_DATES,
        ),
        Model(INPAINT, "Stable Image Inpaint", "Stability AI", US, profile=True),
        Model(REMOVE_BACKGROUND, "Stable Image Remove Background", "Stability AI", US, ("IMAGE",), profile=True),
        Model(CORE, "Stable Image Core 1.0", "Stability AI", frozenset({"us-west-2"}), ("TEXT",)),
        Model(ULTRA, "Stable Image Ultra 1.0", "Stability AI", frozenset({"us-west-2"}), ("TEXT", "IMAGE")),
    )
}
CALLED = {model.called: model for model in MODELS.values()}


class Life(BaseModel):
    """Where a model stands. Dates given here win over the model's own.

    A model at its end of life is gone from the lookup too, unless `endOfLifeTime` is given: then the lookup still answers.
    """

    model_config = ConfigDict(extra="forbid")

    model: str = NOVA_CANVAS
    state: str
    startOfLifeTime: AwareDatetime | None = None  # noqa: N815
    legacyTime: AwareDatetime | None = None  # noqa: N815
    publicExtendedAccessTime: AwareDatetime | None = None  # noqa: N815
    endOfLifeTime: AwareDatetime | None = None  # noqa: N815

    @field_validator("model")
    @classmethod
    def _known_model(cls, given: str) -> str:
        model = MODELS.get(given) or CALLED.get(given)
        if model is None:
            raise ValueError(f"{given!r} is not one of {sorted(MODELS)}")
        return model.id

    @field_validator("state")
    @classmethod
    def _known_state(cls, state: str) -> str:
        if state not in CALLS:
            raise ValueError(f"{state!r} is not one of {sorted(CALLS)}")
        return state

    @property
    def lookup_error(self) -> Refusal | None:
        return None if self.state == "end_of_life" and self.endOfLifeTime else LOOKUPS.get(self.state)

    def lifecycle(self) -> dict[str, str]:
        """Return `modelLifecycle` of GetFoundationModel. An active model has no dates but its first, unless told."""
        known = MODELS[self.model].dates
        shown = DATES[:1] if self.state == "active" else DATES
        dates = {key: _iso(own) if (own := getattr(self, key)) else known.get(key) for key in DATES}
        kept = {key: date for key, date in dates.items() if date and (key in shown or getattr(self, key))}
        return {"status": "ACTIVE" if self.state == "active" else "LEGACY", **kept}


def _iso(date: datetime) -> str:
    return date.isoformat().replace("+00:00", "Z")


def told(payload: object) -> Life:
    """Read a state that a test sets. Raises ValueError, naming what is wrong and what would be right."""
    try:
        return Life.model_validate(payload)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, each['loc'])) or 'state'}: {each['msg']}" for each in error.errors())
        raise ValueError("; ".join(problems)) from None


def details(model: Model, region: str, life: Life) -> dict[str, Any]:
    """Return `modelDetails` of GetFoundationModel."""
    return {
        "modelArn": f"arn:aws:bedrock:{region}::foundation-model/{model.id}",
        "modelId": model.id,
        "modelName": model.name,
        "providerName": model.provider,
        "inputModalities": list(model.inputs),
        "outputModalities": ["IMAGE"],
        "responseStreamingSupported": False,
        "customizationsSupported": [],
        "inferenceTypesSupported": [] if model.profile else ["ON_DEMAND"],
        "modelLifecycle": life.lifecycle(),
    }
