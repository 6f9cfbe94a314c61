"""The job machine as it is deployed. What it does, branch by branch, is in `tests/workflow`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from fitting_room.actions.workflow import poll, queueing
from fitting_room.providers.catalogue import entries
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


def _seconds(retry: dict[str, Any]) -> float:
    """How long a retrier waits in all, on average: FULL jitter draws each delay between zero and the longest."""
    delays = (retry["IntervalSeconds"] * retry["BackoffRate"] ** n for n in range(retry["MaxAttempts"]))
    return sum(min(delay, retry["MaxDelaySeconds"]) for delay in delays) / 2


def test_every_repetition_grows_to_a_longest_pause_with_full_jitter(stage: Synthesized) -> None:
    for task in _tasks(stage).values():
        for retry in task["Retry"]:
            assert (retry["JitterStrategy"], retry["BackoffRate"]) == ("FULL", 2)
            assert retry["IntervalSeconds"] <= 2 < retry["MaxDelaySeconds"] <= 300


def test_a_function_that_could_not_run_is_waited_for_half_an_hour_everywhere(stage: Synthesized) -> None:
    for task in _tasks(stage).values():
        throttled, *_ = task["Retry"]
        assert throttled["ErrorEquals"] == ["Lambda.TooManyRequestsException"]
        assert throttled["MaxDelaySeconds"] == 30
        assert _seconds(throttled) >= 1_800


MINUTE, HOUR = 60, 3600
LASTS = {
    # before the purchase the next run comes soon enough; after it, nothing is given up
    "Prepare": MINUTE,
    "StartBedrock": MINUTE,
    "StartHttp": MINUTE,
    "Poll": 6 * HOUR,
    "Collect": 20 * HOUR,
    "Settle": 20 * HOUR,
}


def test_every_task_is_run_again_whatever_it_failed_of_for_as_long_as_its_work_is_worth(stage: Synthesized) -> None:
    assert _calling(stage).keys() == LASTS.keys()
    for name, task in _calling(stage).items():
        _, broken = task["Retry"]
        assert broken["ErrorEquals"] == ["States.ALL"]
        assert _seconds(broken) >= LASTS[name], name
    longest = {name: task["Retry"][1]["MaxDelaySeconds"] for name, task in _calling(stage).items()}
    assert longest["Collect"] == longest["Settle"] == 300
    assert longest["Poll"] == 60


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


def test_nothing_that_failed_is_settled_it_breaks_the_run_and_the_next_one_goes_on(stage: Synthesized) -> None:
    for name, task in _tasks(stage).items():
        catchers = task.get("Catch", [])
        assert "Settle" not in {catcher["Next"] for catcher in catchers}
        assert bool(catchers) is (name in _waiting(stage)), "only a wait for a callback is worth nothing by itself"


def test_jsonata_throughout(stage: Synthesized) -> None:
    machine = stage.job_machine()
    assert machine["QueryLanguage"] == "JSONata"
    keys = set(_keys(machine["States"]))
    assert not [key for key in keys if re.fullmatch(r"\w*Path|Parameters|ResultSelector|QueryLanguage|Variable", key)]


def test_a_standard_machine_with_a_last_resort(stage: Synthesized) -> None:
    _, machine = stage.service.one("AWS::StepFunctions::StateMachine", "JobMachine")
    assert machine["StateMachineType"] == "STANDARD"
    collected = 20 * HOUR
    queued = max(queueing.QUEUE_LIMIT, queueing.BATCH_QUEUE_LIMIT).total_seconds()
    looked_at = max(entry.training_deadline for entry in entries()) + poll.UNMADE.total_seconds()
    assert queued + looked_at + collected < stage.job_machine()["TimeoutSeconds"] <= 72 * HOUR


def test_the_history_is_logged_without_its_data_and_traced(stage: Synthesized) -> None:
    _, machine = stage.service.one("AWS::StepFunctions::StateMachine", "JobMachine")
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
