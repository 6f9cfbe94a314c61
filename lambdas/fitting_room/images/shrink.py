"""A smaller copy of a large image, made strip by strip: no second image of the large size is in memory."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor

from PIL import Image

_ROWS = 64
"""Of the small image at a time."""
_REACH = 3
"""Of Lanczos, in rows of the small image: so far around a row lie those that it is made of."""


def shrunk(image: Image.Image, size: tuple[int, int], simplest: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Return `simplest(image).resize(size)`, strip by strip.

    The plain call needs the memory of two more images as large as the first.
    """
    width, height = size
    made: Image.Image | None = None
    for top in range(0, height, _ROWS):
        strip = _strip(image, simplest, width, image.height / height, top, min(top + _ROWS, height))
        made = made or Image.new(strip.mode, size)
        made.paste(strip, (0, top))
    assert made is not None, "an image has rows"
    return made


def _strip(
    image: Image.Image,
    simplest: Callable[[Image.Image], Image.Image],
    width: int,
    scale: float,
    top: int,
    bottom: int,
) -> Image.Image:
    first = max(0, floor((top - _REACH) * scale) - 1)
    last = min(image.height, ceil((bottom + _REACH) * scale) + 1)
    rows = simplest(image.crop((0, first, image.width, last)))
    box = (0, top * scale - first, image.width, min(bottom * scale, image.height) - first)
    return rows.resize((width, bottom - top), Image.Resampling.LANCZOS, box=box)
