"""Addresses that a client names, judged when it sends them and not when a stored request is read again."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from pydantic import ValidationInfo

from fitting_room.jobs.fields import rule_error


@dataclass(frozen=True)
class Arrival:
    """A request that a client sends. `allow`: the `host:port` pairs that may be called though they are not public."""

    allow: frozenset[str] = frozenset()


class Wanted(NamedTuple):
    """The expected kind of an address, for a refusal: `what` it names, and what to send instead."""

    what: str
    link: str
    no_login: str


def checked(url: str, info: ValidationInfo, wanted: Wanted) -> str:
    """Refuse an address that is visibly wrong, without asking for it.

    The function that calls the address checks it again, more closely.
    """
    if not isinstance(info.context, Arrival):
        return url
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        host, port = "", None
    if not host or parts.scheme.lower() not in ("http", "https") or re.search(r"[\x00-\x20\x7f\\]", url):
        raise rule_error("", f"This is not the address of {wanted.what}.", wanted.link)
    if parts.username is not None or parts.password is not None:
        raise rule_error("", "The link holds a user name or a password.", wanted.no_login)
    if f"{host}:{port or (443 if parts.scheme.lower() == 'https' else 80)}" in info.context.allow:
        return url
    if parts.scheme.lower() == "http":
        raise rule_error("", "The link is http, which is not encrypted.", wanted.link)
    if port not in (None, 443):
        raise rule_error("", "The link names a port other than 443.", wanted.link)
    if host == "localhost" or host.endswith(".localhost") or _is_private(host):
        raise rule_error("", "The link names a host that is not on the public internet.", wanted.link)
    return url


def _is_private(host: str) -> bool:
    """Return whether a host is an IP address that is not public.

    Any form that a resolver reads counts (127.1, 0x7f000001).
    """
    try:
        address = ipaddress.ip_address(host) if ":" in host else ipaddress.ip_address(socket.inet_aton(host))
    except (OSError, ValueError):
        return False
    return not address.is_global
