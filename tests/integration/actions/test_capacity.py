"""Waiting for one's turn at a vendor, over the real stores. `tests/unit/actions/test_start.py` has the decision itself."""

from __future__ import annotations

from typing import Any

import pytest

from fitting_room.actions.workflow import attempts as purchase
from fitting_room.actions.workflow import start
from fitting_room.actions.workflow.queueing import BUSY_SECONDS
from fitting_room.actions.workflow.settle import settle
from fitting_room.jobs.rate import Rate
from fitting_room.providers.base import CatalogueEntry
from fitting_room.providers.catalogue import entry
from fitting_room.stores import capacity
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
                monkeypatch.setattr(module, "entry", lambda name, _: changed if name == changed.id else entry(name))
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
