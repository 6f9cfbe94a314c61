"""Starting and stopping processes, ports and state: with real processes, without the emulator."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local import cloud, deploy
from local.deploy import CloudError

CHILD = "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(60)"
SERVER = f"""
import http.server, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.delenv("FITTING_ROOM_PORT", raising=False)
    for module in (cloud, deploy):
        monkeypatch.setattr(module, "HOME", tmp_path)
    monkeypatch.setattr(cloud, "STATE", tmp_path / "cloud.json")
    monkeypatch.setattr(cloud, "ENDPOINTS", tmp_path / "endpoints.json")
    monkeypatch.setattr(cloud, "CERTIFICATE", tmp_path / "emulator.pem")
    monkeypatch.setattr(cloud, "GRACE_SECONDS", 0.5)
    yield tmp_path
    cloud.stop()


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield int(server.getsockname()[1])


def gone(pid: int) -> bool:
    """Ended; an orphan may wait a moment for init to collect it."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def started(home: Path) -> tuple[cloud.State, int, int]:
    """A running part of the cloud: the state, its process, and its child, which ignores SIGTERM."""
    state = cloud.State(ports={"part": cloud._free_port()})
    cloud._start(state, "part", [sys.executable, "-c", SERVER, str(state.ports["part"])], [state.url("part")])
    return state, state.pids["part"], int((home / "logs" / "part.log").read_text().split()[0])


def test_down_leaves_no_process_and_no_state(home: Path) -> None:
    state, parent, child = started(home)
    assert cloud._alive(state, "part")
    cloud.ENDPOINTS.touch()
    cloud.down()
    assert gone(parent)
    assert gone(child)
    assert not cloud.STATE.exists()
    assert not cloud.ENDPOINTS.exists()


def test_down_finds_children_whose_parent_was_killed(home: Path) -> None:
    state, parent, child = started(home)
    psutil.Process(parent).kill()
    psutil.Process(parent).wait(5)
    assert not cloud._alive(state, "part")
    assert psutil.pid_exists(child)
    cloud.down()
    assert gone(child)


def test_down_spares_what_it_did_not_start() -> None:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        cloud.down()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_recycled_pid_is_not_taken_for_ours() -> None:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        assert not cloud._alive(cloud.State(pids={"emulator": other.pid}), "emulator")
    finally:
        other.kill()
        other.wait()


def test_a_part_that_dies_at_once_says_why(home: Path) -> None:
    with pytest.raises(CloudError, match=r"the part ended at once: no such vendor .*part\.log"):
        cloud._start(cloud.State(), "part", [sys.executable, "-c", "exit('no such vendor')"], ["http://127.0.0.1:9"])


def test_a_running_cloud_from_before_a_vendor_came_must_be_started_anew(home: Path) -> None:
    state, *_ = started(home)
    state.pids["simulators"] = state.pids["part"]
    state.ports |= dict.fromkeys(cloud.SERVERS[:-1], 1)
    with pytest.raises(CloudError, match=f"has no {cloud.SERVERS[-1]} yet: `make down`"):
        cloud._start_simulators(state)


def test_state_survives_between_runs_and_is_private() -> None:
    cloud.State(ports={"emulator": 4566}, keys=cloud.Keys(table="t", live="l", test="x")).save()
    assert cloud.State.load() == cloud.State(ports={"emulator": 4566}, keys=cloud.Keys(table="t", live="l", test="x"))
    assert cloud.STATE.stat().st_mode & 0o077 == 0


def test_a_remembered_port_is_kept_unless_taken(taken: int) -> None:
    free = cloud._free_port()
    assert cloud._free_port(free) == free
    assert cloud._free_port(taken) not in (taken, 0)


def test_a_chosen_port_that_is_taken_is_named(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FITTING_ROOM_PORT", str(taken))
    with pytest.raises(CloudError, match=f"port {taken} is taken"):
        cloud.up()


@pytest.mark.parametrize("nonsense", ["abc", "-1", "0", "65536"])
def test_a_port_that_is_none_is_refused(nonsense: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FITTING_ROOM_PORT", nonsense)
    with pytest.raises(CloudError, match="FITTING_ROOM_PORT"):
        cloud.up()


def test_a_missing_emulator_is_one_line(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setattr(cloud, "EMULATOR_PYTHON", home / "nowhere")
    with pytest.raises(CloudError, match="not installed: run `make up`"):
        cloud.up()


def test_no_address_needs_a_resolver() -> None:
    state = cloud.State(
        ports={"emulator": 4566, "tls": 4567, **dict.fromkeys(cloud.SERVERS, 1)},
        outputs={
            "ApiUrl": "http://127.0.0.1:4566/_aws/execute-api/1a2b",
            "BedrockDialectUrl": "https://3c4d.lambda-url.us-east-1.on.aws/",
            "InboxBucket": "i",
            "MediaBucket": "m",
            "JobMachineArn": "a",
        },
        keys=cloud.Keys(table="t", live="l", test="x"),
    )
    found = cloud._endpoints(state)
    assert found.api == "http://127.0.0.1:4566/_aws/execute-api/1a2b"
    assert found.dialects == {
        "bedrock": "https://127.0.0.1:4567/_aws/lambda-url/3c4d",
        "fashn": f"{found.api}/dialects/fashn",
        "tryiton": f"{found.api}/dialects/tryiton",
    }
