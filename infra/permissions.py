"""Who may do what: one page to review. Nothing is granted anywhere else but logs, traces, queues and the machine's calls."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn

from fitting_room.providers import catalogue
from fitting_room.providers.base import Model
from infra.config import StageConfig
from infra.constructs.service_function import ServiceFunction
from infra.functions import Functions
from infra.storage_stack import StorageStack

WEBHOOK_SECRETS = "WEBHOOK_SECRETS#*"
"""Partition keys of what webhooks are signed with."""


class Permissions:
    def __init__(
        self,
        functions: Functions,
        config: StageConfig,
        storage: StorageStack,
        machine: sfn.StateMachine,
        webhooks: sqs.Queue,
    ) -> None:
        self.functions, self.machine, self.webhooks = functions, machine, webhooks
        self.stack = cdk.Stack.of(machine)
        self.regions = config.deployment.bedrock_regions
        self.secrets = list(storage.provider_secrets.values())
        self.table, self.inbox, self.media = storage.table_arn, storage.inbox_arn, storage.media_arn

    def grant(self) -> None:
        self._items()
        self._pictures()
        self._absences()
        self._vendors()
        self._executions()
        self._webhooks()

    def _items(self) -> None:
        functions = self.functions
        for function in (
            functions.api,
            functions.prepare,
            *functions.starts.values(),
            functions.poll,
            functions.collect,
            functions.settle,
            functions.ingest,
            functions.sweep,
            functions.wait,
            functions.erase,
            functions.notify,
        ):
            function.allow(["dynamodb:GetItem", "dynamodb:UpdateItem"], [self.table])
        for function in (functions.api, functions.ingest):  # a new job, and which providers are configured
            function.allow(["dynamodb:PutItem", "dynamodb:Query"], [self.table])
        for function in functions.starts.values():  # which places at a provider are taken
            function.allow(["dynamodb:Query"], [self.table])
        for function in (functions.settle, functions.sweep):  # debts: created and paid
            function.allow(["dynamodb:PutItem", "dynamodb:DeleteItem"], [self.table])
        functions.notify.allow(["dynamodb:DeleteItem"], [self.table])  # what is owed to the webhook of an erased job
        functions.erase.allow(["dynamodb:Query"], [self.table])  # whether other jobs use a file
        # an address for a vendor to call; a reference made, or gone
        for function in functions.starts_with_keys:
            function.allow(["dynamodb:PutItem", "dynamodb:DeleteItem"], [self.table])
        # a tombstone in a job's place; a subject removed
        functions.erase.allow(["dynamodb:PutItem", "dynamodb:DeleteItem"], [self.table])
        functions.callback.allow(["dynamodb:UpdateItem"], [self.table])
        functions.sweep.allow(["dynamodb:Query"], [f"{self.table}/index/due"])
        functions.watch_models.allow(["dynamodb:PutItem"], [self.table])

    def _pictures(self) -> None:
        functions, get, put = self.functions, "s3:GetObject", "s3:PutObject"
        self._objects(functions.api, get, self.inbox, "uploads/")
        self._objects(functions.api, put, self.inbox, "uploads/")
        self._objects(functions.api, put, self.media, "staging/")
        self._objects(functions.api, get, self.media, "staging/")  # a retry copies what the old job had
        self._objects(functions.api, get, self.inbox, "drop/")
        self._objects(functions.api, get, self.media, "results/")
        self._objects(functions.prepare, get, self.inbox, "")
        self._objects(functions.prepare, get, self.media, "")
        self._objects(functions.prepare, put, self.media, "staging/")
        for function in (*functions.starts.values(), functions.poll):
            self._objects(function, get, self.media, "staging/")
            self._objects(function, put, self.media, "staging/")
        self._objects(functions.collect, get, self.media, "staging/")
        self._objects(functions.ingest, get, self.inbox, "drop/")
        for function in (functions.collect, functions.settle, functions.ingest, functions.sweep):
            self._objects(function, put, self.media, "results/")
        for bucket, prefixes in ((self.media, ("staging/", "results/")), (self.inbox, ("uploads/", "drop/"))):
            for prefix in prefixes:
                self._objects(functions.erase, "s3:DeleteObject", bucket, prefix)
        # what was written while its job was erased, and the result of an earlier try in a drop folder
        for function in (functions.collect, functions.settle, functions.sweep, functions.ingest):
            self._objects(function, "s3:DeleteObject", self.media, "results/")
        for function in (
            functions.api,
            functions.prepare,
            *functions.starts.values(),
            functions.poll,
        ):  # what a refused job left, too
            self._objects(function, "s3:DeleteObject", self.media, "staging/")

    def _absences(self) -> None:
        """Allow ListBucket to the functions that may meet a missing object: an unfinished upload, an expired image.

        Without it S3 answers 403 for such an object, which looks like a fault of the deployment. No prefix bounds the
        permission, because a read of one object names none.
        """
        functions, action = self.functions, "s3:ListBucket"
        functions.api.allow([action], [self.inbox, self.media])
        functions.prepare.allow([action], [self.inbox, self.media])
        for function in (*functions.starts.values(), functions.poll, functions.collect):
            function.allow([action], [self.media])
        for function, bucket, prefixes in (  # these do list
            (functions.ingest, self.inbox, ["drop/*"]),
            (functions.erase, self.media, ["staging/*", "results/*"]),
        ):
            function.add_to_role_policy(
                iam.PolicyStatement(
                    actions=[action], resources=[bucket], conditions={"StringLike": {"s3:prefix": prefixes}}
                )
            )

    def _vendors(self) -> None:
        functions = self.functions
        for function in (*functions.starts_with_keys, functions.poll, functions.erase):
            function.allow(["secretsmanager:GetSecretValue"], self.secrets)
        on_bedrock = [
            (model, self.regions[entry.id])
            for entry in catalogue.entries()
            if entry.runner == "bedrock" and entry.id in self.regions
            for model in entry.models
        ]
        if on_bedrock:
            functions.starts["bedrock"].allow(
                ["bedrock:InvokeModel"],
                [arn for model, region in on_bedrock for arn in self._bedrock_model(model, region)],
            )
            functions.watch_models.allow(
                ["bedrock:GetFoundationModel"], [self._foundation(model, region) for model, region in on_bedrock]
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
        functions = self.functions
        for function in (functions.api, functions.ingest, functions.sweep):
            function.allow(["states:StartExecution"], [self.machine.state_machine_arn])
        executions = self.stack.format_arn(
            service="states",
            resource="execution",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
            resource_name=f"{self.machine.state_machine_name}:*",
        )
        functions.sweep.allow(["states:DescribeExecution"], [executions], wildcard="An execution is named by its job.")
        functions.api.allow(["states:StopExecution"], [executions], wildcard="An execution is named by its job.")
        for function in (functions.api, functions.settle, functions.sweep):  # erase, and stop a provider
            function.allow(["lambda:InvokeFunction"], [functions.erase.function_arn])
        for function in (functions.callback, functions.wait):
            function.allow(["states:SendTaskSuccess"], ["*"], wildcard="It knows no resource: the token is the key.")

    def _webhooks(self) -> None:
        """Let events be queued where jobs are settled or events repeated, and secrets be read where events are signed."""
        for function in self.functions.telling:
            function.allow(["sqs:SendMessage"], [self.webhooks.queue_arn])
        for function in self.functions.all_of_them():
            if function is not self.functions.notify:
                function.forbid_keys(WEBHOOK_SECRETS, self.table)

    def _objects(self, function: ServiceFunction, action: str, bucket: str, prefix: str) -> None:
        function.allow([action], [f"{bucket}/{prefix}*"], wildcard="Objects are named by tenant, upload and job.")
