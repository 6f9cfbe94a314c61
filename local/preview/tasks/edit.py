"""Change a part of a picture: repaint it, remove it, keep nothing but it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from PIL import Image

from ..cutout import Bits, Picture, blur, f32, grow, lab, resize_to
from .painting import chance, painting
from .regions import cutout, named


def inpainted(
    image: Image.Image, *, mask: Image.Image | None = None, prompt: str = "", text: str | None, seed: int
) -> Image.Image:
    """Inpaint where the mask is black, or what `prompt` names.

    The new picture is the text's painting or, without a text, the surroundings.
    """
    source = np.asarray(image.convert("RGB"))
    change = _region(source, mask, prompt)
    new = _lit(source, change, text, seed) if text else removed(source, change, seed)
    return Image.fromarray(np.where(change[..., None], new, source))


def blended(image: Image.Image, *, share: Image.Image, text: str, seed: int) -> Image.Image:
    """Blend in the text's painting by as much as `share` (mode L, 255: wholly) says at each pixel."""
    source, strength = np.asarray(image.convert("RGB")), f32(share) / 255
    new = _lit(source, strength > 0, text, seed) if strength.any() else source
    mixed = source + (f32(new) - source) * strength[..., None]
    return Image.fromarray(mixed.round().clip(0, 255).astype(np.uint8))


def outpainted(
    image: Image.Image, *, mask: Image.Image | None = None, prompt: str = "", text: str | None, precise: bool, seed: int
) -> Image.Image:
    """Paint all but where the mask is black, or what `prompt` names.

    Not precise: in part of the old colours, and old pixels fade out past the edge of what is kept.
    """
    source = np.asarray(image.convert("RGB"))
    keep = _region(source, mask, prompt)
    longest = max(source.shape)
    without = removed(source, keep, seed)
    usual = blur(without, 0.02 * longest)
    new = f32(painting(text, image.size, seed)) if text else f32(usual)
    if precise:
        result = new
    else:
        near = cv2.distanceTransform((~keep).astype(np.uint8), cv2.DIST_L2, 3) / (0.04 * longest)
        fade = np.clip(1 - near, 0, 1)[..., None] if keep.any() else 0.0
        result = (0.7 * new + 0.3 * usual) * (1 - fade) + source * fade
    result += chance("grain", seed).normal(0, 1.5, source.shape)
    return Image.fromarray(np.where(keep[..., None], source, result.round().clip(0, 255).astype(np.uint8)))


def without_background(image: Image.Image) -> Image.Image:
    """Return RGBA of the same size, with 8 bits of alpha: soft at the subject's edge."""
    source = image.convert("RGB")
    alpha = (cutout(np.asarray(source)) * 255).round().clip(0, 255).astype(np.uint8)
    source.putalpha(Image.fromarray(alpha))
    return source


def _region(source: Picture, mask: Image.Image | None, prompt: str) -> Bits:
    return named(source, prompt) if mask is None else np.asarray(np.asarray(mask) < 128)


def removed(source: Picture, change: Bits, seed: int) -> Picture:
    """Fill the region from its surroundings, as grainy as a photograph; from its own blur when nothing surrounds it."""
    if change.all():
        return blur(source, 0.05 * max(source.shape)).astype(np.uint8)
    small, _ = resize_to(source, min(360, max(source.shape)))
    hole = cv2.resize(change.astype(np.uint8), small.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    hole = grow(hole > 0, 1).astype(np.uint8)
    filled: Any = cv2.inpaint(np.ascontiguousarray(small), hole, 4, cv2.INPAINT_TELEA)
    smooth = np.where(hole[..., None] > 0, blur(filled, 2), filled)
    large: Any = cv2.resize(f32(smooth), source.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    large = large + chance("grain", seed).normal(0, 1.5, source.shape)
    return np.asarray(large.clip(0, 255), np.uint8)


def _lit(source: Picture, change: Bits, text: str, seed: int) -> Picture:
    """Paint the text over the region's box, with the broad light and dark of what was there."""
    x, y, width, height = cv2.boundingRect(change.astype(np.uint8))
    window = (slice(y, y + height), slice(x, x + width))
    old = lab(source[window])[..., 0]
    light = blur(old, 0.01 * max(source.shape)) + 20
    lit = painting(text, (width, height), seed) * (light / light.mean()).clip(0.6, 1.3)[..., None]
    new = source.copy()
    new[window] = lit.clip(0, 255).astype(np.uint8)
    return new
