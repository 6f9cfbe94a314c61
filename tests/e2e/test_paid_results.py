"""What was paid for arrives, however the reading, the downloading or the machine around it breaks.

Each test breaks several providers side by side: the pauses between refused reads are long.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from local import cloud as local_cloud
from local.emulator_control import EmulatorControl

from .conftest import Cloud, Simulator, until

PROVIDERS = ("tryiton", "fashn", "astria", "aidge")
READ_SECONDS = 150
READS = {
    "tryiton": {"kind": "status", "status": 404, "times": 3},
    "fashn": {"kind": "status", "status": 403, "times": 2},
    "astria": {"kind": "status", "status": 500, "times": 3},
    "aidge": {"kind": "status", "status": 404, "times": 2},
}
RESULTS = {
    "tryiton": {"kind": "drop_before", "times": 2},
    "fashn": {"kind": "status", "status": 404, "times": 3},
    "astria": {"kind": "wrong_type", "times": 1},
    "aidge": {"kind": "malformed", "times": 1},
}


def vendor(cloud: Cloud, provider: str) -> Simulator:
    found: Simulator = getattr(cloud, provider)
    return found


def bought(cloud: Cloud, provider: str) -> int:
    """Purchases of images; Astria's log holds the references made for them, too."""
    return sum(purchase.get("kind") != "reference" for purchase in vendor(cloud, provider).purchases())


def submitted(cloud: Cloud, person: bytes, tee: bytes, provider: str) -> str:
    options = {"astria": {"person_class": "woman"}} if provider == "astria" else {}
    return str(cloud.submit(cloud.try_on(person, tee, provider=provider, provider_options=options))["id"])


def is_delivered(cloud: Cloud, job_id: str, provider: str, seconds: float = READ_SECONDS) -> dict[str, Any]:
    job = cloud.finished(job_id, seconds)
    assert (job["status"], job["error"]) == ("succeeded", None), provider
    assert [attempt["charged"] for attempt in job["attempts"]] == ["yes"], provider
    assert cloud.picture(job["images"][0]).width > 0
    assert bought(cloud, provider) == 1, provider
    return job


@pytest.mark.parametrize(("on", "faults"), [("status", READS), ("result", RESULTS)])
def test_a_read_or_a_download_that_is_refused_is_only_repeated(
    cloud: Cloud, person: bytes, tee: bytes, on: str, faults: dict[str, dict[str, Any]]
) -> None:
    for provider, fault in faults.items():
        vendor(cloud, provider).fault(on=on, **fault)
    jobs = {provider: submitted(cloud, person, tee, provider) for provider in faults}
    for provider, job_id in jobs.items():
        is_delivered(cloud, job_id, provider)


def test_a_function_that_is_killed_and_a_run_that_is_aborted_lose_nothing(
    cloud: Cloud, person: bytes, tee: bytes
) -> None:
    """Start dies right after the provider's id was written, Poll dies twice, and an execution is stopped by hand.

    The other jobs begin after Start was killed: it would die in the middle of their purchase, too.
    """
    for provider in ("tryiton", "fashn", "aidge"):
        vendor(cloud, provider).fault(on="status", kind="delay", seconds=4, times=2)
    jobs = {"tryiton": submitted(cloud, person, tee, "tryiton")}

    def id_of(provider: str) -> str | None:
        attempts = cloud.job(jobs[provider])["attempts"]
        return attempts[0]["provider_job_id"] if attempts else None

    until(lambda: id_of("tryiton"), "TryItOn's id")
    _kill("StartHttp")
    jobs |= {provider: submitted(cloud, person, tee, provider) for provider in ("fashn", "aidge")}
    for _ in range(2):
        until(lambda: local_cloud.lambda_pids("Poll") or None, "a look at a provider")
        _kill("Poll")
    until(lambda: id_of("fashn"), "FASHN's id")
    execution = cloud.job_machine.replace(":stateMachine:", ":execution:") + f":{jobs['fashn']}"
    cloud.aws("stepfunctions").stop_execution(executionArn=execution)
    for provider, job_id in jobs.items():
        is_delivered(cloud, job_id, provider, 240)


def test_a_bucket_that_is_away_for_a_minute_is_waited_for(
    cloud: Cloud, emulator: EmulatorControl, person: bytes, tee: bytes
) -> None:
    refusal = {"service": "s3", "operation": "PutObject", "match": "/results/", "code": "SlowDown", "status": 503}
    with emulator.faults({**refusal, "for_seconds": 60}):  # type: ignore[typeddict-item]
        job_id = submitted(cloud, person, tee, "tryiton")
        is_delivered(cloud, job_id, "tryiton", 240)


def test_a_job_that_was_bought_with_the_key_of_before_is_delivered(cloud: Cloud, person: bytes, tee: bytes) -> None:
    """The operator puts another key while the provider works, and the provider knows nothing of the job under that one."""
    secrets = cloud.aws("secretsmanager")
    [found] = [each for each in secrets.list_secrets()["SecretList"] if "key of tryiton" in each.get("Description", "")]
    before = secrets.get_secret_value(SecretId=found["ARN"])["SecretString"]
    cloud.tryiton.fault(on="status", kind="status", status=503, times=1)
    job_id = submitted(cloud, person, tee, "tryiton")
    until(lambda: any(each["provider_job_id"] for each in cloud.job(job_id)["attempts"]) or None, "TryItOn's id")
    try:
        secrets.put_secret_value(SecretId=found["ARN"], SecretString="of-another-account")
        _kill("Poll")  # a new process knows only the key of now
        _kill("StartHttp")
        refused = cloud.finished(submitted(cloud, person, tee, "tryiton"))
        assert (refused["status"], refused["error"]["code"]) == ("failed", "provider_auth"), "what the key of now buys"
        is_delivered(cloud, job_id, "tryiton")
    finally:
        secrets.put_secret_value(SecretId=found["ARN"], SecretString=before)
        _kill("Poll")
        _kill("StartHttp")


def _kill(function: str) -> None:
    for pid in local_cloud.lambda_pids(function):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _ended(cloud: Cloud, job_id: str) -> Callable[[], Any]:
    return lambda: cloud.job(job_id)["status"] == "cancelled" or None


def test_a_job_that_is_cancelled_while_the_provider_works_can_be_recovered_for_nothing(
    cloud: Cloud, person: bytes, tee: bytes
) -> None:
    cloud.fashn.fault(on="status", kind="status", status=503)
    job_id = submitted(cloud, person, tee, "fashn")
    until(lambda: cloud.fashn.purchases() or None, "the purchase")
    until(lambda: cloud.job(job_id)["attempts"][0]["provider_job_id"], "the provider's id")
    assert cloud.live.post(f"/v1/jobs/{job_id}/cancel").status_code == 202
    until(_ended(cloud, job_id), "the job to be cancelled", 90)
    cloud.fashn.http.delete("/_sim/faults").raise_for_status()
    refused = cloud.live.post(f"/v1/jobs/{job_id}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "may_be_charged")
    answer = cloud.live.post(f"/v1/jobs/{job_id}/recover")
    assert answer.status_code == 202, answer.text
    recovered = cloud.finished(answer.json()["id"], 120)
    assert (recovered["status"], recovered["usage"]["images"]) == ("succeeded", 0)
    assert recovered["recovered_from"] == job_id
    assert len(cloud.fashn.purchases()) == 1
    again = cloud.live.post(f"/v1/jobs/{job_id}/recover")
    assert (again.json()["id"], again.headers["Idempotent-Replayed"]) == (recovered["id"], "true")


def test_a_failed_job_is_retried_with_the_images_it_had(cloud: Cloud, person: bytes, tee: bytes) -> None:
    cloud.tryiton.fault(on="submit", kind="status", status=401, times=1)
    failed = cloud.finished(submitted(cloud, person, tee, "tryiton"))
    assert (failed["status"], failed["error"]["code"]) == ("failed", "provider_auth")
    answer = cloud.live.post(f"/v1/jobs/{failed['id']}/retry")
    assert answer.status_code == 202, answer.text
    assert cloud.finished(answer.json()["id"])["status"] == "succeeded"
    assert len(cloud.tryiton.purchases()) == 1
