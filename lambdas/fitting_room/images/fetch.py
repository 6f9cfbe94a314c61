"""Images that a request or a vendor names by address, or sends in one."""

from __future__ import annotations

import base64
import binascii
import re

from fitting_room.jobs.errors import JobFailure
from fitting_room.net import safe_http
from fitting_room.net.safe_http import Fetched, FetchFailed


def fetch(
    url: str, *, pointer: str, max_bytes: int, allow: frozenset[str] = frozenset(), hosts: frozenset[str] | None = None
) -> Fetched:
    """The same as `safe_http.get`, but raises `JobFailure` `image_unreadable`."""
    try:
        return safe_http.get(url, max_bytes=max_bytes, allow=allow, hosts=hosts)
    except FetchFailed as failed:
        raise JobFailure(
            "image_unreadable",
            f"The image at {pointer} cannot be fetched: {failed.why}.",
            failed.remedy,
            pointer=pointer,
            retryable=failed.passing,
        ) from None


def data_url(text: str, *, pointer: str) -> bytes:
    """The bytes of `data:image/<type>;base64,<data>`; standard alphabet with its padding, no white space.

    Raises `JobFailure` `image_unreadable`.
    """
    match = re.match(r"data:image/[a-z0-9.+-]+;base64,", text, re.IGNORECASE)
    try:
        if match is None:
            raise ValueError
        return base64.b64decode(text[match.end() :], validate=True)
    except (ValueError, binascii.Error):
        raise JobFailure(
            "image_unreadable",
            f"The data URL at {pointer} is not data:image/<type>;base64,<data> with plain base64 and its padding.",
            "Encode the file's bytes again, without line breaks.",
            pointer=pointer,
        ) from None
