"""The Bedrock simulator's models through their lives: `get_foundation_model` and `invoke_model` by plain boto3."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import botocore.exceptions
import pytest

from tests.contract.bedrock import NOVA, client, invoke, refused, told
from tests.contract.conftest import Running

INPAINT = "stability.stable-image-inpaint-v1:0"
REMOVE_BACKGROUND = "stability.stable-image-remove-background-v1:0"
CORE, ULTRA = "stability.stable-image-core-v1:1", "stability.stable-image-ultra-v1:1"
POSTER = {
    "taskType": "TEXT_IMAGE",
    "textToImageParams": {"text": "x"},
    "imageGenerationConfig": {"width": 320, "height": 320},
}
GONE = "This model version has reached the end of its life. Please refer to the AWS documentation for more details."


@pytest.fixture
def bedrock(bedrock_simulator: Running) -> Iterator[Running]:
    yield bedrock_simulator
    bedrock_simulator.call("DELETE", "/_sim/model")


def look_up(simulator: Running, model: str = NOVA, region: str = "us-east-1") -> dict[str, Any]:
    found: dict[str, Any] = client(simulator.url, "bedrock", region=region).get_foundation_model(modelIdentifier=model)
    details: dict[str, Any] = found["modelDetails"]
    return details


def not_found(simulator: Running, model: str = NOVA, region: str = "us-east-1") -> tuple[str, int, str]:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        look_up(simulator, model, region)
    return told(caught.value)


def now_at(simulator: Running, **life: Any) -> dict[str, Any]:
    answer = simulator.call("POST", "/_sim/model", json=life)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def test_an_active_model_is_described_with_its_launch_only(bedrock: Running) -> None:
    details = look_up(bedrock)

    assert details["modelId"] == NOVA
    assert details["modelArn"] == "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-canvas-v1:0"
    assert details["outputModalities"] == ["IMAGE"]
    assert details["modelLifecycle"]["status"] == "ACTIVE"
    assert set(details["modelLifecycle"]) == {"status", "startOfLifeTime"}


@pytest.mark.parametrize(("model", "region"), [
    (NOVA, "eu-west-1"), (INPAINT, "us-east-2"), (REMOVE_BACKGROUND, "us-west-2"), (CORE, "us-west-2"), (ULTRA, "us-west-2"),
])  # fmt: skip
def test_each_model_is_found_where_it_is(bedrock: Running, model: str, region: str) -> None:
    assert look_up(bedrock, model, region)["modelId"] == model
    assert look_up(bedrock, f"arn:aws:bedrock:{region}::foundation-model/{model}", region)["modelId"] == model


@pytest.mark.parametrize(("model", "region"), [
    (NOVA, "us-west-2"), (CORE, "us-east-1"), ("amazon.nova-canvas-v2:0", "us-east-1"), (f"us.{INPAINT}", "us-east-1"),
])  # fmt: skip
def test_a_model_that_is_not_there_and_a_profile_are_no_model(bedrock: Running, model: str, region: str) -> None:
    assert not_found(bedrock, model, region) == (
        "ValidationException",
        400,
        "The provided model identifier is invalid.",
    )


@pytest.mark.parametrize("state", ["legacy", "legacy_in_use"])
def test_a_legacy_model_has_its_dates(bedrock: Running, state: str) -> None:
    now_at(bedrock, state=state)

    # model-lifecycle-legacy.html: "Amazon Nova Canvas ... Legacy since 2026-03-30, EOL 2026-09-30"
    life = look_up(bedrock)["modelLifecycle"]
    assert life["status"] == "LEGACY"
    assert life["legacyTime"] == datetime(2026, 3, 30, tzinfo=UTC)
    assert life["endOfLifeTime"] == datetime(2026, 9, 30, tzinfo=UTC)


def test_a_legacy_model_answers_those_who_kept_using_it(bedrock: Running) -> None:
    now_at(bedrock, state="legacy_in_use")
    assert invoke(bedrock, POSTER)["images"]

    now_at(bedrock, state="legacy")
    code, status, message = refused(bedrock, POSTER)
    assert (code, status) == ("ResourceNotFoundException", 404)
    assert "marked by provider as Legacy" in message


def test_dates_can_be_told_for_any_stage(bedrock: Running) -> None:
    now_at(bedrock, model=CORE, state="legacy_in_use", legacyTime="2026-10-01T00:00:00Z",
           publicExtendedAccessTime="2027-01-01T00:00:00Z", endOfLifeTime="2027-04-01T12:00:00+00:00")  # fmt: skip

    life = look_up(bedrock, CORE, "us-west-2")["modelLifecycle"]
    assert life["legacyTime"] == datetime(2026, 10, 1, tzinfo=UTC)
    assert life["publicExtendedAccessTime"] == datetime(2027, 1, 1, tzinfo=UTC)
    assert life["endOfLifeTime"] == datetime(2027, 4, 1, 12, tzinfo=UTC)


def test_a_model_past_its_end_is_gone_or_still_listed_with_dates(bedrock: Running) -> None:
    now_at(bedrock, state="end_of_life")
    assert not_found(bedrock) == ("ResourceNotFoundException", 404, GONE)

    now_at(bedrock, state="end_of_life", endOfLifeTime="2026-09-30T00:00:00Z")
    life = look_up(bedrock)["modelLifecycle"]
    assert (life["status"], life["endOfLifeTime"]) == ("LEGACY", datetime(2026, 9, 30, tzinfo=UTC))
    assert refused(bedrock, POSTER) == ("ResourceNotFoundException", 404, GONE)


@pytest.mark.parametrize(("state", "code", "status"), [
    ("unknown", "ValidationException", 400), ("no_access", "AccessDeniedException", 403),
])  # fmt: skip
def test_an_unknown_model_and_one_without_access_end_in_their_error(
    bedrock: Running, state: str, code: str, status: int
) -> None:
    now_at(bedrock, state=state)

    assert not_found(bedrock)[:2] == refused(bedrock, POSTER)[:2] == (code, status)


def test_each_model_has_a_life_of_its_own(bedrock: Running) -> None:
    said = now_at(bedrock, model=f"us.{INPAINT}", state="end_of_life")

    assert (said["model"], said["state"]) == (INPAINT, "end_of_life")
    assert {model for model, state in said["states"].items() if state != "active"} == {INPAINT}
    assert not_found(bedrock, INPAINT)[0] == "ResourceNotFoundException"
    assert look_up(bedrock)["modelLifecycle"]["status"] == "ACTIVE"
    assert bedrock.call("DELETE", "/_sim/model").json()["states"][INPAINT] == "active"
    assert look_up(bedrock, INPAINT)["modelLifecycle"]["status"] == "ACTIVE"


@pytest.mark.parametrize(("payload", "says"), [
    ({"state": "asleep"}, "'asleep' is not one of"), ({"model": "x", "state": "active"}, "'x' is not one of"), ({}, "state"),
    ({"state": "legacy", "endOfLifeTime": "soon"}, "endOfLifeTime"), ({"state": "legacy", "eol": "2026-09-30"}, "eol"),
    ({"state": "legacy", "endOfLifeTime": "2026-09-30T00:00:00"}, "timezone"), ([], "state"),
])  # fmt: skip
def test_a_life_it_does_not_know_is_refused(bedrock: Running, payload: Any, says: str) -> None:
    answer = bedrock.call("POST", "/_sim/model", json=payload)

    assert answer.status_code == 400
    assert says in answer.json()["error"]


# the lookup itself fails


@pytest.mark.parametrize(("name", "status"), [
    ("AccessDeniedException", 403), ("ThrottlingException", 429), ("InternalServerException", 500),
    ("ResourceNotFoundException", 404), ("ValidationException", 400),
])  # fmt: skip
def test_a_lookup_can_be_refused_while_the_model_still_answers(bedrock: Running, name: str, status: int) -> None:
    assert bedrock.fault(on="lookup", kind="error", name=name, message="not today").status_code == 201

    assert not_found(bedrock) == (name, status, "not today")
    assert invoke(bedrock, POSTER)["images"]


def test_a_lookup_fails_in_other_ways(bedrock: Running) -> None:
    bedrock.fault(on="lookup", kind="status", status=503, times=1)
    assert not_found(bedrock)[1] == 503

    bedrock.fault(on="lookup", kind="drop_before", times=1)
    with pytest.raises(botocore.exceptions.ConnectionClosedError):
        look_up(bedrock)

    bedrock.fault(on="lookup", kind="malformed", times=1)  # boto3 makes nothing of it, and raises nothing
    assert "modelDetails" not in client(bedrock.url, "bedrock").get_foundation_model(modelIdentifier=NOVA)

    assert look_up(bedrock)


def test_errors_of_calls_are_no_errors_of_lookups(bedrock: Running) -> None:
    answer = bedrock.fault(on="lookup", kind="error", name="ModelTimeoutException")

    assert answer.status_code == 400
    assert "ModelTimeoutException" in answer.json()["error"]


def test_lookups_cost_nothing_and_are_on_record(bedrock: Running) -> None:
    look_up(bedrock)
    now_at(bedrock, state="end_of_life")
    not_found(bedrock)

    assert bedrock.purchases() == []
    assert [(entry["path"], entry["answered"]) for entry in bedrock.requests()] == [
        (f"/foundation-models/{NOVA}", 200), (f"/foundation-models/{NOVA}", 404),
    ]  # fmt: skip


def test_an_unsigned_lookup_is_refused(bedrock: Running) -> None:
    assert bedrock.call("GET", f"/foundation-models/{NOVA}").status_code == 403
