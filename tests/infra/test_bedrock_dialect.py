"""The address of the Bedrock dialect: only where a stage asks for it, open to all, and with a function that may do little."""

from __future__ import annotations

from typing import Any

from infra.config import StageConfig
from tests.infra.synthesized import STAGES, Synthesized
from tests.infra.test_items import may

MEDIA = "${MediaA721A567.Arn}"


def _function(stage: Synthesized) -> str:
    return next(name for name in stage.service.of("AWS::Lambda::Function") if name[:-8] == "BedrockDialect")


def test_a_stage_has_no_such_address_unless_it_asks_for_it(stage: Synthesized) -> None:
    assert not stage.service.of("AWS::Lambda::Url")
    assert "BedrockDialect" not in stage.functions()
    assert "BedrockDialectUrl" not in stage.service.outputs


def test_anybody_may_call_the_address_and_the_function_by_nothing_else(every: Synthesized) -> None:
    function = f"${{{_function(every)}.Arn}}"
    _, url = every.service.one("AWS::Lambda::Url")
    assert (url["AuthType"], url["TargetFunctionArn"]) == ("NONE", function)
    assert url.get("InvokeMode", "BUFFERED") == "BUFFERED" and "Cors" not in url
    grants: list[dict[str, Any]] = [
        permission
        for permission in every.service.of("AWS::Lambda::Permission").values()
        if permission["FunctionName"] == function
    ]
    # since October 2025 a new address needs both
    by_action = {grant.pop("Action"): grant for grant in grants}
    common = {"FunctionName": function, "Principal": "*"}
    assert by_action == {
        "lambda:InvokeFunctionUrl": {**common, "FunctionUrlAuthType": "NONE"},
        "lambda:InvokeFunction": {**common, "InvokedViaFunctionUrl": True},
    }
    assert every.service.outputs["BedrockDialectUrl"].endswith(".FunctionUrl}")


def test_the_function_waits_as_long_as_lambda_can_and_reserves_only_what_is_set(every: Synthesized) -> None:
    made = every.functions()["BedrockDialect"]
    assert (made["Timeout"], made["MemorySize"], made["ReservedConcurrentExecutions"]) == (900, 512, 10)
    own = {"stage": "dev", "bedrock_dialect": True}
    assert StageConfig.from_context(own).reserved("BedrockDialect") is None
    variables = made["Environment"]["Variables"]
    assert "JOB_MACHINE_ARN" in variables and not {"PROVIDER_SECRETS", "API_URL", "WEBHOOK_QUEUE"} & variables.keys()


def test_a_group_that_is_not_there_reserves_nothing() -> None:
    chosen = {**STAGES["prod"], "lambda_quota": 100, "reserved_concurrency": {"dialect": 50}}
    assert StageConfig.from_context(chosen).reserved("Api") is None


def test_the_function_submits_waits_and_reads_results_and_no_more(every: Synthesized) -> None:
    granted = {
        (action, resource)
        for role, statement in every.statements()
        if role == "BedrockDialect"
        for action in statement["Action"]
        for resource in statement["Resource"]
        if action.startswith(("s3:", "states:", "lambda:", "secretsmanager:", "sqs:"))
    }
    [machine] = [name for name in every.service.of("AWS::StepFunctions::StateMachine") if name.startswith("Job")]
    assert granted == {
        ("s3:PutObject", f"{MEDIA}/staging/*"),
        ("s3:DeleteObject", f"{MEDIA}/staging/*"),
        ("s3:GetObject", f"{MEDIA}/results/*"),
        ("s3:ListBucket", MEDIA),
        ("states:StartExecution", f"${{{machine}}}"),
    }
    accepted = ["JOB#a", "IDEMPOTENCY#a", "OWNER#a"]
    assert may(every, "BedrockDialect", "PutItem", accepted)
    assert may(every, "BedrockDialect", "UpdateItem", ["LEASE#dialect_waiters"])
    assert not may(every, "BedrockDialect", "UpdateItem", ["LEASE#waiters"])
    assert not may(every, "BedrockDialect", "DeleteItem", ["JOB#a"])
