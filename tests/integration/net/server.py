"""A server on loopback that answers as badly as a test wants."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "X-Amz-Signature=c0ffee"


class Server:
    """A server on a free port of 127.0.0.1 whose answers a test writes as raw bytes, by path."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[BaseHTTPRequestHandler], object]] = {}
        self.asked: list[tuple[str, str]] = []
        self.posted: list[tuple[dict[str, str], bytes]] = []
        self.release = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                outer.asked.append((self.headers["Host"], self.path))
                outer.answers[path](self)
                self.close_connection = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.posted.append((dict(self.headers.items()), body))
                self.do_GET()

            def log_message(self, *args: Any) -> None: ...

        class Quiet(ThreadingHTTPServer):
            def handle_error(
                self, *args: Any
            ) -> None: ...  # a client that hangs up is what many of these tests are about

        self.http = Quiet(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.port = self.http.server_address[1]
        self.host = f"127.0.0.1:{self.port}"

    def url(self, path: str, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}?{SECRET}"

    def raw(self, path: str, answer: bytes) -> None:
        self.answers[path] = lambda handler: handler.wfile.write(answer)

    @staticmethod
    def reset(handler: BaseHTTPRequestHandler) -> None:
        """End the connection as a crashed server does."""
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()

    def serves(self, path: str, body: bytes, *headers: str, status: str = "200 OK") -> None:
        lines = [f"HTTP/1.1 {status}", "Content-Type: image/png", *headers, "", ""]
        self.raw(path, "\r\n".join(lines).encode() + body)

    def redirects(self, path: str, to: str, status: str = "302 Found") -> None:
        self.serves(path, b"", f"Location: {to}", "Content-Length: 0", status=status)


@contextmanager
def running(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.release.set()
        server.http.shutdown()
        server.http.server_close()
        thread.join()
