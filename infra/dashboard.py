"""The rows of the dashboard: what clients see, how jobs end, what the providers take and cost, and what holds it all up."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from infra.alarms import SUM, Watched

_HOUR = cdk.Duration.hours(1)


def rows(seen: Watched) -> list[list[cloudwatch.IWidget]]:
    functions, machine = seen.functions, seen.machine
    return [
        [
            _graph("Requests", seen.api.metric_count(**SUM), seen.api.metric_client_error(**SUM)),
            _graph("Answers 5xx", seen.api.metric_server_error(**SUM)),
            _graph("Latency of the API, ms", *(seen.api.metric_latency(statistic=each) for each in ("p50", "p95"))),
        ],
        [
            _graph("Jobs that succeeded or were cancelled", seen.own("JobSucceeded"), seen.own("JobCancelled")),
            _graph("Jobs that failed, by code", _search(seen, "JobFailed", "Sum", "code")),
            _graph("Seconds until a job is bought", *(seen.own("QueueTime", each) for each in ("p50", "p95"))),
        ],
        [
            _graph("Seconds of the providers, p95", _search(seen, "ProviderLatency", "p95", "provider")),
            _graph("USD an hour at list prices, by provider", _search(seen, "Spend", "Sum", "provider", _HOUR)),
            _graph(
                "Charges unknown, accounts refused",
                _search(seen, "ChargeUnknown", "Sum", "provider"),
                _search(seen, "AccountRefused", "Sum", "provider"),
            ),
        ],
        [
            _graph(
                "Runs started, failed, timed out",
                *(
                    metric(**SUM)
                    for metric in (machine.metric_started, machine.metric_failed, machine.metric_timed_out)
                ),
            ),
            _graph(
                "Executions of Lambda at once in this Region",
                _concurrency(),
                *(
                    function.metric_throttles(label=f"{name} throttled", **SUM)
                    for name, function in functions.by_name().items()
                ),
            ),
            _graph(
                "Sweeps, and what waits",
                seen.own("SweepHeartbeat"),
                seen.own("Swept"),
                seen.drops.metric_approximate_number_of_messages_visible(label="dropped files"),
                seen.dead_letters.metric_approximate_number_of_messages_visible(label="dead letters"),
            ),
        ],
    ]


def _graph(title: str, *metrics: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=8, height=6)


def _search(
    seen: Watched, name: str, statistic: str, dimension: str, period: cdk.Duration = SUM["period"]
) -> cloudwatch.IMetric:
    """Draw a line for each value of the dimension that occurs."""
    schema, seconds = f"{{{seen.functions.namespace},{dimension},service}}", period.to_seconds()
    return cloudwatch.MathExpression(
        expression=f"SEARCH('{schema} MetricName=\"{name}\"', '{statistic}', {seconds:.0f})",
        using_metrics={},
        label="",
        period=period,
    )


def _concurrency() -> cloudwatch.Metric:
    return cloudwatch.Metric(namespace="AWS/Lambda", metric_name="ConcurrentExecutions", statistic="Maximum")
