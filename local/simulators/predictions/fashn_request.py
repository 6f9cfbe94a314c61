"""`POST /v1/run` of FASHN for `tryon-v1.6` and `tryon-max` as its documents state it: fields, enums, ranges.

Sources: docs.fashn.ai (API Fundamentals); the vendor's Python client 0.9.0, `types/prediction_run_params.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from local.simulators.kit.strict import Strict
from local.simulators.predictions.request import ClothesTryOn, ImageInput


def _not_saved(given: Any) -> Any:
    if isinstance(given, str) and given.startswith("saved:"):
        raise ValueError(
            "no models are saved in this simulator: send an http(s) URL or base64 in the place of saved:<name>"
        )
    return given


class Inputs(ClothesTryOn):
    endpoint: ClassVar[str] = "tryon-v1.6"

    model_image: Annotated[ImageInput, BeforeValidator(_not_saved)]
    return_base64: bool = False


class MaxInputs(Strict):
    """`generation_mode`: the type of the client lists these two; its text also says fast."""

    endpoint: ClassVar[str] = "tryon-max"

    product_image: ImageInput
    model_image: Annotated[ImageInput, BeforeValidator(_not_saved)]
    prompt: str | None = None
    resolution: Literal["1k", "2k", "4k"] = "1k"
    generation_mode: Literal["balanced", "quality"] = "balanced"
    aspect_ratio: Literal["21:9", "1:1", "4:3", "3:2", "2:3", "5:4", "4:5", "3:4", "16:9", "9:16"] | None = None
    num_images: Annotated[int, Field(ge=1, le=4)] = 1
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 42
    output_format: Literal["png", "jpeg"] = "png"
    return_base64: bool = False

    @property
    def category(self) -> str:
        return "auto"

    @property
    def mode(self) -> str:
        return self.generation_mode

    @property
    def garment_image(self) -> str:
        return self.product_image

    @property
    def num_samples(self) -> int:
        return self.num_images

    @property
    def region(self) -> str | None:
        return "auto"

    @property
    def first_seed(self) -> int:
        return self.seed

    @property
    def credits(self) -> int:
        """Four an image; that `quality` costs two more is our choice, for no document says how much it costs."""
        return self.num_images * (6 if self.generation_mode == "quality" else 4)


class RunRequest(Strict):
    model_name: Literal["tryon-v1.6"]
    inputs: Inputs


class MaxRequest(Strict):
    model_name: Literal["tryon-max"]
    inputs: MaxInputs


MODELS: dict[str, type[RunRequest | MaxRequest]] = {"tryon-v1.6": RunRequest, "tryon-max": MaxRequest}


def request_of(body: Any) -> type[RunRequest | MaxRequest]:
    """Choose the request by the model that a body names."""
    named = body.get("model_name") if isinstance(body, dict) else None
    return MaxRequest if named == "tryon-max" else RunRequest
