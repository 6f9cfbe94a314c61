"""Images that a vendor names by address. A data URL is such an address too."""

from __future__ import annotations

from collections.abc import Sequence

from fitting_room.jobs.errors import JobWarning
from fitting_room.jobs.outcome import Ready, Unread
from fitting_room.providers.adapter import Order


def ready(
    title: str, order: Order, addresses: Sequence[str], *, kept_for: str, credits: float | None = None
) -> Ready | Unread:
    """Return the results of a job that its vendor calls done; `title` is the vendor's name.

    Fewer images than were asked for carry the warning `partial_result`; more are all kept. Without an address the
    vendor's list of files may lag behind its status, so the status is read again.
    """
    if not addresses:
        return Unread("completed without images")
    asked = order.request.output.count
    warnings = [partial(f"{title} made {len(addresses)} of {asked} images.")] if len(addresses) < asked else []
    return Ready(list(addresses), kept_for, credits, warnings)


def partial(detail: str) -> JobWarning:
    return JobWarning(code="partial_result", detail=detail, remedy="Submit again for more images.")
