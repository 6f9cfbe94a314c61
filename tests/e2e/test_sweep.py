"""Everything owed is written down: what events and callers miss, the sweep puts right."""

from __future__ import annotations

import pytest

from .conftest import Cloud, until


def _make_due(cloud: Cloud, job_id: str) -> None:
    """Let time pass for one job: what it is owed is owed now."""
    key = {"pk": {"S": f"JOB#{job_id}"}, "sk": {"S": "JOB"}}
    cloud.aws("dynamodb").update_item(
        TableName=cloud.table,
        Key=key,
        UpdateExpression="SET due_at = :past",
        ConditionExpression="attribute_exists(due_at)",
        ExpressionAttributeValues={":past": {"S": "2020-01-01T00:00:00.000Z"}},
    )


def test_an_aborted_execution_whose_event_is_lost_is_resumed(cloud: Cloud, person: bytes, tee: bytes) -> None:
    events = cloud.aws("events")
    [rule] = [r["Name"] for r in events.list_rules()["Rules"] if cloud.job_machine in r.get("EventPattern", "")]
    events.disable_rule(Name=rule)
    try:
        cloud.tryiton.fault(on="status", kind="status", status=404)
        job_id = cloud.submit(cloud.try_on(person, tee, provider="tryiton"))["id"]
        until(lambda: any(a["provider_job_id"] for a in cloud.job(job_id)["attempts"]) or None, "the vendor's id")
        execution = cloud.job_machine.replace(":stateMachine:", ":execution:") + f":{job_id}"
        cloud.aws("stepfunctions").stop_execution(executionArn=execution)
        cloud.tryiton.http.delete("/_sim/faults").raise_for_status()
        _make_due(cloud, job_id)
        cloud.invoke("Sweep", {})
        job = cloud.finished(job_id, 90)
    finally:
        events.enable_rule(Name=rule)
    assert (job["status"], len(job["attempts"])) == ("succeeded", 1)
    assert len(cloud.tryiton.purchases()) == 1


def test_a_stored_job_that_nobody_started_is_started(
    cloud: Cloud, person: bytes, tee: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stored by the product's own code whose StartExecution is refused, as when Step Functions is down for a moment."""
    from fitting_room.actions.requests import submit as submitting
    from fitting_room.clock import Clock
    from fitting_room.settings import settings
    from fitting_room.stores import aws
    from fitting_room.stores.api_keys import Caller

    environment = {
        "TABLE": cloud.table,
        "INBOX_BUCKET": cloud.inbox,
        "MEDIA_BUCKET": cloud.media,
        "JOB_MACHINE_ARN": cloud.job_machine + "-gone",
        "DEPLOYMENT": '{"private_access": ["nova_canvas"], "bedrock_regions": {"nova_canvas": "us-east-1"}}',
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for cached in (settings, aws.table, aws.s3, aws.step_functions):
        cached.cache_clear()
    try:
        body = cloud.try_on(person, tee, provider="nova_canvas")
        job_id = submitting.submit(body, Caller(cloud.tenant, "live", None), None, Clock()).job.id
        assert cloud.job(job_id)["step"] == "queued"
        _make_due(cloud, job_id)
        cloud.invoke("Sweep", {})
        assert cloud.finished(job_id)["status"] == "succeeded"
        assert len(cloud.bedrock.purchases()) == 1
    finally:
        for cached in (settings, aws.table, aws.s3, aws.step_functions):
            cached.cache_clear()
