"""Speaks to FASHN: `POST /v1/run`, then `GET /v1/status/{id}`.

Source: the vendor's pages "API Fundamentals" and "Error Handling" (docs.fashn.ai) and its Python client 0.9.0
(`fashn/types/prediction_run_params.py`, `prediction_status_response.py`). Results are fetched by URL, so `return_base64`
is not sent; neither is a webhook.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import httpx
from pydantic import BaseModel, ConfigDict

from fitting_room.jobs.tasks import TryOn
from fitting_room.providers.base import Connection, Order
from fitting_room.providers.fashn.entry import CATEGORIES, ID
from fitting_room.providers.predictions import LATER, Predictions, Told, data_url

_LOOK = "Look at the credits of the FASHN account before you submit again."


class Inputs(BaseModel):
    """Of `tryon-v1.6`. Pictures are data URLs (the prefix is mandatory). `num_samples` 1 to 4; `seed` 0 to 2^32 - 1."""

    model_config = ConfigDict(frozen=True)

    model_image: str
    garment_image: str
    category: Literal["auto", "tops", "bottoms", "one-pieces"]
    segmentation_free: bool | None = None
    moderation_level: Literal["conservative", "permissive"] | None = None
    garment_photo_type: Literal["auto", "flat-lay", "model"]
    mode: Literal["performance", "balanced", "quality"] | None = None
    seed: int | None = None
    num_samples: int
    output_format: Literal["png", "jpeg"] | None = None


class RunRequest(BaseModel):
    """`POST /v1/run`."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    model_name: str
    inputs: Inputs

    def json_bytes(self) -> bytes:
        return self.model_dump_json(exclude_none=True).encode()


def body_of(order: Order) -> RunRequest:
    """What is sent for an order."""
    request, output = order.request, order.request.output
    assert isinstance(request, TryOn), "the catalogue offers this vendor for nothing else"
    garment = request.garments[0]
    modes = {"fast": "performance", "standard": "balanced", "best": "quality"}
    return RunRequest(model_name=order.model, inputs=Inputs(
        model_image=data_url(order.base),
        garment_image=data_url(order.garments[0]),
        category=CATEGORIES[garment.category],
        segmentation_free=request.segmentation_free,
        moderation_level=request.moderation,
        garment_photo_type=garment.photo.replace("_", "-"),
        mode=modes[output.quality] if output.quality else None,
        seed=order.seed,
        num_samples=output.count,
        output_format=output.format if output.format != "webp" else None,
    ))


class Fashn(Predictions):
    id = ID
    title = "FASHN"
    base = "https://api.fashn.ai/v1"
    path = "run"
    credits_header = "x-fashn-credits-used"
    # "Because no prediction ID was issued, duplicate processing is not a" concern
    refused_free: ClassVar = frozenset({"InternalServerError"})
    unnamed = Told("provider_error", "FASHN failed on the job.", LATER)
    ends: ClassVar = {
        "canceled": Told("provider_error", "The job was cancelled at FASHN, not by us.", _LOOK),
        "time_out": Told("timed_out", "FASHN gave up on the job after too long a time.", _LOOK),
    }
    runtime: ClassVar = {
        "ImageLoadError": Told("image_unreadable", "FASHN could not load one of the pictures.",
                               "Send the pictures again as ordinary PNG or JPEG files."),
        "ContentModerationError": Told(
            "content_blocked", "The content filter of FASHN refused a picture.",
            "Send another picture or, if your use allows it, set moderation to permissive."),
        "PoseError": Told(
            "pose_not_found", "FASHN found no body pose in a picture.",
            "Send other pictures: the person alone, whole and facing the camera, the garment clearly visible."),
        "InputValidationError": Told("provider_error", "FASHN refused the combination of options.",
                                     "Choose another provider, or report it to the operator of this service.",
                                     retryable=False),
        # "Retry request (no charge for failures)", said of this one only
        "PipelineError": Told("provider_error", "FASHN failed on the job; it costs nothing.", LATER, free=True),
        # "content/prompt limitations" of the vendor's own suppliers
        "ThirdPartyError": Told("provider_error", "A service that FASHN relies on refused the pictures.",
                                "Send other pictures, or choose another provider.", retryable=False),
        "3rdPartyProviderError": Told("provider_error", "A service that FASHN relies on failed.", LATER),
        "InternalServerError": unnamed,
        "UnavailableError": Told("provider_unavailable", "FASHN could not run the model.", LATER),
        "PollingTimeout": ends["time_out"],
    }

    def body(self, order: Order) -> bytes:
        return body_of(order).json_bytes()


def connect(connection: Connection, transport: httpx.BaseTransport | None = None) -> Fashn:
    return Fashn(connection, transport)
