"""What the doctor says of an account that the local cloud cannot be made to look like."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from admin import cli, doctor
from admin.checks import Answer, Check, told
from admin.stage import Stage
from fitting_room.providers.catalogue import entry


def error(code: str, operation: str = "Look") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": f"{code}: it does not exist"}}, operation)


def raising(code: str) -> Any:
    def call(**_: Any) -> Any:
        raise error(code)

    return call


def client(stage: Stage, monkeypatch: pytest.MonkeyPatch, **calls: Any) -> Stage:
    """Every AWS client answers these calls only."""
    monkeypatch.setattr(stage, "client", lambda *_, **__: SimpleNamespace(**calls))
    return stage


def pages(**page: Any) -> Any:
    return lambda _: SimpleNamespace(paginate=lambda **_: [page])


def limits(executions: int) -> Any:
    return lambda: {"AccountLimit": {"ConcurrentExecutions": executions}}


@pytest.mark.parametrize(("executions", "state"), [(10, "wrong"), (1000, "ok")])
def test_the_quota_of_a_new_account_is_named(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, executions: int, state: str
) -> None:
    answer = doctor._lambda_quota(client(stage, monkeypatch, get_account_settings=limits(executions)))
    assert answer.state == state and str(executions) in answer.detail
    assert ("Concurrent executions" in answer.remedy) is (state == "wrong")


@pytest.mark.parametrize(
    ("quotas", "state"),
    [
        ([{"QuotaName": "StateTransition throttle token refill rate per second", "Value": 200.0}], "wrong"),
        ([{"QuotaName": "StateTransition throttle token refill rate per second", "Value": 1500.0}], "ok"),
        ([{"QuotaName": "Maximum number of executions", "Value": 1.0}], "unknown"),
    ],
)
def test_the_quota_of_transitions_is_found_by_its_name(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, quotas: list[Any], state: str
) -> None:
    assert doctor._transitions(client(stage, monkeypatch, get_paginator=pages(Quotas=quotas))).state == state


def test_an_account_without_the_cdk_s_stack_is_told_to_bootstrap(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = doctor._bootstrap(client(stage, monkeypatch, describe_stacks=raising("ValidationError")))
    assert (answer.state, answer.remedy) == ("wrong", "run `npx cdk bootstrap` in this account and region")


def test_expired_credentials_are_wrong(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = doctor._credentials(client(stage, monkeypatch, get_caller_identity=raising("ExpiredToken")))
    assert answer.state == "wrong" and "ExpiredToken" in answer.detail


@pytest.mark.parametrize(("name", "state"), [("dev", "ok"), ("prod", "wrong")])
def test_production_without_an_alarm_is_wrong(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, name: str, state: str
) -> None:
    stage.name = name
    answer = doctor._alarms(client(stage, monkeypatch, get_paginator=pages(MetricAlarms=[])))
    assert answer.state == state and "alarm_email" in answer.detail + answer.remedy


LIVES = {"status": "ACTIVE", "endOfLifeTime": datetime(2027, 9, 1, tzinfo=UTC)}
ENDED = {"status": "LEGACY", "endOfLifeTime": datetime(2026, 8, 1, tzinfo=UTC)}
GRANTED = {"authorizationStatus": "AUTHORIZED", "agreementAvailability": {"status": "AVAILABLE"}}
NOT_GRANTED = {"authorizationStatus": "AUTHORIZED", "agreementAvailability": {"status": "NOT_AVAILABLE"}}


@pytest.mark.parametrize(
    ("life", "access", "state", "says"),
    [
        (LIVES, GRANTED, "ok", "ACTIVE, ends 2027-09-01"),
        (LIVES, NOT_GRANTED, "wrong", "Marketplace"),
        (ENDED, GRANTED, "wrong", "bedrock_regions"),
        (None, GRANTED, "wrong", "does not know it"),
        (LIVES, None, "unknown", "not told"),
    ],
)
def test_a_model_that_ended_or_is_not_granted_is_wrong(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, life: Any, access: Any, state: str, says: str
) -> None:
    nova = entry("nova_canvas")
    monkeypatch.setattr(stage, "function", lambda _: {"Environment": {"Variables": {}}})
    known = (lambda **_: {"modelDetails": {"modelLifecycle": life}}) if life else raising("ResourceNotFoundException")
    granted = (lambda **_: access) if access else raising("UnknownOperationException")
    asked = client(stage, monkeypatch, get_foundation_model=known, get_foundation_model_availability=granted)
    answer = doctor._model(asked, nova, nova.models[0])
    assert answer.state == state and says in answer.detail + answer.remedy


def test_a_question_that_may_not_be_asked_is_no_fault() -> None:
    said = told([Check("quota", lambda: (_ for _ in ()).throw(error("AccessDenied", "ListServiceQuotas")))])
    assert not said.failed and said.data[0]["state"] == "unknown"
    assert said.data[0]["remedy"] == "use credentials that may call ListServiceQuotas"


def test_anything_wrong_is_an_exit_code(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cli, "_stage", lambda _: None)
    monkeypatch.setattr(doctor, "checks", lambda _: [Check("region", lambda: Answer("wrong", "mars-1", "set it"))])
    with pytest.raises(SystemExit) as caught:
        cli.main(["doctor"])
    assert caught.value.code == 1
    assert capsys.readouterr().out == "WRONG   region: mars-1\n        set it\n1 wrong\n"
