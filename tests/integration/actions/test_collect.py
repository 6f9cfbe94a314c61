"""From the vendor's pictures to the tenant's results."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from fitting_room.actions.workflow.collect import collect
from fitting_room.actions.workflow.settle import settle
from fitting_room.images import provenance
from fitting_room.jobs.errors import JobWarning
from fitting_room.jobs.job import Job
from fitting_room.jobs.outcome import Finished, Outcome, Picture
from fitting_room.stores import jobs
from tests.deployment import choose
from tests.integration.world import INBOX, TENANT, Vendor, World, failed, finished, pending, picture
from tests.unit.images.corpus import broken_chunk, with_chunk
from tests.unit.images.signed import breaches, signed


def bought(world: World, vendor: Vendor, outcome: Outcome, **changes: Any) -> Job:
    """The settled job whose vendor answered this."""
    vendor.starts = [outcome]
    job_id = world.submit(**changes).job.id
    assert world.run(job_id)[-2:] == ["Collect", "Settle"]
    return world.job(job_id)


def told(job: Job) -> list[str]:
    """The codes of the warnings, less what was seen on the inputs."""
    return [warning.code for warning in job.warnings if warning.pointer is None]


def opened(world: World, job: Job, n: int = 0) -> Image.Image:
    return Image.open(io.BytesIO(world.read(job.images[n].key)))


def with_credentials(width: int, height: int) -> bytes:
    return signed(picture(width, height, "crimson"), "image/png")


def with_mark(source_type: str, form: str = "PNG") -> bytes:
    return provenance.mark(picture(360, 540, "crimson", form), source_type)[0]


def test_bytes_that_need_no_change_are_the_vendors_own(world: World, vendor: Vendor) -> None:
    data = with_credentials(360, 540)
    job = bought(world, vendor, Finished([Picture(data, seed=99)]))
    image = job.images[0]
    assert world.read(image.key) == data
    assert (image.sha256, image.bytes, image.format, image.seed) == (
        hashlib.sha256(data).hexdigest(),
        len(data),
        "png",
        99,
    )
    assert image.provenance == "c2pa"
    assert breaches(world.read(image.key), "image/png") == []
    assert told(job) == []


def test_an_unmarked_result_is_marked_as_made_by_a_model(world: World, vendor: Vendor) -> None:
    job = bought(world, vendor, finished())
    data = world.read(job.images[0].key)
    assert provenance.read(data).source_type == "compositeWithTrainedAlgorithmicMedia"
    assert (job.images[0].provenance, job.images[0].bytes) == ("xmp", len(data))
    assert Image.open(io.BytesIO(data)).tobytes() == Image.open(io.BytesIO(picture(360, 540, "crimson"))).tobytes()
    assert told(job) == []


def test_a_photo_without_its_background_is_marked_as_a_photo_that_a_model_changed(world: World, vendor: Vendor) -> None:
    body = {"task": "remove_background", "image": world.body()["person"]}
    cut_out = Image.open(io.BytesIO(picture(360, 540)))
    cut_out.putalpha(Image.linear_gradient("L").resize((360, 540)))
    came = io.BytesIO()
    cut_out.save(came, "PNG")
    job = bought(world, vendor, Finished([Picture(came.getvalue())]), body=body)
    assert provenance.read(world.read(job.images[0].key)).source_type == "algorithmicallyEnhanced"


def test_the_sandbox_claims_no_model(world: World) -> None:
    job_id = world.submit(provider="sandbox").job.id
    world.run(job_id)
    image = world.job(job_id).images[0]
    assert (image.provenance, provenance.read(world.read(image.key)).source_type) == ("xmp", "algorithmicMedia")


def test_a_result_that_programs_stumble_over_is_stored_so_that_it_opens(world: World, vendor: Vendor) -> None:
    data = with_chunk(picture(360, 540, "crimson"), broken_chunk(b"tEXt"))
    job = bought(world, vendor, Finished([Picture(data)]))
    stored = world.read(job.images[0].key)
    assert job.images[0].sha256 == hashlib.sha256(stored).hexdigest()
    with pytest.raises(OSError), Image.open(io.BytesIO(data)) as image:
        image.load()
    with opened(world, job) as image, Image.open(io.BytesIO(picture(360, 540, "crimson"))) as sent:
        assert image.tobytes() == sent.tobytes()
    assert told(job) == ["metadata_dropped"]


@pytest.mark.parametrize("form", ["jpeg", "webp", "png"])
@pytest.mark.parametrize(
    ("said", "kept"),
    [("algorithmicMedia", "algorithmicMedia"), ("digitalCapture", "compositeWithTrainedAlgorithmicMedia")],
)
def test_another_format_is_converted_and_marked(world: World, vendor: Vendor, form: str, said: str, kept: str) -> None:
    came = with_mark(said, "PNG" if form != "png" else "JPEG")
    job = bought(world, vendor, Finished([Picture(came, seed=1)]), output={"format": form})
    assert opened(world, job).format == form.upper()
    assert job.images[0].format == form
    assert job.images[0].key.endswith(f"/1.{form}")
    assert provenance.read(world.read(job.images[0].key)).source_type == kept
    assert told(job) == []


def test_a_conversion_that_loses_content_credentials_says_so(world: World, vendor: Vendor) -> None:
    came = Finished([Picture(with_credentials(360, 540), seed=1)])
    job = bought(world, vendor, came, output={"format": "jpeg"})
    assert told(job) == ["credentials_dropped"]
    assert job.images[0].provenance == "xmp"


def test_a_converted_jpeg_has_quality_95(world: World, vendor: Vendor) -> None:
    job, best = bought(world, vendor, finished(), output={"format": "jpeg"}), io.BytesIO()
    Image.new("RGB", (8, 8)).save(best, "JPEG", quality=95)
    made, wanted = (Image.open(io.BytesIO(data)) for data in (world.read(job.images[0].key), best.getvalue()))
    assert isinstance(made, JpegImageFile) and isinstance(wanted, JpegImageFile)
    assert made.quantization == wanted.quantization


def test_the_format_that_came_anyway_changes_nothing(world: World, vendor: Vendor) -> None:
    job = bought(world, vendor, finished(form="JPEG"), output={"format": "jpeg"})
    assert told(job) == []
    assert world.read(job.images[0].key) == with_mark("compositeWithTrainedAlgorithmicMedia", "JPEG")


def test_the_padding_for_the_vendor_is_gone_from_the_result(world: World, vendor: Vendor) -> None:
    """TryItOn works on 2:3; a square person is letterboxed for it, and comes back square."""
    world.configure("tryiton")
    person = {"s3": f"s3://{INBOX}/{world.put('square.png', picture(600, 600))}"}
    job = bought(world, vendor, finished(864, 1296), provider="tryiton", person=person)
    assert (job.images[0].width, job.images[0].height) == opened(world, job).size == (864, 864)
    assert told(job) == []


def test_the_original_size_is_restored_when_asked_for(world: World, vendor: Vendor) -> None:
    job = bought(world, vendor, finished(720, 1080), output={"size": "original"})
    assert opened(world, job).size == (360, 540)
    kept = bought(world, vendor, finished(720, 1080))
    assert opened(world, kept).size == (720, 1080)


def test_an_image_that_is_enlarged_here_costs_what_the_vendor_made(world: World, vendor: Vendor) -> None:
    """FLUX at fal is paid by the megapixel."""
    world.configure("fal")
    vendor.polls = [finished(816, 1224)]
    person = {"s3": f"s3://{INBOX}/{world.put('large.png', picture(1500, 2250))}"}
    asked = {"provider": "fal/fal-ai/flux-pro/v1/vto", "output": {"size": "original"}}
    job = bought(world, vendor, pending(), person=person, **asked)
    assert (job.images[0].width, job.usage.amount) == (1500, 0.0475)
    assert job.reserved and job.reserved.microusd == 47_500


def test_a_picture_of_another_aspect_is_delivered_with_a_warning(world: World, vendor: Vendor) -> None:
    job = bought(world, vendor, finished(400, 500))
    assert opened(world, job).size == (400, 500)
    assert told(job) == ["framing_changed"]


def test_a_picture_of_quite_another_shape_is_no_result(world: World, vendor: Vendor) -> None:
    job = bought(world, vendor, finished(900, 300))
    assert (job.status, job.error and job.error.code) == ("failed", "output_rejected")


def test_several_pictures_are_numbered_from_one_with_their_seeds(world: World, vendor: Vendor) -> None:
    job = bought(world, vendor, finished(count=3), output={"count": 3})
    assert [(image.n, image.seed) for image in job.images] == [(1, 7), (2, 8), (3, 9)]
    assert world.keys(f"results/{TENANT}/{job.id}/") == [f"results/{TENANT}/{job.id}/{n}.png" for n in (1, 2, 3)]


BAD = {"all black": "black", "a single colour": "white"}


def flat(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (360, 540), colour).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("what", ["all black", "a single colour", "cannot be decoded", "the input unchanged"])
def test_a_picture_that_is_no_result_fails_the_job_as_rejected_and_charged(
    world: World, vendor: Vendor, what: str
) -> None:
    job_id = world.prepared()
    attempt = world.job(job_id).latest
    assert attempt
    data = {"cannot be decoded": b"GIF89a?", "the input unchanged": world.read(attempt.inputs["person"].key)}.get(
        what
    ) or flat(BAD[what])
    vendor.starts = [Finished([Picture(data)])]
    world.start(job_id)
    collect(job_id, world.at)
    settle(job_id, world.at)
    job = world.job(job_id)
    assert job.error and what in job.error.detail
    assert (job.status, job.error.code, job.error.provider, job.usage.images) == (
        "failed",
        "output_rejected",
        "nova_canvas",
        1,
    )
    assert world.spent() == (1, 40_000)


@pytest.mark.parametrize(
    ("mask", "status"),
    [({"type": "garment"}, "failed"), ({"type": "prompt", "prompt": "the button"}, "succeeded")],
    ids=["a garment", "a part"],
)
def test_a_speck_that_changed_is_a_result_only_where_a_part_was_to_be_edited(
    world: World, vendor: Vendor, mask: dict[str, str], status: str
) -> None:
    came, file = Image.open(io.BytesIO(picture(360, 540))), io.BytesIO()
    came.paste((225, 225, 225), (20, 20, 26, 26))
    came.save(file, "PNG")
    job = bought(world, vendor, Finished([Picture(file.getvalue())]), provider="nova_canvas", mask=mask)
    assert job.status == status
    assert (job.error is not None and "the input unchanged" in job.error.detail) == (status == "failed")


def test_the_good_pictures_of_a_mixed_answer_are_delivered(world: World, vendor: Vendor) -> None:
    good = picture(360, 540, "purple")
    job = bought(world, vendor, Finished([Picture(flat("black"), seed=1), Picture(good, seed=2)]), output={"count": 2})
    assert (job.status, [(image.n, image.seed) for image in job.images]) == ("succeeded", [(1, 2)])
    assert told(job) == ["result_rejected"]


def test_fewer_pictures_than_asked_for_come_with_the_vendors_reason(world: World, vendor: Vendor) -> None:
    partial = finished(count=1, warnings=[JobWarning(code="partial_result", detail="One was held back.")])
    job = bought(world, vendor, partial, output={"count": 2})
    assert told(job) == ["partial_result"]
    assert job.usage.images == 1
    assert world.spent() == (1, 40_000), "the other one was given back"


def test_the_mask_comes_back_in_the_pictures_framing_and_pure(world: World, vendor: Vendor) -> None:
    mask = Image.new("L", (720, 1080), 255)
    mask.paste(0, (180, 270, 540, 810))
    file = io.BytesIO()
    mask.save(file, "PNG")
    job = bought(world, vendor, finished(720, 1080, mask=file.getvalue()), output={"mask": True, "size": "original"})
    assert job.mask and (job.mask.width, job.mask.height) == (360, 540)
    back = Image.open(io.BytesIO(world.read(job.mask.key)))
    assert back.size == (360, 540)
    assert set(back.convert("L").tobytes()) == {0, 255}
    assert (back.convert("L").getpixel((180, 270)), back.convert("L").getpixel((5, 5))) == (0, 255)


def test_no_mask_without_asking(world: World, vendor: Vendor) -> None:
    assert bought(world, vendor, finished()).mask is None


def test_collecting_again_changes_nothing(world: World, vendor: Vendor) -> None:
    vendor.starts = [finished(form="JPEG")]
    job_id = world.prepared(output={"format": "png"})
    world.start(job_id)
    assert collect(job_id, world.at) == {"outcome": "ended"}
    once = world.job(job_id)
    assert collect(job_id, world.at) == {"outcome": "ended"}
    assert world.job(job_id) == once


def test_two_collects_at_once_record_everything_once(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.starts = [Finished([Picture(with_credentials(360, 540), seed=1)])]
    job_id = world.prepared(output={"format": "jpeg"})
    world.start(job_id)
    real = jobs.collected

    def slow(*args: Any) -> bool:
        monkeypatch.setattr(jobs, "collected", real)
        collect(job_id, world.at)
        return real(*args)

    monkeypatch.setattr(jobs, "collected", slow)
    collect(job_id, world.at)
    assert told(world.job(job_id)) == ["credentials_dropped"]


def test_a_job_that_has_nothing_to_collect_is_left_alone(world: World, vendor: Vendor) -> None:
    job_id = world.prepared()
    assert collect(job_id, world.at) == collect("job_unknown", world.at) == {"outcome": "ended"}
    assert world.keys("results/") == []


def test_pictures_that_arrive_after_the_job_was_settled_do_not_change_it(world: World, vendor: Vendor) -> None:
    vendor.starts = [finished()]
    job_id = world.prepared()
    world.start(job_id)
    jobs.fail(world.job(job_id), failed("output_rejected").fault)
    settle(job_id, world.at)
    before = world.job(job_id)
    assert before.error and before.error.code == "output_rejected"
    assert before.usage.images == 1, "the vendor was paid"
    collect(job_id, world.at)
    assert world.job(job_id) == before


@pytest.mark.parametrize(("provider", "status"), [("stability", "succeeded"), ("nova_canvas", "failed")])
def test_a_size_that_a_vendor_takes_as_a_shape_only_is_no_reason_to_throw_its_picture_away(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch, provider: str, status: str
) -> None:
    choose(monkeypatch, bedrock_regions={"nova_canvas": "us-east-1", "stability": "us-west-2"})
    body = {"task": "text_to_image", "prompt": "a hat", "size": {"width": 800, "height": 1200}, "provider": provider}
    vendor.starts = [finished(832, 1216)]  # 2.6 % off 2:3
    job_id = world.submit(body).job.id
    world.run(job_id)
    job = world.job(job_id)
    assert job.status == status
    assert ("size_is_a_shape" in {warning.code for warning in job.warnings}) == (provider == "stability")


def test_a_mask_that_cannot_be_read_costs_no_picture(world: World, vendor: Vendor) -> None:
    data = with_credentials(360, 540)
    job = bought(
        world, vendor, Finished([Picture(data)], mask=b"no picture"), provider="nova_canvas", output={"mask": True}
    )
    assert (job.status, len(job.images), job.mask) == ("succeeded", 1, None)
    assert "mask_missing" in [warning.code for warning in job.warnings]


@pytest.mark.parametrize(
    ("size", "warnings"), [((720, 1080), []), ((768, 1024), ["framing_changed"]), ((1200, 500), None)]
)
def test_an_editor_s_image_is_held_to_the_shape_of_the_person_and_not_cut(
    world: World, vendor: Vendor, size: tuple[int, int], warnings: list[str] | None
) -> None:
    """The person's image is 360 x 540. An editor chooses its pixels, so no padding is undone."""
    world.configure("gemini")
    job = bought(world, vendor, finished(*size, amount=0.04), provider="gemini")
    if warnings is None:
        assert (job.status, job.error and job.error.code) == ("failed", "output_rejected")
        return
    assert (job.status, told(job)) == ("succeeded", warnings)
    assert (job.images[0].width, job.images[0].height) == size
    assert (job.usage.amount, job.usage.basis) == (0.04, "list price of the catalogue, per token")
