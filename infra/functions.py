"""Every function of the service, with its memory, timeout and environment. What each may do is in permissions.py."""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn

from fitting_room.providers.runners import RunnerName
from infra.config import StageConfig
from infra.constructs.service_function import ServiceFunction
from infra.storage_stack import StorageStack

SERVICE = "fitting-room"


class Functions:
    """All functions of a stage, as constructs of the stack itself, so that their logical ids stay.

    `starts`: by runner, the function that buys from its providers. `wake`: None where no provider answers into the media
    bucket. `bedrock_dialect`: None in a stage without that address.
    """

    def __init__(
        self, stack: cdk.Stack, config: StageConfig, storage: StorageStack, encryption_key: kms.IKey | None
    ) -> None:
        self._stack, self._config, self._encryption_key = stack, config, encryption_key
        self._made: dict[str, ServiceFunction] = {}
        self.namespace = f"FittingRoom/{config.stage}"  # stages that share an account share no alarm
        self._shared = {
            "TABLE": storage.table_name,
            "INBOX_BUCKET": storage.inbox_name,
            "MEDIA_BUCKET": storage.media_name,
            "DEPLOYMENT": config.deployment.model_dump_json(exclude_none=True),
            "POWERTOOLS_SERVICE_NAME": SERVICE,
            "POWERTOOLS_METRICS_NAMESPACE": self.namespace,
            "POWERTOOLS_LOG_LEVEL": "INFO",
        }
        keys = {"PROVIDER_SECRETS": stack.to_json_string(storage.provider_secrets)}

        self.api = self._function("Api", "http/api", 512, 29)
        self.prepare = self._function("Prepare", "job/prepare", 1769, 120)
        self.starts: dict[RunnerName, ServiceFunction] = {
            name: self._function(
                runner.state,
                runner.function,
                runner.megabytes,
                runner.seconds,
                (keys if runner.needs_key else {}) | self._elsewhere(runner.service),
            )
            for name, runner in config.runners.items()
        }
        self.poll = self._function("Poll", "job/poll", 1024, 300, keys)
        self.wait = self._function("Wait", "job/wait", 256, 10)
        self.collect = self._function("Collect", "job/collect", 1769, 120)
        self.settle = self._function("Settle", "job/settle", 512, 60)
        self.expand = self._function("Expand", "batch/expand", 1769, 900)
        self.admit = self._function("Admit", "batch/admit", 512, 30)
        self.finish = self._function("Finish", "batch/finish", 1769, 900)
        self.callback = self._function("Callback", "http/callback", 256, 10)
        self.bedrock_dialect = (
            self._function("BedrockDialect", "http/bedrock_dialect", 512, 900) if config.bedrock_dialect else None
        )
        self.wake = self._function("Wake", "event/wake", 256, 10) if config.deployment.sagemaker else None
        self.ingest = self._function("Ingest", "event/ingest", 512, 60)
        self.erase = self._function("Erase", "event/erase", 512, 120, keys)
        self.notify = self._function("Notify", "event/notify", 512, 30)  # twice what a receiver gets
        self.sweep = self._function("Sweep", "schedule/sweep", 1769, 60)  # a whole CPU
        self.watch_models = self._function(
            "WatchModels",
            "schedule/watch_models",
            512,
            120,
            self._elsewhere(*(runner.lifecycles for runner in config.runners.values())),
        )

    @property
    def starts_with_keys(self) -> list[ServiceFunction]:
        """Those that call providers with stored keys, and tell them where to call back."""
        return [self.starts[name] for name, runner in self._config.runners.items() if runner.needs_key]

    def by_name(self) -> dict[str, ServiceFunction]:
        """Return every function by the name of its construct."""
        return dict(self._made)

    def of_the_machine(self) -> dict[str, ServiceFunction]:
        """Return the function of each task of the job machine."""
        return {
            "Prepare": self.prepare,
            **{self._config.runners[name].state: function for name, function in self.starts.items()},
            "Poll": self.poll,
            "Wait": self.wait,
            "Collect": self.collect,
            "Settle": self.settle,
        }

    def of_the_batch_machine(self) -> dict[str, ServiceFunction]:
        """Return the function of each task of the batch machine."""
        return {"Expand": self.expand, "Admit": self.admit, "Finish": self.finish}

    @property
    def accepting(self) -> list[ServiceFunction]:
        """Those that take jobs from clients, and start them."""
        return [self.api, self.ingest, *filter(None, (self.bedrock_dialect,))]

    @property
    def telling(self) -> list[ServiceFunction]:
        """Those that end a job or a batch, send its event, or repeat what was not sent."""
        return [self.api, self.settle, self.finish, self.sweep, self.notify]

    def connect(
        self, jobs: sfn.StateMachine, batches: sfn.StateMachine, api_url: str, webhooks: sqs.Queue, drops: sqs.Queue
    ) -> None:
        """Tell the functions the addresses of what they call and is made of others of them."""
        for function in (*self.accepting, self.sweep, self.finish):
            function.add_environment("JOB_MACHINE_ARN", jobs.state_machine_arn)
        for function in (self.api, self.ingest, self.sweep):
            function.add_environment("BATCH_MACHINE_ARN", batches.state_machine_arn)
        for function in (self.api, self.settle, self.sweep):
            function.add_environment("ERASE_FUNCTION", self.erase.function_name)
        for function in (self.api, *self.starts_with_keys):
            function.add_environment("API_URL", api_url)
        for function in self.telling:
            function.add_environment("WEBHOOK_QUEUE", webhooks.queue_url)
        self.ingest.add_environment("DROP_QUEUE", drops.queue_url)

    def _elsewhere(self, *services: str | None) -> dict[str, str]:
        """Return the variables by which an AWS SDK finds services that the stage has at another address."""
        endpoints = self._config.deployment.endpoints
        return {
            f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}": endpoints[service]
            for service in services
            if service in endpoints
        }

    def _function(
        self, name: str, folder: str, memory: int, timeout: int, environment: Mapping[str, str] | None = None
    ) -> ServiceFunction:
        self._made[name] = ServiceFunction(
            self._stack,
            name,
            self._config,
            folder=folder,
            memory=memory,
            timeout=timeout,
            environment=self._shared | dict(environment or {}),
            encryption_key=self._encryption_key,
        )
        return self._made[name]
