"""Reversible geometry: a picture is fitted to what a provider takes, and the provider's result is brought back.

One `Frame` says what was done. The mask goes through the same frame, and `undo` reads it backwards.
"""

from __future__ import annotations

from bisect import bisect_right
from fractions import Fraction
from math import ceil
from typing import Literal

from PIL import Image
from pydantic import BaseModel, ConfigDict

from fitting_room.jobs.errors import JobWarning
from fitting_room.jobs.geometry import FitSpec

Size = tuple[int, int]
Box = tuple[float, float, float, float]
OutputSize = Literal["provider", "original"]

LETTERBOX = (255, 255, 255)
_KEEP = 255
_SAME_ASPECT = 0.02

FRAMING_CHANGED = JobWarning(
    code="framing_changed",
    detail="The provider's image has another aspect than the one it was given, so its framing could not be restored.",
    remedy="The image is delivered as it came. Send a person image near the provider's own aspect to avoid this.",
)


class Frame(BaseModel):
    """`source` was scaled to `content` and put at `offset` (left, top) on a white `canvas`; all in px.

    `original`: the size of the file that `source` came from, which is larger if its master was reduced.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    original: Size
    source: Size
    content: Size
    canvas: Size
    offset: tuple[int, int]

    @property
    def scale(self) -> float:
        return max(self.content) / max(self.source)


def plan_fit(size: Size, spec: FitSpec, *, original: Size | None = None) -> Frame:
    """Return the frame that fits a picture of `size` and changes least.

    It pads for the aspect and scales down for the limits. It scales up only if the padded picture is below
    `min_side`. Its content has the source's aspect within 1 px. `original`: a master's `original_size`, where it
    differs.

    Raises `ValueError` if the limits contradict each other.
    """
    width, height = _padded(size, spec, min_side=1)
    enlarged = ceil(max(size) * Fraction(spec.min_side, min(width, height)))
    longest = max(max(size), enlarged)
    # The canvas grows with its content, so the longest side that still fits is found by bisection.
    longest = bisect_right(range(1, longest + 1), False, key=lambda side: not _allowed(_canvas(size, side, spec), spec))
    if longest == 0:
        raise ValueError(f"no image fits {spec!r}")
    content = _scaled(size, longest)
    canvas = _canvas(size, longest, spec)
    return Frame(
        original=original or size,
        source=size,
        content=content,
        canvas=canvas,
        offset=((canvas[0] - content[0]) // 2, (canvas[1] - content[1]) // 2),
    )


def enlarged(frame: Frame, spec: FitSpec, provider: str, pointer: str) -> list[JobWarning]:
    """Return a warning where the fit scales up.

    The provider then gets more pixels than there were, but no more detail.
    """
    if frame.scale <= 1:
        return []
    (width, height), (wide, high) = frame.source, frame.content
    return [
        JobWarning(
            code="image_enlarged",
            detail=f"The image at {pointer} is {width} x {height} px. {provider} takes no side below {spec.min_side} px, so"
            f" the image is enlarged to {wide} x {high} px. That adds no detail.",
            remedy=f"Send an image of at least {spec.min_side} px on its short side.",
            pointer=pointer,
        )
    ]


def apply(image: Image.Image, frame: Frame) -> Image.Image:
    """Return the fitted copy of an image.

    Pixels are untouched unless the frame scales. Raises `ValueError` for a picture of another size.
    """
    return _applied(image, frame, Image.Resampling.LANCZOS, LETTERBOX)


def apply_mask(mask: Image.Image, frame: Frame) -> Image.Image:
    """Return the fitted copy of a mask (mode L).

    Nearest neighbour keeps it pure. The padding is white, which means keep.
    """
    return _applied(mask, frame, Image.Resampling.NEAREST, _KEEP)


def refit(fitted: Image.Image, frame: Frame, other: Frame) -> Image.Image:
    """Return a copy fitted by `frame` as `other` would have fitted it.

    Both frames are for the same source.
    """
    return fitted if frame == other else apply(_content(fitted, frame), _again(frame, other))


def refit_mask(fitted: Image.Image, frame: Frame, other: Frame) -> Image.Image:
    """Return a mask fitted by `frame` as `other` would have fitted it."""
    return fitted if frame == other else apply_mask(_content(fitted, frame), _again(frame, other))


def undo(result: Image.Image, frame: Frame, *, size: OutputSize) -> tuple[Image.Image, list[JobWarning]]:
    """Return the result without the padding, in the source's aspect (the short side within 1 px).

    `provider` keeps the result's resolution, whatever it is, and never enlarges; `original` gives the original's
    size. A result whose aspect is neither the canvas's nor the source's within 2 % comes back untouched, with a
    warning.
    """
    return _undone(result, frame, size, Image.Resampling.LANCZOS)


def undo_mask(mask: Image.Image, frame: Frame, *, size: OutputSize) -> tuple[Image.Image, list[JobWarning]]:
    """Return the mask without the padding, as `undo` does, by nearest neighbour."""
    return _undone(mask, frame, size, Image.Resampling.NEAREST)


def _content(fitted: Image.Image, frame: Frame) -> Image.Image:
    return _cropped(fitted, *frame.offset, frame.content)


def _again(frame: Frame, other: Frame) -> Frame:
    return other.model_copy(update={"source": frame.content})


def _scaled(size: Size, longest: int) -> Size:
    """Return `size` with its long side at `longest`, in integers so that nothing drifts."""
    long, short = max(size), min(size)
    other = max(1, (2 * short * longest + long) // (2 * long))
    return (longest, other) if size[0] >= size[1] else (other, longest)


def _padded(content: Size, spec: FitSpec, *, min_side: int) -> Size:
    """Return the smallest canvas around `content` whose aspect `spec` allows."""
    if spec.canvas:
        narrowest = widest = Fraction(*spec.canvas)
    else:
        widest = Fraction(spec.max_aspect)
        narrowest = 1 / widest
    width, height = (max(side, min_side) for side in content)
    return max(width, ceil(height * narrowest)), max(height, ceil(width / widest))


def _canvas(size: Size, longest: int, spec: FitSpec) -> Size:
    return _padded(_scaled(size, longest), spec, min_side=spec.min_side)


def _allowed(canvas: Size, spec: FitSpec) -> bool:
    width, height = spec.canvas or canvas
    return (
        canvas[0] <= min(width, spec.max_side)
        and canvas[1] <= min(height, spec.max_side)
        and canvas[0] * canvas[1] <= spec.max_pixels
    )


def _applied(
    image: Image.Image,
    frame: Frame,
    resampling: Image.Resampling,
    padding: int | tuple[int, int, int],
) -> Image.Image:
    if image.size != frame.source:
        raise ValueError(f"the frame is for {frame.source}, the image is {image.size}")
    if frame.content != frame.source:
        image = image.resize(frame.content, resampling)
    if frame.canvas == frame.content:
        return image
    canvas = Image.new(image.mode, frame.canvas, padding)
    canvas.paste(image, frame.offset)
    return canvas


def _undone(
    result: Image.Image,
    frame: Frame,
    size: OutputSize,
    resampling: Image.Resampling,
) -> tuple[Image.Image, list[JobWarning]]:
    box = _content_box(result.size, frame)
    if box is None:
        return result, [FRAMING_CHANGED]
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    target = frame.original if size == "original" else _restored_size(width, height, frame)
    # Rounding may ask for one pixel more than there is, which a crop would fill with black.
    fits = target[0] <= result.width and target[1] <= result.height
    if fits and abs(width - target[0]) < 1 and abs(height - target[1]) < 1:
        return _cropped(result, round(left), round(top), target), []
    if result.mode == "P":  # Pillow cannot blend palette numbers
        result = result.convert("RGB")
    return result.resize(target, resampling, box=box), []


def _content_box(size: Size, frame: Frame) -> Box | None:
    """Return the box of the source's content in a result of `size`, or None.

    The canvas places it if the result has the canvas's aspect. It is the whole result if the vendor cropped the
    padding away.
    """
    off_canvas, off_source = (_aspect_error(size, other) for other in (frame.canvas, frame.source))
    if min(off_canvas, off_source) > _SAME_ASPECT:
        return None
    if off_source < off_canvas:
        return 0, 0, *size
    across, down = size[0] / frame.canvas[0], size[1] / frame.canvas[1]
    left, top = frame.offset
    width, height = frame.content
    return left * across, top * down, (left + width) * across, (top + height) * down


def _aspect_error(size: Size, other: Size) -> float:
    ratio = (size[0] * other[1]) / (size[1] * other[0])
    return max(ratio, 1 / ratio) - 1


def _restored_size(width: float, height: float, frame: Frame) -> Size:
    """Return the largest size of the source's aspect inside `width` x `height`, without enlarging.

    A vendor rounds sides to its own steps, so the two may have grown unequally. The smaller growth decides.
    """
    growth = min(width / frame.content[0], height / frame.content[1])
    return _scaled(frame.source, max(1, int(max(frame.content) * growth + 1e-6)))


def _cropped(image: Image.Image, left: int, top: int, size: Size) -> Image.Image:
    if size == image.size:
        return image
    return image.crop((left, top, left + size[0], top + size[1]))
