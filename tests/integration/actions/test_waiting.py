"""How a job waits for its turn: in time and not in tries, for few writes, and without reading its images."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from fitting_room import clock
from fitting_room.actions.workflow import attempts, standing, start
from fitting_room.actions.workflow.prepare import prepare
from fitting_room.actions.workflow.queueing import REFUSED_SECONDS
from fitting_room.jobs.rate import Rate
from fitting_room.providers.base import CatalogueEntry
from fitting_room.providers.catalogue import entry
from fitting_room.stores import capacity, media
from tests.integration.world import Vendor, World, failed, finished, pending


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Gives Nova Canvas other limits than the catalogue says."""

    def change(**limits: Any) -> CatalogueEntry:
        changed = entry("nova_canvas").model_copy(update=limits)
        for module in (start, attempts):
            monkeypatch.setattr(module, "entry", lambda name, _: changed if name == changed.id else entry(name))
        return changed

    return change


@pytest.fixture
def prepares(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The jobs that Prepare was called for in `World.run`."""
    called: list[str] = []

    def counted(job_id: str, at: Any) -> Any:
        called.append(job_id)
        return prepare(job_id, at)

    monkeypatch.setattr("tests.integration.world.prepare", counted)
    return called


def full(world: World, vendor: Vendor, limited: Any) -> str:
    """A job whose provider has one place, which another job holds."""
    limited(rate=None, concurrency=1)
    vendor.starts = [pending(), finished()]
    one, two = world.prepared(), world.prepared()
    world.start(one)
    return two


def test_a_full_provider_is_asked_at_most_twenty_times_in_a_quarter_of_an_hour(
    world: World, vendor: Vendor, limited: Any
) -> None:
    waiting, waits = full(world, vendor, limited), []
    while (said := world.start(waiting))["outcome"] == "busy":
        waits.append(said["wait"])
        world.at.sleep(said["wait"])
    assert said == {"outcome": "failed", "again": False}
    assert (sum(waits), max(waits)) == (900, 60)
    assert waits[0] in (5, 6)
    states = 2 + 3 * len(waits) + 2 + 1  # Prepare, Next; Start, Next and the wait of each round; the last Start; Settle
    assert states <= 60


def test_time_in_which_nothing_ran_costs_no_queue(world: World, vendor: Vendor, limited: Any) -> None:
    waiting = full(world, vendor, limited)
    assert world.start(waiting)["outcome"] == "busy"
    world.at.sleep(1200)
    assert world.start(waiting)["outcome"] == "busy"


def test_the_queue_limit_is_one_for_all_providers_of_a_plan(world: World, vendor: Vendor, limited: Any) -> None:
    limited(rate=Rate(submits=1, seconds=890))
    world.configure("tryiton")
    vendor.starts = [finished()]
    world.start(world.prepared())
    capacity.block_until("tryiton", world.at.ms() + 30_000)
    job_id = world.prepared(provider="nova_canvas", fallback=["tryiton"])
    assert world.start(job_id)["wait"] == 893
    world.at.sleep(893)
    capacity.block_until("nova_canvas", world.at.ms() + 60_000)
    assert world.start(job_id) == {"outcome": "failed", "again": True}
    capacity.block_until("tryiton", world.at.ms() + 30_000)
    prepare(job_id, world.at)
    assert world.start(job_id) == {"outcome": "failed", "again": False}


def test_a_job_that_waits_reads_no_image(
    world: World, vendor: Vendor, limited: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = full(world, vendor, limited)
    with monkeypatch.context() as patched:
        patched.setattr(media, "read", lambda *_, **__: pytest.fail("an image was read"))
        assert world.start(waiting)["outcome"] == "busy"


@pytest.mark.parametrize(("late", "outcome"), [(3.0, "finished"), (3.001, "busy")])
def test_a_wake_up_of_up_to_three_seconds_late_keeps_its_slot(
    world: World, vendor: Vendor, limited: Any, late: float, outcome: str
) -> None:
    limited(rate=Rate(submits=1, seconds=60))
    vendor.starts = [finished()]
    one, two, three = world.prepared(), world.prepared(), world.prepared()
    for job_id in (one, two, three):
        world.start(job_id)
    world.at.sleep(63 + late)
    assert world.start(two)["outcome"] == outcome


def test_a_job_that_is_woken_too_late_twice_is_bought_all_the_same(world: World, vendor: Vendor, limited: Any) -> None:
    limited(rate=Rate(submits=1, seconds=447))
    vendor.starts = [finished()]
    world.start(world.prepared())
    job_id = world.prepared(provider="nova_canvas")
    for _ in range(2):
        said = world.start(job_id)
        assert said["outcome"] == "busy"
        world.start(world.prepared())  # another job takes the slot after it
        world.at.sleep(said["wait"] + 4)
    said = world.start(job_id)
    assert said["outcome"] == "busy"
    world.at.sleep(said["wait"])
    assert world.start(job_id)["outcome"] == "finished"


@pytest.mark.parametrize("said", [40.0, None])
def test_a_provider_without_a_rate_is_left_alone_by_all_jobs_after_a_429(
    world: World, vendor: Vendor, limited: Any, said: float | None
) -> None:
    limited(rate=None, concurrency=2)
    vendor.starts = [replace(failed("rate_limited"), retry_after=said), finished()]
    one, two = world.prepared(provider="nova_canvas"), world.prepared(provider="nova_canvas")
    pause = int(said or REFUSED_SECONDS)
    assert world.start(one) == {"outcome": "busy", "runner": "bedrock", "wait": pause}
    assert world.start(two) == {"outcome": "busy", "runner": "bedrock", "wait": pause}
    assert world.job(two).slot_at == clock.later(world.at.now(), pause)
    world.at.sleep(pause)
    assert [world.start(job_id)["outcome"] for job_id in (one, two)] == ["finished"] * 2
    assert len(vendor.orders) == 3


def test_a_retried_start_keeps_the_place_it_held(world: World, vendor: Vendor, limited: Any) -> None:
    provider = limited(rate=Rate(submits=1, seconds=60), concurrency=2)
    vendor.starts = [finished()]
    capacity.reserve_slot(provider.id, provider.rate, world.at.ms(), world.at.ms() + 1)
    job_id = world.prepared()
    places = set()
    for _ in range(3):
        assert world.start(job_id)["outcome"] == "busy"
        attempt = world.job(job_id).latest
        assert attempt
        places.add(attempt.lease)
    assert len(places) == 1
    assert capacity.acquire_lease(provider.id, 2, "other", None, world.at.ms(), world.at.ms() + 9) is not None


@pytest.mark.parametrize("said", [None, 1.0])
def test_a_429_with_no_time_or_a_short_one_is_waited_out_with_growing_pauses(
    world: World, vendor: Vendor, prepares: list[str], said: float | None
) -> None:
    asked: list[float] = []
    vendor.during = lambda: asked.append(world.at.now().timestamp())
    vendor.starts = [*[replace(failed("rate_limited"), retry_after=said)] * 4, finished()]
    job_id = world.submit(provider="nova_canvas").job.id
    world.run(job_id)
    assert world.job(job_id).status == "succeeded"
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert pauses == pytest.approx([15, 30, 60, 90], abs=3)
    assert prepares == [job_id], "the fitted images serve every attempt"
    assert len({order.base.read() for order in vendor.orders}) == 1


def test_a_provider_that_always_answers_429_is_given_up_at_the_queue_limit(world: World, vendor: Vendor) -> None:
    vendor.starts = [failed("rate_limited")]
    job_id, began = world.submit(provider="nova_canvas").job.id, world.at.now()
    world.run(job_id)
    job = world.job(job_id)
    assert (job.status, job.error and job.error.code) == ("failed", "rate_limited")
    assert 900 <= (world.at.now() - began).total_seconds() <= 960
    assert len(job.attempts) <= 15
    assert world.spent() == (0, 0)


def test_a_429_for_longer_than_a_job_may_wait_says_when_to_come_back(world: World, vendor: Vendor) -> None:
    vendor.starts = [replace(failed("rate_limited"), retry_after=3600)]
    job_id = world.submit(provider="nova_canvas").job.id
    world.run(job_id)
    job = world.job(job_id)
    assert len(vendor.orders) == 1
    assert job.error and "2026-09-01T13:00:00.000Z" in job.error.detail


def test_a_repeat_whose_writer_died_is_made_by_prepare_without_fitting(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.starts = [failed("rate_limited"), finished()]
    job_id = world.prepared(provider="nova_canvas")
    with monkeypatch.context() as patched:
        patched.setattr(attempts, "repeat", lambda *_: None)
        assert world.start(job_id) == {"outcome": "failed", "again": True}
    assert prepare(job_id, world.at) == {"outcome": "busy", "runner": "bedrock", "wait": 15}
    job = world.job(job_id)
    assert job.attempts["2"].inputs == job.attempts["1"].inputs
    world.at.sleep(15)
    assert world.start(job_id)["outcome"] == "finished"


@pytest.mark.parametrize(("usual", "looks"), [(9, [9, 4, 8, 16, 30, 30]), (None, [2, 4, 8, 16, 30, 30])])
def test_the_first_look_is_after_the_usual_time_and_the_next_ones_grow(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch, usual: int | None, looks: list[int]
) -> None:
    told = entry("nova_canvas").model_copy(update={"usual": usual})
    monkeypatch.setattr(standing, "entry", lambda *_: told)
    vendor.starts, vendor.polls = [pending()], [pending()]
    job_id, waits = world.prepared(provider="nova_canvas"), []
    said = world.start(job_id)
    for _ in looks:
        waits.append(said["wait"])
        world.at.sleep(said["wait"])
        said = world.poll(job_id)
    assert waits == looks
