"""Part a subject from its backdrop, and the picture types every module here shares.

Pictures are (H, W, 3) uint8 RGB; mattes are (H, W) float32 from 0 (backdrop) to 1 (subject).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Matte = NDArray[np.float32]
Bits = NDArray[np.bool_]
Points = NDArray[np.float32]  # (n, 2), x then y, in pixels


class PreviewError(ValueError):
    """The pictures lack something the preview needs, or ask for something it cannot do."""


def f32(values: Any) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)


def disc(radius: float) -> NDArray[np.uint8]:
    """Return a round structuring element of at least 3 x 3 pixels."""
    side = 2 * max(1, int(radius)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def grow(bits: Bits, radius: float) -> Bits:
    return np.asarray(cv2.dilate(bits.astype(np.uint8), disc(radius)) > 0)


def tidy(bits: Bits, operation: int, radius: float) -> Bits:
    """Open or close a yes/no picture morphologically."""
    return np.asarray(cv2.morphologyEx(bits.astype(np.uint8), operation, disc(radius)) > 0)


def blur(values: NDArray[Any], sigma: float) -> NDArray[np.float32]:
    return f32(cv2.GaussianBlur(f32(values), (0, 0), max(0.3, sigma)))


def resize_to(picture: NDArray[Any], longest: int) -> tuple[NDArray[Any], float]:
    """Resize the picture so that its longest side has `longest` pixels, and return the scale, too."""
    scale = longest / max(picture.shape[:2])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=method)), scale


def lab(rgb: Picture) -> NDArray[np.float32]:
    """Convert to CIE Lab: lightness 0 to 100, then two colour axes."""
    return f32(cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB))


def backdrop_distance(rgb: Picture) -> tuple[Matte, bool]:
    """Measure each pixel's distance in colour to a smooth backdrop fitted to the border, and say if that is plain."""
    height, width = rgb.shape[:2]
    colours = lab(rgb)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], -1)
    rim = max(2, int(0.03 * max(height, width)))
    border = np.ones((height, width), bool)
    border[rim:-rim, rim:-rim] = False
    used = border
    for _ in range(3):  # drop border pixels that belong to the subject, then fit again
        fit, *_ = np.linalg.lstsq(terms[used], colours[used], rcond=None)
        distance = np.linalg.norm((colours - terms @ fit) * f32([0.8, 1.3, 1.3]), axis=2)
        used = border & (distance <= max(4.0, 2.5 * float(np.median(distance[used]))))
    return f32(distance), float((distance[border] < 9).mean()) > 0.8


def grabcut(rgb: Picture, hints: NDArray[np.uint8], rounds: int) -> Bits:
    """Find the foreground by GrabCut, started from its four hint values; the same hints give the same answer."""
    cv2.setRNGSeed(7)
    back, front = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(np.ascontiguousarray(rgb[..., ::-1]), hints, (0, 0, 0, 0), back, front, rounds, cv2.GC_INIT_WITH_MASK)
    return np.isin(hints, (cv2.GC_FGD, cv2.GC_PR_FGD))


def snap_to_edges(rgb: Picture, matte: Matte, radius: int, smoothness: float) -> Matte:
    """Pull a coarse matte onto the edges of the picture with a guided filter."""

    def mean(values: NDArray[Any]) -> Matte:
        return f32(cv2.boxFilter(values, -1, (2 * radius + 1, 2 * radius + 1)))

    grey = f32(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)) / 255
    mean_grey, mean_matte = mean(grey), mean(matte)
    slope = (mean(grey * matte) - mean_grey * mean_matte) / (mean(grey * grey) - mean_grey**2 + smoothness)
    return f32((mean(slope) * grey + mean(mean_matte - slope * mean_grey)).clip(0, 1))


def fill_holes(bits: Bits, largest: float) -> Bits:
    """Fill holes of at most `largest` pixels."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((~bits).astype(np.uint8))
    edge = set(labels[0]) | set(labels[-1]) | set(labels[:, 0]) | set(labels[:, -1])
    holes = [k for k in range(1, count) if k not in edge and stats[k, cv2.CC_STAT_AREA] <= largest]
    return np.asarray(bits | np.isin(labels, holes))


def garment_matte(rgb: Picture, alpha: Picture | None = None) -> Matte:
    """Cut out the garment of a product picture: its own alpha channel (H, W), or all that is not the plain backdrop.

    Raises PreviewError when neither tells the garment from its backdrop.
    """
    if alpha is not None and (alpha < 250).mean() > 0.02:
        return f32(alpha / np.float32(255))
    small, scale = resize_to(rgb, 480)
    distance, _ = backdrop_distance(small)
    distance = blur(distance, 0.8)
    otsu, _ = cv2.threshold(np.clip(distance * 4, 0, 255).astype(np.uint8), 0, 255, cv2.THRESH_OTSU)
    found = distance > np.clip(0.7 * otsu / 4, 4, 22)  # low enough for pale cloth, above a soft shadow
    pale = _beyond_an_edge(small) & (distance < 8)  # a shadow held in by an edge is darker
    found |= tidy(pale, cv2.MORPH_OPEN, 3)
    found = tidy(tidy(found, cv2.MORPH_CLOSE, 2), cv2.MORPH_OPEN, 1)
    found = fill_holes(found, found.size)
    if not 0.02 < found.mean() < 0.9:
        raise PreviewError("the garment picture shows no garment on a plain backdrop: send one, or a PNG with alpha")
    _, labels, stats, _ = cv2.connectedComponentsWithStats(found.astype(np.uint8))
    specks = np.flatnonzero(stats[:, cv2.CC_STAT_AREA] < 0.04 * found.sum())
    found &= ~np.isin(labels, specks)
    matte = cv2.resize(f32(found), rgb.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    matte = blur(matte, max(0.6, 0.4 / scale)).clip(0, 1)
    sharp = snap_to_edges(rgb, f32(matte), max(2, int(0.004 * max(rgb.shape))), 4e-4)
    return f32(((sharp - 0.35) / 0.45).clip(0, 1))


def _beyond_an_edge(rgb: Picture) -> Bits:
    """Find what tiny steps of colour from the border cannot reach: white soles on white, but no soft shadow."""
    calm = np.asarray(cv2.medianBlur(cv2.bilateralFilter(rgb, 5, 12, 3), 3))
    height, width = rgb.shape[:2]
    seen = np.zeros((height + 2, width + 2), np.uint8)
    flags, step = 4 | (1 << 8) | cv2.FLOODFILL_MASK_ONLY, (2, 2, 2)
    border = [(x, y) for x in range(0, width, 9) for y in (0, height - 1)]
    border += [(x, y) for y in range(0, height, 9) for x in (0, width - 1)]
    for x, y in border:
        if not seen[y + 1, x + 1]:
            cv2.floodFill(calm, seen, (x, y), (0, 0, 0), step, step, flags)
    unseen = seen[1:-1, 1:-1] == 0
    return unseen if unseen.mean() < 0.9 else np.zeros_like(unseen)


def bleed(rgb: Picture, matte: Matte) -> Picture:
    """Spread the garment's colours past its edge, so that a warped border never picks up the backdrop."""
    solid = matte > 0.9
    _, nearest = cv2.distanceTransformWithLabels(
        (~solid).astype(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    colour_of = np.zeros((int(nearest.max()) + 1, 3), np.uint8)
    colour_of[nearest[solid]] = rgb[solid]
    return np.where(solid[..., None], rgb, colour_of[nearest])
