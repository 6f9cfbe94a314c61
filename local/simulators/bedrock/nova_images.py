"""The pictures of a Nova Canvas request: decoded, and refused where the documents do not allow them.

Source: docs.aws.amazon.com/nova/latest/userguide/image-gen-access.html, "Input images for image generation".
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image

from local.simulators.bedrock.nova_schema import MAX_ASPECT, MAX_PIXELS, MAX_SIDE, MIN_SIDE
from local.simulators.kit.pictures import MalformedError, Rules, by, opened

RULES = Rules(
    formats=("PNG", "JPEG"), min_side=MIN_SIDE, max_side=MAX_SIDE, max_aspect=MAX_ASPECT, max_pixels=MAX_PIXELS
)


def picture(field: str, text: str) -> Image.Image:
    """Read an RGB picture. Raises MalformedError, naming the field and the rule."""
    image = opened(field, text, RULES)
    if image.mode not in ("RGB", "RGBA"):
        raise MalformedError(f"{field}: the image must be 8 bit RGB, it is {image.mode}")
    if image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255):
        raise MalformedError(f"{field}: the image must not contain transparent or translucent pixels")
    return image.convert("RGB")


def mask(field: str, text: str, source: Image.Image, *, edits: Literal["black", "white"] = "black") -> Image.Image:
    """Read a mask in mode L, 0 and 255 only, as it was sent. Raises MalformedError.

    edits: the colour of what changes: black, but for outpainting, where image-gen-access.html has "the model will change
    the areas colored white" and the request page calls the two tasks opposites.
    """
    image = opened(field, text, RULES)
    if image.mode not in ("RGB", "RGBA"):
        raise MalformedError(f"{field}: the mask must be 8 bit RGB, as every input image, it is {image.mode}")
    if image.size != source.size:
        raise MalformedError(f"{field}: the mask must be as large as the source image, {by(source)}, it is {by(image)}")
    pixels = np.asarray(image.convert("RGBA"))
    colours = pixels[..., :3].reshape(-1, 3)
    black, white = (colours == 0).all(axis=1), (colours == 255).all(axis=1)
    if not (black | white).all() or pixels[..., 3].min() < 255:
        raise MalformedError(f"{field}: the mask must contain only pure black and pure white pixels")
    if not (black if edits == "black" else white).any():
        other = "white" if edits == "black" else "black"
        raise MalformedError(
            f"{field}: the mask is all {other}, so there is nothing to edit; areas to edit are {edits}"
        )
    return Image.fromarray(np.where(white, np.uint8(255), np.uint8(0)).reshape(image.height, image.width))
