"""The job machine: one execution per job, named by its id; its input is exactly `{"job_id"}`.

Functions answer with a tagged outcome (`fitting_room.jobs.outcome.Step`) and `Next` branches on it. Written as the
definition itself: CDK's Lambda task would grant every version of every function. A state that fails for good ends the
execution; the event of that, or the sweep, resumes the job in its next run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from fitting_room.providers.runners import RUNNERS
from infra.acknowledged import acknowledge_wildcard
from infra.config import StageConfig
from infra.constructs.service_function import ServiceFunction

LAST_RESORT_SECONDS = 72 * 3600  # a job may queue for 20 h and be collected for 20 h; real deadlines are data

# Nothing ran. With FULL jitter the delays add up to half of their sum: half an hour on average.
_THROTTLED = {
    "ErrorEquals": ["Lambda.TooManyRequestsException"],
    "IntervalSeconds": 1,
    "MaxAttempts": 130,
    "BackoffRate": 2,
    "MaxDelaySeconds": 30,
    "JitterStrategy": "FULL",
}


def _again(*, attempts: int, longest: int) -> dict[str, Any]:
    """Run a function again that failed in any way: its record says what was done, and a claim that nothing is bought twice."""
    return {
        "ErrorEquals": ["States.ALL"],
        "IntervalSeconds": 2,
        "MaxAttempts": attempts,
        "BackoffRate": 2,
        "MaxDelaySeconds": longest,
        "JitterStrategy": "FULL",
    }


# What comes before a purchase is left to the next run after a while. What comes after one is not given up: 7 h of looking
# outlive each deadline and the six hours after it, 20 h of collecting any outage. Settling has no end: the sweep goes on.
_BEFORE = _again(attempts=8, longest=30)
_LOOKING = _again(attempts=850, longest=60)
_STORING = _again(attempts=490, longest=300)

CALLBACK_SECONDS = {"soon": 20, "later": 120}
"""How long a callback is awaited before the status is read without it. Literals, so that a history's length can be reckoned."""


class JobWorkflow(Construct):
    """`functions` maps each task state to the function it calls, and `Wait` to the one that both waits for a callback call."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        config: StageConfig,
        functions: Mapping[str, ServiceFunction],
        encryption_key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, construct_id)
        # Below this prefix, log delivery needs no entry in a resource policy of limited size.
        log_group = logs.LogGroup(
            self,
            "Log",
            retention=config.log_retention,
            removal_policy=cdk.RemovalPolicy.DESTROY,
            log_group_name=f"/aws/vendedlogs/states/fitting-room-{config.stage}-job",
            encryption_key=encryption_key,
        )
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("states.amazonaws.com"))
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["lambda:InvokeFunction"], resources=[function.function_arn for function in functions.values()]
            )
        )
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            role=role,
            state_machine_type=sfn.StateMachineType.STANDARD,
            tracing_enabled=True,
            definition_body=sfn.DefinitionBody.from_string(json.dumps(_definition(functions))),
            definition_substitutions={name: function.function_arn for name, function in functions.items()},
            logs=sfn.LogOptions(destination=log_group, level=sfn.LogLevel.ALL, include_execution_data=False),
        )
        acknowledge_wildcard(role, "*", "Neither X-Ray nor log delivery has a resource to name.")

    def on_broken(self) -> events.EventPattern:
        """Match the executions that ended without settling their job.

        Such events are best effort: the sweep is the proof.
        """
        return events.EventPattern(
            source=["aws.states"],
            detail_type=["Step Functions Execution Status Change"],
            detail={"stateMachineArn": [self.machine.state_machine_arn], "status": ["FAILED", "TIMED_OUT", "ABORTED"]},
        )


def _definition(functions: Mapping[str, ServiceFunction]) -> dict[str, Any]:
    """Return the machine in Amazon States Language, JSONata throughout."""
    runners = [runner for runner in RUNNERS.values() if runner.state in functions]

    def task(state: str, following: str, again: dict[str, Any] = _BEFORE) -> dict[str, Any]:
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
            "Retry": [_THROTTLED, again],
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
            "Retry": [_THROTTLED],
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
