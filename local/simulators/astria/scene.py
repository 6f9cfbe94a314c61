"""Read from a prompt which person wears which garment: the tunes its text names, held to the rules of the model it is for.

Sources: docs.astria.ai, "FaceID", "LoRA", "Flux API usage" and "Virtual Try-on"; the skill "astria-api" of the vendor's
command line tool for partner models.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from local.simulators.astria.request import InvalidError, PromptRequest
from local.simulators.astria.tunes import Base, Tune
from local.simulators.kit.previews import NO_PICTURE

PEOPLE = frozenset({"man", "woman", "boy", "girl", "person", "male", "female", "model"})
REGIONS: Mapping[str, str] = (
    dict.fromkeys(("shirt", "t-shirt", "top", "blouse", "sweater", "hoodie", "jacket", "coat"), "upper")
    | dict.fromkeys(("pants", "trousers", "jeans", "shorts", "skirt"), "lower")
    | dict.fromkeys(("dress", "swimming suit", "jumpsuit"), "full")
    | dict.fromkeys(("shoes", "sneakers", "boots", "sandals"), "foot")
    | dict.fromkeys(("clothing", "garment"), "auto")
)
"""What the preview engine calls a garment's class; `clothing` and `garment` say nothing, so that the outline decides."""

PARTNER_FIELDS = frozenset({
    "text", "callback", "workspace_id", "community", "num_images", "seed", "aspect_ratio", "resolution", "input_image",
    "input_image_base64", "input_image_url", "mask_image", "mask_image_url", "prompt_expansion", "theme",
})  # fmt: skip
"""What the vendor's command line tool sends to partner models, and what concerns no model. That the others are refused is this
simulator's strictness: what the vendor does with them is not documented."""


@dataclass(frozen=True)
class Reference:
    """`<kind:id:weight>` in a text, and what stands behind it."""

    kind: str
    id: int
    weight: float
    follows: str


@dataclass(frozen=True)
class Scene:
    """garments: in the order of the text."""

    person: Tune
    garments: list[Tune]


def scene(asked: PromptRequest, on: Tune | Base, tunes: Mapping[int, Tune]) -> Scene:
    """Find person and garments of a prompt, and check it. Raises InvalidError.

    on: the tune the prompt is for; tunes: those of the account, by id.
    """
    named = [(reference, _tune(reference, tunes)) for reference in references(asked.text)]
    if isinstance(on, Base) and on.partner:
        _check_partner(asked, on, named)
    else:
        _check_trained(asked, on, named)
    people = [on] if isinstance(on, Tune) else []
    people += [tune for _, tune in named if not tune.reference or tune.asked.name.lower() in PEOPLE]
    garments = [tune for _, tune in named if tune.reference and tune.asked.name.lower() not in PEOPLE]
    if not people or not (garments or people[0].mock):
        raise InvalidError(text="this simulator draws try-ons only: name a person and a garment")
    if any(tune.asked.name.lower() not in REGIONS for tune in garments):
        raise InvalidError(text=NO_PICTURE)
    return Scene(people[0], garments)


def references(text: str) -> list[Reference]:
    """Read the references in a text. Raises InvalidError for a token that is not whole.

    LoRAs of the gallery, named by words, are not here.
    """
    found = []
    for token in re.finditer(r"<(faceid|lora)\b([^>]*)(>?)", text):
        parts = re.fullmatch(r":(\d+):(\d+(?:\.\d+)?)", token[2])
        if not parts or not token[3]:
            raise InvalidError(text=f"{token[0][:40]} must be <{token[1]}:ID:weight>, with the number of a tune")
        found.append(Reference(token[1], int(parts[1]), float(parts[2]), text[token.end() :]))
    return found


def _tune(reference: Reference, tunes: Mapping[int, Tune]) -> Tune:
    tune = tunes.get(reference.id)
    if tune is None or (reference.kind == "faceid") != tune.reference:
        raise InvalidError(text=f"there is no {reference.kind} {reference.id} in this account")
    if tune.model_type is None:
        raise InvalidError(text=f"tune {reference.id} is a checkpoint: prompt it under its own id")
    return tune


def _check_partner(asked: PromptRequest, on: Base, named: list[tuple[Reference, Tune]]) -> None:
    """Check a prompt for a partner's model. Raises InvalidError."""
    if foreign := sorted(asked.model_fields_set - PARTNER_FIELDS):
        raise InvalidError(**{foreign[0]: f"does not apply to {on.title}"})
    for reference, tune in named:
        shown = f"<{reference.kind}:{reference.id}:...>"
        if not tune.reference:
            raise InvalidError(text=f"{shown}: {on.title} takes faceid references only")
        if tune.asked.base_tune_id != on.id:
            raise InvalidError(text=f"{shown} was made for base_tune_id {tune.asked.base_tune_id}, not for {on.id}")
        if reference.weight != 1:
            raise InvalidError(text=f"{shown} must end in :1, which is no weight here")
        if not re.match(rf"\s+{re.escape(tune.asked.name)}\b", reference.follows, re.IGNORECASE):
            raise InvalidError(text=f"{shown} must be followed by its class name, {tune.asked.name}")


def _check_trained(asked: PromptRequest, on: Tune | Base, named: list[tuple[Reference, Tune]]) -> None:
    """Check a prompt for a trained model. Raises InvalidError."""
    if isinstance(on, Tune) and (on.reference or (on.model_type is not None and not on.mock)):
        raise InvalidError(
            tune=f"a {on.model_type} is loaded on top of a base model: prompt that one, and name it in the text"
        )
    if asked.resolution is not None:
        raise InvalidError(resolution="is not available for this model")
    for tune in [*([on] if isinstance(on, Tune) else []), *(tune for _, tune in named if not tune.reference)]:
        subject = f"{tune.token} {tune.asked.name}"
        if not re.search(rf"(?<!\w){re.escape(subject)}\b", asked.text, re.IGNORECASE):
            raise InvalidError(text=f"must name what tune {tune.id} was trained on: {subject}")
