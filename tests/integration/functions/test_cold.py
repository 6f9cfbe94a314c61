"""A cold start on Lambda: what is ready when a handler has been imported, and what is left to those who need it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from fitting_room.providers.shared import http
from tests.integration.conftest import ENVIRONMENT
from tests.integration.functions.test_handlers import COUNTING

LAMBDAS = Path(__file__).parents[3] / "lambdas"
FUNCTIONS = sorted(".".join(file.parts[-4:-1]) for file in LAMBDAS.glob("functions/*/*/handler.py"))
CLIENTS = {
    "functions.http.api": {"table", "s3", "step_functions"},
    "functions.job.start_http": {"table", "s3", "secrets"},
    "functions.job.settle": {"table"},
    "functions.schedule.sweep": {"table", "step_functions", "functions", "queues"},
}
REPORT = """
import gc, importlib, json, sys
importlib.import_module(sys.argv[1] + ".handler")
from fitting_room.stores import aws
names = ("table", "s3", "step_functions", "secrets", "functions", "queues")
made = [name for name in names if getattr(aws, name).cache_info().currsize]
counts = any(hasattr(sys.modules[name], "metrics") for name in sys.modules if name.startswith("fitting_room.actions."))
report = {"modules": sorted(sys.modules), "made": made, "counts": counts}
print(json.dumps({**report, "gc": gc.isenabled(), "frozen": gc.get_freeze_count()}))
"""


def imported(name: str, **more: str) -> dict[str, Any]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(LAMBDAS), **ENVIRONMENT, **more}
    command = [sys.executable, "-c", REPORT, name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.mark.parametrize("name", FUNCTIONS)
def test_on_lambda_a_function_starts_with_its_clients_and_collects_garbage_afterwards(name: str) -> None:
    report = imported(name, AWS_LAMBDA_FUNCTION_NAME="f")
    assert CLIENTS.get(name, {"table"}) <= set(report["made"])
    assert report["gc"], "collection was only put off"
    assert report["frozen"] > 10_000, "nor does it look again at what was imported"
    assert "ulid" not in report["modules"], "only a new id needs it"
    assert report["counts"] == (name.removeprefix("functions.") in COUNTING), "what it counts is published"


def test_the_api_reads_a_vendor_s_words_only_for_a_request_in_them() -> None:
    spoken = [name for name in imported("functions.http.api")["modules"] if name.startswith("fitting_room.dialects")]
    assert spoken == []


def test_elsewhere_nothing_is_made_before_it_is_used() -> None:
    report = imported("functions.http.api")
    assert (report["made"], report["gc"], report["frozen"]) == ([], True, 0)


def test_a_process_reads_the_trusted_certificates_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[None] = []
    read = httpx.create_ssl_context

    def counted() -> Any:
        reads.append(None)
        return read()

    monkeypatch.setattr(httpx, "create_ssl_context", counted)
    http.trust.cache_clear()
    for _ in range(3):
        http.client("https://provider.example", {}).close()
    assert len(reads) == 1


def test_only_the_entries_that_are_asked_for_are_loaded() -> None:
    program = (
        "import sys; from fitting_room.providers import catalogue; catalogue.entry('tryiton');"
        "print(sorted(name for name in sys.modules if name.endswith('.entry')))"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(LAMBDAS)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['fitting_room.providers.tryiton.entry']"
