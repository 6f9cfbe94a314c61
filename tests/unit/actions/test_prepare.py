"""Making a job's pictures ready for the provider whose turn it is."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from fitting_room.actions.workflow import prepare as preparing
from fitting_room.actions.workflow.prepare import prepare
from fitting_room.images.fetch import Fetched
from fitting_room.providers.catalogue import entry
from fitting_room.stores import aws, jobs, subjects
from fitting_room.stores.items import to_item
from fitting_room.stores.subjects import Stored
from tests.unit.world import INBOX, MEDIA, TENANT, Vendor, World, failed, finished, picture


def open_input(world: World, job_id: str, role: str) -> Image.Image:
    attempt = world.job(job_id).latest
    assert attempt
    return Image.open(io.BytesIO(world.read(attempt.inputs[role].key)))


def noise(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.merge("RGB", [Image.effect_noise((width, height), 30) for _ in "rgb"]).save(file, "PNG")
    return file.getvalue()


def test_preparing_twice_gives_the_same_attempt(world: World) -> None:
    job_id = world.submit().job.id
    assert prepare(job_id, world.at) == prepare(job_id, world.at) == {"outcome": "prepared", "runner": "bedrock"}
    assert list(world.job(job_id).attempts) == ["1"]
    assert (world.job(job_id).status, world.job(job_id).step) == ("queued", "preparing")


def test_the_runner_is_the_providers(world: World) -> None:
    assert prepare(world.submit(mode="test").job.id, world.at) == {"outcome": "prepared", "runner": "http"}


def test_a_late_copy_of_prepare_does_not_undo_a_purchase(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second invocation that began before the claim writes after it."""
    vendor.starts = [finished()]
    job_id, real = world.submit().job.id, jobs.begin

    def slow_begin(*args: Any) -> bool:
        monkeypatch.setattr(jobs, "begin", real)
        prepare(job_id, world.at)
        world.start(job_id)
        return real(*args)

    monkeypatch.setattr(jobs, "begin", slow_begin)
    prepare(job_id, world.at)
    attempt = world.job(job_id).latest
    assert attempt and (attempt.outcome, attempt.charged) == ("finished", "yes")
    assert world.start(job_id) == {"outcome": "finished"}
    assert len(vendor.orders) == 1


def test_a_late_copy_of_prepare_does_not_undo_a_failure_either(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.configure("tryiton")
    aws.secrets().delete_secret(SecretId="secret-of-tryiton", ForceDeleteWithoutRecovery=True)
    job_id, real = world.submit(provider="tryiton", fallback=["nova_canvas"]).job.id, jobs.begin

    def slow_begin(*args: Any) -> bool:
        monkeypatch.setattr(jobs, "begin", real)
        prepare(job_id, world.at)
        assert world.start(job_id) == {"outcome": "failed", "again": True}
        prepare(job_id, world.at)
        return real(*args)

    monkeypatch.setattr(jobs, "begin", slow_begin)
    prepare(job_id, world.at)
    job = world.job(job_id)
    assert (job.position, job.attempts["1"].outcome, job.attempts["2"].provider) == (1, "failed", "nova_canvas")


def test_a_finished_attempt_is_not_prepared_again(world: World, vendor: Vendor) -> None:
    vendor.starts = [finished()]
    job_id = world.prepared()
    world.start(job_id)
    assert prepare(job_id, world.at) == {"outcome": "finished"}


def test_a_job_that_is_over_or_unknown_is_left_alone(world: World) -> None:
    job_id = world.submit().job.id
    world.cancel(job_id)
    assert prepare(job_id, world.at) == prepare("job_unknown", world.at) == {"outcome": "ended"}
    assert world.job(job_id).attempts == {}


def test_every_original_is_copied_so_that_it_outlives_its_upload(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    upload_id = world.upload("person")
    vendor.starts = [failed(), finished(864, 1296)]
    job_id = world.submit(person={"upload": upload_id}).job.id
    given = world.job(job_id).sources["person"]
    prepare(job_id, world.at)
    job = world.job(job_id)
    assert job.originals["person"] == given, "what is to be erased with the job is still known"
    for role, source in job.sources.items():
        assert (source.bucket, source.key) == (MEDIA, f"staging/{job_id}/input-{role}")
    assert world.read(f"staging/{job_id}/input-person") == picture(360, 540)
    aws.s3().delete_object(Bucket=INBOX, Key=str(given.key))
    world.run(job_id)
    assert (world.job(job_id).status, world.job(job_id).provider) == ("succeeded", "tryiton")


def test_a_picture_from_the_web_is_fetched_once_for_all_attempts(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.configure("tryiton")
    fetched: list[str] = []

    def fetch(url: str, **_: Any) -> Fetched:
        fetched.append(url)
        return Fetched(picture(360, 540), "image/png")

    monkeypatch.setattr(preparing, "fetch", fetch)
    vendor.starts = [failed(), finished(864, 1296)]
    job_id = world.submit(person={"url": "https://shop.example/p.png?signature=abc"}).job.id
    world.run(job_id)
    assert world.job(job_id).status == "succeeded"
    assert fetched == ["https://shop.example/p.png?signature=abc"]
    assert "signature=abc" not in str(world.items()), "a signed link is not kept once it was used"


def test_sideways_photos_are_turned_and_stripped(world: World) -> None:
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112], exif[0x010E] = 6, "Elm Street 5"
    Image.open(io.BytesIO(picture(540, 360))).save(file, "JPEG", exif=exif)
    person = {"s3": f"s3://{INBOX}/{world.put('phone.jpg', file.getvalue())}"}
    job_id = world.prepared(person=person)
    sent = open_input(world, job_id, "person")
    assert sent.size == (360, 540)
    assert not sent.getexif()
    assert b"Elm Street" not in world.read(f"staging/{job_id}/1/person.png", MEDIA)


def test_pictures_above_the_vendors_limit_are_compressed_and_the_mask_stays_pure(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = entry("nova_canvas").model_copy(update={"max_body": 1_600_000})
    monkeypatch.setattr(preparing, "entry", lambda _: small)
    mask = Image.new("L", (600, 900), 255)
    mask.paste(0, (200, 300, 400, 600))
    file = io.BytesIO()
    mask.save(file, "PNG")
    job_id = world.prepared(
        person={"s3": f"s3://{INBOX}/{world.put('noise.png', noise(600, 900))}"},
        mask={"type": "image", "image": {"s3": f"s3://{INBOX}/{world.put('mask.png', file.getvalue())}"}},
    )
    attempt = world.job(job_id).latest
    assert attempt
    assert {role: prepared.media_type for role, prepared in attempt.inputs.items()} == {
        "person": "image/jpeg",
        "garment-0": "image/png",
        "mask": "image/png",
    }
    assert sum(len(world.read(prepared.key)) for prepared in attempt.inputs.values()) <= 1_600_000 * 0.75
    assert set(open_input(world, job_id, "mask").convert("L").tobytes()) == {0, 255}


def test_without_a_person_picture_the_mask_goes_with_the_garment_that_somebody_wears(world: World) -> None:
    world.configure("astria")
    person = Stored(
        id="sub_01J00000000000000000000001",
        tenant=TENANT,
        kind="person",
        class_name="woman",
        status="ready",
        job_id="job_1",
        provider="astria",
        made_for="astria/sd15",
        made_id="7",
        token="ohwx",
        created_at="2026-08-01",
        expires_at="2027-01-01",
    )
    aws.table().put_item(Item={**subjects.key(TENANT, person.id), **to_item(person)})
    mask, file = Image.new("L", (1000, 1500), 255), io.BytesIO()
    mask.paste(0, (0, 0, 500, 1500))
    mask.save(file, "PNG")
    worn = {"s3": f"s3://{INBOX}/{world.put('worn.png', noise(1000, 1500))}"}
    body = {
        "task": "try_on",
        "person": {"subject": person.id},
        "provider": "astria/sd15",
        "garments": [{"image": worn, "category": "tops", "photo": "model"}],
        "mask": {"type": "image", "image": {"s3": f"s3://{INBOX}/{world.put('mask.png', file.getvalue())}"}},
    }
    job_id = world.submit(body).job.id
    assert prepare(job_id, world.at)["outcome"] == "prepared"
    sent, garment = open_input(world, job_id, "mask"), open_input(world, job_id, "garment-0")
    assert sent.size == garment.size
    assert [sent.convert("L").getpixel((x, 10)) for x in (10, sent.width - 10)] == [0, 255]


def test_what_cannot_be_fitted_below_the_limit_is_told_before_any_purchase(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = entry("nova_canvas").model_copy(update={"max_body": 4_000})
    monkeypatch.setattr(preparing, "entry", lambda _: small)
    job_id = world.submit(person={"s3": f"s3://{INBOX}/{world.put('noise.png', noise(600, 900))}"}).job.id
    assert prepare(job_id, world.at) == {"outcome": "failed", "again": False}
    failure = world.job(job_id).failure
    assert failure and (failure.code, failure.pointer) == ("image_unreadable", "/person")
