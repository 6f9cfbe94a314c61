"""Which of the vendor's garment classes a garment of a request is."""

from __future__ import annotations

from fitting_room.jobs.tasks import Garment

BODY_PARTS = {
    "tops": "UPPER_BODY",
    "bottoms": "LOWER_BODY",
    "one_piece": "FULL_BODY",
    "outfit": "FULL_BODY",
    "footwear": "FOOTWEAR",
}
"""Category to coarse class. `outfit` is several pieces on one reference picture."""

TYPES = {
    "UPPER_BODY": ("long_sleeve_shirt", "short_sleeve_shirt", "no_sleeve_shirt", "other_upper_body"),
    "LOWER_BODY": ("long_pants", "short_pants", "other_lower_body"),
    "FULL_BODY": ("long_dress", "short_dress", "full_body_outfit", "other_full_body"),
    "FOOTWEAR": ("shoes", "boots", "other_footwear"),
}
"""The fine classes of each coarse one."""


def body_part(garment: Garment) -> str | None:
    """Return the coarse garment class, from the category or, where that is `auto`, from the type."""
    if garment.category == "auto" and garment.type:
        return next(part for part, types in TYPES.items() if garment.type in types)
    return BODY_PARTS.get(garment.category)


def garment_class(garment: Garment) -> str | None:
    """Return the value of `garmentClass`: the fine class where the client named one."""
    return garment.type.upper() if garment.type else body_part(garment)
