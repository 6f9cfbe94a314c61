"""How many jobs a vendor may have at once, and what becomes of a place whose holder is dead."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import boto3
import pytest

from .conftest import Cloud, until


@pytest.fixture
def one_place(cloud: Cloud) -> Iterator[None]:
    """TryItOn takes one job at a time, as far as the deployed function knows."""
    functions, name = cloud.aws("lambda"), cloud.function("StartHttp")
    before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    settings = json.loads(before["DEPLOYMENT"])
    settings["limits"]["tryiton"] = {"concurrency": 1}
    changed = before | {"DEPLOYMENT": json.dumps(settings)}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": changed})
    yield
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})


def lease(cloud: Cloud) -> dict[str, Any]:
    table = boto3.resource("dynamodb").Table(cloud.table)
    return dict(table.get_item(Key={"pk": "LEASE#tryiton", "sk": "0000"}).get("Item", {}))


def test_a_place_that_nobody_gave_back_comes_back_by_expiry(
    cloud: Cloud, one_place: None, person: bytes, tee: bytes
) -> None:
    """As if function, execution and sweep had all died with the job that held it."""
    body = cloud.try_on(person, tee, provider="tryiton")

    def held_until(seconds: float) -> int:
        expires = int(seconds * 1000)
        boto3.resource("dynamodb").Table(cloud.table).put_item(
            Item={"pk": "LEASE#tryiton", "sk": "0000", "job_id": "job_of_the_dead", "expires_ms": expires}
        )
        return expires

    held_until(time.time() + 3600)
    job_id = cloud.submit(body)["id"]
    until(lambda: cloud.job(job_id)["step"] == "waiting_for_slot" or None, "the job to find no place")
    assert cloud.tryiton.purchases() == []
    expires = held_until(time.time() + 1)
    ended = cloud.finished(job_id)
    assert ended["status"] == "succeeded", ended["error"]
    assert datetime.fromisoformat(ended["attempts"][0]["submitted_at"]).timestamp() * 1000 >= expires
    assert "job_id" not in lease(cloud), "and it is free again"
