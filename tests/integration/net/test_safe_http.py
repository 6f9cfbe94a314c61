"""The fetcher against real servers on loopback; the names and addresses of the internet come from an injected resolver."""

from __future__ import annotations

import datetime
import gzip
import itertools
import logging
import random
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fitting_room.net.safe_http import Answered, Fetched, FetchFailed, get, is_public, post
from tests.integration.net.server import SECRET, Server, running
from tests.unit.images.pictures import saved, scene

PICTURE = saved(scene(80, 60))


@pytest.fixture
def server() -> Iterator[Server]:
    with running(Server()) as server:
        yield server


def names(*addresses: str) -> Callable[..., list[Any]]:
    """A resolver that answers every name with these addresses."""
    return lambda host, port, type: [(socket.AF_INET, type, 6, "", (address, port)) for address in addresses]


def got(url: str, server: Server, **options: Any) -> Fetched:
    return get(url, **{"max_bytes": 1_000_000, "allow": frozenset({server.host}), **options})


def refusal(url: str, **options: Any) -> FetchFailed:
    with pytest.raises(FetchFailed) as caught:
        get(url, **{"max_bytes": 1_000_000, "timeout": 5, **options})
    error = caught.value
    assert error.why and error.remedy.endswith(".")
    assert len(error.why) < 450
    chain = f"{error} {error.args} {error.__cause__} {'' if error.__suppress_context__ else error.__context__}"
    assert "c0ffee" not in chain and "hunter2" not in chain
    return error


def test_a_picture_comes_with_the_server_s_claim_about_it(server: Server) -> None:
    server.serves("/a/b.png", PICTURE, f"Content-Length: {len(PICTURE)}")
    assert got(server.url("/a/b.png"), server) == Fetched(PICTURE, "image/png")
    assert server.asked == [(server.host, f"/a/b.png?{SECRET}")]


def test_a_link_may_be_as_long_as_the_api_takes_it(server: Server) -> None:
    longest = server.url("/p").ljust(4096, "x")
    server.serves("/p", PICTURE)
    assert got(longest, server).data == PICTURE
    assert server.asked == [(server.host, longest.removeprefix(f"http://{server.host}"))]


@pytest.mark.parametrize(
    "body",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(PICTURE), PICTURE),
        b"HTTP/1.0 200 OK\r\n\r\n" + PICTURE,
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + PICTURE,
    ],
    ids=["chunked", "HTTP/1.0", "until closed"],
)
def test_every_way_of_ending_a_body(server: Server, body: bytes) -> None:
    server.raw("/p", body)
    assert got(server.url("/p"), server).data == PICTURE


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("http://shop.example/p.png?X-Amz-Signature=c0ffee", "http://shop.example is not https"),
        ("ftp://shop.example/p.png", "not a valid https address"),
        ("file:///etc/passwd", "not a valid https address"),
        ("shop.example/p.png", "not a valid https address"),
        ("https://", "not a valid https address"),
        ("https://shop.example\\@10.0.0.1/", "not a valid https address"),
        ("https://shop.example/\r\nHost: 10.0.0.1", "not a valid https address"),
        ("https://shop.example:8443/p.png", "https://shop.example:8443 uses a port other than 443"),
        ("https://shop.example:0/p.png", "uses a port other than 443"),
        ("https://shop.example:99999/p.png", "not a valid https address"),
        ("https://me:hunter2@shop.example/p.png", "holds a user name or password"),
        ("http://127.0.0.1:9001/2018-06-01/runtime/invocation/next", "is not https"),
    ],
)
def test_only_plain_https_links_are_followed(url: str, what: str) -> None:
    assert what in refusal(url, resolve=names("93.184.215.14")).why


PRIVATE = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.8.8.8",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:93.184.215.14",
    "::ffff:127.0.0.1",
    "::93.184.215.14",
    "::ffff:0:127.0.0.1",
    "64:ff9b::5db8:d70e",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "2001:10::1",
    "2001:db8::1",
    "2002:5db8:d70e::1",
    "2002:7f00:1::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_refused_also_beside_a_public_one(address: str) -> None:
    for answer in ([address], ["93.184.215.14", address]):
        failed = refusal("https://shop.example/p.png", resolve=names(*answer))
        assert "https://shop.example is not a public address" in failed.why


@pytest.mark.parametrize(
    "address",
    [
        "93.184.215.14",
        "1.1.1.1",
        "100.63.255.255",
        "100.128.0.1",
        "172.32.0.1",
        "11.0.0.1",
        "2606:4700:4700::1111",
        "2a00:1450:4001:80b::200e",
        "2001:4860:4860::8888",
    ],
)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f.1", "0177.0.0.1", "localhost", "[::1]", "[::ffff:7f00:1]"]
)
def test_loopback_in_disguise_is_refused_by_the_real_resolver(host: str) -> None:
    assert "not a public address" in refusal(f"https://{host}/p.png").why


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), True),
        (socket.gaierror(socket.EAI_FAIL, "Non-recoverable failure in name resolution"), True),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), False),
        (UnicodeError("label too long"), False),
    ],
)
def test_a_name_that_does_not_resolve_is_said_so(error: Exception, passing: bool) -> None:
    def nowhere(*args: Any, **options: Any) -> list[Any]:
        raise error

    failed = refusal(f"https://shop.example/p.png?{SECRET}", resolve=nowhere)
    assert "host name of https://shop.example does not resolve" in failed.why
    assert (failed.passing, failed.made) == (passing, not passing)


def test_the_exception_is_for_one_exact_host_and_port(server: Server) -> None:
    server.serves("/p", PICTURE)
    for allow in (frozenset({"127.0.0.1:1"}), frozenset({f"localhost:{server.port}"}), frozenset({"127.0.0.1"})):
        assert "not https" in refusal(server.url("/p"), allow=allow).why
    assert server.asked == []


def test_an_excepted_name_must_really_be_loopback() -> None:
    failed = refusal("http://emulator:4566/p", allow=frozenset({"emulator:4566"}), resolve=names("10.0.0.1"))
    assert "not a public address" in failed.why


def test_the_list_of_hosts_takes_subdomains_but_no_lookalikes(server: Server) -> None:
    hosts = frozenset({"cdn.example"})
    for host in ("cdn.example.evil.test", "evilcdn.example", "example"):
        failed = refusal(f"https://{host}/p.png", hosts=hosts, resolve=names("93.184.215.14"))
        assert "not a host this deployment fetches from" in failed.why and "cdn.example" in failed.remedy
    for host in ("cdn.example", "a.cdn.example", "A.CDN.example."):
        assert "public" in refusal(f"https://{host}/p.png", hosts=hosts, resolve=names("10.0.0.1")).why


def test_redirects_are_followed_to_the_picture(server: Server) -> None:
    server.redirects("/1", "/2?again=1", "301 Moved Permanently")
    server.redirects("/2", f"http://{server.host}/3", "307 Temporary Redirect")
    server.redirects("/3", "4", "303 See Other")
    server.serves("/4", PICTURE)
    assert got(server.url("/1"), server).data == PICTURE
    assert [path for _, path in server.asked] == [f"/1?{SECRET}", "/2?again=1", "/3", "/4"]
    server.redirects("/moved", "/4", "308 Permanent Redirect")
    assert got(server.url("/moved"), server).data == PICTURE


def test_the_fourth_redirect_is_one_too_many(server: Server) -> None:
    server.redirects("/p", "/p")
    assert "more than 3 times" in refusal(server.url("/p"), allow=frozenset({server.host})).why
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("location", "what"),
    [
        ("http://169.254.169.254/latest/meta-data/", "is not https"),
        ("https://169.254.169.254/latest/meta-data/", "not a public address"),
        ("https://me:hunter2@shop.example/", "user name or password"),
        ("//10.0.0.1/", "is not https"),
        ("file:///etc/passwd", "not a valid https address"),
    ],
)
def test_every_redirect_is_checked_like_the_first_link(server: Server, location: str, what: str) -> None:
    server.redirects("/p", location)
    assert what in refusal(server.url("/p"), allow=frozenset({server.host})).why


@pytest.mark.parametrize(
    "location",
    [
        "http://[",
        "//[",
        "https://[::1",
        "https://]/",
        "https://[xyz]/",
        "https://[127.0.0.1]/x",
        "https://shop.example/" + "a" * 60_000,
        "https://" + "a" * 8_000 + ".example/",
        "https://shop.example:" + "9" * 5_000 + "/",
        "https://shop.example:port/",
        "https://%zz/",
        "https://\xff\xfe/",
        "https:///",
        "//",
        "https://shop.example\\@10.0.0.1/",
        "javascript:alert(1)",
    ],
    ids=lambda location: repr(location)[:30],
)
def test_no_redirect_can_do_more_than_fail(server: Server, location: str) -> None:
    server.answers["/p"] = lambda handler: handler.wfile.write(
        b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location.encode("latin-1") + b"\r\n\r\n"
    )
    assert not refusal(server.url("/p"), allow=frozenset({server.host})).passing


def test_a_redirect_is_quoted_as_browsers_do(server: Server) -> None:
    server.redirects("/p", "/a b/café%20ok")
    server.serves("/a%20b/caf%C3%A9%20ok", PICTURE)
    assert got(server.url("/p"), server).data == PICTURE


def test_the_byte_limit_holds_whether_declared_or_not(server: Server) -> None:
    limits = {"max_bytes": len(PICTURE) - 1, "allow": frozenset({server.host})}
    server.serves("/declared", b"", f"Content-Length: {len(PICTURE)}")
    server.serves("/undeclared", PICTURE)
    for path in ("/declared", "/undeclared"):
        failed = refusal(server.url(path), **limits)
        assert f"{len(PICTURE) - 1:,} bytes (max_bytes)" in failed.why
    server.serves("/exact", PICTURE)
    assert got(server.url("/exact"), server, max_bytes=len(PICTURE)).data == PICTURE


def test_an_answer_compressed_all_the_same_is_unpacked_within_the_limit(server: Server) -> None:
    server.serves("/p", gzip.compress(PICTURE), "Content-Encoding: gzip")
    assert got(server.url("/p"), server).data == PICTURE
    server.serves("/bomb", gzip.compress(bytes(20_000_000)), "Content-Encoding: gzip")
    assert "more than the limit" in refusal(server.url("/bomb"), allow=frozenset({server.host})).why


@pytest.mark.parametrize(
    ("packing", "what"),
    [
        ("br", "compresses (br) although it was asked not to"),
        ("gzip", "does not compress as its headers say"),
        ("x" * 60_000, "although it was asked not to"),
    ],
    ids=["unknown", "untrue", "long"],
)
def test_what_cannot_be_unpacked_is_told_apart_from_a_bad_image(server: Server, packing: str, what: str) -> None:
    server.serves("/p", PICTURE, f"Content-Encoding: {packing}")
    failed = refusal(server.url("/p"), allow=frozenset({server.host}))
    assert what in failed.why and "compression" in failed.remedy and not failed.passing


@pytest.mark.parametrize("status", ["200 OK", "203 Non-Authoritative Information", "200"])
def test_an_answer_of_a_cache_is_as_good(server: Server, status: str) -> None:
    server.serves("/p", PICTURE, status=status)
    assert got(server.url("/p"), server).data == PICTURE


@pytest.mark.parametrize(
    ("status", "passing"),
    [
        ("204 No Content", False),
        ("206 Partial Content", False),
        ("302 Found", False),
        ("304 Not Modified", False),
        ("403 Forbidden", False),
        ("404 Not Found", False),
        ("410 Gone", False),
        ("408 Request Timeout", True),
        ("425 Too Early", True),
        ("429 Too Many Requests", True),
        ("500 Oops", True),
        ("503 Service Unavailable", True),
        ("599 ", True),
    ],
)
def test_an_answer_without_an_image_names_its_status_and_whether_it_may_pass(
    server: Server, status: str, passing: bool
) -> None:
    server.serves("/p", b"", "Content-Length: 0", status=status)
    failed = refusal(server.url("/p"), allow=frozenset({server.host}))
    assert f"http://{server.host} answered {status[:3]}" in failed.why
    assert (failed.passing, failed.made) == (passing, status[:3] != "429")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("Retry-After: 7", 7.0),
        ("Retry-After: 999999", 3600.0),
        (f"Retry-After: {'9' * 5000}", 3600.0),
        ("Retry-After: Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("Retry-After: -1", None),
        ("X: y", None),
    ],
)
def test_the_pause_that_a_server_asks_for(server: Server, header: str, seconds: float | None) -> None:
    server.serves("/p", b"", header, status="429 Too Many Requests")
    assert refusal(server.url("/p"), allow=frozenset({server.host})).retry_after == seconds


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 99999 What\r\n\r\n",
        b"HTTP/1.1 -1 What\r\n\r\n",
        b"HTTP/1.1 \xb2\xb0\xb0 OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"\xff" * 100,
    ],
)
def test_a_broken_answer_is_a_clear_failure_that_may_pass(server: Server, answer: bytes) -> None:
    server.raw("/p", answer)
    failed = refusal(server.url("/p"), allow=frozenset({server.host}))
    assert "broke off or did not speak HTTP" in failed.why and failed.passing


def test_a_reset_connection_may_pass(server: Server) -> None:
    server.answers["/p"] = Server.reset
    failed = refusal(server.url("/p"), allow=frozenset({server.host}))
    assert "broke off" in failed.why and failed.passing


def test_whatever_a_server_sends_there_is_one_kind_of_failure(server: Server) -> None:
    """Pieces of answers, good and bad, put together by chance (the same each time)."""
    chance = random.Random(7)
    starts = [
        "HTTP/1.1 200 OK",
        "HTTP/1.1 302 Found",
        "HTTP/1.0 307 ",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200",
        "ICY 200",
    ]
    headers = [
        *("Location: http://[", "Location: /p", "Location: \x00", "Location: //[::1]:x/"),
        *("Content-Length: -5", "Content-Length: 3, 4", f"Content-Length: {'9' * 5000}"),
        *("Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked"),
        *("Content-Encoding: gzip", "Content-Encoding: deflate", "Content-Encoding: gzip, gzip"),
        *("Connection: keep-alive", "Retry-After: x", ": x", "\x01\x02", " folded"),
    ]
    bodies = [
        *("", "abc", "-5\r\nabc\r\n", "3\r\nabc\r\n0\r\n\r\n"),
        *("ffffffffffffffffffff\r\n", "3;x=y\r\nabc", "\x1f\x8b\x08"),
    ]
    for _ in range(300):
        lines = [chance.choice(starts), *chance.sample(headers, chance.randrange(5)), "", ""]
        server.raw("/p", ("\r\n".join(lines) + chance.choice(bodies)).encode("latin-1"))
        with suppress(FetchFailed):
            got(server.url("/p"), server, timeout=5)


def test_nothing_of_a_signed_link_reaches_the_log(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.raw("/p", b"HTTP/1.1 200 OK\r\nnot a header\r\nContent-Length: 3\r\n\r\nabc")
    got(server.url("/p"), server)
    assert "c0ffee" not in caplog.text


@pytest.mark.parametrize(
    "start",
    [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"],
    ids=["headers", "body", "chunk size"],
)
def test_a_server_that_drips_is_cut_off_at_the_deadline(server: Server, start: bytes) -> None:
    """Each byte comes at once, so no single read is slow: only the sum of the (injected) time can end it."""

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(start)
        while not server.release.is_set():
            handler.wfile.write(b"1")

    server.answers["/p"] = drip
    ticks = itertools.count()
    failed = refusal(
        server.url("/p"), allow=frozenset({server.host}), timeout=8, clock=lambda: float(next(ticks)), max_bytes=10**9
    )
    assert f"http://{server.host} took longer than 8 s" in failed.why and failed.passing


def test_a_server_that_falls_silent_is_cut_off_at_the_deadline(server: Server) -> None:
    server.answers["/p"] = lambda handler: server.release.wait()
    assert "than 0.2 s" in refusal(server.url("/p"), allow=frozenset({server.host}), timeout=0.2).why


def test_the_next_address_is_tried_when_one_does_not_answer(server: Server) -> None:
    server.serves("/p", PICTURE)
    host = f"shop.test:{server.port}"
    answer = got(
        server.url("/p", "shop.test"), server, allow=frozenset({host}), resolve=names("127.0.0.9", "127.0.0.1")
    )
    assert answer.data == PICTURE
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    failed = refusal(f"http://127.0.0.1:{port}/p", allow=frozenset({f"127.0.0.1:{port}"}))
    assert "no connection to http://127.0.0.1" in failed.why and failed.passing and not failed.made


def test_proxies_of_the_environment_are_not_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.serves("/p", PICTURE)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert got(server.url("/p"), server).data == PICTURE


def _certificate(host: str, folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private


@pytest.fixture
def tls_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Shows a trusted certificate for shop.test."""
    certificate, key = _certificate("shop.test", tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = Server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.http.socket = context.wrap_socket(server.http.socket, server_side=True)
    with running(server):
        yield server


def _over_tls(server: Server, host: str) -> dict[str, Any]:
    return {
        "url": server.url("/p", host, "https"),
        "allow": frozenset({f"{host}:{server.port}"}),
        "resolve": names("127.0.0.1"),
    }


def test_tls_goes_to_the_checked_address_under_the_name_of_the_link(tls_server: Server) -> None:
    tls_server.serves("/p", PICTURE)
    answer = get(max_bytes=1_000_000, **_over_tls(tls_server, "shop.test"))
    assert answer.data == PICTURE
    assert tls_server.asked == [(f"shop.test:{tls_server.port}", f"/p?{SECRET}")]


def test_a_certificate_of_another_name_is_refused(tls_server: Server) -> None:
    tls_server.serves("/p", PICTURE)
    failed = refusal(**_over_tls(tls_server, "other.test"))
    assert "valid certificate" in failed.why and not failed.passing and failed.made
    assert tls_server.asked == []


def test_a_bad_certificate_at_one_address_does_not_hide_that_another_may_answer_soon(tls_server: Server) -> None:
    both = _over_tls(tls_server, "other.test") | {"resolve": names("127.0.0.2", "127.0.0.1")}
    failed = refusal(**both)
    assert (failed.passing, failed.made) == (True, False), "nothing listens at 127.0.0.2 now"


def test_a_certificate_nobody_vouches_for_is_refused(tls_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    assert "valid certificate" in refusal(**_over_tls(tls_server, "shop.test")).why


def test_the_name_is_resolved_once_per_link() -> None:
    asked: list[str] = []

    def rebinding(host: str, port: int, type: int) -> list[Any]:
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "10.0.0.1"
        return [(socket.AF_INET, type, 6, "", (address, port))]

    with running(Server()) as server:
        server.serves("/p", PICTURE)
        allow = frozenset({f"shop.test:{server.port}"})
        assert got(server.url("/p", "shop.test"), server, allow=allow, resolve=rebinding).data == PICTURE
    assert asked == ["shop.test"]


def test_a_body_is_posted_once_with_its_headers_and_the_answer_s_body_is_not_waited_for(server: Server) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 202 Accepted\r\nRetry-After: 7\r\nContent-Length: 999999999\r\n\r\n")
        server.release.wait()

    server.answers["/hook"] = endless
    allow = frozenset({server.host})
    assert post(server.url("/hook"), b'{"a":1}', {"webhook-id": "msg_1"}, allow=allow) == Answered(202, 7.0)
    [(headers, body)] = server.posted
    assert (body, headers["webhook-id"], headers["Host"]) == (b'{"a":1}', "msg_1", server.host)
    assert "Accept" not in headers


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent"])
def test_a_post_follows_no_redirect(server: Server, status: str) -> None:
    server.redirects("/hook", "/elsewhere", status)
    server.serves("/elsewhere", b"")
    answer = post(server.url("/hook"), b"{}", {}, allow=frozenset({server.host}))
    assert answer.status == int(status[:3])
    assert [path.partition("?")[0] for _, path in server.asked] == ["/hook"]


@pytest.mark.parametrize("address", ["10.1.2.3", "169.254.169.254", "::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"])
def test_nothing_is_posted_to_a_name_that_resolves_to_an_address_that_is_not_public(address: str) -> None:
    for answer in ([address], ["93.184.215.14", address]):
        with pytest.raises(FetchFailed, match=r"https://shop\.example is not a public address"):
            post(f"https://shop.example/hook?{SECRET}", b"{}", {}, resolve=names(*answer))


def test_a_post_connects_to_the_address_that_was_checked(server: Server) -> None:
    """A name that answers differently when it is asked again gains nothing: it is asked once."""
    server.serves("/hook", b"")
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    allow = frozenset({f"shop.test:{server.port}"})

    def once(host: str, port: int, **options: Any) -> list[Any]:
        return names(*next(answers))(host, port, options["type"])

    assert post(server.url("/hook", "shop.test"), b"{}", {}, allow=allow, resolve=once).status == 200
    assert next(answers) == ["10.0.0.1"], "it was not asked again"
