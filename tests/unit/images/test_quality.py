from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from fitting_room.images.result_checks import REASONS, Expected, check_result, decode_result, fingerprint
from fitting_room.jobs.errors import JobFailure
from tests.unit.images.corpus import SAMPLES
from tests.unit.images.pictures import noise, saved, scene, sideways

GREY_NOISE = Image.blend(Image.new("RGB", (256, 256), (90, 90, 90)), noise(256, 256), 0.04)
SAMPLE_NAMES = ["person_a", "tee", "dress", "room"]


def sample(name: str) -> Image.Image:
    with Image.open(SAMPLES / f"{name}.png") as image:
        return image.convert("RGB")


def cutout(alpha: Image.Image | int, colour: Any = None) -> bytes:
    image = scene(256, 384) if colour is None else Image.new("RGB", (256, 384), colour)
    image.putalpha(alpha)
    return saved(image)


def disc() -> Image.Image:
    alpha = Image.new("L", (256, 384), 0)
    ImageDraw.Draw(alpha).ellipse((60, 60, 200, 300), fill=255)
    return alpha


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (saved(scene(256, 384)), None),
        (saved(scene(256, 384), "JPEG"), None),
        (saved(scene(256, 384), "WEBP"), None),
        (b"", "undecodable"),
        (saved(scene(256, 384))[:200], "undecodable"),
        (saved(noise(256, 384))[:-2000], "undecodable"),
        (b'{"error": "busy"}', "undecodable"),
        (saved(scene(256, 384), "TIFF"), "undecodable"),
        (saved(scene(256, 384), "AVIF"), "undecodable"),
        (saved(Image.new("RGB", (256, 256))), "black"),
        (saved(Image.new("RGB", (256, 256), (4, 2, 6)), "JPEG"), "black"),
        (saved(Image.new("RGB", (256, 256), "white")), "uniform"),
        (saved(Image.new("RGBA", (256, 256), (9, 200, 9, 0))), "uniform"),
        (saved(GREY_NOISE, "JPEG"), "uniform"),
    ],
)
def test_what_is_no_picture_is_told(data: bytes, reason: str | None) -> None:
    assert check_result(data).reason == reason
    assert (check_result(data).image is None) == (reason is not None)
    assert reason is None or reason in REASONS


def test_an_accepted_picture_comes_decoded() -> None:
    verdict = check_result(saved(scene(256, 384)))
    assert verdict.image and verdict.image.tobytes() == scene(256, 384).tobytes()


def test_a_result_may_be_larger_than_an_input() -> None:
    assert check_result(saved(scene(256, 384)).ljust(50_000_000, b"\0")).reason is None
    assert check_result(saved(scene(256, 384)).ljust(50_000_001, b"\0")).reason == "undecodable"


def test_an_echo_of_what_was_sent_is_no_result() -> None:
    person, garment = saved(scene(256, 384)), saved(noise(64, 64))
    assert check_result(person, sent=[fingerprint(garment), fingerprint(person)]).reason == "unchanged"
    assert check_result(saved(noise(256, 384)), sent=[fingerprint(garment), fingerprint(person)]).reason is None


@pytest.mark.parametrize("name", SAMPLE_NAMES)
def test_an_echo_is_known_in_another_format_or_size(name: str) -> None:
    image = sample(name)
    sent = [fingerprint(saved(image))]
    width, height = image.size
    for data in (
        saved(image, compress_level=9),
        saved(image, "JPEG", quality=60),
        saved(image, "WEBP", quality=75),
        saved(image.convert("RGBA")),
        saved(image.resize((round(width * 0.83), round(height * 0.83)))),
        saved(image.resize((width // 2, height // 2)), "JPEG", quality=85),
    ):
        assert check_result(data, sent=sent).reason == "unchanged"


@pytest.mark.parametrize("name", SAMPLE_NAMES)
def test_the_smallest_change_worth_buying_is_a_change(name: str) -> None:
    image = sample(name)
    sent = [fingerprint(saved(image))]
    width, height = image.size
    left, top = width // 2, height // 2
    logo, necklace, tint = image.copy(), image.copy(), image.copy()
    at = image.getpixel((left, top))
    assert isinstance(at, tuple)
    ImageDraw.Draw(logo).rectangle(
        (left, top, left + width // 40, top + height // 40), fill=tuple((level + 60) % 256 for level in at)
    )
    ImageDraw.Draw(necklace).line((left, top, left + 100, top + 30), fill=(240, 0, 240), width=6)
    box = (left, top, left + width // 10, top + height // 10)
    tint.paste(image.crop(box).point(lambda level: level + 8 if level < 200 else level - 8), box)
    for changed in (logo, necklace, tint):
        assert check_result(saved(changed, "JPEG", quality=90), sent=sent).reason is None


def test_a_crop_is_a_change() -> None:
    image = sample("person_a")
    sent = [fingerprint(saved(image))]
    assert check_result(saved(image.crop((0, 0, 832, 832))), sent=sent).reason is None


def test_what_was_sent_but_does_not_decode_is_no_obstacle() -> None:
    assert check_result(saved(scene(256, 384)), sent=[fingerprint(b"no picture")]).reason is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (cutout(disc()), None),
        (cutout(disc(), "white"), None),
        (cutout(disc(), "black"), None),
        (cutout(Image.linear_gradient("L").resize((256, 384))), None),
        (saved(scene(256, 384)), "missing_alpha"),
        (saved(scene(256, 384), "JPEG"), "missing_alpha"),
        (cutout(255), "missing_alpha"),
        (cutout(120), "missing_alpha"),
        (cutout(0), "uniform"),
    ],
)
def test_a_removed_background_must_be_transparent_and_the_rest_not(data: bytes, reason: str | None) -> None:
    verdict = check_result(data, Expected(aspects=((256, 384),), alpha=True))
    assert verdict.reason == reason
    if verdict.image:
        assert verdict.image.getchannel("A").tobytes() == Image.open(io.BytesIO(data)).getchannel("A").tobytes()


def test_a_cutout_of_the_input_is_no_echo_though_its_colours_are_the_input_s() -> None:
    product = Image.new("RGB", (256, 384), "white")
    product.paste(scene(256, 384), mask=disc())
    product.putalpha(disc())
    data = saved(product)
    assert check_result(data, Expected(alpha=True), [fingerprint(saved(product.convert("RGB")))]).reason is None


@pytest.mark.parametrize(
    ("size", "expected", "reason", "warnings"),
    [
        ((512, 768), Expected(size=(512, 768)), None, []),
        ((1024, 1536), Expected(size=(512, 768)), None, ["size_changed"]),
        ((512, 760), Expected(size=(512, 768)), None, ["size_changed"]),
        ((512, 740), Expected(size=(512, 768)), "wrong_aspect", []),
        ((768, 512), Expected(size=(512, 768)), "wrong_aspect", []),
        ((864, 1296), Expected(aspects=((864, 1296), (500, 700))), None, []),
        ((400, 560), Expected(aspects=((864, 1296), (500, 700))), None, []),
        ((640, 640), Expected(aspects=((864, 1296), (500, 700))), None, ["framing_changed"]),
        ((800, 600), Expected(aspects=((864, 1296), (500, 700))), "wrong_aspect", []),
        ((300, 1296), Expected(aspects=((864, 1296),)), "wrong_aspect", []),
    ],
)
def test_the_shape_is_what_the_task_promises(
    size: tuple[int, int], expected: Expected, reason: str | None, warnings: list[str]
) -> None:
    verdict = check_result(saved(scene(*size)), expected)
    assert verdict.reason == reason
    assert [warning.code for warning in verdict.warnings] == warnings


def test_a_result_is_decoded_upright_and_keeps_its_alpha() -> None:
    assert decode_result(sideways(scene(320, 200), 6)).size == (320, 200)
    assert decode_result(saved(scene(320, 200))).mode == "RGB"
    image = decode_result(cutout(disc()))
    assert (image.mode, image.info) == ("RGBA", {})
    assert image.getchannel("A").tobytes() == disc().tobytes()
    assert image.convert("RGB").tobytes() == scene(256, 384).tobytes()
    palette = scene(64, 64).quantize(8)
    assert decode_result(saved(palette, transparency=0)).mode == "RGBA"
    with pytest.raises(JobFailure):
        decode_result(b"no picture")


def test_the_smallest_retouch_of_a_named_part_is_a_result_and_an_echo_is_none() -> None:
    source = Image.open(Path(__file__).parents[3] / "local" / "samples" / "person_a.png").convert("RGB")
    touched = source.copy()
    touched.paste((200, 180, 160), (400, 300, 412, 312))
    sent = [fingerprint(saved(source))]
    assert check_result(saved(touched), Expected(edit=True), sent).reason is None
    assert check_result(saved(source), Expected(edit=True), sent).reason == "unchanged"
