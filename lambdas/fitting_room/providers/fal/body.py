"""The body for each of fal's models: its own input object, not wrapped.

Source: `endpoints.d.ts` of fal's npm client 1.10.1 and the pages of the models. Source for `openai/gpt-image-2/edit`:
a public list of its fields. Images are data URLs. An absent field has the model's own default.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from fitting_room.jobs.tasks import TryOn
from fitting_room.providers.adapter import Order
from fitting_room.providers.fal.models import FASHN, FLUX, GPT_IMAGE, NANO_BANANA
from fitting_room.providers.shared.clothes import Format, clothes_of, data_url, format_of
from fitting_room.providers.shared.instructions import WORDS, images_of, instruction_of, nearest_ratio


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True)


class FluxRequest(_Wire):
    """One person, one garment. The result has the aspect of `human_image_url`."""

    prompt: str
    human_image_url: str
    garment_image_url: str


class NanoBananaRequest(_Wire):
    """`num_images` 1 to 4; `aspect_ratio` auto if absent; `resolution` 1K if absent; `output_format` png if absent."""

    prompt: str
    image_urls: list[str]
    num_images: int | None = None
    aspect_ratio: str
    resolution: Literal["0.5K", "1K", "2K"] | None = None
    output_format: Literal["png", "jpeg", "webp"] | None = None
    seed: int | None = None


class GptImageRequest(_Wire):
    """`quality` high if absent."""

    prompt: str
    image_urls: list[str]
    num_images: int | None = None
    quality: Literal["low", "medium", "high"] | None = None
    output_format: Format | None = None


def body_of(order: Order) -> BaseModel:
    match order.shape:
        case model if model == FASHN:
            return clothes_of(order)
        case model if model == FLUX:
            return _flux(order)
        case model if model == NANO_BANANA:
            return _nano_banana(order)
        case model if model == GPT_IMAGE:
            return _gpt_image(order)
    raise AssertionError(f"the entry does not offer {order.shape}")


def _flux(order: Order) -> FluxRequest:
    """Build the request of the FLUX model.

    Its instruction is the formula of the model's maker, Black Forest Labs (docs.bfl.ai, FLUX VTO).
    """
    request = order.request
    assert isinstance(request, TryOn)
    [garment] = request.garments
    worn = WORDS[garment.category].removeprefix("the ")
    prompt = f"The person of image 1, maintaining exactly their face and pose, wearing the {worn} of image 2."
    return FluxRequest(
        prompt=f"{prompt} {request.prompt}" if request.prompt else prompt,
        human_image_url=data_url(order.base),
        garment_image_url=data_url(order.garments[0]),
    )


_RESOLUTIONS: dict[str, Literal["0.5K", "1K", "2K"]] = {"fast": "0.5K", "standard": "1K", "best": "2K"}
_QUALITIES: dict[str, Literal["low", "medium", "high"]] = {"fast": "low", "standard": "medium", "best": "high"}


def _nano_banana(order: Order) -> NanoBananaRequest:
    output = order.request.output
    return NanoBananaRequest(
        prompt=instruction_of(order),
        image_urls=[data_url(each) for each in images_of(order)],
        num_images=None if output.count == 1 else output.count,
        aspect_ratio=nearest_ratio(order.base),
        resolution=_RESOLUTIONS[output.quality] if output.quality else None,
        output_format=output.format,
        seed=order.seed,
    )


def _gpt_image(order: Order) -> GptImageRequest:
    output = order.request.output
    return GptImageRequest(
        prompt=instruction_of(order),
        image_urls=[data_url(each) for each in images_of(order)],
        num_images=None if output.count == 1 else output.count,
        quality=_QUALITIES[output.quality] if output.quality else None,
        output_format=format_of(output),
    )
