"""What a simulator remembers: what it sold, and what it was asked (pictures as facts, never as pixels)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
from datetime import UTC, datetime
from typing import Any

from PIL import Image, UnidentifiedImageError

SHORTEST_PICTURE = 64
"""Characters; no base64 PNG or JPEG is shorter."""


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def picture_facts(text: str) -> dict[str, Any] | None:
    """Tell facts of a picture given as raw base64 or data URL (`bytes`: of the decoded file); None for other text."""
    header, comma, payload = text.partition(",") if text.startswith("data:") else ("", "", text)
    if len(payload) < SHORTEST_PICTURE:
        return None
    try:
        data = base64.b64decode(payload, validate=True)
        with Image.open(io.BytesIO(data)) as image:
            facts = {
                "sha256": hashlib.sha256(data).hexdigest(),
                "width": image.width,
                "height": image.height,
                "format": image.format,
                "mode": image.mode,
                "bytes": len(data),
            }
    except (binascii.Error, UnidentifiedImageError, ValueError, OSError, Image.DecompressionBombError):
        return None
    return facts | ({"prefix": header + comma} if comma else {})


def without_pixels(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_pixels(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_pixels(item) for item in value]
    if isinstance(value, str):
        return picture_facts(value) or (value if len(value) <= 2048 else f"{value[:32]}... ({len(value)} characters)")
    return value


class Log:
    """An append-only list of JSON objects, each with its `at` (UTC)."""

    def __init__(self) -> None:
        self._entries: list[dict[str, Any]] = []

    def add(self, **entry: Any) -> dict[str, Any]:
        """Add and return the entry itself, so that what is learned later can be written into it."""
        entry["at"] = now()
        self._entries.append(entry)
        return entry

    def listed(self) -> list[dict[str, Any]]:
        return list(self._entries)

    def clear(self) -> None:
        self._entries.clear()
