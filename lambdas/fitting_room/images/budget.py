"""Fitted images within the bytes that a provider takes: as PNG, as JPEG, or with fewer pixels, in this order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from PIL import Image

from fitting_room.images.encode import QUALITIES, MediaType, within
from fitting_room.images.fit import Frame, plan_fit, refit
from fitting_room.images.input_checks import SMALL
from fitting_room.images.master import unreadable
from fitting_room.jobs.geometry import FitSpec

_STEP = 0.7
"""Pixels of the next try over those of the last."""


class Encoded(NamedTuple):
    data: bytes
    media_type: MediaType
    frame: Frame


def encoded(image: Image.Image, frame: Frame, spec: FitSpec, max_bytes: int | None, *, pointer: str) -> Encoded:
    """Return a fitted image in at most `max_bytes`.

    Its frame changes if it had to lose pixels; the short side stays at least 512 px. Raises `JobFailure`
    `image_unreadable`.
    """
    smaller: Frame | None = frame
    while smaller:
        if found := within(refit(image, frame, smaller), max_bytes):
            return Encoded(*found, smaller)
        smaller = _smaller(smaller, spec)
    raise unreadable(
        pointer,
        f"({image.width} x {image.height} px once prepared) does not fit into the {max_bytes:,} bytes the provider takes,"
        f" even as a JPEG of quality {QUALITIES[-1]} with a short side of {SMALL} px",
        "Send a smaller image.",
    )


def fair_share(sizes: Iterable[int], budget: int) -> int:
    """Return the most bytes that one image may have so that all together keep a budget.

    The `sizes` exceed the budget together. Smaller images keep their size, and the bytes they leave go to the others.
    """
    left = sorted(sizes)
    while left[0] * len(left) <= budget:
        budget -= left.pop(0)
    return budget // len(left)


def _smaller(frame: Frame, spec: FitSpec) -> Frame | None:
    """Return a frame of fewer pixels for the same source, or None where too little detail would remain."""
    fewer = spec.model_copy(update={"max_pixels": int(frame.canvas[0] * frame.canvas[1] * _STEP)})
    try:
        smaller = plan_fit(frame.source, fewer, original=frame.original)
    except ValueError:
        return None
    return smaller if min(smaller.content) >= SMALL else None
