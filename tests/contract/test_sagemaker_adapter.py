"""What is sent to an endpoint of SageMaker, and what becomes of every answer and of every object."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from fitting_room.jobs.outcome import Failed, Finished, Outcome, Pending, Unread
from fitting_room.jobs.parse import parse
from fitting_room.providers import catalogue
from fitting_room.providers.adapter import Order
from fitting_room.providers.sagemaker.adapter import SageMaker, request_for
from fitting_room.providers.sagemaker.entry import Options
from tests.contract.orders import golden, order, try_on
from tests.contract.sagemaker import BUCKET, Bucket, answer

JOB = "job_01J00000000000000000000001"
NAME = "01J00000000000000000000001-2"
FOLDER = f"staging/{JOB}/2/sagemaker"
REQUEST = f"staging/{JOB}/2/sagemaker-request.json"
LOST = f"{FOLDER}/{NAME}"
FULL = try_on(
    garment={"category": "one_piece", "photo": "flat_lay"},
    output={"count": 2, "quality": "best", "format": "jpeg"},
    provider_options={"sagemaker": {"steps": 30, "guidance": 1.5}},
)


class Runtime:
    """Stands in for the client of `sagemaker-runtime`."""

    def __init__(self, *said: dict[str, Any] | Exception) -> None:
        self.said, self.calls = list(said), list[dict[str, Any]]()

    def invoke_endpoint_async(self, **given: Any) -> dict[str, Any]:
        self.calls.append(given)
        said = self.said.pop(0)
        if isinstance(said, Exception):
            raise said
        return said


def ordered(body: dict[str, Any] | None = None) -> Order:
    body = body or try_on()
    given = parse(body).provider_options.get("sagemaker", {})
    made = order("sandbox", body, seed=12)
    return replace(made, job_id=JOB, attempt=2, model="vton", options=Options.model_validate(given))


def line(bucket: Bucket, *said: dict[str, Any] | Exception) -> tuple[SageMaker, Runtime]:
    runtime = Runtime(*said)
    return SageMaker({"vton": "my-endpoint"}, BUCKET, bucket, lambda: runtime), runtime


def started(adapter: SageMaker, wanted: Order) -> Outcome:
    """As Start does it."""
    adapter.write(wanted)
    return adapter.start(wanted)


def told(name: str = "", **more: str) -> dict[str, str]:
    return {
        "OutputLocation": f"s3://{BUCKET}/{FOLDER}/{NAME}.out",
        "FailureLocation": f"s3://{BUCKET}/{FOLDER}/{NAME}-error.out",
    } | more


def refused(code: str, status: int, message: str = "") -> ClientError:
    facts: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(facts, "InvokeEndpointAsync")


def problem(name: str, message: str) -> dict[str, Any]:
    """The changes of an answer in which the container tells an error."""
    return {"images": [], "error": {"name": name, "message": message}}


def test_the_document_is_as_it_is_published() -> None:
    assert json.loads(request_for(ordered(FULL)).model_dump_json()) == golden("sagemaker")["full"]


def test_a_plain_request_says_everything_that_the_model_must_decide() -> None:
    sent = request_for(replace(ordered(), seed=None))
    assert sent.output.model_dump() == {"count": 1, "seed": None, "quality": "standard", "format": "png"}
    assert (sent.garments[0].category, sent.garments[0].photo, sent.options) == ("tops", "auto", {})


def test_the_call_names_its_answer_before_it_is_given() -> None:
    bucket = Bucket()
    adapter, runtime = line(bucket, told())
    assert started(adapter, ordered(FULL)) == Pending(f"{FOLDER}/{NAME}.out {FOLDER}/{NAME}-error.out")
    assert json.loads(bucket[REQUEST]) == golden("sagemaker")["full"]
    assert runtime.calls == [
        {
            "EndpointName": "my-endpoint",
            "ContentType": "application/json",
            "Accept": "application/json",
            "InputLocation": f"s3://{BUCKET}/{REQUEST}",
            "InferenceId": NAME,
            "S3OutputPathExtension": f"{JOB}/2/sagemaker",
            "Filename": NAME,
            "RequestTTLSeconds": 2400,
            "InvocationTimeoutSeconds": 900,
        }
    ]
    assert len(NAME) <= 32
    assert 2400 + 900 < catalogue.entry("sagemaker").deadline == 3600


@pytest.mark.parametrize(
    "lost",
    [
        ReadTimeoutError(endpoint_url="x"),
        ConnectionClosedError(endpoint_url="x"),
        refused("InternalFailure", 500),
    ],
)
@pytest.mark.parametrize("ending", ["", ".out"])
def test_a_submission_without_an_answer_is_pending_and_its_result_is_found(lost: Exception, ending: str) -> None:
    bucket = Bucket()
    adapter, runtime = line(bucket, lost)
    said = started(adapter, ordered())
    assert said == Pending(LOST)
    assert adapter.poll(ordered(), LOST) == Pending(LOST)
    bucket[LOST + ending] = answer(bucket[REQUEST])
    found = adapter.poll(ordered(), LOST)
    assert isinstance(found, Finished) and len(found.images) == 1
    assert len(runtime.calls) == 1


@pytest.mark.parametrize("key", [f"{FOLDER}/{NAME}-error.out", f"{FOLDER}/{NAME}-error", f"staging/{NAME}-error.out"])
def test_a_submission_without_an_answer_finds_its_failure(key: str) -> None:
    adapter, _ = line(bucket := Bucket())
    bucket[key] = b"Received server error (500) from model."
    failed = adapter.poll(ordered(), LOST)
    assert isinstance(failed, Failed) and failed.fault.provider_detail == "Received server error (500) from model."


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (refused("ValidationError", 400, "Endpoint my-endpoint of account 1 not found."), "provider_error", False),
        (refused("AccessDeniedException", 403), "provider_auth", False),
        (refused("ThrottlingException", 400), "rate_limited", True),
        (refused("TooManyRequests", 429), "rate_limited", True),
        (refused("ServiceUnavailable", 503), "provider_unavailable", True),
        (EndpointConnectionError(endpoint_url="x"), "provider_unavailable", True),
        (NoCredentialsError(), "provider_auth", False),
    ],
)
def test_a_refused_call_bought_nothing(error: Exception, code: str, retryable: bool) -> None:
    failed = line(Bucket(), error)[0].start(ordered())
    assert isinstance(failed, Failed)
    assert (failed.fault.code, failed.charged, failed.fault.retryable) == (code, "no", retryable)


def test_an_endpoint_that_answers_elsewhere_is_named_with_the_way_to_mend_it() -> None:
    failed = line(Bucket(), told(OutputLocation="s3://other/x.out"))[0].start(ordered())
    assert isinstance(failed, Failed) and failed.charged == "unknown"
    assert f"s3://{BUCKET}/staging" in failed.fault.remedy


def test_a_failure_that_lies_elsewhere_is_not_looked_for() -> None:
    outcome = line(Bucket(), told(FailureLocation="s3://other/x.out"))[0].start(ordered())
    assert outcome == Pending(f"{FOLDER}/{NAME}.out")


def test_the_answer_counts_though_a_failure_lies_beside_it() -> None:
    bucket = Bucket()
    adapter, _ = line(bucket, told())
    said = started(adapter, ordered(FULL))
    assert isinstance(said, Pending)
    bucket[f"{FOLDER}/{NAME}-error.out"] = b"x"
    bucket[f"{FOLDER}/{NAME}.out"] = answer(bucket[REQUEST], warnings=[{"code": "hands", "detail": "look odd"}])
    found = adapter.poll(ordered(FULL), said.provider_job_id)
    assert isinstance(found, Finished)
    assert [picture.seed for picture in found.images] == [12, 12]
    assert [warning.detail for warning in found.warnings] == ["The model says hands: look odd"]


@pytest.mark.parametrize(
    ("changes", "code", "says", "retryable"),
    [
        (problem("InvalidRequest", "no person"), "provider_error", "no person", False),
        (problem("UnsupportedOption", "steps"), "provider_error", "steps", False),
        (problem("ImageUnreadable", "cut off"), "image_unreadable", "cut off", False),
        (problem("PoseNotFound", "nobody"), "pose_not_found", "nobody", False),
        (problem("ContentBlocked", "nudity"), "content_blocked", "nudity", False),
        (problem("OutOfMemory", ""), "provider_error", "memory", True),
        (problem("ModelNotReady", "loading"), "provider_unavailable", "loading", True),
        (problem("Internal", "a bug"), "provider_error", "a bug", True),
        (problem("SomethingNew", "x"), "provider_error", "failed on the request", True),
        ({"images": []}, "provider_error", "neither images nor an error", False),
        ({"id": "01J00000000000000000000009-1"}, "provider_error", "another request", False),
        ({"images": [{"media_type": "image/png", "data": "%%%"}]}, "provider_error", "not base64", False),
        ({"contract": "fitting-room/try-on/2"}, "provider_error", "not fitting-room/try-on/1", True),
        ({"images": [{"media_type": "image/tiff", "data": "AAAA"}]}, "provider_error", "in a form that is not", True),
    ],
)
def test_an_answer_without_usable_images_is_a_failure_that_costs_nothing(
    changes: dict[str, Any], code: str, says: str, retryable: bool
) -> None:
    adapter, _ = line(bucket := Bucket(), told())
    started(adapter, ordered())
    bucket[f"{FOLDER}/{NAME}.out"] = answer(bucket[REQUEST], **changes)
    failed = adapter.poll(ordered(), LOST)
    assert isinstance(failed, Failed)
    assert (failed.fault.code, failed.charged, failed.fault.retryable) == (code, "no", retryable)
    assert says in f"{failed.fault.detail} {failed.fault.provider_detail}"


def test_an_answer_above_60_mb_is_told_as_that_and_not_asked_for_again() -> None:
    adapter, _ = line(bucket := Bucket(), told())
    started(adapter, ordered())
    made = bucket[f"{FOLDER}/{NAME}.out"] = answer(bucket[REQUEST]).ljust(60_000_000)
    assert isinstance(adapter.poll(ordered(), LOST), Finished)
    bucket[f"{FOLDER}/{NAME}.out"] = made + b" "
    failed = adapter.poll(ordered(), LOST)
    assert isinstance(failed, Failed)
    assert (failed.fault.code, failed.fault.retryable, failed.charged) == ("provider_error", False, "no")
    assert "larger than 60 MB" in failed.fault.detail


def test_an_error_of_the_container_is_read_in_its_failure_object() -> None:
    adapter, _ = line(bucket := Bucket())
    error = {"name": "ContentBlocked", "message": "nudity"}
    bucket[f"{LOST}-error.out"] = json.dumps({"contract": "fitting-room/try-on/1", "error": error}).encode()
    failed = adapter.poll(ordered(), LOST)
    assert isinstance(failed, Failed)
    assert (failed.fault.code, failed.fault.provider_code, failed.fault.provider_detail) == (
        "content_blocked",
        "ContentBlocked",
        "nudity",
    )


def test_fewer_images_than_asked_for_are_told() -> None:
    adapter, _ = line(bucket := Bucket(), told())
    started(adapter, ordered(FULL))
    whole = json.loads(answer(bucket[REQUEST]))
    bucket[LOST] = json.dumps(whole | {"images": whole["images"][:1]}).encode()
    found = adapter.poll(ordered(FULL), LOST)
    assert isinstance(found, Finished) and [warning.code for warning in found.warnings] == ["partial_result"]


def test_a_bucket_that_cannot_be_read_says_nothing_about_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter, _ = line(bucket := Bucket())

    def away(*_: Any, **__: Any) -> None:
        raise refused("SlowDown", 503)

    monkeypatch.setattr(bucket, "read", away)
    assert adapter.poll(ordered(), LOST) == Unread("ClientError", made=False)
    assert isinstance(adapter.poll(ordered(), "no such form"), Unread)


@pytest.mark.parametrize("job_id", [LOST, f"{FOLDER}/{NAME}.out {FOLDER}/{NAME}-error.out"])
def test_erasing_removes_request_answer_and_failure_and_nothing_else(job_id: str) -> None:
    adapter, _ = line(bucket := Bucket())
    other = f"staging/{JOB}/2/person.png"
    for key in (REQUEST, f"{FOLDER}/{NAME}.out", f"{FOLDER}/{NAME}-error.out", other):
        bucket[key] = b"x"
    assert adapter.erase_job(job_id)
    assert list(bucket) == [other]
