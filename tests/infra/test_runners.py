"""A new way to call providers is a row of the table of runners, and its function."""

from __future__ import annotations

import json
from typing import Any, cast

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from fitting_room.providers.runners import RUNNERS, Runner, RunnerName
from infra.config import StageConfig
from infra.service_stack import ServiceStack
from infra.storage_stack import StorageStack

NEW = Runner(
    name=cast(RunnerName, "vertex"),
    state="StartVertex",
    pause="WaitForVertex",
    function="job/start_http",
    seconds=60,
    needs_key=False,
    service="vertex",
)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The service stack with one runner more, by logical id."""
    monkeypatch.setitem(RUNNERS, NEW.name, NEW)
    app = cdk.App(context={"aws:cdk:bundling-stacks": []})
    config = StageConfig.from_context({"stage": "dev"})
    stack = ServiceStack(app, "Service", config, StorageStack(app, "Storage", config))
    resources: dict[str, Any] = Template.from_stack(stack).to_json()["Resources"]
    return resources


def test_a_new_runner_has_a_function_two_states_and_the_permissions_of_every_start(service: dict[str, Any]) -> None:
    functions = {name[:-8]: item for name, item in service.items() if item["Type"] == "AWS::Lambda::Function"}
    assert functions["StartVertex"]["Properties"]["Timeout"] == 60
    told = functions["StartVertex"]["Properties"]["Environment"]["Variables"]
    assert "DEPLOYMENT" in told
    assert not {"PROVIDER_SECRETS", "API_URL"} & told.keys(), "it needs no key"

    (machine,) = (
        item
        for name, item in service.items()
        if item["Type"] == "AWS::StepFunctions::StateMachine" and name.startswith("Job")
    )
    states = json.loads(machine["Properties"]["DefinitionString"])["States"]
    assert states["StartVertex"]["Next"] == "Next"
    assert states["WaitForVertex"]["Next"] == "StartVertex"
    ways = {choice["Condition"]: choice["Next"] for choice in states["Next"]["Choices"]}
    assert [following for way, following in ways.items() if '"vertex"' in way] == [
        "StartVertex",
        "WaitForVertex",
    ]

    granted = {
        action
        for name, item in service.items()
        if item["Type"] == "AWS::IAM::Policy" and name.startswith("StartVertex")
        for statement in item["Properties"]["PolicyDocument"]["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    assert {"dynamodb:UpdateItem", "dynamodb:Query", "s3:GetObject", "s3:PutObject"} <= granted
    assert not {"secretsmanager:GetSecretValue", "bedrock:InvokeModel"} & granted
