"""The API keeps its OpenAPI document: schemathesis sends what the document allows and what it forbids, and checks answers.

`SCHEMATHESIS_EXAMPLES=1000` is the long run.
"""

from __future__ import annotations

import importlib
import json
import os
from collections import Counter
from functools import cached_property
from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig

from fitting_room.stores import webhooks
from openapi.__main__ import FILE
from tests.deployment import choose
from tests.integration.functions.gateway import gateway
from tests.integration.world import LIVE_KEY, TENANT, Vendor, World, failed, finished, pending

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "15"))
BEYOND_THE_SCHEMA = ["2xx", "3xx", "400", "404", "409", "410", "415", "422"]
"""Rules over several fields, and things that are not there, are in no schema."""
CONFIG: dict[str, Any] = {
    "checks": {
        "positive_data_acceptance": {"expected-statuses": BEYOND_THE_SCHEMA},
        "negative_data_rejection": {"expected-statuses": ["4xx"]},
    },
    "generation": {"allow-extra-parameters": False},  # the API ignores parameters that it does not know
}
STATUSES: Counter[str] = Counter()
"""How often a call was answered with a status."""
HANDLER: Any = importlib.import_module("functions.http.api.handler")
SCHEMA: Any = schemathesis.openapi.from_dict(
    json.loads(FILE.read_text(encoding="utf-8")), config=SchemathesisConfig.from_dict(CONFIG)
)
SCHEMA.app = gateway(HANDLER.handler)


class Jobs:
    """A job of each kind, made once somebody asks: queued, at the provider, succeeded, failed, perhaps charged, cancelled."""

    def __init__(self, world: World, vendor: Vendor) -> None:
        self.world, self.vendor = world, vendor

    @cached_property
    def ids(self) -> list[str]:
        named: dict[str, Any] = {"provider": "tryiton", "webhook": {"url": "https://shop.example/hook"}}
        ids = [self.world.submit(**named).job.id]
        for ending in (finished(), failed(), failed(charged="unknown"), pending()):
            self.vendor.starts, self.vendor.polls = [ending], [pending()]
            self.world.at.sleep(60)  # so that a slot is free
            ids.append(self.world.submit(**named).job.id)
            self.world.run_until_pending(ids[-1]) if ending == pending() else self.world.run(ids[-1])
        ids.append(self.world.submit(**named).job.id)
        self.world.cancel(ids[-1])
        return ids


@pytest.fixture
def jobs(world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    monkeypatch.setattr(HANDLER, "clock", world.at)
    choose(monkeypatch, daily_images=10**9, daily_usd=10**9)
    world.configure("fashn", "tryiton", "astria", "aidge")
    world.body()
    webhooks.create(TENANT, world.at.now())
    return Jobs(world, vendor)


@SCHEMA.parametrize()  # type: ignore[untyped-decorator]
@hypothesis.settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="SCHEMATHESIS_EXAMPLES" not in os.environ,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_the_api_keeps_its_document(case: Any, jobs: Jobs) -> None:
    if str(case.path_parameters.get("job_id", "")).startswith("job_"):
        case.path_parameters["job_id"] = jobs.ids[STATUSES.total() % len(jobs.ids)]
    response = case.call_and_validate(headers={"Authorization": f"Bearer {LIVE_KEY}"})
    STATUSES[f"{case.operation.label} {response.status_code}"] += 1
