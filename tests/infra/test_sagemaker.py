"""A stage that names endpoints of its own, beside one that names none."""

from __future__ import annotations

import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import pytest
from moto.events.models import EventPattern

from infra.config import StageConfig
from tests.infra.synthesized import Synthesized, synthesized
from tests.infra.test_items import may
from tests.infra.test_patterns import DROPPED

MEDIA = "${MediaA721A567}"
ENDPOINT = "arn:${AWS::Partition}:sagemaker:${AWS::Region}:${AWS::AccountId}:endpoint/"


@pytest.fixture(scope="module")
def stage() -> Synthesized:
    return synthesized("sagemaker")


def grants(stage: Synthesized, role: str) -> set[tuple[str, str]]:
    return {
        (action, resource)
        for name, statement in stage.statements()
        if name == role and statement["Effect"] == "Allow"
        for action in statement["Action"]
        for resource in statement["Resource"]
    }


def test_the_starter_may_call_these_endpoints_and_use_staging_alone(stage: Synthesized) -> None:
    may = grants(stage, "StartSagemaker")
    called = {resource for action, resource in may if action == "sagemaker:InvokeEndpointAsync"}
    assert called == {ENDPOINT + name for name in ("My-vton", "my-vton", "large")}
    objects = {resource for action, resource in may if action.startswith("s3:") and action != "s3:ListBucket"}
    assert objects == {"${MediaA721A567.Arn}/staging/*"}
    assert not {action for action, _ in may if action.startswith(("bedrock:", "secretsmanager:"))}
    others = {name for name, statement in stage.statements() if "sagemaker:InvokeEndpointAsync" in statement["Action"]}
    assert others == {"StartSagemaker"}


def test_the_starter_notes_what_it_waits_for_and_the_waker_finds_it(stage: Synthesized) -> None:
    assert may(stage, "StartSagemaker", "PutItem", ["CALLBACK#a"])
    assert may(stage, "StartSagemaker", "UpdateItem", ["JOB#a"])
    assert may(stage, "Wake", "UpdateItem", ["CALLBACK#a"])
    assert not may(stage, "Wake", "UpdateItem", ["JOB#a"])


def test_the_machine_has_its_two_states(stage: Synthesized) -> None:
    states = stage.job_machine()["States"]
    assert states["StartSagemaker"]["Next"] == "Next"
    assert states["WaitForSagemaker"]["Next"] == "StartSagemaker"
    assert stage.functions()["StartSagemaker"]["Timeout"] == 180


def test_an_answer_of_an_endpoint_wakes_its_job_and_no_other_object_does(stage: Synthesized) -> None:
    _, bucket = stage.storage.one("AWS::S3::Bucket", "Media")
    assert bucket["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    _, rule = stage.service.one("AWS::Events::Rule", "Answered")
    [target] = rule["Targets"]
    assert target["Arn"].startswith("${Wake") and "DeadLetterConfig" in target
    pattern = EventPattern(None, rule["EventPattern"])

    def matches(key: str) -> bool:
        event: dict[str, Any] = deepcopy(DROPPED)
        event["detail"]["bucket"]["name"], event["detail"]["object"]["key"] = MEDIA, key
        return bool(pattern.matches_event(cast(Any, event)))

    assert matches("staging/job_1/1/sagemaker/1-1.out")
    assert matches("staging/job_1/1/sagemaker/1-1-error.out")
    for other in ("staging/job_1/1/sagemaker-request.json", "staging/job_1/1/result-0", "results/acme/job_1/1.png"):
        assert not matches(other)
    assert {action for action, _ in grants(stage, "Wake")} == {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
        "dynamodb:UpdateItem",
        "states:SendTaskSuccess",
        "sqs:GetQueueAttributes",
        "sqs:GetQueueUrl",
        "sqs:SendMessage",
    }


def test_a_stage_without_endpoints_has_nothing_of_it(prod: Synthesized) -> None:
    assert not {"StartSagemaker", "Wake"} & prod.functions().keys()
    assert "sagemaker" not in str(prod.job_machine()).lower()
    assert "sagemaker:" not in str(list(prod.statements()))
    _, media = prod.storage.one("AWS::S3::Bucket", "Media")
    assert "NotificationConfiguration" not in media


@pytest.mark.parametrize(
    ("endpoint", "says"),
    [
        ({"endpoint": "a b", "price_per_image": 1, "licence": "x"}, "sagemaker.vton.endpoint"),
        ({"endpoint": "a", "licence": "x"}, "price_per_image or price_per_hour"),
        ({"endpoint": "a", "price_per_image": 1, "price_per_hour": 1, "licence": "x"}, "either"),
        ({"endpoint": "a", "price_per_image": 1}, "sagemaker.vton.licence"),
    ],
)
def test_a_slip_in_the_setting_stops_the_synth(endpoint: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match="sagemaker") as caught:
        StageConfig.from_context({"stage": "dev", "sagemaker": {"vton": endpoint}})
    assert says in str(caught.value)


def test_functions_that_are_not_there_reserve_nothing() -> None:
    reserved = {"stage": "dev", "reserved_concurrency": {"start": 100}, "lambda_quota": "300"}
    StageConfig.from_context(reserved)
    with pytest.raises(ValueError, match="300 in all"):
        StageConfig.from_context(
            reserved | {"sagemaker": {"a": {"endpoint": "a", "price_per_hour": 1, "licence": "x"}}}
        )


def test_cdk_nag_and_cfn_lint_are_clean(stage: Synthesized) -> None:
    report = json.loads((stage.folder / "validation-report.json").read_text())
    assert [one["violations"] for one in report["pluginReports"] if one["pluginName"] == "AwsSolutions"] == [[]]
    templates = [str(path) for path in stage.folder.glob("*.template.json")]
    command = [str(Path(sys.executable).parent / "cfn-lint"), "-i", "W3005", "W6001", "-t", *templates]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
