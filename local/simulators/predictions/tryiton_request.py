"""The try-on requests of TryItOn as its documents state them: fields, enums, ranges, combinations.

Sources: docs.tryiton.now (Clothes Tryon, API Fundamentals) for the legacy `/tryon/clothes`; the vendor's Python client
2.0.0 for `/tryon/fashion`, which dropped `seed`, `segmentation_free` and `garment_photo_type`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from local.simulators.predictions.request import REGIONS, ClothesTryOn, TryOn

NEEDS_SUBCATEGORY = frozenset({"clothing", "jewelry", "accessories"})


class FashionRequest(TryOn):
    endpoint: ClassVar[str] = "fashion"

    category: Literal["auto", "clothing", "eyewear", "footwear", "headwear", "jewelry", "accessories", "others"] = (
        "auto"
    )
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


class ClothesRequest(ClothesTryOn):
    endpoint: ClassVar[str] = "clothes"
