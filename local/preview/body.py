"""Find an upright person who faces the camera: outline, joints, face and skin tone."""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from .cutout import (  # fmt: skip
    Matte,
    Picture,
    Points,
    PreviewError,
    backdrop_distance,
    f32,
    fill_holes,
    grabcut,
    lab,
    resize_to,
    snap_to_edges,
    tidy,
)

Side = Literal["left", "right"]  # of the picture, not of the person
SIDES: dict[Side, int] = {"left": -1, "right": 1}
WORKING_SIDE = 512  # joints are found at this size, so that they do not depend on the picture's own


class Face(NamedTuple):
    x: float
    y: float
    size: float  # of the square box around brows and chin

    @property
    def middle(self) -> float:
        return self.x + self.size / 2


@dataclass(frozen=True)
class Body:
    """Where the person is, in pixels of the picture."""

    silhouette: Matte
    face: Face
    arms: dict[Side, Points]  # shoulder, elbow, wrist, hand
    legs: dict[Side, Points]  # hip, knee, ankle
    skin: NDArray[np.float32] | None  # typical RGB, None where no skin shows
    waist_y: float  # where trousers begin
    brightness: float  # of the person's lightest parts, 0 to 255

    @property
    def shoulder(self) -> float:
        """Distance between the shoulder joints, the yardstick for all else."""
        return float(self.arms["right"][0, 0] - self.arms["left"][0, 0])

    @property
    def middle(self) -> float:
        """Return x of the breastbone."""
        return float(self.arms["right"][0, 0] + self.arms["left"][0, 0]) / 2

    @property
    def shoulder_y(self) -> float:
        return float(self.arms["left"][0, 1])

    @property
    def hip_y(self) -> float:
        return float(self.legs["left"][0, 1])

    def view(self, x: float, y: float, scale: float, size: tuple[int, int]) -> Body:
        """Show the same body in a window of `size` (width, height) that starts at x, y and is enlarged by `scale`."""
        centre = (scale - 1) / 2  # pixels are areas: their centres move too
        move = f32([[scale, 0, -x * scale + centre], [0, scale, -y * scale + centre]])
        arms, legs = (
            {side: f32((p - f32([x, y])) * scale) for side, p in limb.items()} for limb in (self.arms, self.legs)
        )
        face = Face((self.face.x - x) * scale, (self.face.y - y) * scale, self.face.size * scale)
        outline, waist_y = f32(cv2.warpAffine(self.silhouette, move, size)), (self.waist_y - y) * scale
        return replace(self, silhouette=outline, face=face, arms=arms, legs=legs, waist_y=waist_y)


def find_body(rgb: Picture) -> Body:
    """Find the person in the picture. Raises PreviewError when the engine can read none."""
    return _find_body(rgb.tobytes(), rgb.shape[:2])


@functools.lru_cache(maxsize=2)  # the images of one request, and a person who tries on one thing after another
def _find_body(pixels: bytes, shape: tuple[int, int]) -> Body:
    height, width = shape
    rgb = np.frombuffer(pixels, np.uint8).reshape(height, width, 3)
    top, right, bottom, left = (_bar(np.rot90(rgb, turns)) for turns in range(4))
    small, scale = resize_to(np.ascontiguousarray(rgb[top : height - bottom, left : width - right]), WORKING_SIDE)
    face = _find_face(small)
    if face is None:
        raise PreviewError("no person found: the preview needs one upright person who faces the camera")
    body = _skeleton(small, _silhouette(small, face), face).view(
        -left * scale, -top * scale, 1 / scale, (width, height)
    )
    body.silhouette[:] = snap_to_edges(rgb, body.silhouette, max(2, int(0.006 * max(rgb.shape))), 1e-3)
    return body


def _bar(rows: NDArray[Any]) -> int:
    """Measure a letterbox bar along the first rows: flat, then nearly every pixel changes at once."""
    flat = np.median(rows[0], axis=0)
    changed = (np.abs(rows[: int(0.4 * len(rows))].astype(np.float32) - flat).max(2) > 12).mean(1)
    start = int((changed > 0.1).argmax())
    return start + 1 if start and changed[start : start + 4].max() > 0.8 else 0


class _Detector(threading.local):
    """The Haar cascade that ships in the OpenCV 4 wheel. One a thread: while it looks, it writes into itself."""

    def __init__(self) -> None:
        self.cascade = cv2.CascadeClassifier(f"{Path(cv2.__file__).parent}/data/haarcascade_frontalface_alt2.xml")


_detector = _Detector()


def _find_face(rgb: Picture, *, side: int = 640, least: float = 2.0) -> Face | None:
    """Find the surest face that has a skin's colour, looked for with the longest side at `side` pixels.

    `least` is the least score of the detector that counts.
    """
    grey, scale = resize_to(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), side)
    colourless = np.ptp(rgb, axis=2).mean() < 4  # a black-and-white photograph has no skin colour to ask for
    for view in (grey, cv2.equalizeHist(grey)):
        boxes, _, scores = _detector.cascade.detectMultiScale3(view, 1.1, 4, minSize=(24, 24), outputRejectLevels=True)
        for score, (x, y, size, _) in sorted(zip(np.ravel(scores), map(tuple, boxes), strict=True), reverse=True):
            face = Face(x / scale, y / scale, size / scale)
            tone = _skin_at(rgb, face.middle, face.y + 0.6 * face.size, 0.3 * face.size)
            if score >= least and (colourless or tone is not None):
                return face
    return None


def shows_a_face(rgb: Picture) -> bool:
    """Say whether a clear face is in the picture, which means for a garment photograph that somebody wears it."""
    return _find_face(rgb, side=400, least=40) is not None


def _silhouette(rgb: Picture, face: Face) -> Matte:
    """Separate person and backdrop by GrabCut, started from the face's place and the distance to a plain backdrop."""
    height, width = rgb.shape[:2]
    hints = np.full((height, width), cv2.GC_BGD, np.uint8)

    def hint(value: int, left: float, top: float, right: float, bottom: float) -> None:
        """Mark a box, given in faces from the middle of the forehead's edge."""
        x0, x1 = (max(0, int(face.middle + x * face.size)) for x in (left, right))
        y0, y1 = (max(0, int(face.y + y * face.size)) for y in (top, bottom))
        hints[y0:y1, x0:x1] = value

    hint(cv2.GC_PR_BGD, -1.3, -9, 1.3, 0.8)
    hint(cv2.GC_PR_BGD, -3.4, 0.8, 3.4, 99)
    hint(cv2.GC_PR_FGD, -1.9, 0.9, 1.9, 8.6)
    hint(cv2.GC_PR_FGD, -0.75, -0.45, 0.75, 1.3)
    distance, plain = backdrop_distance(rgb)
    if plain:
        steps = [distance > 22, distance > 9, distance < 2.5]
        by_colour = np.select(steps, [cv2.GC_FGD, cv2.GC_PR_FGD, cv2.GC_BGD], cv2.GC_PR_BGD)
        hints = np.where(hints == cv2.GC_BGD, hints, by_colour).astype(np.uint8)
    else:
        hint(cv2.GC_FGD, -0.45, 1.8, 0.45, 3.2)
    hint(cv2.GC_FGD, -0.3, 0.1, 0.3, 0.9)
    person = tidy(grabcut(rgb, hints, 5), cv2.MORPH_OPEN, 1)
    _, labels, _, _ = cv2.connectedComponentsWithStats(person.astype(np.uint8))
    person = tidy(labels == labels[int(face.y + face.size / 2), int(face.middle)], cv2.MORPH_CLOSE, 1)
    largest = 0.002 if plain else 0.018  # of the person: a badge taken for backdrop, not the gap beside an arm
    return f32(fill_holes(person, largest * person.sum()))


def _skeleton(rgb: Picture, silhouette: Matte, face: Face) -> Body:
    """Read the joints off the outline, by the proportions of a body where the outline does not tell."""
    person = silhouette > 0.5
    height, size, centre = len(person), face.size, face.middle
    start = max(0, int(centre - 1.7 * size))
    zone = person[:, start : int(centre + 1.7 * size)]
    lefts, rights = start + zone.argmax(1), start + zone.shape[1] - 1 - zone[:, ::-1].argmax(1)
    widths = np.where(zone.any(1), rights - lefts, 0)

    chin = int(min(face.y + 1.02 * size, height - 2))
    neck = chin + int(np.where(widths > 0, widths, height)[chin : int(chin + 0.9 * size)].argmin())
    below = widths[neck : int(neck + 1.2 * size)]
    reached = below >= 0.86 * np.clip(below.max(), 1.9 * size, 2.9 * size)  # it stops widening: the shoulders' tips
    tip = min(height - 1, neck + int(reached.argmax() if reached.any() else 0.6 * size))
    left, right = max(lefts[tip], centre - 1.45 * size), min(rights[tip], centre + 1.45 * size)
    unit = float(right - left) / 1.15
    middle, shoulder_y = 0.3 * (left + right) + 0.4 * centre, tip + 0.11 * unit

    bottom = int(np.flatnonzero(person.any(1))[-1])
    to_the_feet = height - 3 > bottom > shoulder_y + 2.6 * unit
    hip_y, ankle_y = shoulder_y + 1.20 * unit, shoulder_y + 3.55 * unit
    if to_the_feet:  # the crotch is the first row that shows the backdrop between the legs
        reach = bottom - shoulder_y
        search = slice(int(shoulder_y + 0.35 * reach), int(shoulder_y + 0.65 * reach))
        parted = ~person[search, int(middle - 0.12 * unit) : int(middle + 0.12 * unit)].all(1)
        crotch = search.start + int(parted.argmax() if parted.any() else 0.15 * reach)
        hip_y, ankle_y = min(crotch - 0.42 * unit, shoulder_y + 1.35 * unit), bottom - 0.30 * unit

    arms, legs = {}, {}
    for side, sign in SIDES.items():
        arms[side] = _trace_arm(person, f32([middle + sign * unit / 2, shoulder_y]), middle, sign, unit)
        hip = f32([middle + sign * 0.27 * unit, hip_y])
        legs[side] = _trace_leg(person if to_the_feet else person[:0], hip, ankle_y, middle, sign, unit)
    spots = [(centre, face.y + 0.62 * size, 0.25 * size), *((*arm[3], 0.08 * unit) for arm in arms.values())]
    skin = next((tone for spot in spots if (tone := _skin_at(rgb, *spot)) is not None), None)
    brightness = float(np.percentile(rgb[person], 97))
    return Body(silhouette, face, arms, legs, skin, _waistline(rgb, middle, hip_y, unit), brightness)


def _waistline(rgb: Picture, middle: float, hip_y: float, unit: float) -> float:
    """Find y of the clearest level edge round the hips, where two garments meet, else of the waist by proportion."""
    top, bottom = int(hip_y - 0.5 * unit), int(hip_y - 0.08 * unit)
    strip = rgb[max(0, top) : bottom, int(middle - 0.22 * unit) : int(middle + 0.22 * unit)]
    if len(strip) < 0.3 * unit:
        return hip_y - 0.34 * unit
    rows = np.median(lab(strip), axis=1)
    contrast = np.linalg.norm(rows[2:] - rows[:-2], axis=1)
    return max(0, top) + 1.0 + int(contrast.argmax()) if contrast.max() > 12 else hip_y - 0.34 * unit


def _trace_leg(person: NDArray[Any], hip: Points, ankle_y: float, middle: float, sign: int, unit: float) -> Points:
    """Trace hip, knee and ankle.

    They lie in the middle of what the person covers on this side, straight down where nothing is seen.
    """
    knee_y = float(hip[1] + ankle_y) / 2
    centres = []
    for row in person[np.linspace(knee_y, ankle_y, 9).astype(int)] if len(person) else ():
        x = np.flatnonzero(row)
        x = x[((x - middle) * sign > 0) & (np.abs(x - middle) < 0.75 * unit)]
        centres.append(x.mean() if len(x) else hip[0])
    centres = centres or [hip[0]]
    return f32([hip, (np.median(centres[:3]), knee_y), (np.median(centres[-3:]), ankle_y)])


def _trace_arm(person: NDArray[Any], joint: Points, middle: float, sign: int, unit: float) -> Points:
    """Trace shoulder, elbow, wrist and hand: follow the outer outline down from the shoulder joint."""
    path, length, edge, hand_seen = [joint], 0.0, None, False
    for y in range(int(joint[1] + 0.15 * unit), len(person), max(1, int(0.03 * unit))):
        x = np.flatnonzero(person[y])
        x = x[((x - middle) * sign > 0) & (np.abs(x - middle) < 1.6 * unit)]
        if not len(x) or length > 2.1 * unit:
            break
        outer = float(x[0] if sign < 0 else x[-1])
        if edge is not None and (edge - outer) * sign > 0.16 * unit:  # the outline jumps inwards below the hand
            hand_seen = True
            break
        edge = outer if edge is None else 0.35 * edge + 0.65 * outer
        inwards = 0.15 * unit * (1 - 0.35 * min(1, length / (1.45 * unit)))
        path.append(f32([edge - sign * inwards, y]))
        length += float(np.linalg.norm(path[-1] - path[-2]))
    if length < 0.5 * unit:  # out of the picture: let it hang
        path = [joint, f32(joint + f32([sign * 0.18, 1.5]) * unit)]
    line = f32(path)
    travelled = np.r_[0, np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))]
    seen = float(travelled[-1])
    to_wrist = seen - 0.42 * unit if hand_seen and unit < seen < 2.1 * unit else 1.5 * unit
    if to_wrist > seen:  # cut off by the edge of the picture: carry on straight
        ahead = line[-1] - line[max(0, len(line) - 6)]
        line = f32([*line, line[-1] + ahead / np.linalg.norm(ahead) * (to_wrist - seen)])
        travelled = np.r_[travelled, to_wrist]
    at = to_wrist * np.array([0.53, 0.8, 1])
    elbow, forearm, wrist = np.stack([np.interp(at, travelled, line[:, k]) for k in (0, 1)], -1)
    return f32([joint, elbow, wrist, wrist + (wrist - forearm) * 0.9])


def _skin_at(rgb: Picture, x: float, y: float, radius: float) -> NDArray[np.float32] | None:
    """Return the typical RGB in a disc of the picture, None unless it is a tone of human skin."""
    spot = np.zeros(rgb.shape[:2], np.uint8)
    cv2.circle(spot, (int(x), int(y)), max(2, int(radius)), 1, -1)
    if spot.sum() < 12:
        return None
    pixels = f32(rgb[spot > 0])
    tone = np.median(pixels[pixels.mean(1) >= np.percentile(pixels.mean(1), 30)], axis=0)
    _, cr, cb = _ycrcb(tone[None, None])[0, 0]
    return f32(tone) if 130 <= cr <= 180 and 80 <= cb <= 130 else None


def _ycrcb(rgb: NDArray[Any]) -> NDArray[np.float32]:
    return f32(cv2.cvtColor(rgb.astype(np.uint8), cv2.COLOR_RGB2YCrCb))


def skin_likeness(rgb: Picture, tone: NDArray[np.float32] | None) -> Matte:
    """Rate how much each pixel looks like this person's skin, 0 to 1: close in hue, loosely in brightness."""
    if tone is None:
        return np.zeros(rgb.shape[:2], np.float32)
    off = np.abs(_ycrcb(rgb) - _ycrcb(tone[None, None])[0, 0])
    darkness = np.maximum(off[..., 0] - 60, 0) / 35
    return f32(np.exp(-0.5 * (darkness**2 + (off[..., 1] / 11) ** 2 + (off[..., 2] / 11) ** 2)))
