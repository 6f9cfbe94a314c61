"""Judge a provider's image: is it one, is it what the task promises, and is it more than an echo of the input."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

from PIL import Image, ImageChops, ImageFilter

from fitting_room.images import sniff
from fitting_room.images.fit import FRAMING_CHANGED
from fitting_room.images.master import ImageLimits, decoded, decoding, open_image
from fitting_room.jobs.errors import JobFailure, JobWarning

Rejection = Literal["undecodable", "black", "uniform", "unchanged", "missing_alpha", "wrong_aspect"]
Size = tuple[int, int]

REASONS: dict[Rejection, str] = {
    "undecodable": "cannot be decoded as a PNG, JPEG or WebP image",
    "black": "is all black",
    "uniform": "is a single colour",
    "unchanged": "is the input unchanged",
    "missing_alpha": "has no transparency, though the task is to make some",
    "wrong_aspect": "has another shape than the task promises",
}
"""Each ends a sentence that starts with 'A returned picture'."""

_FORMATS = ("PNG", "JPEG", "WebP")
_LIMITS = ImageLimits(max_bytes=50_000_000, min_side=1)
_SAME_ASPECT = 0.02
_BEYOND_USE = 0.5
_SPREAD = 3
_BLACK = 8
_GRID = 128
_SAME_AREA = 5
_SAME_CELL = 48


@dataclass(frozen=True)
class Expected:
    """The properties that a task promises of each picture.

    `size`: exactly this; of the same aspect (within 2 %) another size passes with the warning `size_changed`, and any
    other aspect is `wrong_aspect`. `aspects`: sizes of which one gives the aspect (a frame's canvas and source); off
    by more than 2 % passes with `framing_changed`, since the customer can still use it, off by more than half is
    `wrong_aspect`. `alpha`: transparency that is not the same everywhere. `edit`: only a named part changes, however
    small, so nothing but an exact echo is `unchanged`.
    """

    size: Size | None = None
    aspects: tuple[Size, ...] = ()
    alpha: bool = False
    edit: bool = False


@dataclass(frozen=True)
class Verdict:
    """Rejected for `reason`, or accepted with `image`: the decoded picture, RGB or RGBA, upright sRGB without metadata."""

    reason: Rejection | None = None
    warnings: tuple[JobWarning, ...] = ()
    image: Image.Image | None = None


def fingerprint(data: bytes) -> Image.Image | None:
    """Return a thumbnail for recognising a sent image among the results; None if the image does not decode.

    `data`: a file as Prepare writes it, in RGB or grey and without metadata.
    """
    try:
        with decoding("/"):
            image = Image.open(io.BytesIO(data))
            return _small(image if image.mode == "RGB" else image.convert("RGB"))
    except JobFailure:
        return None


def check_result(data: bytes, expected: Expected = Expected(), sent: Sequence[Image.Image | None] = ()) -> Verdict:
    """Return the first reason to reject `data`, or the image in it.

    `sent`: the fingerprint of each image the provider got. A result is `unchanged` if, at 128 x 128, it differs from
    a sent image by no more than re-encoding or resizing explains.
    """
    image = _decoded(data)
    if image is None:
        return Verdict("undecodable")
    misshapen, warnings = _shape(image.size, expected)
    if misshapen:
        return Verdict("wrong_aspect")
    small = _small(image)
    reason = _see_through(image) if expected.alpha else _blank(small)
    if reason is None and _opaque(image) and any(seen and _alike(small, seen, exact=expected.edit) for seen in sent):
        reason = "unchanged"
    return Verdict(reason) if reason else Verdict(None, warnings, image)


def decode_result(data: bytes) -> Image.Image:
    """Return a provider's picture, upright and in sRGB without metadata.

    The mode is RGBA if anything in it may be transparent, else RGB. Raises `JobFailure` `image_unreadable`.
    """
    return decoded(open_image(data, limits=_LIMITS, pointer="/"), most_pixels=_LIMITS.max_pixels, pointer="/")


def _decoded(data: bytes) -> Image.Image | None:
    try:
        return decode_result(data) if sniff.kind(data) in _FORMATS else None
    except JobFailure:
        return None


def _shape(size: Size, expected: Expected) -> tuple[bool, tuple[JobWarning, ...]]:
    """Return whether the shape is unusable, and the warnings if it is not."""
    if expected.size:
        if _off(size, expected.size) > _SAME_ASPECT:
            return True, ()
        return False, () if size == expected.size else (_size_changed(size, expected.size),)
    off = min((_off(size, aspect) for aspect in expected.aspects), default=0.0)
    return off > _BEYOND_USE, (FRAMING_CHANGED,) if off > _SAME_ASPECT else ()


def _off(size: Size, other: Size) -> float:
    ratio = (size[0] * other[1]) / (size[1] * other[0])
    return max(ratio, 1 / ratio) - 1


def _see_through(image: Image.Image) -> Rejection | None:
    if image.mode != "RGBA":
        return "missing_alpha"
    low, high = cast("tuple[int, int]", image.getchannel("A").resize((16, 16), Image.Resampling.BOX).getextrema())
    if high <= _SPREAD:
        return "uniform"
    return "missing_alpha" if high - low <= _SPREAD else None


def _blank(small: Image.Image) -> Rejection | None:
    # Averaged first, so that compression noise does not pass for content.
    channels = cast("tuple[tuple[int, int], ...]", small.resize((16, 16), Image.Resampling.BOX).getextrema())
    if all(high <= _BLACK for _, high in channels):
        return "black"
    if all(high - low <= _SPREAD for low, high in channels):
        return "uniform"
    return None


def _opaque(image: Image.Image) -> bool:
    """Return whether nothing in the image is transparent.

    An image with transparency is no echo, because nothing transparent is ever sent.
    """
    return image.mode == "RGB" or cast("tuple[int, int]", image.getchannel("A").getextrema())[0] == 255


def _alike(left: Image.Image, right: Image.Image, *, exact: bool) -> bool:
    """Return whether two small grey pictures of the same size show the same.

    Resampling and chroma subsampling move an edge by a fraction of a cell, so a line of cells may differ by a lot. In
    an area of 3 x 3 cells (2.3 % of each side) at least one hardly differs.

    Measured, re-encoded down to JPEG 60 and WebP 75 and scaled by 0.5 to 1.3: at most 4 in an area and 39 in a cell.
    A patch of 2 % of each side made lighter by 40 gave 7 and more in an area.
    """
    difference = ImageChops.difference(left, right)
    if exact:
        return difference.getbbox() is None
    return _most(difference) <= _SAME_CELL and _most(difference.filter(ImageFilter.MinFilter(3))) <= _SAME_AREA


def _most(image: Image.Image) -> int:
    return max(high for _, high in cast("tuple[tuple[int, int], ...]", image.getextrema()))


def _small(image: Image.Image) -> Image.Image:
    """Return the image averaged to a fixed grid, on white."""
    averaged = image.resize((_GRID, _GRID), Image.Resampling.BOX)
    if averaged.mode == "RGB":
        return averaged
    flat = Image.new("RGB", averaged.size, "white")
    flat.paste(averaged.convert("RGB"), mask=averaged.getchannel("A"))
    return flat


def _size_changed(size: Size, wanted: Size) -> JobWarning:
    return JobWarning(
        code="size_changed",
        detail=f"The provider's image is {size[0]} x {size[1]} px, not the {wanted[0]} x {wanted[1]} px asked for.",
        remedy="Scale it, or ask for a size the provider keeps to.",
    )
