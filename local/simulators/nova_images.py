"""The pictures of a Nova Canvas request: decoded, and refused where the documents do not allow them.

Source: docs.aws.amazon.com/nova/latest/userguide/image-gen-access.html, "Input images for image generation".
"""

from __future__ import annotations

import base64
import binascii
import io

import numpy as np
from PIL import Image, UnidentifiedImageError

from local.simulators.nova_request import MalformedError

MIN_SIDE, MAX_SIDE, MAX_ASPECT, MAX_PIXELS = 320, 4096, 4, 4_194_304


def picture(field: str, text: str) -> Image.Image:
    """An RGB picture. Raises MalformedError, naming the field and the rule."""
    image = _opened(field, text)
    if image.mode not in ("RGB", "RGBA"):
        raise MalformedError(f"{field}: the image must be 8 bit RGB, it is {image.mode}")
    if image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255):
        raise MalformedError(f"{field}: the image must not contain transparent or translucent pixels")
    return image.convert("RGB")


def mask(field: str, text: str, size: tuple[int, int]) -> Image.Image:
    """A mask in mode L, 0 (change) and 255 (keep) only; size: the source picture's. Raises MalformedError."""
    image = _opened(field, text)
    if image.size != size:
        raise MalformedError(f"{field}: the mask must be as large as the source image, {_by(size)}, it is {_by(image.size)}")
    pixels = np.asarray(image.convert("RGBA"))
    colours = pixels[..., :3].reshape(-1, 3)
    black, white = (colours == 0).all(axis=1), (colours == 255).all(axis=1)
    if not (black | white).all() or pixels[..., 3].min() < 255:
        raise MalformedError(f"{field}: the mask must contain only pure black and pure white pixels")
    if not black.any():
        raise MalformedError(f"{field}: the mask is all white, so there is nothing to edit; areas to edit are black")
    return Image.fromarray(np.where(white, np.uint8(255), np.uint8(0)).reshape(image.height, image.width))


def _opened(field: str, text: str) -> Image.Image:
    if text.startswith("data:"):
        raise MalformedError(f"{field}: expected a raw base64 string, found a data URL; leave out the prefix")
    try:
        image = Image.open(io.BytesIO(base64.b64decode(text, validate=True)))
        _check_file(field, image)
        image.load()
    except binascii.Error:
        raise MalformedError(f"{field}: not a valid base64 string") from None
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError):
        raise MalformedError(f"{field}: the image could not be read; it must be a whole PNG or JPEG") from None
    return image


def _check_file(field: str, image: Image.Image) -> None:
    short, long = sorted(image.size)
    if image.format not in ("PNG", "JPEG"):
        raise MalformedError(f"{field}: the image must be PNG or JPEG, it is {image.format}")
    if short < MIN_SIDE or long > MAX_SIDE:
        raise MalformedError(f"{field}: each side must be {MIN_SIDE} to {MAX_SIDE} pixels, it is {_by(image.size)}")
    if long > MAX_ASPECT * short:
        raise MalformedError(f"{field}: the aspect ratio must be between 1:4 and 4:1, the image is {_by(image.size)}")
    if image.width * image.height > MAX_PIXELS:
        raise MalformedError(f"{field}: at most {MAX_PIXELS} pixels in total, the image is {_by(image.size)}")


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
