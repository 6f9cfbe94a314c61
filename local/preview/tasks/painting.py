"""A landscape painted from words: their hash picks shapes and colours, and the names of colours in them are obeyed."""

from __future__ import annotations

import colorsys
import hashlib
import re
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from ..cutout import Picture, f32

Colour = tuple[int, int, int]  # RGB, 0 to 255
LAYERS = 5  # sky, sun and three ranges of hills
LONGEST = 768  # pixels: drawn at most this large, then enlarged


def chance(*facts: object) -> np.random.Generator:
    """Return random numbers that depend on these facts and on nothing else."""
    return np.random.default_rng(list(hashlib.sha256(repr(facts).encode()).digest()))


def rgb_of(colour: str) -> Colour:
    """Read #RRGGBB or a CSS name."""
    red, green, blue = ImageColor.getrgb(colour)[:3]
    return red, green, blue


def palette_of(text: str, rng: np.random.Generator) -> list[Colour]:
    """Return the colours that the words name, then others that go together."""
    words = re.findall(r"[a-z]+", text.lower())
    named = [rgb_of(word) for word in dict.fromkeys(words) if word in ImageColor.colormap]
    hue, step = rng.uniform(), rng.choice([0.08, 0.33, 0.5])
    others = [
        colorsys.hsv_to_rgb((hue + k * step) % 1, rng.uniform(0.35, 0.75), rng.uniform(0.45, 0.95))
        for k in range(LAYERS)
    ]
    mixed = [(round(255 * red), round(255 * green), round(255 * blue)) for red, green, blue in others]
    return (named + mixed)[:LAYERS]


def painting(
    text: str, size: tuple[int, int], seed: int, *, style: str = "", palette: Sequence[Colour] | None = None
) -> Picture:
    """Paint what the words name.

    size: width and height in pixels; palette: instead of the words' own, its first colour covers the most.
    """
    rng = chance(text, style, seed)
    colours = list(palette or palette_of(text, rng))
    scale = min(1.0, LONGEST / max(size))
    width, height = max(8, round(size[0] * scale)), max(8, round(size[1] * scale))
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j].astype(np.float32)
    canvas = _wash(colours[0], 1.06 - 0.14 * y)
    sun_x, sun_y, radius = rng.uniform(0.2, 0.8), rng.uniform(0.15, 0.4), rng.uniform(0.08, 0.16)
    sun = np.hypot((x - sun_x) * width, (y - sun_y) * height) < radius * min(width, height)
    canvas[sun] = colours[1 % len(colours)]
    for layer in range(2, LAYERS):
        hills = y > _skyline(x[0], 0.3 + 0.16 * layer, rng)
        shade = 1.05 - 0.12 * (y - 0.3)
        canvas = np.where(hills[..., None], _wash(colours[layer % len(colours)], shade), canvas)
    canvas += rng.normal(0, 2, (height, width, 1))
    enlarged = cv2.resize(canvas, size, interpolation=cv2.INTER_CUBIC if scale < 1 else cv2.INTER_AREA)
    return np.asarray(enlarged).clip(0, 255).astype(np.uint8)


def _wash(colour: Colour, shade: NDArray[np.float32]) -> NDArray[np.float32]:
    return f32(f32(colour) * shade[..., None])


def _skyline(x: NDArray[np.float32], middle: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return for each x in 0 to 1 the y, from 0 (top) to 1, above which a range of hills ends."""
    waves = ((2.0, 0.07), (5.0, 0.03), (13.0, 0.012))
    return f32(
        middle + sum(a * np.sin(2 * np.pi * f * rng.uniform(0.7, 1.3) * x + rng.uniform(0, 6.3)) for f, a in waves)
    )
