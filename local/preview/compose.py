"""Dress the person: place the garment's pieces, light them as the old cloth was lit, bare what it covered, merge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from . import fit
from .body import SIDES, Body, skin_likeness
from .cutout import Bits, Matte, Picture, Points, bleed, blur, disc, f32, grow, lab, resize_to, tidy
from .garment import Bottom, Region, Top, resample
from .warp import Patch, bend, inside, ring


def top_patches(top: Top, body: Body, styling: Mapping[str, str], stretch: float, ease: float) -> tuple[list[Patch], float]:
    """The pieces of a top on a body, and the y of its hem there."""
    unit, chosen = body.shoulder, set(styling.values())
    left, right = (top.halves[side] for side in SIDES)
    scale = 0.94 * unit / max(1.0, float(right.seam[0, 0] - left.seam[0, 0]))  # armpit to armpit
    fall = float(left.seam[-1, 1] - (left.shoulder[1] + right.shoulder[1]) / 2) * scale * stretch
    trunk = body.hip_y - body.shoulder_y
    length = float(np.clip(fall - 0.13 * unit, 0.75 * trunk, trunk + 0.55 * unit))
    if "TUCKED" in chosen:
        length = min(length, trunk + (fit.WAIST + 0.08) * unit)
    hem = body.shoulder_y + length

    neck = float(np.clip(0.6 * (right.neck - left.neck)[0] / max(1.0, (right.shoulder - left.shoulder)[0]), 0.16, 0.27))
    depth = min(top.collar_depth * scale / unit, 0.9)
    arc = np.linspace(0, 1, 9)[:, None]
    collar = left.neck * (1 - arc) + right.neck * arc + f32([0, top.collar_depth]) * 4 * arc * (1 - arc)
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
        np.vstack([resample([left.shoulder, left.neck], 5)[:-1], collar, resample([right.neck, right.shoulder], 5)[1:]]),
        _armhole(right.shoulder, resample(right.seam, 15)),
        resample([right.seam[-1], left.seam[-1]], 13),
        _armhole(left.shoulder, resample(left.seam, 15))[::-1],
    ]
    patches = [Patch("torso", ring(*on_body), ring(*on_garment), list(seam.values()), 0.24)]
    for side, half in top.halves.items():
        if half.sleeve is None:
            continue
        armpit = seam[side][0]
        arm_length = np.linalg.norm(np.diff(body.arms[side][:3], axis=0), axis=1).sum()
        upto = half.sleeve.length * scale * 1.05 / max(float(arm_length), 1.0)
        upto = 1.0 if upto > 0.68 else max(upto, 0.18)  # a long sleeve ends at the wrist, however it lay
        if "SLEEVE_UP" in chosen and upto > 0.8:
            upto = 0.62
        edges = fit.arm_edges(body, side, armpit, upto, 1.05 * ease)
        pieces = [
            _tube(resample(outer, 24), resample(inner, 15)) for outer, inner in (edges, (half.sleeve.outer, half.sleeve.inner))
        ]
        patches.append(Patch("sleeve", ring(*pieces[0]), ring(*pieces[1]), list(edges), 0.34))
    return patches, hem


def _armhole(tip: Points, seam: Points) -> Points:
    return f32(np.vstack([resample([tip, seam[0]], 6)[:-1], seam]))


def _tube(outer: Points, inner: Points) -> list[Points]:
    """The four edges of a sleeve: seam, inner edge down, cuff, outer edge back up."""
    return [resample([outer[0], inner[0]], 7), inner, resample([inner[-1], outer[-1]], 5), outer[::-1]]


def bottom_patches(bottom: Bottom, body: Body, stretch: float, ease: float) -> tuple[list[Patch], float]:
    """Trousers, shorts or a skirt as one piece on a body, and the y of the hem there."""
    unit, outsides = body.shoulder, bottom.outsides
    waist = body.hip_y + fit.WAIST * unit
    edges = {side: fit.leg_edges(body, side, body.hip_y + fit.leg_length(body), ease) for side in SIDES}
    scale = float(edges["right"][0][0, 0] - edges["left"][0][0, 0]) / float(outsides["right"][0, 0] - outsides["left"][0, 0])
    span = float(outsides["left"][-1, 1] - outsides["left"][0, 1])
    share = (span * scale * stretch + fit.WAIST * unit) / fit.leg_length(body)
    share = 1.02 if share > 0.8 else max(share, 0.25)  # long trousers reach the ankle, however they lay
    hem = body.hip_y + share * fit.leg_length(body)
    edges = {side: fit.leg_edges(body, side, hem, ease) for side in SIDES}
    left, right = (resample(edges[side][0], 20) for side in SIDES)
    left_cloth, right_cloth = (resample(outsides[side], 20) for side in SIDES)
    if bottom.insides is None:
        centre = (left_cloth[:, :1] + right_cloth[:, :1]) / 2
        flare = {s: np.abs(c[:, :1] - centre)[:, 0] * scale for s, c in (("left", left_cloth), ("right", right_cloth))}
        rows = np.linspace(waist, hem, 20)
        hips = rows < body.hip_y + 0.3 * unit  # never narrower than the hips it goes over
        left_x = np.maximum(flare["left"], np.where(hips, body.middle - np.interp(rows, left[:, 1], left[:, 0]), 0))
        right_x = np.maximum(flare["right"], np.where(hips, np.interp(rows, right[:, 1], right[:, 0]) - body.middle, 0))
        left = f32(np.column_stack([body.middle - left_x, rows]))
        right = f32(np.column_stack([body.middle + right_x, rows]))
        skirts = [
            [resample([a[0], b[0]], 9), b, resample([b[-1], a[-1]], 9), a[::-1]]
            for a, b in ((left, right), (left_cloth, right_cloth))
        ]
        return [Patch("skirt", ring(*skirts[0]), ring(*skirts[1]), [left, right], 0.25)], hem

    def trousers(outer: tuple[Points, Points], inner: list[Points]) -> NDArray[np.float32]:
        a, b = outer
        inner_left, inner_right = (resample(edge, 14) for edge in inner)
        return ring(
            resample([a[0], b[0]], 9), b, resample([b[-1], inner_right[-1]], 5), inner_right[::-1],
            inner_left, resample([inner_left[-1], a[-1]], 5), a[::-1],
        )  # fmt: skip

    on_body = trousers((left, right), [edges[side][1] for side in SIDES])
    on_garment = trousers((left_cloth, right_cloth), [bottom.insides[side] for side in SIDES])
    return [Patch("trousers", on_body, on_garment, [left, right, *(edges[side][1] for side in SIDES)], 0.26)], hem


def dress(
    person: Picture,
    cloth: Picture,
    matte: Matte,
    patches: list[Patch],
    hem: float,
    region: Region,
    mask: Bits,
    body: Body,
    seed: int,
) -> Picture:
    """The person with the garment on. All is drawn; the caller keeps what the mask allows.

    `person`, `mask` and `body` share one size; `cloth` and `matte` have the garment picture's.
    """
    rng = np.random.default_rng(seed)
    shape, unit = mask.shape, body.shoulder
    scale = np.sqrt(np.prod(np.ptp(patches[0].body, axis=0)) / np.prod(np.ptp(patches[0].garment, axis=0)))
    spread = bleed(cloth, matte)
    if scale < 0.7:  # shrink without moiré
        spread = np.asarray(cv2.GaussianBlur(spread, (0, 0), 0.45 / scale), np.uint8)
    whole = cv2.morphologyEx(matte, cv2.MORPH_CLOSE, disc(0.012 * max(matte.shape)))  # no notch at the armpit
    edge = f32(np.clip(blur(whole, max(0.8, 0.3 / scale)) * 1.6, 0, 1))
    layers = [bend(patch, spread, edge, shape) for patch in patches]
    cover = f32(np.max([layer.cover for layer in layers], axis=0))

    skin = skin_likeness(person, body.skin)
    worn = mask & (body.silhouette > 0.5) & (skin < 0.45)
    light = worn_light(person, worn, unit)
    picture = _bare(person, cover, hem, region, mask, body, skin, light).astype(np.float32)
    bright = float(np.percentile(person[body.silhouette > 0.5], 97)) if (body.silhouette > 0.5).any() else 185.0
    exposure = float(np.clip(bright / 185, 0.3, 1))  # dim scene, dim cloth
    drop = f32([[1, 0, 0.008 * unit], [0, 1, 0.03 * unit]])
    for layer in layers:
        behind = cv2.warpAffine(blur(layer.cover, 0.05 * unit), drop, shape[::-1])
        onto = np.maximum(cover, body.silhouette) if layer.name == "sleeve" else body.silhouette
        picture *= (1 - 0.30 * behind * (1 - layer.cover) * onto)[..., None]
        drape = 1 + 0.022 * cv2.resize(f32(rng.normal(size=(9, 14))), shape[::-1], interpolation=cv2.INTER_CUBIC)
        rim = 0.80 + 0.20 * np.clip(blur(layer.cover, max(0.7, 0.012 * unit)) * 1.25 - 0.12, 0, 1)
        shade = light * layer.relief * drape * rim * exposure
        picture += (layer.colour * shade[..., None] - picture) * layer.cover[..., None]
    grey = f32(cv2.cvtColor(person, cv2.COLOR_RGB2GRAY))
    grain = min(3.0, 1.48 * float(np.median(np.abs(grey - blur(grey, 1.2)))))  # as grainy as the photograph
    picture += (f32(rng.normal(0, 0.8 * grain, shape)) * cover)[..., None]
    return picture.clip(0, 255).astype(np.uint8)


def worn_light(person: Picture, worn: Bits, unit: float) -> Matte:
    """(H, W) factor near 1: the folds and shading of the cloth worn now. Prints and badges carry no weight."""
    small, scale = resize_to(person, min(400, max(person.shape[:2])))
    cloth = cv2.resize(worn.astype(np.uint8), small.shape[1::-1], interpolation=cv2.INTER_NEAREST) > 0
    if cloth.sum() < 50:
        return np.ones(worn.shape, np.float32)
    colours = lab(small)
    usual = np.median(colours[cloth], axis=0)
    off = np.linalg.norm(colours - usual, axis=-1)
    weight = f32(np.exp(-((off / 20) ** 4)) * cv2.erode(cloth.astype(np.uint8), np.ones((5, 5))))
    ratio = (colours[..., 0] + 14) / (usual[0] + 14)

    def mean(sigma: float) -> Matte:
        return f32((blur(ratio * weight, sigma) + 1e-3) / (blur(weight, sigma) + 1e-3))

    fine, broad = mean(max(0.8, 0.014 * unit * scale)), mean(max(2.0, 0.12 * unit * scale))
    sure = np.clip(blur(weight, 1.5), 0, 1)
    light = 1 + (fine - broad) * sure + 0.6 * (broad - float(np.median(broad[cloth])))
    return f32(cv2.resize(f32(light.clip(0.6, 1.28)), worn.shape[::-1], interpolation=cv2.INTER_CUBIC))


def _bare(
    person: Picture,
    cover: Matte,
    hem: float,
    region: Region,
    mask: Bits,
    body: Body,
    skin: Matte,
    light: Matte,
) -> Picture:
    """The person with the old cloth gone wherever the new garment should show skin or backdrop instead."""
    unit, shape = body.shoulder, mask.shape
    y = np.arange(shape[0])[:, None]
    if region == "upper":  # what was below the hem of the top stays, it is another garment
        zone = mask & (y < hem - 0.02 * unit)
        limbs = [fit.arm_edges(body, side, fit.torso_side(body, side, hem)[0], most=1.15) for side in SIDES]
        chest = np.vstack([fit.torso_side(body, "right", hem), fit.torso_side(body, "left", hem)[::-1]])
        core = [f32(np.vstack([fit.shoulder_line(body, 0.16, 0.0), chest]))]
    else:
        waist, ankle = body.hip_y + fit.WAIST * unit, body.legs["left"][2, 1] - 0.02 * unit
        zone = mask & (y > waist + 0.04 * unit) & (y < ankle)
        limbs = [fit.leg_edges(body, side, float(ankle)) for side in SIDES]
        core = []
    core += [f32(np.vstack([outer, inner[::-1]])) for outer, inner in limbs]
    flesh = inside(core, shape)
    stale = zone & (skin < 0.45)
    beyond = tidy(stale & ~flesh & (cover < 0.6) & (body.silhouette > 0.12), cv2.MORPH_OPEN, 1)
    picture = _backdrop_instead(person, zone & ~flesh & grow(beyond, 3), body.silhouette > 0.5)
    if body.skin is None:
        return picture
    to_bare = tidy(tidy(stale & flesh & (body.silhouette > 0.4), cv2.MORPH_OPEN, 1), cv2.MORPH_CLOSE, 3)
    soft = blur(grow(to_bare, 0.05 * unit), 0.02 * unit)  # the shadow of the old hem goes too
    share = (soft * body.silhouette * zone)[..., None]
    tone = _nearest_skin(person, body, skin) * light[..., None]
    return (picture * (1 - share) + tone * share).clip(0, 255).astype(np.uint8)


def _backdrop_instead(person: Picture, hole: Bits, avoid: Bits) -> Picture:
    """Fill a hole from its surroundings, never from `avoid`."""
    if not hole.any():
        return person
    small, _ = resize_to(person, 360)
    taboo = cv2.resize((hole | avoid).astype(np.uint8), small.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    filled = cv2.inpaint(np.ascontiguousarray(small), grow(taboo > 0, 1).astype(np.uint8), 5, cv2.INPAINT_TELEA)
    filled = cv2.resize(blur(filled, 1.2), person.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    share = blur(hole, 1.2)[..., None]
    return (person * (1 - share) + filled * share).clip(0, 255).astype(np.uint8)


def _nearest_skin(person: Picture, body: Body, skin: Matte) -> NDArray[np.float32]:
    """(H, W, 3): everywhere the colour of the skin that shows nearest."""
    small, scale = resize_to(person, 160)
    seen = cv2.resize(f32((skin > 0.72) * (body.silhouette > 0.6)), small.shape[1::-1], interpolation=cv2.INTER_AREA)
    grey = f32(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))
    lit = np.clip(grey / max(1.0, float(np.percentile(grey[seen > 0.5], 90))), 0, 1) if (seen > 0.5).any() else 1.0
    weight = f32(seen**2 * lit**4)[..., None]  # skin in the shadow of a hem says little
    tone = body.skin if body.skin is not None else f32([205, 165, 140])
    total: Any = tone * 1e-4
    weights: Any = f32(1e-4)
    for reach, trust in ((0.12, 1.0), (0.4, 6e-3), (1.2, 5e-5)):
        sigma = max(0.8, reach * body.shoulder * scale)
        total = total + trust * blur(f32(small) * weight, sigma)
        weights = weights + trust * blur(weight, sigma)[..., None]
    return f32(cv2.resize(f32(total / weights), person.shape[1::-1], interpolation=cv2.INTER_CUBIC))


def seamless(person: Picture, dressed: Picture, mask: Bits, seed: int) -> Picture:
    """Laplacian-pyramid blend: no seam at the mask, paid for with a slight change of every pixel.

    A model that redraws the whole picture loses some of its finest detail; so the finest band is damped and regrained.
    """
    halvings = min(4, int(np.log2(min(mask.shape))) - 2)
    pyramids = [[f32(person)], [f32(dressed)], [f32(mask)]]
    for pyramid in pyramids:
        for _ in range(halvings):
            pyramid.append(f32(cv2.pyrDown(pyramid[-1])))
    base, new, share = pyramids
    blended = base[-1] + (new[-1] - base[-1]) * share[-1][..., None]
    for level in reversed(range(halvings)):
        size = (base[level].shape[1], base[level].shape[0])
        old_band, new_band = (p[level] - cv2.pyrUp(p[level + 1], dstsize=size) for p in (base, new))
        band = old_band + (new_band - old_band) * share[level][..., None]
        blended = f32(cv2.pyrUp(blended, dstsize=size)) + band * (0.85 if level == 0 else 1)
    blended += np.random.default_rng(seed).normal(0, 1, blended.shape)
    return np.asarray(blended).round().clip(0, 255).astype(np.uint8)
