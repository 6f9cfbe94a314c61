"""Who may do what: one page to review. Nothing is granted anywhere else but logs, traces, queues and the machine's calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from fitting_room.providers import catalogue
from fitting_room.providers.base import Model
from infra.constructs.python_function import PythonFunction

if TYPE_CHECKING:
    from infra.service_stack import ServiceStack


class Permissions:
    def __init__(self, stack: ServiceStack) -> None:
        self.stack = stack
        self.table = stack.storage.table_arn
        self.inbox = stack.storage.inbox_arn
        self.media = stack.storage.media_arn
        self.machine = stack.workflow.machine

    def grant(self) -> None:
        self._items()
        self._pictures()
        self._absences()
        self._vendors()
        self._executions()

    def _items(self) -> None:
        stack = self.stack
        for function in (
            stack.api,
            stack.prepare,
            stack.start_bedrock,
            stack.start_http,
            stack.poll,
            stack.collect,
            stack.settle,
            stack.ingest,
            stack.sweep,
            stack.wait,
            stack.erase,
        ):
            function.allow(["dynamodb:GetItem", "dynamodb:UpdateItem"], [self.table])
        for function in (stack.api, stack.ingest):  # a new job, and which providers are configured
            function.allow(["dynamodb:PutItem", "dynamodb:Query"], [self.table])
        for function in (stack.start_bedrock, stack.start_http):  # which places at a provider are taken
            function.allow(["dynamodb:Query"], [self.table])
        for function in (stack.settle, stack.sweep):  # debts: created and paid
            function.allow(["dynamodb:PutItem", "dynamodb:DeleteItem"], [self.table])
        stack.erase.allow(["dynamodb:Query"], [self.table])  # whether other jobs use a file
        # an address for a vendor to call; a reference made, or gone
        stack.start_http.allow(["dynamodb:PutItem", "dynamodb:DeleteItem"], [self.table])
        # a tombstone in a job's place; a subject removed
        stack.erase.allow(["dynamodb:PutItem", "dynamodb:DeleteItem"], [self.table])
        stack.callback.allow(["dynamodb:UpdateItem"], [self.table])
        stack.sweep.allow(["dynamodb:Query"], [f"{self.table}/index/due"])
        stack.watch_models.allow(["dynamodb:PutItem"], [self.table])

    def _pictures(self) -> None:
        stack, get, put = self.stack, "s3:GetObject", "s3:PutObject"
        self._objects(stack.api, get, self.inbox, "uploads/")
        self._objects(stack.api, put, self.inbox, "uploads/")
        self._objects(stack.api, put, self.media, "staging/")
        self._objects(stack.api, get, self.media, "staging/")  # a retry copies what the old job had
        self._objects(stack.api, get, self.inbox, "drop/")
        self._objects(stack.api, get, self.media, "results/")
        self._objects(stack.prepare, get, self.inbox, "")
        self._objects(stack.prepare, get, self.media, "")
        self._objects(stack.prepare, put, self.media, "staging/")
        for function in (stack.start_bedrock, stack.start_http, stack.poll):
            self._objects(function, get, self.media, "staging/")
            self._objects(function, put, self.media, "staging/")
        self._objects(stack.collect, get, self.media, "staging/")
        self._objects(stack.ingest, get, self.inbox, "drop/")
        for function in (stack.collect, stack.settle, stack.ingest, stack.sweep):
            self._objects(function, put, self.media, "results/")
        for bucket, prefixes in ((self.media, ("staging/", "results/")), (self.inbox, ("uploads/", "drop/"))):
            for prefix in prefixes:
                self._objects(stack.erase, "s3:DeleteObject", bucket, prefix)
        # what was written while its job was erased, and the result of an earlier try in a drop folder
        for function in (stack.collect, stack.settle, stack.sweep, stack.ingest):
            self._objects(function, "s3:DeleteObject", self.media, "results/")
        for function in (
            stack.api,
            stack.prepare,
            stack.start_bedrock,
            stack.start_http,
            stack.poll,
        ):  # what a refused job left, too
            self._objects(function, "s3:DeleteObject", self.media, "staging/")

    def _absences(self) -> None:
        """Allow ListBucket to the functions that may meet a missing object: an unfinished upload, an expired image.

        Without it S3 answers 403 for such an object, which looks like a fault of the deployment. No prefix bounds the
        permission, because a read of one object names none.
        """
        stack, action = self.stack, "s3:ListBucket"
        stack.api.allow([action], [self.inbox, self.media])
        stack.prepare.allow([action], [self.inbox, self.media])
        for function in (stack.start_bedrock, stack.start_http, stack.poll, stack.collect):
            function.allow([action], [self.media])
        for function, bucket, prefixes in (  # these do list
            (stack.ingest, self.inbox, ["drop/*"]),
            (stack.erase, self.media, ["staging/*", "results/*"]),
        ):
            function.add_to_role_policy(
                iam.PolicyStatement(
                    actions=[action], resources=[bucket], conditions={"StringLike": {"s3:prefix": prefixes}}
                )
            )

    def _vendors(self) -> None:
        stack = self.stack
        secrets = list(stack.storage.provider_secrets.values())
        for function in (stack.start_http, stack.poll, stack.erase):
            function.allow(["secretsmanager:GetSecretValue"], secrets)
        used = [
            (model, stack.config.bedrock_regions[entry.id])
            for entry in catalogue.entries()
            if entry.id in stack.config.bedrock_regions
            for model in entry.models
        ]
        if used:
            stack.start_bedrock.allow(
                ["bedrock:InvokeModel"], [arn for model, region in used for arn in self._bedrock_model(model, region)]
            )
            stack.watch_models.allow(
                ["bedrock:GetFoundationModel"], [self._foundation(model, region) for model, region in used]
            )

    def _bedrock_model(self, model: Model, region: str) -> list[str]:
        """A foundation model in its region; an inference profile needs the model behind it in every region it may use."""
        if not model.inference_regions:
            return [self._foundation(model, region)]
        return [
            self._bedrock(region, "inference-profile", model.id, account=self.stack.account),
            *(self._foundation(model, each) for each in model.inference_regions),
        ]

    def _foundation(self, model: Model, region: str) -> str:
        return self._bedrock(region, "foundation-model", model.foundation, account="")

    def _bedrock(self, region: str, resource: str, name: str, *, account: str) -> str:
        return self.stack.format_arn(
            service="bedrock", region=region, account=account, resource=resource, resource_name=name
        )

    def _executions(self) -> None:
        stack = self.stack
        for function in (stack.api, stack.ingest, stack.sweep):
            function.allow(["states:StartExecution"], [self.machine.state_machine_arn])
        executions = stack.format_arn(
            service="states",
            resource="execution",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
            resource_name=f"{self.machine.state_machine_name}:*",
        )
        stack.sweep.allow(["states:DescribeExecution"], [executions], wildcard="An execution is named by its job.")
        stack.api.allow(["states:StopExecution"], [executions], wildcard="An execution is named by its job.")
        for function in (stack.api, stack.sweep):
            function.allow(["lambda:InvokeFunction"], [stack.erase.function_arn])
        for function in (stack.callback, stack.wait):
            function.allow(["states:SendTaskSuccess"], ["*"], wildcard="It knows no resource: the token is the key.")

    def _objects(self, function: PythonFunction, action: str, bucket: str, prefix: str) -> None:
        function.allow([action], [f"{bucket}/{prefix}*"], wildcard="Objects are named by tenant, upload and job.")
