"""Find an upright person who faces the camera: outline, joints, head and skin tone."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from .cutout import (
    Bits,
    Matte,
    Picture,
    Points,
    PreviewError,
    backdrop_distance,
    f32,
    fill_holes,
    grabcut,
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
    """Where the person is, in pixels of the picture. `shoulder` (joint to joint) is the yardstick for all else."""

    silhouette: Matte
    face: Face
    middle: float  # x of the breastbone
    shoulder_y: float
    hip_y: float
    shoulder: float
    arms: dict[Side, Points]  # shoulder, elbow, wrist, hand
    legs: dict[Side, Points]  # hip, knee, ankle
    skin: NDArray[np.float32] | None  # typical RGB, None where no skin shows

    def view(self, x: float, y: float, scale: float, size: tuple[int, int]) -> Body:
        """The same body in a window of `size` (width, height) that starts at x, y and is enlarged by `scale`."""
        origin = f32([x, y])
        move = f32([[scale, 0, -x * scale + (scale - 1) / 2], [0, scale, -y * scale + (scale - 1) / 2]])
        face = Face((self.face.x - x) * scale, (self.face.y - y) * scale, self.face.size * scale)
        return Body(
            silhouette=f32(cv2.warpAffine(self.silhouette, move, size, flags=cv2.INTER_LINEAR)),
            face=face,
            middle=(self.middle - x) * scale,
            shoulder_y=(self.shoulder_y - y) * scale,
            hip_y=(self.hip_y - y) * scale,
            shoulder=self.shoulder * scale,
            arms={side: f32((points - origin) * scale) for side, points in self.arms.items()},
            legs={side: f32((points - origin) * scale) for side, points in self.legs.items()},
            skin=self.skin,
        )


def find_body(rgb: Picture) -> Body:
    """The person in the picture. Raises PreviewError when there is none the engine can read."""
    height, width = rgb.shape[:2]
    bars = [_bar(np.rot90(rgb, turns)) for turns in range(4)]  # top, right, bottom, left
    top, left = bars[0], bars[3]
    inner = np.ascontiguousarray(rgb[top : height - bars[2], left : width - bars[1]])
    small, scale = resize_to(inner, WORKING_SIDE)
    face = _find_face(small) or _head_from_outline(small)
    if face is None:
        raise PreviewError("no person found: the preview needs one upright person who faces the camera")
    outline = _silhouette(small, face)
    body = _skeleton(small, outline, face).view(-left * scale, -top * scale, 1 / scale, (width, height))
    matte = snap_to_edges(rgb, body.silhouette, max(2, int(0.006 * max(rgb.shape))), 1e-3)
    body.silhouette[:] = matte
    return body


def _bar(rows: NDArray[Any]) -> int:
    """Thickness of a letterbox bar along the first rows: flat, then nearly every pixel changes at once."""
    flat = np.median(rows[0], axis=0)
    changed = (np.abs(rows[: int(0.4 * len(rows))].astype(np.float32) - flat).max(2) > 12).mean(1)
    start = int((changed > 0.1).argmax())
    return start + 1 if start and changed[start : start + 4].max() > 0.8 else 0


@functools.cache
def _cascade(name: str) -> cv2.CascadeClassifier:
    return cv2.CascadeClassifier(f"{Path(cv2.__file__).parent}/data/haarcascade_{name}.xml")


def _find_face(rgb: Picture, *, side: int = 640, least: float = 2.0) -> Face | None:
    """The surest face by the Haar cascades of the OpenCV 4 wheel, if it is of a skin's colour.

    Looked for with the longest side at `side` pixels; `least` is the detector's own score.
    """
    grey, scale = resize_to(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), side)
    for name, view in itertools.product(("frontalface_alt2", "frontalface_default"), (grey, cv2.equalizeHist(grey))):
        boxes, _, scores = _cascade(name).detectMultiScale3(view, 1.1, 4, minSize=(24, 24), outputRejectLevels=True)
        found = []
        for (x, y, size, _), score in zip(boxes, np.ravel(scores), strict=True):
            face = Face(x / scale, y / scale, size / scale)
            if score >= least and _skin_at(rgb, face.middle, face.y + 0.6 * face.size, 0.3 * face.size) is not None:
                found.append((float(score) + 3 * size / grey.shape[1], face))
        if found:
            return max(found)[1]
    return None


def shows_a_face(rgb: Picture) -> bool:
    """Whether a clear face is in the picture: of a garment photograph, that somebody wears it."""
    return _find_face(rgb, side=400, least=40) is not None


def _head_from_outline(rgb: Picture) -> Face | None:
    """Where no face shows: the first bulge of the outline before a plain backdrop, down to the neck."""
    distance, plain = backdrop_distance(rgb)
    count, labels, stats, _ = cv2.connectedComponentsWithStats((distance > 10).astype(np.uint8))
    if not plain or count < 2:
        return None
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    _, y, width, height, area = (int(v) for v in stats[largest])
    if area < 0.03 * labels.size or height < 1.2 * width:
        return None
    figure = labels[y : y + height] == largest
    widths = figure.sum(1)
    start, end = int(0.06 * height), int(0.30 * height)
    neck = start + int(widths[start:end].argmin())
    head = int(widths[:neck].max(initial=0))
    if head < 1.15 * widths[neck]:
        return None
    size = 0.82 * head
    middle = float(np.flatnonzero(figure[:neck].any(0)).mean())
    return Face(middle - size / 2, y + 0.94 * neck - size, size)


def _silhouette(rgb: Picture, face: Face) -> Matte:
    """GrabCut, started from the face's place and, where the backdrop is plain, from the distance to it."""
    height, width = rgb.shape[:2]
    y, size, middle = face.y, face.size, face.middle

    def box(x0: float, y0: float, x1: float, y1: float) -> tuple[slice, slice]:
        return slice(max(0, int(y0)), max(0, int(y1))), slice(max(0, int(x0)), max(0, int(x1)))

    hints = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
    hints[box(middle - 1.9 * size, y + 0.9 * size, middle + 1.9 * size, y + 8.6 * size)] = cv2.GC_PR_FGD
    hints[box(middle - 0.75 * size, y - 0.45 * size, middle + 0.75 * size, y + 1.3 * size)] = cv2.GC_PR_FGD
    rim = 0.02 * width
    for outside in (
        box(0, 0, width, rim if y > 0 else 0),
        box(0, 0, middle - 1.3 * size, y + 0.8 * size),
        box(middle + 1.3 * size, 0, width, y + 0.8 * size),
        box(0, 0, max(middle - 3.4 * size, rim), height),
        box(min(middle + 3.4 * size, width - rim), 0, width, height),
    ):
        hints[outside] = cv2.GC_BGD
    distance, plain = backdrop_distance(rgb)
    if plain:
        free = hints != cv2.GC_BGD
        steps = [distance > 22, distance > 9, distance < 2.5]
        by_colour = np.select(steps, [cv2.GC_FGD, cv2.GC_PR_FGD, cv2.GC_BGD], cv2.GC_PR_BGD)
        hints[free] = by_colour[free]
    else:
        hints[box(middle - 0.45 * size, y + 1.8 * size, middle + 0.45 * size, y + 3.2 * size)] = cv2.GC_FGD
    centre = (int(middle), int(y + size / 2))
    cv2.ellipse(hints, centre, (int(0.4 * size), int(0.52 * size)), 0, 0, 360, cv2.GC_FGD, -1)
    person = tidy(grabcut(rgb, hints, 5), cv2.MORPH_OPEN, 1)
    _, labels, _, _ = cv2.connectedComponentsWithStats(person.astype(np.uint8))
    at_face = labels[int(np.clip(centre[1], 0, height - 1)), int(np.clip(centre[0], 0, width - 1))]
    person = tidy(labels == at_face, cv2.MORPH_CLOSE, 1)
    largest = 0.002 if plain else 0.018  # of the person: a badge taken for backdrop, not the gap beside an arm
    return f32(fill_holes(person, largest * person.sum()))


def _skeleton(rgb: Picture, silhouette: Matte, face: Face) -> Body:
    """Read the joints off the outline, by the proportions of a body where the outline does not tell."""
    person = silhouette > 0.5
    height = len(person)
    centre, size, chin = face.middle, face.size, face.y + 1.02 * face.size
    spans = _spans(person, centre, 1.7 * size)
    widths = spans[:, 1] - spans[:, 0]
    full_width = np.where(np.isnan(widths), np.inf, widths)

    neck_rows = slice(int(np.clip(chin, 0, height - 2)), int(np.clip(chin + 0.9 * size, 1, height)))
    neck = neck_rows.start + int(full_width[neck_rows].argmin())
    below = widths[neck : int(neck + 1.2 * size)]
    broad = float(np.clip(np.nanmax(below) if np.isfinite(below).any() else 2 * size, 1.9 * size, 2.9 * size))
    reached = np.flatnonzero(below >= 0.86 * broad)  # the outline stops widening: the tips of the shoulders
    tip = int(min(height - 1, neck + (reached[0] if len(reached) else 0.6 * size)))
    left, right = np.where(np.isnan(spans[tip]), (centre - size, centre + size), spans[tip])
    left, right = max(left, centre - 1.45 * size), min(right, centre + 1.45 * size)
    shoulder = float(right - left) / 1.15
    middle = float(0.3 * (left + right) + 0.4 * centre)
    shoulder_y = tip + 0.11 * shoulder

    bottom = int(np.flatnonzero(person.any(1))[-1])
    to_the_feet = height - 3 > bottom > shoulder_y + 2.6 * shoulder
    hip_y = shoulder_y + 1.20 * shoulder
    if to_the_feet:  # the crotch is the first row that shows the backdrop between the legs
        reach = bottom - shoulder_y
        start = int(shoulder_y + 0.35 * reach)
        between = person[start : int(shoulder_y + 0.65 * reach), int(middle - 0.12 * shoulder) : int(middle + 0.12 * shoulder)]
        gaps = np.flatnonzero(~between.all(1))
        crotch = start + gaps[0] if len(gaps) else shoulder_y + 0.5 * reach
        hip_y = min(crotch - 0.42 * shoulder, shoulder_y + 1.35 * shoulder)
    ankle_y = bottom - 0.30 * shoulder if to_the_feet else hip_y + 2.35 * shoulder

    arms, legs = {}, {}
    for side, sign in SIDES.items():
        arms[side] = _trace_arm(person, f32([middle + sign * shoulder / 2, shoulder_y]), middle, sign, shoulder)
        hip = (middle + sign * 0.27 * shoulder, hip_y)
        legs[side] = _trace_leg(person if to_the_feet else person[:0], hip, ankle_y, middle, sign, shoulder)
    spots = [(centre, face.y + 0.62 * size, 0.25 * size), (centre, face.y + 1.1 * size, 0.12 * size)]
    spots += [(*arm[3], 0.08 * shoulder) for arm in arms.values()]
    skin = next((tone for spot in spots if (tone := _skin_at(rgb, *spot)) is not None), None)
    return Body(silhouette, face, middle, float(shoulder_y), float(hip_y), shoulder, arms, legs, skin)


def _spans(person: Bits, centre: float, reach: float) -> NDArray[np.float32]:
    """(H, 2): leftmost and rightmost pixel of the person within `reach` of the centre, nan in empty rows."""
    spans = np.full((len(person), 2), np.nan, np.float32)
    start = max(0, int(centre - reach))
    for y, row in enumerate(person[:, start : int(centre + reach)]):
        filled = np.flatnonzero(row)
        if len(filled):
            spans[y] = start + filled[0], start + filled[-1]
    return spans


def _trace_leg(person: Bits, hip: tuple[float, float], ankle_y: float, middle: float, sign: int, shoulder: float) -> Points:
    """Hip, knee and ankle: the middle of what the person covers on this side, straight down where nothing is seen."""
    knee_y = (hip[1] + ankle_y) / 2
    centres = []
    for y in np.linspace(knee_y, ankle_y, 9).astype(int):
        x = np.flatnonzero(person[y]) if y < len(person) else np.empty(0)
        x = x[((x - middle) * sign > 0) & (np.abs(x - middle) < 0.75 * shoulder)]
        centres.append(x.mean() if len(x) else middle + sign * 0.26 * shoulder)
    return f32([hip, (np.median(centres[:3]), knee_y), (np.median(centres[-3:]), ankle_y)])


def _trace_arm(person: Bits, joint: Points, middle: float, sign: int, shoulder: float) -> Points:
    """Shoulder, elbow, wrist and hand: follow the outer outline down from the shoulder joint."""
    path, length, edge, hand_seen = [joint], 0.0, None, False
    for y in range(int(joint[1] + 0.15 * shoulder), len(person), max(1, int(0.03 * shoulder))):
        x = np.flatnonzero(person[y])
        x = x[((x - middle) * sign > 0) & (np.abs(x - middle) < 1.6 * shoulder)]
        if not len(x) or length > 2.1 * shoulder:
            break
        outer = float(x[0] if sign < 0 else x[-1])
        if edge is not None and (edge - outer) * sign > 0.16 * shoulder:  # the outline jumps inwards below the hand
            hand_seen = True
            break
        edge = outer if edge is None else 0.35 * edge + 0.65 * outer
        inwards = 0.15 * shoulder * (1 - 0.35 * min(1, length / (1.45 * shoulder)))
        point = f32([edge - sign * inwards, y])
        length += float(np.linalg.norm(point - path[-1]))
        path.append(point)
    if length < 0.5 * shoulder:  # out of the picture: let it hang
        hanging = [(0, 0), (sign * 0.16, 0.8), (sign * 0.18, 1.5)]
        path = [f32(joint + f32(step) * shoulder) for step in hanging]
    line = f32(path)
    travelled = np.r_[0, np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))]
    seen = float(travelled[-1])
    to_wrist = seen - 0.42 * shoulder if hand_seen and shoulder < seen < 2.1 * shoulder else 1.5 * shoulder
    if to_wrist > seen:  # cut off by the edge of the picture: carry on straight
        ahead = line[-1] - line[max(0, len(line) - 6)]
        ahead /= max(float(np.linalg.norm(ahead)), 1e-3)
        line = f32(np.vstack([line, line[-1] + ahead * (to_wrist - seen + 1)]))
        travelled = np.r_[travelled, to_wrist + 1]

    def at(share: Any) -> Points:
        distance = np.asarray(share) * to_wrist
        return f32(np.stack([np.interp(distance, travelled, line[:, k]) for k in (0, 1)], -1))

    wrist, elbow = at(1.0), at(0.53)
    across = f32([joint[1] - wrist[1], wrist[0] - joint[0]]) / max(float(np.linalg.norm(wrist - joint)), 1e-3)
    bends = at(np.linspace(0.3, 0.7, 15))
    off_line = np.abs((bends - joint) @ across)
    if off_line.max() > 0.12 * to_wrist:  # a bent arm: the elbow is its corner
        elbow = bends[off_line.argmax()]
    return f32([joint, elbow, wrist, wrist + (wrist - at(0.8)) * 0.9])


def _skin_at(rgb: Picture, x: float, y: float, radius: float) -> NDArray[np.float32] | None:
    """Typical RGB in a disc of the picture, None unless it is a tone of human skin."""
    spot = np.zeros(rgb.shape[:2], np.uint8)
    cv2.circle(spot, (int(x), int(y)), max(2, int(radius)), 1, -1)
    pixels = f32(rgb[spot > 0])
    if len(pixels) < 12:
        return None
    brightness = pixels.mean(1)
    low, high = np.percentile(brightness, (30, 95))
    tone = np.median(pixels[(brightness >= low) & (brightness <= high)], axis=0)
    _, cr, cb = _ycrcb(tone[None, None])[0, 0]
    return f32(tone) if 130 <= cr <= 180 and 80 <= cb <= 130 else None


def _ycrcb(rgb: NDArray[Any]) -> NDArray[np.float32]:
    return f32(cv2.cvtColor(rgb.astype(np.uint8), cv2.COLOR_RGB2YCrCb))


def skin_likeness(rgb: Picture, tone: NDArray[np.float32] | None) -> Matte:
    """How much each pixel looks like this person's skin, 0 to 1: close in hue, loosely in brightness."""
    if tone is None:
        return np.zeros(rgb.shape[:2], np.float32)
    off = np.abs(_ycrcb(rgb) - _ycrcb(tone[None, None])[0, 0])
    darkness = np.maximum(off[..., 0] - 60, 0) / 35
    return f32(np.exp(-0.5 * (darkness**2 + (off[..., 1] / 11) ** 2 + (off[..., 2] / 11) ** 2)))
