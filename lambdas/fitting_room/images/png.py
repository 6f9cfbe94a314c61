"""A PNG without its metadata, whose damage must not decide, and a look at its data, whose damage must.

Pillow refuses a file for a wrong checksum in a comment, and takes one whose rows are missing or altered.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from functools import partial

from PIL import Image

from fitting_room.images.stripped import BombError, Stripped

MOST_CHUNKS = 50_000
"""At 30 MB still 600 bytes each; encoders write 8,000 and more."""
MOST_BEHIND = 16 << 20
"""Bytes after the last row. Damaged data often unpack to more than the rows, and only the checksum at their end shows it."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"\0\0\0\0IEND\xaeB`\x82"
_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT")
_HEAD = (b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"eXIf")
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_PIECE = 65_536
_BLOCK = 1 << 20


def strip(data: bytes) -> Stripped:
    """Return the header, colours and pixels in one piece, with profile and EXIF where they are sound.

    An end is added if the file has none. Raises `BombError`, and `ValueError` if a chunk that decides pixels fails
    its checksum.
    """
    head: dict[bytes, memoryview] = {}
    pixels: list[memoryview] = []
    animated = False
    for kind, chunk in chunks(data):
        if kind in _PIXELS and not _sound(chunk):
            raise ValueError(f"the {kind!r} chunk fails its checksum")
        if kind == b"IDAT":
            pixels.append(chunk[8:-4])
        elif kind in _PIXELS or (kind == b"eXIf" and _sound(chunk)) or (kind == b"iCCP" and _profile(chunk)):
            head.setdefault(kind, chunk)
        elif kind == b"acTL" and _sound(chunk):
            animated = int.from_bytes(chunk[8:-4][:4]) > 1
    shape = struct.unpack(">IIBBBBB", head[b"IHDR"][8:-4])
    return Stripped(
        b"".join((_SIGNATURE, *(head.get(kind, b"") for kind in _HEAD), *_joined(pixels), _END)),
        animated,
        partial(_whole, pixels, _bytes_of(*shape)),
    )


def chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Yield (type, the chunk with its length and checksum) up to the end.

    The last chunk may be cut off.
    """
    view, at = memoryview(data), len(_SIGNATURE)
    for _ in range(MOST_CHUNKS):
        if len(data) < at + 12 or data[at + 4 : at + 8] == b"IEND":
            return
        end = at + 12 + int.from_bytes(view[at : at + 4])
        yield data[at + 4 : at + 8], view[at:end]
        at = end
    raise BombError(f"has more than {MOST_CHUNKS:,} chunks")


def _sound(chunk: memoryview) -> bool:
    complete = len(chunk) == 12 + int.from_bytes(chunk[:4])
    return complete and zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:])


def _profile(chunk: memoryview) -> bool:
    """Return whether a colour profile can be unpacked, and to no more than Pillow allows."""
    _, _, packed = bytes(chunk[8:-4]).partition(b"\0")
    inflate = zlib.decompressobj()
    try:
        inflate.decompress(packed[1:], _BLOCK)
    except zlib.error:
        return False
    return _sound(chunk) and packed[:1] == b"\0" and inflate.eof


def _joined(pixels: list[memoryview]) -> Iterator[bytes | memoryview]:
    """Yield one IDAT chunk in place of many, because Pillow pays for each."""
    yield sum(map(len, pixels)).to_bytes(4) + b"IDAT"
    yield from pixels
    check = zlib.crc32(b"IDAT")
    for body in pixels:
        check = zlib.crc32(body, check)
    yield check.to_bytes(4)


def _whole(pixels: list[memoryview], wanted: int, _: Image.Image) -> bool:
    """Return whether the compressed data end where they should, by their own checksum, and hold every row."""
    inflate, seen = zlib.decompressobj(), 0
    try:
        for piece in _pieces(pixels):
            while piece and not inflate.eof:
                seen += len(inflate.decompress(piece, _BLOCK))
                piece = inflate.unconsumed_tail
                if seen > wanted + MOST_BEHIND:
                    return False
            if inflate.eof:
                break
        return seen + len(inflate.flush()) >= wanted and inflate.eof
    except zlib.error:
        return False


def _pieces(pixels: list[memoryview]) -> Iterator[memoryview | bytes]:
    for body in pixels:
        for at in range(0, len(body), _PIECE):
            yield body[at : at + _PIECE]


def _bytes_of(width: int, height: int, bits: int, colour: int, _: int, __: int, interlaced: int) -> int:
    """Return the length of all rows once unpacked.

    Each row begins with a byte that names its filter.
    """
    total = 0
    for left, top, across, down in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns, rows = (width - left + across - 1) // across, (height - top + down - 1) // down
        if columns > 0:
            total += max(0, rows) * (1 + (columns * bits * _CHANNELS[colour] + 7) // 8)
    return total
