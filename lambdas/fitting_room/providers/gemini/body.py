"""The body for `models/{model}:generateContent`.

Source: `google-genai` 3.6.1, as it sends it. `imageConfig.aspectRatio` is always set: without it, the last image is
said to decide the shape.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Literal

from pydantic import BaseModel, ConfigDict

from fitting_room.providers.adapter import Input, Order
from fitting_room.providers.shared.instructions import images_of, instruction_of, nearest_ratio


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True)


class InlineData(_Wire):
    """`data`: raw base64."""

    mimeType: Literal["image/png", "image/jpeg"]  # noqa: N815
    data: str


class Part(_Wire):
    text: str | None = None
    inlineData: InlineData | None = None  # noqa: N815


class Content(_Wire):
    role: Literal["user"] = "user"
    parts: list[Part]


class ImageConfig(_Wire):
    aspectRatio: str  # noqa: N815
    imageSize: Literal["1K", "2K"]  # noqa: N815


class GenerationConfig(_Wire):
    """`responseModalities`: text and images if absent."""

    responseModalities: list[Literal["IMAGE"]] = ["IMAGE"]  # noqa: N815
    imageConfig: ImageConfig  # noqa: N815
    seed: int | None = None


class GenerateRequest(_Wire):
    contents: list[Content]
    generationConfig: GenerationConfig  # noqa: N815


def body_of(order: Order) -> GenerateRequest:
    parts = [Part(text=instruction_of(order)), *(Part(inlineData=_inline(each)) for each in images_of(order))]
    size: Literal["1K", "2K"] = "2K" if order.request.output.quality == "best" else "1K"
    return GenerateRequest(
        contents=[Content(parts=parts)],
        generationConfig=GenerationConfig(
            imageConfig=ImageConfig(aspectRatio=nearest_ratio(order.base), imageSize=size), seed=order.seed
        ),
    )


def _inline(picture: Input) -> InlineData:
    return InlineData(mimeType=picture.media_type, data=b64encode(picture.read()).decode())
