"""Cut a garment into pieces and say where on the body each piece, edge by edge, belongs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from . import fit
from .body import SIDES, Body, Side
from .cutout import Points, f32
from .garment import Bottom, Garment, Shoes, Top, resample
from .warp import Patch, ring


def cut(
    garment: Garment, body: Body, styling: Mapping[str, str], stretch: float, ease: float
) -> tuple[list[Patch], float]:
    """Cut the pieces of a garment on a body, and return the y of its hem (of shoes: of their soles) there.

    `stretch` makes its cloth longer and `ease` its fit looser; 1 is neither.
    """
    outline = garment.outline
    if isinstance(outline, Top):
        return _top(outline, body, set(styling.values()), stretch, ease, falls=garment.region == "full")
    return _bottom(outline, body, stretch, ease) if isinstance(outline, Bottom) else _shoes(outline, body, ease)


def _top(
    top: Top, body: Body, chosen: set[str], stretch: float, ease: float, *, falls: bool
) -> tuple[list[Patch], float]:
    """Cut a top, or a dress when it falls over the hips."""
    unit = body.shoulder
    left, right = (top.halves[side] for side in SIDES)
    scale = 0.94 * unit / max(1.0, float(right.seam[0, 0] - left.seam[0, 0]))  # armpit to armpit
    length = float(left.seam[-1, 1] - (left.shoulder[1] + right.shoulder[1]) / 2) * scale * stretch - 0.13 * unit
    trunk = body.hip_y - body.shoulder_y
    longest = trunk + (1.02 * fit.leg_length(body) if falls else 0.55 * unit)
    length = float(np.clip(length, trunk + 0.45 * unit if falls else 0.75 * trunk, longest))
    if "TUCKED" in chosen and not falls:
        length = min(length, body.waist_y + 0.04 * unit - body.shoulder_y)
    hem = body.shoulder_y + length

    neck = float(np.clip(0.6 * (right.neck - left.neck)[0] / max(1.0, (right.shoulder - left.shoulder)[0]), 0.16, 0.27))
    depth = min(top.collar_depth * scale / unit, 0.9)
    arc = np.linspace(0, 1, 9)[:, None]
    collar = left.neck * (1 - arc) + right.neck * arc + f32([0, top.collar_depth]) * 4 * arc * (1 - arc)
    if falls:
        middle = f32([(left.seam[0, 0] + right.seam[0, 0]) / 2, left.seam[0, 1]])
        own = {side: f32(np.abs(half.seam - middle)[:, ::-1] * scale) for side, half in top.halves.items()}
        seam = {side: fit.dress_side(body, side, hem, own[side], ease) for side in SIDES}
    else:
        seam = {side: fit.torso_side(body, side, hem, ease) for side in SIDES}
    crest = fit.shoulder_line(body, neck, depth)
    sag = f32([0, 0.05 * unit]) * np.sin(np.linspace(0, np.pi, 13))[:, None]  # cloth hangs round the hips
    on_body = [
        crest,
        _armhole(crest[-1], seam["right"]),
        resample([seam["right"][-1], seam["left"][-1]], 13) + sag,
        _armhole(crest[0], seam["left"])[::-1],
    ]
    on_garment = [
        np.vstack(
            [resample([left.shoulder, left.neck], 5)[:-1], collar, resample([right.neck, right.shoulder], 5)[1:]]
        ),
        _armhole(right.shoulder, resample(right.seam, len(seam["right"]))),
        top.hem[::-1],
        _armhole(left.shoulder, resample(left.seam, len(seam["left"])))[::-1],
    ]
    patches = [Patch("dress" if falls else "torso", ring(*on_body), ring(*on_garment), list(seam.values()), 0.24)]
    for side, half in top.halves.items():
        if half.sleeve is None:
            continue
        armpit = seam[side][0]
        arm_length = np.linalg.norm(np.diff(body.arms[side][:3], axis=0), axis=1).sum()
        outer, inner = half.sleeve
        sleeve_length = float(np.linalg.norm(outer[0] + inner[0] - outer[-1] - inner[-1])) / 2
        upto = sleeve_length * scale * 1.05 / max(float(arm_length), 1.0)
        upto = 1.0 if upto > 0.68 else max(upto, 0.18)  # a long sleeve ends at the wrist, however it lay
        if "SLEEVE_UP" in chosen and upto > 0.8:
            upto = 0.62
        worn = fit.arm_edges(body, side, armpit, upto, 1.05 * ease)
        on_arm, on_sleeve = (_tube(resample(outer, 36), resample(inner, 15)) for outer, inner in (worn, half.sleeve))
        patches.append(Patch("sleeve", ring(*on_arm), ring(*on_sleeve), list(worn), 0.34))
    return patches, hem


def _armhole(tip: Points, seam: Points) -> Points:
    return f32(np.vstack([resample([tip, seam[0]], 6)[:-1], seam]))


def _tube(outer: Points, inner: Points) -> list[Points]:
    """Return the four edges of a sleeve: seam, inner edge down, cuff, outer edge back up."""
    return [resample([outer[0], inner[0]], 7), inner, resample([inner[-1], outer[-1]], 5), outer[::-1]]


def _bottom(bottom: Bottom, body: Body, stretch: float, ease: float) -> tuple[list[Patch], float]:
    """Cut trousers, shorts or a skirt as one piece."""
    length = fit.leg_length(body)
    cloth = {side: resample(bottom.outsides[side], 20) for side in SIDES}
    waist = {side: fit.leg_edges(body, side, body.hip_y, ease)[0][0] for side in SIDES}
    scale = float((waist["right"] - waist["left"])[0] / (cloth["right"][0] - cloth["left"][0])[0])
    start, top = cloth["left"][0, 1], body.waist_y
    if bottom.insides is not None:  # legs are as long as below the crotch in the picture
        start, top = bottom.insides["left"][0, 1], body.hip_y + fit.CROTCH * body.shoulder
    share = ((cloth["left"][-1, 1] - start) * scale * stretch + top - body.hip_y) / length
    share = float(np.clip(share, 0.25, 1.02))
    if bottom.insides is not None and share > 0.8:  # long trousers reach the ankle, however they lay
        share = 1.02
    hem = body.hip_y + share * length
    outsides, insides = {}, {}
    for side in SIDES:
        outside, insides[side] = fit.leg_edges(body, side, hem, ease)
        outsides[side] = resample(outside, 20)
    if bottom.insides is None:  # a skirt keeps its own flare, but goes over the hips
        centre = (cloth["left"][:, 0] + cloth["right"][:, 0]) / 2
        for side, sign in SIDES.items():
            flare = np.abs(cloth[side][:, 0] - centre) * scale
            worn = np.maximum(flare, sign * (outsides[side][:, 0] - body.middle))
            outsides[side] = f32(np.column_stack([body.middle + sign * worn, outsides[side][:, 1]]))
        return [Patch("skirt", _round_trip(outsides, None), _round_trip(cloth, None), [*outsides.values()], 0.25)], hem
    on_body, on_garment = _round_trip(outsides, insides), _round_trip(cloth, bottom.insides)
    return [Patch("trousers", on_body, on_garment, [*outsides.values(), *insides.values()], 0.26)], hem


def _shoes(shoes: Shoes, body: Body, ease: float) -> tuple[list[Patch], float]:
    patches = []
    for side, shoe in shoes.items():
        worn = fit.shoe_sides(body, side, shoe, ease)
        own = {edge: resample(line, 24) for edge, line in shoe.outsides.items()}
        patches.append(Patch("shoe", _round_trip(worn, None), _round_trip(own, None), [*worn.values()], 0.15))
    return patches, float(patches[0].body[:, 1].max())


def _round_trip(outsides: Mapping[Side, Points], insides: Mapping[Side, Points] | None) -> Points:
    """Go round a lower garment: along the waist, down the right side, by the hems and the crotch, up the left side."""
    left, right = (outsides[side] for side in SIDES)
    if insides is None:
        return ring(resample([left[0], right[0]], 9), right, resample([right[-1], left[-1]], 9), left[::-1])
    inner_left, inner_right = (resample(insides[side], 14) for side in SIDES)
    hems = resample([right[-1], inner_right[-1]], 5), resample([inner_left[-1], left[-1]], 5)
    return ring(resample([left[0], right[0]], 9), right, hems[0], inner_right[::-1], inner_left, hems[1], left[::-1])
