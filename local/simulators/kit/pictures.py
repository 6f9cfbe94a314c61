"""The pictures in a request: decoded, and refused where the vendor's documents do not allow them."""

from __future__ import annotations

import base64
import binascii
import io
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError


class MalformedError(Exception):
    """The request breaks the contract; the text names the place and the rule."""


@dataclass(frozen=True)
class Rules:
    """Sides and totals in pixels; aspect: the longest side by the shortest."""

    formats: tuple[str, ...]
    min_side: int
    max_side: int
    max_aspect: float
    max_pixels: int


def opened(field: str, text: str, rules: Rules) -> Image.Image:
    """Decode the picture, as it is stored. Raises MalformedError, naming the field and the rule."""
    if text.startswith("data:"):
        raise MalformedError(f"{field}: expected a raw base64 string, found a data URL; leave out the prefix")
    kinds = " or ".join(rules.formats)
    try:
        image = Image.open(io.BytesIO(base64.b64decode(text, validate=True)))
        if image.format not in rules.formats:
            raise MalformedError(f"{field}: the image must be {kinds}, it is {image.format}")
        _check_size(field, image, rules)
        image.load()
    except binascii.Error:
        raise MalformedError(f"{field}: not a valid base64 string") from None
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError):
        raise MalformedError(f"{field}: the image could not be read; it must be a whole {kinds}") from None
    return image


def _check_size(field: str, image: Image.Image, rules: Rules) -> None:
    short, long = sorted(image.size)
    if short < rules.min_side or long > rules.max_side:
        raise MalformedError(
            f"{field}: each side must be {rules.min_side} to {rules.max_side} pixels, it is {by(image)}"
        )
    if long > rules.max_aspect * short:
        ratio = f"{rules.max_aspect:g}"
        raise MalformedError(
            f"{field}: the aspect ratio must be between 1:{ratio} and {ratio}:1, the image is {by(image)}"
        )
    if image.width * image.height > rules.max_pixels:
        raise MalformedError(f"{field}: at most {rules.max_pixels} pixels in total, the image is {by(image)}")


def by(image: Image.Image) -> str:
    return f"{image.width}x{image.height}"
