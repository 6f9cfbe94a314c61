"""With `reuse` an earlier result of the same owner ends the job, and nothing is bought; whatever differs is bought."""

from __future__ import annotations

from typing import Any

import pytest

from fitting_room.actions.job_view import view
from fitting_room.actions.requests.delete import delete_job
from fitting_room.actions.requests.retry import retry
from fitting_room.actions.workflow import reuse as reusing
from fitting_room.actions.workflow.prepare import prepare
from fitting_room.actions.workflow.settle import settle
from fitting_room.jobs.job import Job
from fitting_room.providers.catalogue import entry
from fitting_room.stores import aws, jobs, media
from tests.integration.world import INBOX, LIVE, MEDIA, OTHER, TENANT, Vendor, World, failed, finished, picture

JANE: dict[str, Any] = {"owner": "jane"}


@pytest.fixture
def first(world: World, vendor: Vendor) -> Job:
    """A job that succeeded and did not say `reuse`."""
    vendor.starts = [finished()]
    return ended(world, **JANE)


def ended(world: World, **changes: Any) -> Job:
    job_id = world.submit(**changes).job.id
    world.run(job_id)
    return world.job(job_id)


def again(world: World, **changes: Any) -> Job:
    return ended(world, reuse=True, **(JANE | changes))


def test_the_same_request_ends_with_copies_and_buys_nothing(world: World, vendor: Vendor, first: Job) -> None:
    before = world.spent()
    job = again(world, reference="another", metadata={"a": "b"}, provider="nova_canvas")
    assert (job.status, job.reused_from, job.attempts) == ("succeeded", first.id, {})
    assert len(vendor.orders) == 1
    assert world.spent() == before, "what was set aside is given back"
    assert (job.usage.images, job.usage.amount) == (0, None)
    [old], [new] = first.images, job.images
    assert (new.sha256, new.provenance, new.seed) == (old.sha256, old.provenance, old.seed)
    assert new.key == f"results/{TENANT}/{job.id}/1.png"
    assert world.read(new.key) == world.read(old.key)
    assert view(job, world.at)["reused_from"] == first.id


def test_the_images_outlive_the_erasing_of_the_job_they_were_copied_from(world: World, first: Job) -> None:
    job = again(world)
    delete_job(first.id, LIVE, world.at)
    world.erase()
    assert world.read(job.images[0].key)
    assert not [item for item in world.items() if item.get("job_id") == first.id]


def test_the_images_of_a_newer_job_are_reused_after_an_older_one_is_erased(
    world: World, vendor: Vendor, first: Job
) -> None:
    newer = ended(world, **JANE)
    delete_job(first.id, LIVE, world.at)
    world.erase()
    assert (again(world).reused_from, len(vendor.orders)) == (newer.id, 2)


@pytest.mark.usefixtures("first")
@pytest.mark.parametrize(
    "changes",
    [
        {"owner": "joe"},
        {"owner": None},
        {"output": {"seed": 12}},
        {"output": {"format": "jpeg"}},
        {"output": {"count": 2}},
        {"output": {"quality": "best"}},
        {"mask": {"type": "prompt", "prompt": "the shirt"}},
        {"keep": {"face": False}},
        {"reuse": False},
    ],
)
def test_another_owner_or_option_is_bought(world: World, vendor: Vendor, changes: dict[str, Any]) -> None:
    job = ended(world, **({"reuse": True} | JANE | changes))
    assert (job.reused_from, len(vendor.orders)) == (None, 2)


@pytest.mark.usefixtures("first")
def test_other_bytes_under_the_same_name_are_bought(world: World, vendor: Vendor) -> None:
    world.put("garment.png", picture(200, 200, "red"))
    assert (again(world).reused_from, len(vendor.orders)) == (None, 2)


def test_the_same_bytes_under_another_name_are_reused(world: World, first: Job) -> None:
    world.put("copy.png", picture(200, 200, "navy"))
    garment = {"image": {"s3": f"s3://{INBOX}/drop/{TENANT}/copy.png"}, "category": "tops"}
    assert again(world, garments=[garment]).reused_from == first.id


@pytest.mark.usefixtures("first")
def test_another_model_is_bought(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    assert (again(world, provider="tryiton").reused_from, len(vendor.orders)) == (None, 2)


def test_an_image_is_reused_only_for_the_same_options_of_its_provider(world: World, vendor: Vendor) -> None:
    world.configure("aidge")
    vendor.starts = [finished()]
    half, full = ({"provider_options": {"aidge": {"view": view}}} for view in ("halfbody", "fullbody"))
    job = ended(world, provider="aidge", **JANE, **half)
    assert again(world, provider="aidge", **half).reused_from == job.id
    assert (again(world, provider="aidge", **full).reused_from, len(vendor.orders)) == (None, 2)


def test_a_seed_that_the_client_gave_is_reused_with_itself(world: World, vendor: Vendor) -> None:
    vendor.starts = [finished()]
    job = ended(world, output={"seed": 12}, **JANE)
    assert again(world, output={"seed": 12}).reused_from == job.id
    assert again(world, output={"seed": 13}).reused_from is None


def test_a_test_key_reuses_nothing_of_a_live_one(world: World, first: Job) -> None:
    stored = reusing.content_of(first, first.attempts["1"], reusing_entry(first))
    other = first.model_copy(update={"mode": "test"})
    assert reusing.content_of(other, first.attempts["1"], reusing_entry(first)) != stored
    other = first.model_copy(update={"tenant": OTHER})
    assert reusing.content_of(other, first.attempts["1"], reusing_entry(first)) != stored


def reusing_entry(job: Job) -> Any:
    return entry(job.attempts["1"].provider)


def test_an_open_job_is_not_waited_for(world: World, vendor: Vendor) -> None:
    vendor.starts = [finished()]
    made = [world.submit(reuse=True, **JANE).job.id for _ in range(2)]
    for job_id in made:
        assert prepare(job_id, world.at)["outcome"] == "prepared"
    for job_id in made:
        world.run(job_id)
    assert len(vendor.orders) == 2
    assert again(world).reused_from == made[1], "the latest, which lives longest"


def test_a_failed_job_and_one_with_too_few_images_are_not_reused(world: World, vendor: Vendor) -> None:
    vendor.starts = [failed("content_blocked"), finished(count=1), finished(count=2)]
    for _ in range(3):
        assert again(world, output={"count": 2}).reused_from is None
    assert len(vendor.orders) == 3
    assert again(world, output={"count": 2}).reused_from is not None


def test_a_job_that_is_to_be_erased_is_not_reused(world: World, vendor: Vendor, first: Job) -> None:
    delete_job(first.id, LIVE, world.at)
    assert (again(world).reused_from, len(vendor.orders)) == (None, 2)


def test_a_job_that_is_to_be_erased_while_it_is_copied_leaves_no_copy(
    world: World, vendor: Vendor, first: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = media.read

    def meanwhile(key: str, **facts: Any) -> bytes | None:
        if key == first.images[0].key:
            delete_job(first.id, LIVE, world.at)
        return read(key, **facts)

    job_id = world.submit(reuse=True, **JANE).job.id
    with monkeypatch.context() as patch:
        patch.setattr(media, "read", meanwhile)
        assert prepare(job_id, world.at)["outcome"] == "prepared"
    assert world.keys(f"results/{TENANT}/{job_id}/", MEDIA) == []
    world.run(job_id)
    assert len(vendor.orders) == 2


def test_an_image_in_whose_place_another_was_put_is_not_reused(world: World, vendor: Vendor, first: Job) -> None:
    """As by a later job of the same drop folder."""
    aws.s3().put_object(Bucket=MEDIA, Key=first.images[0].key, Body=b"another image")
    assert (again(world).reused_from, len(vendor.orders)) == (None, 2)
    assert world.read(first.images[0].key) == b"another image"


def test_results_that_have_expired_are_bought_again(world: World, vendor: Vendor, first: Job) -> None:
    aws.s3().delete_object(Bucket=MEDIA, Key=first.images[0].key)
    assert (again(world).reused_from, len(vendor.orders)) == (None, 2)


def test_a_job_that_is_erased_while_it_reuses_leaves_nothing(world: World, first: Job) -> None:
    job_id = world.submit(reuse=True, **JANE).job.id
    assert prepare(job_id, world.at)["outcome"] == "ended"
    delete_job(job_id, LIVE, world.at)
    settle(job_id, world.at)
    world.sweep()
    world.erase()
    assert [key for key in world.keys("", MEDIA) if job_id in key] == []


def test_a_job_of_the_release_before_ends_and_is_not_reused(world: World, vendor: Vendor) -> None:
    vendor.starts = [finished()]
    job_id = world.prepared(**JANE)
    item = jobs.raw_item(job_id)
    assert item is not None
    attempt = item["attempts"]["1"]
    del attempt["content"]
    for made in attempt["inputs"].values():
        del made["sha256"]
    aws.table().put_item(Item=item)
    world.run(job_id)
    assert world.job(job_id).status == "succeeded"
    assert (again(world).reused_from, len(vendor.orders)) == (None, 2)


def test_a_retry_reuses_too(world: World, vendor: Vendor) -> None:
    vendor.starts = [failed("content_blocked"), finished()]
    broken = again(world)
    made = again(world)
    job_id = retry(broken.id, {}, LIVE, world.at).job.id
    world.run(job_id)
    assert world.job(job_id).reused_from == made.id
