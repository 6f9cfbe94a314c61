"""`python -m local.simulators`: one process, a port each, one line when ready, a clean end."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[2]
SERVERS = ("bedrock", "tryiton", "fashn", "astria", "aidge", "fal", "gemini", "sagemaker", "webhook_receiver")


@contextmanager
def simulators(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    command = [sys.executable, "-m", "local.simulators", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_all_simulators_answer_until_the_process_is_told_to_end(number: signal.Signals) -> None:
    with simulators() as (process, ready):
        names = {name: httpx.get(f"{url}/_sim/health").json()["simulator"] for name, url in ready["urls"].items()}
        process.send_signal(number)

        assert names == {name: name for name in SERVERS}
        assert ready["urls"]["bedrock"] == f"http://127.0.0.1:{ready['ports']['bedrock']}"
        assert process.wait(10) == 0


def test_a_call_that_is_kept_waiting_does_not_hold_up_the_end() -> None:
    with simulators() as (process, ready):
        url = ready["urls"]["tryiton"]
        httpx.post(f"{url}/_sim/faults", json={"on": "submit", "kind": "delay", "seconds": 600})
        body = {"model_image": "http://192.0.2.1/a.png", "garment_image": "http://192.0.2.1/b.png"}
        headers = {"authorization": "Bearer sim-key"}
        waiting = threading.Thread(target=_ignoring_errors, args=(f"{url}/api/v1/tryon/fashion", body, headers))
        waiting.start()
        while not httpx.get(f"{url}/_sim/purchases").json()["purchases"]:
            pass
        process.send_signal(signal.SIGTERM)

        assert process.wait(10) == 0
        waiting.join(10)


def _ignoring_errors(url: str, body: dict[str, str], headers: dict[str, str]) -> None:
    with suppress(httpx.HTTPError):
        httpx.post(url, json=body, headers=headers, timeout=60)


def test_a_taken_port_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "local.simulators", "--bedrock-port", port]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert port in ended.stderr
    assert "in use" in ended.stderr
