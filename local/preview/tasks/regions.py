"""Find what stands out in a picture, and what a mask prompt names. Keywords only: no language is understood."""

from __future__ import annotations

import re

import cv2
import numpy as np
from numpy.typing import NDArray

from ..body import Body, find_body
from ..cutout import (
    Bits,
    Matte,
    Picture,
    PreviewError,
    blur,
    f32,
    fill_holes,
    garment_matte,
    lab,
    resize_to,
    snap_to_edges,
    tidy,
)
from ..mask import LOWER_WORDS, UPPER_WORDS, garment_mask, hands, head

PERSON = "person people man woman boy girl child model human body figure"
BACKDROP = "background backdrop surroundings surrounding scenery everything"
HEAD, HANDS = "face head hair hat", "hand hands fingers"
WORDS = {
    word: what
    for what, words in {"person": PERSON, "backdrop": BACKDROP, "upper": UPPER_WORDS, "lower": LOWER_WORDS,
                        "head": HEAD, "hands": HANDS}.items()
    for word in words.split()
}  # fmt: skip


def named(rgb: Picture, prompt: str) -> Bits:
    """Find what the first keyword in the prompt stands for; without a keyword, the subject of the picture."""
    words = re.findall(r"[a-z]+", prompt.lower().replace("t-shirt", "tshirt"))
    what = next((WORDS[word] for word in words if word in WORDS), "subject")
    body = None if what == "subject" else _body(rgb)
    subject = (subject_matte(rgb) if body is None else body.silhouette) > 0.5
    if what == "backdrop":
        return ~subject
    part = subject if body is None else _part(what, body, rgb)
    return part if part.any() else subject


def _part(what: str, body: Body, rgb: Picture) -> Bits:
    match what:
        case "upper":
            return garment_mask(body, "upper")
        case "lower":
            return garment_mask(body, "lower")
        case "head":
            return head(body, rgb)
        case "hands":
            return hands(body, rgb)
    return np.asarray(body.silhouette > 0.5)


def _body(rgb: Picture) -> Body | None:
    try:
        return find_body(rgb)
    except PreviewError:
        return None


def cutout(rgb: Picture) -> Matte:
    """Cut out the subject with a soft edge: the person, else all that is not a plain backdrop, else what stands out."""
    body = _body(rgb)
    return subject_matte(rgb) if body is None else body.silhouette


def subject_matte(rgb: Picture) -> Matte:
    """Find an object before a plain backdrop, else what stands out most; where nothing does, the middle."""
    small, scale = resize_to(rgb, 360)
    usual = _border_colours(lab(small))
    if max(float(np.linalg.norm(one - other)) for one in usual for other in usual) < 30:
        try:
            return garment_matte(rgb)
        except PreviewError:
            pass
    subject = _standing_out(small, usual)
    if not 0.01 < subject.mean() < 0.8:
        y, x = np.mgrid[-1 : 1 : small.shape[0] * 1j, -1 : 1 : small.shape[1] * 1j]
        subject = np.asarray(x * x + y * y < 0.3)
    matte = blur(cv2.resize(f32(subject), rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR), 0.5 / scale)
    return snap_to_edges(rgb, matte, max(2, int(0.004 * max(rgb.shape))), 1e-3)


def _border_colours(colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return four Lab colours that make up the picture's border."""
    rim = max(2, len(colours) // 40)
    sides = (colours[:rim], colours[-rim:], colours[:, :rim], colours[:, -rim:])
    border = np.vstack([side.reshape(-1, 3) for side in sides])
    cv2.setRNGSeed(7)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    _, _, usual = cv2.kmeans(border, 4, np.zeros((len(border), 1), np.int32), stop, 2, cv2.KMEANS_PP_CENTERS)
    return f32(usual)


def _standing_out(small: Picture, usual: NDArray[np.float32]) -> Bits:
    """Find the central and large objects (a pair of shoes is two) whose colours are not those of the border."""
    colours = lab(small)
    away = blur(np.min([np.linalg.norm(colours - each, axis=2) for each in usual], axis=0), 1)
    found = fill_holes(tidy(tidy(away > 12, cv2.MORPH_OPEN, 2), cv2.MORPH_CLOSE, 3), 0.2 * away.size)
    y, x = np.mgrid[-1 : 1 : away.shape[0] * 1j, -1 : 1 : away.shape[1] * 1j]
    central = np.exp(-1.5 * (x * x + y * y))
    count, labels = cv2.connectedComponents(found.astype(np.uint8))
    weights = np.array([0.0] + [float(central[labels == k].sum()) for k in range(1, count)])
    return np.isin(labels, np.flatnonzero((weights > 0.5 * weights.max()) & (weights > 0)))
