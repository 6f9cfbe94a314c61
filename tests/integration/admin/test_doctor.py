"""What the doctor says of an account that the local cloud cannot be made to look like."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from admin import cli, doctor
from admin.checks import Answer, Check, told
from admin.stage import Stage
from fitting_room.clock import Clock
from fitting_room.providers.catalogue import entry
from fitting_room.settings import settings
from fitting_room.stores import provider_keys
from tests.integration.conftest import DEPLOYMENT
from tests.integration.world import World


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


class Unreachable:
    """Every call of an AWS client ends as it does in a region that does not exist."""

    def __getattr__(self, _: str) -> Any:
        def call(*_: Any, **__: Any) -> Any:
            raise EndpointConnectionError(endpoint_url="https://sts.mars-1.amazonaws.com/")

        return call


def doctors(monkeypatch: pytest.MonkeyPatch, client: Any, region: str = "us-east-1") -> dict[str, Any]:
    """What the doctor says of a stage that this client tells of: each check's answer by its name."""
    stage = Stage("dev", boto3.Session(region_name=region), Clock())
    monkeypatch.setattr(stage, "client", lambda *_, **__: client)
    said = told(doctor.checks(stage))
    assert said.failed
    return {answer["check"]: answer for answer in said.data}


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("UPDATE_COMPLETE", "ok"),
        ("UPDATE_ROLLBACK_COMPLETE", "ok"),
        ("UPDATE_IN_PROGRESS", "unknown"),
        ("UPDATE_ROLLBACK_FAILED", "wrong"),
    ],
)
def test_a_stack_is_not_wrong_while_it_is_deployed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, status: str, state: str
) -> None:
    asked = client(stage, monkeypatch, describe_stacks=lambda **_: {"Stacks": [{"StackStatus": status}]})
    said = told([Check("stack", lambda: doctor._stack(asked, asked.service))])
    assert (said.data[0]["state"], said.failed) == (state, state == "wrong")
    assert status in said.data[0]["detail"]


def test_a_first_deployment_that_failed_is_a_line_and_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    class RolledBack(Unreachable):
        def describe_stacks(self, StackName: str) -> Any:  # noqa: N803
            return {"Stacks": [{"StackName": StackName, "StackStatus": "ROLLBACK_COMPLETE"}]}

    found = doctors(monkeypatch, RolledBack())
    stack = found["stack FittingRoom-dev-Service"]
    assert (stack["state"], stack["detail"]) == ("wrong", "ROLLBACK_COMPLETE") and "events" in stack["remedy"]
    assert found["stage"]["state"] == "wrong" and "ROLLBACK_COMPLETE" in found["stage"]["detail"]


def test_a_region_that_does_not_exist_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    found = doctors(monkeypatch, Unreachable(), "mars-1")
    assert found["region"]["detail"] == "boto3 knows no region mars-1" and "--region" in found["region"]["remedy"]
    assert found["credentials"]["state"] == "unknown"
    assert found["stage"]["state"] == "wrong"


@pytest.mark.parametrize(
    ("options", "variable", "region"),
    [
        (["--region", "eu-west-1"], "us-west-2", "eu-west-1"),
        ([], "us-west-2", "us-west-2"),
        ([], "", "eu-north-1"),
    ],
)
def test_the_region_is_that_of_the_option_or_of_aws_region_or_the_default_one(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    variable: str,
    region: str,
) -> None:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_REGION", variable)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    monkeypatch.setattr(doctor, "checks", lambda stage: [Check("region", lambda: doctor._region(stage))])
    cli.main(["doctor", *options])
    assert f"region: {region}\n" in capsys.readouterr().out


def test_without_credentials_the_doctor_says_how_to_send_them(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def call() -> Any:
        raise NoCredentialsError

    answer = doctor._credentials(client(stage, monkeypatch, get_caller_identity=call))
    assert answer.state == "wrong" and "--profile" in answer.remedy


def test_an_api_without_its_dns_record_is_wrong(stage: Stage) -> None:
    stage.address = "http://127.0.0.1:9"
    answer = doctor._api(stage)
    assert answer.state == "wrong" and "cannot be reached" in answer.detail and "DomainTarget" in answer.remedy


@pytest.mark.parametrize(("name", "state"), [("dev", "ok"), ("prod", "wrong")])
def test_production_without_an_alarm_is_wrong(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, name: str, state: str
) -> None:
    stage.name = name
    answer = doctor._alarms(client(stage, monkeypatch, get_paginator=pages(MetricAlarms=[])))
    assert answer.state == state and "alarm_email" in answer.detail + answer.remedy


TOPIC = "arn:aws:sns:us-east-1:123456789012:AlarmTopic"
CONFIRMED, UNCONFIRMED = f"{TOPIC}:0a1b", "PendingConfirmation"
RESTING: dict[str, Any] = {
    "AlarmName": "ApiErrors",
    "AlarmDescription": "The API answers 5xx.",
    "ActionsEnabled": True,
    "AlarmActions": [TOPIC],
    "StateValue": "OK",
}


@pytest.mark.parametrize(
    ("changes", "subscriptions", "state", "says"),
    [
        ({}, [UNCONFIRMED, CONFIRMED], "ok", "1, and none rings"),
        ({}, [UNCONFIRMED], "wrong", "open the link in the mail"),
        ({}, [], "wrong", "nobody is subscribed"),
        ({"ActionsEnabled": False}, [CONFIRMED], "wrong", "1 of 1 tell nobody, such as ApiErrors"),
        ({"AlarmActions": []}, [CONFIRMED], "wrong", "1 of 1 tell nobody, such as ApiErrors"),
        ({"StateValue": "ALARM"}, [CONFIRMED], "wrong", "The API answers 5xx."),
    ],
)
def test_alarms_that_reach_nobody_or_ring_are_wrong(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    subscriptions: list[str],
    state: str,
    says: str,
) -> None:
    found = {"Subscriptions": [{"SubscriptionArn": each} for each in subscriptions]}
    asked = client(
        stage,
        monkeypatch,
        get_paginator=pages(MetricAlarms=[RESTING | changes]),
        list_subscriptions_by_topic=lambda TopicArn: found,  # noqa: N803
    )
    answer = doctor._alarms(asked)
    assert answer.state == state and says in answer.detail + answer.remedy


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


def test_a_model_that_only_the_default_names_may_end(
    world: World, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    nova, gone = entry("nova_canvas"), raising("ResourceNotFoundException")
    monkeypatch.setattr(stage, "function", lambda _: {"Environment": {"Variables": {}}})
    asked = client(stage, monkeypatch, get_foundation_model=gone)
    world.at.moment = datetime(2026, 11, 26, tzinfo=UTC)
    assert doctor._model(asked, nova, nova.models[0]).state == "ok"
    chosen = {**DEPLOYMENT, "bedrock_regions": {"nova_canvas": "us-east-1", "stability": "us-west-2"}}
    monkeypatch.setenv("DEPLOYMENT", json.dumps(chosen))
    settings.cache_clear()
    answer = doctor._model(asked, nova, nova.models[0])
    assert answer.state == "wrong" and "`bedrock_regions` without nova_canvas" in answer.remedy


def test_a_provider_whose_models_have_all_ended_is_of_no_use(world: World, stage: Stage) -> None:
    assert doctor._providers(stage) == Answer("ok", "nova_canvas")
    world.at.moment = datetime(2026, 11, 26, tzinfo=UTC)
    answer = doctor._providers(stage)
    assert answer.state == "wrong" and "provider set" in answer.remedy
    provider_keys.store("fashn", None, world.at.now())
    world.at.moment += timedelta(minutes=1)
    assert doctor._providers(stage) == Answer("ok", "fashn")


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
