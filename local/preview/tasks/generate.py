"""New pictures from words, colours and other pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ..cutout import Picture, blur, disc, f32, lab, resize_to
from .painting import chance, painting, palette_of, rgb_of

Size = tuple[int, int]  # width, height in pixels


def text_image(*, text: str, size: Size, seed: int, style: str = "") -> Image.Image:
    return Image.fromarray(painting(text, size, seed, style=style))


def conditioned(
    condition: Image.Image,
    *,
    text: str,
    size: Size,
    seed: int,
    style: str = "",
    mode: Literal["CANNY_EDGE", "SEGMENTATION"],
    strength: float,
) -> Image.Image:
    """Draw the condition's contours over the painting, or its areas in the painting's colours; strength 0 to 1."""
    base = f32(painting(text, size, seed, style=style))
    layout = np.asarray(_covering(condition, size))
    if mode == "CANNY_EDGE":
        smooth = cv2.GaussianBlur(cv2.cvtColor(layout, cv2.COLOR_RGB2GRAY), (0, 0), max(size) / 700)
        lines = cv2.dilate(cv2.Canny(np.asarray(smooth, np.uint8), 30, 90), disc(max(size) / 600))
        share, drawn = strength * blur(lines > 0, 0.7)[..., None], f32(0.18 * base)
    else:
        share, drawn = f32(strength), f32(_areas(layout, text, seed))
    return _picture(base * (1 - share) + drawn * share)


def _areas(layout: Picture, text: str, seed: int, count: int = 6) -> Picture:
    """Paint each of the picture's areas of like colour in one colour, shaded as it was."""
    small, _ = resize_to(layout, 240)
    colours = lab(small)
    cv2.setRNGSeed(7)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    start = np.zeros((colours.shape[0] * colours.shape[1], 1), np.int32)
    _, labels, _ = cv2.kmeans(colours.reshape(-1, 3), count, start, stop, 2, cv2.KMEANS_PP_CENTERS)
    tidied = cv2.medianBlur(labels.reshape(small.shape[:2]).astype(np.uint8), 5)
    areas = cv2.resize(tidied, layout.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    rng = chance("areas", text, seed)
    paint = palette_of(text, rng) + palette_of("", rng)
    coloured: Picture = np.asarray(paint[:count], np.uint8)[areas]
    return coloured


def colour_guided(*pictures: Image.Image, colours: Sequence[str], text: str, size: Size, seed: int) -> Image.Image:
    """Paint in colours (#RRGGBB). A reference picture is drawn in these and some of its own, lit from a side."""
    palette = [rgb_of(colour) for colour in colours]
    if not pictures:
        return Image.fromarray(painting(text, size, seed, palette=palette))
    reference = _covering(pictures[0], size)
    grey = np.asarray(reference.convert("L"))
    ladder = np.asarray(sorted(palette, key=sum), np.float32)
    steps = np.linspace(0, 255, len(ladder))
    mapped = np.stack([np.interp(np.arange(256), steps, channel) for channel in ladder.T], -1)[grey]
    angle, (y, x) = chance(text, seed).uniform(0, 6.3), np.mgrid[-1 : 1 : size[1] * 1j, -1 : 1 : size[0] * 1j]
    light = 1 + 0.12 * (np.cos(angle) * x + np.sin(angle) * y)
    return _picture((0.7 * mapped + 0.3 * f32(reference)) * light[..., None])


def variation(*pictures: Image.Image, text: str = "", size: Size, similarity: float, seed: int) -> Image.Image:
    """Turn, enlarge and recolour the first picture a little: the less alike, the more. similarity: 0.2 to 1."""
    rng, freedom = chance("variation", text, seed), 1.1 - similarity
    image = _covering(pictures[0], size)
    turn, zoom = rng.uniform(-5, 5) * freedom, 1.03 + 0.12 * freedom
    middle = (size[0] / 2, size[1] / 2)
    move = cv2.getRotationMatrix2D(middle, turn, zoom)
    moved = cv2.warpAffine(np.asarray(image), move, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    hsv = cv2.cvtColor(np.asarray(moved, np.uint8), cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + rng.choice([-1, 1]) * (4 + 16 * freedom)) % 180
    coloured = f32(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))
    tint = f32(palette_of(text, rng)[0]) if text else f32(coloured.mean((0, 1)))
    share = 0.15 * freedom
    return _picture(coloured * (1 - share) + tint * share + rng.uniform(-6, 6))


def _covering(image: Image.Image, size: Size) -> Image.Image:
    """Scale to cover the size, and cut off what sticks out on both sides alike."""
    return ImageOps.fit(image.convert("RGB"), size, Image.Resampling.LANCZOS)


def _picture(values: NDArray[Any]) -> Image.Image:
    return Image.fromarray(values.round().clip(0, 255).astype(np.uint8))
