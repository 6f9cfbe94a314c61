"""The API keeps its OpenAPI document, in memory: the API with moto behind it, and providers that do as they are told."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import pytest

from fitting_room.jobs.outcome import Finished, Pending
from fitting_room.stores import webhooks
from tests import fuzzing
from tests.deployment import choose
from tests.integration.functions.gateway import gateway
from tests.integration.world import LIVE_KEY, TENANT, Vendor, World, failed, finished, pending

HANDLER: Any = importlib.import_module("functions.http.api.handler")
SCHEMA: Any = fuzzing.schema(boundaries=False)
SCHEMA.app = gateway(HANDLER.handler)


@pytest.fixture(scope="module")
def cases(request: pytest.FixtureRequest) -> Iterator[fuzzing.Cases]:
    cases = fuzzing.Cases()
    yield cases
    cases.tell(request.config)


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


@SCHEMA.parametrize()  # type: ignore[untyped-decorator]
@fuzzing.examples(15)
def test_the_api_keeps_its_document(case: Any, things: Things, cases: fuzzing.Cases) -> None:
    cases.send(case, things, LIVE_KEY)
