"""A WebP without its metadata, whose damage must not decide. Its decoder finds missing pixels by itself."""

from __future__ import annotations

from collections.abc import Iterator

from fitting_room.images.stripped import BombError, Stripped

MOST_CHUNKS = 50_000

_USED = (b"VP8X", b"ICCP", b"ANIM", b"ALPH", b"VP8 ", b"VP8L", b"EXIF")
_FRAME = b"ANMF"


def strip(data: bytes) -> Stripped:
    """Pixels, profile and EXIF; of an animation the first frame. Raises `BombError`."""
    kept: dict[bytes, bytes] = {}
    frames = 0
    for kind, chunk in chunks(data):
        frames += kind == _FRAME
        if kind in _USED or kind == _FRAME:
            kept.setdefault(kind, chunk)
    body = b"WEBP" + b"".join(kept.values())
    return Stripped(b"RIFF" + len(body).to_bytes(4, "little") + body, animated=frames > 1)


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, the chunk with its length); the last one may be cut off."""
    at, end = 12, min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    for _ in range(MOST_CHUNKS):
        if at + 8 > end:
            return
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        after = at + 8 + size + size % 2
        yield data[at : at + 4], data[at:after]
        at = after
    raise BombError(f"has more than {MOST_CHUNKS:,} chunks")
