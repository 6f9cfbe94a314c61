"""Queries of Logs Insights by title. docs/operations.md says which question each answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from aws_cdk import aws_logs as logs


@dataclass(frozen=True)
class Query:
    groups: Iterable[logs.ILogGroup]
    parts: dict[str, Any] = field(default_factory=dict)


def queries(functions: list[logs.ILogGroup], settle: logs.ILogGroup, access: logs.ILogGroup) -> dict[str, Query]:
    """Return the queries that are stored with a stage.

    `functions`: the log groups of all functions, `settle`: of the one that ends jobs, `access`: of the API's stage.
    """
    return {
        "All of one job": Query(
            functions,
            {
                "fields": ["@timestamp", "level", "message", "location", "@log"],
                "filter_statements": ['job_id = "job_PUT_THE_ID_HERE"'],
                "sort": "@timestamp asc",
            },
        ),
        "Why jobs fail": Query(
            [settle],
            {
                "filter_statements": ['message = "job settled" and status = "failed"'],
                "stats_statements": ["count() as jobs, latest(job_id) as example by code"],
                "sort": "jobs desc",
            },
        ),
        "Crashes": Query(
            functions,
            {
                "filter_statements": ['message = "crashed"'],
                "stats_statements": ["count() as times, latest(job_id) as example by error, places.0, @log"],
                "sort": "times desc",
            },
        ),
        "Errors and warnings": Query(
            functions,
            {
                "fields": ["@timestamp", "level", "message", "job_id", "@log"],
                "filter_statements": ['level in ["ERROR", "WARNING"]'],
                "sort": "@timestamp desc",
                "limit": 200,
            },
        ),
        "Answers 5xx of the API": Query(
            [access],
            {
                "fields": ["time", "requestId", "routeKey", "status", "latency", "integrationError"],
                "filter_statements": ["status >= 500"],
                "sort": "time desc",
            },
        ),
    }
