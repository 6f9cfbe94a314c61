"""Every alarm of a stage. docs/operations.md has a row for each name, which says what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as apigw
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn

from fitting_room.providers import catalogue
from infra.config import StageConfig
from infra.constructs.service_function import ServiceFunction
from infra.functions import SERVICE, Functions

NOTICE_DAYS = 90
_MINUTES = cdk.Duration.minutes(5)
SUM: dict[str, Any] = {"period": _MINUTES, "statistic": "Sum"}


@dataclass(frozen=True)
class Watch:
    """Ring when the metric was above `limit` in `low` of the last `of` periods; with `below`, when it was below it.

    `absent`: what a period without a value counts as.
    """

    name: str
    sentence: str
    metric: cloudwatch.IMetric
    limit: float = 0
    low: int = 1
    of: int = 1
    below: bool = False
    absent: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING


@dataclass(frozen=True)
class Watched:
    """What is there to be watched."""

    config: StageConfig
    functions: Functions
    machine: sfn.StateMachine
    batches: sfn.StateMachine
    api: apigw.HttpApi
    webhooks: sqs.Queue
    drops: sqs.Queue
    dead_letters: sqs.Queue

    def own(
        self, name: str, statistic: str = "Sum", period: cdk.Duration = _MINUTES, **dimensions: str
    ) -> cloudwatch.Metric:
        """Return a metric that the functions publish."""
        return cloudwatch.Metric(
            namespace=self.functions.namespace,
            metric_name=name,
            statistic=statistic,
            period=period,
            dimensions_map={"service": SERVICE, **dimensions},
        )

    def over(self, name: str, *dimensions: str) -> cloudwatch.MathExpression:
        """Return the sum of a metric over all values of its dimensions: an alarm of one metric would have to name them."""
        schema = ", ".join((f'"{self.functions.namespace}"', *sorted((*dimensions, "service"))))
        query = f"SELECT SUM({name}) FROM SCHEMA({schema})"  # noqa: S608  CloudWatch's own language
        return cloudwatch.MathExpression(expression=query, using_metrics={}, period=_MINUTES)


def alarms(seen: Watched) -> list[Watch]:
    functions, machine = seen.functions, seen.machine
    return [
        Watch("ApiErrors", "The API answers 5xx.", seen.api.metric_server_error(**SUM), low=2, of=3),
        Watch(
            "ApiThrottled",
            "Lambda refuses to run the API: clients get errors.",
            _throttles(functions.api, functions.callback, *filter(None, (functions.bedrock_dialect,))),
            low=2,
            of=3,
        ),
        *_of_the_dialect(functions),
        Watch(
            "JobsThrottled",
            "Lambda refuses to run steps of jobs: they wait.",
            _throttles(*functions.of_the_machine().values()),
            low=3,
            of=3,
        ),
        Watch(
            "OthersThrottled",
            "Lambda refuses to run other functions: batches, files, webhooks or erasures wait.",
            _throttles(*_others(functions)),
            low=3,
            of=3,
        ),
        Watch("InternalFailures", "Jobs fail with `internal`.", seen.own("JobFailed", code="internal")),
        Watch("AccountRefused", "A provider refuses its key or its account.", seen.over("AccountRefused", "provider")),
        Watch("ChargeUnknown", "A call that may be charged got no answer.", seen.over("ChargeUnknown", "provider")),
        Watch(
            "SweepAbsent",
            "The sweep does not run: lost starts, broken runs and results wait.",
            seen.own("SweepHeartbeat"),
            limit=1,
            low=2,
            of=2,
            below=True,
            absent=cloudwatch.TreatMissingData.BREACHING,
        ),
        Watch("SweepErrors", "The sweep fails.", functions.sweep.metric_errors(**SUM)),
        Watch("WebhooksFail", "Webhooks cannot be sent: they wait.", functions.notify.metric_errors(**SUM)),
        Watch(
            "WebhooksWait",
            "Webhooks wait for more than 30 minutes.",
            seen.webhooks.metric_approximate_age_of_oldest_message(period=_MINUTES, statistic="Maximum"),
            limit=30 * 60,  # twice the longest pause that a webhook waits in the queue on purpose
        ),
        Watch(
            "DropsWait",
            "Files in drop folders wait for more than 15 minutes.",
            seen.drops.metric_approximate_age_of_oldest_message(period=_MINUTES, statistic="Maximum"),
            limit=15 * 60,
        ),
        Watch(
            "DeadLetters",
            "Events could not be handled.",
            seen.dead_letters.metric_approximate_number_of_messages_visible(period=_MINUTES, statistic="Maximum"),
        ),
        Watch("ExecutionsFailed", "Runs of jobs broke; they are resumed.", machine.metric_failed(**SUM)),
        Watch("ExecutionsTimedOut", "Runs of jobs lasted 72 hours.", machine.metric_timed_out(**SUM)),
        Watch("BatchesBroken", "Runs of batches broke; they are resumed.", seen.batches.metric_failed(**SUM)),
        Watch("BatchesPaused", "Batches wait: a provider has no credit, or refuses its key.", seen.own("BatchPaused")),
        Watch("ReadsRefused", "A provider refuses status reads.", seen.over("LookRefused", "provider", "status")),
        Watch("CopiesRemain", "A provider does not delete its copies.", seen.own("ErasureFailed")),
        *_ends_of_models(seen),
    ]


def _of_the_dialect(functions: Functions) -> list[Watch]:
    """Watch the address of the Bedrock dialect where a stage has one. No gateway counts its answers; Lambda does."""
    if functions.bedrock_dialect is None:
        return []
    errors = functions.bedrock_dialect.metric("Url5xxCount", **SUM)
    return [Watch("DialectErrors", "The Bedrock dialect answers 5xx.", errors, low=2, of=3)]


def _others(functions: Functions) -> list[ServiceFunction]:
    """Return those that neither answer clients nor do the steps of jobs."""
    watched = [functions.api, functions.callback, functions.bedrock_dialect, *functions.of_the_machine().values()]
    return [function for function in functions.by_name().values() if function not in watched]


def _throttles(*functions: ServiceFunction) -> cloudwatch.MathExpression:
    """Add the refusals of up to ten functions: an alarm reads no more metrics."""
    named = {f"m{number}": function.metric_throttles(**SUM) for number, function in enumerate(functions)}
    added = " + ".join(f"FILL({name}, 0)" for name in named)  # a sum with a part that is missing would be missing
    return cloudwatch.MathExpression(expression=added, using_metrics=named, period=_MINUTES)


def _ends_of_models(seen: Watched) -> list[Watch]:
    """Warn of the end of a provider's models.

    One low value in three days is enough, so a day on which nobody could ask ends no alarm.
    A model that has ended does end it.
    """
    return [
        Watch(
            f"ModelsEnd-{provider}",
            f"A model of {catalogue.entry(provider).title} ends in less than {NOTICE_DAYS} days.",
            seen.own("DaysToEndOfLife", "Minimum", cdk.Duration.days(1), provider=provider),
            limit=NOTICE_DAYS,
            of=3,
            below=True,
        )
        for provider in seen.config.deployment.bedrock_regions
        if provider not in seen.config.deployment.private_access
    ]
