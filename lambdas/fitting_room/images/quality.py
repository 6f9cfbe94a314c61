"""The first gate for a provider's picture: is it a picture at all?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, cast

from PIL import Image

from fitting_room.images.master import Limits, make_master
from fitting_room.jobs.errors import JobFailure

Rejection = Literal["undecodable", "black", "uniform", "unchanged"]

_LIMITS = Limits(max_bytes=50_000_000, min_side=1, master_pixels=512 * 512)
_SPREAD = 3
_BLACK = 8


def check_result(data: bytes, *, sent: Iterable[bytes] = ()) -> Rejection | None:
    """Why `data` is no result, or None. `sent`: the pictures the provider was given; an echo of one is no result."""
    if any(data == picture for picture in sent):
        return "unchanged"
    try:
        image = make_master(data, limits=_LIMITS, pointer="/").image
    except JobFailure:
        return "undecodable"
    # Averaged first, so that compression noise does not pass for content.
    channels = cast("tuple[tuple[int, int], ...]", image.resize((16, 16), Image.Resampling.BOX).getextrema())
    if all(high <= _BLACK for _, high in channels):
        return "black"
    if all(high - low <= _SPREAD for low, high in channels):
        return "uniform"
    return None
