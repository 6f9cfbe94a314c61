"""Our masks (PNG, black changes) in the form that a vendor's document asks for."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Literal

from fitting_room.providers.adapter import Input


def in_rgb(mask: Input) -> Input:
    """Return the same mask with three channels of 8 bits."""
    return replace(mask, media_type="image/png", read=lambda: _written(mask.read(), "RGB", invert=False))


def inverted(mask: Input, mode: Literal["L", "RGB"] = "L") -> Input:
    """Return the same mask with black for white and the other way round, as most vendors read it."""
    return replace(mask, media_type="image/png", read=lambda: _written(mask.read(), mode, invert=True))


def _written(mask: bytes, mode: str, *, invert: bool) -> bytes:
    from PIL import Image, ImageOps  # only an order with a mask pays for the import

    with Image.open(io.BytesIO(mask)) as opened:
        picture, file = opened.convert("L"), io.BytesIO()
        (ImageOps.invert(picture) if invert else picture).convert(mode).save(file, "PNG", compress_level=1)
    return file.getvalue()
