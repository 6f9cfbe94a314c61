"""An item whose time is over is gone at once, though DynamoDB may take days to remove it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fitting_room.actions.job_view import find_job
from fitting_room.actions.requests.batches import find_batch, list_batches
from fitting_room.actions.requests.delete import delete_job
from fitting_room.actions.requests.list_jobs import list_jobs
from fitting_room.actions.requests.subjects import create, find_subject, list_subjects
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.outcome import Finished
from tests.integration.atelier import ID, Atelier
from tests.integration.catalogue import Catalogue
from tests.integration.world import INBOX, LIVE, TENANT, World, finished, pending

DAY = 86_400


def code(ask: Callable[[], object]) -> str:
    with pytest.raises(Refusal) as refused:
        ask()
    return refused.value.faults[0].code


def test_jobs_batches_and_subjects_are_gone_after_30_days(world: World, atelier: Atelier) -> None:
    atelier.starts, atelier.polls = [pending("tune-1"), finished()], [Finished([], token="ohwx")]
    catalogue = Catalogue(world)
    body = {"kind": "person", "class_name": "woman", "provider": ID}
    catalogue.rows(1)
    pictures = [{"s3": f"s3://{INBOX}/drop/{TENANT}/person.png"}]
    training = create({**body, "pictures": pictures}, LIVE, None, world.at).job
    world.run(training.id)
    batch = catalogue.create(jobs=catalogue.rows(1, provider="sandbox"))
    catalogue.run(batch.id)
    subject = str(training.subject)
    world.at.sleep(30 * DAY - 60)
    assert find_job(training.id, LIVE, world.at) and find_batch(batch.id, LIVE, world.at)
    assert find_subject(subject, LIVE, world.at).status == "ready"
    world.at.sleep(120)
    assert code(lambda: find_job(training.id, LIVE, world.at)) == "not_found"
    assert code(lambda: find_batch(batch.id, LIVE, world.at)) == "not_found"
    assert code(lambda: find_subject(subject, LIVE, world.at)) == "not_found"
    worn = world.body(garments=[{"subject": subject, "category": "tops"}], provider=ID)
    assert code(lambda: world.submit(worn)) == "subject_not_ready"
    for listed in (list_jobs, list_batches, list_subjects):
        assert listed(LIVE, {}, world.at)["items"] == []


def test_that_a_job_was_erased_is_told_for_30_days(world: World) -> None:
    job_id = world.submit(provider="sandbox").job.id
    world.run(job_id)
    delete_job(job_id, LIVE, world.at)
    world.erase()
    world.at.sleep(30 * DAY - 60)
    assert code(lambda: find_job(job_id, LIVE, world.at)) == "erased"
    world.at.sleep(120)
    assert code(lambda: find_job(job_id, LIVE, world.at)) == "not_found"


def test_an_upload_can_be_used_for_a_day_and_an_idempotency_key_repeated_for_one(world: World) -> None:
    first = world.submit(key="order-1", provider="sandbox").job.id
    upload = {"upload": world.upload("person")}
    world.at.sleep(DAY - 60)
    assert world.submit(key="order-1", provider="sandbox").job.id == first
    assert world.submit(person=upload)
    world.at.sleep(120)
    assert world.submit(key="order-1", provider="sandbox").job.id != first
    assert code(lambda: world.submit(person=upload)) == "upload_missing"
