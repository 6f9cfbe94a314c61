"""What a token for a browser allows, and whether an address lies under a prefix of the shop."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Annotated, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from fitting_room.jobs.fields import Name, Strict

_DECODINGS = 3
"""How often an address may be quoted. A host that unquotes it more often is none that keeps garments."""


class TokenRequest(Strict):
    """What a shop asks of a token.

    `owner`: whose jobs the token makes and sees. `request`: the fields that the shop decides for each of them.
    `garments`: the images and subjects that it may name, and prefixes of addresses.
    """

    owner: Name
    ttl_seconds: Annotated[int, Field(ge=60, le=3600)] = 900
    max_jobs: Annotated[int, Field(ge=1, le=100)] = 1
    request: dict[str, JsonValue] = {}
    garments: Annotated[list[JsonValue], Field(min_length=1, max_length=50)]


class Token(BaseModel):
    """`digest`: of the token itself, which is not stored. `made_by`: the digest of the key that made it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    digest: str
    tenant: str
    mode: str
    made_by: str
    owner: str
    max_jobs: int
    request: dict[str, Any]
    garments: list[str | dict[str, str]]
    created_at: str
    expires_at: str

    @property
    def terms(self) -> str:
        """The hash of what the shop decides: no token of the same terms could have asked for anything else."""
        return hashlib.sha256(json.dumps([self.request, self.garments], sort_keys=True).encode()).hexdigest()

    def allows(self, garment: dict[str, Any]) -> bool:
        """Whether a garment may be named so: `{"url": ...}`, `{"upload": ...}`, `{"s3": ...}` or `{"subject": ...}`."""
        return garment in self.garments or self.prefix_of(garment) is not None

    def prefix_of(self, garment: dict[str, Any]) -> str | None:
        """Return the prefix that an address lies under, unless the shop has listed that very address."""
        url = garment.get("url")
        if garment in self.garments or set(garment) != {"url"} or not isinstance(url, str):
            return None
        prefixes = (prefix for prefix in self.garments if isinstance(prefix, str))
        return next((prefix for prefix in prefixes if lies_under(url, prefix)), None)


class _Place(NamedTuple):
    host: str
    path: list[str]


def is_prefix(text: str) -> bool:
    """Whether addresses can be compared with this: https, a path that ends in a slash, and no query."""
    return _place(text) is not None and text.endswith("/") and not re.search(r"[?#]", text) and text.isascii()


def lies_under(url: str, prefix: str) -> bool:
    """Whether an address lies under a prefix: the same host, and its path by segments, none of which leads out."""
    place, outer = _place(url), _place(prefix)
    if place is None or outer is None:
        return False
    folder = outer.path[:-1]
    return place.host == outer.host and len(place.path) > len(folder) and place.path[: len(folder)] == folder


def _place(url: str) -> _Place | None:
    """Return host and segments of an address; None for one that two readers may read in two ways."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    plain = parts.scheme == "https" and parts.hostname and port in (None, 443) and "@" not in parts.netloc
    if not plain or re.search(r"[\x00-\x20\x7f\\]", url) or not parts.path.startswith("/"):
        return None
    segments = parts.path.split("/")[1:]
    return _Place(str(parts.hostname), segments) if all(map(_stays, segments)) else None


def _stays(segment: str) -> bool:
    for _ in range(_DECODINGS):
        if segment in (".", "..") or re.search(r"[/\\\x00-\x1f]|^\.{1,2};", segment):
            return False
        segment = unquote(segment)
    return unquote(segment) == segment
