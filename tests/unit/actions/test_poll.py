"""Looking how a vendor's job is doing."""

from __future__ import annotations

import pytest

from fitting_room.actions.workflow.settle import settle
from fitting_room.jobs.errors import JobFailure
from tests.unit.world import Vendor, World, failed, finished, pending


@pytest.fixture
def sent(world: World, vendor: Vendor) -> str:
    """A job that TryItOn has taken and works on."""
    world.configure("tryiton")
    vendor.starts, vendor.polls = [pending("v-9")], [pending("v-9", wait=2)]
    job_id = world.prepared(provider="tryiton")
    assert world.start(job_id) == {"outcome": "pending", "wait": 1}
    world.at.slept.clear()
    return job_id


def test_one_invocation_looks_again_for_up_to_ten_seconds_at_the_vendors_pace(
    world: World, vendor: Vendor, sent: str
) -> None:
    before = world.at.now()
    assert world.poll(sent)["outcome"] == "pending"
    assert vendor.polled == ["v-9"] * 6
    assert (world.at.now() - before).total_seconds() == 10


def test_a_result_is_seen_within_the_invocation(world: World, vendor: Vendor, sent: str) -> None:
    vendor.polls = [pending(wait=2), pending(wait=2), finished(864, 1296)]
    assert world.poll(sent) == {"outcome": "finished"}
    assert world.at.slept == [2, 2]


def test_a_slow_vendor_is_not_asked_more_often_than_it_wants(world: World, vendor: Vendor, sent: str) -> None:
    vendor.polls = [pending(wait=11)]
    world.poll(sent)
    assert (len(vendor.polled), world.at.slept) == (1, [])


def test_the_wait_grows_to_thirty_seconds(world: World, vendor: Vendor, sent: str) -> None:
    waits = []
    for _ in range(12):
        waits.append(world.poll(sent)["wait"])
        world.at.sleep(waits[-1])
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (2, 30)


def test_at_the_deadline_the_job_is_given_up_as_perhaps_charged(world: World, vendor: Vendor, sent: str) -> None:
    world.at.sleep(1800)
    assert world.poll(sent) == {"outcome": "failed", "again": False}
    settle(sent, world.at)
    job = world.job(sent)
    assert job.error and job.latest
    assert (job.error.code, job.error.retryable, job.latest.charged) == ("timed_out", False, "unknown")


def test_what_is_ready_at_the_deadline_is_still_taken(world: World, vendor: Vendor, sent: str) -> None:
    world.at.sleep(1800)
    vendor.polls = [finished(864, 1296)]
    assert world.poll(sent) == {"outcome": "finished"}


def test_the_number_of_looks_until_the_longest_deadline_fits_the_history(
    world: World, vendor: Vendor, sent: str
) -> None:
    """One loop is about 9 history events, the limit of an execution is 25,000; the design wants less than 10,000."""
    loops = 0
    while (said := world.poll(sent))["outcome"] == "pending":
        loops += 1
        world.at.sleep(said["wait"])
    assert loops * 9 < 10_000


def test_polling_again_after_the_end_repeats_it_without_asking(world: World, vendor: Vendor, sent: str) -> None:
    vendor.polls = [finished(864, 1296)]
    assert world.poll(sent) == world.poll(sent) == {"outcome": "finished"}
    assert len(vendor.polled) == 1


def test_a_look_that_crashes_may_be_repeated(world: World, vendor: Vendor, sent: str) -> None:
    vendor.polls = [ConnectionError("vendor down"), finished(864, 1296)]
    with pytest.raises(ConnectionError):
        world.poll(sent)
    assert world.poll(sent) == {"outcome": "finished"}


def test_a_failure_is_told_with_what_it_cost(world: World, vendor: Vendor, sent: str) -> None:
    vendor.polls = [failed("content_blocked", "yes")]
    assert world.poll(sent) == {"outcome": "failed", "again": False}
    attempt = world.job(sent).latest
    assert attempt and (attempt.charged, attempt.outcome) == ("yes", "failed")


def test_a_job_that_is_over_or_was_never_sent_is_left_alone(world: World, vendor: Vendor, sent: str) -> None:
    fresh = world.prepared(provider="tryiton")
    assert world.poll(fresh) == {"outcome": "failed", "again": False}
    settle(sent, world.at)
    assert world.poll(sent) == world.poll("job_unknown") == {"outcome": "ended"}
    assert vendor.polled == []


def test_a_key_that_cannot_be_read_loses_nothing_that_was_bought(
    world: World, vendor: Vendor, sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.polls = [finished(864, 1296)]
    missing = JobFailure("provider_auth", "The stored key has another form than it must.", "Store it again.")
    with monkeypatch.context() as broken:
        broken.setattr(vendor, "connect", lambda _: (_ for _ in ()).throw(missing))
        assert world.poll(sent)["outcome"] == "pending"
        assert vendor.polled == []
    assert world.poll(sent) == {"outcome": "finished"}
