"""What follows a failed attempt, and what the client sees of it. `tests/unit/actions/test_next_position.py` has every case."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from fitting_room.actions.job_view import summary
from fitting_room.jobs.errors import CODES
from tests.integration.world import Vendor, World, failed, finished, pending


@pytest.mark.parametrize("code", ["provider_unavailable", "content_blocked"])
def test_another_provider_is_tried_only_when_the_first_is_at_fault(world: World, vendor: Vendor, code: str) -> None:
    world.configure("tryiton")
    vendor.starts = [failed(code), finished(864, 1296)]
    job_id = world.submit().job.id
    world.run(job_id)
    job = world.job(job_id)
    if CODES[code].moves_on:
        assert (job.status, job.provider, len(vendor.orders)) == ("succeeded", "tryiton", 2)
        assert job.error is None
    else:
        assert (job.status, job.error and job.error.code, len(vendor.orders)) == ("failed", code, 1)


@pytest.mark.parametrize("charged", ["yes", "unknown"])
def test_no_other_provider_is_tried_once_something_may_have_been_charged(
    world: World, vendor: Vendor, charged: str
) -> None:
    world.configure("tryiton")
    vendor.starts = [failed("provider_error", charged)]  # type: ignore[arg-type]
    job_id = world.submit().job.id
    world.run(job_id)
    assert len(vendor.orders) == 1
    assert world.job(job_id).status == "failed"


def test_every_attempt_is_told_with_its_provider_and_its_fault(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    vendor.starts, vendor.during = [failed("provider_unavailable"), finished(864, 1296)], lambda: world.at.sleep(5)
    job_id = world.submit().job.id
    assert world.run(job_id) == ["Prepare", "Start", "Prepare", "Start", "Collect", "Settle"]
    shown = summary(world.job(job_id), world.at)
    assert [(a["n"], a["provider"], a["outcome"], a["charged"]) for a in shown["attempts"]] == [
        (1, "nova_canvas", "failed", "no"),
        (2, "tryiton", "finished", "yes"),
    ]
    assert shown["attempts"][0]["error"]["code"] == "provider_unavailable"
    assert shown["attempts"][0]["error"]["provider"] == "nova_canvas"
    assert shown["provider"] == "tryiton"
    assert shown["started_at"] == "2026-09-01T12:00:00.000Z", "with the first attempt"


def test_each_provider_gets_its_own_fitted_copy(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    vendor.starts = [failed("provider_unavailable"), finished(864, 1296)]
    world.run(world.submit().job.id)
    nova, tryiton = vendor.orders
    assert (nova.base.width, nova.base.height) == (360, 540)
    assert tryiton.base.width * 1296 == tryiton.base.height * 864
    assert (nova.seed is None, tryiton.seed is None) == (False, True)


def test_when_all_of_the_plan_failed_the_last_fault_is_told_and_all_is_refunded(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    vendor.starts = [failed("provider_unavailable"), failed("quota_exhausted")]
    job_id = world.submit().job.id
    world.run(job_id)
    job = world.job(job_id)
    assert (job.status, job.error and job.error.code, len(job.attempts)) == ("failed", "quota_exhausted", 2)
    assert world.spent() == (0, 0)


def test_a_pipeline_failure_that_is_free_gets_one_more_try_at_the_same_provider(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    vendor.starts = [pending("v-1"), pending("v-2")]
    vendor.polls = [failed(), finished(864, 1296)]
    job_id = world.submit(provider="tryiton").job.id
    world.run(job_id)
    job = world.job(job_id)
    assert (job.status, [a.provider_job_id for a in job.attempts.values()]) == ("succeeded", ["v-1", "v-2"])


def test_the_second_free_failure_is_the_end_or_the_next_provider(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    vendor.starts, vendor.polls = [pending("v-1"), pending("v-2"), finished()], [failed(), failed()]
    job_id = world.submit(provider="tryiton", fallback=["nova_canvas"]).job.id
    world.run(job_id)
    assert [a.provider for a in world.job(job_id).attempts.values()] == ["tryiton", "tryiton", "nova_canvas"]
    assert world.job(job_id).status == "succeeded"


def test_a_submission_that_failed_for_nothing_is_tried_once_more_when_nobody_else_can(
    world: World, vendor: Vendor
) -> None:
    vendor.starts = [failed("provider_error")]
    job_id = world.submit(provider="nova_canvas").job.id
    world.run(job_id)
    assert (len(vendor.orders), world.job(job_id).status) == (2, "failed")


def test_a_vendor_that_had_enough_is_left_alone_for_as_long_as_it_says_and_asked_again(
    world: World, vendor: Vendor
) -> None:
    world.configure("tryiton")
    asked: list[float] = []
    vendor.during = lambda: asked.append(world.at.now().timestamp())
    limited = replace(failed("rate_limited"), retry_after=20)
    vendor.starts, vendor.polls = [limited, limited, pending()], [finished(864, 1296)]
    job_id = world.submit(provider="tryiton").job.id
    world.run(job_id)
    assert (world.job(job_id).status, len(asked)) == ("succeeded", 3)
    assert all(later - earlier >= 20 for earlier, later in pairwise(asked))


def test_a_vendor_that_had_enough_is_left_alone_by_the_other_jobs_too(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    vendor.starts = [replace(failed("rate_limited"), retry_after=20), pending()]
    one, other = world.prepared(provider="tryiton"), world.prepared(provider="tryiton")
    assert world.start(one) == {"outcome": "busy", "runner": "http", "wait": 20}
    said = world.start(other)
    assert (said["outcome"], said["wait"]) == ("busy", 20)
    assert len(vendor.orders) == 1


def test_a_vendor_that_had_enough_for_longer_than_a_job_may_queue_ends_it(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    vendor.starts = [replace(failed("rate_limited"), retry_after=3600)]
    job_id, began = world.submit(provider="tryiton").job.id, world.at.now()
    world.run(job_id)
    job = world.job(job_id)
    assert (len(vendor.orders), job.status, job.error and job.error.code) == (1, "failed", "rate_limited")
    assert job.error and "13:00:00" in job.error.detail
    assert (world.at.now() - began).total_seconds() < 900


def test_a_vendor_that_had_enough_is_not_waited_for_while_another_can_do_the_job(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    vendor.starts = [replace(failed("rate_limited"), retry_after=20), finished()]
    job_id = world.submit(provider="tryiton", fallback=["nova_canvas"]).job.id
    began = world.at.now()
    world.run(job_id)
    assert [a.provider for a in world.job(job_id).attempts.values()] == ["tryiton", "nova_canvas"]
    assert (world.at.now() - began).total_seconds() < 5


def test_what_each_attempt_cost_is_told(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    vendor.starts, vendor.polls = [failed("provider_unavailable"), pending()], [finished(864, 1296, credits=1)]
    job_id = world.submit().job.id
    world.run(job_id)
    assert [attempt["cost"] for attempt in summary(world.job(job_id), world.at)["attempts"]] == [
        None,
        {"images": 1, "amount": None, "currency": "USD", "credits": 1, "basis": "image"},
    ]
