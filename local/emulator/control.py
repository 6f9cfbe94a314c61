"""Serve the launcher's own `/_emulator/faults` and `/_emulator/usage`: GET lists, POST adds a fault, DELETE clears."""

from __future__ import annotations

import json
from typing import Any

from local.emulator.faults import Faults
from local.emulator.guard import App, Scope, Send
from local.emulator.usage import Usage

PREFIX = "/_emulator/"


def control(app: App, faults: Faults, usage: Usage) -> App:
    """Answer the calls that control the emulator, and pass the others to `app`.

    Wrap the result in `guard`, because no web page may use it.
    """

    async def controlled(scope: Scope, receive: Any, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            return await app(scope, receive, send)
        status, answer = respond(scope["method"], scope["path"], await _body(receive), faults, usage)
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        return await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    return controlled


def respond(method: str, path: str, body: bytes, faults: Faults, usage: Usage) -> tuple[int, dict[str, Any]]:
    match method, path.removeprefix(PREFIX):
        case "GET", "faults":
            return 200, {"faults": faults.listed()}
        case "POST", "faults":
            try:
                faults.add(json.loads(body))
            except ValueError as error:
                return 400, {"error": str(error)}
            return 201, {"faults": faults.listed()}
        case "DELETE", "faults":
            faults.clear()
            return 200, {"faults": []}
        case "GET", "usage":
            return 200, usage.listed()
        case "DELETE", "usage":
            usage.reset()
            return 200, usage.listed()
    return 404, {"error": "send GET, POST or DELETE /_emulator/faults, or GET or DELETE /_emulator/usage"}


async def _body(receive: Any) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body
