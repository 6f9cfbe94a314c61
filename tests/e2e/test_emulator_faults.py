"""AWS itself refuses while jobs run: throttles, conflicts, outages, a small account. Jobs are bought once and end well."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from local.emulator_control import EmulatorControl, Fault

from .conftest import FINAL, Cloud, until

THROTTLED: Fault = {"service": "lambda", "code": "TooManyRequestsException", "status": 429}
BUSY_TABLE: Fault = {"service": "dynamodb", "code": "ThrottlingException", "status": 400}
TRANSACTION: Fault = {"service": "dynamodb", "operation": "TransactWriteItems"}
CONFLICT: Fault = {**TRANSACTION, "code": "TransactionCanceledException", "status": 400}
SLOW_DOWN: Fault = {"service": "s3", "code": "SlowDown", "status": 503}
START: Fault = {"service": "states", "operation": "StartExecution"}


def patiently(call: Callable[[], httpx.Response]) -> dict[str, Any]:
    """As a client in a small account must: ask again when AWS or we are busy."""

    def look() -> dict[str, Any] | None:
        answer = call()
        return None if answer.status_code in (429, 500, 503) else dict(answer.raise_for_status().json())

    return dict(until(look, "an answer", pace=1))


def submit(cloud: Cloud, body: dict[str, Any]) -> str:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    return str(patiently(lambda: cloud.live.post("/v1/jobs", json=body, headers=key))["id"])


def ends_well(cloud: Cloud, job_id: str) -> None:
    def look() -> dict[str, Any] | None:
        job = patiently(lambda: cloud.live.get(f"/v1/jobs/{job_id}"))
        return job if job["status"] in FINAL else None

    ended = until(look, f"{job_id} to end", seconds=180, pace=1)
    assert ended["status"] == "succeeded", ended["error"]
    assert [cloud.picture(image).format for image in ended["images"]] == ["PNG"]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({**THROTTLED, "match": "Prepare", "times": 2}, id="lambda-before-the-purchase"),
        pytest.param({**THROTTLED, "match": "StartBedrock", "times": 2}, id="lambda-at-the-purchase"),
        pytest.param({**THROTTLED, "match": "Settle", "times": 2}, id="lambda-at-the-end"),
        pytest.param({**BUSY_TABLE, "operation": "UpdateItem", "match": "JOB#", "times": 2}, id="dynamodb-writes"),
        pytest.param({**BUSY_TABLE, "operation": "GetItem", "times": 2}, id="dynamodb-reads"),
        pytest.param({**CONFLICT, "reasons": ["TransactionConflict"], "times": 2}, id="dynamodb-conflict"),
        pytest.param({**SLOW_DOWN, "operation": "PutObject", "match": "/results/", "times": 2}, id="s3-results"),
        pytest.param({**SLOW_DOWN, "operation": "GetObject", "match": "/uploads/", "times": 2}, id="s3-uploads"),
        pytest.param({**START, "code": "ThrottlingException", "status": 400, "times": 2}, id="states-start"),
        pytest.param({**START, "cut": True, "when": "after", "times": 1}, id="states-start-unheard"),
    ],
)
def test_a_refusal_that_passes_costs_nothing(
    cloud: Cloud, emulator: EmulatorControl, person: bytes, tee: bytes, fault: Fault
) -> None:
    body = cloud.try_on(person, tee, provider="nova_canvas")
    with emulator.faults(fault):
        ends_well(cloud, submit(cloud, body))
        assert emulator.struck() == fault["times"]
    assert len(cloud.bedrock.purchases()) == 1


@pytest.mark.parametrize(
    "limit",
    [
        pytest.param({"service": "lambda", "concurrency": 2}, id="functions"),
        pytest.param({"service": "dynamodb", "writes_per_second": 2}, id="keys"),
    ],
)
def test_jobs_at_once_in_a_small_account(
    cloud: Cloud, emulator: EmulatorControl, person: bytes, tee: bytes, limit: Fault
) -> None:
    bodies = [cloud.try_on(person, tee, provider="nova_canvas") for _ in range(4)]
    with emulator.faults(limit), ThreadPoolExecutor(4) as pool:
        for job_id in pool.map(lambda body: submit(cloud, body), bodies):
            ends_well(cloud, job_id)
        assert emulator.struck() > 0
    assert len(cloud.bedrock.purchases()) == 4


def test_what_a_job_costs_is_counted(cloud: Cloud, emulator: EmulatorControl, person: bytes, tee: bytes) -> None:
    job_id = submit(cloud, cloud.try_on(person, tee, provider="nova_canvas"))
    ends_well(cloud, job_id)
    usage = emulator.usage()
    [transitions] = [jobs[job_id] for jobs in usage.transitions.values() if job_id in jobs]
    assert 4 <= transitions < 20
    assert usage.writes_on(f"JOB#{job_id}").total > 0
    assert usage.requests["s3"]["PutObject"] >= 1
    assert any("StartBedrock" in name and found.gb_seconds > 0 for name, found in usage.functions.items())
