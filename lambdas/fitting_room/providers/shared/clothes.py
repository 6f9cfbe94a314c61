"""The try-on of clothes as FASHN's `tryon-v1.6` has it and, field for field, TryItOn's older `/tryon/clothes`; and what of
it TryItOn's newer calls kept.

Source: FASHN's Python client 0.9.0 (`fashn/types/prediction_run_params.py`); TryItOn's page "Clothes Tryon".
"""

from __future__ import annotations

from base64 import b64encode
from typing import Literal

from pydantic import BaseModel, ConfigDict

from fitting_room.jobs.request import Output
from fitting_room.jobs.tasks import AnyRequest, TryOn
from fitting_room.providers.base import Advice, Input, Option, Order

Mode = Literal["performance", "balanced", "quality"]
Moderation = Literal["conservative", "permissive", "none"]
Format = Literal["png", "jpeg"]

CATEGORIES = {"auto": "auto", "tops": "tops", "bottoms": "bottoms", "one_piece": "one-pieces"}  # ours -> the vendor's
MODES: dict[str, Mode] = {"fast": "performance", "standard": "balanced", "best": "quality"}
OPTIONS = {
    "garment.category": Option(values=tuple(CATEGORIES)),
    "garment.photo": Option(values=("auto", "flat_lay", "model")),
    "segmentation_free": Option(values=(True, False)),
    "moderation": Option(values=("conservative", "permissive", "none")),
    "output.count": Option(minimum=1, maximum=4),
    "output.quality": Option(values=tuple(MODES)),
    "output.seed": Option(minimum=0, maximum=2**32 - 1),
}


class ClothesRequest(BaseModel):
    """Pictures are data URLs (the prefix is mandatory). `num_samples` 1 to 4, each is charged; `seed` 0 to 2^32 - 1. What is
    left out has the vendor's default: segmentation_free true, moderation permissive, mode balanced, seed 42, format png."""

    model_config = ConfigDict(frozen=True)

    model_image: str
    garment_image: str
    category: Literal["auto", "tops", "bottoms", "one-pieces"]
    segmentation_free: bool | None = None
    moderation_level: Moderation | None = None
    garment_photo_type: Literal["auto", "flat-lay", "model"]
    mode: Mode | None = None
    seed: int | None = None
    num_samples: int
    output_format: Format | None = None


def clothes_of(order: Order) -> ClothesRequest:
    request, output = order.request, order.request.output
    assert isinstance(request, TryOn), "the catalogue offers such a vendor for nothing else"
    garment = request.garments[0]
    return ClothesRequest(
        model_image=data_url(order.base),
        garment_image=data_url(order.garments[0]),
        category=CATEGORIES[garment.category],
        segmentation_free=request.segmentation_free,
        moderation_level=request.moderation,
        garment_photo_type=garment.photo.replace("_", "-"),
        mode=mode_of(output),
        seed=order.seed,
        num_samples=output.count,
        output_format=format_of(output),
    )


def data_url(picture: Input) -> str:
    return f"data:{picture.media_type};base64,{b64encode(picture.read()).decode()}"


def mode_of(output: Output) -> Mode | None:
    return MODES[output.quality] if output.quality else None


def format_of(output: Output) -> Format | None:
    """None where the vendor lacks the format asked for: it is converted here."""
    return output.format if output.format != "webp" else None


def unmoderated(vendor: str, source: str) -> Advice:
    """The notice that both vendors attach to `moderation_level: none`."""

    def applies(request: AnyRequest, seen: frozenset[str]) -> str | None:  # noqa: ARG001
        return "/moderation" if isinstance(request, TryOn) and request.moderation == "none" else None

    return Advice(
        code="unmoderated",
        applies=applies,
        source=source,
        detail=f"{vendor} is asked to filter nothing. You remain responsible for a use that is lawful and ethical.",
        remedy=f"Use only pictures of people who agreed to it. Indecent pictures of people who did not are against the terms"
        f" of {vendor}, which may refuse its service for them. Where you can do with a filter, ask for `permissive`.",
    )
