"""Whose turn it is at a provider: what Start decides, with places and slots in memory."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from fitting_room import clock
from fitting_room.actions.workflow import attempts, start
from fitting_room.actions.workflow.queueing import BATCH_SECONDS, BUSY_SECONDS
from fitting_room.jobs.job import Attempt, Job
from fitting_room.jobs.outcome import Failed, Step, step
from fitting_room.jobs.parse import parse
from fitting_room.jobs.rate import Rate
from fitting_room.providers.catalogue import entry
from fitting_room.stores.capacity import Queue
from tests.unit.memory import Capacity, FakeClock
from tests.unit.providers.requests import asking

PROVIDER = entry("nova_canvas")
GAP = 31.5
"""Between two calls at two in a minute: 30 s, and half of the 3 s that a call may be late."""
REQUEST = parse(asking("text_to_image"))


@dataclass
class Desk:
    """Start before its claim. `calls` are the moments at which a call may leave, `ended` is how attempts ended without one."""

    at: FakeClock
    capacity: Capacity
    rate: Rate | None = None
    concurrency: int | None = None
    calls: list[float] = field(default_factory=list)
    ended: list[Failed] = field(default_factory=list)
    count: int = 0

    def job(self, *, batch: str | None = None, waited: int = 0) -> Job:
        self.count += 1
        return Job(
            id=f"job_{self.count}",
            tenant="acme",
            mode="live",
            task=REQUEST.task,
            request=REQUEST,
            sources={},
            plan=[PROVIDER.id],
            attempts={"1": Attempt(n=1, provider=PROVIDER.id, waited=waited)},
            batch=batch,
            created_at=clock.text(self.at.now()),
            expires_at=clock.later(self.at.now(), 86400),
        )

    def ask(self, job: Job) -> Step | None:
        """None: the job's call leaves now, at its slot."""
        attempt = attempt_of(job)
        said = start._capacity(job, attempt, PROVIDER, self.at)
        if said is None:
            self.at.sleep(max(0, (attempt.slot_ms or 0) - self.at.ms()) / 1000)
            self.calls.append(self.at.now().timestamp())
        return said

    def wait(self, job: Job) -> int:
        said = self.ask(job)
        assert said is not None and said["outcome"] == "busy", said
        return said["wait"]


def attempt_of(job: Job) -> Attempt:
    assert job.latest is not None
    return job.latest


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    random.seed(7)
    desk = Desk(FakeClock(), Capacity())

    def keep(_job: Job, _attempt: Attempt, outcome: Failed, _at: Any) -> Step:
        desk.ended.append(outcome)
        return step("failed", again=False)

    monkeypatch.setattr(start, "capacity", desk.capacity)
    monkeypatch.setattr(start, "stage_limits", lambda _: (desk.rate, desk.concurrency))
    monkeypatch.setattr(start, "record_outcome", keep)
    monkeypatch.setattr(start, "jobs", SimpleNamespace(save_reserved=lambda *_: None))
    monkeypatch.setattr(attempts, "jobs", SimpleNamespace(wait=lambda *_, **__: None))
    return desk


def test_a_provider_without_limits_is_called_at_once(desk: Desk) -> None:
    assert [desk.ask(desk.job()) for _ in range(3)] == [None, None, None]
    assert desk.at.slept == []


# slots of a rate


def test_each_job_waits_once_for_the_next_slot(desk: Desk) -> None:
    desk.rate = Rate(submits=2, seconds=60)
    one, two, three = (desk.job() for _ in range(3))
    assert desk.ask(one) is None
    assert (desk.wait(two), desk.wait(three)) == (31, 63)
    desk.at.sleep(31)
    assert desk.ask(two) is None
    assert desk.calls[1] - desk.calls[0] == GAP, "the last half second is slept, not polled"


def test_asking_too_early_keeps_the_slot(desk: Desk) -> None:
    desk.rate = Rate(submits=2, seconds=60)
    one, two, three = (desk.job() for _ in range(3))
    desk.ask(one)
    assert [desk.wait(two) for _ in range(3)] == [31, 31, 31]
    assert desk.wait(three) == 63


@pytest.mark.parametrize("late", [0.001, 1, 2.999, 3])
def test_a_job_that_is_woken_up_to_three_seconds_late_keeps_its_slot(desk: Desk, late: float) -> None:
    desk.rate = Rate(submits=2, seconds=60)
    one, two, three = (desk.job() for _ in range(3))
    desk.ask(one)
    desk.wait(two)
    desk.wait(three)
    desk.at.sleep(GAP + late)
    assert desk.ask(two) is None
    assert desk.wait(three) == int(GAP - late)


def test_a_slot_that_is_missed_by_more_is_given_up(desk: Desk) -> None:
    desk.rate = Rate(submits=2, seconds=60)
    one, two, three = (desk.job() for _ in range(3))
    desk.ask(one)
    desk.wait(two)
    desk.wait(three)
    desk.at.sleep(GAP + 3.001)
    assert desk.wait(two) == int(3 * GAP - GAP - 3.001), "the next slot is the third job's, so it goes to the end"
    assert desk.wait(three) == int(2 * GAP - GAP - 3.001)


def test_a_job_that_is_woken_too_late_twice_is_not_charged_for_the_slots_that_it_missed(desk: Desk) -> None:
    """Other jobs keep a queue of 400 s, and no function can run at its slots."""
    desk.rate = Rate(submits=60, seconds=60)
    job = desk.job()
    for _ in range(2):
        desk.capacity.queues[PROVIDER.id] = Queue(next_ms=desk.at.ms() + 400_000)
        assert desk.wait(job) == 400
        desk.at.sleep(400 + 4)
    desk.capacity.queues[PROVIDER.id] = Queue(next_ms=desk.at.ms() + 400_000)
    assert desk.wait(job) == 400
    desk.at.sleep(400)
    assert desk.ask(job) is None, "it is bought, and not refused for a wait of 15 minutes"
    assert (desk.ended, job.waited) == ([], 400)


def test_a_slot_beyond_what_a_job_may_still_wait_ends_it_and_says_when_to_come_back(desk: Desk) -> None:
    desk.rate = Rate(submits=1, seconds=97)
    desk.ask(desk.job())
    assert desk.wait(desk.job(waited=799)) == 100
    assert desk.ask(desk.job(waited=700)) == {"outcome": "failed", "again": False}, "200 s from now, and 200 are left"
    [told] = desk.ended
    assert (told.fault.code, told.charged) == ("rate_limited", "no")
    assert "2026-09-01T12:03:20.000Z" in told.fault.detail


def test_late_starts_never_exceed_the_rate(desk: Desk) -> None:
    """Eighteen jobs, each woken by the state machine at its whole second and up to 3 s late."""
    desk.rate = Rate(submits=5, seconds=10)
    chance = random.Random(11)
    began = desk.at.now().timestamp()
    woken = {n: (began, desk.job()) for n in range(18)}
    while woken:
        n = min(woken, key=lambda name: woken[name][0])
        moment, job = woken.pop(n)
        desk.at.moment = max(desk.at.moment, clock.from_ms(int(moment * 1000)))
        if (said := desk.ask(job)) is not None:
            woken[n] = (desk.at.now().timestamp() + said["wait"] + chance.uniform(0, 2.9), job)
    assert len(desk.calls) == 18
    assert max(sum(call <= other < call + 10 for other in desk.calls) for call in desk.calls) <= 5


# pauses that a provider asks for


@pytest.mark.parametrize("rate", [None, Rate(submits=60, seconds=60)])
def test_a_provider_that_asked_for_a_pause_is_left_alone_by_all_jobs(desk: Desk, rate: Rate | None) -> None:
    desk.rate = rate
    desk.capacity.block_until(PROVIDER.id, desk.at.ms() + 40_000)
    began, jobs = desk.at.now().timestamp(), [desk.job(), desk.job()]
    for job in jobs:
        assert 40 <= desk.wait(job) <= 41
    desk.at.sleep(41.1)
    for job in jobs:
        assert desk.ask(job) is None
    assert min(desk.calls) - began >= 40


def test_a_slot_that_was_given_out_before_the_pause_is_not_used_in_it(desk: Desk) -> None:
    desk.rate = Rate(submits=1, seconds=27)
    one, two = desk.job(), desk.job()
    desk.ask(one)
    assert desk.wait(two) == 30
    desk.capacity.block_until(PROVIDER.id, desk.at.ms() + 70_000)
    desk.at.sleep(30)
    assert desk.wait(two) == 40
    desk.at.sleep(40)
    assert desk.ask(two) is None
    assert desk.calls[1] - desk.calls[0] == 70


def test_a_pause_for_longer_than_a_job_may_wait_ends_it_and_says_when_to_come_back(desk: Desk) -> None:
    desk.capacity.block_until(PROVIDER.id, desk.at.ms() + 1000_000)
    assert desk.ask(desk.job()) == {"outcome": "failed", "again": False}
    assert "2026-09-01T12:16:40.000Z" in desk.ended[0].fault.detail


# places


def test_a_full_provider_is_asked_again_unevenly_and_ever_less_often(desk: Desk) -> None:
    desk.concurrency = 1
    assert desk.ask(desk.job()) is None
    assert BUSY_SECONDS[0] <= desk.wait(desk.job()) <= BUSY_SECONDS[0] * 1.25
    waits = [desk.wait(desk.job(waited=25)) for _ in range(10)]
    assert 30 <= min(waits) < max(waits) <= 30 * 1.25, "so that jobs that came together do not ask together"
    patient = desk.job()
    longer = [desk.wait(patient) for _ in range(6)]
    assert longer[-1] == BUSY_SECONDS[1] and longer == sorted(longer)


def test_a_job_that_asks_again_has_the_same_place(desk: Desk) -> None:
    desk.rate, desk.concurrency = Rate(submits=1, seconds=97), 2
    desk.ask(desk.job())
    two = desk.job()
    assert desk.wait(two) == 100
    assert [(desk.wait(two), attempt_of(two).lease) for _ in range(2)] == [(100, attempt_of(two).lease)] * 2
    assert len(desk.capacity.leases) == 2, "one place for each job"


def test_another_attempt_asks_for_the_place_that_the_job_had(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.concurrency = 3
    asked: list[int | None] = []
    acquire = desk.capacity.acquire_lease

    def seen(*args: Any) -> int | None:
        asked.append(args[3])
        return acquire(*args)

    monkeypatch.setattr(desk.capacity, "acquire_lease", seen)
    job = desk.job()
    job.attempts["1"].lease = 2
    job.attempts["2"] = Attempt(n=2, provider=PROVIDER.id)
    assert desk.ask(job) is None
    assert (asked, attempt_of(job).lease) == ([2], 2)


def test_a_job_without_a_place_takes_no_slot(desk: Desk) -> None:
    """A slot that passes while a job waits for a place would be lost to everybody."""
    desk.rate, desk.concurrency = Rate(submits=2, seconds=60), 1
    desk.ask(desk.job())
    before = desk.capacity.look(PROVIDER.id).next_ms
    waiting = desk.job()
    assert desk.wait(waiting) <= BUSY_SECONDS[1]
    assert (desk.capacity.look(PROVIDER.id).next_ms, attempt_of(waiting).slot_ms) == (before, None)


def test_nobody_waits_for_a_place_for_ever(desk: Desk) -> None:
    desk.concurrency = 1
    desk.ask(desk.job())
    job, waited = desk.job(), 0
    while (said := desk.ask(job)) and said["outcome"] == "busy":
        waited += said["wait"]
    assert waited == 900
    assert said == {"outcome": "failed", "again": False}
    assert (desk.ended[0].fault.code, desk.ended[0].charged) == ("rate_limited", "no")


# rows of a batch


def test_a_row_of_a_batch_takes_no_slot_far_ahead_and_lets_a_live_shopper_go_first(desk: Desk) -> None:
    desk.rate = Rate(submits=1, seconds=47)
    rows = [desk.job(batch="bat_1") for _ in range(6)]
    assert desk.ask(rows[0]) is None
    assert desk.wait(rows[1]) == 50
    for row in rows[2:]:
        assert BATCH_SECONDS[0] <= desk.wait(row) <= BATCH_SECONDS[1]
        assert attempt_of(row).slot_ms is None
    assert desk.wait(desk.job()) == 100, "within two minutes, behind one row and not behind five"


def test_a_row_of_a_batch_without_a_slot_takes_nobody_s_place(desk: Desk) -> None:
    desk.rate, desk.concurrency = Rate(submits=1, seconds=147), 2
    desk.ask(desk.job(batch="bat_1"))
    waiting = desk.job(batch="bat_1")
    assert BATCH_SECONDS[0] <= desk.wait(waiting) <= BATCH_SECONDS[1]
    assert waiting.id not in {job_id for job_id, _ in desk.capacity.leases.values()}
    assert desk.wait(desk.job()) == 150, "a shopper waits for a slot, not for a place"


def test_a_row_of_a_batch_waits_for_twenty_hours_and_not_for_ever(desk: Desk) -> None:
    desk.rate = Rate(submits=1, seconds=200_000)
    desk.ask(desk.job())
    row, waited = desk.job(batch="bat_1", waited=20 * 3600 - 500), 0
    while (said := desk.ask(row)) and said["outcome"] == "busy":
        waited += said["wait"]
    assert said == {"outcome": "failed", "again": False}
    assert 500 <= waited <= 500 + BATCH_SECONDS[1]
