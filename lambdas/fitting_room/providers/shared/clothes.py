"""The try-on of clothes that FASHN and TryItOn share.

It is FASHN's `tryon-v1.6` and, field for field, TryItOn's older `/tryon/clothes`. TryItOn's newer calls kept a part
of it.

Source: FASHN's Python client 0.9.0 (`fashn/types/prediction_run_params.py`); TryItOn's page "Clothes Tryon".
"""

from __future__ import annotations

from base64 import b64encode
from typing import Literal

from pydantic import BaseModel, ConfigDict

from fitting_room.jobs.request import Output
from fitting_room.jobs.tasks import AnyRequest, TryOn
from fitting_room.providers.adapter import Input, Order
from fitting_room.providers.base import Advice, Option

Mode = Literal["performance", "balanced", "quality"]
Moderation = Literal["conservative", "permissive", "none"]
Format = Literal["png", "jpeg"]

CATEGORIES = {"auto": None, "tops": "tops", "bottoms": "bottoms", "one_piece": "one-pieces"}  # ours -> the vendor's
PHOTOS = {"auto": None, "flat_lay": "flat-lay", "model": "model"}
MODES: dict[str, Mode] = {"fast": "performance", "standard": "balanced", "best": "quality"}
OPTIONS = {
    "garment.category": Option(
        values=tuple(CATEGORIES),
        default="auto",
        meaning="`auto`: the provider finds the kind of a garment that lies flat or is on a ghost mannequin. If somebody wears"
        " it, a photo of the whole body swaps the whole outfit, and a closer one the top or the bottoms.",
    ),
    "garment.photo": Option(
        values=("auto", "flat_lay", "model"),
        default="auto",
        meanings={
            "auto": "The provider finds it out.",
            "flat_lay": "The garment lies flat, or is on a ghost mannequin.",
            "model": "Somebody wears it.",
        },
    ),
    "segmentation_free": Option(
        values=(True, False),
        default=True,
        meanings={
            "true": "The garment is fitted without cutting the old clothes out: better for bulky garments, and for body"
            " shape and skin.",
            "false": "For clothes that are not taken off properly.",
        },
    ),
    "moderation": Option(
        values=("conservative", "permissive", "none"),
        default="permissive",
        meaning="What the provider blocks in garment images.",
        meanings={
            "conservative": "Blocks underwear, swimwear and revealing outfits, for culturally sensitive contexts.",
            "permissive": "Allows these, and blocks explicit nudity.",
            "none": "Blocks nothing. A deployment must allow it.",
        },
    ),
    "output.count": Option(minimum=1, maximum=4, default=1, meaning="Every image is charged."),
    "output.quality": Option(
        values=tuple(MODES),
        default="standard",
        meanings={
            "fast": "The provider's mode `performance`: the fastest, perhaps at the cost of quality.",
            "standard": "The mode `balanced`.",
            "best": "The mode `quality`: the slowest.",
        },
    ),
    "output.seed": Option(
        minimum=0,
        maximum=2**32 - 1,
        default=42,
        meaning="Absent: Fitting Room draws one. `provider`: none is sent.",
    ),
}


class ClothesRequest(BaseModel):
    """The inputs of a try-on.

    Pictures are data URLs (the prefix is mandatory). `num_samples` 1 to 4, each is charged; `seed` 0 to 2^32 - 1. An
    absent field has the vendor's default: category auto, segmentation_free true, moderation permissive, photo type
    auto, mode balanced, seed 42, one sample, format png.
    """

    model_config = ConfigDict(frozen=True)

    model_image: str
    garment_image: str
    category: Literal["tops", "bottoms", "one-pieces"] | None = None
    segmentation_free: bool | None = None
    moderation_level: Moderation | None = None
    garment_photo_type: Literal["flat-lay", "model"] | None = None
    mode: Mode | None = None
    seed: int | None = None
    num_samples: int | None = None
    output_format: Format | None = None


def clothes_of(order: Order) -> ClothesRequest:
    request, output = order.request, order.request.output
    assert isinstance(request, TryOn), "the catalogue offers such a provider for nothing else"
    garment = request.garments[0]
    return ClothesRequest(
        model_image=data_url(order.base),
        garment_image=data_url(order.garments[0]),
        category=CATEGORIES[garment.category],
        segmentation_free=request.segmentation_free,
        moderation_level=request.moderation,
        garment_photo_type=PHOTOS[garment.photo],
        mode=mode_of(output),
        seed=order.seed,
        num_samples=None if output.count == 1 else output.count,
        output_format=format_of(output),
    )


def data_url(picture: Input) -> str:
    return f"data:{picture.media_type};base64,{b64encode(picture.read()).decode()}"


def mode_of(output: Output) -> Mode | None:
    return MODES[output.quality] if output.quality else None


def format_of(output: Output) -> Format | None:
    """Return the format to ask for, or None where the vendor lacks it.

    This deployment then converts the result.
    """
    return output.format if output.format != "webp" else None


def unmoderated(vendor: str, source: str) -> Advice:
    """Return the notice that both vendors attach to `moderation_level: none`."""

    def applies(request: AnyRequest, seen: frozenset[str]) -> str | None:  # noqa: ARG001
        return "/moderation" if isinstance(request, TryOn) and request.moderation == "none" else None

    return Advice(
        code="unmoderated",
        applies=applies,
        source=source,
        detail=f"{vendor} is asked to filter nothing. You remain responsible for a use that is lawful and ethical.",
        remedy=f"Use only images of people who agreed to it. Indecent images of people who did not are against the terms"
        f" of {vendor}, which may refuse its service for them. If a filter is no obstacle, send `permissive`.",
    )
