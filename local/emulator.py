"""Starts the pinned emulator of AWS (ministack), safe to leave running on a laptop.

    .local/emulator-venv/bin/python -m local.emulator --port 4566 --home .local/emulator

Loopback only, no leftovers, an environment of its own (the Lambdas inherit it), signatures and policies checked
(`AUTH`), no web page may drive it, and the few places where it answers differently from AWS in a way this product can
see are put right. Runs in the emulator's environment, so it imports only the standard library and ministack.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import inspect
import os
import re
import shutil
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from types import ModuleType
from typing import Any

VERSION = "1.5.33"  # the patches below are written for exactly this one
WORKERS_PER_FUNCTION = max(4, os.cpu_count() or 1)

Scope = MutableMapping[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Any, Send], Awaitable[None]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--home", type=Path, required=True, help="folder for its temporary files, emptied at start")
    args = parser.parse_args()
    found = importlib.metadata.version("ministack")
    if found != VERSION:
        sys.exit(f"written for ministack {VERSION}, found {found}: install local/emulator-requirements.txt")
    isolate(args.port, args.home.resolve())
    ministack: Any = importlib.import_module("ministack.app")  # reads its settings from the environment on import
    report_error_types()
    pass_options_to_the_function()
    allow_answers_without_body()
    queue_beyond(WORKERS_PER_FUNCTION)
    ministack.app = guard(ministack.app)
    sys.argv = ["ministack"]
    ministack.main()


def isolate(port: int, home: Path) -> None:
    """Empty `home`, make it the only place written to, and drop what a Lambda must not see of the user's environment."""
    os.umask(0o077)
    shutil.rmtree(home, ignore_errors=True)  # every Lambda worker leaves a folder behind
    home.mkdir(parents=True)
    keep = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "SYSTEMROOT") or k.startswith("FITTING_ROOM_")}
    os.environ.clear()
    os.environ.update(
        keep,
        HOME=str(home),
        TMPDIR=str(home),
        BIND_HOST="127.0.0.1",
        MINISTACK_HOST="127.0.0.1",
        GATEWAY_PORT=str(port),
        AUTH="true",
        IOT_MTLS_ENABLED="0",  # these two would open ports of their own
        SFTP_ENABLED="0",
        LOG_LEVEL="INFO",
    )
    tempfile.tempdir = str(home)


def report_error_types() -> None:
    """AWS: a failing handler is reported under its exception's class name, a dying process as `Runtime.ExitError`, and
    Step Functions' Retry and Catch match on that. ministack: both are `Runtime.HandlerError`."""
    runtime: Any = importlib.import_module("ministack.core.lambda_runtime")
    runtime._PYTHON_WORKER_SCRIPT = replaced(
        runtime._PYTHON_WORKER_SCRIPT, '"error": str(e),', '"error": str(e), "error_type": type(e).__name__,'
    )
    service = importlib.import_module("ministack.services.lambda_svc")
    rewrite(
        service,
        "_execute_function_warm",
        'error_type = "Runtime.HandlerError"',
        'error_type = result.get("error_type", "Runtime.ExitError")',
    )


def pass_options_to_the_function() -> None:
    """AWS: an HTTP API without CORS settings hands OPTIONS to its `$default` route. ministack: answers it with 403 itself."""
    gateway = importlib.import_module("ministack.services.apigateway")
    rewrite(gateway, "_handle_execute_in_scope", 'if method == "OPTIONS":', 'if method == "OPTIONS" and cors_cfg:')


def allow_answers_without_body() -> None:
    """AWS: a function's answer may have a null body, as Powertools writes for a redirect. ministack: fails with 500."""
    gateway = importlib.import_module("ministack.services.apigateway")
    rewrite(gateway, "_invoke_lambda_proxy", 'lambda_response.get("body", "")', 'lambda_response.get("body") or ""')


def queue_beyond(workers: int) -> None:
    """AWS: a thousand concurrent invocations are its problem. ministack: each is a process of its own on this laptop.
    Here: at most `workers` processes a function; what comes on top waits."""
    service: Any = importlib.import_module("ministack.services.lambda_svc")
    gates: defaultdict[str, threading.BoundedSemaphore] = defaultdict(lambda: threading.BoundedSemaphore(workers))
    execute = service._execute_function_warm

    def execute_in_turn(func: dict[str, Any], event: Any, request_id: str) -> Any:
        with gates[(func.get("config") or func)["FunctionName"]]:
            return execute(func, event, request_id)

    service._execute_function_warm = execute_in_turn


def rewrite(module: ModuleType, function: str, old: str, new: str) -> None:
    """Change one expression inside `module.function`, in place, so that modules which imported the function see it too."""
    target = getattr(module, function)
    scope: dict[str, Any] = {}
    exec(compile(replaced(inspect.getsource(target), old, new), f"{module.__file__} (patched)", "exec"), scope)
    target.__code__ = scope[function].__code__


def replaced(text: str, old: str, new: str) -> str:
    if text.count(old) != 1:
        raise RuntimeError(f"ministack {VERSION} is not as expected: {old!r} occurs {text.count(old)} times")
    return text.replace(old, new)


LOOPBACK_HOST = re.compile(r"([a-z0-9-]+\.)*(127\.0\.0\.1|localhost)(:\d+)?")


def guard(app: App) -> App:
    """Only this machine's own programs may use the emulator: a request for a foreign `Host` (DNS rebinding) and anything
    a browser sends from a page is refused with 403, save for our own API, which has keys."""

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
    """`headers` by lower-case name."""
    if not LOOPBACK_HOST.fullmatch(headers.get("host", "").lower()):
        return True
    from_a_page = "origin" in headers or headers.get("sec-fetch-site") == "cross-site"
    return from_a_page and not path.startswith("/_aws/execute-api/")


if __name__ == "__main__":
    main()
