"""The job machine as it is deployed. What it does, branch by branch, is in `tests/workflow`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.infra.synthesized import Synthesized


def _tasks(stage: Synthesized) -> dict[str, dict[str, Any]]:
    return {name: state for name, state in stage.job_machine()["States"].items() if state["Type"] == "Task"}


def _waiting(stage: Synthesized) -> dict[str, dict[str, Any]]:
    """The tasks that somebody else ends."""
    return {name: task for name, task in _tasks(stage).items() if task["Resource"].endswith(".waitForTaskToken")}


def _calling(stage: Synthesized) -> dict[str, dict[str, Any]]:
    return {name: task for name, task in _tasks(stage).items() if name not in _waiting(stage)}


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        for item in value.values():
            yield from _keys(item)
    elif isinstance(value, list):
        for item in value:
            yield from _keys(item)


def test_a_purchase_is_repeated_only_when_nothing_ran(stage: Synthesized) -> None:
    for name in ("StartBedrock", "StartHttp"):
        assert [retry["ErrorEquals"] for retry in _tasks(stage)[name]["Retry"]] == [["Lambda.TooManyRequestsException"]]


def test_what_may_be_repeated_is_with_backoff_and_full_jitter(stage: Synthesized) -> None:
    for name, task in _tasks(stage).items():
        errors = [error for retry in task["Retry"] for error in retry["ErrorEquals"]]
        assert errors[0] == "Lambda.TooManyRequestsException"
        assert ("States.TaskFailed" in errors) is (name in _calling(stage) and not name.startswith("Start"))
        for retry in task["Retry"]:
            assert retry["JitterStrategy"] == "FULL"
            assert retry["BackoffRate"] > 1
            assert 3 <= retry["MaxAttempts"] <= 8


def test_a_task_is_not_given_up_while_its_function_may_still_run(stage: Synthesized) -> None:
    for name, task in _calling(stage).items():
        assert task["TimeoutSeconds"] == stage.functions()[name]["Timeout"] + 30


def test_waiting_for_a_callback_has_an_end_and_hands_over_the_token(stage: Synthesized) -> None:
    assert _waiting(stage).keys() == {"AwaitCallback", "AwaitLateCallback"}
    for task in _waiting(stage).values():
        assert task["Resource"] == "arn:aws:states:::lambda:invoke.waitForTaskToken"
        assert stage.functions()["Wait"]["Timeout"] < task["TimeoutSeconds"] <= 120
        assert task["Arguments"] == {
            "FunctionName": "Wait",
            "Payload": {
                "job_id": "{% $states.context.Execution.Input.job_id %}",
                "task_token": "{% $states.context.Task.Token %}",
            },
        }
        assert {catcher["Next"] for catcher in task["Catch"]} | {task["Next"]} == {"Poll", "WaitToPoll"}
        assert task["Catch"][-1]["ErrorEquals"] == ["States.ALL"]


def test_every_other_task_calls_the_function_of_its_name_with_the_job_s_id_and_nothing_else(stage: Synthesized) -> None:
    for name, task in _calling(stage).items():
        assert task["Resource"] == "arn:aws:states:::lambda:invoke"
        assert task["Arguments"] == {
            "FunctionName": name,
            "Payload": {"job_id": "{% $states.context.Execution.Input.job_id %}"},
        }


def test_every_failure_but_settle_s_own_is_settled(stage: Synthesized) -> None:
    for name, task in _calling(stage).items():
        expected = None if name == "Settle" else [{"ErrorEquals": ["States.ALL"], "Next": "Settle"}]
        assert task.get("Catch") == expected


def test_jsonata_throughout(stage: Synthesized) -> None:
    machine = stage.job_machine()
    assert machine["QueryLanguage"] == "JSONata"
    keys = set(_keys(machine["States"]))
    assert not [key for key in keys if re.fullmatch(r"\w*Path|Parameters|ResultSelector|QueryLanguage|Variable", key)]


def test_a_standard_machine_with_a_last_resort(stage: Synthesized) -> None:
    _, machine = stage.service.one("AWS::StepFunctions::StateMachine")
    assert machine["StateMachineType"] == "STANDARD"
    longest = 24 * 3600 + sum(task["TimeoutSeconds"] for task in _tasks(stage).values())
    assert longest < stage.job_machine()["TimeoutSeconds"] <= 48 * 3600


def test_the_history_is_logged_without_its_data_and_traced(stage: Synthesized) -> None:
    _, machine = stage.service.one("AWS::StepFunctions::StateMachine")
    logging = machine["LoggingConfiguration"]
    assert (logging["Level"], logging.get("IncludeExecutionData", False)) == ("ALL", False)
    (destination,) = logging["Destinations"]
    group, settings = stage.service.one("AWS::Logs::LogGroup", "Job")
    assert destination["CloudWatchLogsLogGroup"]["LogGroupArn"] == f"${{{group}.Arn}}"
    assert settings["LogGroupName"].startswith("/aws/vendedlogs/states/")
    assert machine["TracingConfiguration"] == {"Enabled": True}


def test_every_state_is_reached_and_every_next_exists(stage: Synthesized) -> None:
    machine = stage.job_machine()
    names = re.findall(r'"(?:Next|Default|StartAt)": "(\w+)"', json.dumps(machine))
    assert set(names) == machine["States"].keys()
