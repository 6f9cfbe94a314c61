"""A client that sends a purchase again by itself buys once; callers who ask for the same twice buy twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import fashn
import pytest

from fitting_room.actions.requests.submit import submit
from tests.deployment import choose
from tests.integration.dialects.conftest import Api
from tests.integration.dialects.test_fashn import INLINE
from tests.integration.world import OTHER_KEY, Vendor, finished

RUN = "/fashn/v1/run"


@pytest.fixture(autouse=True)
def _stocked(api: Api, vendor: Vendor) -> None:
    api.world.configure("fashn", "tryiton")
    vendor.starts = [finished()]


def bought(api: Api, **changes: Any) -> str:
    inputs: Any = INLINE | changes
    return api.fashn().predictions.run(model_name="tryon-v1.6", inputs=inputs).id


def sent_again(api: Api, count: int, key: str | None = None, **changes: Any) -> str:
    """The id that the client gets for a call that it sends with that count."""
    body = {"model_name": "tryon-v1.6", "inputs": INLINE | changes}
    more = {"key": key} if key else {}
    answer = api.call("POST", RUN, json=body, headers={"x-stainless-retry-count": str(count)}, **more)
    return str(answer.raise_for_status().json()["id"])


@pytest.mark.parametrize(
    "cuts", [["after"], ["after", "after"], ["after", "after", "after"], ["before", "after"], ["after", "before"]]
)
def test_the_clients_own_retry_after_a_cut_connection_is_one_purchase(api: Api, cuts: list[str | None]) -> None:
    api.cuts = list(cuts)
    told = bought(api)
    assert [path for _, path, _ in api.sent] == [RUN] * (len(cuts) + 1)
    assert [count for _, _, count in api.sent] == [str(n) for n in range(len(cuts) + 1)]
    assert api.jobs() == [told]


def test_a_client_that_gives_up_bought_once(api: Api) -> None:
    api.cuts = ["after"] * 4
    with pytest.raises(fashn.APIConnectionError):
        bought(api)
    assert len(api.jobs()) == 1


def test_equal_calls_are_purchases_of_their_own(api: Api) -> None:
    assert len({bought(api), bought(api)}) == len(api.jobs()) == 2


def test_two_equal_calls_whose_connections_break_get_a_job_each(api: Api) -> None:
    first, second = sent_again(api, 0), sent_again(api, 0)
    assert {sent_again(api, 1), sent_again(api, 1)} == {first, second} == set(api.jobs())
    assert {sent_again(api, 2), sent_again(api, 2)} == {first, second} == set(api.jobs())


def test_a_retry_of_a_call_that_never_arrived_buys_once(api: Api) -> None:
    assert sent_again(api, 1) == sent_again(api, 2)
    assert len(api.jobs()) == 1


def test_another_body_key_or_path_is_another_call(api: Api) -> None:
    first = sent_again(api, 0)
    assert sent_again(api, 1, seed=3) != first
    assert sent_again(api, 1, key=OTHER_KEY) != first
    older = {name: value for name, value in INLINE.items() if name != "category"} | {"category": "tops"}
    answer = api.call("POST", "/tryiton/tryon/clothes", json=older, headers={"x-stainless-retry-count": "1"})
    assert answer.json()["id"] != first


def test_a_call_is_remembered_for_ten_minutes(api: Api) -> None:
    first = sent_again(api, 0)
    api.world.at.sleep(599)
    assert sent_again(api, 1) == first
    api.world.at.sleep(2)
    assert sent_again(api, 2) != first


def test_a_retry_that_comes_while_the_first_call_still_runs_gets_its_job(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client reads nothing for a while, sends again, and both calls are at work."""
    retried = list[str]()

    def slow(*args: Any, **kwargs: Any) -> Any:
        if not retried:
            retried.append("")
            retried[0] = sent_again(api, 1)
        return submit(*args, **kwargs)

    monkeypatch.setattr("fitting_room.dialects.purchase.submit", slow)
    assert [sent_again(api, 0)] == retried == api.jobs()


def test_a_provider_that_goes_away_between_a_call_and_its_retry_changes_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sent_again(api, 0)
    choose(monkeypatch, provider_order=["tryiton", "nova_canvas"])
    assert sent_again(api, 1) == first


def test_a_call_that_was_refused_is_bought_by_its_retry(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as poor:
        choose(poor, daily_images=1)
        bought(api, seed=1)
        with pytest.raises(fashn.RateLimitError):
            api.fashn().predictions.run(model_name="tryon-v1.6", inputs=INLINE)
    choose(monkeypatch, daily_images=10)
    assert sent_again(api, 1) == api.jobs()[1]


@pytest.mark.usefixtures("one_at_a_time")
def test_retries_at_once_share_no_job_and_buy_none(api: Api) -> None:
    ids = {sent_again(api, 0) for _ in range(4)}
    with ThreadPoolExecutor(4) as clients:
        retried = list(clients.map(lambda _: sent_again(api, 1), range(4)))
    assert sorted(retried) == sorted(ids) == api.jobs()
