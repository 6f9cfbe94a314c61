"""A job's record: what was written down first stays."""

from __future__ import annotations

import pytest

from fitting_room.jobs.job import Job
from fitting_room.stores import jobs
from tests.integration.world import Vendor, World, failed, finished, pending


@pytest.fixture
def bought(world: World, vendor: Vendor) -> Job:
    vendor.starts = [finished()]
    job_id = world.prepared()
    world.start(job_id)
    return world.job(job_id)


def test_an_attempt_that_is_over_stays_as_it_was_first_recorded(world: World, bought: Job) -> None:
    """Two polls of one job may meet; the one that comes second must not lose the images of the first."""
    first = bought.latest
    assert first and first.results
    late = first.model_copy(update={"outcome": "failed", "told": "unknown", "results": []})
    assert jobs.record(bought, late, []) is None
    assert world.job(bought.id).latest == first


def test_an_attempt_that_failed_is_not_turned_into_a_success(world: World, vendor: Vendor) -> None:
    vendor.starts = [failed("content_blocked")]
    job_id = world.prepared()
    world.start(job_id)
    job = world.job(job_id)
    assert job.latest
    assert jobs.record(job, job.latest.model_copy(update={"outcome": "finished", "told": "yes"}), []) is None
    assert world.job(job_id).latest == job.latest


def test_only_the_function_that_claimed_an_attempt_records_what_came_of_it(world: World, vendor: Vendor) -> None:
    vendor.starts = [pending()]
    job_id = world.prepared()
    world.start(job_id)
    job = world.job(job_id)
    assert job.latest
    strangers = job.latest.model_copy(update={"claimed_by": "another", "outcome": "finished", "told": "yes"})
    assert jobs.record(job, strangers, []) is None
    assert world.job(job_id).latest == job.latest
    assert jobs.record(job, job.latest.model_copy(update={"outcome": "finished", "told": "yes"}), []) is not None


def test_the_images_of_a_job_are_collected_once(world: World, vendor: Vendor) -> None:
    vendor.starts = [finished()]
    job_id = world.submit().job.id
    world.run(job_id)
    job = world.job(job_id)
    assert job.images
    assert not jobs.collected(job, job.images * 2, None, [])
    assert world.job(job_id).images == job.images
