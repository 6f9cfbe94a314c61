"""Calls to addresses that other people name: only public ones, pinned after the check, in bounded time and size.

A link may be signed, so no error and no log holds more of it than scheme and host.
"""

from __future__ import annotations

import io
import ipaddress
import logging
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, cast
from urllib.parse import urljoin

from urllib3 import HTTPResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import DecodeError, HTTPError, ReadTimeoutError
from urllib3.util import Url, parse_url

# urllib3 quotes the whole URL when a server's headers cannot be parsed.
logging.getLogger("urllib3.connection").setLevel(logging.ERROR)

_REDIRECTS = 3
_CONNECT = 5.0
_CHUNK = 65_536
_LONGEST_URL = 8192
_LONGEST_HOST = 253
_LONGEST_PAUSE = 3600.0
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "fitting-room"}
_IMAGES = {"Accept": "image/jpeg, image/png, image/webp"}
_UNPACKED = ("", "identity", "gzip", "x-gzip", "deflate")
_PASSING = (408, 425, 429)
_LASTING_DNS = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
_PUBLIC = "Use a public https link."
_SOON = "Try again soon."
_PLAIN = "Turn compression off for this link."

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


class FetchFailed(Exception):
    """The one error that a call raises.

    `why` and `remedy` are for the client that named the address; `why` has no full stop. `passing`: the same call may
    succeed in a moment. `retry_after`: seconds that the server asked for. `made`: False for a call that says nothing of
    the address: without a connection, or one too many (429).
    """

    def __init__(
        self, why: str, remedy: str, *, passing: bool = False, retry_after: float | None = None, made: bool = True
    ) -> None:
        super().__init__(why)
        self.why = why
        self.remedy = remedy
        self.passing = passing
        self.retry_after = retry_after
        self.made = made


class NotListed(FetchFailed):
    """The address, or one that it redirects to, has none of the hosts that are taken."""


@dataclass(frozen=True)
class Fetched:
    """The answer to a fetch.

    `content_type` is the server's claim. The content of the data says their kind.
    """

    data: bytes
    content_type: str | None


@dataclass(frozen=True)
class Answered:
    """`retry_after`: seconds that the server asked for."""

    status: int
    retry_after: float | None


@dataclass(frozen=True)
class _Rules:
    allow: frozenset[str]
    hosts: frozenset[str] | None
    resolve: Resolve
    timeout: float
    clock: Callable[[], float]
    deadline: float

    def remaining(self) -> float:
        """Return the seconds left.

        Raises `TimeoutError` when there are none, as a socket does.
        """
        left = self.deadline - self.clock()
        if left <= 0:
            raise TimeoutError
        return left


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


def get(
    url: str,
    *,
    max_bytes: int,
    allow: frozenset[str] = frozenset(),
    hosts: frozenset[str] | None = None,
    timeout: float = 20.0,
    stays: Callable[[str], bool] = lambda _: True,
    resolve: Resolve = socket.getaddrinfo,
    clock: Callable[[], float] = time.monotonic,
) -> Fetched:
    """Download an image over https from port 443 of a public address; follow 3 redirects, each checked as the first.

    `allow`: exact `host:port` exceptions for loopback servers, where http will do too. `hosts`: if given, the only
    hosts taken, each with its subdomains. `timeout`: seconds for everything (a slow name resolution is noticed only
    when it has ended). `stays`: whether a redirect may lead to that address. Raises `FetchFailed`, whatever the server
    answers.
    """
    rules = _Rules(allow, hosts, resolve, timeout, clock, clock() + timeout)
    for _ in range(_REDIRECTS + 1):
        target = _checked(url, rules)
        with _answer("GET", target, rules, _IMAGES) as response:
            location = response.headers.get("Location")
            if response.status not in (301, 302, 303, 307, 308) or not location:
                _expect_body(response, target)
                return Fetched(_body(response, target, max_bytes), response.headers.get("Content-Type"))
        url = _joined(target, location)
        if not stays(url):
            raise FetchFailed(f"{target} redirects to an address that is not allowed here", "Use the link it ends at.")
    raise FetchFailed(f"it was redirected more than {_REDIRECTS} times", "Use the link it ends at.")


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    allow: frozenset[str] = frozenset(),
    timeout: float = 15.0,
    resolve: Resolve = socket.getaddrinfo,
    clock: Callable[[], float] = time.monotonic,
) -> Answered:
    """Send `body` once to port 443 of a public address, over https.

    The options are those of `get`. A redirect is an answer like any other: it is not followed. Nothing after the
    headers of the answer is read. Raises `FetchFailed` where there is no answer; the server may have taken the body
    all the same.
    """
    rules = _Rules(allow, None, resolve, timeout, clock, clock() + timeout)
    with _answer("POST", _checked(url, rules), rules, headers, body) as response:
        return Answered(response.status, _pause(response.headers.get("Retry-After", "")))


@contextmanager
def _answer(
    method: str, target: _Target, rules: _Rules, headers: Mapping[str, str], body: bytes | None = None
) -> Iterator[HTTPResponse]:
    """Yield the server's answer, while its body is read.

    An error in the answer or its body becomes a `FetchFailed`.
    """
    try:
        with closing(_connected(target, rules)) as connection:
            connection.sock = _Timed(connection.sock, rules.remaining)
            host = str(target).partition("://")[2]
            sent = {**_HEADERS, **headers, "Host": host}
            connection.request(method, target.path, body, sent, preload_content=False)
            with closing(connection.getresponse()) as response:
                yield response
    except (TimeoutError, ReadTimeoutError):
        raise FetchFailed(f"{target} took longer than {rules.timeout:g} s", _SOON, passing=True) from None
    except DecodeError:
        raise FetchFailed(f"{target} does not compress as its headers say", _PLAIN) from None
    except (HTTPError, HTTPException, OSError, ValueError):
        raise FetchFailed(f"{target} broke off or did not speak HTTP", _SOON, passing=True) from None


def _expect_body(response: HTTPResponse, target: _Target) -> None:
    status = response.status
    if status == 206:
        raise FetchFailed(f"{target} answered 206, a part, although the whole was asked for", "Use another link.")
    if status not in (200, 203):
        passing = status in _PASSING or status >= 500
        raise FetchFailed(
            f"{target} answered {status}",
            _SOON if passing else "Check the link; a signed link may have expired.",
            passing=passing,
            retry_after=_pause(response.headers.get("Retry-After", "")),
            made=status != 429,
        )
    packing = response.headers.get("Content-Encoding", "").strip().lower()
    if packing not in _UNPACKED:
        raise FetchFailed(f"{target} compresses ({packing[:20]}) although it was asked not to", _PLAIN)


def _pause(value: str) -> float | None:
    """Return the seconds of a `Retry-After`, at most an hour.

    None where there is none or it is a date.
    """
    return min(float(value), _LONGEST_PAUSE) if value.isdecimal() else None


def _joined(target: _Target, location: str) -> str:
    """Return the address that a redirect leads to.

    Spaces and bytes beyond ASCII are quoted, as browsers do.
    """
    quoted = re.sub(r"[ \x80-\xff]", lambda found: f"%{ord(found[0]):02X}", location)
    try:
        return urljoin(f"{target}{target.path}", quoted)
    except ValueError:
        raise FetchFailed(f"{target} redirects to an invalid address", _PUBLIC) from None


def _checked(url: str, rules: _Rules) -> _Target:
    parts = _parsed(url)
    scheme, host = parts.scheme or "", _host(parts)
    port = parts.port if parts.port is not None else 443 if scheme == "https" else 80
    where = _origin(scheme, host, port)
    excepted = f"{host}:{port}" in rules.allow
    if parts.auth is not None:
        raise FetchFailed(f"the link to {where} holds a user name or password", _PUBLIC)
    if not excepted and scheme != "https":
        raise FetchFailed(f"{where} is not https", _PUBLIC)
    if not excepted and port != 443:
        raise FetchFailed(f"{where} uses a port other than 443", _PUBLIC)
    if not excepted and rules.hosts is not None and not any(_under(host, name) for name in rules.hosts):
        raise NotListed(
            f"{where} is not a host this deployment fetches from", f"Use one of: {', '.join(sorted(rules.hosts))}."
        )
    addresses = _resolved(host, port, where, rules)
    good = _is_loopback if excepted else is_public
    if not all(map(good, addresses)):
        raise FetchFailed(f"{where} is not a public address", _PUBLIC)
    return _Target(scheme, host, port, parts.request_uri, addresses)


def _parsed(url: str) -> Url:
    try:
        if len(url) > _LONGEST_URL or re.search(r"[\x00-\x20\x7f\\]", url):
            raise ValueError
        parts = parse_url(url)
        if parts.scheme not in ("http", "https") or not 0 < len(_host(parts)) <= _LONGEST_HOST:
            raise ValueError
    except (ValueError, HTTPError):
        raise FetchFailed("the link is not a valid https address", _PUBLIC) from None
    return parts


def _host(parts: Url) -> str:
    return (parts.host or "").strip("[]").rstrip(".").lower()


def _resolved(host: str, port: int, where: str, rules: _Rules) -> tuple[str, ...]:
    """Resolve a host once and return its public addresses.

    The connection uses the checked addresses, so a name that changes its answer gains nothing.
    """
    try:
        found = rules.resolve(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        lasting = isinstance(error, UnicodeError) or error.errno in _LASTING_DNS
        raise FetchFailed(
            f"the host name of {where} does not resolve",
            "Check the host name." if lasting else _SOON,
            passing=not lasting,
            made=lasting,
        ) from None
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Return whether an IP address is public, by the IANA registries and not in any embedding form."""
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


def _connected(target: _Target, rules: _Rules) -> HTTPConnection:
    passing = False
    for address in target.addresses:
        connection = _connection(target, address, min(_CONNECT, rules.remaining()))
        try:
            connection.connect()
        except (HTTPError, OSError, ValueError) as error:
            connection.close()
            passing |= not isinstance(
                error, ValueError
            )  # which a certificate that is not valid is, in ssl and in urllib3
        else:
            return connection
    rules.remaining()
    secured = " with a valid certificate" if target.scheme == "https" else ""
    raise FetchFailed(
        f"no connection to {target}{secured}", _SOON if passing else _PUBLIC, passing=passing, made=not passing
    )


def _connection(target: _Target, address: str, timeout: float) -> HTTPConnection:
    if target.scheme == "http":
        return HTTPConnection(address, target.port, timeout=timeout)
    return HTTPSConnection(
        address, target.port, timeout=timeout, server_hostname=target.host, assert_hostname=target.host
    )


def _body(response: HTTPResponse, target: _Target, max_bytes: int) -> bytes:
    """Return the body, unpacked piece by piece, so that the limit holds for the unpacked bytes."""
    too_large = FetchFailed(
        f"{target} sends more than the limit of {max_bytes:,} bytes (max_bytes)", "Save it smaller or as a JPEG."
    )
    declared = response.headers.get("Content-Length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise too_large
    body = io.BytesIO()
    while chunk := response.read1(_CHUNK, decode_content=True):
        if body.tell() + len(chunk) > max_bytes:
            raise too_large
        body.write(chunk)
    return body.getvalue()


class _Timed:
    """A socket whose reads all end at one deadline.

    A socket's own timeout restarts with each byte received, so a slow server could hold the call without end.
    """

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
