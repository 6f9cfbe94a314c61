"""Read the outline of a garment laid flat: the corners and edges that have a counterpart on a body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from .body import SIDES, Side
from .cutout import Bits, Matte, Picture, Points, PreviewError, blur, f32, lab, resize_to

Region = Literal["upper", "lower", "full", "foot"]
WORKING_SIDE = 512
LEGS_AND_A_BODICE = "the preview draws dresses and skirts on the full body, no jumpsuits or other outfits with two legs"


@dataclass(frozen=True)
class TopHalf:
    """One side of a top. Points in pixels of the garment picture."""

    shoulder: Points  # (2,), where the sleeve or the armhole begins
    neck: Points  # (2,), where the shoulder meets the collar
    seam: Points  # from the armpit down to the hem
    sleeve: tuple[Points, Points] | None  # outer edge from the shoulder, inner edge from the armpit, both to the cuff


@dataclass(frozen=True)
class Top:
    halves: dict[Side, TopHalf]
    collar_depth: float  # how far the front collar hangs below the neck corners
    hem: Points  # from left to right


@dataclass(frozen=True)
class Bottom:
    """Trousers, shorts or a skirt: waist to hem along the outside, crotch to hem along the inside (none: a skirt)."""

    outsides: dict[Side, Points]
    insides: dict[Side, Points] | None


@dataclass(frozen=True)
class Shoe:
    """A shoe from its opening down to the sole, for one foot. Its left is the picture's right where it is mirrored."""

    outsides: dict[Side, Points]
    height: float  # in widths of a foot

    @property
    def mirrored(self) -> Shoe:
        return Shoe({"left": self.outsides["right"], "right": self.outsides["left"]}, self.height)


Shoes = dict[Side, Shoe]


@dataclass(frozen=True)
class Garment:
    """A product picture, what of it is the garment, and how its outline reads where it is to be worn."""

    cloth: Picture
    matte: Matte
    region: Region
    outline: Top | Bottom | Shoes


def smooth(values: Any, width: float) -> NDArray[np.float32]:
    """Smooth a row of numbers over about `width` of them, by a Gaussian."""
    odd = max(1, int(width)) | 1
    column = f32(values)[:, None]
    return f32(cv2.GaussianBlur(column, (1, odd), 0, borderType=cv2.BORDER_REPLICATE)[:, 0])


def resample(line: Any, count: int, upto: float = 1.0) -> Points:
    """Return `count` evenly spaced points on a polyline, as far as the share `upto` of its length."""
    line = f32(line)
    travelled = np.r_[0, np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))]
    at = np.linspace(0, upto, count) * travelled[-1]
    return f32(np.column_stack([np.interp(at, travelled, line[:, k]) for k in (0, 1)]))


def guess_region(rgb: Picture, matte: Matte) -> Region:
    """Guess the region from the garment's outline.

    Two like things are a pair of shoes. Two legs, or a waist that only widens, are a lower garment. A top
    much longer than wide is a dress. One shoe alone is taken for a top.
    """
    cloth, _ = _small(matte)
    areas = [part.sum() for part in _parts(cloth)]
    if len(areas) == 2 and min(areas) > 0.6 * max(areas):
        return "foot"
    _only_part(cloth)
    if _crotch(cloth) is not None:
        return "lower"
    rows = np.flatnonzero(cloth.any(1))
    widths = cloth[rows].sum(1).astype(float)
    third = len(rows) // 3
    waist = widths[len(rows) // 50 : len(rows) // 12].mean()
    flat_top = cloth[rows[0] + len(rows) // 50].any() and _neckline_dip(cloth) < 0.02 * len(rows)
    widens = widths[third : 2 * third].mean() > waist and widths[-third:].mean() > widths[third : 2 * third].mean()
    if flat_top and widens:
        return "lower"
    left, right = (half.seam for half in read_top(rgb, matte).halves.values())
    return "full" if left[-1, 1] - left[0, 1] > 1.55 * (right[0, 0] - left[0, 0]) else "upper"


def read(rgb: Picture, matte: Matte, region: Region) -> Garment:
    """Read what is to be worn on a region. Raises PreviewError when the picture shows something else."""
    if region == "foot":
        return Garment(rgb, matte, region, read_shoes(matte))
    cloth, _ = _small(matte)
    _only_part(cloth)
    crotch = _crotch(cloth)
    if crotch is not None and (
        region == "full" or crotch[1] - np.flatnonzero(cloth.any(1))[0] > 1.15 * cloth[crotch[1] - 3].sum()
    ):
        raise PreviewError(LEGS_AND_A_BODICE)
    return Garment(rgb, matte, region, read_bottom(matte) if region == "lower" else read_top(rgb, matte))


def _parts(cloth: Bits) -> list[Bits]:
    """Separate the things in the picture, from left to right, without small stuff."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(cloth.astype(np.uint8))
    areas = stats[:, cv2.CC_STAT_AREA]
    big = [k for k in range(1, count) if areas[k] > 0.25 * areas[1:].max()]
    return [np.asarray(labels == k) for k in sorted(big, key=lambda k: stats[k, cv2.CC_STAT_LEFT])]


def _only_part(cloth: Bits) -> None:
    if len(_parts(cloth)) > 1:
        raise PreviewError("the garment picture shows several things: send one garment, or a pair of shoes")


def _small(matte: Matte) -> tuple[Bits, float]:
    small, scale = resize_to(matte, WORKING_SIDE)
    return np.asarray(small > 0.5), scale


def _neckline_dip(cloth: Bits) -> float:
    top = np.where(cloth.any(0), cloth.argmax(0), len(cloth))
    x = np.flatnonzero(cloth.any(0))
    return float(top[int(x.mean())] - top.min())


def _crotch(cloth: Bits) -> tuple[int, int] | None:
    """Find where two legs part (x, y), None where they do not."""
    rows = np.flatnonzero(cloth.any(1))
    top, bottom = int(rows[0]), int(rows[-1])
    height = bottom - top
    belt = np.flatnonzero(cloth[top + int(0.03 * height)])
    middle, reach = int(belt[[0, -1]].mean()), max(2, int(0.05 * np.ptp(belt)))
    closed = np.flatnonzero(cloth[:, middle - reach : middle + reach].all(1))
    y = int(closed[-1]) + 1 if len(closed) else bottom
    if bottom - y < 0.12 * height:
        return None
    gap = np.flatnonzero(~cloth[y, middle - reach : middle + reach])
    return middle - reach + int(gap.mean()), y


def read_shoes(matte: Matte) -> Shoes:
    """Read a shoe for each foot; one alone is mirrored for the other. Sideways shoes point outwards, as feet do."""
    cloth, scale = _small(matte)
    parts = _parts(cloth)
    if len(parts) > 2:
        raise PreviewError(f"the picture shows {len(parts)} things: send one shoe or a pair")
    shoes: Shoes = {}
    for side, part in zip(SIDES, [parts[0], parts[-1]], strict=True):
        outsides = {edge: line / scale for edge, line in _sides(part).items()}
        middle = (outsides["left"] + outsides["right"])[:, 0] / 2
        width, height = np.ptp([*outsides.values()], axis=(0, 1))
        quarter = len(middle) // 4
        lean = float(middle[-quarter:].mean() - middle[:quarter].mean()) / width
        sideways = abs(lean) > 0.15  # the toe points to a side: what is wide there is the foot's length, not its width
        shoe = Shoe(outsides, float(2.7 * height / width if sideways else height / width - 1))  # or seen from above
        wrong = lean * SIDES[side] < 0 if sideways else len(parts) == 1 and side == "right"
        shoes[side] = shoe.mirrored if wrong else shoe
    return shoes


def _sides(cloth: Bits) -> dict[Side, Points]:
    """Return the outer edges from top to bottom, but for the outermost rows."""
    rows = np.flatnonzero(cloth.any(1))
    y = np.arange(rows[0] + int(0.02 * len(rows)), rows[-1] - int(0.006 * len(rows)))
    ends = f32([np.flatnonzero(cloth[row])[[0, -1]] for row in y])
    return {side: f32(np.column_stack([smooth(ends[:, k], 9), y])) for k, side in enumerate(SIDES)}


def read_bottom(matte: Matte) -> Bottom:
    """Read the outline of trousers, shorts or a skirt."""
    cloth, scale = _small(matte)
    sides = _sides(cloth)
    outsides = {side: line / scale for side, line in sides.items()}
    crotch = _crotch(cloth)
    if crotch is None:  # a skirt ends at its corners: the row where it is widest
        widths = (outsides["right"] - outsides["left"])[:, 0]
        end = np.flatnonzero(widths > 0.99 * widths[-len(widths) // 6 :].max())[-1] + 1
        return Bottom({side: line[:end] for side, line in outsides.items()}, None)
    x, top = crotch
    height, bottom = len(np.flatnonzero(cloth.any(1))), sides["left"][-1, 1]
    y = np.arange(top + max(3, int(0.01 * height)), int(bottom))
    inner = f32([(np.flatnonzero(cloth[row, :x])[-1], x + np.flatnonzero(cloth[row, x:])[0]) for row in y])
    insides = {
        side: f32(np.vstack([crotch, np.column_stack([smooth(inner[:, k], 0.02 * height), y])]) / scale)
        for k, side in enumerate(SIDES)
    }
    return Bottom(outsides, insides)


def read_top(rgb: Picture, matte: Matte) -> Top:
    """Read the outline of a shirt, jumper or sleeveless top."""
    cloth, scale = _small(matte)
    rows = np.flatnonzero(cloth.any(1))
    trunk = cloth[rows[0] + int(0.45 * len(rows)) : rows[-1]].sum(0).astype(float) ** 2
    middle = int(np.average(np.arange(len(trunk)), weights=trunk))
    mirrored = cloth[:, ::-1]
    last = cloth.shape[1] - 1
    halves = {"left": _left_half(cloth, middle), "right": _left_half(mirrored, last - middle)}
    depth = _collar_depth(
        cloth, rgb, middle, [halves["left"].neck, f32([last, 0]) + halves["right"].neck * f32([-1, 1])]
    )
    return Top(
        {side: _placed(halves[side], None if side == "left" else last, scale) for side in SIDES},
        depth / scale,
        _hem(cloth, halves["left"].seam[-1], f32([last, 0]) + halves["right"].seam[-1] * f32([-1, 1])) / scale,
    )


def _hem(cloth: Bits, left: Points, right: Points) -> Points:
    """Return the lower edge of the cloth between its corners (13, 2)."""
    x = np.linspace(left[0], right[0], 13)
    bottom = len(cloth) - 1 - cloth[::-1, x.astype(int)].argmax(0)
    y = bottom - 0.01 * len(cloth)
    y[[0, -1]] = left[1], right[1]
    return f32(np.column_stack([x, y]))


def _placed(half: TopHalf, mirror: int | None, scale: float) -> TopHalf:
    """Return a half in pixels of the full picture, mirrored back when it was read from the mirrored one."""

    def place(points: Points) -> Points:
        turned = points if mirror is None else f32([mirror, 0]) + points * f32([-1, 1])
        return f32((turned + 0.5) / scale - 0.5)

    sleeve = half.sleeve and (place(half.sleeve[0]), place(half.sleeve[1]))
    return TopHalf(place(half.shoulder), place(half.neck), place(half.seam), sleeve)


def _left_edge(cloth: Bits, middle: int) -> NDArray[np.int_]:
    """Return for each row the left end of the cloth that reaches the middle (or comes nearest to it)."""
    edge = np.full(len(cloth), middle)
    for y, row in enumerate(cloth[:, : middle + 1]):
        outwards = row[::-1]
        if outwards.any():
            first = int(outwards.argmax())
            run = int((~outwards[first:]).argmax()) or len(outwards) - first
            edge[y] = middle - first - run + 1
    return edge


def _left_half(cloth: Bits, middle: int) -> TopHalf:
    """Return corners and edges of the half of a top that lies left of `middle`."""
    rows, columns = np.flatnonzero(cloth.any(1)), np.flatnonzero(cloth.any(0))
    start, height, width = int(rows[0]), len(rows), len(columns)
    edge = _left_edge(cloth, middle)
    top = np.where(cloth.any(0), cloth.argmax(0), len(cloth))
    step = max(3, int(0.018 * height))
    search = np.arange(start + int(0.08 * height), start + int(0.72 * height))
    jump = edge[search + step] - edge[search]
    sleeved = bool(jump.max() > 0.035 * width)
    if sleeved:  # at the armpit the cloth around the middle suddenly loses the sleeve
        row = int(search[jump.argmax()])
        falls = np.flatnonzero(np.diff(edge[row : row + step + 1]) > 0.4 * jump.max())
        row += int(falls[0]) if len(falls) else 0
        armpit = f32([edge[min(row + step, int(rows[-1]))], row])
        shoulder = f32([armpit[0], top[int(armpit[0])]])
    else:  # the armhole ends at the outermost point of the upper half, and begins at the outer end of the strap
        search = np.arange(start + int(0.12 * height), start + int(0.45 * height))
        row = int(search[np.flatnonzero(edge[search] <= edge[search].min() + 0.012 * width)[0]])
        armpit = f32([edge[row], row])
        strap_y, strap_x = np.nonzero(cloth[start : start + int(0.10 * height), :middle])
        tip = int(strap_x.argmin())
        shoulder = f32([strap_x[tip], start + strap_y[tip]])
    crest = np.arange(int(shoulder[0]), middle)
    neck = int(crest[np.flatnonzero(top[crest] <= top[crest].min() + 0.02 * height)[0]]) if len(crest) else middle
    trunk = middle - float(armpit[0])
    if not 0.14 < (middle - neck) / trunk < 0.72:  # a hood, or no neckline to be seen: the usual place
        neck = int(middle - 0.4 * trunk)
    low = np.arange(int(rows[-1] - 0.12 * height), int(rows[-1] - 0.01 * height))
    hem = low[np.flatnonzero(edge[low] <= edge[low].min() + 0.006 * width)[-1]]  # above a rounded corner
    y = np.arange(int(armpit[1]) + step, hem)
    seam = np.vstack([armpit, np.column_stack([smooth(edge[y], 0.03 * height) + 0.004 * width, y])])
    sleeve = _left_sleeve(cloth, edge, shoulder, armpit) if sleeved else None
    return TopHalf(shoulder, f32([neck, top[neck]]), f32(seam), sleeve)


def _left_sleeve(cloth: Bits, edge: NDArray[np.int_], shoulder: Points, armpit: Points) -> tuple[Points, Points] | None:
    """Return the edges of a sleeve as far as its cuff; None when what hangs there is too small for one."""
    y, x = np.mgrid[: len(cloth), : cloth.shape[1]]
    seam = shoulder[0] + (y - shoulder[1]) / max(1, armpit[1] - shoulder[1]) * (armpit[0] - shoulder[0])
    beyond = cloth & (x < np.where(y <= armpit[1], seam, edge[:, None]))
    contours, _ = cv2.findContours(beyond.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(contours, key=cv2.contourArea, default=None)
    if outline is None or cv2.contourArea(outline) < 0.004 * cloth.sum():
        return None
    # Of all four-cornered shapes on the shoulder and the armpit the largest has the corners of the cuff.
    hull = f32(cv2.convexHull(outline)[:, 0])
    across, along = (hull - shoulder).T, (hull - armpit).T
    areas = np.abs(np.outer(across[0], along[1]) - np.outer(across[1], along[0]))
    inner, outer = divmod(int(areas.argmax()), len(hull))
    line = f32(outline[:, 0])
    tip, cuff_out, cuff_in, pit = (
        np.linalg.norm(line - p, axis=1).argmin() for p in (shoulder, hull[outer], hull[inner], armpit)
    )
    return _stretch(line, int(tip), int(cuff_out), int(pit)), _stretch(line, int(pit), int(cuff_in), int(tip))


def _stretch(line: Points, start: int, end: int, avoid: int) -> Points:
    """Return the stretch of a closed line from one of its points to another, the way round that avoids a third."""
    count = len(line)
    if (avoid - start) % count < (end - start) % count:
        line, start, end = line[::-1], count - 1 - start, count - 1 - end
    return f32(np.roll(line, -start, axis=0)[: (end - start) % count + 1])


def _collar_depth(cloth: Bits, rgb: Picture, middle: int, necks: list[Points]) -> float:
    """Measure how far the front collar hangs below the neck corners, in pixels of the small picture."""
    height = len(np.flatnonzero(cloth.any(1)))
    neck_y = float(necks[0][1] + necks[1][1]) / 2
    depth = max(0.0, float(cloth[:, middle].argmax()) - neck_y)
    if depth > 0.03 * height:
        return depth
    # The inside of the back shows: the front collar is the first clear edge on the centre line.
    small = np.asarray(cv2.resize(rgb, cloth.shape[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    colours = blur(lab(small), max(1, 0.004 * height))[:, middle - 3 : middle + 4].mean(1)
    y = np.arange(int(neck_y + 0.02 * height), int(neck_y + 0.17 * height))
    contrast = np.linalg.norm(colours[y + 2] - colours[y - 2], axis=1)
    if contrast.max() < 6:
        return depth
    first = int(np.flatnonzero(contrast > 0.45 * contrast.max())[0])
    peak = first + int(contrast[first : first + max(2, int(0.012 * height))].argmax())
    return float(y[peak] - neck_y + 0.006 * height)
