"""What Bedrock says of its models, kept for the planner and measured for the alarm."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from fitting_room.actions.upkeep.watch_models import Unanswered, watch_models
from fitting_room.clock import Clock
from fitting_room.providers import catalogue
from fitting_room.stores import aws
from fitting_room.stores import model_lifecycles as models
from fitting_room.stores.model_lifecycles import ObservedLifecycle
from tests.deployment import choose
from tests.integration.world import World

NOVA = "amazon.nova-canvas-v1:0"
CORE = "stability.stable-image-core-v1:1"
INPAINT = "us.stability.stable-image-inpaint-v1:0"
AT = "2026-09-01T12:00:00.000Z"  # as the world's clock says


class Bedrock:
    """Bedrock's control plane: every model is active unless told."""

    def __init__(self) -> None:
        self.says: dict[str, dict[str, Any] | Exception] = {}
        self.asked: list[tuple[str, str]] = []

    def client(self, region: str) -> Any:
        outer = self

        class Client:
            def get_foundation_model(self, modelIdentifier: str) -> dict[str, Any]:  # noqa: N803
                outer.asked.append((region, modelIdentifier))
                said = outer.says.get(modelIdentifier, {"status": "ACTIVE"})
                if isinstance(said, Exception):
                    raise said
                return {"modelDetails": {"modelId": modelIdentifier, "modelLifecycle": said}}

        return Client()


def refusal(code: str, words: str = "words of the vendor") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": words}}, "GetFoundationModel")


@pytest.fixture
def bedrock(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bedrock]:
    told = Bedrock()
    monkeypatch.setattr(aws, "bedrock", told.client)
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "false")
    choose(monkeypatch, bedrock_regions={"nova_canvas": "us-east-1", "stability": "us-west-2"})
    yield told


def kept() -> dict[str, ObservedLifecycle]:
    return dict(models.observed.fresh(Clock()))


@pytest.fixture
def measured(capsys: pytest.CaptureFixture[str]) -> Any:
    """Days by provider, as CloudWatch reads them off the log."""

    def read() -> dict[str, float]:
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
        for line in lines:
            [directive] = line["_aws"]["CloudWatchMetrics"]
            assert directive["Namespace"] == "FittingRoom"
            assert [set(names) for names in directive["Dimensions"]] == [{"provider", "service"}]
        return {line["provider"]: line["DaysToEndOfLife"][0] for line in lines}

    return read


def test_every_model_is_asked_for_in_the_region_it_is_called_in_profiles_by_the_model_behind(
    world: World, bedrock: Bedrock
) -> None:
    watch_models(world.at)
    assert bedrock.asked == [
        ("us-east-1", NOVA),
        *(
            ("us-west-2", name)
            for name in (
                CORE,
                "stability.stable-image-ultra-v1:1",
                "stability.stable-image-inpaint-v1:0",
                "stability.stable-image-remove-background-v1:0",
            )
        ),
    ]
    assert kept().keys() == {
        model.id for provider in ("nova_canvas", "stability") for model in catalogue.entry(provider).models
    }


def test_a_provider_without_a_region_is_not_asked_for(
    world: World, bedrock: Bedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(monkeypatch, bedrock_regions={"stability": "us-west-2"})
    assert NOVA not in watch_models(world.at)
    assert {region for region, _ in bedrock.asked} == {"us-west-2"}


LEGACY, END = datetime(2026, 3, 30, tzinfo=UTC), datetime(2027, 2, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"status": "ACTIVE"}, {"state": "active"}),
        ({"status": "ACTIVE", "startOfLifeTime": LEGACY}, {"state": "active"}),
        (
            {"status": "LEGACY", "legacyTime": LEGACY, "endOfLifeTime": END},
            {"state": "legacy", "legacy": date(2026, 3, 30), "end_of_life": date(2027, 2, 1)},
        ),
        (refusal("ResourceNotFoundException"), {"state": "gone"}),
        (refusal("ValidationException", "The provided model identifier is invalid."), {"state": "gone"}),
        (refusal("AccessDeniedException"), {"state": "unknown"}),
    ],
)
def test_what_bedrock_says_is_kept(world: World, bedrock: Bedrock, said: Any, expected: dict[str, Any]) -> None:
    bedrock.says[NOVA] = said
    assert watch_models(world.at)[NOVA] == expected["state"]
    assert kept()[NOVA] == ObservedLifecycle(**expected, checked_at=AT)


def test_a_date_is_the_day_in_utc(world: World, bedrock: Bedrock) -> None:
    bedrock.says[NOVA] = {"status": "LEGACY", "endOfLifeTime": datetime.fromisoformat("2026-12-31T23:30:00-08:00")}
    watch_models(world.at)
    assert kept()[NOVA].end_of_life == date(2027, 1, 1)


@pytest.mark.parametrize(
    "trouble",
    [
        refusal("ThrottlingException"),
        refusal("InternalServerException"),
        refusal("ValidationException", "something else"),
        ConnectTimeoutError(endpoint_url="https://bedrock"),
    ],
)
def test_a_lookup_that_fails_leaves_what_was_known_and_the_others_are_still_asked(
    world: World, bedrock: Bedrock, trouble: Exception
) -> None:
    bedrock.says[CORE] = {"status": "LEGACY", "endOfLifeTime": END}
    watch_models(world.at)
    before = kept()[CORE]
    world.at.sleep(3600)
    bedrock.says[CORE] = trouble
    with pytest.raises(Unanswered, match="1 lookups"):
        watch_models(world.at)
    assert kept()[CORE] == before
    assert kept()[INPAINT].checked_at == "2026-09-01T13:00:00.000Z"


def test_the_days_left_are_the_nearest_end_of_a_provider_s_models(
    world: World, bedrock: Bedrock, measured: Any
) -> None:
    bedrock.says[CORE] = {"status": "LEGACY", "endOfLifeTime": datetime(2026, 12, 1, tzinfo=UTC)}
    bedrock.says["stability.stable-image-inpaint-v1:0"] = {"status": "LEGACY", "endOfLifeTime": END}
    watch_models(world.at)
    assert measured() == {"nova_canvas": 29, "stability": 91}


def test_the_catalogue_s_date_counts_where_bedrock_names_none(world: World, bedrock: Bedrock, measured: Any) -> None:
    bedrock.says[NOVA] = refusal("AccessDeniedException")
    watch_models(world.at)
    assert measured() == {"nova_canvas": 29}


def test_bedrock_s_date_wins_over_the_catalogue_s(world: World, bedrock: Bedrock, measured: Any) -> None:
    bedrock.says[NOVA] = {"status": "LEGACY", "endOfLifeTime": END}
    watch_models(world.at)
    assert measured() == {"nova_canvas": 153}


def test_an_end_that_has_passed_is_no_news_and_one_without_a_date_is_today(
    world: World, bedrock: Bedrock, measured: Any
) -> None:
    world.at.sleep(31 * 24 * 3600)
    bedrock.says[CORE] = refusal("ResourceNotFoundException")
    watch_models(world.at)
    assert measured() == {"stability": 0}


def test_a_refused_lookup_takes_the_place_of_nothing_that_was_known(world: World) -> None:
    models.put("m", ObservedLifecycle(state="gone", checked_at="2026-11-20T00:00:00.000Z"))
    models.put("m", ObservedLifecycle(state="unknown", checked_at="2026-11-21T00:00:00.000Z"))
    for at in ("2026-11-21T00:00:00.000Z", "2026-11-22T00:00:00.000Z"):
        models.put("n", ObservedLifecycle(state="unknown", checked_at=at))
    assert {model: (seen.state, seen.checked_at) for model, seen in kept().items()} == {
        "m": ("gone", "2026-11-20T00:00:00.000Z"),
        "n": ("unknown", "2026-11-22T00:00:00.000Z"),
    }
