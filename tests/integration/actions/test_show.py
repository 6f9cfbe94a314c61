"""What the owner of a job sees of it, and nobody else."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fitting_room.actions.job_view import find_job, image_link, summary, view
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.job import Job
from fitting_room.stores.api_keys import Caller
from tests.deployment import choose
from tests.integration.world import LIVE, RIVAL, TEST, Vendor, World, failed, finished


@pytest.fixture
def done(world: World, vendor: Vendor) -> Job:
    vendor.starts = [finished(count=2, mask=finished().images[0].data)]
    job_id = world.submit(
        output={"count": 2, "mask": True}, owner="shopper-1", reference="A-1", metadata={"shop": "north"}
    ).job.id
    world.run(job_id)
    return world.job(job_id)


@pytest.mark.parametrize("caller", [RIVAL, TEST, Caller("", "live", None), Caller("acm", "live", None)])
def test_a_job_of_another_tenant_or_mode_is_as_unknown_as_none(world: World, done: Job, caller: Caller) -> None:
    assert find_job(done.id, LIVE, world.at).id == done.id
    with pytest.raises(Refusal) as others:
        find_job(done.id, caller, world.at)
    with pytest.raises(Refusal) as nobodys:
        find_job("job_unknown", LIVE, world.at)
    assert others.value.faults == nobodys.value.faults
    assert others.value.status == 404


def test_a_job_is_gone_when_its_time_is_up_whatever_the_table_holds(world: World, done: Job) -> None:
    world.at.moment += timedelta(days=29, hours=23)
    assert find_job(done.id, LIVE, world.at)
    world.at.moment += timedelta(hours=2)
    with pytest.raises(Refusal):
        find_job(done.id, LIVE, world.at)


def test_images_have_fresh_links_in_the_view_and_none_in_what_is_stored(world: World, done: Job) -> None:
    shown = view(done, world.at)
    for image in [*shown["images"], shown["mask"]]:
        assert "X-Amz-Expires=900" in image["url"]
        assert image["url_expires_at"] == "2026-09-01T12:15:00.000Z"
    assert "X-Amz" not in str(summary(done, world.at))


def test_images_are_numbered_from_one_and_the_mask_has_a_name(world: World, done: Job) -> None:
    assert [image["n"] for image in summary(done, world.at)["images"]] == [1, 2]
    base = f"/v1/jobs/{done.id}"
    assert summary(done, world.at)["links"] == {
        "self": base,
        "images": [f"{base}/images/{n}" for n in (1, 2)],
        "mask": f"{base}/images/mask",
    }
    assert f"/{done.id}/2.png?" in image_link(done, "2")
    assert f"/{done.id}/mask.png?" in image_link(done, "mask")
    for name in ("0", "-1", "3", "01", "masks", ""):
        with pytest.raises(Refusal) as caught:
            image_link(done, name)
        assert caught.value.status == 404


def test_a_job_without_a_mask_says_how_one_is_asked_for(world: World, vendor: Vendor) -> None:
    vendor.starts = [finished()]
    job_id = world.submit().job.id
    world.run(job_id)
    job = world.job(job_id)
    assert summary(job, world.at)["links"]["mask"] is None
    with pytest.raises(Refusal) as caught:
        image_link(job, "mask")
    assert "`output.mask`" in caught.value.faults[0].remedy


def test_the_published_fields_and_no_others_are_shown(world: World, done: Job) -> None:
    shown = view(done, world.at)
    assert set(shown) == {
        "id",
        "batch",
        "reused_from",
        "task",
        "status",
        "step",
        "slot_at",
        "timeline",
        "provider",
        "model",
        "subject",
        "attempts",
        "images",
        "mask",
        "warnings",
        "error",
        "usage",
        "created_at",
        "started_at",
        "finished_at",
        "expires_at",
        "erase_requested_at",
        "retry_until",
        "retried_from",
        "retried_by",
        "recovered_from",
        "recovered_by",
        "owner",
        "reference",
        "metadata",
        "links",
    }
    assert (shown["owner"], shown["reference"], shown["metadata"]) == ("shopper-1", "A-1", {"shop": "north"})
    assert set(shown["attempts"][0]) == {
        "n",
        "provider",
        "model",
        "outcome",
        "charged",
        "provider_job_id",
        "submitted_at",
        "finished_at",
        "error",
        "cost",
        "recovered",
    }
    assert set(shown["images"][0]) == {
        "n",
        "url",
        "url_expires_at",
        "s3",
        "width",
        "height",
        "format",
        "bytes",
        "sha256",
        "provenance",
        "seed",
    }
    assert set(shown["mask"]) == set(shown["images"][0]) - {"n"}


def test_a_job_that_has_not_begun_is_shown_as_well(world: World) -> None:
    shown = view(world.submit().job, world.at)
    assert (shown["status"], shown["step"], shown["attempts"], shown["images"], shown["error"]) == (
        "queued",
        "queued",
        [],
        [],
        None,
    )
    assert shown["provider"] == "nova_canvas"


def test_until_when_the_images_of_a_failed_job_are_surely_kept_is_told(world: World, vendor: Vendor) -> None:
    vendor.starts = [failed("content_blocked")]
    job_id = world.submit().job.id
    assert view(world.job(job_id), world.at)["retry_until"] is None, "it may still succeed"
    world.run(job_id)
    assert view(world.job(job_id), world.at)["retry_until"] == "2026-09-04T12:00:00.000Z"


def test_images_that_were_never_copied_are_not_surely_kept(world: World) -> None:
    job_id = world.submit().job.id
    assert world.cancel(job_id).status == "cancelled"
    assert view(world.job(job_id), world.at)["retry_until"] is None


def test_a_job_that_has_succeeded_cannot_be_retried(world: World, done: Job) -> None:
    assert view(done, world.at)["retry_until"] is None


def test_a_job_tells_the_model_that_does_it(world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    world.configure("tryiton")
    choose(monkeypatch, legacy_models=["tryiton/clothes"])
    vendor.starts = [finished()]
    for provider, model in (("tryiton", "fashion-v2"), ("tryiton/clothes", "clothes"), ("sandbox", "composite")):
        job_id = world.submit(provider=provider).job.id
        assert view(world.job(job_id), world.at)["model"] == model, "before it has begun"
        world.run(job_id)
        shown = view(world.job(job_id), world.at)
        assert (shown["model"], [attempt["model"] for attempt in shown["attempts"]]) == (model, [model])
