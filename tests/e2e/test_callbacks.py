"""FASHN calls back when a job is over: on time, early, late, never, twice; and somebody who only pretends to be it."""

from __future__ import annotations

import json
import secrets
from typing import Any

import httpx
import pytest

from .conftest import Cloud, until


@pytest.fixture
def body(cloud: Cloud, person: bytes, tee: bytes) -> dict[str, Any]:
    return cloud.try_on(person, tee, provider="fashn")


def reads(cloud: Cloud) -> int:
    """How often the vendor was asked how a job is doing."""
    return sum("/status/" in request["path"] for request in cloud.fashn.requests())


def states(cloud: Cloud, job_id: str) -> list[str]:
    """The states the job's execution went through."""
    arn = cloud.job_machine.replace(":stateMachine:", ":execution:") + f":{job_id}"
    events = cloud.aws("stepfunctions").get_execution_history(executionArn=arn, maxResults=1000)["events"]
    return [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]


def bought_once(cloud: Cloud, job: dict[str, Any]) -> None:
    assert job["status"] == "succeeded", job["error"]
    assert len(job["attempts"]) == len(cloud.fashn.purchases()) == 1


def woken(cloud: Cloud, job_id: str) -> bool:
    """Whether a call ended the wait, and not its time limit."""
    arn = cloud.job_machine.replace(":stateMachine:", ":execution:") + f":{job_id}"
    events = cloud.aws("stepfunctions").get_execution_history(executionArn=arn, maxResults=1000)["events"]
    details = ((e["type"], e.get("taskSucceededEventDetails") or e.get("taskFailedEventDetails")) for e in events)
    return [end for end, facts in details if "waitForTaskToken" in str(facts)] == ["TaskSucceeded"]


def answered(cloud: Cloud) -> list[int | None]:
    return [sent.get("answered") for sent in cloud.fashn.callbacks()]


def test_on_time_the_status_is_read_once(cloud: Cloud, body: dict[str, Any]) -> None:
    job = cloud.finished(cloud.submit(body)["id"])
    bought_once(cloud, job)
    assert states(cloud, job["id"])[3:] == ["Next", "AwaitCallback", "Poll", "Next", "Collect", "Settle"]
    assert reads(cloud) == 1
    until(lambda: 200 in answered(cloud) or None, "the callback to be taken")
    assert woken(cloud, job["id"]), "and not by the end of the wait"


def test_early_it_is_remembered_until_somebody_waits(cloud: Cloud, body: dict[str, Any]) -> None:
    """It comes while the vendor has not even answered the order; the result is then found by looking."""
    cloud.fashn.fault(on="callback", kind="early", times=1)
    job = cloud.finished(cloud.submit(body)["id"])
    bought_once(cloud, job)
    until(lambda: 200 in answered(cloud) or None, "the callback to be taken")
    assert states(cloud, job["id"])[3:7] == ["Next", "AwaitCallback", "Poll", "Next"]
    assert reads(cloud) <= 2


@pytest.mark.parametrize("fault", [{"kind": "never"}, {"kind": "delay", "seconds": 27}])
def test_late_or_never_the_result_is_found_without_it(
    cloud: Cloud, body: dict[str, Any], fault: dict[str, Any]
) -> None:
    cloud.fashn.fault(on="callback", times=1, **fault)
    job = cloud.finished(cloud.submit(body)["id"])
    bought_once(cloud, job)
    assert reads(cloud) == 1
    if fault["kind"] == "delay":  # it is answered, so that the vendor does not repeat it, and changes nothing
        until(lambda: 200 in answered(cloud) or None, "the late one to be taken")
        assert cloud.job(job["id"])["attempts"] == job["attempts"]


def test_twice_is_once(cloud: Cloud, body: dict[str, Any]) -> None:
    cloud.fashn.fault(on="callback", kind="twice", times=1)
    job = cloud.finished(cloud.submit(body)["id"])
    bought_once(cloud, job)
    until(lambda: answered(cloud).count(200) == 2 or None, "both callbacks to be taken")
    assert reads(cloud) == 1


def test_forged_it_wakes_nobody(cloud: Cloud, body: dict[str, Any]) -> None:
    """Guesses, an address whose secret belongs to nobody, and what stands where a callback's own hash is known."""
    cloud.fashn.fault(on="callback", kind="never", times=1)
    job_id = cloud.submit(body)["id"]
    until(lambda: "AwaitCallback" in states(cloud, job_id) or None, "the wait")
    until(lambda: cloud.fashn.purchases()[0]["charged"], "the vendor to be done, which a look would find")
    [attempt] = [item["callback"]["S"] for item in attempts(cloud, job_id) if "callback" in item]
    for guess in (secrets.token_urlsafe(32), attempt, "x", f"{'a' * 40}%2e"):
        answer = httpx.post(f"{cloud.api}/v1/callbacks/fashn/{guess}", json={"status": "completed"}, timeout=60)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert answer.headers["content-type"] == "application/problem+json"
    job = cloud.finished(job_id)
    bought_once(cloud, job)
    assert not woken(cloud, job_id), "only the end of its time ended the wait"
    assert reads(cloud) == 1


def attempts(cloud: Cloud, job_id: str) -> list[dict[str, Any]]:
    item = cloud.aws("dynamodb").get_item(
        TableName=cloud.table, Key={"pk": {"S": f"JOB#{job_id}"}, "sk": {"S": "JOB"}}
    )["Item"]
    return [attempt["M"] for attempt in item["attempts"]["M"].values()]


def test_only_a_post_of_moderate_size_is_a_callback(cloud: Cloud) -> None:
    address = f"{cloud.api}/v1/callbacks/fashn/{secrets.token_urlsafe(32)}"
    refused = httpx.get(address, timeout=60)
    assert (refused.status_code, refused.headers["allow"], refused.json()["code"]) == (
        405,
        "POST",
        "method_not_allowed",
    )
    headers = {"content-type": "application/json"}
    large = httpx.post(address, content=json.dumps("x" * 70_000), headers=headers, timeout=60)
    assert (large.status_code, large.json()["code"]) == (413, "too_large")
    assert httpx.post(f"{address}/more", timeout=60).status_code == 404
