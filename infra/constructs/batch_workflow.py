"""The batch machine: one execution per batch, named by its id; its input is exactly `{"batch_id"}`.

`Expand` reads the manifest and names the rows to run, a distributed map runs them, `Finish` brings the batch to its end. A
child of the map admits a row and runs the job machine under the job's id. JSONPath, unlike the job machine: below a JSONata
top level no state could be JSONPath, and the emulator of the local cloud reads a map's items in JSONPath only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.acknowledged import acknowledge_wildcard
from infra.config import StageConfig
from infra.constructs.service_function import ServiceFunction
from infra.constructs.workflow import BEFORE, THROTTLED, Workflow
from infra.storage_stack import StorageStack

_WAITED_FOR = "StepFunctionsGetEventsForStepFunctionsExecutionRule"
"""The rule of EventBridge by which Step Functions learns of the end of an execution that another one waits for."""


class BatchWorkflow(Workflow):
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        config: StageConfig,
        functions: Mapping[str, ServiceFunction],
        jobs: sfn.StateMachine,
        storage: StorageStack,
        encryption_key: kms.IKey | None,
    ) -> None:
        others = {"JobMachine": jobs.state_machine_arn, "MediaBucket": storage.media_name}
        definition = _definition(functions, config.deployment.batch_concurrency)
        super().__init__(scope, construct_id, config, definition, functions, encryption_key, others)
        self._let_run(jobs)
        self._let_map(storage)
        if encryption_key:  # of the object with the map's items
            self.role.add_to_policy(iam.PolicyStatement(actions=["kms:Decrypt"], resources=[encryption_key.key_arn]))

    def _let_run(self, jobs: sfn.StateMachine) -> None:
        stack = cdk.Stack.of(self)
        executions = _executions(stack, jobs.state_machine_name)
        rule = stack.format_arn(service="events", resource="rule", resource_name=_WAITED_FOR)
        for actions, resources in (
            (["states:StartExecution"], [jobs.state_machine_arn]),
            (["states:DescribeExecution", "states:StopExecution"], [executions]),
            (["events:PutTargets", "events:PutRule", "events:DescribeRule"], [rule]),
        ):
            self.role.add_to_policy(iam.PolicyStatement(actions=actions, resources=resources))
        acknowledge_wildcard(self.role, executions, "An execution is named by its job.")

    def _let_map(self, storage: StorageStack) -> None:
        """Let the map read its items, and start children of the machine itself.

        A policy of its own: the machine waits for that of its role, which cannot name the machine.
        """
        stack = cdk.Stack.of(self)
        children = _executions(stack, f"{self.machine.state_machine_name}/Rows")
        items = f"{storage.media_arn}/staging/*"
        policy = iam.Policy(self, "Map", roles=[self.role])
        for actions, resource in (
            ("states:StartExecution", self.machine.state_machine_arn),
            ("states:DescribeExecution", children),
            ("states:StopExecution", children),
            ("s3:GetObject", items),
        ):
            policy.add_statements(iam.PolicyStatement(actions=[actions], resources=[resource]))
        acknowledge_wildcard(policy, children, "Step Functions names the children of a map.")
        acknowledge_wildcard(policy, items, "The items lie in the staging of their batch.")


def _executions(stack: cdk.Stack, machine: str) -> str:
    return stack.format_arn(
        service="states",
        resource="execution",
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        resource_name=f"{machine}:*",
    )


def _definition(functions: Mapping[str, ServiceFunction], concurrency: int) -> dict[str, Any]:
    """Return the machine in Amazon States Language."""

    def task(state: str, payload: dict[str, str], following: str) -> dict[str, Any]:
        return {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": f"${{{state}}}", "Payload": payload},
            "ResultSelector": {"said.$": "$.Payload"},
            "ResultPath": "$.now",
            # Later than the function's own end: a call that may still be running is not given up.
            "TimeoutSeconds": functions[state].seconds + 30,
            "Retry": [THROTTLED, BEFORE],
            "Next": following,
        }

    def when(outcome: str, following: str) -> dict[str, str]:
        return {"Variable": "$.now.said.outcome", "StringEquals": outcome, "Next": following}

    def wait(following: str) -> dict[str, str]:
        return {"Type": "Wait", "SecondsPath": "$.now.said.wait", "Next": following}

    batch = {"batch_id.$": "$.batch_id"}
    run = {
        "Type": "Task",
        "Resource": "arn:aws:states:::states:startExecution.sync:2",
        "Parameters": {
            "StateMachineArn": "${JobMachine}",
            "Name.$": "$.now.said.job_id",
            "Input": {"job_id.$": "$.now.said.job_id"},
        },
        "ResultPath": None,
    }

    def caught(following: str) -> list[dict[str, Any]]:
        """Leave a job that runs already, or whose run breaks, to the sweep. The error's words may be the job's."""
        return [{"ErrorEquals": ["States.ALL"], "ResultPath": None, "Next": following}]

    child = {
        "Admit": task("Admit", {"batch.$": "$.batch", "rows.$": "$.rows"}, "Admitted"),
        "Admitted": {
            "Type": "Choice",
            "Choices": [when("admitted", "Run"), when("first", "RunFirst"), when("wait", "Rest")],
            "Default": "Done",
        },
        "Run": {**run, "Catch": caught("Done"), "End": True},
        # Rows that ask for the same: the next one finds what this one made.
        "RunFirst": {**run, "Catch": caught("Admit"), "Next": "Admit"},
        "Rest": wait("Admit"),
        "Done": {"Type": "Succeed"},
    }
    return {
        "StartAt": "Expand",
        "States": {
            "Expand": task("Expand", batch, "Expanded"),
            "Expanded": {"Type": "Choice", "Choices": [when("rows", "Rows")], "Default": "Finish"},
            "Rows": {
                "Type": "Map",
                "Label": "Rows",
                "ItemReader": {
                    "Resource": "arn:aws:states:::s3:getObject",
                    "ReaderConfig": {"InputType": "JSONL"},
                    "Parameters": {"Bucket": "${MediaBucket}", "Key.$": "$.now.said.items"},
                },
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                    "StartAt": "Admit",
                    "States": child,
                },
                "MaxConcurrency": concurrency,
                # One child that crashes must not abort others that have bought.
                "ToleratedFailurePercentage": 100,
                "ResultPath": None,
                "Catch": caught("Finish"),
                "Next": "Finish",
            },
            "Finish": task("Finish", batch, "Finished"),
            "Finished": {
                "Type": "Choice",
                "Choices": [when("look", "Look"), when("more", "Again")],
                "Default": "Done",
            },
            "Look": wait("Finish"),
            "Again": wait("Expand"),
            "Done": {"Type": "Succeed"},
        },
    }
