"""Who may do what: one page to review. Nothing is granted anywhere else but logs, traces, queues and the machine's calls."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn

from fitting_room.providers import catalogue
from fitting_room.providers.base import Model
from infra import items
from infra.config import StageConfig
from infra.constructs.service_function import ServiceFunction
from infra.functions import Functions
from infra.storage_stack import StorageStack

_KEY_ACTIONS = ("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "ReEncryptFrom", "ReEncryptTo")


class Permissions:
    def __init__(
        self,
        functions: Functions,
        config: StageConfig,
        storage: StorageStack,
        jobs: sfn.StateMachine,
        batches: sfn.StateMachine,
        webhooks: sqs.Queue,
        drops: sqs.Queue,
    ) -> None:
        self.functions, self.webhooks, self.drops = functions, webhooks, drops
        self.jobs, self.batches = jobs, batches
        self.stack = cdk.Stack.of(jobs)
        self.tenant_buckets = sorted(config.deployment.tenant_buckets)
        self.regions = config.deployment.bedrock_regions
        self.endpoints = {each.endpoint for each in config.deployment.sagemaker.values()}
        self.secrets = list(storage.provider_secrets.values())
        self.key_arn = storage.key_arn
        self.table, self.inbox, self.media = storage.table_arn, storage.inbox_arn, storage.media_arn

    def grant(self) -> None:
        self._items()
        self._pictures()
        self._batches()
        self._absences()
        self._vendors()
        self._executions()
        self._webhooks()
        self._encryption()

    def _items(self) -> None:
        """Allow each function the rows of `items.py`, by their partition keys.

        All that a function writes is one statement: a transaction may be judged by all of its keys at once. Without the
        check for `Null`, a request that names no key would pass.
        """
        for name, function in self.functions.by_name().items():
            for actions, keys in (items.of(name, writes=writes) for writes in (False, True)):
                if keys:
                    function.add_to_role_policy(
                        iam.PolicyStatement(
                            actions=[f"dynamodb:{action}" for action in actions],
                            resources=[self.table],
                            conditions={
                                "ForAllValues:StringLike": {"dynamodb:LeadingKeys": keys},
                                "Null": {"dynamodb:LeadingKeys": "false"},
                            },
                        )
                    )
        self.functions.sweep.allow(["dynamodb:Query"], [f"{self.table}/index/due"])
        for function in (self.functions.api, self.functions.finish):
            function.allow(["dynamodb:Query"], [f"{self.table}/index/listed"])

    def _pictures(self) -> None:
        functions, get, put = self.functions, "s3:GetObject", "s3:PutObject"
        for folder in ("uploads/", "drop/"):  # what a form may write
            self._objects(functions.api, put, self.inbox, folder)
        for function in (functions.api, functions.ingest):  # both submit and retry: a retry copies what the old job had
            for bucket, folder in ((self.inbox, "uploads/"), (self.inbox, "drop/"), (self.media, "staging/")):
                self._objects(function, get, bucket, folder)
            self._objects(function, put, self.media, "staging/")
        self._objects(functions.api, get, self.media, "results/")
        if dialect := functions.bedrock_dialect:
            self._objects(dialect, put, self.media, "staging/")
            self._objects(dialect, get, self.media, "results/")
            self._objects(dialect, "s3:DeleteObject", self.media, "staging/")  # what a refused job left
        self._objects(functions.prepare, get, self.inbox, "")
        self._objects(functions.prepare, get, self.media, "")
        self._objects(functions.prepare, put, self.media, "staging/")
        self._objects(functions.prepare, put, self.media, "results/")  # the copies of an earlier result
        for function in (*functions.starts.values(), functions.poll):
            self._objects(function, get, self.media, "staging/")
            self._objects(function, put, self.media, "staging/")
        self._objects(functions.collect, get, self.media, "staging/")
        for function in (functions.collect, functions.settle, functions.ingest, functions.sweep):
            self._objects(function, put, self.media, "results/")
        for bucket, prefixes in ((self.media, ("staging/", "results/")), (self.inbox, ("uploads/", "drop/"))):
            for prefix in prefixes:
                self._objects(functions.erase, "s3:DeleteObject", bucket, prefix)
        self._objects(functions.erase, get, self.media, "results/*/drop/")  # whose an object is: jobs share a folder
        # what was written while its job was erased, and the result of an earlier try in a drop folder
        for function in (functions.collect, functions.settle, functions.sweep, functions.ingest, functions.prepare):
            self._objects(function, "s3:DeleteObject", self.media, "results/")
        for function in (
            functions.api,
            functions.ingest,
            functions.prepare,
            *functions.starts.values(),
            functions.poll,
        ):  # what a refused job left, too
            self._objects(function, "s3:DeleteObject", self.media, "staging/")

    def _batches(self) -> None:
        """Allow what manifests, rows and reports need, and the other buckets that tenants may name images in."""
        functions, get, put = self.functions, "s3:GetObject", "s3:PutObject"
        for prefix in ("uploads/", "drop/"):
            self._objects(functions.expand, get, self.inbox, prefix)
            self._objects(functions.admit, get, self.inbox, prefix)  # whether an upload is there
        for prefix in ("staging/", "results/"):
            self._objects(functions.expand, get, self.media, prefix)
        self._objects(functions.expand, put, self.media, "staging/")
        self._objects(functions.expand, "s3:DeleteObject", self.media, "staging/")
        self._objects(functions.admit, put, self.media, "staging/")
        self._objects(functions.admit, "s3:DeleteObject", self.media, "staging/")  # what a refused row left
        self._objects(functions.finish, get, self.media, "results/")
        self._objects(functions.finish, put, self.media, "results/")
        self._objects(functions.finish, "s3:DeleteObject", self.media, "results/")  # what a drop folder was told before
        for bucket in (f"arn:{cdk.Aws.PARTITION}:s3:::{name}" for name in self.tenant_buckets):
            for function in (functions.api, functions.expand, functions.prepare):
                self._objects(function, get, bucket, "")
                function.allow(["s3:ListBucket"], [bucket])

    def _absences(self) -> None:
        """Allow ListBucket to the functions that may meet a missing object: an unfinished upload, an expired image.

        Without it S3 answers 403 for such an object, which looks like a fault of the deployment. No prefix bounds the
        permission, because a read of one object names none.
        """
        functions, action = self.functions, "s3:ListBucket"
        for function in (functions.api, functions.ingest, functions.prepare, functions.expand):
            function.allow([action], [self.inbox, self.media])
        functions.admit.allow([action], [self.inbox])
        functions.finish.allow([action], [self.media])
        reading = (*functions.starts.values(), functions.poll, functions.collect, functions.bedrock_dialect)
        for function in filter(None, reading):
            function.allow([action], [self.media])
        functions.erase.add_to_role_policy(  # it does list
            iam.PolicyStatement(
                actions=[action],
                resources=[self.media, self.inbox],
                conditions={"StringLike": {"s3:prefix": ["staging/*", "results/*", "drop/*"]}},
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
        if self.endpoints:
            functions.starts["sagemaker"].allow(["sagemaker:InvokeEndpointAsync"], self._endpoints())

    def _endpoints(self) -> list[str]:
        """Return the ARNs of the endpoints, as they are named and in lower case: SageMaker writes a name so in an ARN."""
        names = sorted(self.endpoints | {name.lower() for name in self.endpoints})
        return [self.stack.format_arn(service="sagemaker", resource="endpoint", resource_name=name) for name in names]

    def _bedrock_model(self, model: Model, region: str) -> list[str]:
        """Name a foundation model in its region; a profile needs the model behind it in every region it may use."""
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
        named = "An execution is named by its job or batch."
        # Finish ends the rows of a cancelled batch: a run that never was is started, and ends at once
        for function in (*functions.accepting, functions.finish, functions.sweep):
            function.allow(["states:StartExecution"], [self.jobs.state_machine_arn])
        functions.finish.allow(["states:StopExecution"], [self._executions_of(self.jobs)], wildcard=named)
        for function in (functions.api, functions.ingest, functions.sweep):
            function.allow(["states:StartExecution"], [self.batches.state_machine_arn])
        for executions in map(self._executions_of, (self.jobs, self.batches)):
            functions.sweep.allow(["states:DescribeExecution"], [executions], wildcard=named)
            functions.api.allow(["states:StopExecution"], [executions], wildcard=named)
        for function in (functions.api, functions.settle, functions.sweep):  # erase, and stop a provider
            function.allow(["lambda:InvokeFunction"], [functions.erase.function_arn])
        for function in filter(None, (functions.callback, functions.wake, functions.wait)):
            function.allow(["states:SendTaskSuccess"], ["*"], wildcard="It knows no resource: the token is the key.")

    def _executions_of(self, machine: sfn.StateMachine) -> str:
        return self.stack.format_arn(
            service="states",
            resource="execution",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
            resource_name=f"{machine.state_machine_name}:*",
        )

    def _webhooks(self) -> None:
        """Let events be queued where jobs are settled or events repeated, and later looks at a manifest by what looks at it."""
        for function in self.functions.telling:
            function.allow(["sqs:SendMessage"], [self.webhooks.queue_arn])
        self.functions.ingest.allow(["sqs:SendMessage"], [self.drops.queue_arn])

    def _encryption(self) -> None:
        """Allow every function the stage's own key: it encrypts the table, the buckets, the secrets and the environments."""
        if self.key_arn:
            for function in self.functions.by_name().values():
                function.allow([f"kms:{action}" for action in _KEY_ACTIONS], [self.key_arn])

    def _objects(self, function: ServiceFunction, action: str, bucket: str, prefix: str) -> None:
        function.allow([action], [f"{bucket}/{prefix}*"], wildcard="Objects are named by tenant, upload and job.")
