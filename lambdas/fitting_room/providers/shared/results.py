"""Pictures that a vendor names by address: fetched at once, for the addresses expire. A data URL is such an address too."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Sequence

from fitting_room.jobs.errors import JobFailure, Warning
from fitting_room.jobs.outcome import Failed, Finished, Picture
from fitting_room.providers.base import Order
from fitting_room.providers.shared.failures import failed

Download = Callable[[str], bytes]

_INLINE = re.compile(r"data:image/[a-z]+;base64,")


def collected(
    provider: str,
    title: str,
    order: Order,
    addresses: Sequence[str],
    download: Download,
    *,
    remedy: str,
    credits: float | None = None,
) -> Finished | Failed:
    """What a job comes to that its vendor (`provider` is our id of it, `title` its name) calls done. `remedy`: where the
    pictures can still be had when none could be fetched.

    Fewer pictures than were asked for carry the warning `partial_result`; more are all kept. No address: `output_rejected`.
    """
    if not addresses:
        return failed(
            provider,
            "output_rejected",
            "unknown",
            f"{title} says the job is completed but names no picture.",
            f"Look at the {title} account before you submit again.",
        )
    fetched = [_fetched(address, download) for address in addresses]
    pictures = [Picture(data, order.seed) for data in fetched if isinstance(data, bytes)]
    if not pictures:
        return failed(
            provider,
            "provider_unavailable",
            "yes",
            f"{title} drew the pictures, but they could not be fetched.",
            remedy,
            provider_detail=next(why for why in fetched if isinstance(why, str)),
        )
    asked = order.request.output.count
    warnings = [partial(f"{len(pictures)} of {asked} pictures came from {title}.")] if len(pictures) < asked else []
    return Finished(pictures, credits=credits, warnings=warnings)


def partial(detail: str) -> Warning:
    return Warning(code="partial_result", detail=detail, remedy="Submit again for more pictures.")


def _fetched(address: str, download: Download) -> bytes | str:
    """The picture, or why it cannot be had. It is paid for, and fetching is free: so it is tried twice."""
    if inline := _INLINE.match(address):
        try:
            return b64decode(address[inline.end() :], validate=True)
        except ValueError:
            return "Its base64 is broken."
    try:
        return download(address)
    except JobFailure:
        pass
    try:
        return download(address)
    except JobFailure as failure:
        return failure.fault.detail
