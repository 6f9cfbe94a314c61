"""What can be thrown away and deployed anew: functions, the API, the machines, events, alarms."""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.acknowledged import acknowledge
from infra.alarms import Watched, alarms
from infra.config import StageConfig
from infra.constructs.batch_workflow import BatchWorkflow
from infra.constructs.http_api import HttpApi
from infra.constructs.job_workflow import JobWorkflow
from infra.constructs.monitoring import Monitoring
from infra.constructs.service_function import ServiceFunction
from infra.dashboard import rows
from infra.functions import Functions
from infra.permissions import Permissions
from infra.queries import queries
from infra.storage_stack import StorageStack


class ServiceStack(cdk.Stack):
    def __init__(self, scope: Construct, construct_id: str, config: StageConfig, storage: StorageStack) -> None:
        super().__init__(scope, construct_id, termination_protection=config.stage == "prod")
        self.config, self.storage = config, storage
        self.add_stack_dependency(storage)
        self.key = storage.encryption_key(self)
        self.dead_letters = sqs.Queue(
            self,
            "DeadLetters",
            enforce_ssl=True,
            retention_period=cdk.Duration.days(14),
            **self._encrypted(),
        )
        self.functions = functions = Functions(self, config, storage, self.key)
        self.dialect_url = functions.bedrock_dialect and functions.bedrock_dialect.add_function_url(
            auth_type=lambda_.FunctionUrlAuthType.NONE  # the function checks the API key itself
        )
        self.workflow = JobWorkflow(self, "Job", config, functions.of_the_machine(), self.key)
        self.batches = BatchWorkflow(
            self, "Batch", config, functions.of_the_batch_machine(), self.workflow.machine, storage, self.key
        )
        self.http_api = HttpApi(self, "HttpApi", config, functions.api, functions.callback, self.key)
        self.webhooks = webhooks = self._queue("Webhooks", functions.notify)
        together = cdk.Duration.seconds(15)  # files that are copied together are seen together
        self.drops = drops = self._queue("Drops", functions.ingest, together)
        functions.connect(self.workflow.machine, self.batches.machine, self.http_api.url, webhooks, drops)
        self._keep_failures(functions.erase, retry_attempts=0, max_minutes=5)  # the sweep is the retry
        Permissions(functions, config, storage, self.workflow.machine, self.batches.machine, webhooks, drops).grant()
        every_minute = self._sweep_every_minute()
        self._resume_broken_executions()
        self._watch_models_every_day()
        self._ingest_drops()
        # Two are enough: a queue with groups serves one tenant's slow receivers after the other tenants.
        functions.notify.add_event_source(event_sources.SqsEventSource(webhooks, batch_size=1, max_concurrency=2))
        if functions.wake:
            self._wake_for_answers(functions.wake)
        if config.alarms:
            # Behind the rule: the sweep has begun to run, or is about to, when the alarm of its absence is made.
            self._monitor().node.add_dependency(every_minute)
        self._outputs()

    def _resume_broken_executions(self) -> None:
        """Let the sweep resume broken runs.

        It must start runs anyway, and a function of the machine cannot depend on the machine.
        """
        for name, workflow in (("ExecutionBroken", self.workflow), ("BatchBroken", self.batches)):
            events.Rule(
                self,
                name,
                event_pattern=workflow.on_broken(),
                targets=[targets.LambdaFunction(self.functions.sweep, dead_letter_queue=self.dead_letters)],
            )

    def _encrypted(self) -> dict[str, Any]:
        """Say how a queue is encrypted."""
        own = {"encryption": sqs.QueueEncryption.KMS, "encryption_master_key": self.key}
        return own if self.key else {"encryption": sqs.QueueEncryption.SQS_MANAGED}

    def _sweep_every_minute(self) -> events.Rule:
        self._keep_failures(self.functions.sweep, retry_attempts=0, max_minutes=1)  # the next minute is the retry
        return events.Rule(
            self,
            "EveryMinute",
            schedule=events.Schedule.rate(cdk.Duration.minutes(1)),
            targets=[targets.LambdaFunction(self.functions.sweep, dead_letter_queue=self.dead_letters)],
        )

    def _watch_models_every_day(self) -> None:
        self._keep_failures(self.functions.watch_models)
        events.Rule(
            self,
            "EveryDay",
            schedule=events.Schedule.rate(cdk.Duration.days(1)),
            targets=[targets.LambdaFunction(self.functions.watch_models, dead_letter_queue=self.dead_letters)],
        )

    def _keep_failures(
        self, function: ServiceFunction, *, retry_attempts: int | None = None, max_minutes: int | None = None
    ) -> None:
        """Keep the events on which the function failed; a rule's dead letters hold only what could not be delivered.

        `max_minutes`: how long a throttled event is worth running. Without it events pile up for six hours.
        """
        function.configure_async_invoke(
            on_failure=destinations.SqsDestination(self.dead_letters),
            retry_attempts=retry_attempts,
            max_event_age=None if max_minutes is None else cdk.Duration.minutes(max_minutes),
        )
        if self.key:
            for action in ("kms:GenerateDataKey*", "kms:ReEncrypt*"):
                acknowledge(
                    function.own_role, "IAM5", "CDK's grant to send to an encrypted queue.", f"Action::{action}"
                )

    def _ingest_drops(self) -> None:
        events.Rule(
            self,
            "Dropped",
            targets=[targets.SqsQueue(self.drops, dead_letter_queue=self.dead_letters)],
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={"bucket": {"name": [self.storage.inbox_name]}, "object": {"key": [{"prefix": "drop/"}]}},
            ),
        )
        # Bounded here, not by reserved concurrency: a new account has ten executions in all.
        self.functions.ingest.add_event_source(
            event_sources.SqsEventSource(self.drops, batch_size=10, report_batch_item_failures=True, max_concurrency=2)
        )

    def _queue(self, name: str, function: ServiceFunction, delay: cdk.Duration | None = None) -> sqs.Queue:
        """Make a queue for a function. What it fails on five times is a dead letter."""
        return sqs.Queue(
            self,
            name,
            enforce_ssl=True,
            delivery_delay=delay,
            visibility_timeout=cdk.Duration.seconds(6 * function.seconds),  # as AWS advises
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=5),
            **self._encrypted(),
        )

    def _wake_for_answers(self, wake: ServiceFunction) -> None:
        """Look at once when an endpoint has written its answer. An event that is lost costs a job two minutes at most."""
        events.Rule(
            self,
            "Answered",
            targets=[targets.LambdaFunction(wake, dead_letter_queue=self.dead_letters)],
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={
                    "bucket": {"name": [self.storage.media_name]},
                    "object": {"key": [{"wildcard": "staging/*/sagemaker/*"}]},
                },
            ),
        )
        self._keep_failures(wake, retry_attempts=0, max_minutes=1)

    def _monitor(self) -> Monitoring:
        functions, config = self.functions, self.config
        machines = self.workflow.machine, self.batches.machine
        seen = Watched(config, functions, *machines, self.http_api.api, self.webhooks, self.drops, self.dead_letters)
        groups = [function.log_group for function in functions.by_name().values()]
        monitoring = Monitoring(
            self,
            "Monitoring",
            name=f"FittingRoom-{config.stage}",
            email=config.alarm_email,
            watches=alarms(seen),
            rows=rows(seen),
            queries=queries(groups, functions.settle.log_group, self.http_api.log_group),
            encryption_key=self.key,
        )
        cdk.CfnOutput(self, "AlarmTopic", value=monitoring.topic.topic_arn)
        return monitoring

    def _outputs(self) -> None:
        for name, value in {
            "ApiUrl": self.http_api.url,
            "TableName": self.storage.table_name,
            "InboxBucket": self.storage.inbox_name,
            "MediaBucket": self.storage.media_name,
            "ApiFunction": self.functions.api.function_name,
            "BatchMachineArn": self.batches.machine.state_machine_arn,
            "JobMachineArn": self.workflow.machine.state_machine_arn,
            "DeadLettersUrl": self.dead_letters.queue_url,
            "DropsUrl": self.drops.queue_url,
            "WebhooksUrl": self.webhooks.queue_url,
            "ProviderSecrets": self.to_json_string(self.storage.provider_secrets),
            "ProviderEndpoints": json.dumps(self.config.deployment.endpoints),
            **({"BedrockDialectUrl": self.dialect_url.url} if self.dialect_url else {}),
            **({"EncryptionKeyArn": self.storage.key_arn} if self.storage.key_arn else {}),
            **({"DomainTarget": self.http_api.domain_target} if self.http_api.domain_target else {}),
        }.items():
            cdk.CfnOutput(self, name, value=value)
