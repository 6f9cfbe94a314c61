"""A vendor's limits for pictures, as numbers.

This module needs no imaging library: the API and the templates read it too.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class FitSpec(BaseModel):
    """The limits that a picture is fitted to.

    Sides and pixels are in px; `max_aspect` is long side over short side. `canvas` (width, height), where given, is
    the exact frame the vendor works in. A picture is then letterboxed to its aspect and scaled down to at most its
    size.
    """

    model_config = ConfigDict(frozen=True)

    min_side: int = 1
    max_side: int = 8192
    max_pixels: int = 50_000_000
    max_aspect: float = 16.0
    canvas: tuple[int, int] | None = None
