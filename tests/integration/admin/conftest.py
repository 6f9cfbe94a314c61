"""The operator's tool on the deployment in memory: what it prints, and what it says when it refuses."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError, WaiterError

from admin import cli
from admin.stage import Stage
from tests.integration.world import INBOX, MEDIA, TABLE, World

Admin = Callable[..., Any]


class Stacks:
    """CloudFormation as far as the tool uses it: moto's needs packages that nothing else here does."""

    def __init__(self) -> None:
        self.made: dict[str, Any] = {}
        self.failing = False
        """Whether no resource can be made at present."""
        self.status = "CREATE_COMPLETE"

    def describe_stacks(self, StackName: str) -> Any:  # noqa: N803
        if StackName not in self.made:
            error = {"Code": "ValidationError", "Message": f"Stack with id {StackName} does not exist"}
            raise ClientError(cast(Any, {"Error": error}), "DescribeStacks")
        outputs = [{"OutputKey": "RoleArn", "OutputValue": f"arn:aws:iam::123456789012:role/{StackName}"}]
        return {"Stacks": [{"StackStatus": self.status, "Outputs": outputs}]}

    def create_stack(self, *, StackName: str, TemplateBody: str, OnFailure: str = "ROLLBACK", **_: Any) -> None:  # noqa: N803
        if self.failing and OnFailure == "DELETE":
            return
        self.made[StackName] = json.loads(TemplateBody)
        self.status = "ROLLBACK_COMPLETE" if self.failing else "CREATE_COMPLETE"

    def update_stack(self, *, StackName: str, TemplateBody: str, **_: Any) -> None:  # noqa: N803
        if self.status == "ROLLBACK_COMPLETE":
            error = {"Code": "ValidationError", "Message": "It is in ROLLBACK_COMPLETE state and can not be updated."}
            raise ClientError(cast(Any, {"Error": error}), "UpdateStack")
        if self.made[StackName] == json.loads(TemplateBody):
            error = {"Code": "ValidationError", "Message": "No updates are to be performed."}
            raise ClientError(cast(Any, {"Error": error}), "UpdateStack")
        self.made[StackName] = json.loads(TemplateBody)

    def delete_stack(self, StackName: str) -> None:  # noqa: N803
        del self.made[StackName]

    def get_waiter(self, name: str) -> Any:
        def wait(**_: Any) -> None:
            if self.failing:
                raise WaiterError(name, "Waiter encountered a terminal failure state", {})

        return SimpleNamespace(wait=wait)


@pytest.fixture
def stacks() -> Stacks:
    return Stacks()


@pytest.fixture
def stage(world: World, stacks: Stacks, monkeypatch: pytest.MonkeyPatch) -> Stage:
    stage = Stage("dev", boto3.Session(region_name="us-east-1"), world.at)
    queues = {
        name: stage.client("sqs").create_queue(QueueName=name)["QueueUrl"]
        for name in ("DeadLettersUrl", "DropsUrl", "WebhooksUrl")
    }
    stage.outputs = {"TableName": TABLE, "InboxBucket": INBOX, "MediaBucket": MEDIA, **queues}
    monkeypatch.setattr(cli, "_stage", lambda _: stage)
    real = stage.client
    monkeypatch.setattr(
        stage, "client", lambda name, **more: stacks if name == "cloudformation" else real(name, **more)
    )
    return stage


@pytest.fixture
def admin(stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Admin:
    """Run a command with `--json`; the parsed answer. `text=True`: without, as people read it."""

    def run(line: str, *, stdin: str = "", text: bool = False) -> Any:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        cli.main([*line.split(), *([] if text else ["--json"])])
        said = capsys.readouterr().out
        return said.strip() if text else json.loads(said)

    return run


@pytest.fixture
def refused(admin: Admin) -> Callable[..., str]:
    """Run a command that must fail; what it says."""

    def run(line: str, **more: Any) -> str:
        with pytest.raises(SystemExit) as caught:
            admin(line, **more)
        return str(caught.value)

    return run
