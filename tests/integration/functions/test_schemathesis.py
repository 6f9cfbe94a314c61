"""The API keeps its OpenAPI document: schemathesis sends what the document allows and what it forbids, and checks answers.

`SCHEMATHESIS_EXAMPLES=1000` is the long run.
"""

from __future__ import annotations

import importlib
import json
import os
import re
from collections import Counter
from functools import cached_property
from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig

from fitting_room.jobs.outcome import Finished, Pending
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
}
STATUSES: Counter[str] = Counter()
"""How often a call was answered with a status."""
HANDLER: Any = importlib.import_module("functions.http.api.handler")
SCHEMA: Any = schemathesis.openapi.from_dict(
    json.loads(FILE.read_text(encoding="utf-8")), config=SchemathesisConfig.from_dict(CONFIG)
)
SCHEMA.app = gateway(HANDLER.handler)


class Things:
    """What the paths may name, made once a path does."""

    def __init__(self, world: World, vendor: Vendor) -> None:
        self.world, self.vendor = world, vendor

    @cached_property
    def job_id(self) -> list[str]:
        """A job of each kind: succeeded, failed, perhaps charged, at the provider, cancelled there, and queued."""
        named: dict[str, Any] = {"provider": "tryiton", "webhook": {"url": "https://shop.example/hook"}}
        ids: list[str] = []
        for ending in (finished(), failed(), failed(charged="unknown"), pending("1"), pending("2")):
            self.vendor.starts, self.vendor.polls = [ending], [pending()]
            self.world.at.sleep(60)  # so that a slot is free
            ids.append(self.world.submit(**named).job.id)
            at_the_provider = isinstance(ending, Pending)
            self.world.run_until_pending(ids[-1]) if at_the_provider else self.world.run(ids[-1])
        self.world.cancel(ids[-1])
        return [*ids, self.world.submit(**named).job.id]

    @cached_property
    def upload_id(self) -> str:
        return self.world.upload("person")

    @cached_property
    def subject_id(self) -> list[str]:
        """A person that is ready, and one that is in training."""
        image = self.world.body()["person"]
        body = {"task": "train_subject", "kind": "person", "class_name": "woman", "pictures": [image] * 4}
        self.vendor.starts, self.vendor.polls = [pending("tune")], [Finished([], token="ohwx")]
        made, making = (self.world.submit({**body, "provider": "astria"}).job for _ in range(2))
        self.world.run(made.id)
        return [str(made.subject), str(making.subject)]


@pytest.fixture
def things(world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> Things:
    monkeypatch.setattr(HANDLER, "clock", world.at)
    names = ("fashn", "tryiton", "astria", "aidge")
    monkeypatch.setenv("PROVIDER_SECRETS", json.dumps({name: f"secret-of-{name}" for name in names}))
    choose(monkeypatch, daily_images=10**9, daily_usd=10**9)
    world.configure(*names)
    world.body()
    webhooks.create(TENANT, world.at.now())
    return Things(world, vendor)


def with_upload(body: Any, things: Things) -> Any:
    """Name the upload that there is wherever a body names one, so that more bodies than few are taken."""
    if isinstance(body, dict):
        return {name: with_upload(part, things) for name, part in body.items()}
    if isinstance(body, list):
        return [with_upload(part, things) for part in body]
    return things.upload_id if isinstance(body, str) and re.fullmatch(r"upl_[0-9A-Z]{26}", body) else body


@SCHEMA.parametrize()  # type: ignore[untyped-decorator]
@hypothesis.settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="SCHEMATHESIS_EXAMPLES" not in os.environ,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_the_api_keeps_its_document(case: Any, things: Things) -> None:
    for name in ("job_id", "subject_id"):
        if re.fullmatch(r"[a-z]{3}_[0-9A-HJKMNP-TV-Z]{26}", str(case.path_parameters.get(name))):
            known = getattr(things, name)
            case.path_parameters[name] = known[STATUSES.total() % len(known)]
    case.body = with_upload(case.body, things)
    response = case.call_and_validate(headers={"Authorization": f"Bearer {LIVE_KEY}"})
    STATUSES[f"{case.operation.label} {response.status_code}"] += 1
