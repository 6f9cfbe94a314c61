"""How every HTTP vendor is called."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from functools import cache

import httpx

for _name in ("httpx", "httpcore"):  # they log addresses, which may be signed or hold a callback's secret, and headers
    logging.getLogger(_name).setLevel(logging.CRITICAL)

UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
"""Errors after which the vendor certainly has nothing of the request."""

TIMEOUT = httpx.Timeout(60, connect=10)
"""Seconds for an answer, and to connect."""


@cache
def trust() -> ssl.SSLContext:
    """Return the trusted certificates.

    Reading them takes 20 ms, so all clients of a process share them.
    """
    return httpx.create_ssl_context()


def client(
    base_url: str,
    headers: Mapping[str, str],
    transport: httpx.BaseTransport | None = None,
    *,
    answers: float | None = None,
) -> httpx.Client:
    """Return a client that never repeats a request.

    It follows no redirects (a redirected purchase may be two) and makes no retries. Every request has a connection of
    its own: a stale pooled one would leave the outcome of a purchase uncertain. Paths are relative to `base_url`,
    without a leading slash. `answers`: seconds for an answer, where a provider takes minutes.
    """
    return httpx.Client(
        base_url=base_url.rstrip("/") + "/",
        headers={"Accept": "application/json", **headers},
        timeout=httpx.Timeout(answers, connect=10) if answers else TIMEOUT,
        limits=httpx.Limits(max_keepalive_connections=0),
        follow_redirects=False,
        verify=trust(),
        transport=transport,
    )


def retry_after(answer: httpx.Response) -> float | None:
    """Return the seconds of the `Retry-After` header, at most one hour.

    None where there is none or it is a date.
    """
    value = answer.headers.get("Retry-After", "")
    return min(float(value), 3600.0) if value.isdecimal() else None
