"""A vendor's side of the wire: a real HTTP server on loopback that records what it gets and answers what it is told."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Answer(NamedTuple):
    status: int = 200
    body: Any = b""
    headers: dict[str, str] = {}
    drop: bool = False
    """Close the connection after reading the request, without an answer."""


class Request(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Vendor:
    answer: Answer = field(default_factory=Answer)
    url: str = ""
    requests: list[Request] = field(default_factory=list)


@contextmanager
def vendor() -> Iterator[Vendor]:
    told = Vendor()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            told.requests.append(Request(self.command, self.path, headers, json.loads(raw) if raw else None))
            if told.answer.drop:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            body = told.answer.body if isinstance(told.answer.body, bytes) else json.dumps(told.answer.body).encode()
            self.send_response(told.answer.status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
                **told.answer.headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
