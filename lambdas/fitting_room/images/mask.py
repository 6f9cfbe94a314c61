"""Masks as users send them, made pure: black (0) changes, white (255) stays."""

from __future__ import annotations

from typing import NamedTuple

from PIL import Image

from fitting_room.images.master import ImageLimits, Master, Size, decoding, from_16_bits, open_image, unreadable
from fitting_room.jobs.errors import JobWarning
from fitting_room.jobs.request import MaskRead

_GREY = range(64, 193)
_MOST_GREY = 0.02
_MUCH = 0.6
_ALL = 0.995


class Mask(NamedTuple):
    """`image`: mode L, only 0 and 255, of the master's size."""

    image: Image.Image
    warnings: tuple[JobWarning, ...] = ()


class _Words(NamedTuple):
    """The words of an error about a mask, for one way to read the file.

    `changes` and `stays` say how the file shows each area. `cut`: the remedy for soft edges. `swap`: the remedy where
    the two are the wrong way round.
    """

    changes: str
    stays: str
    cut: str
    swap: str


_WORDS: dict[MaskRead, _Words] = {
    "black_changes": _Words(
        "black",
        "white",
        "Make every pixel pure black or pure white: cut soft edges at half, and use no colours.",
        "If white is to change, send `mask.read: white_changes`. If the transparent part is to change, send"
        " `mask.read: alpha`.",
    ),
    "white_changes": _Words(
        "white",
        "black",
        "Make every pixel pure white or pure black: cut soft edges at half, and use no colours.",
        "If black is to change, leave out `mask.read`. If the transparent part is to change, send `mask.read: alpha`.",
    ),
    "alpha": _Words(
        "transparent",
        "opaque",
        "Make every pixel fully transparent or fully opaque: cut soft edges at half.",
        "If the opaque part is to change, paint it black and leave out `mask.read`.",
    ),
}


def normalise_mask(
    data: bytes,
    person: Master,
    *,
    limits: ImageLimits,
    pointer: str,
    read: MaskRead = "black_changes",
    part: bool = True,
) -> Mask:
    """Return a pure mask of the person master's size.

    `part`: the mask names a part of the image, and not all around an object.

    The file may be 1-bit, grey, colour or palette; transparent parts stay, unless `read` is `alpha`. Its own EXIF
    orientation is applied, never the person's. Upright it must have the aspect of the upright person image. The noise
    of a JPEG is cut at half.

    Raises `JobFailure` `image_unreadable` for a mask that is really grey (over 2 % of its pixels from 64 to 192). It
    also refuses one that changes nothing, or that names a part and leaves nothing.
    """
    opened = open_image(data, limits=limits, pointer=pointer)
    _check_aspect(opened.size, person.original_size, pointer)
    with decoding(pointer):
        image = opened.load()
        levels = opened.upright(_levels(image, read))
    _check_levels(levels, read, pointer, see_through=image.has_transparency_data)
    dark, light = (255, 0) if read == "white_changes" else (0, 255)
    pure = levels.point([dark] * 128 + [light] * 128)
    pure.info = {}
    if pure.size != person.size:
        pure = pure.resize(person.size, Image.Resampling.NEAREST)
    return Mask(pure, _check_extent(pure, read, pointer, part=part))


def _check_aspect(size: Size, wanted: Size, pointer: str) -> None:
    """Check that a mask has the aspect of its image.

    Another tool's rounding may put one side off by a pixel. Raises `JobFailure` `image_unreadable`.
    """
    (width, height), (whole_width, whole_height) = size, wanted
    if min(abs(width - height * whole_width / whole_height), abs(height - width * whole_height / whole_width)) > 1:
        raise unreadable(
            pointer,
            f"is a mask of {width} x {height} px, but the image it masks is "
            f"{whole_width} x {whole_height} px (both upright)",
            "Make the mask in the size of that image, or in another size of the same aspect.",
        )


def _rgba(image: Image.Image) -> Image.Image:
    return image if image.mode == "RGBA" else image.convert("RGBA")


def _levels(image: Image.Image, read: MaskRead) -> Image.Image:
    """Return the mask in mode L, as the file shows it.

    Transparent parts count as parts that stay, unless they are the mask itself.
    """
    if read == "alpha":
        return _rgba(image).getchannel("A")
    if image.mode.startswith("I"):
        eight_bits = image.getextrema()[1] <= 255  # type: ignore[operator]
        return image.convert("I").convert("L") if eight_bits else from_16_bits(image)
    if not image.has_transparency_data:
        return image.convert("L")
    rgba = _rgba(image)
    flat = Image.new("L", image.size, 0 if read == "white_changes" else 255)
    flat.paste(rgba.convert("L"), mask=rgba.getchannel("A"))
    return flat


def _check_levels(levels: Image.Image, read: MaskRead, pointer: str, *, see_through: bool) -> None:
    words, counts = _WORDS[read], levels.histogram()
    present = [level for level, count in enumerate(counts) if count]
    if len(present) > 1 and present[-1] < _GREY.start:
        seen = "the levels 0 and 1" if present == [0, 1] else f"levels up to {present[-1]}"
        low = "transparent" if read == "alpha" else "black"
        raise unreadable(
            pointer,
            f"is a mask with only {seen} of 255, which all count as {low}",
            "Scale its levels so that they are 0 and 255.",
        )
    grey = round(sum(counts[level] for level in _GREY) / levels.width / levels.height, 3)
    if grey > _MOST_GREY:
        what = "half transparent" if read == "alpha" else "grey or coloured"
        painted = see_through and read != "alpha"
        raise unreadable(
            pointer,
            f"is a mask with {grey * 100:.1f} % of its pixels {what}; at most {_MOST_GREY * 100:.0f} % may be",
            f"Paint what is to change pure {words.changes} and leave the rest transparent. "
            "If the transparent part is to change, send `mask.read: alpha`."
            if painted
            else words.cut,
        )


def _check_extent(pure: Image.Image, read: MaskRead, pointer: str, *, part: bool) -> tuple[JobWarning, ...]:
    words = _WORDS[read]
    changed = pure.histogram()[0] / (pure.width * pure.height)
    if not changed:
        raise unreadable(
            pointer,
            f"is a mask without anything {words.changes}, so nothing would change",
            f"Make {words.changes} what is to change. {words.swap}",
        )
    if not part or changed <= _MUCH:
        return ()
    if changed > _ALL:
        raise unreadable(
            pointer,
            f"is a mask with hardly anything {words.stays}, so all of the image would change",
            f"Make {words.stays} what is to stay. {words.swap}",
        )
    return (
        JobWarning(
            code="mask_changes_most",
            detail=f"{words.changes.capitalize()} changes: {changed * 100:.0f} % of the image would change; "
            f"is the mask at {pointer} inverted?",
            remedy=words.swap,
            pointer=pointer,
        ),
    )
