"""Waiting for one's turn at a vendor."""

from __future__ import annotations

import random
from typing import Any

import pytest

from fitting_room import clock
from fitting_room.actions.workflow import attempts as purchase
from fitting_room.actions.workflow import start
from fitting_room.actions.workflow.queueing import BATCH_SECONDS, BUSY_SECONDS
from fitting_room.actions.workflow.settle import settle
from fitting_room.jobs.job import Job
from fitting_room.jobs.rate import Rate
from fitting_room.providers.base import CatalogueEntry
from fitting_room.providers.catalogue import entry
from fitting_room.stores import aws, capacity, jobs
from tests.deployment import choose
from tests.integration.world import Vendor, World, failed, finished, moment, pending

RATE = Rate(submits=2, seconds=60)
GAP = 31.5


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Gives the vendor other limits than the catalogue says."""

    def change(**limits: Any) -> CatalogueEntry:
        changed = entry("nova_canvas").model_copy(update=limits)
        for module in (start, purchase):
            if hasattr(module, "entry"):
                monkeypatch.setattr(module, "entry", lambda name: changed if name == changed.id else entry(name))
        return changed

    return change


def test_the_second_job_waits_for_its_slot_and_shows_when_it_is(world: World, vendor: Vendor, limited: Any) -> None:
    limited(rate=RATE)
    vendor.starts = [finished()]
    one, two = world.prepared(), world.prepared()
    began = world.at.now()
    assert world.start(one) == {"outcome": "finished"}
    assert world.start(two) == {"outcome": "busy", "runner": "bedrock", "wait": 31}
    job = world.job(two)
    assert (job.status, job.step) == ("queued", "waiting_for_slot")
    assert (moment(job.slot_at) - began).total_seconds() == GAP
    world.at.sleep(31)
    assert world.start(two) == {"outcome": "finished"}
    assert (world.at.now() - began).total_seconds() == GAP, "the last half second is slept, not polled"
    assert world.job(two).slot_at is None


def test_asking_again_too_early_keeps_the_slot(world: World, vendor: Vendor, limited: Any) -> None:
    limited(rate=RATE)
    vendor.starts = [finished()]
    one, two, three = world.prepared(), world.prepared(), world.prepared()
    world.start(one)
    assert [world.start(two)["wait"] for _ in range(3)] == [31, 31, 31]
    assert world.start(three)["wait"] == 63


def test_a_missed_slot_is_given_up(world: World, vendor: Vendor, limited: Any) -> None:
    limited(rate=RATE)
    vendor.starts = [finished()]
    one, two, three = world.prepared(), world.prepared(), world.prepared()
    began = world.at.now()
    for job_id in (one, two, three):
        world.start(job_id)
    world.at.sleep(GAP + capacity.JITTER_MS / 1000 + 0.001)
    assert world.start(two)["outcome"] == "busy", "the next slot is the third job's, so it goes to the end"
    assert (moment(world.job(two).slot_at) - began).total_seconds() == 3 * GAP
    assert world.start(three)["wait"] == int(2 * GAP - GAP - 3.001)


def test_a_slot_too_far_away_is_rate_limited_and_says_when_to_come_back(
    world: World, vendor: Vendor, limited: Any
) -> None:
    limited(rate=Rate(submits=1, seconds=897))
    vendor.starts = [finished()]
    one, two = world.prepared(), world.prepared(provider="nova_canvas")
    world.start(one)
    assert world.start(two) == {"outcome": "failed", "again": False}
    settle(two, world.at)
    job = world.job(two)
    assert job.error
    assert (job.error.code, job.error.retryable, job.error.provider) == ("rate_limited", True, "nova_canvas")
    assert "2026-09-01T12:15:00.000Z" in job.error.detail
    assert (len(vendor.orders), world.spent()[0]) == (1, 1), "the second was refunded"


def test_a_slot_too_far_away_moves_on_to_the_next_provider(world: World, vendor: Vendor, limited: Any) -> None:
    world.configure("tryiton")
    limited(rate=Rate(submits=1, seconds=897))
    vendor.starts = [finished()]
    world.start(world.prepared())
    two = world.submit().job.id
    world.run(two)
    assert world.job(two).provider == "tryiton"


def test_many_jobs_with_late_starts_never_exceed_the_vendors_rate(world: World, vendor: Vendor, limited: Any) -> None:
    """Eighteen jobs, each woken by the state machine at its whole second and up to 3 s late."""
    limited(rate=Rate(submits=5, seconds=10))
    calls: list[float] = []
    vendor.starts, vendor.during = [failed("content_blocked")], lambda: calls.append(world.at.now().timestamp())
    chance = random.Random(11)
    model = world.job(world.prepared())
    woken = {_copy(model, n): world.at.now().timestamp() for n in range(18)}
    while woken:
        job_id = min(woken, key=lambda name: woken[name])
        world.at.moment = max(world.at.moment, clock.from_ms(int(woken.pop(job_id) * 1000)))
        said = world.start(job_id)
        if said["outcome"] == "busy":
            woken[job_id] = world.at.now().timestamp() + said["wait"] + chance.uniform(0, 2.9)
    assert len(calls) == 18
    assert max(sum(start <= other < start + 10 for other in calls) for start in calls) <= 5


def _copy(model: Job, n: int) -> str:
    """A prepared job like the model, without preparing its pictures anew."""
    job = model.model_copy(update={"id": f"{model.id}-{n}"})
    aws.table().put_item(Item=jobs.item(job))
    return job.id


# --------------------------------------------------------------------------------------------------- leases
def test_a_full_vendor_answers_busy_and_is_asked_again_unevenly(world: World, vendor: Vendor, limited: Any) -> None:
    limited(rate=None, concurrency=1)
    vendor.starts = [pending()]
    one, two = world.prepared(), world.prepared()
    world.start(one)
    waits = {world.start(two)["wait"] for _ in range(10)}
    assert len(waits) > 2 and min(waits) >= BUSY_SECONDS[0] and max(waits) <= BUSY_SECONDS[1]
    job = world.job(two)
    assert (job.step, [entry["step"] for entry in job.timeline].count("waiting_for_slot")) == ("waiting_for_slot", 1)
    assert len(vendor.orders) == 1


def test_a_job_cancelled_at_its_vendor_keeps_its_place_there_for_the_usual_time(
    world: World, vendor: Vendor, limited: Any
) -> None:
    usual = limited(rate=None, concurrency=1).usual_ms / 1000
    vendor.starts = [pending(), finished()]
    one, two = world.prepared(), world.prepared()
    world.start(one)
    assert world.cancel(one).status == "cancelled"
    world.at.sleep(usual)
    assert world.start(two)["outcome"] == "busy", "the vendor still works on the first"
    world.at.sleep(1)
    assert world.start(two)["outcome"] == "finished"


def test_the_end_of_an_attempt_frees_its_lease_before_the_job_ends(world: World, vendor: Vendor, limited: Any) -> None:
    limited(rate=None, concurrency=1)
    vendor.starts, vendor.polls = [pending(), finished()], [finished()]
    one, two = world.prepared(), world.prepared()
    world.start(one)
    assert world.start(two)["outcome"] == "busy"
    world.poll(one)
    assert not world.job(one).final
    assert world.start(two)["outcome"] == "finished"


def test_a_stage_s_own_limits_take_the_place_of_the_catalogue_s(world: World, vendor: Vendor, monkeypatch: Any) -> None:
    choose(monkeypatch, limits={"nova_canvas": {"submits": 1, "seconds": 97, "concurrency": 1}})
    vendor.starts = [pending()]
    one, two, three = world.prepared(), world.prepared(), world.prepared()
    world.start(one)
    assert world.start(two)["wait"] <= BUSY_SECONDS[1], "one at a time"
    vendor.polls = [failed("content_blocked")]
    world.poll(one)
    assert world.start(two)["wait"] == 100, "and one in 97 s, and 3 s for a late start"
    world.cancel(two)
    assert world.start(three)["wait"] == 200


# --------------------------------------------------------------------------------------------------- batches
def test_a_row_of_a_batch_takes_no_slot_far_ahead_and_lets_a_live_shopper_go_first(
    world: World, vendor: Vendor, limited: Any
) -> None:
    limited(rate=Rate(submits=1, seconds=47))
    vendor.starts = [finished()]
    model = world.job(world.prepared()).model_copy(update={"batch": True})
    rows = [_copy(model, n) for n in range(6)]
    assert world.start(rows[0])["outcome"] == "finished"
    assert [world.start(row)["wait"] for row in rows[1:3]] == [50, 100]
    for row in rows[3:]:
        assert BATCH_SECONDS[0] <= world.start(row)["wait"] <= BATCH_SECONDS[1]
        assert world.job(row).latest.slot_ms is None, "no slot is taken beyond two minutes"  # type: ignore[union-attr]
    assert world.start(world.prepared())["wait"] == 150, "so the shopper waits behind two rows, not behind five"


def test_a_row_of_a_batch_without_a_slot_takes_nobody_s_place(world: World, vendor: Vendor, limited: Any) -> None:
    limited(rate=Rate(submits=1, seconds=147), concurrency=1)
    vendor.starts = [finished()]
    live = world.prepared()
    model = world.job(live).model_copy(update={"batch": True})
    assert world.start(_copy(model, 0))["outcome"] == "finished"
    assert BATCH_SECONDS[0] <= world.start(_copy(model, 1))["wait"] <= BATCH_SECONDS[1]
    assert world.start(live)["wait"] == 150, "it waits for its slot, not for a place"


def test_a_row_of_a_batch_waits_for_twenty_hours_and_not_for_ever(world: World, vendor: Vendor, limited: Any) -> None:
    limited(rate=Rate(submits=1, seconds=200_000))
    vendor.starts = [finished()]
    model = world.job(world.prepared()).model_copy(update={"batch": True})
    assert model.latest
    model.latest.waited = 20 * 3600 - 500
    one, two = _copy(model, 1), _copy(model, 2)
    world.start(one)
    waited = 0
    while (said := world.start(two))["outcome"] == "busy":
        waited += said["wait"]
    assert said == {"outcome": "failed", "again": False}
    assert 500 <= waited <= 500 + BATCH_SECONDS[1]


def test_a_job_that_never_called_frees_its_lease_too(world: World, vendor: Vendor, limited: Any) -> None:
    limited(rate=RATE, concurrency=2)
    vendor.starts = [pending()]
    one, two, three = world.prepared(), world.prepared(), world.prepared()
    world.start(one)
    assert world.start(two)["outcome"] == "busy", "it holds the second lease and waits for its slot"
    assert world.start(three)["wait"] <= BUSY_SECONDS[1], "no lease, so no slot either"
    world.cancel(two)
    assert world.start(three)["wait"] > 6, "now it waits for a slot"
    assert len(vendor.orders) == 1


def test_a_call_that_crashed_frees_its_lease_when_it_is_settled(world: World, vendor: Vendor, limited: Any) -> None:
    limited(rate=None, concurrency=1)
    vendor.starts = [ConnectionError("killed"), finished()]
    one, two = world.prepared(), world.prepared()
    with pytest.raises(ConnectionError):
        world.start(one)
    assert world.start(two)["outcome"] == "busy"
    world.at.sleep(180)
    settle(one, world.at)
    assert world.start(two)["outcome"] == "finished"


def test_a_lease_that_was_taken_over_does_not_block_settling(world: World, vendor: Vendor, limited: Any) -> None:
    provider = limited(rate=None, concurrency=1)
    vendor.starts = [pending()]
    one, two = world.prepared(), world.prepared()
    world.start(one)
    world.at.sleep(provider.deadline + 1)
    assert world.start(two)["outcome"] == "pending"
    assert world.cancel(one).final
    assert capacity.acquire_lease(provider.id, 1, "job_other", None, world.at.ms(), world.at.ms() + 1) is None, (
        "the lease is still the second job's"
    )


def test_nobody_waits_for_a_place_for_ever(world: World, vendor: Vendor, limited: Any) -> None:
    limited(rate=None, concurrency=1, deadline=7200)
    vendor.starts = [pending()]
    one, two = world.prepared(), world.prepared()
    world.start(one)
    world.at.sleep(waited := 880)
    while (said := world.start(two))["outcome"] == "busy":
        world.at.sleep(said["wait"])
        waited += said["wait"]
    assert waited == 880 + 900, "time in which the job was not told to wait does not count"
    assert said == {"outcome": "failed", "again": False}
    attempt = world.job(two).latest
    assert attempt and attempt.error and (attempt.error.code, attempt.charged) == ("rate_limited", "no")
