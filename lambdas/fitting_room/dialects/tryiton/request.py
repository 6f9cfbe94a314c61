"""TryItOn's two generations of a try-on in our words: `POST /tryon/fashion`, and `/tryon/clothes` as it was before.

Source: the vendor's Python client 2.0.0 for the newer call; the vendor's page "Clothes Tryon" for the older one. The newer
one dropped `seed`, `segmentation_free` and `garment_photo_type`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from fitting_room.dialects.predictions import (
    DEFAULT_SEED,
    MODERATIONS,
    MODES,
    PHOTOS,
    Count,
    Format,
    Mode,
    Moderation,
    Picture,
    Seed,
    inverted,
    output,
    try_on,
    unoffered,
)
from fitting_room.dialects.wording import Values
from fitting_room.jobs.fields import Strict, rule_error

NEED_SUBCATEGORY = ("clothing", "jewelry", "accessories")
CLOTHING = {"tops": "tops", "bottoms": "bottoms", "dresses": "one_piece"}
CATEGORIES = {
    "auto": None,
    "eyewear": "eyewear",
    "footwear": "footwear",
    "headwear": "headwear",
    "jewelry": "jewelry",
    "accessories": "accessories",
    "others": "object",
}
"""The vendor's values in our words; of `clothing` the subcategory says which."""
OLDER = {"auto": None, "tops": "tops", "bottoms": "bottoms", "one-pieces": "one_piece"}
_Dropped = Annotated[
    None,
    unoffered("The newer call has no such field.", "Leave it out, or use POST /tryon/clothes, which takes it."),
    Field(exclude=True),
]


class TryOn(Strict):
    """The fields that both generations have."""

    model_image: Picture
    garment_image: Picture
    mode: Mode = "balanced"
    num_samples: Count = 1
    output_format: Format = "png"
    moderation_level: Moderation = "permissive"

    model: ClassVar[str]
    """TryItOn's model in the catalogue, which is asked first."""
    call: ClassVar[str]
    fields: ClassVar[dict[str, str]] = {
        "/person": "model_image",
        "/garments/0/image": "garment_image",
        "/garments/0/category": "category",
        "/moderation": "moderation_level",
        "/output/quality": "mode",
        "/output/count": "num_samples",
        "/output/format": "output_format",
    }
    """The names of the fields, by the JSON pointers of our request."""
    values: ClassVar[Values]
    """The values of these fields, by ours."""

    def ours(self) -> dict[str, Any]:
        raise NotImplementedError


class FashionRequest(TryOn):
    """`category` clothing, jewelry and accessories need a `subcategory`."""

    category: Literal["auto", "clothing", "eyewear", "footwear", "headwear", "jewelry", "accessories", "others"] = (
        "auto"
    )
    subcategory: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    seed: _Dropped = None
    segmentation_free: _Dropped = None
    garment_photo_type: _Dropped = None

    model: ClassVar = "tryiton/fashion-v2"
    call: ClassVar = "fashion"
    fields: ClassVar = {**TryOn.fields, "/provider_options/tryiton/subcategory": "subcategory"}
    values: ClassVar = {
        "/garments/0/category": inverted(CATEGORIES) | dict.fromkeys(CLOTHING.values(), "clothing"),
        "/output/quality": MODES,
    }

    @model_validator(mode="after")
    def subcategories(self) -> Self:
        if self.category in NEED_SUBCATEGORY and self.subcategory is None:
            wanted = ", ".join(CLOTHING) if self.category == "clothing" else "the kind of item in one word"
            raise rule_error("subcategory", f"The category {self.category} needs one.", f"Send {wanted}.")
        if self.category not in NEED_SUBCATEGORY and self.subcategory is not None:
            raise rule_error("subcategory", f"The category {self.category} has none.", "Leave it out.")
        if self.category == "clothing" and self.subcategory not in CLOTHING:
            raise rule_error("subcategory", "There is no such clothing.", f"Use one of: {', '.join(CLOTHING)}.")
        return self

    def ours(self) -> dict[str, Any]:
        named = self.subcategory if self.category in ("jewelry", "accessories") else None
        return try_on(
            self.model_image,
            self.garment_image,
            category=CLOTHING[str(self.subcategory)] if self.category == "clothing" else CATEGORIES[self.category],
            moderation=MODERATIONS[self.moderation_level],
            output=output(self.num_samples, self.output_format, mode=self.mode),
            provider_options={"tryiton": {"subcategory": named}} if named else None,
        )


class ClothesRequest(TryOn):
    """Absent: what the vendor's default says; a default that is sent counts as absent."""

    category: Literal["auto", "tops", "bottoms", "one-pieces"] = "auto"
    segmentation_free: bool = True
    garment_photo_type: Literal["auto", "flat-lay", "model"] = "auto"
    seed: Seed = DEFAULT_SEED

    model: ClassVar = "tryiton/clothes"
    call: ClassVar = "clothes"
    fields: ClassVar = {
        **TryOn.fields,
        "/garments/0/photo": "garment_photo_type",
        "/segmentation_free": "segmentation_free",
        "/output/seed": "seed",
    }
    values: ClassVar = {
        "/garments/0/category": inverted(OLDER),
        "/garments/0/photo": inverted(PHOTOS),
        "/output/quality": MODES,
    }

    def ours(self) -> dict[str, Any]:
        return try_on(
            self.model_image,
            self.garment_image,
            category=OLDER[self.category],
            photo=PHOTOS[self.garment_photo_type],
            segmentation_free=None if self.segmentation_free else False,
            moderation=MODERATIONS[self.moderation_level],
            output=output(self.num_samples, self.output_format, mode=self.mode, seed=self.seed),
        )


def ours(asked: TryOn) -> dict[str, Any]:
    """Return the request in our words. Its status must know later which generation asked."""
    return {**asked.ours(), "metadata": {"dialect": f"tryiton/{asked.call}"}}
