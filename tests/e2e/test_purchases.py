"""A job is bought once, however slow, dead or repeated anything is."""

from __future__ import annotations

import os
import signal
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from local import cloud as local_cloud

from .conftest import Cloud, until


def test_slow_vendors_are_waited_for(cloud: Cloud, person: bytes, tee: bytes) -> None:
    """Bedrock answers after 65 s, beyond the SDK's default of 60; TryItOn takes 20 s to accept."""
    cloud.bedrock.fault(on="submit", kind="delay", seconds=65, times=1)
    cloud.tryiton.fault(on="submit", kind="delay", seconds=20, times=1)
    jobs = [cloud.submit(cloud.try_on(person, tee, provider=provider)) for provider in ("nova_canvas", "tryiton")]
    for job in jobs:
        ended = cloud.finished(job["id"], 150)
        assert ended["status"] == "succeeded", ended["error"]
        assert len(ended["attempts"]) == 1
    assert (len(cloud.bedrock.purchases()), len(cloud.tryiton.purchases())) == (1, 1)


def _bought_and_waiting(cloud: Cloud, person: bytes, tee: bytes) -> str:
    """A job whose vendor has sold but not answered yet."""
    cloud.bedrock.fault(on="submit", kind="delay", seconds=40, times=1)
    job_id = str(cloud.submit(cloud.try_on(person, tee, provider="nova_canvas", fallback=["tryiton"]))["id"])
    until(lambda: cloud.bedrock.purchases() or None, "the purchase")
    return job_id


def _is_lost(job: dict[str, Any]) -> None:
    assert job["status"] == "failed"
    [attempt] = job["attempts"]
    assert attempt["charged"] == "unknown"
    assert job["error"]["retryable"] is False
    assert "before you submit" in job["error"]["remedy"]


def test_a_vendor_that_dies_in_mid_call_is_not_asked_again(cloud: Cloud, person: bytes, tee: bytes) -> None:
    job_id = _bought_and_waiting(cloud, person, tee)
    os.kill(local_cloud.State.load().pids["simulators"], signal.SIGKILL)
    try:
        _is_lost(cloud.finished(job_id))
    finally:
        local_cloud.up()  # starts what is not running
        cloud.forget_references()
    assert cloud.bedrock.purchases() == []  # the new process was never asked
    assert cloud.tryiton.purchases() == []  # and nobody else was


def test_a_closed_connection_after_the_purchase_is_charged_unknown(cloud: Cloud, person: bytes, tee: bytes) -> None:
    cloud.tryiton.fault(on="submit", kind="drop_after", times=1)
    _is_lost(cloud.finished(cloud.submit(cloud.try_on(person, tee, provider="tryiton"))["id"]))
    assert len(cloud.tryiton.purchases()) == 1


def test_start_run_again_for_one_attempt_buys_nothing(cloud: Cloud, person: bytes, tee: bytes) -> None:
    job = cloud.finished(cloud.submit(cloud.try_on(person, tee, provider="nova_canvas"))["id"])
    again = cloud.invoke("StartBedrock", {"job_id": job["id"]})
    assert again["outcome"] == "ended"
    assert len(cloud.bedrock.purchases()) == 1


def test_start_run_twice_at_once_for_one_attempt_buys_once(cloud: Cloud, person: bytes, tee: bytes) -> None:
    cloud.bedrock.fault(on="submit", kind="delay", seconds=25, times=1)
    job_id = cloud.submit(cloud.try_on(person, tee, provider="nova_canvas"))["id"]
    until(lambda: cloud.bedrock.purchases() or None, "the purchase")
    assert cloud.invoke("StartBedrock", {"job_id": job_id})["outcome"] == "busy"
    assert cloud.finished(job_id)["status"] == "succeeded"
    assert len(cloud.bedrock.purchases()) == 1


def test_one_idempotency_key_from_twenty_clients_is_one_job(cloud: Cloud, person: bytes, tee: bytes) -> None:
    body, key = cloud.try_on(person, tee, provider="nova_canvas"), str(uuid.uuid4())
    with ThreadPoolExecutor(20) as pool:
        answers = list(
            pool.map(lambda _: cloud.live.post("/v1/jobs", json=body, headers={"Idempotency-Key": key}), range(20))
        )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert cloud.finished(answers[0].json()["id"])["status"] == "succeeded"
    assert len(cloud.bedrock.purchases()) == 1

    other = cloud.live.post("/v1/jobs", json=body | {"reference": "other"}, headers={"Idempotency-Key": key})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
