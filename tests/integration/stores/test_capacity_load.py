"""Five hundred jobs wait for a few places: no key of the table becomes hot."""

from __future__ import annotations

import heapq
from collections import Counter
from typing import Any

import pytest

from fitting_room.actions.workflow import queueing
from fitting_room.jobs.job import Attempt, Job
from fitting_room.jobs.rate import Rate
from fitting_room.stores import aws, capacity
from tests.integration.world import World

JOBS, PLACES, WORK, MINUTES = 500, 6, 12, 1


@pytest.fixture
def writes(world: World, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Every write, whether its condition holds or not: the partition key and what else the caller notes."""
    table, made = aws.table(), []
    real = table.update_item

    def counted(**expression: Any) -> Any:
        made.append(expression["Key"]["pk"])
        return real(**expression)

    monkeypatch.setattr(table, "update_item", counted)
    return made


def test_five_hundred_jobs_that_wait_for_six_places_write_little(world: World, writes: list[str]) -> None:
    """Each job asks at its own pauses for a minute, and frees its place after 12 seconds."""
    unchecked: Any = Job.model_construct
    jobs: dict[int, Job] = {n: unchecked(attempts={"1": Attempt(n=1, provider="v")}) for n in range(JOBS)}
    turns = [(n * 0.02, n) for n in range(JOBS)]  # all of them arrive within ten seconds
    ends: list[tuple[float, int, int]] = []
    units: Counter[int] = Counter()
    served = 0
    while turns and turns[0][0] < MINUTES * 60:
        now, n = heapq.heappop(turns)
        while ends and ends[0][0] <= now:
            _, place, done = heapq.heappop(ends)
            capacity.free_lease("v", place, f"job-{done}")
        before = len(writes)
        got = capacity.acquire_lease("v", PLACES, f"job-{n}", None, int(now * 1000), int(now * 1000) + 1_800_000)
        units[int(now)] += len(writes) - before
        if got is not None:
            served += 1
            heapq.heappush(ends, (now + WORK, got, n))
        else:
            pause = queueing.place_pause(jobs[n])
            jobs[n].attempts["1"].waited += pause
            heapq.heappush(turns, (now + pause, n))
    assert served >= PLACES * MINUTES * 60 / WORK / 2, "the places are not left empty"
    assert max(units.values()) < 200
    assert sum(units.values()) < 2 * served + JOBS, "a look at a full provider writes nothing"


def test_a_full_provider_costs_no_write(world: World, writes: list[str]) -> None:
    for n in range(3):
        capacity.acquire_lease("v", 3, f"job-{n}", None, 0, 9000)
    writes.clear()
    assert capacity.acquire_lease("v", 3, "late", None, 1, 9000) is None
    assert writes == []


def test_at_most_three_places_are_tried_when_what_was_read_is_old(
    world: World, writes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(20):
        capacity.acquire_lease("v", 20, f"job-{n}", None, 0, 9000)
    writes.clear()
    monkeypatch.setattr(capacity, "_holders", lambda *_: {})
    assert capacity.acquire_lease("v", 20, "late", None, 1, 9000) is None
    assert writes == ["LEASE#v"] * 3


def test_a_job_keeps_the_place_that_is_its_own(world: World) -> None:
    first = capacity.acquire_lease("v", 20, "job", 7, 0, 9000)
    assert first == 7
    assert capacity.acquire_lease("v", 20, "job", None, 1, 9000) == 7
    assert capacity.acquire_lease("v", 20, "other", 7, 1, 9000) != 7


def test_a_slot_costs_one_write_and_none_is_written_beyond_the_horizon(world: World, writes: list[str]) -> None:
    rate = Rate(submits=1, seconds=60)
    for _ in range(3):
        capacity.reserve_slot("v", rate, 1000, 1000 + 180_000)
    assert len(writes) == 3
    assert capacity.reserve_slot("v", rate, 1000, 1000 + 180_000)[0] is None
    assert len(writes) == 3


def test_a_second_shorter_pause_never_moves_the_next_slot_back(world: World) -> None:
    capacity.block_until("v", 90_000)
    capacity.block_until("v", 20_000)
    assert capacity.next_slot("v", 0) == 90_000
