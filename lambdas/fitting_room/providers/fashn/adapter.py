"""Speaks to FASHN: `POST /v1/run`, then `GET /v1/status/{id}`.

Source: the vendor's pages "API Fundamentals", "Error Handling", "Webhooks", "Virtual Try-On v1.6" and "Try-On Max"
(docs.fashn.ai) and its Python client 0.9.0 (`fashn/types/prediction_run_params.py`, `prediction_status_response.py`).
"""

from __future__ import annotations

from typing import ClassVar, Literal

import httpx
from pydantic import BaseModel, ConfigDict

from fitting_room.jobs.tasks import TryOn
from fitting_room.providers.adapter import Connection, Order
from fitting_room.providers.fashn.entry import ID, MAX, MAX_CREDITS
from fitting_room.providers.shared.clothes import ClothesRequest, Format, clothes_of, data_url, format_of
from fitting_room.providers.shared.failures import LATER, Told
from fitting_room.providers.shared.instructions import nearest_ratio
from fitting_room.providers.shared.predictions import FILTERED, LOADABLE, Call, Predictions

_LOOK = "Look at the credits of the FASHN account before you submit again."
_WRITE = "If it happens again, write to support@fashn.ai and name the prediction: the attempt's `provider_job_id`."


class MaxRequest(BaseModel):
    """`tryon-max`. Pictures are data URLs. `num_images` 1 to 4; `generation_mode` balanced if absent."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    product_image: str
    model_image: str
    prompt: str | None = None
    generation_mode: Literal["quality"] | None = None
    aspect_ratio: str
    num_images: int | None = None
    seed: int | None = None
    output_format: Format | None = None


class RunRequest(BaseModel):
    """`POST /v1/run`."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    model_name: str
    inputs: ClothesRequest | MaxRequest


def body_of(order: Order) -> RunRequest:
    """Build the body of an order."""
    return RunRequest(model_name=order.model, inputs=_max_of(order) if order.shape == MAX else clothes_of(order))


def _max_of(order: Order) -> MaxRequest:
    request, output = order.request, order.request.output
    assert isinstance(request, TryOn), "the catalogue offers the model for nothing else"
    return MaxRequest(
        product_image=data_url(order.garments[0]),
        model_image=data_url(order.base),
        prompt=request.prompt,
        generation_mode="quality" if output.quality == "best" else None,
        aspect_ratio=nearest_ratio(order.base),
        num_images=None if output.count == 1 else output.count,
        seed=order.seed,
        output_format=format_of(output),
    )


class Fashn(Predictions):
    id = ID
    title = "FASHN"
    base = "https://api.fashn.ai/v1"
    spendable = "total"
    credits_header = "x-fashn-credits-used"
    # "Because no prediction ID was issued, duplicate processing is not a" concern
    refused_free: ClassVar = frozenset({"InternalServerError"})
    unnamed = Told("provider_error", "FASHN failed on the job.", LATER)
    ends: ClassVar = {
        "canceled": Told("provider_error", "Somebody cancelled the job in the FASHN account.", _LOOK),
        "time_out": Told("timed_out", "FASHN stopped the job because it took too long.", _LOOK),
    }
    runtime: ClassVar = {
        "ImageLoadError": Told("image_unreadable", "FASHN could not load one of the images.", LOADABLE),
        "ContentModerationError": Told(
            "content_blocked", "The content filter of FASHN refused the garment image.", FILTERED
        ),
        "PoseError": Told(
            "pose_not_found",
            "FASHN found no body pose in the image of the person, or of the garment on its wearer.",
            "Send better images, by the provider's guidelines for model photos on its page Virtual Try-On v1.6: best the"
            " person alone, whole and facing the camera, the garment clearly visible.",
        ),
        "InputValidationError": Told(
            "provider_error",
            "FASHN refused the combination of options.",
            "Choose another provider, or report it to the operator of this service.",
            retryable=False,
        ),
        # "Retry request (no charge for failures)", said of this one only
        "PipelineError": Told(
            "provider_error", "FASHN failed on the job; it costs nothing.", f"Submit it again. {_WRITE}", free=True
        ),
        # "content/prompt limitations" of the vendor's own suppliers
        "ThirdPartyError": Told(
            "provider_error",
            "A service that FASHN relies on refused the images.",
            f"Send other images: most likely their content was not allowed. {_WRITE}",
            retryable=False,
        ),
        "3rdPartyProviderError": Told("provider_error", "A service that FASHN relies on failed.", LATER),
        "InternalServerError": unnamed,
        "LoRALoadError": unnamed,
        "UnavailableError": Told("provider_unavailable", "FASHN could not run the model.", LATER),
        "PollingTimeout": ends["time_out"],
    }

    def credits_of(self, order: Order) -> int:
        return MAX_CREDITS if order.shape == MAX else 1

    def call(self, order: Order) -> Call:
        query = {"webhook_url": order.callback} if order.callback else {}
        return Call("run", body_of(order).model_dump_json(exclude_none=True).encode(), query)


def connect(connection: Connection, transport: httpx.BaseTransport | None = None) -> Fashn:
    return Fashn(connection, transport)
