"""Where cloth lies on a body: the lines on a person that correspond to the edges of a garment.

A body stands upright, so "down" is +y. Lengths are shares of the shoulder width, the only yardstick a picture gives.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from .body import SIDES, Body, Side
from .cutout import Points, PreviewError, f32
from .garment import Shoe, resample, smooth

ARMPIT = 0.40  # below the shoulder joints
CROTCH = 0.38  # below the hip joints


def distance_to_edge(body: Body, start: Points, direction: Points, nearest: float, farthest: float) -> float | None:
    """Measure along a ray to the edge of the silhouette, at least `nearest`, None when it lies beyond `farthest`."""
    steps = np.arange(nearest, farthest, max(1.0, farthest / 80))
    x, y = (start + steps[:, None] * direction).T.astype(int)
    height, width = body.silhouette.shape
    outside = np.flatnonzero(body.silhouette[y.clip(0, height - 1), x.clip(0, width - 1)] < 0.5)
    return float(steps[outside[0]]) if len(outside) else None


def shoulder_top(body: Body, x: float) -> float:
    """Return y of the visible shoulder at a column, or where a shoulder is by proportion."""
    unit = body.shoulder
    up = distance_to_edge(body, f32([x, body.shoulder_y + 0.15 * unit]), f32([0, -1]), 0.1 * unit, 0.5 * unit)
    usual = body.shoulder_y - 0.21 * unit + 0.20 * max(0.0, abs(x - body.middle) - 0.2 * unit)
    return (
        usual
        if up is None
        else float(np.clip(body.shoulder_y + 0.15 * unit - up, usual - 0.1 * unit, usual + 0.1 * unit))
    )


def shoulder_line(body: Body, neck: float, collar_depth: float) -> Points:
    """Return (17, 2): left shoulder tip, left collar corner, the collar's arc, right corner, right tip.

    `neck` is half the collar's width and `collar_depth` its fall, both in shares of the shoulder width.
    """
    unit = body.shoulder
    tips = np.linspace(0.53, neck, 5) * unit
    left = [(body.middle - x, shoulder_top(body, body.middle - x)) for x in tips]
    right = [(body.middle + x, shoulder_top(body, body.middle + x)) for x in tips[::-1]]
    level = min(left[-1][1], right[0][1])  # a collar sits level even where hair or a beard hides one side
    left[-1], right[0] = (left[-1][0], level), (right[0][0], level)
    arc = np.linspace(0, 1, 9)[1:-1]
    collar = [(body.middle + (2 * t - 1) * neck * unit, level + collar_depth * unit * 4 * t * (1 - t)) for t in arc]
    return f32([*left, *collar, *right])


def torso_side(body: Body, side: Side, bottom: float, ease: float = 1.0) -> Points:
    """Return the side of the torso (15, 2) from the armpit down to y = `bottom`.

    Where an arm lies against the body the outline says nothing: those rows are bridged from the others.
    """
    unit, sign = body.shoulder, SIDES[side]
    y = np.linspace(body.shoulder_y + ARMPIT * unit, bottom, 15)
    least, most = 0.28 * unit, 0.60 * unit
    seen = [distance_to_edge(body, f32([body.middle, row]), f32([sign, 0]), least, most) for row in y]
    widths = np.array([width or 0 for width in seen])
    known = widths > least
    by_proportion = np.interp(
        (y - body.shoulder_y) / (body.hip_y - body.shoulder_y), [0.3, 0.7, 1, 1.3], [0.44, 0.40, 0.46, 0.48]
    )
    if known.sum() < 3:
        widths, known = by_proportion * unit, np.ones(len(y), bool)
    widths = smooth(np.interp(y, y[known], widths[known]), 5) * ease
    return f32(np.column_stack([body.middle + sign * widths, y]))


def arm_edges(
    body: Body, side: Side, armpit: Points, upto: float = 1.0, ease: float = 1.0, bare: bool = False
) -> tuple[Points, Points]:
    """Return the outer and inner edge of an arm, from shoulder tip and armpit to `upto` of the way to the wrist.

    The outer edge keeps within twice the usual width of an arm; a bare one is as slender above the elbow as there.
    """
    unit, sign = body.shoulder, SIDES[side]
    shoulder, elbow, wrist, _ = body.arms[side]
    tip = f32([body.middle + sign * 0.53 * unit, shoulder_top(body, body.middle + sign * 0.53 * unit)])
    line = resample([(tip + armpit + shoulder) / 3, 0.35 * shoulder + 0.65 * elbow, elbow, wrist], 50)
    axis = (elbow - shoulder) / np.linalg.norm(elbow - shoulder)
    length = float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())
    upto = max(upto, float((armpit - line[0]) @ axis + 0.08 * unit) / length)  # a sleeve ends below the armpit
    line = resample(np.column_stack([smooth(line[:, 0], 7), smooth(line[:, 1], 7)]), 41, upto)
    along = np.gradient(line, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    outwards = sign * np.column_stack([along[:, 1], -along[:, 0]])
    share = np.linspace(0, upto, 41)
    turn = np.clip(share / 0.2, 0, 1)[:, None]  # over the shoulder the outer edge turns from "up" to "outwards"
    over = outwards * turn + f32([0, -1]) * (1 - turn)
    over /= np.linalg.norm(over, axis=1, keepdims=True)
    usual = unit * np.interp(share, [0, 0.25, 0.55, 1], [0.20, 0.165, 0.135, 0.095])

    def widths(directions: Points, limit: float) -> Points:
        found: Any = [
            distance_to_edge(body, point, direction, 0.6 * width, limit * width) or width
            for point, direction, width in zip(line, directions, usual, strict=True)
        ]
        if bare:
            elbow = float(np.median(np.array(found)[(share > 0.4) & (share < 0.65)]))
            found = np.minimum(found, np.interp(share, [0.08, 0.25, 0.5], [0.28 * unit, elbow, 1.2 * elbow]))
        return f32(smooth(found, 5) * ease)

    outer = line + over * widths(f32(over), 1.9)[:, None]
    inner = line - outwards * widths(f32(-outwards), 1.25)[:, None]
    innermost = sign * (armpit[0] - body.middle)  # an arm that touches the torso must not cut into it
    inner[:, 0] = body.middle + sign * np.maximum(sign * (inner[:, 0] - body.middle), innermost)

    def onwards(start: Points, points: Points) -> Points:
        further = (points - start) @ axis > 0.03 * unit
        further[-1] = True
        return f32(np.vstack([start, points[further]]))

    return onwards(tip, f32(outer)), onwards(armpit, f32(inner))


def leg_length(body: Body) -> float:
    """Measure from hip joint to ankle."""
    return float(body.legs["left"][2, 1] - body.hip_y)


def leg_edges(body: Body, side: Side, hem: float, ease: float = 1.0) -> tuple[Points, Points]:
    """Return the outside of a leg from the waist to y = `hem`, and its inside from the crotch to there."""
    unit, sign = body.shoulder, SIDES[side]
    hip, knee, ankle = body.legs[side]
    crotch = body.hip_y + CROTCH * unit
    outer, inner = [], [(body.middle, crotch)]
    for y in np.linspace(body.waist_y, hem, 24):
        x = float(np.interp(y, [hip[1], knee[1], ankle[1]], [hip[0], knee[0], ankle[0]]))
        down = (y - body.hip_y) / leg_length(body)
        usual = unit * float(np.interp(down, [-0.2, 0, 0.12, 0.5, 0.75, 1], [0.20, 0.25, 0.27, 0.175, 0.15, 0.11]))
        found = distance_to_edge(body, f32([x, y]), f32([sign, 0]), 0.6 * usual, 1.5 * usual) or usual
        outer.append((x + sign * found * ease, y))
        if y > crotch + 0.04 * unit:
            most = abs(x - body.middle)
            found = distance_to_edge(body, f32([x, y]), f32([-sign, 0]), 0.5 * usual, 1.4 * usual) or usual
            inner.append((x - sign * min(found * ease, most - 1), y))
    outside, inside = f32(outer), f32(inner)
    outside[:, 0] = smooth(outside[:, 0], 5)
    if len(inside) > 1:
        inside[1:, 0] = smooth(inside[1:, 0], 7)
    return outside, inside


def dress_side(body: Body, side: Side, hem: float, falls: Points, ease: float) -> Points:
    """Return the side of a dress (25, 2) from the armpit to `hem`: close to the waist, then free, but round the hips.

    `falls` says how far below the armpit, and how far from the middle, the cloth's own edge lies.
    """
    unit, sign = body.shoulder, SIDES[side]
    torso = torso_side(body, side, body.hip_y, ease)
    legs = leg_edges(body, side, max(hem, body.hip_y + unit), ease)[0]
    figure = np.vstack([torso, legs[legs[:, 1] > body.hip_y]])
    y = np.linspace(torso[0, 1], hem, 25)
    worn = sign * (np.interp(y, figure[:, 1], figure[:, 0]) - body.middle)
    free = np.interp(y - y[0], falls[:, 0], falls[:, 1]) * np.clip((y - body.hip_y) / (0.35 * unit) + 1, 0, 1)
    return f32(np.column_stack([body.middle + sign * smooth(np.maximum(worn, free), 5), y]))


def foot(body: Body, side: Side, above: float = 0.0) -> tuple[Points, Points]:
    """Return the left and right edge of a foot, row by row from the ankle (or `above` it) to the ground.

    Raises PreviewError when the picture shows no foot.
    """
    unit, (x, ankle) = body.shoulder, body.legs[side][2]
    start, end = (max(0, int(edge)) for edge in sorted((body.middle, x + SIDES[side] * 0.45 * unit)))
    zone = body.silhouette[:, start:end] > 0.5
    y = np.flatnonzero(zone.any(1))
    if not len(y) or y[-1] < ankle + 0.12 * unit:
        raise PreviewError("shoes need feet: the person picture shows none")
    y = y[y >= ankle - above]
    ends = start + f32([np.flatnonzero(zone[row])[[0, -1]] for row in y])
    return f32(np.column_stack([ends[:, 0], y])), f32(np.column_stack([ends[:, 1], y]))


def shoe_sides(body: Body, side: Side, shoe: Shoe, ease: float) -> dict[Side, Points]:
    """Return where the two edges of a shoe lie, (24, 2) each, wide enough for the foot and the leg above it."""
    own = np.abs(shoe.outsides["right"] - shoe.outsides["left"])[:, 0]
    width = max(foot(body, side)[1][:, 0]) - min(foot(body, side)[0][:, 0])
    tall = shoe.height * width - 0.3 * body.shoulder
    shaft = float(np.clip(tall, 0.02 * body.shoulder, 0.42 * leg_length(body)))
    left, right = foot(body, side, shaft)
    y = np.linspace(left[0, 1], left[-1, 1], 24)
    start, end = (np.interp(y, edge[:, 1], edge[:, 0]) for edge in (left, right))
    cloth = np.interp(np.linspace(0, 1, 24), np.linspace(0, 1, len(own)), own / own.max()) * width / 2 * ease
    half = np.maximum(smooth(end - start, 3) / 2 * ease + 0.01 * body.shoulder, cloth)
    middle = smooth((start + end) / 2, 5)
    y += np.linspace(0, 0.03 * body.shoulder, 24)  # the sole
    return {edge: f32(np.column_stack([middle + sign * half, y])) for edge, sign in SIDES.items()}


def regions(body: Body, region: Literal["upper", "lower", "foot"], ease: float) -> list[Points]:
    """Return polygons that hold all cloth a garment of this region may cover, but for flared skirts and tall boots."""
    unit = body.shoulder
    if region == "foot":
        return [f32(np.vstack([left, right[::-1]])) for left, right in (foot(body, side) for side in SIDES)]
    if region == "lower":
        left, right = (leg_edges(body, side, body.hip_y + 1.03 * leg_length(body), ease)[0] for side in SIDES)
        return [f32(np.vstack([left, right[::-1]]))]
    torso = {side: torso_side(body, side, body.hip_y + 0.38 * unit, ease) for side in SIDES}
    crest = shoulder_line(body, 0.19, 0.0)
    collar = crest[4:-4] - f32([0, 0.12 * unit])
    trunk = np.vstack([crest[:4], collar, crest[-4:], torso["right"], torso["left"][::-1]])
    arms = [np.vstack([o, i[::-1]]) for s in SIDES for o, i in [arm_edges(body, s, torso[s][0], 1.0, ease * 1.06)]]
    return [f32(polygon) for polygon in (trunk, *arms)]
