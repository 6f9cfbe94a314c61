"""Starts the pinned emulator of AWS (ministack), safe to leave running on a laptop.

    .local/emulator-venv/bin/python -m local.emulator --port 4566 --tls-port 4567 --home .local/emulator

Loopback only, no leftovers, an environment of its own (the Lambdas inherit it), signatures and policies checked
(`AUTH`), no web page may drive it, and the few places where it answers differently from AWS in a way this product can
see are put right. `/_emulator/faults` makes it fail as AWS can, `/_emulator/usage` counts what AWS would bill.
It listens for TLS on a second port: an AWS SDK sends no bearer token without it. Runs in the emulator's environment, so
this package imports only the standard library, ministack and what that brings.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from local.emulator import functions, gateway, interception, machines, policies, tls, usage
from local.emulator.control import control
from local.emulator.faults import Faults
from local.emulator.guard import guard
from local.emulator.rewriting import VERSION
from local.emulator.usage import Usage

WORKERS_PER_FUNCTION = max(4, os.cpu_count() or 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tls-port", type=int, required=True)
    parser.add_argument(
        "--home",
        type=Path,
        required=True,
        help="folder for its temporary files, emptied at start; beside it, as .pem, stands the certificate of the TLS port",
    )
    args = parser.parse_args()
    found = importlib.metadata.version("ministack")
    if found != VERSION:
        sys.exit(f"written for ministack {VERSION}, found {found}: install local/emulator-requirements.txt")
    isolate(args.port, args.home.resolve())
    ministack: Any = importlib.import_module("ministack.app")  # reads its settings from the environment on import
    answer_like_aws()
    faults, counts = Faults(ministack.SERVICE_HANDLERS), Usage()
    observe(ministack, faults, counts)
    functions.queue_beyond(WORKERS_PER_FUNCTION)
    tls.listen(ministack, args.tls_port, args.home.resolve().with_suffix(".pem"))
    ministack.app = guard(control(ministack.app, faults, counts))
    sys.argv = ["ministack"]
    ministack.main()


def answer_like_aws() -> None:
    functions.report_error_types()
    functions.pass_options_to_the_function()
    functions.allow_answers_without_body()
    functions.reserve_concurrency()
    functions.retry_asynchronous_invocations()
    gateway.tell_an_address_that_resolves()
    machines.name_throttles()
    machines.pause_as_told()
    machines.start_once()
    machines.run_children_as_executions()
    machines.stop_maps()
    policies.resolve_variables()
    policies.tell_leading_keys()


def observe(ministack: Any, faults: Faults, counts: Usage) -> None:
    interception.intercept_requests(ministack, faults, counts)
    interception.intercept_invocations(faults, counts)
    interception.intercept_writes(faults, counts)
    usage.count_transitions(counts)
    usage.time_invocations(counts)
    usage.weigh_logs(counts)


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


if __name__ == "__main__":
    main()
