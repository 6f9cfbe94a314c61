"""The requests of Stability AI's models on Bedrock as the documents state them.

Sources: docs.aws.amazon.com/bedrock/latest/userguide/ stable-image-services.html (inpaint, remove background) and
model-parameters-diffusion-stable-image-core-..., -stable-ultra-text-image-request-response.html (Core and Ultra).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationError

from local.simulators.bedrock.models import CORE, INPAINT, REMOVE_BACKGROUND, ULTRA
from local.simulators.bedrock.nova_schema import malformed, malformed_by
from local.simulators.kit.strict import Strict

Words = Annotated[str, Field(max_length=10_000)]
StylePreset = Literal[
    "3d-model",
    "analog-film",
    "anime",
    "cinematic",
    "comic-book",
    "digital-art",
    "enhance",
    "fantasy-art",
    "isometric",
    "line-art",
    "low-poly",
    "modeling-compound",
    "neon-punk",
    "origami",
    "photographic",
    "pixel-art",
    "tile-texture",
]
AspectRatio = Literal["16:9", "1:1", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21"]


class Inpaint(Strict):
    """mask: white is inpainted, black kept, grey in part; without one the image's transparent pixels are inpainted."""

    image: str
    prompt: Words
    mask: str | None = None
    negative_prompt: Words | None = None
    seed: Annotated[int, Field(ge=0, le=4_294_967_294)] = 0
    output_format: Literal["jpeg", "png", "webp"] = "png"
    style_preset: StylePreset | None = None
    grow_mask: Annotated[int, Field(ge=0, le=20)] = 5


class RemoveBackground(Strict):
    image: str
    output_format: Literal["jpeg", "png", "webp"] = "png"


class TextToImage(Strict):
    """Core and Ultra. `mode` stands in the page of Ultra and in older copies of Core's; it has one value.

    The pages write the formats "JPEG, PNG"; samples of public code send them in small letters, as the other services do.
    """

    prompt: Words
    aspect_ratio: AspectRatio = "1:1"
    mode: Literal["text-to-image"] = "text-to-image"
    output_format: Literal["jpeg", "png"] = "png"
    seed: Annotated[int, Field(ge=0, le=4_294_967_295)] = 0
    negative_prompt: Words | None = None


StabilityRequest = Inpaint | RemoveBackground | TextToImage
SHAPES: dict[str, type[StabilityRequest]] = {
    INPAINT: Inpaint,
    REMOVE_BACKGROUND: RemoveBackground,
    CORE: TextToImage,
    ULTRA: TextToImage,
}


def parse(model: str, body: object) -> StabilityRequest:
    """Read a request. `model`: without the profile's prefix. Raises MalformedError."""
    if not isinstance(body, dict):
        raise malformed(f"#: expected type: JSONObject, found: {type(body).__name__}")
    try:
        return SHAPES[model].model_validate(body)
    except ValidationError as error:
        raise malformed_by(error) from None
