"""Vendors' limits: never more calls in any window than allowed, however late each call leaves after its slot."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from fitting_room.jobs.rate import Rate
from fitting_room.stores import capacity
from tests.unit.memory import Capacity

HORIZON = 10**15


@pytest.fixture(params=["table", "memory"])
def places(request: pytest.FixtureRequest) -> Any:
    """The store, and the stand-in that the unit tests of Start use."""
    if request.param == "memory":
        return Capacity()
    request.getfixturevalue("world")
    return capacity


def most_in_a_window(times: list[int], window_ms: int) -> int:
    times = sorted(times)
    return max(sum(start <= other < start + window_ms for other in times) for start in times)


@given(submits=some.integers(1, 8), seconds=some.integers(1, 60), data=some.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_window_holds_more_calls_than_the_vendor_permits(
    places: Any, submits: int, seconds: int, data: some.DataObject
) -> None:
    rate, now, calls = Rate(submits=submits, seconds=seconds), 10**12, []
    provider = f"vendor-{submits}-{seconds}-{data.draw(some.integers(0, 10**9))}"
    for pause in data.draw(some.lists(some.one_of(some.just(0), some.integers(0, 90_000)), min_size=3, max_size=24)):
        now += pause
        slot, _ = places.reserve_slot(provider, rate, now, HORIZON)
        assert slot is not None and slot >= now
        calls.append(slot + data.draw(some.integers(0, capacity.JITTER_MS)))
    assert most_in_a_window(calls, seconds * 1000) <= submits


def test_slots_are_evenly_spaced_and_the_first_is_now(places: Any) -> None:
    rate = Rate(submits=3, seconds=60)
    assert [places.reserve_slot("v", rate, 1000, HORIZON)[0] for _ in range(4)] == [1000, 22_000, 43_000, 64_000]
    assert places.reserve_slot("v", rate, 500_000, HORIZON)[0] == 500_000, "unused slots do not add up to a burst"
    assert places.reserve_slot("v", rate, 500_001, HORIZON)[0] == 521_000


def test_a_slot_beyond_the_horizon_is_not_taken_but_its_time_is_told(places: Any) -> None:
    rate = Rate(submits=1, seconds=60)
    assert [places.reserve_slot("v", rate, 0, 100_000) for _ in range(4)] == [
        (0, 0),
        (63_000, 63_000),
        (None, 126_000),
        (None, 126_000),
    ]
    assert places.reserve_slot("v", rate, 0, 126_001) == (126_000, 126_000)


def test_providers_do_not_share_their_slots(places: Any) -> None:
    rate = Rate(submits=1, seconds=60)
    assert [places.reserve_slot(name, rate, 5, HORIZON)[0] for name in ("a", "b")] == [5, 5]


def acquire(places: Any, job: str, *, now: int = 0, held: int | None = None, cap: int = 2) -> int | None:
    return places.acquire_lease("v", cap, job, held, now, now + 1000)


def test_no_more_leases_than_the_cap_and_none_before_one_is_free(places: Any) -> None:
    assert {acquire(places, "a"), acquire(places, "b")} == {0, 1}
    assert acquire(places, "c") is None


def test_a_lease_expires(places: Any) -> None:
    first, second = acquire(places, "a", now=0), acquire(places, "b", now=500)
    assert acquire(places, "c", now=1000) is None
    assert acquire(places, "c", now=1001) == first
    assert acquire(places, "d", now=1001) is None
    assert acquire(places, "d", now=1501) == second


@pytest.mark.parametrize("held", [False, True])
def test_a_job_that_asks_again_gets_its_own_lease(places: Any, held: bool) -> None:
    number = acquire(places, "a", cap=5)
    assert [acquire(places, "a", now=n, held=number if held else None, cap=5) for n in (10, 900, 1800)] == [number] * 3


def test_a_lease_is_freed_by_the_job_that_has_it_and_by_no_other(places: Any) -> None:
    number = acquire(places, "a", cap=1)
    assert number is not None
    places.free_lease("v", number, "b")
    assert acquire(places, "b", cap=1) is None
    places.free_lease("v", number, "a")
    assert acquire(places, "b", cap=1) == number


def test_a_provider_that_had_enough_gets_no_slot_before_its_time_and_a_shorter_pause_takes_none_of_it_back(
    places: Any,
) -> None:
    rate = Rate(submits=1, seconds=7)
    places.block_until("v", 50_000)
    places.block_until("v", 20_000)
    assert [places.reserve_slot("v", rate, 0, HORIZON)[0] for _ in range(2)] == [50_000, 60_000]
    places.block_until("v", 55_000)
    assert places.reserve_slot("v", rate, 0, HORIZON)[0] == 70_000, "slots that were given out stay"
    assert [places.reserve_slot("v", None, 0, HORIZON)[0] for _ in range(2)] == [55_000, 55_000], (
        "a pause needs no rate"
    )
    assert places.reserve_slot("v", None, 60_000, HORIZON)[0] == 60_000
    assert places.reserve_slot("v", None, 0, 55_000) == (None, 55_000)


def test_a_pause_and_a_waiting_live_job_are_seen_by_all_until_the_latest_time_that_was_told(places: Any) -> None:
    for until in (50_000, 20_000):
        places.block_until("v", until)
        places.let_live_first("v", until + 1)
    assert places.look("v") == (-1, 50_000, 50_001)
    assert places.look("other") == (-1, -1, -1)
