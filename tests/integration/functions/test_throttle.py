"""Each key has its rate, test keys have their number of jobs a day, and `Retry-After` says when to come back."""

from __future__ import annotations

import pytest

from fitting_room.actions import pace
from fitting_room.actions.requests.throttle import admit
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Refusal
from fitting_room.providers import catalogue
from tests.deployment import choose
from tests.integration.functions.test_api import SHOP, Call, call  # noqa: F401  a fixture
from tests.integration.world import OTHER_KEY, TENANT, TEST_KEY, World
from tests.unit.memory import FakeClock


@pytest.fixture
def slow(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Two requests a second for each key, and three at once."""
    choose(monkeypatch, key_rate=2, key_burst=3)
    return world


def admitted(key: str, at: Clock) -> bool:
    try:
        admit(key, at)
    except Refusal:
        return False
    return True


def test_a_key_may_send_a_burst_and_then_its_rate(slow: World) -> None:
    assert [admitted("a", slow.at) for _ in range(4)] == [True, True, True, False]
    slow.at.sleep(0.4)
    assert not admitted("a", slow.at)
    slow.at.sleep(0.1)
    assert [admitted("a", slow.at) for _ in range(2)] == [True, False]
    slow.at.sleep(3600)
    assert [admitted("a", slow.at) for _ in range(4)] == [True, True, True, False], "no more than the burst is saved"


def test_over_a_minute_a_key_gets_its_rate_however_hard_it_tries(slow: World) -> None:
    served = 0
    for _ in range(600):
        served += admitted("a", slow.at)
        slow.at.sleep(0.1)
    assert 120 <= served <= 123


def test_a_key_waits_for_itself_alone(slow: World) -> None:
    while admitted("a", slow.at):
        pass
    assert admitted("b", slow.at)


def test_a_key_is_the_same_however_its_header_is_written(slow: World) -> None:
    headers = ["Bearer a", "Bearer  a", "bearer a ", " BEARER a", "Bearer a"]
    assert [admitted(header, slow.at) for header in headers] == [True, True, True, False, False]


def test_a_clock_that_is_set_back_takes_nothing_away(slow: World) -> None:
    assert admitted("a", slow.at)
    assert admitted("a", FakeClock(slow.at.moment.replace(year=2025)))


def test_the_api_answers_in_its_own_words_and_a_browser_may_read_them(slow: World, call: Call) -> None:  # noqa: F811
    answers = [call("GET", "/v1/providers", origin=SHOP) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    refused = answers[3]
    assert (refused.json["code"], refused.json["retryable"], refused.headers["retry-after"]) == ("throttled", True, "1")
    assert refused.headers["access-control-allow-origin"] == SHOP
    assert "Retry-After" in refused.headers["access-control-expose-headers"]
    assert call("GET", "/v1/providers", key=OTHER_KEY).status == 200
    slow.at.sleep(int(refused.headers["retry-after"]))
    assert call("GET", "/v1/providers").status == 200


def test_a_slow_key_is_told_how_long_to_wait_for_its_next_request(slow: World, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, key_rate=0.25)
    while admitted("a", slow.at):
        pass
    with pytest.raises(Refusal) as caught:
        admit("a", slow.at)
    assert caught.value.retry_after == 4
    slow.at.sleep(3.9)
    assert not admitted("a", slow.at)
    slow.at.sleep(0.1)
    assert admitted("a", slow.at)


def test_a_key_that_is_unknown_is_held_to_the_rate_too(slow: World, call: Call) -> None:  # noqa: F811
    guesses = [call("GET", "/v1/providers", key="fr_live_" + "z" * 32).status for _ in range(4)]
    assert guesses == [401, 401, 401, 429]


def test_a_preflight_has_no_key_and_is_not_counted(slow: World, call: Call) -> None:  # noqa: F811
    assert {call("OPTIONS", "/v1/jobs", key=None, origin=SHOP).status for _ in range(9)} == {204}


# ------------------------------------------------------------------------------------------------ jobs of test keys
@pytest.fixture
def two_a_day(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    choose(monkeypatch, daily_test_jobs=2)
    return world


def test_a_tenant_s_test_keys_submit_so_many_jobs_a_day(two_a_day: World, call: Call) -> None:  # noqa: F811
    world, statuses = two_a_day, []
    for _ in range(3):
        answer = call("POST", "/v1/jobs", world.body("test"), key=TEST_KEY)
        statuses.append(answer.status)
    assert statuses == [202, 202, 429]
    assert (answer.json["code"], answer.json["retryable"]) == ("budget_exceeded", True)
    assert "limit" in answer.json["detail"]
    assert "daily_test_jobs" in answer.json["remedy"]
    assert 43_200 <= int(answer.headers["retry-after"]) <= 43_201
    assert len(world.executions()) == 2
    assert call("POST", "/v1/jobs", world.body()).status == 202, "a live key buys on"
    world.at.sleep(int(answer.headers["retry-after"]))
    assert call("POST", "/v1/jobs", world.body("test"), key=TEST_KEY).status == 202, "on the next day"


def test_a_repeated_request_counts_once(two_a_day: World, call: Call) -> None:  # noqa: F811
    body = two_a_day.body("test")
    assert {call("POST", "/v1/jobs", body, key=TEST_KEY, idempotency_key="k").status for _ in range(5)} == {202}


def test_test_jobs_take_nothing_of_the_day_s_budget(two_a_day: World) -> None:
    two_a_day.submit(mode="test")
    assert two_a_day.spent(TENANT) == (0, 0)


# ---------------------------------------------------------------------------------------------------- when to look
@pytest.mark.parametrize(
    ("provider", "age", "seconds"),
    [
        ("nova_canvas", 0, 5),
        ("nova_canvas", 11, 3),
        ("nova_canvas", 30, 8),
        ("nova_canvas", 120, 30),
        ("nova_canvas", 3000, 60),
        ("tryiton", 0, 9),
        ("tryiton", 8.5, 2),
    ],
)
def test_the_longer_a_job_takes_the_later_its_client_is_to_look_again(
    world: World,
    call: Call,  # noqa: F811
    provider: str,
    age: float,
    seconds: int,
) -> None:
    world.configure("tryiton")
    address = call("POST", "/v1/jobs", world.body(provider=provider)).headers["location"]
    world.at.sleep(age)
    assert call("GET", address).headers["retry-after"] == str(seconds)


def test_the_first_look_is_when_the_provider_is_usually_done(world: World) -> None:
    """Where its documents name no time, a client looks after 5 s."""
    job = world.job(world.submit().job.id)
    for provider in catalogue.entries():
        seconds = pace.of_job(job.model_copy(update={"plan": [provider.id]}), world.at)
        assert seconds == min(provider.usual or 5, 15), provider.id


def test_a_cancelled_job_that_is_still_open_is_looked_at_again_too(world: World, call: Call) -> None:  # noqa: F811
    address = call("POST", "/v1/jobs", world.body(provider="nova_canvas")).headers["location"]
    assert call("POST", f"{address}/cancel").headers["retry-after"] == "2"


def test_a_quick_provider_is_looked_at_sooner(world: World, call: Call) -> None:  # noqa: F811
    answer = call("POST", "/v1/jobs", world.body("test"), key=TEST_KEY)
    assert answer.headers["retry-after"] == str(pace.SOONEST)


def test_a_job_that_is_over_is_not_looked_at_again(world: World, call: Call) -> None:  # noqa: F811
    body = world.body("test")
    first = call("POST", "/v1/jobs", body, key=TEST_KEY, idempotency_key="k")
    world.run(first.json["id"])
    assert "retry-after" not in call("GET", first.headers["location"], key=TEST_KEY).headers
    assert "retry-after" not in call("POST", "/v1/jobs", body, key=TEST_KEY, idempotency_key="k").headers
