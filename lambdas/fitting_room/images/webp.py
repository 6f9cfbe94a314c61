"""A WebP without its metadata, whose damage must not decide.

Its decoder finds missing pixels.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from functools import partial

from PIL import Image

from fitting_room.images.stripped import BombError, Stripped, load

MOST_CHUNKS = 50_000

_USED = (b"VP8X", b"ICCP", b"ANIM", b"ALPH", b"VP8 ", b"VP8L", b"EXIF")
_FRAME = b"ANMF"


def strip(data: bytes) -> Stripped:
    """Return the pixels, profile and EXIF; of an animation the first frame.

    Raises `BombError`.
    """
    kept: dict[bytes, bytes] = {}
    frames = 0
    for kind, chunk in chunks(data):
        frames += kind == _FRAME
        if kind in _USED or kind == _FRAME:
            kept.setdefault(kind, chunk)
    body = b"WEBP" + b"".join(kept.values())
    still = b"RIFF" + len(body).to_bytes(4, "little") + body
    return Stripped(still, animated=frames > 1, load=load if frames else partial(_load, still))


def _load(data: bytes, opened: Image.Image) -> Image.Image:
    """Decode into the memory that the image keeps.

    Pillow reads every file as an animation: each pixel is held four times.
    """
    from PIL import _webp  # with libwebp, whose functions are found through it

    decode = ctypes.CDLL(_webp.__file__).WebPDecodeRGBAInto
    decode.restype = ctypes.c_void_p
    decode.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    row = 4 * opened.width
    pixels = bytearray(row * opened.height)
    if not decode(data, len(data), (ctypes.c_char * len(pixels)).from_buffer(pixels), len(pixels), row):
        raise ValueError("pixels are missing or damaged")
    mode = "RGBA" if opened.mode == "RGBA" else "RGBX"
    image = Image.frombuffer(mode, opened.size, pixels, "raw", mode, 0, 1)
    image.info = opened.info
    return image


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (type, the chunk with its length).

    The last chunk may be cut off.
    """
    at, end = 12, min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    for _ in range(MOST_CHUNKS):
        if at + 8 > end:
            return
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        after = at + 8 + size + size % 2
        yield data[at : at + 4], data[at:after]
        at = after
    raise BombError(f"has more than {MOST_CHUNKS:,} chunks")
