"""Odd files as people and providers really send them, each with what must become of it.

Each is used as an input and as a result. Every file is made here, from one picture.
"""

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
SAME = "as an input"
NO_FORM_OF_OURS = "undecodable"
"""Of a result in AVIF or HEIC, which no provider is known to return."""


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
    """`verdict`: as an input. `result`: why it is rejected as a provider's result; `SAME`: exactly if it is refused."""

    name: str
    make: Callable[[], bytes]
    verdict: Accepted | Refused
    result: str | None = SAME


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


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """(type, body) of each chunk of a PNG."""
    found, at = [], 8
    while at < len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4])
        found.append((data[at + 4 : at + 8], data[at + 8 : end]))
        at = end + 4
    return found


def png_of(*parts: tuple[bytes, bytes]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in parts)


def with_chunk(data: bytes, chunk: bytes, *, last: bool = False) -> bytes:
    """A PNG with one more chunk, after its header or before its end."""
    at = len(data) - 12 if last else 33
    return data[:at] + chunk + data[at:]


def broken_chunk(kind: bytes, body: bytes = b"Elm Street 5\0\0\0") -> bytes:
    """Its checksum is wrong."""
    return _chunk(kind, body)[:-4] + b"\0\1\2\3"


def with_pixels(change: Callable[[bytes], bytes], data: bytes | None = None) -> bytes:
    """A PNG whose compressed pixels were changed before it was written: every checksum of a chunk is right."""
    parts = chunks(data or saved(picture()))
    pixels = b"".join(body for kind, body in parts if kind == b"IDAT")
    others = [part for part in parts if part[0] != b"IDAT"]
    return png_of(*others[:-1], (b"IDAT", change(pixels)), others[-1])


def in_idats_of(size: int) -> bytes:
    (header, *_, end), pixels = chunks(data := saved(picture())), b"".join(b for k, b in chunks(data) if k == b"IDAT")
    return png_of(header, *((b"IDAT", pixels[at : at + size]) for at in range(0, len(pixels), size)), end)


def interlaced(image: Image.Image) -> bytes:
    """A PNG in seven passes, which Pillow cannot write."""
    width, height = image.size
    rows = b""
    for left, top, across, down in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        for y in range(top, height, down):
            line = image.crop((0, y, width, y + 1)).tobytes()
            pixels = [line[3 * x : 3 * x + 3] for x in range(left, width, across)]
            rows += b"\0" + b"".join(pixels) if pixels else b""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1)
    return png_of((b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))


def with_segment(data: bytes, marker: int, body: bytes) -> bytes:
    """A JPEG with one more segment, after its start."""
    return data[:2] + bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body + data[2:]


def scan_bomb(scans: int) -> bytes:
    """A progressive JPEG whose last scan is there again and again."""
    data = saved(picture(), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * scans + data[-2:]


def without_scans(data: bytes) -> bytes:
    """A progressive JPEG cut off exactly where a scan ends."""
    third = data.index(b"\xff\xda", data.index(b"\xff\xda", data.index(b"\xff\xda") + 2) + 2)
    return data[: data.rindex(b"\xff\xc4", 0, third)]


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


def _animation_of_one_frame() -> bytes:
    data = _animated("WEBP")
    body = data[8 : data.rindex(b"ANMF")]
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def _png_animation_of_one_frame() -> bytes:
    frame = struct.pack(">5I2H2B", 0, *SIZE, 0, 0, 1, 10, 0, 0)
    return with_chunk(saved(picture()), _chunk(b"acTL", struct.pack(">2I", 1, 0)) + _chunk(b"fcTL", frame))


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


def _jpegs_by_their_end() -> Iterator[Odd]:
    """Every row is there, or it is not: the end marker alone says nothing."""
    for name, options in (("", {}), ("progressive, ", {"progressive": True}), ("grey, ", {"restart_marker_rows": 1})):
        image = picture().convert("L") if name == "grey, " else picture()
        good = GREY if name == "grey, " else Accepted()
        make = partial(saved, image, "JPEG", **options)
        yield Odd(f"JPEG, {name}without its end marker", lambda make=make: make()[:-2], good)
        yield Odd(f"JPEG, {name}with half of its end marker", lambda make=make: make()[:-1], good)
        yield Odd(f"JPEG, {name}zeros instead of its end", lambda make=make: make()[:-2] + b"\0" * 9000, good)
        yield Odd(f"JPEG, {name}half of it", lambda make=make: _cut(make(), 0.5), DAMAGED)
        yield Odd(f"JPEG, {name}a few bytes short", lambda make=make: make()[:-40], DAMAGED)
        yield Odd(f"JPEG, {name}half of it and zeros", lambda make=make: _cut(make(), 0.5) + b"\0" * 90_000, DAMAGED)
        if not options.get("progressive"):
            yield Odd(
                f"JPEG, {name}half of it with an end marker", lambda make=make: _cut(make(), 0.5) + b"\xff\xd9", DAMAGED
            )
    yield Odd(
        "JPEG, progressive, cut off between two scans",
        lambda: without_scans(saved(picture(), "JPEG", progressive=True)),
        DAMAGED,
    )
    yield Odd("JPEG, its last corner the grey of missing rows", _with_grey_corner, Accepted(bottom_right=(128,) * 3))
    yield Odd("JPEG, progressive, a bomb of 200 scans", lambda: scan_bomb(200), Refused("more than 100 scans"))
    yield Odd("JPEG, progressive, with 80 scans", lambda: scan_bomb(70), Accepted())
    yield Odd(
        "JPEG, a bomb of empty comments",
        lambda: (data := saved(picture(), "JPEG"))[:2] + b"\xff\xfe\0\2" * 60_000 + data[2:],
        Refused("more than 50,000 segments"),
    )
    yield Odd(
        "JPEG, Photoshop's block damaged",
        lambda: with_segment(saved(picture(), "JPEG"), 0xED, b"Photoshop 3.0\x008BIM\x04\x04\xff\xff\xff"),
        Accepted(),
    )
    yield Odd(
        "JPEG, its list of further pictures damaged",
        lambda: with_segment(saved(picture(), "JPEG"), 0xE2, b"MPF\0MM\0*\xff\xff\xff\xff"),
        Accepted(),
    )
    yield Odd(
        "JPEG, half of its profile missing",
        lambda: with_segment(saved(picture(), "JPEG"), 0xE2, b"ICC_PROFILE\0\1\2" + b"\0" * 90),
        Accepted(),
    )
    yield Odd(
        "JPEG of a phone's 50 megapixels",
        lambda: saved(picture().resize((8160, 6144)), "JPEG", quality=80),
        Accepted((8160, 6144)),
    )
    yield Odd(
        "JPEG, more than a phone's 50 megapixels",
        lambda: saved(Image.new("RGB", (8200, 6400)), "JPEG"),
        Refused("(max_pixels)"),
    )


def _with_grey_corner() -> bytes:
    image = picture()
    image.paste((128, 128, 128), (SIZE[0] - 60, SIZE[1] - 60, *SIZE))
    return saved(image, "JPEG", quality=95)


def _pngs_by_their_metadata() -> Iterator[Odd]:
    """What is thrown away never decides."""
    kinds = (b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"pHYs", b"tIME", b"gAMA", b"cHRM", b"sRGB", b"bKGD", b"acTL")
    for kind in (*kinds, b"caBX", b"prVt"):
        yield Odd(
            f"PNG, {kind.decode()} with a wrong checksum",
            partial(with_chunk, saved(picture()), broken_chunk(kind)),
            Accepted(),
        )
    for name, chunk in (
        ("plain text of 3 MB", lambda: _chunk(b"tEXt", b"workflow\0" + b"x" * 3_000_000)),
        ("packed text of 2 MB", lambda: _chunk(b"zTXt", b"workflow\0\0" + zlib.compress(b"x" * 2_000_000))),
        ("packed text of 200 MB", lambda: _chunk(b"zTXt", b"workflow\0\0" + zlib.compress(b"x" * 200_000_000, 1))),
        (
            "international text of 2 MB",
            lambda: _chunk(b"iTXt", b"w\0\1\0\0\0" + zlib.compress(b"x" * 2_000_000)),
        ),
        ("text that is not packed", lambda: _chunk(b"zTXt", b"workflow\0\0no zlib")),
        ("a profile of 2 MB", lambda: _chunk(b"iCCP", b"odd\0\0" + zlib.compress(b"x" * 2_000_000))),
        ("a profile that is not packed", lambda: _chunk(b"iCCP", b"odd\0\0no zlib")),
        (
            "a profile packed in an unknown way",
            lambda: _chunk(b"iCCP", b"odd\0\7" + zlib.compress(swapped_primaries())),
        ),
        ("a size in px of no length", lambda: _chunk(b"pHYs", b"")),
        ("EXIF damaged", lambda: _chunk(b"eXIf", b"MM\0*\xff\xff\xff\xff")),
        ("nothing in its animation", lambda: _chunk(b"acTL", b"")),
    ):
        yield Odd(f"PNG, {name}", lambda chunk=chunk: with_chunk(saved(picture()), chunk()), Accepted())
        yield Odd(
            f"PNG, {name} after the pixels",
            lambda chunk=chunk: with_chunk(saved(picture()), chunk(), last=True),
            Accepted(),
        )
    yield Odd("PNG, EXIF orientation 6 after the pixels", _turned_at_the_end, Accepted())
    yield Odd("PNG, without its end", lambda: saved(picture())[:-12], Accepted())
    yield Odd(
        "PNG, cut off in a comment after its pixels",
        lambda: with_chunk(saved(picture()), _chunk(b"tEXt", b"x" * 500), last=True)[:-300],
        Accepted(),
    )
    yield Odd("PNG, something after its end", lambda: saved(picture()) + b"<html>" * 100, Accepted())
    yield Odd("PNG, in pieces of 100 bytes", lambda: in_idats_of(100), Accepted())
    yield Odd("PNG, in seven passes", lambda: interlaced(picture()), Accepted())
    yield Odd(
        "PNG, a bomb of empty comments",
        lambda: with_chunk(saved(picture()), _chunk(b"tEXt", b"") * 60_000),
        Refused("more than 50,000 chunks"),
    )
    yield Odd(
        "PNG, a bomb of empty pieces",
        lambda: with_chunk(saved(picture()), _chunk(b"IDAT", b"") * 60_000),
        Refused("more than 50,000 chunks"),
    )
    for name, more, verdict in (("more", 9_000, Accepted()), ("far more", 300_000_000, DAMAGED)):
        yield Odd(
            f"PNG, {name} packed than its rows",
            lambda more=more: with_pixels(lambda pixels: zlib.compress(zlib.decompress(pixels) + b"\0" * more, 1)),
            verdict,
        )


def _turned_at_the_end() -> bytes:
    parts = chunks(sideways(picture(), 6, "PNG"))
    exif = next(part for part in parts if part[0] == b"eXIf")
    return png_of(*(part for part in parts[:-1] if part != exif), exif, parts[-1])


def _pngs_by_their_pixels() -> Iterator[Odd]:
    """What is seen decides, and Pillow alone would paint it black."""
    changes: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
        ("no packed data at all", lambda pixels: b"no zlib" * 100),
        ("damaged from the middle on", lambda pixels: pixels[: len(pixels) // 2] + b"\x55" * (len(pixels) // 2)),
        ("half of its rows", lambda pixels: zlib.compress(zlib.decompress(pixels)[: SIZE[1] // 2 * (1 + 3 * SIZE[0])])),
        ("all rows but one", lambda pixels: zlib.compress(zlib.decompress(pixels)[: -1 - 3 * SIZE[0]])),
        ("half of its data", lambda pixels: pixels[: len(pixels) // 2]),
        ("no data", lambda pixels: b""),
        ("one value altered", lambda pixels: zlib.compress(bytes(altered(pixels)), 1)[:-4] + pixels[-4:]),
        ("a row filtered in an unknown way", lambda pixels: zlib.compress(b"\7" + zlib.decompress(pixels)[1:])),
    )
    for name, change in changes:
        yield Odd(f"PNG, {name}", partial(with_pixels, change), DAMAGED)
    yield Odd(
        "PNG, in seven passes, the last missing",
        lambda: with_pixels(
            lambda pixels: zlib.compress(zlib.decompress(pixels)[: -SIZE[1] // 2 * (1 + 3 * SIZE[0])]),
            interlaced(picture()),
        ),
        DAMAGED,
    )
    for place in (0.1, 0.5, 0.9):
        yield Odd(f"PNG, a byte damaged at {place:.0%}", partial(with_pixels, partial(_struck, place=place)), DAMAGED)
    yield Odd("PNG, a piece missing", lambda: png_of(*_all_but(chunks(in_idats_of(1000)), 3)), DAMAGED)
    yield Odd("PNG, no pixels", lambda: png_of(*(p for p in chunks(saved(picture())) if p[0] != b"IDAT")), DAMAGED)
    for kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT"):
        yield Odd(f"PNG, {kind.decode()} with a wrong checksum", partial(_failing, kind), DAMAGED)
    yield Odd(
        "PNG, its header twice, the second a bomb",
        lambda: with_chunk(saved(picture()), _chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))),
        Accepted(),
    )


def _struck(pixels: bytes, place: float) -> bytes:
    at = int(len(pixels) * place)
    return pixels[:at] + bytes((pixels[at] ^ 0x55,)) + pixels[at + 1 :]


def altered(pixels: bytes) -> bytearray:
    rows = bytearray(zlib.decompress(pixels))
    rows[len(rows) // 2 + 1] ^= 0x55
    return rows


def _all_but(parts: list[tuple[bytes, bytes]], n: int) -> list[tuple[bytes, bytes]]:
    return [*parts[:n], *parts[n + 1 :]]


def _failing(kind: bytes) -> bytes:
    data = saved(_palette(), transparency=1)
    at = data.index(kind)
    end = at + 4 + int.from_bytes(data[at - 4 : at])
    return data[:end] + b"\0\1\2\3" + data[end + 4 :]


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
        "uniform",
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
    yield Odd("PNG, an animation of one frame", _png_animation_of_one_frame, Accepted())
    yield Odd("PNG, cut off", lambda: _cut(saved(picture())), DAMAGED)
    yield Odd("PNG, one byte flipped", lambda: _flipped(saved(picture())), DAMAGED)
    yield Odd("PNG, bomb of 81 megapixels", lambda: png_header(9_000, 9_000), Refused("(max_pixels)"))
    yield Odd("PNG, bomb of 3.6 gigapixels", lambda: png_header(60_000, 60_000), Refused("(max_pixels)"))
    yield Odd("PNG, a ribbon", lambda: png_header(20_000, 1_500), Refused("(max_side)"))
    yield Odd("PNG, an icon", lambda: saved(scene(32, 32)), Refused("(min_side)"), None)
    yield Odd("PNG, a line", lambda: saved(scene(70, 1200)), Refused("(max_aspect)"))
    yield Odd("PNG, nothing but its signature", lambda: b"\x89PNG\r\n\x1a\n", DAMAGED)


def _newer() -> Iterator[Odd]:
    yield Odd("WebP, lossy", lambda: saved(picture(), "WEBP"), Accepted())
    yield Odd("WebP, translucent", lambda: saved(_translucent(), "WEBP", lossless=True), PINK_TO_NOTHING)
    yield Odd("WebP, EXIF orientation 8", lambda: sideways(picture(), 8, "WEBP"), Accepted())
    yield Odd("WebP, animated", lambda: _animated("WEBP"), Accepted(warnings=("animation_first_frame",)))
    yield Odd("WebP, an animation of one frame", _animation_of_one_frame, Accepted())
    yield Odd("WebP, cut off", lambda: _cut(saved(picture(), "WEBP")), DAMAGED)
    described = partial(saved, picture(), "WEBP", xmp=b"<x:xmpmeta>" * 90, icc_profile=swapped_primaries())
    yield Odd("WebP, cut off in its description", lambda: described()[:-300], Accepted(top_left=GREEN))
    yield Odd("WebP, translucent, cut off", lambda: _cut(saved(_translucent(), "WEBP")), DAMAGED)
    yield Odd("WebP, lossless, cut off", lambda: _cut(saved(picture(), "WEBP", lossless=True)), DAMAGED)
    yield Odd(
        "WebP, its length wrong",
        lambda: (data := described())[:4] + b"\xff\xff\xff\0" + data[8:],
        Accepted(top_left=GREEN),
    )
    yield Odd("WebP, something after its end", lambda: saved(picture(), "WEBP") + b"<html>" * 100, Accepted())
    yield Odd(
        "WebP, cut off in its second frame",
        lambda: _animated("WEBP")[:-60],
        Accepted(warnings=("animation_first_frame",)),
    )
    yield Odd("WebP, cut off in its first frame", lambda: _cut(_animated("WEBP"), 0.4), DAMAGED)
    yield Odd(
        "WebP, a bomb of empty chunks",
        lambda: (data := described())[:4] + b"\xff\xff\xff\0" + data[8:] + b"odd!\0\0\0\0" * 60_000,
        Refused("more than 50,000 chunks"),
    )
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


def _others_by_their_metadata() -> Iterator[Odd]:
    """As of a PNG: what is thrown away never decides."""
    exif, profile = b"Exif\0\0MM\0*\xff\xff\xff\xff", b"not a profile"
    for form in ("WEBP", "AVIF", "HEIC"):
        name = form.replace("WEBP", "WebP")
        make = partial(saved, picture(), form, **({"speed": 10} if form == "AVIF" else {}))
        make = partial(heic, picture()) if form == "HEIC" else make
        yield Odd(f"{name}, EXIF damaged", partial(make, exif=exif), Accepted())
        yield Odd(f"{name}, profile damaged", partial(make, icc_profile=profile), Accepted())
        yield Odd(f"{name}, a description of 2 MB", partial(make, xmp=b"<x>" * 700_000), Accepted())
    yield Odd(
        "JPEG, a profile of 2 MB",
        lambda: saved(picture(), "JPEG", quality=95, icc_profile=swapped_primaries().ljust(2_000_000, b"\0")),
        Accepted(top_left=GREEN),
    )
    yield Odd("JPEG, comments of 3 MB", lambda: _with_comments(46), Accepted())


def _with_comments(count: int) -> bytes:
    data = saved(picture(), "JPEG")
    return data[:2] + (b"\xff\xfe\xff\xff" + b"x" * 65_533) * count + data[2:]


def sideways_heic(orientation: int) -> bytes:
    with Image.open(io.BytesIO(sideways(picture(), orientation, "PNG"))) as file:
        exif, stored = file.getexif().tobytes(), file.convert("RGB")
    stored.info = {}
    return heic(stored, exif=exif)


def branded(data: bytes, major: bytes, *compatible: bytes) -> bytes:
    """An AVIF or HEIC file with other brands. Its boxes have addresses in them, so the length stays."""
    size = int.from_bytes(data[:4])
    brands = b"".join(compatible)[: size - 16].ljust(size - 16, b"\0")
    return data[:8] + major + data[12:16] + brands + data[size:]


def _brands() -> Iterator[Odd]:
    for major in (b"miaf", b"MA1B", b"MA1A", b"mif1", b"msf1", b"mif2", b"avio"):
        yield Odd(
            f"AVIF, first brand {major.decode()}",
            lambda major=major: branded(saved(picture(), "AVIF", speed=10), major, b"mif1", b"avif"),
            Accepted(),
            NO_FORM_OF_OURS,
        )
    for major in (b"miaf", b"MiHB", b"MiHE", b"mif1", b"mif2", b"heim", b"odd!"):
        yield Odd(
            f"HEIC, first brand {major.decode()}",
            lambda major=major: branded(heic(picture()), major, b"heic", b"mif1"),
            Accepted(),
            NO_FORM_OF_OURS,
        )
    yield Odd(
        "HEIC, no brand that says how it is coded",
        lambda: branded(heic(picture()), b"miaf", b"mif1"),
        Accepted(),
        NO_FORM_OF_OURS,
    )
    yield Odd("video that names many brands", lambda: b"\0\0\0 ftypisom\0\0\2\0isomiso2avc1mp41", Refused("type video"))


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
        "uniform",
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


def _not_returned(odd_files: Iterator[Odd]) -> Iterator[Odd]:
    for odd in odd_files:
        taken = isinstance(odd.verdict, Accepted) and odd.name.startswith(("AVIF", "HEIC"))
        yield odd._replace(result=NO_FORM_OF_OURS) if taken else odd


CORPUS = (
    *_jpegs(),
    *_jpegs_by_their_end(),
    *_pngs(),
    *_pngs_by_their_metadata(),
    *_pngs_by_their_pixels(),
    *_not_returned(_newer()),
    *_not_returned(_others_by_their_metadata()),
    *_brands(),
    *_pretenders(),
    *_poor(),
)
