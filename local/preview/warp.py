"""Bend a piece of a garment onto a piece of a body, by the edges the two have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .cutout import Bits, Matte, Picture, Points, f32


@dataclass(frozen=True)
class Patch:
    """A closed ring on the body, the ring it comes from on the garment, and the body's edges where cloth turns away."""

    name: str
    body: Points  # (n, 2)
    garment: Points  # (n, 2)
    sides: list[Points]
    roundness: float  # how much cloth darkens towards the sides, 0 to 1


@dataclass(frozen=True)
class Layer:
    """A patch in the person's picture: all (H, W[, 3]) float32."""

    name: str
    colour: NDArray[np.float32]
    cover: Matte
    relief: Matte


def ring(*edges: Any) -> NDArray[np.float32]:
    """Join edges, each of which starts where the one before it ended, without the repeated corners."""
    return f32(np.concatenate([f32(edge)[:-1] for edge in edges]))


def fill(polygons: list[Points], shape: tuple[int, int], soft: bool = False) -> NDArray[np.uint8]:
    """Draw polygons (H, W) uint8: 255 inside any of them, with in-between values at the edge when `soft`."""
    canvas = np.zeros(shape, np.uint8)
    for polygon in polygons:
        corners = [np.round(polygon * 8).astype(np.int32)]
        cv2.fillPoly(canvas, corners, 255, cv2.LINE_AA if soft else cv2.LINE_8, 3)
    return canvas


def inside(polygons: list[Points], shape: tuple[int, int]) -> Bits:
    return np.asarray(fill(polygons, shape) > 0)


def bend(patch: Patch, garment: Picture, matte: Matte, shape: tuple[int, int]) -> Layer:
    """Rasterise a patch by a thin-plate spline from the body's ring to the garment's."""
    (left, top), (right, bottom) = patch.body.min(0) - 2, patch.body.max(0) + 3
    x0, y0 = max(0, int(left)), max(0, int(top))
    x1, y1 = min(shape[1], int(right)), min(shape[0], int(bottom))
    empty = np.zeros(shape, np.float32)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return Layer(patch.name, np.zeros((*shape, 3), np.float32), empty, empty + 1)
    size = (x1 - x0, y1 - y0)
    columns, rows = max(2, size[0] // 6), max(2, size[1] // 6)  # the spline is smooth: a coarse grid will do
    x = x0 + (np.arange(columns) + 0.5) * size[0] / columns - 0.5
    y = y0 + (np.arange(rows) + 0.5) * size[1] / rows - 0.5
    grid = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    coarse = f32(_spline(patch.body, patch.garment, grid)).reshape(rows, columns, 2)
    source_x, source_y = cv2.split(cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR))

    window = (slice(y0, y1), slice(x0, x1))
    colour, cover, relief = f32(np.zeros((*shape, 3))), empty, f32(np.ones(shape))
    colour[window] = cv2.remap(garment, source_x, source_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    polygon = f32(fill([patch.body], shape, soft=True)[window]) / 255
    cover[window] = cv2.remap(matte, source_x, source_y, cv2.INTER_LINEAR) * polygon
    relief[window] = 1 - patch.roundness * _turning(patch, shape)[window]
    return Layer(patch.name, colour, cover, relief)


def _turning(patch: Patch, shape: tuple[int, int]) -> Matte:
    """Measure how far cloth round a limb has turned away from the eye: 1 at the sides, 0 well inside."""
    clear = np.full(shape, 255, np.uint8)
    cv2.polylines(clear, [np.round(side).astype(np.int32) for side in patch.sides], False, 0)
    distance = cv2.distanceTransform(clear, cv2.DIST_L2, 5)
    depth = distance / max(1.0, 0.7 * float(distance[inside([patch.body], shape)].max(initial=1)))
    return f32(1 - np.sqrt(1 - 0.96 * (1 - depth.clip(0, 1)) ** 2))


def _spline(knots: Points, values: NDArray[np.float32], at: NDArray[Any]) -> NDArray[np.float64]:
    """Fit a thin-plate spline: the smoothest map of the knots (n, 2) to their values (n, k), evaluated `at` (m, 2)."""
    centre, spread = knots.mean(0), max(float(knots.std()), 1.0)
    knots, at = (knots - centre) / spread, (at - centre) / spread

    def kernel(points: NDArray[Any]) -> NDArray[np.float64]:
        squared = ((points[:, None] - knots[None]) ** 2).sum(-1).astype(np.float64)
        return np.asarray(squared * np.log(np.maximum(squared, 1e-12)))

    def plane(points: NDArray[Any]) -> NDArray[np.float64]:
        return np.column_stack([np.ones(len(points)), points]).astype(np.float64)

    count = len(knots)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = kernel(knots) + 1e-6 * np.eye(count)
    system[:count, count:] = plane(knots)
    system[count:, :count] = plane(knots).T
    weights = np.linalg.lstsq(system, np.vstack([values, np.zeros((3, values.shape[1]))]), rcond=None)[0]
    return np.asarray(kernel(at) @ weights[:count] + plane(at) @ weights[count:])
