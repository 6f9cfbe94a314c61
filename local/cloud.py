"""The laptop cloud: the emulator of AWS, the simulators of the vendors, and this repository's stacks deployed to them.

    python -m local.cloud up       start what is not running, deploy what changed, write .local/endpoints.json
    python -m local.cloud down     stop everything, leave no process, no port and no state
    python -m local.cloud env      print the environment that turns AWS tools to it

Everything listens on loopback, on ports chosen at the first start; FITTING_ROOM_PORT fixes the emulator's.
Every process it starts carries a mark in its environment, and so do their children (each Lambda is one), so `down`
finds them all, however the run ended.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil
from pydantic import BaseModel

from admin.provider import offer
from admin.stage import AdminError, connect
from fitting_room.jobs.job import Mode
from fitting_room.stores import api_keys, tenants, webhooks
from fitting_room.stores.api_keys import SCOPES
from local import deploy
from local.deploy import HOME, MARK, ROOT, CloudError

STATE = HOME / "cloud.json"
ENDPOINTS = HOME / "endpoints.json"
CERTIFICATE = HOME / "emulator.pem"
EMULATOR_PYTHON = ROOT / ".local" / "emulator-venv" / "bin" / "python"
TENANT = "demo"


class Vendor(NamedTuple):
    """`base`: where its API begins at its simulator's address. `key`: one that the simulator takes."""

    base: str
    key: str


VENDORS = {
    "tryiton": Vendor("/api/v1", "sim-local"),
    "fashn": Vendor("/v1", "sim-local"),
    "astria": Vendor("", "sd_sim-local"),
    "fal": Vendor("", "sim-local:sim-secret"),
    "gemini": Vendor("", "sim-local"),
    "aidge": Vendor("/rest", json.dumps({"app_key": "sim-app", "app_secret": "sim-secret"})),
}
SIMULATORS = ("bedrock", "sagemaker", *VENDORS)
RECEIVER = "webhook_receiver"
SERVERS = (*SIMULATORS, RECEIVER)
"""What the process of the simulators serves, each on a port of its own."""
CONTAINER = ROOT / "examples" / "sagemaker_container" / "server.py"
AIDGE_SECONDS = 3
"""In place of the provider's 60: for its simulator, and for the stage that must keep to it."""
START_SECONDS = 60
GRACE_SECONDS = 5  # from SIGTERM to SIGKILL


class Keys(BaseModel):
    """The demo tenant's API keys and webhook secret, and the table that knows them."""

    table: str
    live: str
    test: str
    webhook_secret: str = ""


class State(BaseModel):
    """What `.local/cloud.json` remembers between runs."""

    ports: dict[str, int] = {}
    pids: dict[str, int] = {}
    fingerprint: str = ""
    outputs: dict[str, str] = {}
    keys: Keys | None = None

    @classmethod
    def load(cls) -> State:
        return cls.model_validate_json(STATE.read_bytes()) if STATE.exists() else cls()

    def save(self) -> None:
        STATE.parent.mkdir(parents=True, exist_ok=True)
        STATE.touch(mode=0o600)
        STATE.write_text(self.model_dump_json(indent=2))

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"


class Endpoints(BaseModel):
    """Where everything is, as stored in `.local/endpoints.json`.

    `api` takes `/v1/...`. `providers` are the simulators' base URLs. `webhook_receiver` takes webhooks
    that are signed with `webhook_secret`. `dialects`: the base URL that a client of each vendor is given in place of the
    vendor's own. `ca_bundle`: the certificate of those with https, for `AWS_CA_BUNDLE` or `NODE_EXTRA_CA_CERTS`.
    """

    api: str
    api_key: str
    test_key: str
    tenant: str
    region: str
    aws: str
    inbox_bucket: str
    media_bucket: str
    table: str
    job_machine: str
    providers: dict[str, str]
    dialects: dict[str, str]
    ca_bundle: str
    webhook_receiver: str
    webhook_secret: str


def up() -> Endpoints:
    """Start the local cloud; quick when nothing changed, and safe to repeat. Raises `CloudError`."""
    with _one_at_a_time():
        state = State.load()
        if not _alive(state, "emulator"):
            stop()  # its Lambdas may have outlived it
            state = State(ports=state.ports)
        _start_emulator(state)
        _start_container(state)
        _start_simulators(state)
        _deploy(state)
        _seed(state)
        endpoints = _endpoints(state)
        ENDPOINTS.touch(mode=0o600)
        ENDPOINTS.write_text(endpoints.model_dump_json(indent=2))
        return endpoints


def down() -> None:
    with _one_at_a_time():
        stop()
        shutil.rmtree(HOME / "emulator", ignore_errors=True)
        for file in (STATE, ENDPOINTS, CERTIFICATE, CERTIFICATE.with_suffix(".key")):
            file.unlink(missing_ok=True)


def stop() -> None:
    """End every process of this cloud, the Lambdas' included."""
    processes = _ours()
    for process in processes:
        with _gone_is_fine():
            process.terminate()
    _, stubborn = psutil.wait_procs(processes, timeout=GRACE_SECONDS)
    for process in stubborn:
        with _gone_is_fine():
            process.kill()
    psutil.wait_procs(stubborn, timeout=GRACE_SECONDS)


def lambda_pids(function: str) -> list[int]:
    """Find the running processes of the Lambda whose name contains `function`, newest last."""
    found = [p for p in _ours() if function in _environment(p).get("AWS_LAMBDA_FUNCTION_NAME", "")]
    return [p.pid for p in sorted(found, key=lambda p: p.create_time())]


def _start_emulator(state: State) -> None:
    wanted = _wanted_port()
    if "emulator" in state.pids:
        if wanted not in (None, state.ports["emulator"]):
            raise CloudError(f"the cloud is up on port {state.ports['emulator']}: `make down` first to move it")
        if not _answers(state.url("emulator") + "/_ministack/health"):
            raise CloudError(
                f"the emulator (pid {state.pids['emulator']}) does not answer: `make down`, then `make up`"
            )
        if "tls" not in state.ports:
            raise CloudError("the cloud that is up has no TLS port yet: `make down`, then `make up`")
        return
    if wanted and _free_port(wanted) != wanted:
        raise CloudError(f"port {wanted} is taken by another program: free it, or set FITTING_ROOM_PORT to another")
    if not EMULATOR_PYTHON.exists():
        raise CloudError("the emulator is not installed: run `make up`, which installs it")
    state.ports["emulator"] = _free_port(wanted or state.ports.get("emulator", 0))
    state.ports["tls"] = _free_port(state.ports.get("tls", 0))
    command = [str(EMULATOR_PYTHON), "-m", "local.emulator", "--home", str(HOME / "emulator")]
    command += ["--port", str(state.ports["emulator"]), "--tls-port", str(state.ports["tls"])]
    _start(state, "emulator", command, [state.url("emulator") + "/_ministack/health"])


def _start_container(state: State) -> None:
    """Start the container behind the simulated endpoint of SageMaker: the example's, as a process."""
    if _alive(state, "container"):
        return
    state.ports["container"] = _free_port(state.ports.get("container", 0))
    where = {"HOST": "127.0.0.1", "SAGEMAKER_BIND_TO_PORT": str(state.ports["container"])}
    _start(state, "container", [sys.executable, str(CONTAINER), "serve"], [state.url("container") + "/ping"], where)


def _start_simulators(state: State) -> None:
    if _alive(state, "simulators"):
        if missing := [name for name in SERVERS if name not in state.ports]:
            raise CloudError(f"the cloud that is up has no {' and no '.join(missing)} yet: `make down`, then `make up`")
        return
    for name in SERVERS:
        state.ports[name] = _free_port(state.ports.get(name, 0))
    ports = [word for name in SERVERS for word in (f"--{name.replace('_', '-')}-port", str(state.ports[name]))]
    more = ["--aidge-seconds", str(AIDGE_SECONDS), "--sagemaker-s3", state.url("emulator")]
    more += ["--sagemaker-container", state.url("container")]
    health = [state.url(name) + "/_sim/purchases" for name in SERVERS]
    _start(state, "simulators", [sys.executable, "-m", "local.simulators", *ports, *more], health)


def _start(
    state: State, part: str, command: list[str], health: list[str], told: Mapping[str, str] = MappingProxyType({})
) -> None:
    began = time.monotonic()
    log = HOME / "logs" / f"{part}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, MARK: str(HOME), **told}
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # a Ctrl-C meant for us is not meant for it
        )
    state.pids[part] = process.pid
    state.save()
    while not all(map(_answers, health)):
        if process.poll() is not None:
            raise CloudError(f"the {part} ended at once: {_last_line(log)} (all of it: {log})")
        if time.monotonic() - began > START_SECONDS:
            raise CloudError(
                f"the {part} did not answer within {START_SECONDS} s (see {log}): `make down`, then `make up`"
            )
        time.sleep(0.05)
    process.returncode = 0  # it outlives us on purpose: no warning about that
    _say(part, "started", began)


def _deploy(state: State) -> None:
    began = time.monotonic()
    context = _context(state)
    fingerprint = deploy.fingerprint(context)
    if state.fingerprint == fingerprint:
        return
    if not state.outputs:
        deploy.bootstrap(state.url("emulator"))
        _say("account", "bootstrapped", began)
    print("  stacks       deploying; the first time takes a minute or two", flush=True)
    began = time.monotonic()
    state.outputs = deploy.deploy(state.url("emulator"), context)
    state.fingerprint = fingerprint
    state.save()
    _say("stacks", "deployed", began)


def _context(state: State) -> dict[str, str]:
    """Return the settings that the app gets here and not on AWS."""
    bedrock = state.url("bedrock")
    vendors = {name: state.url(name) + vendor.base for name, vendor in VENDORS.items()}
    return {
        "stage": "dev",
        "wheels": "host",
        "endpoints": json.dumps(
            {"bedrock-runtime": bedrock, "bedrock": bedrock, "sagemaker-runtime": state.url("sagemaker"), **vendors}
        ),
        "sagemaker": json.dumps({"vton": {"endpoint": "vton", "price_per_image": 0.01, "licence": "a placeholder"}}),
        "bedrock_regions": json.dumps({"nova_canvas": "us-east-1", "stability": "us-west-2"}),
        "fetch_allow": ",".join(f"127.0.0.1:{state.ports[name]}" for name in (*VENDORS, RECEIVER, "emulator")),
        "bedrock_dialect": "true",
        "private_access": "nova_canvas",  # retired for the public; the simulator still answers
        "legacy_models": "tryiton/clothes",
        "limits": json.dumps({"aidge": {"seconds": AIDGE_SECONDS}}),
        # load is tried out here with one key
        **{"key_rate": "1000", "key_burst": "2000", "daily_test_jobs": "100000", "dialect_waiters": "10"},
    }


def _seed(state: State) -> None:
    """Make a tenant with a live and a test key, and configure every provider."""
    table = state.outputs["TableName"]
    if state.keys and state.keys.table == table:
        return
    try:
        stage = connect("dev", environment=deploy.credentials(state.url("emulator"))).enter()
        now = stage.at.now()
        tenants.create(TENANT, now)  # an interrupted seeding has made it already
        modes: tuple[Mode, ...] = ("live", "test")
        keys: dict[str, str] = {
            mode: api_keys.create(TENANT, mode, "demo", frozenset(SCOPES), now)[0] for mode in modes
        }
        keys["webhook_secret"] = (webhooks.listed(TENANT, now) or [webhooks.create(TENANT, now)])[0].value
        for name, vendor in VENDORS.items():
            offer(name, vendor.key, stage)
    except AdminError as error:
        raise CloudError(f"seeding failed: {error}") from error
    state.keys = Keys(table=table, **keys)
    state.save()


def _endpoints(state: State) -> Endpoints:
    assert state.keys
    # `http://<id>.lambda-url...`: such a host needs a resolver, so we use the emulator's form with the id in the path
    dialect_id = (urlsplit(state.outputs["BedrockDialectUrl"]).hostname or "").split(".")[0]
    api = state.outputs["ApiUrl"]
    return Endpoints(
        api=api,
        api_key=state.keys.live,
        test_key=state.keys.test,
        tenant=TENANT,
        region=deploy.REGION,
        aws=state.url("emulator"),
        inbox_bucket=state.outputs["InboxBucket"],
        media_bucket=state.outputs["MediaBucket"],
        table=state.keys.table,
        job_machine=state.outputs["JobMachineArn"],
        providers={name: state.url(name) for name in SIMULATORS},
        dialects={
            "bedrock": f"https://127.0.0.1:{state.ports['tls']}/_aws/lambda-url/{dialect_id}",
            **{name: f"{api}/dialects/{name}" for name in ("fashn", "tryiton")},
        },
        ca_bundle=str(CERTIFICATE),
        webhook_receiver=state.url(RECEIVER),
        webhook_secret=state.keys.webhook_secret,
    )


def _ours() -> list[psutil.Process]:
    return [p for p in psutil.process_iter() if _environment(p).get(MARK) == str(HOME) and p.pid != os.getpid()]


def _alive(state: State, part: str) -> bool:
    pid = state.pids.get(part)
    return pid is not None and pid in {p.pid for p in _ours()}


def _environment(process: psutil.Process) -> dict[str, str]:
    with _gone_is_fine():
        return process.environ()
    return {}


@contextmanager
def _gone_is_fine() -> Iterator[None]:
    with suppress(psutil.Error, OSError):  # ended meanwhile, or another user's
        yield


def _wanted_port() -> int | None:
    given = os.environ.get("FITTING_ROOM_PORT")
    if not given:
        return None
    if not given.isdecimal() or not 0 < int(given) < 65536:
        raise CloudError(f"FITTING_ROOM_PORT is `{given}`: set it to a number from 1 to 65535, or leave it out")
    return int(given)


def _free_port(preferred: int = 0) -> int:
    """Return `preferred` if it is free, else any free port."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise CloudError("no free port on 127.0.0.1")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    HOME.mkdir(exist_ok=True)
    with (HOME / "cloud.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _say(part: str, what: str, began: float) -> None:
    print(f"  {part:<12} {what:<14} {time.monotonic() - began:6.1f} s", flush=True)


def main() -> None:
    command = sys.argv[1] if len(sys.argv) == 2 else ""
    try:
        if command == "up":
            endpoints = up()
            print(f"Fitting Room is up: {endpoints.api}  (keys and everything else: {ENDPOINTS})")
        elif command == "down":
            down()
        elif command == "env":
            state = State.load()
            if "emulator" not in state.ports:
                raise CloudError("the cloud is down: `make up` first")
            print("\n".join(f"export {k}={v}" for k, v in deploy.credentials(state.url("emulator")).items()))
        else:
            sys.exit((__doc__ or "").strip())
    except CloudError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted: `make down` stops what runs")


if __name__ == "__main__":
    main()
