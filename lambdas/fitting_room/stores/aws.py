"""The SDK clients, made once per process. S3 links must be SigV4 and regional wherever they are signed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from fitting_room.observability import error_facts, logger
from fitting_room.settings import settings

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient


class Busy(Exception):
    """A transaction met others on the same item too often, or the table was throttled. Nothing was written."""


TROUBLE = (ClientError, BotoCoreError, OSError, Busy)
"""Everything that a call to AWS raises when AWS, or the way to it, has a bad moment."""
_THROTTLED = frozenset(
    (
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "SlowDown",
        "TransactionConflictException",
    )
)
_REFUSED = _THROTTLED | {
    "TransactionCanceledException",
    "ConditionalCheckFailedException",
    "ValidationException",
    "ResourceNotFoundException",
    "AccessDeniedException",
    "UnrecognizedClientException",
    "ExpiredTokenException",
}
_QUICK = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4})


@cache
def table() -> Table:
    return boto3.resource("dynamodb", config=_QUICK).Table(settings().table)


def every(**query: Any) -> Iterator[dict[str, Any]]:
    """Query the table page by page, to the end."""
    while query:
        answer = table().query(**query)
        yield from answer["Items"]
        last = answer.get("LastEvaluatedKey")
        query = {**query, "ExclusiveStartKey": last} if last else {}


@cache
def s3() -> S3Client:
    config = _QUICK.merge(Config(signature_version="s3v4", s3={"addressing_style": "virtual"}, read_timeout=60))
    return boto3.client("s3", region_name=settings().aws_region, config=config)


@cache
def step_functions() -> SFNClient:
    return boto3.client("stepfunctions", config=_QUICK)


@cache
def functions() -> Any:
    return boto3.client("lambda", config=_QUICK)


@cache
def queues() -> SQSClient:
    return boto3.client("sqs", config=_QUICK)


@cache
def secrets() -> SecretsManagerClient:
    return boto3.client("secretsmanager", config=_QUICK)


@cache
def bedrock(region: str) -> BedrockClient:
    """Return the client of Bedrock's control plane, which knows the models.

    Adapters invoke the models.
    """
    return boto3.client("bedrock", region_name=region, config=_QUICK)


def reason(error: Any) -> str:
    """Return the AWS error code of a `ClientError`."""
    return str(error.response["Error"]["Code"])


def throttled(error: BaseException) -> bool:
    """Return whether AWS refused a call because there were too many at once. Such a call did nothing."""
    return isinstance(error, Busy) or (isinstance(error, ClientError) and reason(error) in _THROTTLED)


def refused(error: BaseException) -> bool:
    """Return whether AWS refused a call for a reason that proves that it did nothing. After any other error it may have."""
    return isinstance(error, ClientError) and reason(error) in _REFUSED


@contextmanager
def unimportant(what: str) -> Iterator[None]:
    """Let a call fail that only shows progress, or frees a place that would free itself."""
    try:
        yield
    except TROUBLE as error:
        logger.warning("an unimportant call failed", call=what, **error_facts(error))
