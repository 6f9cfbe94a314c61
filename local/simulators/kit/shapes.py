"""Pictures in a vendor's own shapes."""

from __future__ import annotations

from math import sqrt

from PIL import Image, ImageOps


def shaped(image: Image.Image, ratio: str, pixels: int) -> Image.Image:
    """Cut the middle in a shape such as `3:4`, with about so many pixels and sides in steps of 16."""
    width, height = map(int, ratio.split(":"))
    scale = sqrt(pixels / (width * height))
    size = tuple(max(16, round(side * scale / 16) * 16) for side in (width, height))
    return ImageOps.fit(image, (size[0], size[1]), Image.Resampling.LANCZOS)
