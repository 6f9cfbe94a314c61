"""Pictures by URL, for people we do not trust: only public addresses, pinned after the check, in bounded time and size.

A URL may be signed, so no error and no log holds more of it than scheme and host.
"""

from __future__ import annotations

import io
import ipaddress
import logging
import re
import socket
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, cast
from urllib.parse import urljoin

from urllib3 import HTTPResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.util import Url, parse_url

from fitting_room.jobs.errors import JobFailure

# urllib3 quotes the whole URL when a server's headers cannot be parsed.
logging.getLogger("urllib3.connection").setLevel(logging.ERROR)

_REDIRECTS = 3
_CONNECT = 5.0
_CHUNK = 65_536
_HEADERS = {"Accept": "image/jpeg, image/png, image/webp", "Accept-Encoding": "identity", "User-Agent": "fitting-room"}
_LINK = "Send a public https link to the picture, or upload it with POST /v1/uploads."

# IANA special-purpose registries. IPv6 by what is allowed: global unicast, less what is carved out of it
# (2001::/23 holds Teredo, 2002::/16 is 6to4). Mapped, translated (NAT64) and local forms lie outside 2000::/3.
_REFUSED_V4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_V6 = tuple(
    map(ipaddress.IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"))
)

Resolve = Callable[..., list[Any]]
"""The signature of `socket.getaddrinfo`."""


@dataclass(frozen=True)
class Fetched:
    """`content_type` is the server's claim; what the data is, its content says."""

    data: bytes
    content_type: str | None


@dataclass(frozen=True)
class _Rules:
    max_bytes: int
    allow: frozenset[str]
    hosts: frozenset[str] | None
    pointer: str
    resolve: Resolve
    clock: Callable[[], float]
    deadline: float

    def remaining(self) -> float:
        """Seconds left; raises `TimeoutError` when there are none, as a socket does."""
        left = self.deadline - self.clock()
        if left <= 0:
            raise TimeoutError
        return left

    def refusal(self, what: str, remedy: str = _LINK) -> JobFailure:
        return JobFailure(
            "image_unreadable",
            f"The picture at {self.pointer} cannot be fetched: {what}.",
            remedy,
            pointer=self.pointer,
        )


@dataclass(frozen=True)
class _Target:
    """A checked URL: where to connect to, and whom to ask for."""

    scheme: str
    host: str
    port: int
    path: str
    addresses: tuple[str, ...]

    def __str__(self) -> str:
        return _origin(self.scheme, self.host, self.port)


def fetch(
    url: str,
    *,
    pointer: str,
    max_bytes: int,
    allow: frozenset[str] = frozenset(),
    hosts: frozenset[str] | None = None,
    timeout: float = 20.0,
    resolve: Resolve = socket.getaddrinfo,
    clock: Callable[[], float] = time.monotonic,
) -> Fetched:
    """Downloads one picture over https from port 443 of a public address; follows 3 redirects, each checked as the first.

    `allow`: exact `host:port` exceptions for loopback servers, where http will do too. `hosts`: if given, the only
    hosts taken, each with its subdomains. `timeout`: seconds for everything (a slow name resolution is noticed only
    when it has ended). Raises `JobFailure` `image_unreadable`.
    """
    rules = _Rules(max_bytes, allow, hosts, pointer, resolve, clock, clock() + timeout)
    for _ in range(_REDIRECTS + 1):
        target = _checked(url, rules)
        try:
            answer = _get(target, rules)
        except TimeoutError:
            raise rules.refusal(f"{target} did not deliver it in {timeout:g} s", "Upload it instead.") from None
        if isinstance(answer, Fetched):
            return answer
        url = urljoin(_url(target), answer)
    raise rules.refusal(f"it was redirected more than {_REDIRECTS} times", "Send the link it ends at.")


def _checked(url: str, rules: _Rules) -> _Target:
    parts = _parsed(url, rules)
    scheme, host = parts.scheme or "", (parts.host or "").strip("[]").rstrip(".").lower()
    port = parts.port if parts.port is not None else 443 if scheme == "https" else 80
    where = _origin(scheme, host, port)
    excepted = f"{host}:{port}" in rules.allow
    if parts.auth is not None:
        raise rules.refusal(f"the link to {where} holds a user name or password")
    if not excepted and scheme != "https":
        raise rules.refusal(f"{where} is not https")
    if not excepted and port != 443:
        raise rules.refusal(f"{where} uses a port other than 443")
    if not excepted and rules.hosts is not None and not any(_under(host, name) for name in rules.hosts):
        raise rules.refusal(
            f"{where} is not a host this deployment fetches from",
            f"Use one of: {', '.join(sorted(rules.hosts))}; or upload the picture.",
        )
    addresses = _resolved(host, port, where, rules)
    good = _is_loopback if excepted else is_public
    if not all(map(good, addresses)):
        raise rules.refusal(f"{where} is not a public address")
    return _Target(scheme, host, port, parts.request_uri, addresses)


def _parsed(url: str, rules: _Rules) -> Url:
    try:
        if re.search(r"[\x00-\x20\x7f\\]", url):
            raise ValueError
        parts = parse_url(url)
        if parts.scheme not in ("http", "https") or not parts.host:
            raise ValueError
    except (ValueError, HTTPError):
        raise rules.refusal("the link is not a valid https address") from None
    return parts


def _resolved(host: str, port: int, where: str, rules: _Rules) -> tuple[str, ...]:
    """Asked once: what is checked here is what is connected to, so a name that changes its answer gains nothing."""
    try:
        found = rules.resolve(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        found = []
    if not found:
        raise rules.refusal(f"the host name of {where} does not resolve")
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Whether an IP address is one on the public internet, by the IANA registries and not in any embedding form."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in network for network in _REFUSED_V4)
    return ip in _GLOBAL_V6 and not any(ip in network for network in _REFUSED_V6)


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def _under(host: str, name: str) -> bool:
    return host == name or host.endswith("." + name)


def _origin(scheme: str, host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}" + ("" if port == {"https": 443, "http": 80}.get(scheme) else f":{port}")


def _url(target: _Target) -> str:
    return f"{target}{target.path}"


def _get(target: _Target, rules: _Rules) -> Fetched | str:
    """The picture, or the `Location` of a redirect."""
    connection = _connected(target, rules)
    try:
        connection.sock = _Timed(connection.sock, rules.remaining)
        host = str(target).partition("://")[2]
        connection.request(
            "GET", target.path, headers={**_HEADERS, "Host": host}, preload_content=False, decode_content=False
        )
        with closing(connection.getresponse()) as response:
            return _answer(response, target, rules)
    except (TimeoutError, ReadTimeoutError):
        raise TimeoutError from None
    except (HTTPError, HTTPException, OSError, ValueError):
        raise rules.refusal(f"{target} broke off or did not speak HTTP", "Try again, or upload the picture.") from None
    finally:
        connection.close()


def _answer(response: HTTPResponse, target: _Target, rules: _Rules) -> Fetched | str:
    location = response.headers.get("Location")
    if response.status in (301, 302, 303, 307, 308) and location:
        return location
    if response.status != 200:
        raise rules.refusal(f"{target} answered {response.status}", "Check the link; a signed link may have expired.")
    return Fetched(_body(response, target, rules), response.headers.get("Content-Type"))


def _connected(target: _Target, rules: _Rules) -> HTTPConnection:
    for address in target.addresses:
        connection = _connection(target, address, min(_CONNECT, rules.remaining()))
        try:
            connection.connect()
        except (HTTPError, OSError, ValueError):  # urllib3's CertificateError is a ValueError
            connection.close()
        else:
            return connection
    rules.remaining()
    secured = " with a valid certificate" if target.scheme == "https" else ""
    raise rules.refusal(f"no connection to {target}{secured}")


def _connection(target: _Target, address: str, timeout: float) -> HTTPConnection:
    if target.scheme == "http":
        return HTTPConnection(address, target.port, timeout=timeout)
    return HTTPSConnection(
        address, target.port, timeout=timeout, server_hostname=target.host, assert_hostname=target.host
    )


def _body(response: HTTPResponse, target: _Target, rules: _Rules) -> bytes:
    too_large = rules.refusal(
        f"{target} sends more than the limit of {rules.max_bytes:,} bytes (max_bytes)",
        "Save the picture smaller or as a JPEG.",
    )
    declared = response.headers.get("Content-Length", "")
    if declared.isdecimal() and int(declared) > rules.max_bytes:
        raise too_large
    body = bytearray()
    while chunk := response.read1(_CHUNK):
        body += chunk
        if len(body) > rules.max_bytes:
            raise too_large
    return bytes(body)


class _Timed:
    """A socket whose reads all end at one deadline. A socket's own timeout starts anew with each byte received, so a
    server that drips would be waited for without end."""

    def __init__(self, sock: socket.socket, remaining: Callable[[], float]) -> None:
        self._sock = sock
        self._remaining = remaining

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def makefile(self, mode: str) -> io.BufferedReader:
        raw = cast(socket.SocketIO, self._sock.makefile(mode, buffering=0))  # type: ignore[call-overload]
        return io.BufferedReader(_TimedReader(raw, self._sock, self._remaining), _CHUNK)


class _TimedReader(io.RawIOBase):
    def __init__(self, raw: socket.SocketIO, sock: socket.socket, remaining: Callable[[], float]) -> None:
        self._raw = raw
        self._sock = sock
        self._remaining = remaining

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._remaining())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
