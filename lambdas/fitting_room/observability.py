"""Logs and metrics. Nothing about a person, a picture, a key or a link is ever logged; a job's id is enough to find it."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, Metrics, MetricUnit
from botocore.exceptions import ClientError

logger = Logger()
metrics = Metrics()
warnings.filterwarnings("ignore", message="No application metrics to publish")  # not every invocation ends an attempt

__all__ = ["Crash", "MetricUnit", "error_facts", "hiding_error_text", "logger", "measure", "metrics"]


class Crash(Exception):
    """Replaces an exception, so that its message is neither logged nor returned."""


def measure(values: Mapping[str, tuple[MetricUnit, float]], **dimensions: str) -> None:
    """Publish metrics with dimensions of their own.

    Metrics added to `metrics` share the dimensions of their invocation.
    """
    record = EphemeralMetrics()
    for dimension, value in dimensions.items():
        record.add_dimension(dimension, value)
    for name, (unit, amount) in values.items():
        record.add_metric(name, unit, amount)
    record.flush_metrics()


def error_facts(error: BaseException) -> dict[str, Any]:
    """Return the facts of an exception that may be logged: its type and its place.

    Its words are left out, because they may quote anything.
    """
    told = f"{error.operation_name} {error.response['Error']['Code']}" if isinstance(error, ClientError) else None
    places = [
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)[-8:]
    ]
    return {"error": type(error).__name__, "places": places, **({"aws": told} if told else {})}


@contextmanager
def hiding_error_text() -> Iterator[None]:
    """Raise a `Crash` with the type's name in place of any exception.

    Lambda logs an exception's words, and the state machine keeps them in its history. They may hold links, keys or personal
    data.
    """
    try:
        yield
    except Exception as error:
        logger.error("crashed", **error_facts(error))
        raise Crash(type(error).__name__) from None
