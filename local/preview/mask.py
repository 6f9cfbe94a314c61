"""Say which pixels may change: by garment, by words or by the caller's own picture, less what is to be kept."""

from __future__ import annotations

import re
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from . import fit
from .body import SIDES, Body, skin_likeness
from .cutout import Bits, Picture, PreviewError, f32, grow, tidy
from .garment import Region
from .warp import inside

Shape = Literal["contour", "bounding_box"]

UPPER_WORDS = "shirt tshirt tee top blouse sweater sweatshirt jumper hoodie jacket cardigan blazer vest polo pullover"
LOWER_WORDS = "trousers pants jeans shorts skirt leggings chinos slacks joggers"
WORDS: dict[Region, frozenset[str]] = {"upper": frozenset(UPPER_WORDS.split()), "lower": frozenset(LOWER_WORDS.split())}


def region_of_prompt(prompt: str) -> Region:
    """The region a mask prompt names. A keyword rule, no understanding of language: it knows the words in WORDS."""
    words = re.findall(r"[a-z]+", prompt.lower().replace("t-shirt", "tshirt"))
    named = {region for region, known in WORDS.items() if known & set(words)}
    if len(named) != 1:
        raise PreviewError(
            f"mask prompt {prompt!r}: the preview knows words for upper garments (shirt, jacket, ...) or lower ones"
            " (trousers, skirt, ...), one of the two per prompt; or send a mask picture"
        )
    return named.pop()


def garment_mask(body: Body, region: Region) -> Bits:
    """All a garment of this region may cover: torso and arms to the wrist, or waist and legs to the ankle."""
    reach = 0.03 * body.shoulder
    mask = grow(inside(fit.regions(body, region, 1.06), body.silhouette.shape), reach)
    return mask & grow(body.silhouette > 0.4, reach) if region == "upper" else mask


def image_mask(mask: Image.Image, size: tuple[int, int]) -> Bits:
    """The caller's mask, black = change. Raises PreviewError when it is not of the person picture's size."""
    if mask.size != size:
        raise PreviewError(f"the mask is {mask.size} pixels and the person picture {size}: send one of the same size")
    return np.asarray(np.asarray(mask.convert("L")) < 128)


def boxed(mask: Bits) -> Bits:
    """The bounding box of a mask."""
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    box = np.zeros_like(mask)
    box[y : y + height, x : x + width] = True
    return box


def head(body: Body, rgb: Picture) -> Bits:
    """Face, hair, and the skin of the neck down to the collar."""
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
    """Both hands from the wrist on: their skin where it shows, the whole region of a gloved hand."""
    unit, found = body.shoulder, np.zeros(body.silhouette.shape, bool)
    skin = skin_likeness(rgb, body.skin) > 0.25
    for side in SIDES:
        _, _, wrist, hand = body.arms[side]
        reach = float(np.linalg.norm(hand - wrist))
        along = (hand - wrist) / reach if reach > 1 else f32([0, 1])
        capsule = np.zeros(found.shape, np.uint8)
        start, end = (wrist + along * step for step in (0.10 * unit, max(0.42 * unit, 1.35 * reach)))
        cv2.line(capsule, start.astype(int).tolist(), end.astype(int).tolist(), 1, max(1, int(0.36 * unit)))
        region = (capsule > 0) & (body.silhouette > 0.45)
        bare = region & skin
        found |= tidy(bare, cv2.MORPH_CLOSE, 0.02 * unit) if bare.sum() > 0.2 * region.sum() else region
    return found


def without(mask: Bits, body: Body, rgb: Picture, *, face: bool, hands_too: bool, pose: bool) -> Bits:
    """The mask less what is to be kept; keeping the pose confines it to the person, whose outline then stays."""
    if face:
        mask = mask & ~head(body, rgb)
    if hands_too:
        mask = mask & ~hands(body, rgb)
    if pose:
        mask = mask & grow(body.silhouette > 0.4, 0.03 * body.shoulder)
    return mask
