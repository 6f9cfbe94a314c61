"""What can be thrown away and deployed anew: functions, the API, the job machine, events, alarms."""

from __future__ import annotations

import json
from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from fitting_room.providers import catalogue
from infra.config import StageConfig
from infra.constructs.http_api import HttpApi
from infra.constructs.job_workflow import JobWorkflow
from infra.constructs.monitoring import Monitoring
from infra.constructs.python_function import PythonFunction
from infra.permissions import Permissions
from infra.storage_stack import StorageStack

SERVICE, METRICS = "fitting-room", "FittingRoom"


class ServiceStack(cdk.Stack):
    def __init__(self, scope: Construct, construct_id: str, config: StageConfig, storage: StorageStack) -> None:
        super().__init__(scope, construct_id)
        self.config, self.storage = config, storage
        self.add_stack_dependency(storage)
        self.dead_letters = sqs.Queue(self, "DeadLetters", enforce_ssl=True, retention_period=cdk.Duration.days(14))
        self._functions()
        self.workflow = JobWorkflow(
            self,
            "Job",
            config,
            {
                "Prepare": self.prepare,
                "StartBedrock": self.start_bedrock,
                "StartHttp": self.start_http,
                "Poll": self.poll,
                "Wait": self.wait,
                "Collect": self.collect,
                "Settle": self.settle,
            },
        )
        for function in (self.api, self.ingest, self.sweep):
            function.add_environment("JOB_MACHINE_ARN", self.workflow.machine.state_machine_arn)
        for function in (self.api, self.sweep):
            function.add_environment("ERASE_FUNCTION", self.erase.function_name)
        self._keep_failures(self.erase, retry_attempts=0, max_minutes=5)  # the sweep is the retry
        Permissions(self).grant()
        self.http_api = HttpApi(self, "HttpApi", config, self.api, self.callback)
        self.start_http.add_environment(
            "CALLBACK_URL", self.http_api.url if config.callback_url is None else config.callback_url
        )
        self._sweep_every_minute()
        self._resume_broken_executions()
        self._watch_models_every_day()
        self._ingest_drops()
        if config.alarm_email:
            self._alarms(config.alarm_email)
        self._outputs()

    def _functions(self) -> None:
        config = self.config
        vendors = {"PROVIDER_ENDPOINTS": json.dumps(self._endpoints())}
        keys = {"PROVIDER_SECRETS": self.to_json_string(self.storage.provider_secrets)}
        fetches = {"FETCH_ALLOW": ",".join(config.fetch_allow)}
        plans = {
            "PRIVATE_ACCESS": ",".join(config.private_access),
            "DAILY_IMAGES": str(config.daily_images),
            "DAILY_USD": str(config.daily_usd),
            "RESULT_DAYS": str(config.result_days),
            "PROVIDER_ORDER": json.dumps(config.provider_order),
            "LEGACY_MODELS": ",".join(config.legacy_models),
            "UNMODERATED": ",".join(config.unmoderated),
        }
        own = {
            "PROVIDER_SETTINGS": json.dumps(config.provider_settings),
            "RESULT_HOSTS": json.dumps(config.result_hosts),
        }
        limits = {
            "LIMITS": json.dumps({name: limit.model_dump(exclude_none=True) for name, limit in config.limits.items()})
        }
        answers = {
            "CORS_ORIGINS": ",".join(config.cors_origins),
            "UPLOAD_DAYS": str(config.upload_days),
            "STAGING_DAYS": str(config.staging_days),
            "DAILY_TEST_JOBS": str(config.daily_test_jobs),
            "KEY_RATE": str(config.key_rate),
            "KEY_BURST": str(config.key_burst),
        }
        regions = {"BEDROCK_REGIONS": json.dumps(config.bedrock_regions)}
        bedrock = dict(regions)
        if "bedrock-runtime" in config.endpoints:
            bedrock["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] = config.endpoints["bedrock-runtime"]
        watches = dict(regions)
        if "bedrock" in config.endpoints:
            watches["AWS_ENDPOINT_URL_BEDROCK"] = config.endpoints["bedrock"]

        plans |= regions
        self.api = self._function("Api", "http/api", 512, 29, plans | answers | fetches)
        self.prepare = self._function("Prepare", "job/prepare", 1769, 120, fetches)
        self.start_bedrock = self._function("StartBedrock", "job/start_bedrock", 1024, 900, vendors | bedrock | limits)
        self.start_http = self._function(
            "StartHttp", "job/start_http", 1024, 180, vendors | keys | fetches | own | limits
        )
        self.poll = self._function("Poll", "job/poll", 1024, 300, vendors | keys | fetches | own)
        self.wait = self._function("Wait", "job/wait", 256, 10, {})
        self.collect = self._function("Collect", "job/collect", 1769, 120, {})
        self.settle = self._function("Settle", "job/settle", 512, 60, {})
        self.callback = self._function("Callback", "http/callback", 256, 10, {})
        self.ingest = self._function("Ingest", "event/ingest", 512, 60, plans | fetches)
        self.erase = self._function(
            "Erase", "event/erase", 512, 120, vendors | keys | {"PROVIDER_SETTINGS": own["PROVIDER_SETTINGS"]}
        )
        self.sweep = self._function("Sweep", "schedule/sweep", 1769, 60, {})  # a whole CPU
        self.watch_models = self._function("WatchModels", "schedule/watch_models", 512, 120, watches)

    def _endpoints(self) -> dict[str, str]:
        """Of the providers that answer elsewhere than at their own address."""
        providers = {entry.id for entry in catalogue.entries()}
        return {name: url for name, url in self.config.endpoints.items() if name in providers}

    def _function(
        self, name: str, folder: str, memory: int, timeout: int, environment: Mapping[str, str]
    ) -> PythonFunction:
        shared = {
            "TABLE": self.storage.table_name,
            "INBOX_BUCKET": self.storage.inbox_name,
            "MEDIA_BUCKET": self.storage.media_name,
            "POWERTOOLS_SERVICE_NAME": SERVICE,
            "POWERTOOLS_METRICS_NAMESPACE": METRICS,
            "POWERTOOLS_LOG_LEVEL": "INFO",
        }
        return PythonFunction(
            self,
            name,
            self.config,
            folder=folder,
            memory=memory,
            timeout=timeout,
            environment=shared | dict(environment),
        )

    def _resume_broken_executions(self) -> None:
        """By the sweep, which must start runs anyway; a function of the machine cannot depend on the machine."""
        events.Rule(
            self,
            "ExecutionBroken",
            event_pattern=self.workflow.on_broken(),
            targets=[targets.LambdaFunction(self.sweep, dead_letter_queue=self.dead_letters)],
        )

    def _sweep_every_minute(self) -> None:
        self._keep_failures(self.sweep, retry_attempts=0, max_minutes=1)  # the next minute is the retry
        events.Rule(
            self,
            "EveryMinute",
            schedule=events.Schedule.rate(cdk.Duration.minutes(1)),
            targets=[targets.LambdaFunction(self.sweep, dead_letter_queue=self.dead_letters)],
        )

    def _watch_models_every_day(self) -> None:
        self._keep_failures(self.watch_models)
        events.Rule(
            self,
            "EveryDay",
            schedule=events.Schedule.rate(cdk.Duration.days(1)),
            targets=[targets.LambdaFunction(self.watch_models, dead_letter_queue=self.dead_letters)],
        )

    def _keep_failures(
        self, function: PythonFunction, *, retry_attempts: int | None = None, max_minutes: int | None = None
    ) -> None:
        """A rule's own dead letters are what could not be delivered; this keeps what the function failed on.

        `max_minutes`: how long a throttled event is worth running. Without it events pile up for six hours.
        """
        function.configure_async_invoke(
            on_failure=destinations.SqsDestination(self.dead_letters),
            retry_attempts=retry_attempts,
            max_event_age=None if max_minutes is None else cdk.Duration.minutes(max_minutes),
        )

    def _ingest_drops(self) -> None:
        visible_again = cdk.Duration.seconds(6 * self.ingest.seconds)  # AWS's advice: six times the function's timeout
        queue = sqs.Queue(
            self,
            "Drops",
            enforce_ssl=True,
            visibility_timeout=visible_again,
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=5),
        )
        events.Rule(
            self,
            "Dropped",
            targets=[targets.SqsQueue(queue, dead_letter_queue=self.dead_letters)],
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={"bucket": {"name": [self.storage.inbox_name]}, "object": {"key": [{"prefix": "drop/"}]}},
            ),
        )
        # Bounded here, not by reserved concurrency: a new account has ten executions in all.
        self.ingest.add_event_source(
            event_sources.SqsEventSource(queue, batch_size=10, report_batch_item_failures=True, max_concurrency=2)
        )

    def _alarms(self, email: str) -> None:
        machine = self.workflow.machine
        letters = self.dead_letters.metric_approximate_number_of_messages_visible()
        not_erased = cloudwatch.Metric(
            namespace=METRICS, metric_name="ErasureFailed", statistic="Sum", dimensions_map={"service": SERVICE}
        )
        # over all providers and answers: an alarm of one metric would have to name them
        query = f'SELECT SUM(LookRefused) FROM SCHEMA("{METRICS}", provider, service, status)'  # noqa: S608
        looks_refused = cloudwatch.MathExpression(expression=query, using_metrics={})
        Monitoring(
            self,
            "Monitoring",
            email,
            {
                "Fitting Room has dead letters: read the DeadLetters queue.": letters,
                "Fitting Room executions failed: their jobs are resumed.": machine.metric_failed(),
                "Fitting Room executions were aborted.": machine.metric_aborted(),
                "Fitting Room's sweep fails: starts, resumed runs and results wait.": self.sweep.metric_errors(),
                "A provider of Fitting Room does not delete its copies: see the log of the erase function.": not_erased,
                "A provider of Fitting Room refuses status reads: see the metric LookRefused.": looks_refused,
            },
            {
                f"Fitting Room's models of {catalogue.entry(provider).title} end soon or have ended: see"
                " GET /v1/providers.": self._days_to_end_of_life(provider)
                for provider in self.config.bedrock_regions
                if provider not in self.config.private_access
            },
        )

    def _days_to_end_of_life(self, provider: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=METRICS,
            metric_name="DaysToEndOfLife",
            statistic="Minimum",
            dimensions_map={"provider": provider, "service": SERVICE},
            period=cdk.Duration.days(1),
        )

    def _outputs(self) -> None:
        for name, value in {
            "ApiUrl": self.http_api.url,
            "TableName": self.storage.table_name,
            "InboxBucket": self.storage.inbox_name,
            "MediaBucket": self.storage.media_name,
            "ApiFunction": self.api.function_name,
            "JobMachineArn": self.workflow.machine.state_machine_arn,
            "ProviderSecrets": self.to_json_string(self.storage.provider_secrets),
            "ProviderEndpoints": json.dumps(self._endpoints()),
        }.items():
            cdk.CfnOutput(self, name, value=value)
