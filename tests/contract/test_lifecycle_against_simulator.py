"""A model grows old on the simulator of Bedrock: what the watcher keeps, and what clients and the alarm see, each time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from fitting_room.actions.requests.list_providers import list_providers
from fitting_room.actions.requests.plan import Deployment, plan
from fitting_room.actions.upkeep.watch_models import Unanswered, watch_models
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.parse import parse
from fitting_room.providers.catalogue import entries
from fitting_room.settings import Settings
from fitting_room.stores import aws
from fitting_room.stores import model_lifecycles as models
from fitting_room.stores.api_keys import Caller
from fitting_room.stores.model_lifecycles import ObservedLifecycle
from tests.contract.conftest import Running

INPAINT = "us.stability.stable-image-inpaint-v1:0"
REGIONS = {"nova_canvas": "us-east-1", "stability": "us-west-2"}
CALLER = Caller("acme", "live", None)
PICTURE = {"url": "https://shop.example/p.png"}
EDIT = {"task": "inpaint", "image": PICTURE, "mask": {"type": "image", "image": PICTURE}, "prompt": "a scarf"}


class Noon(Clock):
    def now(self) -> datetime:
        return datetime(2026, 11, 20, 12, tzinfo=UTC)


class Watched:
    def __init__(self, simulator: Running, capsys: pytest.CaptureFixture[str]) -> None:
        self.simulator, self.capsys = simulator, capsys
        self.kept: dict[str, ObservedLifecycle] = {}

    def told(self, state: str, **dates: str) -> Watched:
        """Inpainting is at this point of its life; everything else is active."""
        answer = self.simulator.call("POST", "/_sim/model", json={"model": INPAINT, "state": state, **dates})
        assert answer.is_success, answer.text
        watch_models(Noon())
        return self

    def deployment(self) -> Deployment:
        return Deployment(entries(), frozenset(), frozenset(REGIONS), frozenset(), self.kept, Noon().now().date())

    def shown(self) -> dict[str, Any]:
        shown = list_providers(self.deployment(), CALLER)["items"]
        [life] = [model["lifecycle"] for item in shown for model in item["models"] if model["id"] == INPAINT]
        return {name: life[name] for name in ("state", "legacy", "end_of_life", "retired")}

    def planned(self) -> list[str] | str:
        """The plan of `auto`; if there is none, the refusal of a request that names Stability."""
        try:
            return plan(parse(EDIT), CALLER, self.deployment()).providers
        except Refusal:
            with pytest.raises(Refusal) as named:
                plan(parse(EDIT | {"provider": "stability"}), CALLER, self.deployment())
            return f"{named.value.faults[0].code}: {named.value.faults[0].detail}"

    def days(self) -> dict[str, float]:
        lines = [json.loads(line) for line in self.capsys.readouterr().out.splitlines() if '"_aws"' in line]
        return {line["provider"]: line["DaysToEndOfLife"][0] for line in lines}


@pytest.fixture
def watched(
    bedrock_simulator: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Watched]:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "POWERTOOLS_METRICS_DISABLED": "false",
        "POWERTOOLS_METRICS_NAMESPACE": "FittingRoom",
        "POWERTOOLS_SERVICE_NAME": "fitting-room",
        "AWS_ENDPOINT_URL_BEDROCK": bedrock_simulator.url,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(
        "fitting_room.actions.upkeep.watch_models.settings",
        lambda: Settings(
            table="t", inbox_bucket="i", media_bucket="m", deployment=json.dumps({"bedrock_regions": REGIONS})
        ),
    )
    told = Watched(bedrock_simulator, capsys)
    monkeypatch.setattr(models, "put", told.kept.__setitem__)
    aws.bedrock.cache_clear()
    yield told
    bedrock_simulator.call("DELETE", "/_sim/model")
    aws.bedrock.cache_clear()


def test_active(watched: Watched) -> None:
    watched.told("active")
    assert watched.shown() == {"state": "active", "legacy": None, "end_of_life": None, "retired": False}
    assert watched.planned() == ["stability"]
    assert watched.days() == {}
    assert {model.state for model in watched.kept.values()} == {"active"}
    assert len(watched.kept) == 5


def test_legacy(watched: Watched) -> None:
    watched.told("legacy", legacyTime="2026-11-01T00:00:00Z", endOfLifeTime="2027-02-01T00:00:00Z")
    assert watched.shown() == {"state": "legacy", "legacy": "2026-11-01", "end_of_life": "2027-02-01", "retired": False}
    assert watched.planned() == ["stability"]
    assert watched.days() == {"stability": 73}


def test_end_of_life_with_a_lookup_that_still_answers(watched: Watched) -> None:
    watched.told("end_of_life", legacyTime="2026-05-01T00:00:00Z", endOfLifeTime="2026-11-20T00:00:00Z")
    assert watched.shown() == {"state": "legacy", "legacy": "2026-05-01", "end_of_life": "2026-11-20", "retired": True}
    assert (
        watched.planned()
        == f"model_retired: Stability AI on Bedrock ({INPAINT}) reached its end of life on 2026-11-20."
    )
    assert watched.days() == {"stability": 0}


@pytest.mark.parametrize("state", ["end_of_life", "unknown"])
def test_gone(watched: Watched, state: str) -> None:
    watched.told(state)
    assert watched.shown() == {"state": "gone", "legacy": None, "end_of_life": None, "retired": True}
    assert str(watched.planned()).startswith(f"model_retired: Stability AI on Bedrock ({INPAINT}) is no longer known")
    assert watched.days() == {"stability": 0}


def test_the_lookup_is_refused(watched: Watched) -> None:
    watched.told("no_access")
    assert watched.shown() == {"state": "unknown", "legacy": None, "end_of_life": None, "retired": False}
    assert watched.planned() == ["stability"]
    assert watched.days() == {}


def test_the_lookup_fails_and_yesterday_s_answer_stays(watched: Watched) -> None:
    watched.told("legacy", endOfLifeTime="2027-02-01T00:00:00Z")
    before = watched.kept[INPAINT]
    watched.simulator.fault(on="lookup", kind="error", name="InternalServerException", times=100)
    with pytest.raises(Unanswered):
        watch_models(Noon())
    assert watched.kept[INPAINT] == before
