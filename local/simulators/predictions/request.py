"""What the try-on requests of TryItOn and FASHN have in common, and how a broken one is told."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from local.simulators.kit.strict import Strict

REGIONS = {
    "auto": "auto",
    "tops": "upper",
    "bottoms": "lower",
    "dresses": "full",
    "one-pieces": "full",
    "footwear": "foot",
}
"""What the preview engine calls a category."""


class BadRequestError(Exception):
    """The request breaks the contract; the text names the field and the rule."""


def _located(text: str) -> str:
    if not re.match(r"https?://[^/\s]+|data:image/[a-z]+;base64,", text):
        raise ValueError("must be an http(s) URL or base64 with the prefix data:image/<format>;base64,")
    return text


ImageInput = Annotated[str, AfterValidator(_located)]
Mode = Literal["performance", "balanced", "quality"]


class TryOn(Strict):
    model_image: ImageInput
    garment_image: ImageInput
    mode: Mode = "balanced"
    moderation_level: Literal["conservative", "permissive", "none"] = "permissive"
    num_samples: Annotated[int, Field(ge=1, le=4)] = 1
    output_format: Literal["png", "jpeg"] = "png"


class ClothesTryOn(TryOn):
    """The fields of FASHN's `tryon-v1.6`, which TryItOn's legacy endpoint has as well."""

    category: Literal["auto", "tops", "bottoms", "one-pieces"] = "auto"
    segmentation_free: bool = True
    garment_photo_type: Literal["auto", "flat-lay", "model"] = "auto"
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 42

    @property
    def region(self) -> str | None:
        return REGIONS[self.category]

    @property
    def first_seed(self) -> int:
        return self.seed


T = TypeVar("T", bound=BaseModel)


def parse(kind: type[T], body: object) -> T:
    """Read a request. Raises BadRequestError."""
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        raise BadRequestError("; ".join(map(_problem, error.errors()))) from None


def _problem(error: Any) -> str:
    field = ".".join(map(str, error["loc"]))
    match error["type"]:
        case "missing":
            return f"{field} is required"
        case "extra_forbidden":
            return f"unknown parameter {field}"
    return f"{field}: {error['msg']}" if field else error["msg"]
