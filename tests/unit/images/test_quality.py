from __future__ import annotations

import pytest
from PIL import Image

from fitting_room.images.quality import check_result
from tests.unit.images.pictures import noise, saved, scene

GREY_NOISE = Image.blend(Image.new("RGB", (256, 256), (90, 90, 90)), noise(256, 256), 0.04)


@pytest.mark.parametrize(("data", "reason"), [
    (saved(scene(256, 384)), None),
    (saved(scene(256, 384), "JPEG"), None),
    (b"", "undecodable"),
    (saved(scene(256, 384))[:200], "undecodable"),
    (b'{"error": "busy"}', "undecodable"),
    (saved(Image.new("RGB", (256, 256))), "black"),
    (saved(Image.new("RGB", (256, 256), (4, 2, 6)), "JPEG"), "black"),
    (saved(Image.new("RGB", (256, 256), "white")), "uniform"),
    (saved(GREY_NOISE, "JPEG"), "uniform"),
])
def test_what_is_no_picture_is_told(data: bytes, reason: str | None) -> None:
    assert check_result(data) == reason


def test_an_echo_of_what_was_sent_is_no_result() -> None:
    person, garment = saved(scene(256, 384)), saved(noise(64, 64))
    assert check_result(person, sent=[garment, person]) == "unchanged"
    assert check_result(saved(scene(256, 380)), sent=[garment, person]) is None
