"""Speaks to TryItOn.

Source: the vendor's Python client 2.0.0 for the calls and the API errors, the vendor's page "Clothes Tryon" for the
errors of a running job. Both shapes of a submit's answer that the vendor has used are read.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import httpx
from pydantic import BaseModel, ConfigDict

from fitting_room.jobs.tasks import TryOn
from fitting_room.providers.base import Connection, Order
from fitting_room.providers.predictions import LATER, Predictions, Told, data_url
from fitting_room.providers.tryiton.entry import CATEGORIES, ID, is_clothing


class FashionRequest(BaseModel):
    """`POST /tryon/fashion`. Pictures are data URLs (the prefix is mandatory). `num_samples` 1 to 4, each is charged.
    `subcategory` is required for clothing, jewelry and accessories; `mode` and `moderation_level` are for clothing."""

    model_config = ConfigDict(frozen=True)

    model_image: str
    garment_image: str
    category: Literal["auto", "clothing", "eyewear", "footwear", "headwear", "jewelry", "accessories", "others"]
    subcategory: str | None = None
    mode: Literal["performance", "balanced", "quality"] | None = None
    num_samples: int
    output_format: Literal["png", "jpeg"] | None = None
    moderation_level: Literal["conservative", "permissive"] | None = None

    def json_bytes(self) -> bytes:
        return self.model_dump_json(exclude_none=True).encode()


def body_of(order: Order) -> FashionRequest:
    """What is sent for an order."""
    request, output = order.request, order.request.output
    assert isinstance(request, TryOn), "the catalogue offers this vendor for nothing else"
    category, subcategory = CATEGORIES[request.garments[0].category]
    modes = {"fast": "performance", "standard": "balanced", "best": "quality"}
    return FashionRequest(
        model_image=data_url(order.base),
        garment_image=data_url(order.garments[0]),
        category=category,
        subcategory=subcategory or order.options.subcategory,
        mode=modes[output.quality] if output.quality and is_clothing(request) else None,
        num_samples=output.count,
        output_format=output.format if output.format != "webp" else None,
        moderation_level=request.moderation,
    )


class TryItOn(Predictions):
    id = ID
    title = "TryItOn"
    base = "https://tryiton.now/api/v1"
    path = "tryon/fashion"
    # "Failed jobs are never charged."
    unnamed = Told("provider_error", "TryItOn failed on the job; it costs nothing.", LATER, free=True)
    runtime: ClassVar = {
        "ImageLoadError": Told("image_unreadable", "TryItOn could not load one of the pictures.",
                               "Send the pictures again as ordinary PNG or JPEG files.", free=True),
        "ContentModerationError": Told(
            "content_blocked", "The content filter of TryItOn refused the garment picture.",
            "Send another picture or, if your use allows it, set moderation to permissive.", free=True),
        "PoseError": Told(
            "pose_not_found", "TryItOn found no body pose in a picture.",
            "Send other pictures: the person alone, whole and facing the camera, the garment clearly visible.", free=True),
        "PipelineError": unnamed,
        "ProcessingError": unnamed,
        # "encountered an error or refused": most likely the content rules of the vendor's own suppliers, so not retryable
        "ThirdPartyError": Told("provider_error", "A service that TryItOn relies on refused the pictures or failed.",
                                "Send other pictures, or choose another provider.", retryable=False, free=True),
    }

    def body(self, order: Order) -> bytes:
        return body_of(order).json_bytes()


def connect(connection: Connection, transport: httpx.BaseTransport | None = None) -> TryItOn:
    return TryItOn(connection, transport)
