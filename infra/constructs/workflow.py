"""A state machine with its log and its role, written as the definition itself.

CDK's Lambda task would grant every version of every function.
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

from infra.acknowledged import acknowledge_wildcard
from infra.config import StageConfig
from infra.constructs.service_function import ServiceFunction

# Nothing ran. With FULL jitter the delays add up to half of their sum: half an hour on average.
THROTTLED = {
    "ErrorEquals": ["Lambda.TooManyRequestsException"],
    "IntervalSeconds": 1,
    "MaxAttempts": 130,
    "BackoffRate": 2,
    "MaxDelaySeconds": 30,
    "JitterStrategy": "FULL",
}


def again(*, attempts: int, longest: int) -> dict[str, Any]:
    """Run a function again that failed in any way: its record says what was done, and a claim that nothing is bought twice."""
    return {
        "ErrorEquals": ["States.ALL"],
        "IntervalSeconds": 2,
        "MaxAttempts": attempts,
        "BackoffRate": 2,
        "MaxDelaySeconds": longest,
        "JitterStrategy": "FULL",
    }


# What comes before a purchase is left to the next run after a while.
BEFORE = again(attempts=8, longest=30)


class Workflow(Construct):
    """`functions` maps each task state to the function it calls; a definition names them as `${state}`, and so `others`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        config: StageConfig,
        definition: dict[str, Any],
        functions: Mapping[str, ServiceFunction],
        encryption_key: kms.IKey | None,
        others: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        # Below this prefix, log delivery needs no entry in a resource policy of limited size.
        log_group = logs.LogGroup(
            self,
            "Log",
            retention=config.log_retention,
            removal_policy=cdk.RemovalPolicy.DESTROY,
            log_group_name=f"/aws/vendedlogs/states/fitting-room-{config.stage}-{construct_id.lower()}",
            encryption_key=encryption_key,
        )
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("states.amazonaws.com"))
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["lambda:InvokeFunction"], resources=[function.function_arn for function in functions.values()]
            )
        )
        named = {name: function.function_arn for name, function in functions.items()}
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            role=self.role,
            state_machine_type=sfn.StateMachineType.STANDARD,
            tracing_enabled=True,
            definition_body=sfn.DefinitionBody.from_string(json.dumps(definition)),
            definition_substitutions={**named, **(others or {})},
            logs=sfn.LogOptions(destination=log_group, level=sfn.LogLevel.ALL, include_execution_data=False),
        )
        acknowledge_wildcard(self.role, "*", "Neither X-Ray nor log delivery has a resource to name.")

    def on_broken(self) -> events.EventPattern:
        """Match the executions that ended without bringing their work to its end.

        Such events are best effort: the sweep is the proof.
        """
        return events.EventPattern(
            source=["aws.states"],
            detail_type=["Step Functions Execution Status Change"],
            detail={"stateMachineArn": [self.machine.state_machine_arn], "status": ["FAILED", "TIMED_OUT", "ABORTED"]},
        )
