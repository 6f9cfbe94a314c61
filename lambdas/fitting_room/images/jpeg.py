"""A JPEG without its metadata, and whether all its rows are there: libjpeg paints missing ones grey and says nothing."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from functools import partial
from typing import cast

from PIL import Image

from fitting_room.images.stripped import BombError, Stripped

MOST_SEGMENTS = 50_000
MOST_SCANS = 100
"""Encoders write about ten. Every scan is a walk over all pixels, for as little as 81 bytes."""

_START, _END = b"\xff\xd8", b"\xff\xd9"
_EOI, _SOS = 0xD9, 0xDA
_MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")
"""Of a segment or the end. Within a scan FF 00 is data and FF D0 to D7 only mark places to restart."""
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_APPLICATION, _COMMENT = range(0xE0, 0xF0), 0xFE
_USED = {0xE0: b"JFIF\0", 0xE1: b"Exif\0\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
_MISSING = range(127, 130)
_STRIP = 64
_FEW = 64
_BITS = bytes(range(254, 0, -1)) * 2
_MORE = _BITS + b"".join(b"\xff" + bytes((restart,)) + _BITS for restart in range(0xD0, 0xD8))
"""Bits that a scan without its rest would be read on from, within a restart interval or at its start."""


def strip(data: bytes) -> Stripped:
    """Return the scans and the segments that decode them, with colour space, profile and EXIF.

    Nothing after the end is kept. An end is added where there is none, unless whole scans are missing. Raises
    `ValueError`, `BombError`.
    """
    kept: list[bytes] = [_START]
    first = scans = components = 0
    left: dict[tuple[int, int], int] = {}
    for n, (kind, start, end) in enumerate(segments(data)):
        if n == MOST_SEGMENTS:
            raise BombError(f"has more than {MOST_SEGMENTS:,} segments")
        if kind == _EOI and first:
            return _stripped(kept, data[first:start], ended=True)
        if kind == _SOS:
            first, scans = first or start, scans + 1
            if scans > MOST_SCANS:
                raise BombError(f"has more than {MOST_SCANS} scans")
            left |= _left_by(data[start + 4 : end])
        elif not first and _decides(kind, data[start + 4 : start + 16]):
            kept.append(data[start:end])
            components = data[start + 9] if kind in _FRAMES else components
    if len(left) < 64 * components or any(left.values()) or not first:
        raise ValueError("scans are missing")
    return _stripped(kept, _without_padding(data[first:]), ended=False)


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, start, end) up to the end of the image.

    A scan's end is that of its header.
    """
    at = len(_START)
    while found := _MARKER.search(data, at):
        start, kind = found.start(), found[1][0]
        at = start + 2 + int.from_bytes(data[start + 2 : start + 4])
        yield kind, start, at
        if kind == _EOI:
            return


def _without_padding(scan: bytes) -> bytes:
    """Remove the zeros at the end of a download whose size was reserved before its data came.

    A few zeros may be data. FF 00 is one byte of data; half of it, or of a marker, is none.
    """
    data = scan.rstrip(b"\0")
    if len(scan) - len(data) > _FEW:
        return data + b"\0\0"
    return scan.removesuffix(b"\xff")


def _left_by(header: bytes) -> dict[tuple[int, int], int]:
    """Return the bits of each (component, coefficient) of a scan that are left to later ones."""
    count = header[0]
    first, last, bits = header[1 + 2 * count : 4 + 2 * count]
    return {(component, n): bits & 15 for component in header[1 : 1 + 2 * count : 2] for n in range(first, last + 1)}


def _decides(kind: int, begin: bytes) -> bool:
    if kind in _APPLICATION:
        return kind in _USED and begin.startswith(_USED[kind])
    return kind != _COMMENT


def _stripped(kept: list[bytes], scans: bytes, *, ended: bool) -> Stripped:
    data = b"".join((*kept, scans, _END))
    return Stripped(data, whole=partial(_whole, data, ended))


def _whole(data: bytes, ended: bool, image: Image.Image) -> bool:
    """Return whether all rows are there.

    If they are, it does not matter which bits follow the last of them. The test runs only where the file had no end,
    or its last corner is the grey of missing data.
    """
    corner = image.crop((max(0, image.width - 8), max(0, image.height - 8), *image.size))
    if ended and any(low not in _MISSING or high not in _MISSING for low, high in _ranges(corner)):
        return True
    return _print(data) == _print(data.removesuffix(_END) + _MORE + _END)


def _ranges(image: Image.Image) -> tuple[tuple[int, int], ...]:
    found = image.getextrema()
    return cast("tuple[tuple[int, int], ...]", found if isinstance(found[0], tuple) else (found,))


def _print(data: bytes) -> int:
    """Return a checksum of all pixels, strip by strip, so that they are not in memory twice."""
    check = 0
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
        for top in range(0, image.height, _STRIP):
            rows = image.crop((0, top, image.width, min(top + _STRIP, image.height)))
            check = zlib.crc32(rows.tobytes(), check)
    return check
