"""Say which pixels may change: by garment, by words or by the caller's own picture, less what is to be kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from . import fit
from .body import SIDES, Body, skin_likeness
from .cutout import Bits, Picture, Points, PreviewError, f32, grow, tidy
from .garment import Region
from .warp import inside

Shape = Literal["contour", "bounding_box"]

UPPER_WORDS = "shirt tshirt tee top blouse sweater sweatshirt jumper hoodie jacket cardigan blazer vest polo pullover"
LOWER_WORDS = "trousers pants jeans shorts skirt leggings chinos slacks joggers"
FULL_WORDS = "dress gown outfit"
FOOT_WORDS = "shoe shoes sneaker sneakers trainers boot boots sandals heels loafers footwear"
WORDS: dict[Region, str] = {"upper": UPPER_WORDS, "lower": LOWER_WORDS, "full": FULL_WORDS, "foot": FOOT_WORDS}


def region_of_prompt(prompt: str) -> Region:
    """Return the region that a mask prompt names. It knows the words in WORDS, and understands no language."""
    words = re.findall(r"[a-z]+", prompt.lower().replace("t-shirt", "tshirt"))
    named = {region for region, known in WORDS.items() if set(known.split()) & set(words)}
    if len(named) != 1:
        raise PreviewError(
            f"mask prompt {prompt!r}: the preview knows words for upper garments (shirt, jacket, ...), lower ones"
            " (trousers, skirt, ...), dresses or shoes, one of the four per prompt; or send a mask picture"
        )
    return named.pop()


def garment_mask(body: Body, region: Region, falls: Sequence[Points] = ()) -> Bits:
    """Mask all a garment of this region may cover, and what `falls` beyond it (polygons: a flared skirt, a tall boot).

    Upper: torso and arms to the wrist; lower: waist and legs to the ankle; full: both; foot: both feet from the ankle.
    """
    if region == "full":
        return garment_mask(body, "upper") | garment_mask(body, "lower", falls)
    reach = 0.03 * body.shoulder
    mask = grow(inside([*fit.regions(body, region, 1.06), *falls], body.silhouette.shape), reach)
    return mask & grow(body.silhouette > 0.4, reach) if region == "upper" else mask


def image_mask(mask: Image.Image, size: tuple[int, int]) -> Bits:
    """Read the caller's mask, black = change. Raises PreviewError when it is not of the person picture's size."""
    if mask.size != size:
        raise PreviewError(f"the mask is {mask.size} pixels and the person picture {size}: send one of the same size")
    return np.asarray(np.asarray(mask.convert("L")) < 128)


def boxed(mask: Bits) -> Bits:
    """Return the bounding box of a mask."""
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    box = np.zeros_like(mask)
    box[y : y + height, x : x + width] = True
    return box


def head(body: Body, rgb: Picture) -> Bits:
    """Mask the face, the hair, and the skin of the neck down to the collar."""
    face, shape = body.face, body.silhouette.shape
    x, y, rx, ry = face.middle, face.y + 0.40 * face.size, 0.58 * face.size, 0.66 * face.size
    oval = np.zeros(shape, np.uint8)
    cv2.ellipse(oval, (int(x), int(y)), (int(rx), int(ry)), 0, 0, 360, 1, -1)
    brim = [(-1.6, 0.2), (-0.7, 0.9), (0.7, 0.9), (1.6, 0.2)]
    hair = [(x - 1.6 * rx, 0), *((x + dx * rx, y + dy * ry) for dx, dy in brim), (x + 1.6 * rx, 0)]
    collar = fit.shoulder_line(body, 0.19, 0.15)[4:-4]
    neck = [(x + 0.75 * rx, y + 0.7 * ry), (x - 0.75 * rx, y + 0.7 * ry), *collar]
    hair_bits = inside([f32(hair)], shape) & (body.silhouette > 0.5)
    neck_bits = inside([f32(neck)], shape) & (skin_likeness(rgb, body.skin) > 0.25)
    return tidy((oval > 0) | hair_bits | neck_bits, cv2.MORPH_CLOSE, 2)


def hands(body: Body, rgb: Picture) -> Bits:
    """Mask both hands from the wrist on: their skin where it shows, the whole region of a gloved hand."""
    unit, found = body.shoulder, np.zeros(body.silhouette.shape, bool)
    skin = skin_likeness(rgb, body.skin) > 0.25
    for side in SIDES:
        _, _, wrist, hand = body.arms[side]
        reach = float(np.linalg.norm(hand - wrist))
        along = (hand - wrist) / reach if reach > 1 else f32([0, 1])
        across = f32([along[1], -along[0]]) * 0.18 * unit
        near, far = wrist + along * 0.02 * unit, wrist + along * max(0.6 * unit, 1.35 * reach + 0.18 * unit)
        zone = f32([near - across, near + across, far + across, far - across])
        region = inside([zone], body.silhouette.shape) & (body.silhouette > 0.45)
        bare = region & skin
        found |= tidy(bare, cv2.MORPH_CLOSE, 0.02 * unit) if bare.sum() > 0.2 * region.sum() else region
    return found


def without(mask: Bits, body: Body, rgb: Picture, *, face: bool, hands_too: bool, pose: bool) -> Bits:
    """Take what is to be kept out of the mask; keeping the pose confines it to the person, whose outline then stays."""
    if face:
        mask = mask & ~head(body, rgb)
    if hands_too:
        mask = mask & ~hands(body, rgb)
    if pose:
        mask = mask & grow(body.silhouette > 0.4, 0.03 * body.shoulder)
    return mask
