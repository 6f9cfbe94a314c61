"""Real pictures for the image tests, made here so that every file's history is known."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, ImageDraw


def scene(width: int, height: int) -> Image.Image:
    """A smooth picture with a red top left and a blue bottom right corner, so that turns and crops can be told."""
    ramp = Image.linear_gradient("L").resize((width, height))
    image = Image.merge("RGB", (ramp, ramp.transpose(Image.Transpose.FLIP_TOP_BOTTOM), ramp.point([128] * 256)))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width // 4, height // 4), fill=(255, 0, 0))
    draw.rectangle((width - width // 4, height - height // 4, width, height), fill=(0, 0, 255))
    return image


def noise(width: int, height: int) -> Image.Image:
    return Image.merge("RGB", [Image.effect_noise((width, height), 80) for _ in "rgb"])


def saved(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def sideways(image: Image.Image, orientation: int, file_format: str = "JPEG") -> bytes:
    """`image` as a camera stores it: pixels turned the other way, EXIF saying how to turn them back, and a place name."""
    back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = "Elm Street 5"
    stored = image.transpose(back[orientation]) if orientation in back else image
    return saved(stored, file_format, exif=exif, **({"quality": 92} if file_format == "JPEG" else {}))


def close(left: tuple[int, ...], right: tuple[int, ...], by: int = 6) -> bool:
    return all(abs(a - b) <= by for a, b in zip(left, right, strict=True))
