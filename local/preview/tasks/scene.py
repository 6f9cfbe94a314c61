"""Put an object into a scene: a couch in a room, a logo on a wall."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from ..compose import seamless
from ..cutout import Bits, Matte, Picture, blur, f32
from ..engine import Merge, Preview
from ..mask import Shape, boxed
from .edit import removed
from .painting import chance
from .regions import named, subject_matte


def placed(
    scene: Image.Image,
    thing: Image.Image,
    *,
    mask: Image.Image | None = None,
    prompt: str = "",
    shape: Shape = "bounding_box",
    merge: Merge = "balanced",
    seed: int = 0,
) -> Preview:
    """Place the thing, cut out of its picture, as large as the mask's box holds.

    mask: 0 (change) and 255 (keep), the scene's size; without one, what `prompt` names, or the box round it. In the
    scene's lower half it stands at the box's foot with a shadow under it; higher up it hangs in the middle.
    """
    source = np.asarray(scene.convert("RGB"))
    change = np.asarray(mask) < 128 if mask is not None else named(source, prompt)
    if mask is None and shape == "bounding_box":
        change = boxed(change)
    colour, cover, shadow = _fitted(thing, change, seed)
    picture = f32(removed(source, change, seed)) * (1 - 0.45 * shadow * (1 - cover))[..., None]
    drawn = (picture + (colour - picture) * cover[..., None]).clip(0, 255).astype(np.uint8)
    result = (
        seamless(source, drawn, change, seed) if merge == "seamless" else np.where(change[..., None], drawn, source)
    )
    return Preview(Image.fromarray(result), Image.fromarray(np.where(change, 0, 255).astype(np.uint8)))


def _fitted(thing: Image.Image, change: Bits, seed: int) -> tuple[Picture, Matte, Matte]:
    """Return the thing's colours, cover and shadow, each of the scene's size."""
    colour, matte = _cut_out(thing)
    rows, columns = np.nonzero(matte > 0.3)
    part = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    colour, matte = colour[part], matte[part]
    x, y, width, height = cv2.boundingRect(change.astype(np.uint8))
    scale = min(width / matte.shape[1], height / matte.shape[0]) * chance("scale", seed).uniform(0.94, 1)
    across, down = max(1, round(matte.shape[1] * scale)), max(1, round(matte.shape[0] * scale))
    stands = y + height > 0.6 * change.shape[0]
    left, top = x + (width - across) // 2, y + (height - down if stands else (height - down) // 2)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    window = (slice(top, top + down), slice(left, left + across))
    large, cover, shadow = (
        np.zeros((*change.shape, 3), np.uint8),
        np.zeros(change.shape, np.float32),
        np.zeros(change.shape),
    )
    large[window] = cv2.resize(colour, (across, down), interpolation=method)
    cover[window] = cv2.resize(matte, (across, down), interpolation=method).clip(0, 1)
    if stands:
        middle, size = (left + across // 2, top + down - 1), (max(1, round(0.47 * across)), max(1, round(0.04 * down)))
        cv2.ellipse(shadow, middle, size, 0, 0, 360, 1, -1)
    return large, cover, blur(shadow, 0.02 * across)


def _cut_out(thing: Image.Image) -> tuple[Picture, Matte]:
    pixels = np.asarray(thing.convert("RGBA"))
    colour, alpha = np.ascontiguousarray(pixels[..., :3]), pixels[..., 3]
    matte = f32(alpha) / 255 if alpha.min() < 250 else subject_matte(colour)
    return colour, f32(matte if (matte > 0.3).any() else np.ones_like(matte))
