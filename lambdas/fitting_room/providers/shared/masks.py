"""Our masks as most vendors read them: black changes in ours, white in theirs."""

from __future__ import annotations

import io
from dataclasses import replace

from fitting_room.providers.base import Input


def inverted(mask: Input) -> Input:
    """The same mask as a one-channel PNG with black for white and the other way round."""
    return replace(mask, media_type="image/png", read=lambda: _inverted(mask.read()))


def _inverted(mask: bytes) -> bytes:
    from PIL import Image, ImageOps  # only an order with a mask pays for the import

    with Image.open(io.BytesIO(mask)) as opened:
        file = io.BytesIO()
        ImageOps.invert(opened.convert("L")).save(file, "PNG", compress_level=1)
    return file.getvalue()
