"""Let this machine's own programs use the emulator, and a browser only what checks keys itself."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Any, Send], Awaitable[None]]

LOOPBACK_HOST = re.compile(r"([a-z0-9-]+\.)*(127\.0\.0\.1|localhost)(:\d+)?")
FOR_BROWSERS = ("/_aws/execute-api/", "/_aws/lambda-url/")
"""Our HTTP API and the functions' own URLs: on AWS a page may call both."""


def guard(app: App) -> App:
    """Refuse with 403 a request for a foreign `Host` (DNS rebinding), and a page's request for anything but our API."""

    async def guarded(scope: Scope, receive: Any, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await app(scope, receive, send)
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        if refused(scope["path"], headers):
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
            return await send({"type": "http.response.body", "body": b"Only programs on this machine may do this.\n"})
        # Bucket policies demand TLS; loopback is as good.
        secure = [h for h in scope["headers"] if h[0].lower() != b"x-forwarded-proto"] + [
            (b"x-forwarded-proto", b"https")
        ]
        return await app({**scope, "headers": secure}, receive, send)

    return guarded


def refused(path: str, headers: MutableMapping[str, str]) -> bool:
    """Say whether a request is refused. `headers`: by lower-case name."""
    if not LOOPBACK_HOST.fullmatch(headers.get("host", "").lower()):
        return True
    from_a_page = "origin" in headers or headers.get("sec-fetch-site") == "cross-site"
    return from_a_page and not path.startswith(FOR_BROWSERS)
