"""The try-on requests of TryItOn as its documents state them: fields, enums, ranges, combinations.

Sources: docs.tryiton.now (Clothes Tryon, API Fundamentals) for the legacy `/tryon/clothes`; the vendor's Python client
2.0.0 for `/tryon/fashion`, which dropped `seed`, `segmentation_free` and `garment_photo_type`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, ValidationError, model_validator

from local.simulators.strict import Strict

NEEDS_SUBCATEGORY = frozenset({"clothing", "jewelry", "accessories"})
REGIONS = {"auto": "auto", "tops": "upper", "bottoms": "lower", "dresses": "full", "one-pieces": "full", "footwear": "foot"}


class BadRequestError(Exception):
    """The request breaks the contract; the text names the field and the rule."""


def _located(text: str) -> str:
    if not re.match(r"https?://[^/\s]+|data:image/[a-z]+;base64,", text):
        raise ValueError("must be an http(s) URL or base64 with the prefix data:image/<format>;base64,")
    return text


ImageInput = Annotated[str, AfterValidator(_located)]
Mode = Literal["performance", "balanced", "quality"]


class _TryOn(Strict):
    model_image: ImageInput
    garment_image: ImageInput
    mode: Mode = "balanced"
    moderation_level: Literal["conservative", "permissive", "none"] = "permissive"
    num_samples: Annotated[int, Field(ge=1, le=4)] = 1
    output_format: Literal["png", "jpeg"] = "png"


class FashionRequest(_TryOn):
    endpoint: ClassVar[str] = "fashion"

    category: Literal["auto", "clothing", "eyewear", "footwear", "headwear", "jewelry", "accessories", "others"] = "auto"
    subcategory: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _combinations(self) -> Self:
        if self.category in NEEDS_SUBCATEGORY and self.subcategory is None:
            raise ValueError(f"subcategory is required for category {self.category}")
        if self.category not in NEEDS_SUBCATEGORY and self.subcategory is not None:
            raise ValueError(f"subcategory does not apply to category {self.category}")
        if self.category == "clothing" and self.subcategory not in ("tops", "bottoms", "dresses"):
            raise ValueError("subcategory must be tops, bottoms or dresses for category clothing")
        clothing_only = sorted({"mode", "moderation_level"} & self.model_fields_set)
        if clothing_only and self.category not in ("auto", "clothing"):
            raise ValueError(f"{clothing_only[0]} does not apply to category {self.category}")
        return self

    @property
    def region(self) -> str | None:
        """What the preview engine calls it; None: it cannot draw that."""
        return REGIONS.get((self.subcategory or "") if self.category == "clothing" else self.category)

    @property
    def first_seed(self) -> int:
        """This endpoint takes none; the one the legacy endpoint documents as its default."""
        return 42


class ClothesRequest(_TryOn):
    endpoint: ClassVar[str] = "clothes"

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


T = TypeVar("T", FashionRequest, ClothesRequest)


def parse(kind: type[T], body: object) -> T:
    """Raises BadRequestError."""
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
