"""Odd files as people really send them, each with what must become of it. Every file is made here, from one picture."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image, ImageCms, ImageDraw, ImageEnhance, ImageFilter

from tests.unit.images.pictures import noise, saved, scene, sideways

SAMPLES = Path(__file__).parents[3] / "local" / "samples"
SIZE = (720, 540)
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
Colour = tuple[int, int, int]


class Accepted(NamedTuple):
    """The upright size, the colours of the top left and bottom right corners (None: not looked at), and all warnings."""

    size: tuple[int, int] = SIZE
    top_left: Colour | None = RED
    bottom_right: Colour | None = BLUE
    warnings: tuple[str, ...] = ()


class Refused(NamedTuple):
    """Words of the refusal that name the rule."""

    rule: str


class Odd(NamedTuple):
    name: str
    make: Callable[[], bytes]
    verdict: Accepted | Refused


DAMAGED = Refused("damaged or cut off")
GREY = Accepted(top_left=(76, 76, 76), bottom_right=(29, 29, 29))


def picture() -> Image.Image:
    """Red top left, blue bottom right, sharp, light, and no plain backdrop."""
    return scene(*SIZE)


def heic(image: Image.Image, **options: Any) -> bytes:
    """HEIC as a phone writes it. The encoder is a package of the tests only; the product can only decode."""
    pillow_heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file, **{"quality": 95, **options})
    return file.getvalue()


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing: what a decompression bomb looks like from outside."""
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + _chunk(b"IDAT", zlib.compress(b"\0" * 100)) + _chunk(b"IEND", b"")


def png_of_16_bits(image: Image.Image, *before: bytes) -> bytes:
    """A PNG of two bytes per sample, which Pillow cannot write: 8-bit v becomes 16-bit 257 v."""
    width, height = image.size
    colour_type = {"L": 0, "RGB": 2, "LA": 4, "RGBA": 6}[image.mode]
    pixels, row = image.tobytes(), width * len(image.getbands())
    lines = b"".join(b"\0" + bytes(v for v in pixels[at : at + row] for _ in "16") for at in range(0, len(pixels), row))
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0))
    return b"".join(
        (b"\x89PNG\r\n\x1a\n", header, *before, _chunk(b"IDAT", zlib.compress(lines, 1)), _chunk(b"IEND", b""))
    )


def swapped_primaries() -> bytes:
    """An RGB profile whose red is sRGB's green and the other way round."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack_from(">I", data, 128)[0]
    entries = {bytes(data[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(count)}
    red, green = entries[b"rXYZ"], entries[b"gXYZ"]
    data[red : red + 4], data[green : green + 4] = b"gXYZ", b"rXYZ"
    text = "sRGB".encode("utf-16-be")
    while (at := data.find(text)) >= 0:
        data[at : at + len(text)] = "odd!".encode("utf-16-be")
    return bytes(data)


def odd_inks() -> bytes:
    """A CMYK press on which magenta with yellow prints green, and every other mixture white."""
    white, green = (255, 128, 128), (224, 49, 209)  # 8-bit Lab
    table = b"".join(
        bytes(green if (c, m, y, k) == (0, 1, 1, 0) else white)
        for c in (0, 1)
        for m in (0, 1)
        for y in (0, 1)
        for k in (0, 1)
    )
    identity = (65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    ramp = bytes(range(256))
    a_to_b = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + struct.pack(">9i", *identity) + ramp * 4 + table + ramp * 3
    return _profile(b"CMYK", b"Lab ", {b"A2B0": a_to_b})


def inverted_grey() -> bytes:
    """A grey profile on which black is light."""
    curve = b"curv\0\0\0\0" + struct.pack(">I2H", 2, 65535, 0)
    return _profile(b"GRAY", b"XYZ ", {b"kTRC": curve})


def _profile(space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    d50 = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    text = b"desc\0\0\0\0" + struct.pack(">I", 4) + b"odd\0" + b"\0" * 78
    tags = {b"desc": text, b"wtpt": d50, **tags}
    table, body, at = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        padded = data + b"\0" * (-len(data) % 4)
        table += name + struct.pack(">II", at + len(body), len(data))
        body += padded
    rest = struct.pack(">I", len(tags)) + table + body
    kind = b"prtr" if space == b"CMYK" else b"mntr"
    head = struct.pack(
        ">I4sI4s4s4s12s4s", 128 + len(rest), b"none", 0x02400000, kind, space, connection, b"\0" * 12, b"acsp"
    )
    return (head + b"\0" * 28 + struct.pack(">3i", 63190, 65536, 54061)).ljust(128, b"\0") + rest


def claims(data: bytes, width: int, height: int) -> bytes:
    """An AVIF or HEIC file whose container says another size than its stream."""
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


def _cmyk(**options: Any) -> bytes:
    return saved(picture().convert("CMYK"), "JPEG", quality=95, **options)


def _translucent() -> Image.Image:
    image = picture().convert("RGBA")
    image.paste((255, 0, 0, 128), (0, 0, 60, 60))
    image.paste((0, 0, 0, 0), (SIZE[0] - 60, SIZE[1] - 60, *SIZE))
    return image


PINK_TO_NOTHING = Accepted(top_left=(255, 127, 127), bottom_right=WHITE)


def _palette() -> Image.Image:
    image = Image.new("P", SIZE, 2)
    image.putpalette([255, 0, 0, 0, 0, 255, 90, 140, 90, 200, 160, 120])
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 180, 135), fill=0)
    draw.rectangle((540, 405, 720, 540), fill=1)
    for x in range(0, SIZE[0], 40):
        draw.line((x, 140, x + 30, 400), fill=3, width=9)
    return image


def _frames() -> list[Image.Image]:
    return [picture(), Image.new("RGB", SIZE, (0, 128, 0))]


def _animated(file_format: str) -> bytes:
    first, second = _frames()
    return saved(first, file_format, save_all=True, append_images=[second], duration=100)


def _two_in_one_heic() -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    both = pillow_heif.from_pillow(noise(80, 60))
    both.add_from_pillow(picture())
    file = io.BytesIO()
    both.save(file, quality=95, primary_index=1)
    return file.getvalue()


def _cut(data: bytes, share: float = 0.7) -> bytes:
    return data[: int(len(data) * share)]


def _flipped(data: bytes) -> bytes:
    at = len(data) // 2
    return data[:at] + bytes((data[at] ^ 0xFF,)) + data[at + 1 :]


def _person() -> Image.Image:
    with Image.open(SAMPLES / "person_a.png") as image:
        return image.convert("RGB")


def _far_away() -> Image.Image:
    small = _person().crop((150, 0, 690, 1248)).resize((90, 208))
    image = Image.new("RGB", (1000, 1000), small.getpixel((1, 1)))
    image.paste(small, (450, 400))
    return image


def _taken(number: int) -> Odd:
    return Odd(f"JPEG, EXIF orientation {number}", lambda: sideways(picture(), number), Accepted())


def _jpegs() -> Iterator[Odd]:
    yield from map(_taken, range(1, 9))
    yield Odd("JPEG, orientation 9, which there is not", lambda: sideways(picture(), 9), Accepted())
    yield Odd("JPEG, EXIF damaged", lambda: saved(picture(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"), Accepted())
    yield Odd("JPEG, progressive", lambda: saved(picture(), "JPEG", progressive=True), Accepted())
    yield Odd("JPEG, grey", lambda: saved(picture().convert("L"), "JPEG"), GREY)
    yield Odd("JPEG, CMYK as Photoshop writes it", _cmyk, Accepted())
    yield Odd(
        "JPEG, CMYK with the profile of its press",
        lambda: _cmyk(icc_profile=odd_inks()),
        Accepted(top_left=(0, 255, 0), bottom_right=WHITE),
    )
    yield Odd(
        "JPEG, RGB with a foreign profile",
        lambda: saved(picture(), "JPEG", quality=95, icc_profile=swapped_primaries()),
        Accepted(top_left=GREEN),
    )
    yield Odd("JPEG, profile damaged", lambda: saved(picture(), "JPEG", icc_profile=b"not a profile"), Accepted())
    yield Odd(
        "JPEG, several pictures in one (MPO)",
        lambda: saved(picture(), "MPO", save_all=True, append_images=_frames()[1:]),
        Accepted(),
    )
    yield Odd("JPEG, something after its end", lambda: saved(picture(), "JPEG") + b"<html>" * 100, Accepted())
    yield Odd("JPEG, cut off", lambda: _cut(saved(picture(), "JPEG")), DAMAGED)
    yield Odd("JPEG, its first bytes before HTML", lambda: b"\xff\xd8\xff\xe0<html><body>404</body></html>", DAMAGED)


def _pngs() -> Iterator[Odd]:
    grey = picture().convert("L")
    yield Odd(
        "PNG, black and white",
        lambda: saved(grey.point([0] * 60 + [255] * 196, "1")),
        Accepted(top_left=WHITE, bottom_right=(0, 0, 0), warnings=("subject_small", "plain_backdrop")),
    )
    yield Odd(
        "PNG, grey and alpha",
        lambda: saved(Image.merge("LA", (grey, _translucent().getchannel("A")))),
        Accepted(top_left=(165, 165, 165), bottom_right=WHITE),
    )
    yield Odd(
        "PNG, grey and alpha with a grey profile",
        lambda: saved(
            Image.merge("LA", (grey.point([0] * 256), _translucent().getchannel("A"))), icc_profile=inverted_grey()
        ),
        Accepted(top_left=WHITE, bottom_right=WHITE, warnings=("picture_empty",)),
    )
    yield Odd("PNG, grey with a transparent level", lambda: saved(grey, transparency=76), GREY._replace(top_left=WHITE))
    yield Odd(
        "PNG, RGB with a transparent colour", lambda: saved(picture(), transparency=RED), Accepted(top_left=WHITE)
    )
    yield Odd("PNG, translucent", lambda: saved(_translucent()), PINK_TO_NOTHING)
    yield Odd(
        "PNG, translucent with a foreign profile",
        lambda: saved(_translucent(), icc_profile=swapped_primaries()),
        PINK_TO_NOTHING._replace(top_left=(127, 255, 127)),
    )
    yield Odd("PNG, palette of 2 bits", lambda: saved(_palette(), bits=2), Accepted())
    yield Odd(
        "PNG, palette with a transparent colour",
        lambda: saved(_palette(), transparency=1),
        Accepted(bottom_right=WHITE),
    )
    yield Odd(
        "PNG, palette with translucent colours",
        lambda: saved(_palette(), transparency=bytes((128, 0, 255, 255))),
        Accepted(top_left=(255, 127, 127), bottom_right=WHITE),
    )
    yield Odd("PNG, 16-bit grey", lambda: png_of_16_bits(grey), GREY)
    yield Odd(
        "PNG, 16-bit grey with a transparent level, which is not looked at",
        lambda: png_of_16_bits(grey, _chunk(b"tRNS", struct.pack(">H", 76 * 257))),
        GREY,
    )
    yield Odd("PNG, 16-bit grey and alpha", lambda: png_of_16_bits(grey.convert("LA")), GREY)
    yield Odd("PNG, 16-bit RGB", lambda: png_of_16_bits(picture()), Accepted())
    yield Odd("PNG, 16-bit RGBA", lambda: png_of_16_bits(_translucent()), PINK_TO_NOTHING)
    yield Odd(
        "PNG, 16-bit RGB with a transparent colour",
        lambda: png_of_16_bits(picture(), _chunk(b"tRNS", struct.pack(">3H", 65535, 0, 0))),
        Accepted(top_left=WHITE),
    )
    yield Odd("PNG, EXIF orientation 6", lambda: sideways(picture(), 6, "PNG"), Accepted())
    yield Odd("PNG, animated", lambda: _animated("PNG"), Accepted(warnings=("animation_first_frame",)))
    yield Odd("PNG, cut off", lambda: _cut(saved(picture())), DAMAGED)
    yield Odd("PNG, one byte flipped", lambda: _flipped(saved(picture())), DAMAGED)
    yield Odd("PNG, bomb of 81 megapixels", lambda: png_header(9_000, 9_000), Refused("(max_pixels)"))
    yield Odd("PNG, bomb of 3.6 gigapixels", lambda: png_header(60_000, 60_000), Refused("(max_pixels)"))
    yield Odd("PNG, a ribbon", lambda: png_header(20_000, 1_500), Refused("(max_side)"))
    yield Odd("PNG, an icon", lambda: saved(scene(32, 32)), Refused("(min_side)"))
    yield Odd("PNG, a line", lambda: saved(scene(70, 1200)), Refused("(max_aspect)"))
    yield Odd("PNG, nothing but its signature", lambda: b"\x89PNG\r\n\x1a\n", DAMAGED)


def _newer() -> Iterator[Odd]:
    yield Odd("WebP, lossy", lambda: saved(picture(), "WEBP"), Accepted())
    yield Odd("WebP, translucent", lambda: saved(_translucent(), "WEBP", lossless=True), PINK_TO_NOTHING)
    yield Odd("WebP, EXIF orientation 8", lambda: sideways(picture(), 8, "WEBP"), Accepted())
    yield Odd("WebP, animated", lambda: _animated("WEBP"), Accepted(warnings=("animation_first_frame",)))
    yield Odd("WebP, cut off", lambda: _cut(saved(picture(), "WEBP")), DAMAGED)
    yield Odd("AVIF", lambda: saved(picture(), "AVIF", speed=10), Accepted())
    yield Odd("AVIF, translucent", lambda: saved(_translucent(), "AVIF", speed=10), PINK_TO_NOTHING)
    for number in (2, 5, 6):
        yield Odd(f"AVIF, orientation {number}", partial(sideways, picture(), number, "AVIF"), Accepted())
    yield Odd(
        "AVIF, named as HEIF in general",
        lambda: saved(picture(), "AVIF", speed=10).replace(b"ftypavif", b"ftypmif1", 1),
        Accepted(),
    )
    yield Odd("AVIF, animated", lambda: _animated("AVIF"), Accepted(warnings=("animation_first_frame",)))
    yield Odd("AVIF, cut off", lambda: _cut(saved(picture(), "AVIF", speed=10)), DAMAGED)
    yield Odd("AVIF, bomb", lambda: claims(saved(picture(), "AVIF", speed=10), 8_000, 8_000), Refused("(max_pixels)"))
    yield Odd("HEIC", lambda: heic(picture()), Accepted())
    yield Odd("HEIC, translucent", lambda: heic(_translucent()), PINK_TO_NOTHING)
    for number in (3, 6, 7):
        yield Odd(f"HEIC, orientation {number}", partial(sideways_heic, number), Accepted())
    yield Odd(
        "HEIC, with a foreign profile",
        lambda: heic(picture(), icc_profile=swapped_primaries()),
        Accepted(top_left=GREEN),
    )
    yield Odd(
        "HEIC, named as HEIF in general", lambda: heic(picture()).replace(b"ftypheic", b"ftypmif1", 1), Accepted()
    )
    yield Odd("HEIC, a burst whose second picture is the primary", _two_in_one_heic, Accepted())
    yield Odd("HEIC, cut off", lambda: _cut(heic(picture())), DAMAGED)
    yield Odd("HEIC, bomb", lambda: claims(heic(picture()), 60_000, 60_000), Refused("(max_pixels)"))
    yield Odd("HEIC, smaller in its container than in its stream", lambda: claims(heic(picture()), 100, 80), DAMAGED)


def sideways_heic(orientation: int) -> bytes:
    with Image.open(io.BytesIO(sideways(picture(), orientation, "PNG"))) as file:
        exif, stored = file.getexif().tobytes(), file.convert("RGB")
    stored.info = {}
    return heic(stored, exif=exif)


def _pretenders() -> Iterator[Odd]:
    svg = '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>'
    html = "<!DOCTYPE html><html><body>Not found</body></html>"
    for name, data, what in (
        ("nothing", b"", "is empty"),
        ("noise", b"\x07" * 200, "no known image type"),
        ("SVG", svg.encode(), "type SVG"),
        ("SVG in UTF-16", svg.encode("utf-16"), "type SVG"),
        ("HTML", html.encode(), "type HTML"),
        ("HTML after a comment", b"<!-- saved -->\n" + html.encode(), "type HTML"),
        ("HTML in UTF-16", b"\xfe\xff" + html.encode("utf-16-be"), "type HTML"),
        ("a storage service's error", b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "type XML"),
        ("an API's error", b'{"message": "not found"}', "type JSON"),
        ("PDF", b"%PDF-1.7\n%\xe2\xe3", "type PDF"),
        ("video", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "type video"),
        ("Photoshop", b"8BPS\0\x01", "type Photoshop"),
        ("ZIP", b"PK\x03\x04rest", "type ZIP"),
        ("data URL", b"data:image/png;base64,iVBORw0KGgo=", "type data URL in text"),
    ):
        yield Odd(name, partial(bytes, data), Refused(what))
    for file_format in ("GIF", "BMP", "TIFF", "ICO"):
        yield Odd(file_format, partial(saved, scene(64, 64), file_format), Refused(f"type {file_format}"))


def _poor() -> Iterator[Odd]:
    yield Odd("a small picture", lambda: saved(scene(400, 300)), Accepted((400, 300), warnings=("picture_small",)))
    yield Odd("a tall one", lambda: saved(scene(520, 1700)), Accepted((520, 1700), warnings=("picture_narrow",)))
    yield Odd(
        "a blank one",
        lambda: saved(Image.new("RGB", (600, 600), WHITE), "JPEG"),
        Accepted((600, 600), WHITE, WHITE, ("picture_empty",)),
    )
    yield Odd(
        "taken at night",
        lambda: saved(ImageEnhance.Brightness(picture()).enhance(0.2), "JPEG"),
        Accepted(SIZE, None, None, ("picture_dark",)),
    )
    yield Odd(
        "out of focus",
        lambda: saved(picture().filter(ImageFilter.GaussianBlur(4)), "JPEG"),
        Accepted(warnings=("picture_blurred",)),
    )
    yield Odd(
        "a person in a studio", lambda: saved(_person(), "JPEG"), Accepted((832, 1248), None, None, ("plain_backdrop",))
    )
    yield Odd(
        "a person far away",
        lambda: saved(_far_away(), "JPEG"),
        Accepted((1000, 1000), None, None, ("subject_small", "plain_backdrop")),
    )


CORPUS = (*_jpegs(), *_pngs(), *_newer(), *_pretenders(), *_poor())
