"""A running emulator for a test module, with nothing deployed to it."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import time
import urllib.request
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from local.cloud import EMULATOR_PYTHON
from local.deploy import ACCOUNT, REGION, ROOT, SECRET
from local.emulator_control import EmulatorControl

ROLE = f"arn:aws:iam::{ACCOUNT}:role/anybody"


def until(look: Callable[[], Any], what: str, seconds: float = 120) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s for {what}")


class Emulated:
    """The emulator as an SDK, an operator and a browser reach it."""

    def __init__(self, url: str, tls_url: str, certificate: Path) -> None:
        self.url, self.tls_url, self.certificate = url, tls_url, certificate
        self.control = EmulatorControl(url)
        self.role("anybody", [{"Effect": "Allow", "Action": "*", "Resource": "*"}])

    def aws(self, service: str, *, attempts: int = 1, credentials: dict[str, str] | None = None) -> Any:
        """A client that tries so often. `credentials`: those of a session; absent: the account's own."""
        own = {"aws_access_key_id": ACCOUNT, "aws_secret_access_key": SECRET}
        config = Config(retries={"mode": "standard", "total_max_attempts": attempts}, s3={"addressing_style": "path"})
        client: Any = boto3.client
        return client(service, REGION, endpoint_url=self.url, config=config, **(credentials or own))

    def set(self, **settings: object) -> None:
        body = json.dumps({name.replace("__", "."): value for name, value in settings.items()}).encode()
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/_ministack/config", body)).close()

    def role(self, name: str, statements: list[dict[str, Any]]) -> str:
        """That functions, machines and the account's root may take."""
        iam, version = self.aws("iam"), "2012-10-17"
        services = ["lambda.amazonaws.com", "states.amazonaws.com"]
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": services, "AWS": ACCOUNT},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
        }
        made = iam.create_role(
            RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": version, "Statement": [trust]})
        )
        document = json.dumps({"Version": version, "Statement": statements})
        iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=document)
        return str(made["Role"]["Arn"])

    def session(self, role: str, **tags: str) -> dict[str, str]:
        """Credentials for `aws`."""
        found = self.aws("sts").assume_role(
            RoleArn=role, RoleSessionName="test", Tags=[{"Key": key, "Value": value} for key, value in tags.items()]
        )["Credentials"]
        return {
            "aws_access_key_id": found["AccessKeyId"],
            "aws_secret_access_key": found["SecretAccessKey"],
            "aws_session_token": found["SessionToken"],
        }

    def table(self) -> str:
        """With keys `pk` and `sk`, and an index `queue` with the key `place`."""
        name = f"t-{uuid.uuid4()}"
        self.aws("dynamodb").create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in ("pk", "sk", "place")],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "queue",
                    "KeySchema": [{"AttributeName": "place", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            ],
        )
        return name

    def bucket(self) -> str:
        name = f"b-{uuid.uuid4()}"
        self.aws("s3").create_bucket(Bucket=name)
        return name

    def function(self, body: str = "return event", memory: int = 128) -> str:
        """A Lambda function whose handler has this body."""
        name = f"f-{uuid.uuid4()}"
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("index.py", f"def handler(event, context):\n    {body}\n")
        self.aws("lambda").create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=ROLE,
            Handler="index.handler",
            MemorySize=memory,
            Timeout=60,
            Code={"ZipFile": packed.getvalue()},
        )
        return name

    def machine(self, states: dict[str, Any]) -> str:
        """A state machine that begins with the first state."""
        definition = {"StartAt": next(iter(states)), "States": states}
        made = self.aws("stepfunctions").create_state_machine(
            name=f"m-{uuid.uuid4()}", roleArn=ROLE, definition=json.dumps(definition)
        )
        return str(made["stateMachineArn"])

    def ran(self, machine: str, given: object = None) -> dict[str, Any]:
        """The execution, at its end."""
        states = self.aws("stepfunctions")
        arn = states.start_execution(stateMachineArn=machine, input=json.dumps(given or {}))["executionArn"]
        return self.ended(arn)

    def ended(self, arn: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            found = dict(self.aws("stepfunctions").describe_execution(executionArn=arn))
            return found if found["status"] != "RUNNING" else None

        return dict(until(look, f"{arn} to end"))


def invoking(function: str, **more: Any) -> dict[str, Any]:
    """The state that invokes a function and ends the machine."""
    return {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True, **more} | {
        "Parameters": {"FunctionName": function, "Payload.$": "$"}
    }


@contextmanager
def running(folder: Path) -> Iterator[Emulated]:
    with socket.socket() as probe, socket.socket() as other:
        for each in (probe, other):
            each.bind(("127.0.0.1", 0))
        port, tls_port = probe.getsockname()[1], other.getsockname()[1]
    command = [str(EMULATOR_PYTHON), "-m", "local.emulator", "--home", str(folder / "home")]
    command += ["--port", str(port), "--tls-port", str(tls_port)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: _answers(url) or process.poll() is not None, "the emulator to answer")
        assert process.poll() is None, (folder / "log").read_text()
        yield Emulated(url, f"https://127.0.0.1:{tls_port}", folder / "home.pem")
    finally:
        process.terminate()
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(f"{url}/_emulator/usage").close()
    except OSError:
        return False
    return True
