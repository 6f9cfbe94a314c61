"""Pictures as bytes. Nothing but pixels is written: no EXIF, no profile, no comment."""

from __future__ import annotations

import io
from typing import Literal

from PIL import Image

MediaType = Literal["image/png", "image/jpeg"]

QUALITIES = (95, 92, 90, 88, 85)


def to_png(image: Image.Image) -> bytes:
    """Return the image as a PNG, compressed with zlib level 1.

    Measured against the default level: a grainy photo is 3 % larger in 0.9 of the time. A smooth picture is 16 to 30
    % larger in a third to a sixth of the time. A flat drawing is 3 times as large in 0.6 of the time.
    """
    return _saved(image, "PNG", compress_level=1)


def to_jpeg(image: Image.Image, quality: int, *, full_colour: bool = True) -> bytes:
    """Return the image as a JPEG, with full-resolution colour (4:4:4) or a quarter of it (4:2:0).

    A garment's edge is often an edge of colour only.
    """
    return _saved(image, "JPEG", quality=quality, subsampling=0 if full_colour else 2)


def to_webp(image: Image.Image, quality: int) -> bytes:
    return _saved(image, "WEBP", quality=quality)


def within(image: Image.Image, max_bytes: int | None) -> tuple[bytes, MediaType] | None:
    """Return the image as a PNG if that fits into `max_bytes`, else as the best JPEG that does.

    The quality is 95 down to 85. None if no JPEG fits.
    """
    png = to_png(image)
    if max_bytes is None or len(png) <= max_bytes:
        return png, "image/png"
    for quality in QUALITIES:
        jpeg = to_jpeg(image, quality)
        if len(jpeg) <= max_bytes:
            return jpeg, "image/jpeg"
    return None


def _saved(image: Image.Image, file_format: str, **options: int) -> bytes:
    plain = image.copy() if image.info else image
    plain.info = {}
    file = io.BytesIO()
    plain.save(file, file_format, **options)
    return file.getvalue()
