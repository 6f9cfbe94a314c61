"""A live job beside a batch, by the code that decides whose turn it is. docs/cost.md has such waits in figures."""

from __future__ import annotations

import heapq
import itertools
import random
from types import SimpleNamespace
from typing import Any

import pytest

from fitting_room import clock
from fitting_room.actions.workflow import attempts, start
from fitting_room.jobs.job import Attempt, Job
from fitting_room.jobs.outcome import step
from fitting_room.jobs.parse import parse
from fitting_room.jobs.rate import Rate
from fitting_room.providers.catalogue import entry
from tests.unit.memory import NOON, Capacity, FakeClock
from tests.unit.providers.requests import asking

PROVIDER, REQUEST = entry("nova_canvas"), parse(asking("text_to_image"))
HORIZON = start.BATCH_HORIZON_MS / 1000
HOUR, SEEDS = 3600, 8


class Shop:
    """A provider with a batch in full swing: a row that is done is followed by the next one."""

    def __init__(self, seed: int, monkeypatch: pytest.MonkeyPatch, rate: Rate | None, places: int | None) -> None:
        self.at, self.capacity, self.chance = FakeClock(), Capacity(), random.Random(seed)
        random.seed(seed)
        self.events: list[tuple[float, int, str, Job]] = []
        self.count, self.numbers = 0, itertools.count()
        self.calls: list[tuple[float, Job]] = []
        monkeypatch.setattr(start, "capacity", self.capacity)
        monkeypatch.setattr(start, "pauses", lambda _: {})
        monkeypatch.setattr(start, "stage_limits", lambda _: (rate, places))
        monkeypatch.setattr(start, "record_outcome", lambda *_: step("failed", again=False))
        monkeypatch.setattr(start, "jobs", SimpleNamespace(save_reserved=lambda *_: None))
        monkeypatch.setattr(attempts, "jobs", SimpleNamespace(wait=lambda *_, **__: None))

    def comes(self, seconds: float, batch: str | None = None) -> Job:
        self.count += 1
        job = Job(
            id=f"job_{self.count}",
            tenant="acme",
            mode="live",
            task=REQUEST.task,
            request=REQUEST,
            sources={},
            plan=[PROVIDER.id],
            attempts={"1": Attempt(n=1, provider=PROVIDER.id)},
            batch=batch,
            created_at=clock.text(NOON),
            expires_at=clock.later(NOON, 2 * 86400),
        )
        self._later(seconds, "asks", job)
        return job

    def run(self, until: float, work: float, *, awaited: list[Job]) -> None:
        """Let time pass until all `awaited` jobs have called, or until then. A job is `work` seconds at the provider."""
        while self.events and self.events[0][0] < until and not {job.id for job in awaited} <= self._called():
            seconds, _, what, job = heapq.heappop(self.events)
            self.at.moment = max(self.at.moment, clock.from_ms(int((NOON.timestamp() + seconds) * 1000)))
            attempt: Any = job.latest
            if what == "ends":
                if attempt.lease is not None:
                    self.capacity.free_lease(PROVIDER.id, attempt.lease, job.id)
                self.comes(seconds + 1, "bat_1")
            elif (said := start._capacity(job, attempt, PROVIDER, self.at)) is None:
                leaves = max(seconds, (attempt.slot_ms or 0) / 1000 - NOON.timestamp())
                self.calls.append((leaves, job))
                self._later(leaves + work, "ends", job)
            else:
                assert said["outcome"] == "busy", f"{job.id} of batch {job.batch}: {said}"
                self._later(seconds + said["wait"] + self.chance.uniform(0, 1), "asks", job)

    def _called(self) -> set[str]:
        return {job.id for _, job in self.calls}

    def _later(self, seconds: float, what: str, job: Job) -> None:
        heapq.heappush(self.events, (seconds, next(self.numbers), what, job))


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Any:
    """For each seed the longest wait of that many live jobs that come at once in the middle of a batch."""

    def measured(rows: int, places: int | None, rate: Rate | None, work: float, live: int = 1) -> list[float]:
        found = []
        for seed in range(SEEDS):
            shop = Shop(seed, monkeypatch, rate, places)
            for _ in range(rows):
                shop.comes(shop.chance.uniform(0, 5), "bat_1")
            came = shop.chance.uniform(120, 150)
            jobs = [shop.comes(came) for _ in range(live)]
            shop.run(2 * HOUR, work, awaited=jobs)
            called = {job.id: seconds for seconds, job in shop.calls}
            found.append(max(called[job.id] for job in jobs) - came)
        return found

    return measured


FAL, ONE, FASHN = (2, None, 14), (1, None, 14), (6, Rate(submits=50, seconds=60), 12)
SLOW, FEW_SLOTS, SLOTS = (1, None, 60), (4, Rate(submits=2, seconds=60), 14), (None, Rate(submits=60, seconds=60), 12)


@pytest.mark.parametrize("rows", [20, 100])
@pytest.mark.parametrize(("limits", "longest"), [(FAL, 25), (ONE, 25), (FASHN, 15), (SLOW, HORIZON)])
def test_a_live_job_waits_for_a_row_at_the_provider_and_not_for_the_rows_that_wait(
    waits: Any, rows: int, limits: tuple[int, Rate | None, float], longest: float
) -> None:
    assert max(waits(rows, *limits)) <= longest


@pytest.mark.parametrize("limits", [FEW_SLOTS, SLOTS])
def test_a_live_job_waits_two_minutes_at_most_for_a_slot(
    waits: Any, limits: tuple[int | None, Rate | None, float]
) -> None:
    assert max(waits(100, *limits)) <= HORIZON


def test_several_live_jobs_share_the_places_among_themselves(waits: Any) -> None:
    assert max(waits(100, *FAL, live=5)) <= HORIZON


def test_a_batch_has_all_places_while_no_live_job_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    places, _, work = FAL
    shop = Shop(1, monkeypatch, None, places)
    for _ in range(20):
        shop.comes(shop.chance.uniform(0, 5), "bat_1")
    shop.comes(200)
    shop.run(HOUR, work, awaited=[shop.comes(HOUR)])
    done = sum(job.batch is not None for _, job in shop.calls)
    assert done >= 0.8 * places * HOUR / work
