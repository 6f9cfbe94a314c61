"""Bringing fitted images below a provider's limit of bytes."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageChops, ImageFilter, ImageStat

from fitting_room.images.budget import encoded, fair_share
from fitting_room.images.encode import to_jpeg
from fitting_room.images.fit import apply, apply_mask, plan_fit, refit_mask
from fitting_room.jobs.errors import JobFailure
from fitting_room.jobs.geometry import FitSpec
from tests.unit.images.pictures import noise


def test_small_images_keep_their_size_and_large_ones_share_the_rest() -> None:
    assert fair_share([10, 20, 500, 900], 630) == 300
    assert fair_share([500, 900], 630) == 315
    assert fair_share([100, 900], 630) == 530
    assert fair_share([700], 630) == 630


def test_an_image_that_is_too_large_in_bytes_loses_pixels_before_it_is_refused() -> None:
    image, spec = noise(1200, 900), FitSpec(canvas=(1600, 900))
    frame = plan_fit(image.size, spec, original=(6000, 4500))
    limit = len(to_jpeg(apply(image, frame), 85)) * 2 // 3
    made = encoded(apply(image, frame), frame, spec, limit, pointer="/person")
    assert len(made.data) <= limit and made.media_type == "image/jpeg"
    width, height = made.frame.canvas
    assert Image.open(io.BytesIO(made.data)).size == (width, height)
    assert width / height == pytest.approx(16 / 9, abs=0.01)
    assert (made.frame.source, made.frame.original) == ((1200, 900), (6000, 4500))
    assert min(made.frame.content) >= 512


def test_an_image_that_lost_pixels_still_shows_the_same() -> None:
    image, spec = noise(1200, 900).filter(ImageFilter.GaussianBlur(6)), FitSpec(canvas=(1600, 900))
    frame = plan_fit(image.size, spec)
    limit = len(to_jpeg(apply(image, frame), 85)) * 9 // 10
    made = encoded(apply(image, frame), frame, spec, limit, pointer="/person")
    assert made.frame.canvas < frame.canvas
    shown = Image.open(io.BytesIO(made.data))
    assert max(ImageStat.Stat(ImageChops.difference(shown, apply(image, made.frame))).mean) < 3


def test_a_mask_goes_with_the_image_that_lost_pixels() -> None:
    spec, mask = FitSpec(canvas=(1600, 900)), Image.new("L", (1200, 900), 255)
    mask.paste(0, (300, 300, 900, 600))
    frame = plan_fit(mask.size, spec)
    smaller = plan_fit(mask.size, FitSpec(canvas=(1600, 900), max_pixels=700_000))
    assert smaller.canvas < frame.canvas
    again = refit_mask(apply_mask(mask, frame), frame, smaller)
    assert again.size == smaller.canvas
    assert set(again.tobytes()) == {0, 255}
    assert ImageStat.Stat(ImageChops.difference(again, apply_mask(mask, smaller))).mean[0] < 1


@pytest.mark.parametrize("size", [(1200, 900), (500, 600)], ids=["at 512 px", "already small"])
def test_too_little_to_see_is_refused(size: tuple[int, int]) -> None:
    image, spec = noise(*size), FitSpec()
    with pytest.raises(JobFailure) as caught:
        encoded(image, plan_fit(image.size, spec), spec, 4000, pointer="/garments/0/image")
    fault = caught.value.fault
    assert (fault.code, fault.pointer) == ("image_unreadable", "/garments/0/image")
    assert f"{size[0]} x {size[1]}" in fault.detail and "quality 85" in fault.detail


def test_the_white_around_an_image_is_nothing_to_see() -> None:
    image, spec = noise(600, 1200), FitSpec(canvas=(1200, 1200))
    frame = plan_fit(image.size, spec)
    padded = apply(image, frame)
    with pytest.raises(JobFailure):
        encoded(padded, frame, spec, len(to_jpeg(padded, 85)) * 9 // 10, pointer="/person")


def test_a_provider_s_own_smallest_side_is_kept() -> None:
    image, spec = noise(1200, 900), FitSpec(min_side=880)
    with pytest.raises(JobFailure):
        encoded(image, plan_fit(image.size, spec), spec, 100_000, pointer="/person")
