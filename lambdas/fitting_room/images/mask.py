"""Masks as users send them, made pure: black (0) changes, white (255) stays."""

from __future__ import annotations

from PIL import Image

from fitting_room.images.master import Limits, Master, decoding, from_16_bits, open_image, unreadable

_GREY = range(64, 193)
_MOST_GREY = 0.02


def normalise_mask(data: bytes, person: Master, *, limits: Limits, pointer: str) -> Image.Image:
    """A pure mask (mode L, only 0 and 255) of the person master's size.

    The file may be 1-bit, grey, colour or palette; transparent parts count as white. Its own EXIF orientation is
    applied, never the person's, and upright it must have the size of the upright person picture as it was sent. The
    noise of a JPEG is cut at half; a mask that is really grey (over 2 % of its pixels from 64 to 192) or that changes
    nothing is refused. Raises `JobFailure` `image_unreadable`.
    """
    opened = open_image(data, limits=limits, pointer=pointer)
    if opened.size != person.original_size:
        (width, height), (wanted_width, wanted_height) = opened.size, person.original_size
        raise unreadable(
            pointer,
            f"is a mask of {width} x {height} px, but the picture it masks is "
            f"{wanted_width} x {wanted_height} px (both upright)",
            "Make the mask in the picture's size.",
        )
    with decoding(pointer):
        grey = opened.upright(_grey(opened.image))
    counts = grey.histogram()
    share = sum(counts[level] for level in _GREY) / (grey.width * grey.height)
    if share > _MOST_GREY:
        raise unreadable(
            pointer,
            f"is a mask with {share:.1%} of its pixels grey; at most {_MOST_GREY:.0%} may be",
            "Paint what shall change black and all else white, without soft edges.",
        )
    pure = grey.point([0] * 128 + [255] * 128)
    if not pure.histogram()[0]:
        raise unreadable(
            pointer,
            "is a mask without any black, so nothing would change",
            "Paint what shall change black; transparent counts as white.",
        )
    pure.info = {}
    return pure if pure.size == person.size else pure.resize(person.size, Image.Resampling.NEAREST)


def _grey(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return from_16_bits(image)
    if image.has_transparency_data:
        flat = Image.new("L", image.size, 255)
        rgba = image.convert("RGBA")
        flat.paste(rgba.convert("L"), mask=rgba.getchannel("A"))
        return flat
    return image.convert("L")
