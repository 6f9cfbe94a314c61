"""Speaks to TryItOn: `/tryon/fashion`, and `/tryon/clothes` as it was before.

Source: the vendor's Python client 2.0.0 for the newer calls and the API errors, the vendor's page "Clothes Tryon" for the
older one and the errors of a running job. Both shapes of a submit's answer that the vendor has used are read.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import httpx
from pydantic import BaseModel, ConfigDict

from fitting_room.jobs.tasks import TryOn
from fitting_room.providers.adapter import Connection, Order
from fitting_room.providers.shared.clothes import (
    ClothesRequest,
    Format,
    Mode,
    Moderation,
    clothes_of,
    data_url,
    format_of,
    mode_of,
)
from fitting_room.providers.shared.failures import Told
from fitting_room.providers.shared.predictions import FILTERED, LOADABLE, Call, Predictions
from fitting_room.providers.tryiton.entry import CATEGORIES, CLOTHES, ID, is_clothing

_WRITE = "If it happens again, write to contact@tryiton.now and name the job: the attempt's `provider_job_id`."


class FashionRequest(BaseModel):
    """The body of `POST /tryon/fashion`.

    Pictures are data URLs (the prefix is mandatory). `num_samples` 1 to 4, each is charged. `subcategory` is required
    for clothing, jewelry and accessories; `mode` and `moderation_level` are for clothing.
    """

    model_config = ConfigDict(frozen=True)

    model_image: str
    garment_image: str
    category: Literal["auto", "clothing", "eyewear", "footwear", "headwear", "jewelry", "accessories", "others"]
    subcategory: str | None = None
    mode: Mode | None = None
    num_samples: int
    output_format: Format | None = None
    moderation_level: Moderation | None = None


def fashion_of(order: Order) -> FashionRequest:
    request, output = order.request, order.request.output
    assert isinstance(request, TryOn), "the catalogue offers this provider for nothing else"
    category, subcategory = CATEGORIES[request.garments[0].category]
    return FashionRequest(
        model_image=data_url(order.base),
        garment_image=data_url(order.garments[0]),
        category=category,
        subcategory=subcategory or order.options.subcategory,
        mode=mode_of(output) if is_clothing(request) else None,
        num_samples=output.count,
        output_format=format_of(output),
        moderation_level=request.moderation,
    )


def body_of(order: Order) -> FashionRequest | ClothesRequest:
    """Build the body of an order."""
    return clothes_of(order) if order.model == CLOTHES else fashion_of(order)


class TryItOn(Predictions):
    id = ID
    title = "TryItOn"
    base = "https://tryiton.now/api/v1"
    spendable = "on_demand"  # of subscription and purchases, what no running job has reserved
    # "Failed jobs are never charged."
    unnamed = Told(
        "provider_error", "TryItOn failed on the job; it costs nothing.", f"Submit it again. {_WRITE}", free=True
    )
    runtime: ClassVar = {
        "ImageLoadError": Told("image_unreadable", "TryItOn could not load one of the images.", LOADABLE, free=True),
        "ContentModerationError": Told(
            "content_blocked", "The content filter of TryItOn refused the garment image.", FILTERED, free=True
        ),
        "PoseError": Told(
            "pose_not_found",
            "TryItOn found no body pose in the image of the person, or of the garment on its wearer.",
            "Send better images, by the provider's guidelines for model photos on its page Clothes Tryon: best the person"
            " alone, whole and facing the camera, the garment clearly visible.",
            free=True,
        ),
        "PipelineError": unnamed,
        "ProcessingError": unnamed,
        # "encountered an error or refused": most likely the content rules of the vendor's own suppliers, so not retryable
        "ThirdPartyError": Told(
            "provider_error",
            "A service that TryItOn relies on refused the images or failed.",
            f"Send other images: most likely their content was not allowed. {_WRITE}",
            retryable=False,
            free=True,
        ),
    }

    def call(self, order: Order) -> Call:
        path = "tryon/clothes" if order.model == CLOTHES else "tryon/fashion"
        return Call(path, body_of(order).model_dump_json(exclude_none=True).encode())


def connect(connection: Connection, transport: httpx.BaseTransport | None = None) -> TryItOn:
    return TryItOn(connection, transport)
