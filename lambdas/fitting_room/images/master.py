"""One neutral master per input picture: upright, without metadata, 8-bit sRGB on white."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import Image, ImageCms
from pydantic import BaseModel, ConfigDict

from fitting_room.images import jpeg, png, sniff, webp
from fitting_room.images.shrink import shrunk
from fitting_room.images.stripped import BombError, Stripped
from fitting_room.jobs.errors import JobFailure, JobWarning

_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = {_UPRIGHT[number] for number in (5, 6, 7, 8)}
_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_WHITE = (255, 255, 255)
_PLUGINS = {"HEIC": "HEIF"}
_STRIP = {"JPEG": jpeg.strip, "PNG": png.strip, "WebP": webp.strip}
_SAVE_AGAIN = "Open it in an image editor, save it again as JPEG or PNG, and send that."
_COLLECTION = "HEIF"
"""The format whose further images are no frames: a phone's depth map, its other lens, a burst."""

Size = tuple[int, int]


class ImageLimits(BaseModel):
    """The limits of a picture, checked from its header before a pixel is decoded.

    Bytes; px; long side over short side. `max_pixels` lets in the 50-megapixel modes of phones, whose largest is 8192
    x 6144 px. `master_pixels` refuses nothing: a larger picture becomes a master of at most that many pixels. No
    provider of the catalogue takes more than 4096 x 4096, and more would only cost memory.
    """

    model_config = ConfigDict(frozen=True)

    max_bytes: int = 30_000_000
    max_pixels: int = 52_000_000
    min_side: int = 64
    max_side: int = 16_384
    max_aspect: float = 16.0
    master_pixels: int = 4096 * 4096


@dataclass(frozen=True)
class Master:
    """A picture ready to be fitted.

    `image`: RGB, no metadata. `original_size`: (width, height) in px, upright and before any reduction. `warnings`:
    the parts of the file that were left out.
    """

    image: Image.Image
    original_size: Size
    warnings: tuple[JobWarning, ...] = ()

    @property
    def size(self) -> Size:
        return self.image.size


@dataclass(frozen=True)
class Opened:
    """A picture of which only the header was read. `size` is the size once it is upright."""

    image: Image.Image
    file: Stripped
    turn: Image.Transpose | None
    size: Size

    @property
    def animated(self) -> bool:
        return self.file.animated or (
            self.image.format != _COLLECTION and bool(getattr(self.image, "is_animated", False))
        )

    def load(self) -> Image.Image:
        """Decode the pixels.

        Raises the errors of the decoder, and `ValueError` if some pixels are missing.
        """
        image = self.file.load(self.image)
        if not self.file.whole(image):
            raise ValueError("pixels are missing or damaged")
        return image

    def upright(self, image: Image.Image) -> Image.Image:
        return image if self.turn is None else image.transpose(self.turn)


def make_master(data: bytes, *, limits: ImageLimits, pointer: str) -> Master:
    """Return the master of a JPEG, PNG, WebP, AVIF or HEIC file.

    An animation gives its first frame, with the warning `animation_first_frame`. A HEIC with several pictures gives
    the primary one.

    Raises `JobFailure` `image_unreadable` naming the rule that is broken.
    """
    opened = open_image(data, limits=limits, pointer=pointer)
    warnings = (_first_frame(pointer),) if opened.animated else ()
    image = _on_white(decoded(opened, most_pixels=limits.master_pixels, pointer=pointer))
    return Master(image, opened.size, warnings)


def decoded(opened: Opened, *, most_pixels: int, pointer: str) -> Image.Image:
    """Return the pixels upright in 8-bit sRGB, without metadata and with at most `most_pixels`.

    The mode is RGB, or RGBA where anything may be transparent. Raises `JobFailure` `image_unreadable`.
    """
    size = _within_pixels(opened.image.size, most_pixels)
    with decoding(pointer):
        opened.image.draft(None, size)  # a JPEG far above the size is decoded at 1/2, 1/4 or 1/8
        profile = _foreign_profile(opened.image)
        image = opened.load()
        image = _simplest(image) if image.size == size else shrunk(image, size, _simplest)
        if image is not opened.image:
            opened.image.close()  # its pixels, which may be 200 MB
        image = opened.upright(_srgb(image, profile))
        if image is opened.image:  # a file object knows its metadata; a copy does not once its info is gone
            image = image.copy()
    image.info = {}
    return image


def open_image(data: bytes, *, limits: ImageLimits, pointer: str) -> Opened:
    """Read the header and apply `limits`.

    Raises `JobFailure` `image_unreadable`.
    """
    name = sniff.kind(data)
    if not data:
        raise unreadable(pointer, "is empty (0 bytes)", "Send the file again; the upload may not have finished.")
    if len(data) > limits.max_bytes:
        raise unreadable(
            pointer,
            f"has {len(data):,} bytes; the limit (max_bytes) is {limits.max_bytes:,}",
            "Save it smaller or as a JPEG.",
        )
    if name not in sniff.ACCEPTED:
        what = "is of no known image type" if name == "unknown" else f"is of type {name}, which is not taken"
        raise unreadable(pointer, what, "Send a JPEG, PNG, WebP, AVIF or HEIC file.")
    if name == "HEIC":
        _learn_heic()
    with decoding(pointer), warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limits say it by name
        try:
            file = stripped(data, name)
            image = Image.open(io.BytesIO(file.data), formats=[_PLUGINS.get(name, name)])
        except Image.DecompressionBombError:
            raise _too_many_pixels(pointer, "far more", limits) from None
        turn = _UPRIGHT.get(_orientation(image))
    size = image.size[::-1] if turn in _SIDEWAYS else image.size
    _check_size(size, limits, pointer)
    return Opened(image, file, turn, size)


def stripped(data: bytes, name: str) -> Stripped:
    """Return the file without the parts that no decoder needs.

    Raises `ValueError`, and any other error that a damaged file causes.
    """
    if name in _STRIP:
        return _STRIP[name](data)
    return Stripped(sniff.with_known_brand(data, name))


def unreadable(pointer: str, what: str, remedy: str) -> JobFailure:
    return JobFailure("image_unreadable", f"The image at {pointer} {what}.", remedy, pointer=pointer)


@contextmanager
def decoding(pointer: str) -> Iterator[None]:
    """Turn any error of Pillow's parsers on damaged bytes into one clear `JobFailure`.

    These errors have no common class.
    """
    try:
        yield
    except (JobFailure, MemoryError):
        raise
    except BombError as bomb:
        raise unreadable(pointer, str(bomb), _SAVE_AGAIN) from None
    except Exception:
        raise unreadable(pointer, "is damaged or cut off: it cannot be decoded", _SAVE_AGAIN) from None


def _orientation(image: Image.Image) -> int:
    if "exif" not in image.info:  # Pillow would decode all of a PNG to look for it behind the pixels
        return 1
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged EXIF does not make the picture unusable
        return 1


def _check_size(size: Size, limits: ImageLimits, pointer: str) -> None:
    width, height = size
    seen = f"is {width} x {height} px"
    if width * height > limits.max_pixels:
        raise _too_many_pixels(pointer, f"{width * height:,}", limits)
    if max(size) > limits.max_side:
        raise unreadable(
            pointer, f"{seen}; the longest side allowed (max_side) is {limits.max_side} px", "Scale it down."
        )
    if min(size) < limits.min_side:
        raise unreadable(
            pointer, f"{seen}; the shortest side allowed (min_side) is {limits.min_side} px", "Send a larger image."
        )
    if max(size) > limits.max_aspect * min(size):
        raise unreadable(
            pointer,
            f"{seen}; one side may be at most {limits.max_aspect:g} times the other (max_aspect)",
            "Crop it to the subject.",
        )


def _too_many_pixels(pointer: str, pixels: str, limits: ImageLimits) -> JobFailure:
    return unreadable(
        pointer, f"has {pixels} pixels; the limit (max_pixels) is {limits.max_pixels:,}", "Scale it down."
    )


def _within_pixels(size: Size, most: int) -> Size:
    width, height = size
    scale = min(1.0, (most / (width * height)) ** 0.5)
    return (width, height) if scale == 1 else (max(1, int(width * scale)), max(1, int(height * scale)))


def _simplest(image: Image.Image) -> Image.Image:
    """Return the pixels in the simplest of the modes L, LA, RGB, RGBA and CMYK."""
    if image.mode.startswith("I"):
        return from_16_bits(image)
    if image.mode in ("LA", "RGBA"):
        return image
    if image.has_transparency_data:
        return image.convert("LA" if image.mode == "L" else "RGBA")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def from_16_bits(image: Image.Image) -> Image.Image:
    """Return a grey 16-bit picture in mode L.

    Pillow's own conversion clips instead of scaling.
    """
    return image.convert("I").point(lambda value: value * (1 / 257)).convert("L")


def _foreign_profile(image: Image.Image) -> ImageCms.ImageCmsProfile | None:
    """Return the embedded profile, or None if there is none, it is damaged, or it is sRGB.

    Converting from sRGB would only cost time.
    """
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        return None if "srgb" in ImageCms.getProfileDescription(profile).lower() else profile
    except (KeyError, OSError, TypeError, ImageCms.PyCMSError):
        return None


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    flat = Image.new("RGB", image.size, _WHITE)
    flat.paste(image.convert("RGB"), mask=image.getchannel("A"))
    return flat


def _srgb(image: Image.Image, profile: ImageCms.ImageCmsProfile | None) -> Image.Image:
    """Return the image in RGB, or in RGBA where there was alpha, which no profile speaks about."""
    if image.mode not in ("LA", "RGBA"):
        return _converted(image, profile)
    if profile is None:
        return image.convert("RGBA")
    colour = _converted(image.convert(image.mode.removesuffix("A")), profile)
    colour.putalpha(image.getchannel("A"))
    return colour


def _converted(image: Image.Image, profile: ImageCms.ImageCmsProfile | None) -> Image.Image:
    if profile is not None:
        try:
            converted = ImageCms.profileToProfile(image, profile, _SRGB, outputMode="RGB")
        except (ImageCms.PyCMSError, ValueError):  # a profile of another colour space than the picture's
            converted = None
        if converted is not None:
            return converted
    return image if image.mode == "RGB" else image.convert("RGB")


def _learn_heic() -> None:
    """Load libheif, which only HEIC files need."""
    import pi_heif  # type: ignore[import-untyped, import-not-found, unused-ignore]

    pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)


def _first_frame(pointer: str) -> JobWarning:
    return JobWarning(
        code="animation_first_frame",
        detail=f"The image at {pointer} is an animation; its first frame is used.",
        remedy="Send the frame you want as a still image.",
        pointer=pointer,
    )
