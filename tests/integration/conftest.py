"""The deployment every unit test may ask for. The environment is set before anything of ours is imported."""

from __future__ import annotations

import io
import json
import logging
import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

REGION, ACCOUNT = "us-east-1", "123456789012"
MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:jobs"
BATCH_MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:batches"
DEPLOYMENT: dict[str, Any] = {
    "bedrock_regions": {"nova_canvas": REGION},
    "cors_origins": ["https://shop.example"],
    "daily_images": 10,
    "daily_usd": 1.0,
    "key_burst": 1_000_000,
}
ENVIRONMENT = {
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "TABLE": "fitting-room",
    "INBOX_BUCKET": "inbox-bucket",
    "MEDIA_BUCKET": "media-bucket",
    "ERASE_FUNCTION": "erase",
    "JOB_MACHINE_ARN": MACHINE,
    "BATCH_MACHINE_ARN": BATCH_MACHINE,
    "DROP_QUEUE": "https://sqs.us-east-1.amazonaws.com/123456789012/drops",
    "WEBHOOK_QUEUE": "https://sqs.us-east-1.amazonaws.com/123456789012/webhooks",
    "DEPLOYMENT": json.dumps(DEPLOYMENT),
    "POWERTOOLS_SERVICE_NAME": "fitting-room",
    "POWERTOOLS_METRICS_NAMESPACE": "FittingRoom",
    "POWERTOOLS_LOG_LEVEL": "INFO",
    "POWERTOOLS_METRICS_DISABLED": "true",
}
os.environ.update(ENVIRONMENT)

import pytest  # noqa: E402
from moto import mock_aws  # noqa: E402
from moto.core import serialize  # noqa: E402

from fitting_room.actions.requests import throttle  # noqa: E402
from fitting_room.observability import logger, metrics  # noqa: E402
from fitting_room.providers import catalogue  # noqa: E402
from fitting_room.settings import settings  # noqa: E402
from fitting_room.stores import (  # noqa: E402
    api_keys,
    aws,
    budgets,
    daily,
    link_secret,
    model_lifecycles,
    offers,
    provider_keys,
    tenants,
    tokens,
)
from tests.integration import walk  # noqa: E402
from tests.integration.atelier import Atelier, atelier_entry, offer  # noqa: E402
from tests.integration.world import (  # noqa: E402
    INBOX,
    LIVE_KEY,
    MEDIA,
    OTHER,
    OTHER_KEY,
    TABLE,
    TENANT,
    TEST_KEY,
    Vendor,
    World,
    api_key,
)
from tests.unit.memory import FakeClock  # noqa: E402

# a stage has a secret for every provider that needs a key; the catalogue reads the environment above
ENVIRONMENT["PROVIDER_SECRETS"] = json.dumps(
    {entry.id: f"secret-of-{entry.id}" for entry in catalogue.entries() if entry.secret}
)
os.environ.update(ENVIRONMENT)
settings.cache_clear()

KEPT = (
    api_keys.caller_of,
    budgets.given_back,
    model_lifecycles.observed,
    provider_keys.configured,
    provider_keys.secret,
    tenants.find,
    tokens._read,
    daily._salt,
    link_secret.secret,
)

walk.begin()


def _answer_quickly() -> None:
    """Read the ten possible types of a table's value by their names; moto searches for each by reflection.

    That search took 40 % of the time of these tests.
    """
    search = serialize.ResponseSerializer.get_value

    def get_value(self: serialize.ResponseSerializer, value: Any, key: str, shape: Any) -> Any:
        if type(value) is dict and shape.parent.name == "AttributeValue":
            return value.get(key)
        return search(self, value, key, shape)

    serialize.ResponseSerializer.get_value = get_value


_answer_quickly()


def forget() -> None:
    """Everything but the SDK clients: making those anew takes longer than most tests."""
    settings.cache_clear()
    for kept in KEPT:
        kept.clear()
    offers.forget()
    metrics.clear_metrics()
    throttle.forget()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with deployed(monkeypatch) as world:
        yield world


@contextmanager
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Table with its `due` index, both buckets, a state machine, two tenants and their keys. No provider has a key yet."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    random.seed(7)
    forget()
    with mock_aws():
        aws.table().meta.client.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"}
                for name in ("pk", "sk", "due_shard", "due_at", "listed", "id")
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "due",
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                    "KeySchema": [
                        {"AttributeName": "due_shard", "KeyType": "HASH"},
                        {"AttributeName": "due_at", "KeyType": "RANGE"},
                    ],
                },
                {
                    "IndexName": "listed",
                    "Projection": {
                        "ProjectionType": "INCLUDE",
                        "NonKeyAttributes": ["task", "owner", "reference", "batch"],
                    },
                    "KeySchema": [
                        {"AttributeName": "listed", "KeyType": "HASH"},
                        {"AttributeName": "id", "KeyType": "RANGE"},
                    ],
                },
            ],
        )
        for bucket in (INBOX, MEDIA):
            aws.s3().create_bucket(Bucket=bucket)
        machine, batch_machine = (
            aws.step_functions().create_state_machine(
                name=name,
                definition='{"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}',
                roleArn=f"arn:aws:iam::{ACCOUNT}:role/machine",
            )["stateMachineArn"]
            for name in ("jobs", "batches")
        )
        world = World(FakeClock(), machine, batch_machine)
        monkeypatch.setattr(aws, "functions", lambda: world)
        monkeypatch.setattr(aws, "queues", lambda: world)
        with aws.table().batch_writer() as batch:
            for tenant in (TENANT, OTHER):
                batch.put_item({"pk": "TENANTS", "sk": tenant})
            for key in (
                api_key(LIVE_KEY, TENANT, "live"),
                api_key(TEST_KEY, TENANT, "test"),
                api_key(OTHER_KEY, OTHER, "live"),
            ):
                batch.put_item(key)
        settings.cache_clear()  # so that a test may still change the environment
        yield world
    forget()
    walk.check()


@pytest.fixture
def vendor(world: World, monkeypatch: pytest.MonkeyPatch) -> Vendor:
    """Takes the place of every adapter. How long its jobs usually take is not known: the first look is after 2 s."""
    vendor = Vendor()
    offer(monkeypatch, [each.model_copy(update={"usual": None}) for each in catalogue.entries()])
    monkeypatch.setattr("fitting_room.actions.workflow.attempts.adapter", lambda _: vendor)
    return vendor


@pytest.fixture
def atelier(world: World, monkeypatch: pytest.MonkeyPatch) -> Atelier:
    """One more provider, which learns subjects, keeps references, and deletes what it is told to."""
    vendor = Atelier()
    offer(monkeypatch, (*catalogue.entries(), atelier_entry()))
    monkeypatch.setattr("fitting_room.actions.workflow.attempts.adapter", lambda _: vendor)
    return vendor


@pytest.fixture
def logs() -> Iterator[io.StringIO]:
    """What our functions log, as CloudWatch gets it."""
    handler, written = cast("logging.StreamHandler[Any]", logger.handlers[0]), io.StringIO()
    stdout = handler.setStream(written)
    yield written
    handler.setStream(cast(Any, stdout))


@pytest.fixture
def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """For threads: every AWS call is atomic, as it is in AWS and is not in moto."""
    from botocore.client import BaseClient

    lock, call = threading.RLock(), BaseClient._make_api_call  # type: ignore[attr-defined]

    def locked(self: BaseClient, *args: Any) -> Any:
        with lock:
            return call(self, *args)

    monkeypatch.setattr(BaseClient, "_make_api_call", locked)
