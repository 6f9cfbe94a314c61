"""Deploys the CDK app to the local cloud with the pinned CDK CLI."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = Path(os.environ.get("LOCAL_CLOUD", ROOT / ".local"))
"""Where the cloud keeps its state. Another folder is another cloud, beside the first."""
CLI = ROOT / "node_modules" / ".bin" / "cdk"
SOURCES = ("app.py", "cdk.json", "infra", "lambdas", "requirements.txt")
MARK = "FITTING_ROOM_CLOUD"  # in the environment of every process of a laptop cloud: the folder it belongs to
ACCOUNT = "000000000000"
SECRET = "test"
REGION = "us-east-1"


class CloudError(Exception):
    """What went wrong and what to do, in one line for the user."""


def credentials(aws_url: str) -> dict[str, str]:
    """Return an environment that turns every AWS SDK and CLI to the local cloud, whatever the user has configured.

    The emulator takes a 12-digit access key for the account's root.
    """
    return {
        "AWS_ENDPOINT_URL": aws_url,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def fingerprint(context: Mapping[str, str]) -> str:
    """Hash everything that a deployment is made from: another value, another deployment."""
    digest = hashlib.sha256(json.dumps(context, sort_keys=True).encode())
    for file in _sources():
        digest.update(f"\0{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def _sources() -> Iterator[Path]:
    for path in map(ROOT.joinpath, SOURCES):
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (f for f in files if f.is_file() and f.suffix != ".pyc")


def bootstrap(aws_url: str) -> None:
    _cdk(aws_url, "bootstrap", f"aws://{ACCOUNT}/{REGION}", cwd=HOME)  # away from cdk.json: no need to synthesize


def deploy(aws_url: str, context: Mapping[str, str]) -> dict[str, str]:
    """Deploy all stacks, and return their outputs. Raises `CloudError`."""
    outputs = HOME / "outputs.json"
    outputs.unlink(missing_ok=True)
    shutil.rmtree(HOME / "cdk.out", ignore_errors=True)  # it keeps every asset that it ever held
    _cdk(
        aws_url,
        *("deploy", "--all", "--require-approval", "never", "--output", str(HOME / "cdk.out")),
        *("--outputs-file", str(outputs)),
        *(word for key, value in context.items() for word in ("-c", f"{key}={value}")),
        cwd=ROOT,
    )
    return {key: value for stack in json.loads(outputs.read_text()).values() for key, value in stack.items()}


def _cdk(aws_url: str, *arguments: str, cwd: Path) -> None:
    if not CLI.exists():
        raise CloudError("the CDK CLI is missing: run `make up`, which installs it")
    log = HOME / "logs" / "cdk.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [str(CLI), *arguments, "--no-notices", "--no-version-reporting", "--ci"]
    with (
        log.open("w") as output,
        subprocess.Popen(
            command,
            cwd=cwd,
            env=_environment(aws_url),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        assert process.stdout
        began = time.monotonic()
        for line in process.stdout:
            output.write(line)
            output.flush()
            if step := _step(line):
                print(f"    {step:<31} {time.monotonic() - began:6.1f} s", flush=True)
    if process.returncode:
        raise CloudError(f"cdk {arguments[0]} failed: {_reason(log.read_text())} (all of it: {log})")


def _step(line: str) -> str:
    """Tell the step that a line of the log reports: a function that is bundled, a stack that is deployed."""
    found = re.match(r"(Bundling) (\S+)|(?:FittingRoom-\w+-)(\w+): (deploying)", _plain(line))
    return " ".join(filter(None, found.groups())).lower() if found else ""


def _environment(aws_url: str) -> dict[str, str]:
    user = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "CDK_"))}
    ours = {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))),
        MARK: str(HOME),
        "CDK_HOME": str(HOME / "cdk-home"),  # the CLI remembers accounts by access key
        "CDK_DISABLE_VERSION_CHECK": "1",
    }
    return user | ours | credentials(aws_url)


def _reason(log: str) -> str:
    """Return the line that says most about a failure."""
    lines = [plain for line in log.splitlines() if (plain := _plain(line))]
    telling = [line for line in lines if re.search(r"CREATE_FAILED|UPDATE_FAILED|^\w*Error: |❌|‣ ", line)]
    return (telling or lines or ["it said nothing"])[0 if telling else -1]


def _plain(line: str) -> str:
    """Remove the colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", line).strip()
