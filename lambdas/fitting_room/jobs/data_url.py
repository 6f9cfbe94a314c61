"""Images inside a request: the one grammar of data URLs.

Their content decides; their claimed type is never asked.
"""

from __future__ import annotations

import base64
import re
from urllib.parse import unquote_to_bytes

_HEAD = re.compile(r"data:([^,]*),", re.IGNORECASE)
_BREAKS = re.compile(rb"[\r\n\t]+ *")
_ALPHABET = re.compile(rb"[A-Za-z0-9+/]+")
_IMAGES = re.compile(rb"\xff\xd8\xff|\x89PNG|RIFF....WEBP|....ftyp", re.DOTALL)
_AGAIN = "Encode the bytes of the file once, as base64."


class NotDecodable(ValueError):
    """A data URL that is wrong: the error, and the text to send instead."""

    def __init__(self, detail: str, remedy: str = _AGAIN) -> None:
        super().__init__(detail)
        self.detail, self.remedy = detail, remedy


def decode(text: str) -> bytes:
    """Return the bytes of `data:...;base64,...`.

    The media type may be any or none, the alphabet either. Line breaks and padding are optional. Plain base64 is
    taken if it clearly is an image. Raises `NotDecodable`.
    """
    text = text.strip()
    head = _HEAD.match(text)
    if head is None:
        return _plain(text)
    if "base64" not in (part.strip().lower() for part in head[1].split(";")):
        raise NotDecodable(
            "The data URL does not say that its data are base64.", "Send data:image/png;base64, and then the base64."
        )
    data = _bytes(text[head.end() :])
    if data.startswith(b"data:") or (len(data) >= 32 and _ALPHABET.fullmatch(data[:64])):
        raise NotDecodable("The image is encoded twice.")
    return data


def _plain(text: str) -> bytes:
    if re.match(r"(https?|s3)://", text, re.IGNORECASE):
        raise NotDecodable("This is a link, not the image itself.", "Send it as `url`, or as `s3` for a key of S3.")
    try:
        data = _bytes(text)
    except NotDecodable:
        data = b""
    if not _IMAGES.match(data):
        raise NotDecodable(
            "This is neither a data URL nor the base64 of an image.", "Send data:image/png;base64, and then the base64."
        )
    return data


def _bytes(text: str) -> bytes:
    raw = text.encode("utf-8", "replace")
    raw = unquote_to_bytes(raw) if b"%" in raw else raw
    raw = _BREAKS.sub(b"", raw).strip().rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    if not raw:
        raise NotDecodable("The data URL holds no data.", "Put the base64 of the file behind the comma.")
    if b" " in raw:
        raise NotDecodable(
            "The base64 holds spaces: a `+` becomes a space in a form that is not encoded.",
            "Send the base64 in JSON, or encode `+` as `%2B`.",
        )
    if not _ALPHABET.fullmatch(raw):
        raise NotDecodable("The data hold characters that are no base64.")
    if len(raw) % 4 == 1:
        raise NotDecodable("The base64 is cut off.", "Send the whole base64.")
    return base64.b64decode(raw + b"=" * (-len(raw) % 4))
