"""Dress the person: place the garment's pieces, light them as the old cloth was lit, bare what it covered, merge."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from . import fit
from .body import SIDES, Body, skin_likeness
from .cutout import Bits, Matte, Picture, Points, bleed, blur, disc, f32, grow, lab, resize_to, tidy
from .garment import Garment, Region
from .warp import Patch, bend, inside


def dress(
    person: Picture,
    garment: Garment,
    patches: list[Patch],
    hem: float,
    mask: Bits,
    body: Body,
    seed: int,
) -> Picture:
    """Draw the person with the whole garment on; the caller keeps what the mask allows.

    `person`, `mask` and `body` share one size, and `patches` and `hem` lie in it.
    """
    cloth, matte = garment.cloth, garment.matte
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
    above = np.arange(shape[0])[:, None] < body.waist_y
    light = worn_light(person, worn & above, unit) * worn_light(person, worn & ~above, unit)
    picture = _bare(person, cover, hem, garment.region, mask, body, skin, light).astype(np.float32)
    exposure = float(np.clip(body.brightness / 185, 0.3, 1))  # dim scene, dim cloth
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
    """Return a factor near 1 (H, W): the folds and shading of the cloth worn now. Prints and badges carry no weight."""
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
    """Remove the old cloth wherever the new garment should show skin or backdrop instead."""
    if region == "foot":
        return person
    unit, shape = body.shoulder, mask.shape
    y = np.arange(shape[0])[:, None]
    zone, flesh = mask, np.zeros(shape, bool)
    if region != "lower":
        torso = {side: fit.torso_side(body, side, min(hem, body.hip_y + 0.4 * unit)) for side in SIDES}
        chest = np.vstack([fit.shoulder_line(body, 0.16, 0.0), torso["right"], torso["left"][::-1]])
        arms = inside(_outlines(fit.arm_edges(body, side, torso[side][0], bare=True) for side in SIDES), shape)
        flesh = grow(arms, 0.02 * unit) | inside([f32(chest)], shape)
        if region == "upper":  # what was below the hem of the top stays, it is another garment
            lap = inside(fit.regions(body, "lower", 1.06), shape)
            zone = zone & ((y < hem - 0.02 * unit) | grow(arms, 0.1 * unit) & ~lap)
    if region != "upper":
        ankle = float(body.legs["left"][2, 1]) - 0.02 * unit
        zone = zone & (y < ankle)
        legs = inside(_outlines(fit.leg_edges(body, side, ankle) for side in SIDES), shape)
        flesh |= legs & (y > hem - 0.05 * unit)  # no skin shows above the hem
    if region == "lower":
        zone = zone & (y > body.waist_y + 0.04 * unit)
    stale = zone & (skin < 0.45)
    beyond = tidy(stale & ~flesh & (cover < 0.6) & (body.silhouette > 0.12), cv2.MORPH_OPEN, 0.01 * unit)
    picture = _backdrop_instead(person, zone & ~flesh & grow(beyond, 3), body.silhouette > 0.5)
    if body.skin is None:
        return picture
    to_bare = tidy(tidy(stale & flesh & (body.silhouette > 0.4), cv2.MORPH_OPEN, 0.02 * unit), cv2.MORPH_CLOSE, 3)
    soft = blur(grow(to_bare, 0.05 * unit), 0.02 * unit)  # the shadow of the old hem goes too
    share = (soft * body.silhouette * (zone & ~grow(beyond, 1)))[..., None]
    tone = _nearest_skin(person, body, skin) * light[..., None]
    return (picture * (1 - share) + tone * share).clip(0, 255).astype(np.uint8)


def _outlines(limbs: Iterable[tuple[Points, Points]]) -> list[Points]:
    return [f32(np.vstack([outer, inner[::-1]])) for outer, inner in limbs]


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
    """Return everywhere (H, W, 3) the colour of the skin that shows nearest."""
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
    """Blend by Laplacian pyramids: no seam at the mask, paid for with a slight change of every pixel.

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
