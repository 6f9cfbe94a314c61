"""What holds for every HTTP vendor: no address, key or callback's secret of a call is ever logged."""

from __future__ import annotations

import logging
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from fitting_room.jobs.outcome import Unread
from fitting_room.providers.shared.http import client, retry_after
from fitting_room.providers.shared.reading import read


class Vendor(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(302)
        self.send_header("Location", "/again")
        self.send_header("Set-Cookie", "session=cookie-of-the-vendor")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_real_call_logs_nothing_and_follows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server = HTTPServer(("127.0.0.1", 0), Vendor)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with client(f"http://127.0.0.1:{server.server_port}/v1", {"Authorization": "Bearer the-key"}) as http:
            answer = http.post("run", params={"webhook_url": "https://us.example/callbacks/the-token"})
    finally:
        server.shutdown()
        server.server_close()
    assert (answer.status_code, answer.request.url.path) == (302, "/v1/run")
    assert "token" in str(answer.request.url), "there was something to log"
    assert [record.getMessage() for record in caplog.records if record.name.startswith("http")] == []


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        ("86400", 3600.0),
        ("-1", None),
        ("1.5", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        (None, None),
    ],
)
def test_when_a_vendor_wants_to_be_asked_again(header: str | None, seconds: float | None) -> None:
    assert retry_after(httpx.Response(429, headers={"Retry-After": header} if header else {})) == seconds


@pytest.mark.parametrize(
    "location", ["http://[", "//[", "https://[::1", "https://]/", "http://[xyz]/", "http://a" * 9000]
)
def test_a_status_read_survives_a_redirect_to_nowhere(location: str) -> None:
    answer = httpx.Response(302, headers={"Location": location})
    http = client("http://vendor.example", {}, httpx.MockTransport(lambda _: answer))
    assert isinstance(read(lambda: http.get("status/1"), lambda _: None), Unread)


def test_a_status_read_survives_a_body_that_cannot_be_unpacked() -> None:
    def broken(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip"))

    http = client("http://vendor.example", {}, httpx.MockTransport(broken))
    assert read(lambda: http.get("status/1"), lambda _: None) == Unread("DecodingError")


@pytest.mark.parametrize(
    ("answer", "counts"),
    [
        (httpx.ConnectError("no route to host"), False),
        (httpx.ConnectTimeout("slow"), False),
        (httpx.ProxyError("no proxy"), False),
        (httpx.Response(429), False),
        (httpx.ReadTimeout("slow"), True),
        (httpx.RemoteProtocolError("gone"), True),
        (httpx.Response(503), True),
        (httpx.Response(401), True),
        (httpx.Response(200, text="<html>"), True),
    ],
    ids=str,
)
def test_a_read_that_never_left_or_was_one_too_many_is_no_read(
    answer: httpx.Response | Exception, counts: bool
) -> None:
    def ask() -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    reading = read(ask, lambda _: None)
    assert isinstance(reading, Unread) and reading.made is counts
