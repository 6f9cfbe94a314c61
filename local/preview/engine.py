"""The preview engine's public door: one person, one garment (a top, trousers, a skirt, a dress, shoes), one picture.

A classical method, not a generative model: it bends the garment's picture onto the person's outline. It stands in for a
vendor's model in local runs, so that whatever surrounds the model (masks, geometry, merge styles) can be tried for real.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from .body import Body, find_body, shows_a_face
from .compose import dress, seamless
from .cutout import Bits, Picture, PreviewError, garment_matte
from .garment import Garment, Region, guess_region, read
from .marking import PACKET
from .mask import Shape, boxed, garment_mask, image_mask, region_of_prompt, without
from .pieces import cut

__all__ = ["Preview", "PreviewError", "png", "try_on"]

Merge = Literal["balanced", "seamless", "detailed"]
LARGEST_GARMENT = 1536  # pixels of the longest side: more than a garment ever covers of a picture
NO_STYLING: Mapping[str, str] = {}
WHERE: Mapping[Region, str] = {"upper": "upper body", "lower": "lower body", "full": "body", "foot": "feet"}


@dataclass(frozen=True)
class Preview:
    image: Image.Image  # RGB, the size of the person picture
    mask: Image.Image  # "L", only 0 (changed) and 255 (kept), the same size


def try_on(
    person: Image.Image,
    garment: Image.Image,
    *,
    region: Region | Literal["auto"],
    shape: Shape = "contour",
    mask: Image.Image | None = None,
    prompt: str | None = None,
    keep_face: bool = True,
    keep_hands: bool = True,
    keep_pose: bool = False,
    styling: Mapping[str, str] = NO_STYLING,
    merge: Merge = "balanced",
    seed: int = 0,
) -> Preview:
    """Put the garment on the person.

    `mask` (black = change, the person picture's size) or else `prompt` (words for a garment) says what may change; with
    neither it is all the region's garment may cover, and with `region="auto"` the garment's outline names the region.
    What is to be kept leaves the mask whatever it came from. `styling` holds values of Nova Canvas's garmentStyling:
    SLEEVE_UP and TUCKED are drawn; OPEN looks as CLOSED. "balanced" leaves every pixel outside the mask as it was, so does
    "detailed", which works on an enlarged crop; "seamless" changes all of them slightly. Same seed, same pixels.

    Raises PreviewError when no upright person or no garment is found, the mask leaves nothing to change, or the pictures
    ask for what the engine cannot draw.
    """
    source = np.array(person.convert("RGB"))
    if prompt is not None and mask is None:
        region = region_of_prompt(prompt)
    worn = _read_garment(garment, region)
    body = find_body(source)
    falls = [
        patch.body for patch in cut(worn, body, NO_STYLING, 1.03, 1.06)[0] if patch.name in ("dress", "skirt", "shoe")
    ]
    possible = garment_mask(body, worn.region, falls)
    change = boxed(possible) if shape == "bounding_box" else possible
    if mask is not None:
        change = image_mask(mask, person.size)
        if not (change & possible).any():
            raise PreviewError(
                f"the mask's black part does not touch the {WHERE[worn.region]}, where this garment goes"
            )
    change = without(change, body, source, face=keep_face, hands_too=keep_hands, pose=keep_pose)
    if not change.any():
        raise PreviewError("nothing is left to change: the mask holds only what is to be kept")
    dressed = _draw(source, body, change, worn, styling, seed, sharper=merge == "detailed")
    result = (
        seamless(source, dressed, change, seed) if merge == "seamless" else np.where(change[..., None], dressed, source)
    )
    return Preview(Image.fromarray(result), Image.fromarray(np.where(change, 0, 255).astype(np.uint8)))


def _draw(
    source: Picture,
    body: Body,
    change: Bits,
    garment: Garment,
    styling: Mapping[str, str],
    seed: int,
    *,
    sharper: bool,
) -> Picture:
    """Draw the dressed person: only a crop round the mask is worked on, enlarged up to twice when `sharper`."""
    x, y, width, height = _around(change, 0.3 * body.shoulder)
    enlarged = float(np.clip(2048 / max(width, height), 1, 2)) if sharper else 1.0
    size = (round(width * enlarged), round(height * enlarged))
    window = (slice(y, y + height), slice(x, x + width))
    crop = np.asarray(cv2.resize(source[window], size, interpolation=cv2.INTER_CUBIC), np.uint8)
    crop_change = cv2.resize(change[window].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    near = body.view(x, y, enlarged, size)

    rng = np.random.default_rng(seed)  # the cloth's length and looseness vary a little, as a model's would
    stretch, ease = 1 + rng.uniform(-0.03, 0.03), 1.04 + rng.uniform(-0.015, 0.02)
    patches, hem = cut(garment, near, styling, stretch, ease)
    drawn = dress(crop, garment, patches, hem, np.asarray(crop_change), near, seed)
    dressed = source.copy()
    dressed[window] = cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA)
    return dressed


def _read_garment(garment: Image.Image, region: Region | Literal["auto"]) -> Garment:
    """Read the garment, at a size that suffices."""
    small = garment.convert("RGBA")
    small.thumbnail((LARGEST_GARMENT, LARGEST_GARMENT))
    pixels = np.array(small)
    rgb = np.ascontiguousarray(pixels[..., :3])
    if shows_a_face(rgb):
        raise PreviewError("somebody wears the garment in its picture: the preview needs it alone on a plain backdrop")
    matte = garment_matte(rgb, pixels[..., 3])
    try:
        return read(rgb, matte, guess_region(rgb, matte) if region == "auto" else region)
    except PreviewError:
        raise
    except (IndexError, ValueError) as error:  # an edge the reading looks for is not there
        raise PreviewError("the garment's outline cannot be read: show it whole, upright and laid flat") from error


def _around(change: Bits, margin: float) -> tuple[int, int, int, int]:
    """Return x, y, width, height of the mask's box, with a margin that shows some of the skin and light around it."""
    x, y, width, height = cv2.boundingRect(change.astype(np.uint8))
    left, top = max(0, int(x - margin)), max(0, int(y - margin))
    right, bottom = min(change.shape[1], int(x + width + margin)), min(change.shape[0], int(y + height + margin))
    return left, top, right - left, bottom - top


def png(image: Image.Image, *, label: Mapping[str, str]) -> bytes:
    """Write the picture as PNG bytes whose text chunks say what made it; the pixels stay free of any marking.

    `label` adds or replaces text chunks (key: value, Latin-1).
    """
    info = PngInfo()
    made_by = {
        "Software": "Fitting Room preview engine",
        "Comment": "Local preview by classical image processing, not the output of a generative model",
    }
    for key, value in {**made_by, **label}.items():
        info.add_text(key, value)
    info.add_itxt("XML:com.adobe.xmp", PACKET.decode())
    out = io.BytesIO()
    image.save(out, "PNG", pnginfo=info, compress_level=4)
    return out.getvalue()
