"""`POST /v1/run` of FASHN in our words, one class for each model that can be asked for here.

Source: docs.fashn.ai, "API Fundamentals", "Virtual Try-On v1.6" and "Try-On Max"; the vendor's Python client 0.9.0,
`fashn/types/prediction_run_params.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from fitting_room.dialects.predictions import (
    DEFAULT_SEED,
    MODERATIONS,
    MODES,
    PHOTOS,
    Count,
    Format,
    Mode,
    Moderation,
    Picture,
    Seed,
    inverted,
    output,
    parsed,
    reference,
    try_on,
    unoffered,
)
from fitting_room.dialects.wording import Values
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.fields import Strict

CATEGORIES = {"auto": None, "tops": "tops", "bottoms": "bottoms", "one-pieces": "one_piece"}
_NoFraming = Annotated[
    None, unoffered("Results have the framing of `model_image`.", "Leave it out."), Field(exclude=True)
]
_NoResolution = Annotated[
    None,
    unoffered(
        "Providers choose the resolution of their results.",
        "Leave it out. POST /v1/jobs offers the size of the person's image with `output.size: original`.",
        default="1k",
    ),
    Field(exclude=True),
]
_NoInspiration = Annotated[
    None, unoffered("No provider takes an image of inspiration.", "Leave it out."), Field(exclude=True)
]


class Inputs(Strict):
    """`return_base64`: the status tells the images themselves, not links to them."""

    return_base64: bool = False

    model: ClassVar[str | None] = None
    """FASHN's model in the catalogue, which is asked first."""
    fields: ClassVar[dict[str, str]]
    """The names of the fields, by the JSON pointers of our request."""
    values: ClassVar[Values] = {}
    """The values of these fields, by ours."""

    def ours(self) -> dict[str, Any]:
        raise NotImplementedError


class TryOnInputs(Inputs):
    """`tryon-v1.6`. Absent: what the vendor's default says; a default that is sent counts as absent."""

    model_image: Picture
    garment_image: Picture
    category: Literal["auto", "tops", "bottoms", "one-pieces"] = "auto"
    segmentation_free: bool = True
    moderation_level: Moderation = "permissive"
    garment_photo_type: Literal["auto", "flat-lay", "model"] = "auto"
    mode: Mode = "balanced"
    seed: Seed = DEFAULT_SEED
    num_samples: Count = 1
    output_format: Format = "png"

    model: ClassVar = "fashn/tryon-v1.6"
    fields: ClassVar = {
        "/person": "inputs.model_image",
        "/garments/0/image": "inputs.garment_image",
        "/garments/0/category": "inputs.category",
        "/garments/0/photo": "inputs.garment_photo_type",
        "/segmentation_free": "inputs.segmentation_free",
        "/moderation": "inputs.moderation_level",
        "/output/quality": "inputs.mode",
        "/output/seed": "inputs.seed",
        "/output/count": "inputs.num_samples",
        "/output/format": "inputs.output_format",
    }
    values: ClassVar = {
        "/garments/0/category": inverted(CATEGORIES),
        "/garments/0/photo": inverted(PHOTOS),
        "/output/quality": MODES,
    }

    def ours(self) -> dict[str, Any]:
        return try_on(
            self.model_image,
            self.garment_image,
            category=CATEGORIES[self.category],
            photo=PHOTOS[self.garment_photo_type],
            segmentation_free=None if self.segmentation_free else False,
            moderation=MODERATIONS[self.moderation_level],
            output=output(self.num_samples, self.output_format, mode=self.mode, seed=self.seed),
        )


class MaxInputs(Inputs):
    """`tryon-max`: any product that can be worn."""

    product_image: Picture
    model_image: Picture
    prompt: str = ""
    generation_mode: Literal["fast", "balanced", "quality"] = "balanced"
    resolution: _NoResolution = None
    aspect_ratio: _NoFraming = None
    num_images: Count = 1
    seed: Seed = DEFAULT_SEED
    output_format: Format = "png"

    model: ClassVar = "fashn/tryon-max"
    fields: ClassVar = {
        "/person": "inputs.model_image",
        "/garments/0/image": "inputs.product_image",
        "/prompt": "inputs.prompt",
        "/output/quality": "inputs.generation_mode",
        "/output/seed": "inputs.seed",
        "/output/count": "inputs.num_images",
        "/output/format": "inputs.output_format",
    }
    values: ClassVar = {"/output/quality": MODES | {"fast": "fast"}}

    def ours(self) -> dict[str, Any]:
        return try_on(
            self.model_image,
            self.product_image,
            prompt=self.prompt.strip() or None,
            output=output(self.num_images, self.output_format, mode=self.generation_mode, seed=self.seed),
        )


class ProductInputs(Inputs):
    """`product-to-model` on a person's image, which is its try-on mode. Without one it would invent the person."""

    product_image: Picture
    model_image: Picture
    prompt: str = ""
    image_prompt: _NoInspiration = None
    generation_mode: Literal["fast", "balanced", "quality"] = "balanced"
    resolution: _NoResolution = None
    aspect_ratio: _NoFraming = None
    seed: Seed = DEFAULT_SEED
    output_format: Format = "png"

    fields: ClassVar = {ours: theirs for ours, theirs in MaxInputs.fields.items() if ours != "/output/count"}
    values: ClassVar = MaxInputs.values

    def ours(self) -> dict[str, Any]:
        return try_on(
            self.model_image,
            self.product_image,
            prompt=self.prompt.strip() or None,
            output=output(1, self.output_format, mode=self.generation_mode, seed=self.seed),
        )


class BackgroundInputs(Inputs):
    """`background-remove`."""

    image: Picture

    fields: ClassVar = {"/image": "inputs.image"}

    def ours(self) -> dict[str, Any]:
        return {"task": "remove_background", "image": reference(self.image), "output": {"format": "png"}}


MODELS: dict[str, type[Inputs]] = {
    "tryon-v1.6": TryOnInputs,
    "tryon-max": MaxInputs,
    "product-to-model": ProductInputs,
    "background-remove": BackgroundInputs,
}


class RunRequest(Strict):
    model_name: Annotated[str, Field(description="the name of a model such as tryon-v1.6")]
    inputs: Annotated[dict[str, Any], Field(description="an object with the fields of the model")]


def read(body: Any) -> tuple[str, Inputs]:
    """Return the model and the inputs of a body. Raises `Refusal`."""
    asked = parsed(RunRequest, body)
    if asked.model_name not in MODELS:
        raise Refusal.of(
            "unsupported_option",
            "This model cannot be asked for here.",
            f"Use one of: {', '.join(MODELS)}. For other tasks see GET /v1/providers, and use POST /v1/jobs.",
            pointer="/model_name",
        )
    return asked.model_name, parsed(MODELS[asked.model_name], asked.inputs, "/inputs")


def ours(model_name: str, inputs: Inputs) -> dict[str, Any]:
    """Return the request in our words. What its status must know later is kept as `metadata`."""
    kept = {"dialect": f"fashn/{model_name}", **({"return_base64": "true"} if inputs.return_base64 else {})}
    return {**inputs.ours(), "metadata": kept}
