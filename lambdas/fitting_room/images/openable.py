"""The file that a user gets of a result: as it came, or without the metadata on which other programs stumble."""

from __future__ import annotations

import io
import warnings

from PIL import Image

from fitting_room.images import sniff
from fitting_room.images.master import stripped

Size = tuple[int, int]


def openable(data: bytes, size: Size) -> bytes:
    """Return `data` if other programs open it as it is, else the same pixels, not compressed again, without metadata.

    Our own decoder gets a file without its metadata, so it accepts files that browsers and viewers may refuse. `size`: of
    the picture in it, in px.
    """
    name = sniff.kind(data)
    return data if _opens(data, name, size) else stripped(data, name).data


def _opens(data: bytes, name: str, size: Size) -> bool:
    """Return whether Pillow opens the file and finds the size.

    Pillow is stricter than browsers, but takes a PNG without its end unless it is asked to verify it.
    """
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data), formats=[name]) as image:
            if sorted(image.size) != sorted(size):
                return False
            image.verify()
        with Image.open(io.BytesIO(data), formats=[name]) as image:
            image.draft(None, (1, 1))  # a JPEG is read to its end all the same
            image.load()
    except Exception:  # there is no common class, and each means the same
        return False
    return True
