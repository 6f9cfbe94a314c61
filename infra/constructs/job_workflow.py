"""The job machine: one execution per job, named by its id; its input is exactly `{"job_id"}`.

Functions answer with a tagged outcome (`fitting_room.jobs.outcome.Step`) and `Next` branches on it. A state that fails
for good ends the execution; the event of that, or the sweep, resumes the job in its next run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aws_cdk import aws_kms as kms
from constructs import Construct

from fitting_room.providers.runners import RUNNERS
from infra.config import StageConfig
from infra.constructs.service_function import ServiceFunction
from infra.constructs.workflow import BEFORE, THROTTLED, Workflow, again

LAST_RESORT_SECONDS = 72 * 3600  # a job may queue for 20 h and be collected for 20 h; real deadlines are data

# What comes before a purchase is left to the next run after a while. What comes after one is not given up: 7 h of looking
# outlive each deadline and the six hours after it, 20 h of collecting any outage. Settling has no end: the sweep goes on.
_LOOKING = again(attempts=850, longest=60)
_STORING = again(attempts=490, longest=300)

CALLBACK_SECONDS = {"soon": 20, "later": 120}
"""How long a callback is awaited before the status is read without it. Literals, so that a history's length can be reckoned."""


class JobWorkflow(Workflow):
    """`functions` maps each task state to the function it calls, and `Wait` to the one that both waits for a callback call."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        config: StageConfig,
        functions: Mapping[str, ServiceFunction],
        encryption_key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, construct_id, config, _definition(functions), functions, encryption_key)


def _definition(functions: Mapping[str, ServiceFunction]) -> dict[str, Any]:
    """Return the machine in Amazon States Language, JSONata throughout."""
    runners = [runner for runner in RUNNERS.values() if runner.state in functions]

    def task(state: str, following: str, again: dict[str, Any] = BEFORE) -> dict[str, Any]:
        return {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": {
                "FunctionName": f"${{{state}}}",
                "Payload": {"job_id": "{% $states.context.Execution.Input.job_id %}"},
            },
            "Output": "{% $states.result.Payload %}",
            # Later than the function's own end: a call that may still be running is not given up.
            "TimeoutSeconds": functions[state].seconds + 30,
            "Retry": [THROTTLED, again],
            "Next": following,
        }

    def callback(expected: str) -> dict[str, Any]:
        """Wait until a call with the task's token ends the state.

        Without such a call, the status is read all the same. When waiting itself is broken, it is read
        after a pause, because a loop without a pause would never rest.
        """
        seconds = CALLBACK_SECONDS[expected]
        return {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
            "Arguments": {
                "FunctionName": "${Wait}",
                "Payload": {
                    "job_id": "{% $states.context.Execution.Input.job_id %}",
                    "task_token": "{% $states.context.Task.Token %}",
                },
            },
            "TimeoutSeconds": seconds,
            "Retry": [THROTTLED],
            "Catch": [
                {"ErrorEquals": ["States.Timeout"], "Next": "Poll"},
                {"ErrorEquals": ["States.ALL"], "Output": {"wait": seconds}, "Next": "WaitToPoll"},
            ],
            "Next": "Poll",
        }

    def wait(following: str, output: dict[str, str]) -> dict[str, Any]:
        return {"Type": "Wait", "Seconds": "{% $states.input.wait %}", "Output": output, "Next": following}

    def when(following: str, **facts: str | bool) -> dict[str, str]:
        tests = [f"$states.input.{name} = {json.dumps(value)}" for name, value in facts.items()]
        return {"Condition": f"{{% {' and '.join(tests)} %}}", "Next": following}

    settle = task("Settle", "", _STORING)
    del settle["Next"]
    return {
        "QueryLanguage": "JSONata",
        "TimeoutSeconds": LAST_RESORT_SECONDS,
        "StartAt": "Prepare",
        "States": {
            "Prepare": task("Prepare", "Next"),
            "Next": {
                "Type": "Choice",
                "Choices": [
                    *(when(each.state, outcome="prepared", runner=each.name) for each in runners),
                    *(when(each.pause, outcome="busy", runner=each.name) for each in runners),
                    when("AwaitCallback", outcome="pending", callback="soon"),
                    when("AwaitLateCallback", outcome="pending", callback="later"),
                    when("WaitToPoll", outcome="pending"),
                    when("Collect", outcome="finished"),
                    when("Prepare", outcome="failed", again=True),
                ],
                "Default": "Settle",
            },
            **{each.state: task(each.state, "Next") for each in runners},
            # Straight back: a job may wait for its place for a long time, and each state costs.
            **{each.pause: wait(each.state, {"outcome": "prepared", "runner": each.name}) for each in runners},
            "AwaitCallback": callback("soon"),
            "AwaitLateCallback": callback("later"),
            "WaitToPoll": wait("Poll", {"outcome": "pending"}),
            "Poll": task("Poll", "Next", _LOOKING),
            "Collect": task("Collect", "Settle", _STORING),
            "Settle": settle | {"End": True},
        },
    }
