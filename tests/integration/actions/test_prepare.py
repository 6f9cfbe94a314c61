"""Making a job's pictures ready for the provider whose turn it is."""

from __future__ import annotations

import io
import secrets
from typing import Any

import pytest
from PIL import Image

from fitting_room.actions.workflow import prepare as prepare_module
from fitting_room.actions.workflow.prepare import prepare
from fitting_room.providers.catalogue import entry
from fitting_room.stores import aws, jobs, media, subjects
from fitting_room.stores.items import to_item
from fitting_room.stores.subjects import StoredSubject
from tests.integration.world import INBOX, MEDIA, TENANT, Vendor, World, failed, finished, picture


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
    monkeypatch.setattr(prepare_module, "entry", lambda *_: small)
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


def mask_file(world: World, mask: Image.Image) -> dict[str, str]:
    file = io.BytesIO()
    mask.save(file, "PNG")
    return {"s3": f"s3://{INBOX}/{world.put('mask.png', file.getvalue())}"}


def left_half(kept: int, changed: int) -> Image.Image:
    mask = Image.new("L", (600, 900), kept)
    mask.paste(changed, (0, 0, 300, 900))
    return mask


def test_a_mask_of_another_tool_reaches_the_provider_as_black_that_changes(world: World) -> None:
    hole = Image.new("RGBA", (600, 900), (200, 60, 60, 255))
    hole.putalpha(left_half(255, 0))
    for read, mask in (("white_changes", left_half(0, 255)), ("alpha", hole), ("black_changes", left_half(255, 0))):
        job_id = world.prepared(
            person={"s3": f"s3://{INBOX}/{world.put('noise.png', noise(600, 900))}"},
            mask={"type": "image", "image": mask_file(world, mask), "read": read},
        )
        sent = open_input(world, job_id, "mask").convert("L")
        assert [sent.getpixel((x, 10)) for x in (10, sent.width - 10)] == [0, 255], read
        assert "mask_changes_most" not in {warning.code for warning in world.job(job_id).warnings}


def test_an_inverted_mask_is_asked_about_before_it_is_paid_for_but_not_around_an_object(world: World) -> None:
    most = left_half(255, 0)
    most.paste(0, (300, 0, 500, 900))
    photo = {"s3": f"s3://{INBOX}/{world.put('noise.png', noise(600, 900))}"}
    edit = {"image": photo, "mask": {"type": "image", "image": mask_file(world, most)}, "prompt": "a beach"}
    told = {}
    for task in ("inpaint", "outpaint"):
        job_id = world.submit({"task": task, "provider": "nova_canvas", **edit}).job.id
        assert prepare(job_id, world.at)["outcome"] == "prepared"
        told[task] = [w.detail for w in world.job(job_id).warnings if w.code == "mask_changes_most"]
    assert told["outpaint"] == []
    assert len(told["inpaint"]) == 1 and "83 % of the image would change" in told["inpaint"][0]


@pytest.mark.parametrize("role", ["garment-0", "input"])
def test_without_a_person_picture_the_mask_goes_with_the_image_to_start_from(world: World, role: str) -> None:
    """Which is one of its own, or else the garment's that somebody wears."""
    world.configure("astria")
    person = StoredSubject(
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
    if role == "input":
        flat = {"s3": f"s3://{INBOX}/{world.put('flat.png', noise(800, 800))}"}
        body |= {"input_image": worn, "garments": [{"image": flat, "category": "tops", "photo": "flat_lay"}]}
    job_id = world.submit(body).job.id
    assert prepare(job_id, world.at)["outcome"] == "prepared"
    sent, masked = open_input(world, job_id, "mask"), open_input(world, job_id, role)
    assert sent.size == masked.size
    assert [sent.convert("L").getpixel((x, 10)) for x in (10, sent.width - 10)] == [0, 255]


@pytest.mark.parametrize(
    ("provider", "output", "lowest", "highest"),
    [
        # the older samples of Nova Canvas end at 858,993,459
        ("nova_canvas", {}, 0, 858_993_459),
        ("fashn", {}, 0, 2**32 - 1),
        ("nova_canvas", {"seed": 2_147_483_646}, 2_147_483_646, 2_147_483_646),
    ],
)
def test_a_seed_is_drawn_where_none_is_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch, provider: str, output: dict[str, Any], lowest: int, highest: int
) -> None:
    world.configure("fashn")
    for drawn, expected in ((lambda below: 0, lowest), (lambda below: below - 1, highest)):
        monkeypatch.setattr(secrets, "randbelow", drawn)
        job_id = world.submit(provider=provider, output=output).job.id
        prepare(job_id, world.at)
        attempt = world.job(job_id).latest
        assert attempt
        assert attempt.seed == expected


def test_the_vendors_own_seed_is_none_of_ours(world: World) -> None:
    world.configure("fashn", "tryiton")
    for provider in ("nova_canvas", "fashn", "tryiton"):  # the last takes no seed at all, so there is nothing to refuse
        job_id = world.submit(provider=provider, output={"seed": "provider"}).job.id
        prepare(job_id, world.at)
        attempt = world.job(job_id).latest
        assert attempt
        assert attempt.seed is None


def test_an_image_that_is_enlarged_for_the_provider_is_warned_about(world: World) -> None:
    small = {"s3": f"s3://{INBOX}/{world.put('small.png', noise(200, 300))}"}
    job_id = world.submit(person=small).job.id
    prepare(job_id, world.at)
    assert open_input(world, job_id, "person").size == (320, 480)
    [warning] = [
        each for each in world.job(job_id).warnings if (each.code, each.pointer) == ("image_enlarged", "/person")
    ]
    assert "200 x 300 px" in warning.detail
    assert "320 x 480 px" in warning.detail
    assert "at least 320 px" in warning.remedy


def test_a_job_tells_once_that_of_an_animation_the_first_frame_was_used_whoever_it_was_fitted_for(
    world: World, vendor: Vendor
) -> None:
    world.configure("tryiton")
    file = io.BytesIO()
    one, two = (Image.open(io.BytesIO(picture(360, 540, colour))) for colour in ("teal", "navy"))
    one.save(file, "WEBP", save_all=True, append_images=[two], duration=100)
    vendor.starts = [failed("provider_unavailable"), finished(864, 1296)]
    job_id = world.submit(person={"s3": f"s3://{INBOX}/{world.put('moving.webp', file.getvalue())}"}).job.id
    world.run(job_id)
    job = world.job(job_id)
    assert [attempt.provider for attempt in job.attempts.values()] == ["nova_canvas", "tryiton"]
    told = [(warning.code, warning.pointer) for warning in job.warnings]
    assert told.count(("animation_first_frame", "/person")) == 1


def test_what_cannot_be_fitted_below_the_limit_is_told_before_any_purchase(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = entry("nova_canvas").model_copy(update={"max_body": 4_000})
    monkeypatch.setattr(prepare_module, "entry", lambda *_: small)
    job_id = world.submit(person={"s3": f"s3://{INBOX}/{world.put('noise.png', noise(600, 900))}"}).job.id
    assert prepare(job_id, world.at) == {"outcome": "failed", "again": False}
    failure = world.job(job_id).failure
    assert failure and (failure.code, failure.pointer) == ("image_unreadable", "/person")
    assert all(world.read(str(source.staged)) for source in world.job(job_id).sources.values()), "a retry finds them"


def test_of_two_images_that_are_unfit_the_first_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    small = entry("nova_canvas").model_copy(update={"max_image": 2_000})
    monkeypatch.setattr(prepare_module, "entry", lambda *_: small)
    job_id = world.submit(
        person={"s3": f"s3://{INBOX}/{world.put('noise.png', noise(600, 900))}"},
        garments=[
            {"image": {"s3": f"s3://{INBOX}/{world.put('broken.png', noise(64, 64)[:200])}"}, "category": "tops"}
        ],
    ).job.id
    assert prepare(job_id, world.at) == {"outcome": "failed", "again": False}
    failure = world.job(job_id).failure
    assert failure and failure.pointer == "/person"


def test_images_keep_their_order_however_long_each_takes(world: World) -> None:
    large = {"s3": f"s3://{INBOX}/{world.put('noise.png', noise(1600, 2400))}"}
    job_id = world.submit(person=large).job.id
    prepare(job_id, world.at)
    attempt = world.job(job_id).latest
    assert attempt and list(attempt.inputs) == ["person", "garment-0"]


def test_an_image_that_cannot_be_stored_stops_the_attempt(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is stored while the next image is decoded."""
    job_id, put = world.submit().job.id, media.put

    def full(key: str, *rest: Any) -> None:
        if key.endswith("/1/person.png"):
            raise ConnectionError("S3 is away")
        put(key, *rest)

    with monkeypatch.context() as away:
        away.setattr(media, "put", full)
        with pytest.raises(ConnectionError):
            prepare(job_id, world.at)
    assert world.job(job_id).latest is None
    assert prepare(job_id, world.at) == {"outcome": "prepared", "runner": "bedrock"}


def test_a_base_that_loses_pixels_keeps_its_mask_and_its_framing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    small = entry("nova_canvas").model_copy(update={"max_body": 1_200_000})
    monkeypatch.setattr(prepare_module, "entry", lambda *_: small)
    mask, file = Image.new("L", (900, 1350), 255), io.BytesIO()
    mask.paste(0, (0, 0, 450, 1350))
    mask.save(file, "PNG")
    job_id = world.prepared(
        person={"s3": f"s3://{INBOX}/{world.put('noise.png', noise(900, 1350))}"},
        mask={"type": "image", "image": {"s3": f"s3://{INBOX}/{world.put('mask.png', file.getvalue())}"}},
    )
    attempt = world.job(job_id).latest
    assert attempt
    person, sent = open_input(world, job_id, "person"), open_input(world, job_id, "mask").convert("L")
    assert person.width < 900 and person.size == sent.size
    assert person.size == (attempt.inputs["mask"].width, attempt.inputs["mask"].height)
    assert attempt.inputs["person"].frame == attempt.inputs["mask"].frame
    assert attempt.inputs["person"].frame["source"] == [900, 1350]
    assert [sent.getpixel((x, 10)) for x in (10, sent.width - 10)] == [0, 255]


def test_images_that_travel_by_themselves_share_no_budget(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    files = entry("nova_canvas").model_copy(update={"max_body": None, "max_image": 1_000_000})
    monkeypatch.setattr(prepare_module, "entry", lambda *_: files)
    images = [{"s3": f"s3://{INBOX}/{world.put(f'{n}.png', noise(900, 1000))}"} for n in range(3)]
    job_id = world.submit({"task": "image_variation", "images": images}).job.id
    assert prepare(job_id, world.at)["outcome"] == "prepared"
    attempt = world.job(job_id).latest
    assert attempt and len(attempt.inputs) == 3
    sizes = [len(world.read(made.key)) for made in attempt.inputs.values()]
    assert all(500_000 < size <= 1_000_000 for size in sizes)
    assert {made.width for made in attempt.inputs.values()} == {900}


def test_what_was_prepared_and_is_gone_from_staging_is_made_once_more(world: World, vendor: Vendor) -> None:
    job_id = world.prepared()
    first = world.job(job_id).latest
    assert first
    aws.s3().delete_object(Bucket=MEDIA, Key=first.inputs["garment-0"].key)
    assert prepare(job_id, world.at) == {"outcome": "prepared", "runner": "bedrock"}
    again = world.job(job_id).latest
    assert again and (again.n, again.inputs, again.seed) == (1, first.inputs, first.seed)
    assert world.read(first.inputs["garment-0"].key)
    aws.s3().delete_object(Bucket=MEDIA, Key=first.inputs["garment-0"].key)
    assert prepare(job_id, world.at) == {"outcome": "failed", "again": False}
    failure = world.job(job_id).failure
    assert failure and failure.code == "image_unreadable"
