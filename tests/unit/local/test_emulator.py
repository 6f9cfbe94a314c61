"""The launcher around the emulator, without the emulator."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import pytest

from local.emulator import __main__ as launcher
from local.emulator import guard as doorkeeper
from local.emulator import rewriting

API = "/_aws/execute-api/abc/v1/jobs"
FUNCTION_URL = "/_aws/lambda-url/abc/v1/jobs"


@pytest.mark.parametrize(
    "host", ["127.0.0.1:4566", "localhost", "LOCALHOST:1", "abc.execute-api.127.0.0.1:4566", "b.localhost"]
)
def test_programs_on_this_machine_are_let_in(host: str) -> None:
    assert not doorkeeper.refused("/", {"host": host})


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:4566", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.7:4566", ""],
)
def test_a_name_that_was_pointed_at_this_machine_is_refused(host: str) -> None:
    assert doorkeeper.refused(API, {"host": host})


@pytest.mark.parametrize(
    "sent", [{"origin": "http://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}]
)
@pytest.mark.parametrize(
    "path", ["/", "/_ministack/reset", "/_emulator/faults", "/inbox/uploads/x", "/x/_aws/execute-api/"]
)
def test_a_web_page_reaches_the_api_and_nothing_else(path: str, sent: dict[str, str]) -> None:
    assert doorkeeper.refused(path, {"host": "127.0.0.1:4566", **sent})
    assert not doorkeeper.refused(API, {"host": "127.0.0.1:4566", **sent})
    assert not doorkeeper.refused(FUNCTION_URL, {"host": "127.0.0.1:4566", **sent})


def asked(headers: dict[str, str], kind: str = "http") -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What the guard sent back, and what it handed on."""
    sent: list[dict[str, Any]] = []
    passed: list[dict[str, Any]] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        passed.append(dict(scope))

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": kind, "path": "/", "headers": [(k.encode(), v.encode()) for k, v in headers.items()]}

    async def ask() -> None:
        await doorkeeper.guard(app)(scope, None, send)

    asyncio.run(ask())
    return sent, passed


def test_a_refused_request_never_reaches_the_emulator() -> None:
    sent, passed = asked({"Host": "evil.example"})
    assert sent[0]["status"] == 403
    assert not passed


def test_loopback_counts_as_secure_transport_whatever_the_client_says() -> None:
    _, [scope] = asked({"Host": "localhost", "X-Forwarded-Proto": "http"})
    assert [v for k, v in scope["headers"] if k.lower() == b"x-forwarded-proto"] == [b"https"]


def test_server_events_pass() -> None:
    assert asked({}, kind="lifespan")[1]


def test_a_patch_reaches_those_who_imported_the_function_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "service_of_test.py").write_text("SIZE = 3\ndef answer():\n    return SIZE + 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = __import__("service_of_test")
    imported_before = module.answer
    rewriting.rewrite(module, "answer", ("SIZE + 1", "SIZE * 10"))
    assert imported_before() == module.answer() == 30


def test_patches_of_one_function_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other_of_test.py").write_text("def answer():\n    return 1, 2, 3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = __import__("other_of_test")
    rewriting.rewrite(module, "answer", ("1", "10"), ("2", "20"))
    rewriting.rewrite(module, "answer", ("3", "30"))
    assert module.answer() == (10, 20, 30)


@pytest.mark.parametrize("text", ["nothing of the kind", "old and old"])
def test_a_patch_that_no_longer_fits_stops_the_start(text: str) -> None:
    with pytest.raises(RuntimeError, match="not as expected"):
        rewriting.replaced(text, "old", "new")


def test_another_version_is_refused_before_anything_is_touched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept = tmp_path / "home" / "kept"
    kept.parent.mkdir()
    kept.touch()
    monkeypatch.setattr(sys, "argv", ["emulator", "--port", "1", "--tls-port", "2", "--home", str(kept.parent)])
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "1.5.34")
    with pytest.raises(SystemExit, match=r"1\.5\.33, found 1\.5\.34"):
        launcher.main()
    assert kept.exists()


def test_lambdas_see_nothing_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment = types.SimpleNamespace(before=dict(os.environ), mask=os.umask(0o022), tempdir=tempfile.tempdir)
    home = tmp_path / "home"
    (home / "left-over").mkdir(parents=True)
    monkeypatch.setenv("AWS_PROFILE", "work")
    monkeypatch.setenv("GITHUB_TOKEN", "s3cret")
    monkeypatch.setenv("FITTING_ROOM_CLOUD", "mark")
    try:
        launcher.isolate(4566, home)
        seen = dict(os.environ)
    finally:
        os.environ.clear()
        os.environ.update(environment.before)
        os.umask(environment.mask)
        tempfile.tempdir = environment.tempdir
    assert not {"AWS_PROFILE", "GITHUB_TOKEN"} & set(seen)
    assert seen["HOME"] == seen["TMPDIR"] == str(home)
    assert seen["BIND_HOST"] == "127.0.0.1"
    assert seen["FITTING_ROOM_CLOUD"] == "mark"  # `down` finds the Lambdas by it
    assert not list(home.iterdir())
