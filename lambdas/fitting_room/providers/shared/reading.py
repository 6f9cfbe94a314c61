"""The rule for every status read: reading is free, so a refused or broken read says nothing about the vendor's job.

`Failed` is the vendor's own word in an answer 2xx that could be read. Every other failure is `Unread`: keys get
rotated, databases and caches lag, gateways answer in HTML.
"""

from __future__ import annotations

from collections.abc import Callable

import httpx

from fitting_room.jobs.outcome import Reading, Unread
from fitting_room.providers.shared.http import UNSENT, retry_after


def read(
    ask: Callable[[], httpx.Response],
    understand: Callable[[httpx.Response], Reading | None],
    *,
    pause: float | None = None,
) -> Reading:
    """Ask for a status and understand the answer.

    `understand` sees only answers 2xx; it returns None or raises `ValueError` for one that it cannot read. `pause`:
    seconds that a vendor wants after a 429 without `Retry-After`.
    """
    try:
        answer = ask()
    except httpx.HTTPError as error:
        return broken(error)
    status = answer.status_code
    if not answer.is_success:
        wait, throttled = retry_after(answer), status == 429
        return Unread(f"HTTP {status}", status, pause if wait is None and throttled else wait, made=not throttled)
    try:
        return understand(answer) or Unread("malformed", status)
    except (ValueError, RecursionError):
        return Unread("malformed", status)


def broken(error: httpx.HTTPError) -> Unread:
    """Return the reading of a status for which no answer came.

    A request that never left was no read: it does not count against the job.
    """
    return Unread(type(error).__name__, made=not isinstance(error, UNSENT))
