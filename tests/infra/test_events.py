"""Rules, queues and the schedule: nothing is lost on the way, and nothing starts more than it should."""

from __future__ import annotations

from typing import Any

from fitting_room.actions.requests import delete
from fitting_room.actions.upkeep import notify
from tests.infra.synthesized import Synthesized


def _rule(stage: Synthesized, start: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A rule and its only target."""
    _, rule = stage.service.one("AWS::Events::Rule", start)
    (target,) = rule["Targets"]
    return rule, target


def _arn(stage: Synthesized, kind: str, start: str) -> str:
    return f"${{{stage.service.one(kind, start)[0]}.Arn}}"


def _source(stage: Synthesized, queue: str) -> dict[str, Any]:
    """What hands a queue's messages to its function."""
    arn = _arn(stage, "AWS::SQS::Queue", queue)
    sources = stage.service.of("AWS::Lambda::EventSourceMapping").values()
    (found,) = (source for source in sources if source["EventSourceArn"] == arn)
    return found


def _function(stage: Synthesized, name: str) -> str:
    (found,) = (i for i in stage.service.of("AWS::Lambda::Function") if i[:-8] == name)
    return found


def test_every_rule_keeps_what_it_could_not_deliver(stage: Synthesized) -> None:
    dead = _arn(stage, "AWS::SQS::Queue", "DeadLetters")
    targets = [target for rule in stage.service.of("AWS::Events::Rule").values() for target in rule["Targets"]]
    assert len(targets) == 5
    assert {target["DeadLetterConfig"]["Arn"] for target in targets} == {dead}


def test_functions_that_events_call_keep_what_they_failed_on(stage: Synthesized) -> None:
    dead = _arn(stage, "AWS::SQS::Queue", "DeadLetters")
    kept = {config["FunctionName"]: config for config in stage.service.of("AWS::Lambda::EventInvokeConfig").values()}
    assert kept.keys() == {f"${{{_function(stage, name)}}}" for name in ("Sweep", "WatchModels", "Erase")}
    assert {config["DestinationConfig"]["OnFailure"]["Destination"] for config in kept.values()} == {dead}
    sent = {
        role
        for role, statement in stage.statements()
        if "sqs:SendMessage" in statement["Action"] and dead in statement["Resource"]
    }
    assert sent == {"Sweep", "WatchModels", "Erase"}


def test_an_execution_that_broke_is_resumed(stage: Synthesized) -> None:
    for name, workflow in (("ExecutionBroken", "Job"), ("BatchBroken", "Batch")):
        rule, target = _rule(stage, name)
        machine, _ = stage.service.one("AWS::StepFunctions::StateMachine", f"{workflow}Machine")
        assert rule["EventPattern"] == {
            "source": ["aws.states"],
            "detail-type": ["Step Functions Execution Status Change"],
            "detail": {"stateMachineArn": [f"${{{machine}}}"], "status": ["FAILED", "TIMED_OUT", "ABORTED"]},
        }
        assert target["Arn"] == f"${{{_function(stage, 'Sweep')}.Arn}}"


def test_the_sweep_runs_every_minute_and_the_next_minute_is_its_retry(stage: Synthesized) -> None:
    rule, target = _rule(stage, "EveryMinute")
    sweep = _function(stage, "Sweep")
    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(1 minute)", "ENABLED")
    assert target["Arn"] == f"${{{sweep}.Arn}}"
    (config,) = (
        c for c in stage.service.of("AWS::Lambda::EventInvokeConfig").values() if c["FunctionName"] == f"${{{sweep}}}"
    )
    assert config["MaximumRetryAttempts"] == 0


def test_bedrock_is_asked_about_its_models_every_day(stage: Synthesized) -> None:
    rule, target = _rule(stage, "EveryDay")
    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(1 day)", "ENABLED")
    assert target["Arn"] == f"${{{_function(stage, 'WatchModels')}.Arn}}"


def test_only_files_below_drop_reach_the_queue(stage: Synthesized) -> None:
    rule, target = _rule(stage, "Dropped")
    assert rule["EventPattern"] == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": ["${InboxA8E05DC3}"]}, "object": {"key": [{"prefix": "drop/"}]}},
    }
    assert target["Arn"] == _arn(stage, "AWS::SQS::Queue", "Drops")


def test_drops_are_taken_a_few_at_a_time_and_a_bad_one_alone_is_repeated(stage: Synthesized) -> None:
    source = _source(stage, "Drops")
    assert source["ScalingConfig"] == {"MaximumConcurrency": 2}
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    _, queue = stage.service.one("AWS::SQS::Queue", "Drops")
    assert queue["DelaySeconds"] == 15, "files that are copied together are seen together"
    assert queue["VisibilityTimeout"] >= 6 * stage.functions()["Ingest"]["Timeout"]
    dead = _arn(stage, "AWS::SQS::Queue", "DeadLetters")
    assert queue["RedrivePolicy"] == {"deadLetterTargetArn": dead, "maxReceiveCount": 5}


def test_webhooks_are_sent_one_at_a_time_so_that_a_slow_receiver_holds_up_no_other(stage: Synthesized) -> None:
    source = _source(stage, "Webhooks")
    assert (source["BatchSize"], source["ScalingConfig"]) == (1, {"MaximumConcurrency": 2})
    assert source["FunctionName"] == f"${{{_function(stage, 'Notify')}}}"
    _, queue = stage.service.one("AWS::SQS::Queue", "Webhooks")
    dead = _arn(stage, "AWS::SQS::Queue", "DeadLetters")
    assert queue["RedrivePolicy"] == {"deadLetterTargetArn": dead, "maxReceiveCount": 5}
    timeout = stage.functions()["Notify"]["Timeout"]
    assert notify.TIMEOUT < timeout < notify.LOST_SECONDS
    assert queue["VisibilityTimeout"] >= 6 * timeout
    assert queue["VisibilityTimeout"] > notify.LOST_SECONDS, "by then the sweep has had the try repeated"


def test_only_functions_that_settle_a_job_or_send_an_event_use_the_queue_of_webhooks(stage: Synthesized) -> None:
    queue, _ = stage.service.one("AWS::SQS::Queue", "Webhooks")
    told = {name for name, item in stage.functions().items() if "WEBHOOK_QUEUE" in item["Environment"]["Variables"]}
    sent = {
        role
        for role, statement in stage.statements()
        if "sqs:SendMessage" in statement["Action"] and f"${{{queue}.Arn}}" in statement["Resource"]
    }
    assert told == sent == {"Api", "Settle", "Finish", "Sweep", "Notify"}


def test_only_the_function_that_looks_at_dropped_files_has_them_looked_at_again(stage: Synthesized) -> None:
    queue, _ = stage.service.one("AWS::SQS::Queue", "Drops")
    told = {name for name, item in stage.functions().items() if "DROP_QUEUE" in item["Environment"]["Variables"]}
    sent = {
        role
        for role, statement in stage.statements()
        if "sqs:SendMessage" in statement["Action"] and f"${{{queue}.Arn}}" in statement["Resource"]
    }
    assert told == sent == {"Ingest"}


def test_dead_letters_wait_two_weeks(stage: Synthesized) -> None:
    _, queue = stage.service.one("AWS::SQS::Queue", "DeadLetters")
    assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_the_sweep_calls_the_erase_function_again_and_only_once_it_must_be_over(stage: Synthesized) -> None:
    function = _function(stage, "Erase")
    (config,) = (
        c
        for c in stage.service.of("AWS::Lambda::EventInvokeConfig").values()
        if c["FunctionName"] == f"${{{function}}}"
    )
    assert config["MaximumRetryAttempts"] == 0
    assert stage.functions()["Erase"]["Timeout"] < delete.GRACE


def test_queues_refuse_plain_http_and_let_only_our_rules_send(stage: Synthesized) -> None:
    rules = {
        _arn(stage, "AWS::Events::Rule", start)
        for start in ("Dropped", "ExecutionBroken", "BatchBroken", "EveryMinute", "EveryDay")
    }
    policies = stage.service.of("AWS::SQS::QueuePolicy").values()
    assert len(policies) == 3
    for policy in policies:
        statements = policy["PolicyDocument"]["Statement"]
        (deny,) = (s for s in statements if s["Effect"] == "Deny")
        assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for allow in (s for s in statements if s["Effect"] == "Allow"):
            assert allow["Principal"] == {"Service": "events.amazonaws.com"}
            assert allow["Condition"]["ArnEquals"]["aws:SourceArn"] in rules


def test_functions_are_called_by_their_own_rule_or_api_only(stage: Synthesized) -> None:
    permissions = stage.service.of("AWS::Lambda::Permission").values()
    allowed = {(item["FunctionName"], item["Principal"], item["SourceArn"]) for item in permissions}
    api, _ = stage.service.one("AWS::ApiGatewayV2::Api")
    gateway = f"arn:${{AWS::Partition}}:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:${{{api}}}"
    names = {
        function: f"${{{_function(stage, function)}.Arn}}" for function in ("Api", "Callback", "Sweep", "WatchModels")
    }
    assert allowed == {
        (names["Sweep"], "events.amazonaws.com", _arn(stage, "AWS::Events::Rule", "ExecutionBroken")),
        (names["Sweep"], "events.amazonaws.com", _arn(stage, "AWS::Events::Rule", "BatchBroken")),
        (names["Sweep"], "events.amazonaws.com", _arn(stage, "AWS::Events::Rule", "EveryMinute")),
        (names["WatchModels"], "events.amazonaws.com", _arn(stage, "AWS::Events::Rule", "EveryDay")),
        (names["Api"], "apigateway.amazonaws.com", f"{gateway}/*/*"),
        (names["Callback"], "apigateway.amazonaws.com", f"{gateway}/*/*/v1/callbacks/{{provider}}/{{token}}"),
    }
