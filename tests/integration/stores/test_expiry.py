"""An item whose time is over is gone at once, though DynamoDB may take days to remove it; and nearly all have a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fitting_room import clock as time
from fitting_room.actions.job_view import find_job
from fitting_room.actions.requests.batches import delete_batch, find_batch, list_batches
from fitting_room.actions.requests.delete import delete_job, delete_owner
from fitting_room.actions.requests.list_jobs import list_jobs
from fitting_room.actions.requests.subjects import create, find_subject, list_subjects
from fitting_room.actions.requests.submit import submit
from fitting_room.actions.requests.tokens import create_token
from fitting_room.actions.requests.upload import create_upload
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.outcome import Finished
from fitting_room.stores import callbacks, link_secret, repeats, tokens, webhooks
from infra.items import ITEMS
from tests.integration.atelier import ID, Atelier
from tests.integration.catalogue import Catalogue
from tests.integration.world import INBOX, LIVE, TENANT, World, finished, pending, picture

DAY = 86_400
SET_UP = {"KEYS", "TENANTS", "KEY", "TENANT", "PROVIDERS", "OVERRIDES", "WEBHOOK_SECRETS", "LINK_SECRET"}
"""Kinds of items that were set once."""
ONE_EACH = {"REFUSALS", "MODELS", "RATE", "LEASE"}
"""Kinds that have one item for each provider, model, or place at a provider."""
STAY = SET_UP | ONE_EACH


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


def kinds(items: list[dict[str, Any]]) -> set[str]:
    return {str(item["pk"]).partition("#")[0] for item in items}


def work_with_everything(world: World, atelier: Atelier) -> None:
    """Leave at least one item of each kind that passes."""
    atelier.starts, atelier.polls = [pending("tune-1"), finished(864, 1296)], [Finished([], token="ohwx")]
    world.configure("tryiton")
    webhooks.create(TENANT, world.at.now())
    link_secret.secret(world.at)
    world.body()
    person, garment = ({"s3": f"s3://{INBOX}/drop/{TENANT}/{name}.png"} for name in ("person", "garment"))
    subject = {"kind": "person", "class_name": "woman", "provider": ID, "pictures": [person], "owner": "jane"}
    world.run(create(subject, LIVE, None, world.at).job.id)
    webhook = {"url": "https://shop.example/hook"}
    for provider in (ID, "tryiton"):
        world.run(world.submit(provider=provider, owner="jane", webhook=webhook, key=f"of-{provider}").job.id)
    world.run(world.submit(mode="test").job.id)
    catalogue = Catalogue(world)
    batches = [catalogue.create(jobs=catalogue.rows(1, provider="sandbox"), webhook=webhook) for _ in range(2)]
    for batch in batches:
        catalogue.run(batch.id)
    delete_job(world.submit(provider="sandbox").job.id, LIVE, world.at)
    delete_batch(batches[0].id, LIVE, world.at)
    world.erase()

    secret = create_token({"owner": "jane", "max_jobs": 1, "garments": [garment]}, LIVE, world.at)["token"]
    shopper = LIVE._replace(token=tokens.find(secret, world.at), address="203.0.113.7")
    upload_id = create_upload({"content_type": "image/png", "bytes": 5000}, shopper, world.at)["id"]
    world.put(upload_id, picture(360, 540), folder=f"uploads/{TENANT}")
    worn = [{"image": garment, "category": "tops"}]
    submit({"person": {"upload": upload_id}, "garments": worn}, shopper, None, world.at)
    repeats.remember("key-1", "digest-1", repeats.Call("call_1", ("fashn",)), 0, world.at.now())
    callbacks.expect("digest-1", "tryiton", world.at.now())
    delete_owner("jane", LIVE, world.at)


def test_every_item_is_removed_in_time_but_those_that_are_to_stay(world: World, atelier: Atelier) -> None:
    work_with_everything(world, atelier)
    stored = world.items()
    all_kinds = {pattern.partition("#")[0] for pattern in ITEMS}
    assert kinds([item for item in stored if "ttl" in item]) == all_kinds - STAY
    shown = [item for item in stored if "expires_at" in item]
    assert [item for item in shown if int(item["ttl"]) < int(time.parse(item["expires_at"]).timestamp())] == []
    world.at.sleep(400 * DAY)
    world.remove_expired()
    assert kinds(world.items()) <= STAY


def test_that_a_job_was_erased_is_told_for_30_days(world: World) -> None:
    job_id = world.submit(provider="sandbox").job.id
    world.run(job_id)
    delete_job(job_id, LIVE, world.at)
    world.erase()
    world.at.sleep(30 * DAY - 60)
    assert code(lambda: find_job(job_id, LIVE, world.at)) == "erased"
    world.at.sleep(120)
    assert code(lambda: find_job(job_id, LIVE, world.at)) == "not_found"


def test_an_upload_ends_with_its_time_and_an_idempotency_key_after_a_day(world: World) -> None:
    first = world.submit(key="order-1", provider="sandbox").job.id
    upload = {"upload": world.upload("person")}
    world.at.sleep(DAY - 60)
    assert world.submit(key="order-1", provider="sandbox").job.id == first
    assert world.submit(person=upload)
    world.at.sleep(120)
    assert world.submit(key="order-1", provider="sandbox").job.id != first
    assert code(lambda: world.submit(person=upload)) == "upload_missing"
