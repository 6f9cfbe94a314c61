"""Logs and metrics. Nothing about a person, a picture, a key or a link is ever logged; a job's id is enough to find it."""

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit

logger = Logger()
metrics = Metrics()

__all__ = ["MetricUnit", "logger", "metrics"]
