"""Events as AWS documents them against the rules of the template: what each rule takes, and what it leaves alone."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from moto.events.models import EventPattern

from fitting_room.stores import executions
from tests.infra.synthesized import Synthesized

INBOX, MACHINE, BATCH_MACHINE = "<the inbox>", "<the job machine>", "<the batch machine>"
DROPPED: dict[str, Any] = {
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    "version": "0",
    "id": "17793124-05d4-b198-2fde-7ededc63b103",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "account": "111122223333",
    "time": "2026-09-01T12:00:00Z",
    "region": "us-east-1",
    "resources": [f"arn:aws:s3:::{INBOX}"],
    "detail": {
        "version": "0",
        "bucket": {"name": INBOX},
        "object": {
            "key": "drop/acme/look-1/job.json",
            "size": 5,
            "etag": "b1946ac92492d2347c6235b4d2611184",
            "version-id": "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
            "sequencer": "617f08299329d189",
        },
        "request-id": "N4N7GDK58NMKJ12R",
        "requester": "123456789012",
        "source-ip-address": "1.2.3.4",
        "reason": "PutObject",
    },
}
BROKEN: dict[str, Any] = {
    # https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
    "version": "0",
    "id": "315c1398-40ff-a850-213b-158f73e60175",
    "detail-type": "Step Functions Execution Status Change",
    "source": "aws.states",
    "account": "111122223333",
    "time": "2026-09-01T12:00:00Z",
    "region": "us-east-1",
    "resources": ["arn:aws:states:us-east-1:111122223333:execution:jobs:job_01J00000000000000000000001.r2"],
    "detail": {
        "executionArn": "arn:aws:states:us-east-1:111122223333:execution:jobs:job_01J00000000000000000000001.r2",
        "stateMachineArn": MACHINE,
        "name": "job_01J00000000000000000000001.r2",
        "status": "FAILED",
        "startDate": 1788264000000,
        "stopDate": 1788264005034,
        "input": '{"job_id": "job_01J00000000000000000000001"}',
        "output": None,
        "inputDetails": {"included": True},
        "outputDetails": None,
        "error": None,
        "cause": None,
    },
}
TAKEN = {
    "Dropped": [
        (DROPPED, {}),
        (DROPPED, {"detail.object.key": "drop/x"}),
        (DROPPED, {"detail.reason": "CompleteMultipartUpload"}),
        (DROPPED, {"detail.reason": "CopyObject"}),
    ],
    "ExecutionBroken": [
        (BROKEN, {}),
        (BROKEN, {"detail.status": "TIMED_OUT"}),
        (BROKEN, {"detail.status": "ABORTED"}),
    ],
    "BatchBroken": [
        (BROKEN, {"detail.stateMachineArn": BATCH_MACHINE}),
        (BROKEN, {"detail.stateMachineArn": BATCH_MACHINE, "detail.status": "ABORTED"}),
    ],
}
LEFT = {
    "Dropped": [
        (DROPPED, {"detail.object.key": "uploads/acme/upl_1"}),
        (DROPPED, {"detail.object.key": "results/acme/drop/look-1/result.json"}),
        (DROPPED, {"detail.object.key": "a/drop/x"}),
        (DROPPED, {"detail.object.key": "dropped"}),
        (DROPPED, {"detail.bucket.name": "<the media bucket>"}),
        (DROPPED, {"detail-type": "Object Deleted"}),
        (DROPPED, {"source": "aws.glacier"}),
    ],
    "ExecutionBroken": [
        (BROKEN, {"detail.status": "SUCCEEDED"}),
        (BROKEN, {"detail.status": "RUNNING"}),
        (BROKEN, {"detail.status": "PENDING_REDRIVE"}),
        (BROKEN, {"detail.stateMachineArn": "arn:aws:states:us-east-1:111122223333:stateMachine:another"}),
        (BROKEN, {"detail-type": "Step Functions Activity Status Change"}),
        (BROKEN, {"source": "acme.states"}),
    ],
    "BatchBroken": [
        (BROKEN, {"detail.stateMachineArn": BATCH_MACHINE, "detail.status": "SUCCEEDED"}),
        (BROKEN, {"detail.stateMachineArn": BATCH_MACHINE, "detail.status": "RUNNING"}),
    ],
}


def cases(of: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]]) -> list[Any]:
    return [
        pytest.param(rule, event, change, id=f"{rule} {change or 'as documented'}")
        for rule, events in of.items()
        for event, change in events
    ]


def patterns(stage: Synthesized) -> dict[str, EventPattern]:
    """By construct name of the rule."""
    rules = {
        name[:-8]: rule["EventPattern"]
        for template in stage.stacks
        for name, rule in template.of("AWS::Events::Rule").items()
        if "EventPattern" in rule
    }
    return {name: EventPattern(None, _named(stage, pattern)) for name, pattern in rules.items()}


def _named(stage: Synthesized, value: Any) -> Any:
    """References to our resources, as the events above name them."""
    names = {
        f"${{{stage.storage.one('AWS::S3::Bucket', 'Inbox')[0]}}}": INBOX,
        f"${{{stage.storage.one('AWS::S3::Bucket', 'Media')[0]}}}": "<the media bucket>",
        f"${{{stage.service.one('AWS::StepFunctions::StateMachine', 'JobMachine')[0]}}}": MACHINE,
        f"${{{stage.service.one('AWS::StepFunctions::StateMachine', 'BatchMachine')[0]}}}": BATCH_MACHINE,
    }
    match value:
        case dict():
            return {key: _named(stage, item) for key, item in value.items()}
        case list():
            return [_named(stage, item) for item in value]
    return names.get(value, value)


def changed(event: dict[str, Any], change: dict[str, Any]) -> Any:
    event = deepcopy(event)
    for path, value in change.items():
        place: Any = event
        *parents, name = path.split(".")
        for parent in parents:
            place = place[parent]
        assert name in place, f"the event has no {path}"
        place[name] = value
    return event


def test_every_pattern_has_events_here(stage: Synthesized) -> None:
    assert patterns(stage).keys() == TAKEN.keys() == LEFT.keys()


@pytest.mark.parametrize(("rule", "event", "change"), cases(TAKEN))
def test_a_rule_takes_its_event_and_no_other_rule_does(
    stage: Synthesized, rule: str, event: dict[str, Any], change: dict[str, Any]
) -> None:
    sent = changed(event, change)
    assert [name for name, pattern in patterns(stage).items() if pattern.matches_event(sent)] == [rule]


@pytest.mark.parametrize(("rule", "event", "change"), cases(LEFT))
def test_an_event_that_differs_in_one_place_is_left_alone(
    stage: Synthesized, rule: str, event: dict[str, Any], change: dict[str, Any]
) -> None:
    sent = changed(event, change)
    assert [name for name, pattern in patterns(stage).items() if pattern.matches_event(sent)] == []


def test_the_event_of_a_broken_run_names_the_job_and_the_run() -> None:
    assert executions.parsed(BROKEN["detail"]["name"]) == ("job_01J00000000000000000000001", 2)
