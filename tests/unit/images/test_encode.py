from __future__ import annotations

import io

import pytest
from PIL import Image

from fitting_room.images.encode import to_jpeg, to_png, within
from fitting_room.jobs.errors import JobFailure
from tests.unit.images.pictures import noise, scene


def test_png_while_it_fits() -> None:
    picture = scene(300, 200)
    data, media_type = within(picture, len(to_png(picture)), pointer="/person")
    assert media_type == "image/png"
    assert Image.open(io.BytesIO(data)).tobytes() == picture.tobytes()


def test_the_best_jpeg_once_png_is_too_large() -> None:
    picture = noise(300, 200)
    limit = len(to_jpeg(picture, 90)) + 10
    data, media_type = within(picture, limit, pointer="/person")
    assert media_type == "image/jpeg"
    assert data == to_jpeg(picture, 90)
    assert Image.open(io.BytesIO(data)).size == (300, 200)


def test_quality_is_never_given_away_silently() -> None:
    picture = noise(300, 200)
    with pytest.raises(JobFailure) as caught:
        within(picture, len(to_jpeg(picture, 85)) - 1, pointer="/garments/0/image")
    fault = caught.value.fault
    assert (fault.code, fault.pointer) == ("image_unreadable", "/garments/0/image")
    assert "300 x 200" in fault.detail and "quality 85" in fault.detail
