"""One try-on by each provider, from the request to the picture."""

from __future__ import annotations

import io

import httpx
import numpy as np
import pytest
from PIL import Image, ImageChops, ImageDraw

from .conftest import Cloud

STEPS = ["queued", "preparing", "submitting", "collecting", "done"]


@pytest.mark.parametrize("provider", ["nova_canvas", "tryiton", "fashn"])
def test_one_job_is_one_purchase_and_one_picture(cloud: Cloud, person: bytes, tee: bytes, provider: str) -> None:
    vendor = {"nova_canvas": cloud.bedrock, "tryiton": cloud.tryiton, "fashn": cloud.fashn}[provider]
    assert vendor.purchases() == []
    accepted = cloud.submit(cloud.try_on(person, tee, provider=provider, reference="A-1/8812"))
    assert accepted["status"] == "queued"
    job = cloud.finished(accepted["id"])
    assert job["status"] == "succeeded", job["error"]
    assert len(vendor.purchases()) == 1

    assert [
        entry["step"] for entry in job["timeline"] if entry["step"] not in ("generating", "waiting_for_slot")
    ] == STEPS
    assert [(a["n"], a["provider"], a["outcome"], a["charged"]) for a in job["attempts"]] == [
        (1, provider, "finished", "yes")
    ]
    assert job["usage"]["images"] == 1
    assert job["reference"] == "A-1/8812"
    [image] = job["images"]
    picture = cloud.picture(image)
    source = Image.open(io.BytesIO(person))
    assert (image["width"], image["height"]) == picture.size == source.size
    assert ImageChops.difference(picture.convert("RGB"), source.convert("RGB")).getbbox() is not None

    link = cloud.live.get(job["links"]["images"][0])
    assert link.status_code == 303
    assert httpx.get(link.headers["location"], timeout=60).content == httpx.get(image["url"], timeout=60).content


def test_balanced_changes_nothing_outside_the_returned_mask(cloud: Cloud, person: bytes, tee: bytes) -> None:
    body = cloud.try_on(person, tee, provider="nova_canvas", merge="balanced", output={"mask": True, "seed": 7})
    job = cloud.finished(cloud.submit(body)["id"])
    assert job["status"] == "succeeded", job["error"]
    result, mask = (np.asarray(cloud.picture(image)) for image in (job["images"][0], job["mask"]))
    source = np.asarray(Image.open(io.BytesIO(person)).convert("RGB"))
    changed = mask == 0
    assert set(np.unique(mask)) == {0, 255}
    assert 0.05 < changed.mean() < 0.5
    assert np.array_equal(result[~changed], source[~changed])
    assert not np.array_equal(result[changed], source[changed])
    assert job["images"][0]["seed"] == 7


def test_keep_face_takes_the_face_out_of_a_drawn_mask(cloud: Cloud, person: bytes, tee: bytes) -> None:
    size = Image.open(io.BytesIO(person)).size
    drawn = Image.new("L", size, 255)
    ImageDraw.Draw(drawn).rectangle((size[0] * 0.2, 0, size[0] * 0.8, size[1] * 0.6), fill=0)
    file = io.BytesIO()
    drawn.save(file, "PNG")
    mask = {"type": "image", "image": {"upload": cloud.upload(file.getvalue())}}
    head = (slice(int(size[1] * 0.06), int(size[1] * 0.10)), slice(int(size[0] * 0.48), int(size[0] * 0.52)))
    for keep, changes in ((True, False), (False, True)):
        body = cloud.try_on(person, tee, provider="nova_canvas", mask=mask, keep={"face": keep}, output={"mask": True})
        job = cloud.finished(cloud.submit(body)["id"])
        assert job["status"] == "succeeded", job["error"]
        returned = np.asarray(cloud.picture(job["mask"]))
        assert bool((returned[head] == 0).all()) is changes


@pytest.mark.parametrize("provider", ["nova_canvas", "tryiton"])
@pytest.mark.parametrize("size", ["provider", "original"])
def test_a_sideways_phone_picture_comes_back_upright_and_clean(
    cloud: Cloud, person: bytes, tee: bytes, provider: str, size: str
) -> None:
    upright = (3000, 4000)  # 12 megapixels
    photo = Image.open(io.BytesIO(person)).convert("RGB").resize(upright, Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    exif[0x010F] = "Phone maker"
    file = io.BytesIO()
    photo.transpose(Image.Transpose.ROTATE_90).save(file, "JPEG", quality=88, exif=exif)
    body = cloud.try_on(file.getvalue(), tee, media_type="image/jpeg", provider=provider, output={"size": size})
    job = cloud.finished(cloud.submit(body)["id"], 90)
    assert job["status"] == "succeeded", job["error"]
    picture = cloud.picture(job["images"][0])
    width, height = picture.size
    assert abs(width - height * upright[0] / upright[1]) <= 1
    if size == "original":
        assert picture.size == upright
    else:
        assert height < upright[1]
    assert not picture.getexif()
    small = (60, 80)  # upright and unmirrored: it looks like the picture, not like any turn of it
    looks = np.asarray(picture.convert("L").resize(small), float)
    apart = [
        float(np.abs(looks - np.asarray(turned.convert("L").resize(small), float)).mean())
        for turned in (photo, photo.rotate(180), photo.rotate(90, expand=True), photo.rotate(270, expand=True))
    ]
    assert apart[0] == min(apart)
