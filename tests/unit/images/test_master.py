from __future__ import annotations

import io
from typing import Any, cast

import pytest
from PIL import Image, ImageCms, ImageFile

from fitting_room.images.encode import to_jpeg, to_png
from fitting_room.images.master import ImageLimits, Master, make_master
from fitting_room.jobs.errors import Fault, JobFailure
from tests.unit.images.corpus import png_header, png_of_16_bits, swapped_primaries
from tests.unit.images.pictures import close, noise, saved, scene, sideways

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def master(data: bytes, **limits: Any) -> Master:
    return make_master(data, limits=ImageLimits(**limits), pointer="/person")


def refusal(data: bytes, **limits: Any) -> Fault:
    with pytest.raises(JobFailure) as caught:
        master(data, **limits)
    fault = caught.value.fault
    assert (fault.code, fault.pointer) == ("image_unreadable", "/person")
    assert "/person" in fault.detail and fault.remedy
    return fault


def pixel(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    return cast("tuple[int, ...]", image.getpixel((x, y)))


@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
def test_a_plain_picture_keeps_every_pixel(file_format: str) -> None:
    picture = scene(301, 207)
    made = master(saved(picture, file_format, lossless=True))
    assert made.size == made.original_size == (301, 207)
    assert made.image.mode == "RGB"
    assert made.image.tobytes() == picture.tobytes()


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_out_upright(orientation: int, file_format: str) -> None:
    made = master(sideways(scene(320, 200), orientation, file_format))
    assert made.size == made.original_size == (320, 200)
    assert close(pixel(made.image, 20, 12), RED, 40)
    assert close(pixel(made.image, 300, 188), BLUE, 40)


def test_a_sideways_12_megapixel_phone_picture_comes_out_upright_and_anonymous() -> None:
    made = master(sideways(scene(3024, 4032), 6))
    assert made.size == (3024, 4032)
    assert close(pixel(made.image, 100, 100), RED)
    assert close(pixel(made.image, 2900, 3900), BLUE)
    for data in (to_png(made.image), to_jpeg(made.image, 90)):
        again = Image.open(io.BytesIO(data))
        assert not again.getexif() and b"Elm Street" not in data


def test_no_metadata_of_any_kind_survives() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = saved(
        scene(100, 100),
        "JPEG",
        comment=b"Elm Street 5",
        icc_profile=profile,
        dpi=(72, 72),
        xmp=b"<x:xmpmeta>Elm Street 5</x:xmpmeta>",
    )
    made = master(data)
    assert made.image.info == {}
    for encoded in (to_png(made.image), to_jpeg(made.image, 90)):
        info = Image.open(io.BytesIO(encoded)).info
        assert not {"comment", "icc_profile", "xmp", "exif"} & info.keys()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_does_not_cost_the_picture() -> None:
    data = saved(scene(100, 80), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert master(data).size == (100, 80)


def test_an_upright_jpeg_gives_up_its_exif_too() -> None:
    made = master(sideways(scene(100, 80), 1))
    assert dict(made.image.getexif()) == {}


def test_a_picture_above_the_master_size_is_reduced_and_remembers_its_own_size() -> None:
    made = master(sideways(scene(1200, 1600), 8), master_pixels=300_000)
    assert made.original_size == (1200, 1600)
    width, height = made.size
    assert width * height <= 300_000 < (width + 2) * (height + 2)
    assert abs(width / height - 0.75) < 1 / height * 2
    assert close(pixel(made.image, width - 20, height - 20), BLUE)


def test_transparency_is_flattened_on_white() -> None:
    half = Image.new("RGBA", (80, 80), (255, 0, 0, 128))
    half.paste((0, 0, 0, 0), (0, 0, 40, 80))
    image = master(saved(half)).image
    assert pixel(image, 10, 40) == WHITE
    assert close(pixel(image, 60, 40), (255, 127, 127), 1)


def test_a_palette_with_a_transparent_colour_is_flattened_on_white() -> None:
    palette = Image.new("P", (80, 80), 0)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    palette.paste(1, (40, 0, 80, 80))
    image = master(saved(palette, transparency=0)).image
    assert (pixel(image, 10, 40), pixel(image, 60, 40)) == (WHITE, RED)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", 100, (100, 100, 100)),
        ("1", 1, WHITE),
        ("LA", (100, 255), (100, 100, 100)),
        ("I;16", 100 * 257, (100, 100, 100)),
    ],
)
def test_grey_files_become_rgb(mode: str, colour: Any, expected: tuple[int, ...]) -> None:
    assert pixel(master(saved(Image.new(mode, (64, 64), colour))).image, 30, 30) == expected


def test_16_bits_are_scaled_to_8_level_by_level() -> None:
    levels = Image.linear_gradient("L")
    for image in (levels, Image.merge("RGB", (levels, levels.transpose(Image.Transpose.ROTATE_90), levels))):
        assert master(png_of_16_bits(image)).image.tobytes() == image.convert("RGB").tobytes()


def test_cmyk_becomes_rgb() -> None:
    data = saved(Image.new("CMYK", (64, 64), (0, 255, 255, 0)), "JPEG", quality=95)
    assert close(pixel(master(data).image, 30, 30), RED, 8)


def test_an_embedded_profile_is_applied_once() -> None:
    # A profile that nobody could overlook: red and green change places.
    profile = swapped_primaries()
    shown = master(saved(Image.new("RGB", (64, 64), RED), icc_profile=profile)).image
    assert close(pixel(shown, 30, 30), (0, 255, 0), 12)
    assert shown.info == {}
    plain = master(saved(Image.new("RGB", (64, 64), RED))).image
    assert pixel(plain, 30, 30) == RED


def test_a_profile_that_is_damaged_or_of_another_space_is_ignored() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for profile in (b"not a profile at all", lab):
        assert pixel(master(saved(Image.new("RGB", (64, 64), RED), icc_profile=profile)).image, 30, 30) == RED


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_webp_shows_what_pillow_reads_of_it(mode: str, lossless: bool) -> None:
    picture = scene(333, 222).convert(mode)
    if mode == "RGBA":
        picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    data = saved(picture, "WEBP", lossless=lossless)
    expected = Image.new("RGB", picture.size, WHITE)
    seen = Image.open(io.BytesIO(data)).convert("RGBA")
    expected.paste(seen.convert("RGB"), mask=seen.getchannel("A"))
    assert master(data).image.tobytes() == expected.tobytes()


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "AVIF"])
def test_of_an_animation_the_first_frame_is_taken_and_said_so(file_format: str) -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in (RED, BLUE)]
    data = saved(frames[0], file_format, save_all=True, append_images=frames[1:], duration=100, lossless=True)
    made = master(data)
    assert close(pixel(made.image, 30, 30), RED)
    assert [(warning.code, warning.pointer) for warning in made.warnings] == [("animation_first_frame", "/person")]
    assert master(saved(frames[0], file_format)).warnings == ()


def test_a_phone_s_multi_picture_jpeg_gives_its_main_picture() -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in (RED, BLUE)]
    data = saved(frames[0], "MPO", save_all=True, append_images=frames[1:], quality=95)
    made = master(data)
    assert close(pixel(made.image, 30, 30), RED)
    assert made.warnings == ()


@pytest.mark.parametrize(
    ("data", "limits", "rule"),
    [
        (saved(scene(100, 100)), {"max_bytes": 50}, "max_bytes"),
        (saved(scene(100, 100)), {"max_pixels": 9_999}, "max_pixels"),
        (png_header(9_000, 9_000), {}, "max_pixels"),
        (png_header(12_000, 12_000), {}, "max_pixels"),
        (png_header(60_000, 60_000), {}, "max_pixels"),
        (png_header(20_000, 1_500), {}, "max_side"),
        (saved(scene(63, 100)), {}, "min_side"),
        (saved(scene(64, 1025)), {}, "max_aspect"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_a_limit_is_refused_by_its_name(data: bytes, limits: dict[str, Any], rule: str) -> None:
    assert f"({rule})" in refusal(data, **limits).detail


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_limits_are_read_before_any_pixel_is_decoded(file_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(scene(300, 300), file_format)
    decoded: list[Image.Image] = []
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: decoded.append(image))
    assert "(max_pixels)" in refusal(data, max_pixels=80_000).detail
    assert decoded == []


def test_limits_hold_up_to_their_very_value() -> None:
    data = saved(scene(64, 1024))
    assert master(data, max_bytes=len(data), max_pixels=64 * 1024, max_side=1024).size == (64, 1024)


def test_sides_are_named_as_the_picture_is_seen() -> None:
    assert "30 x 90 px" in refusal(sideways(scene(30, 90), 6)).detail


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.98])
def test_a_file_that_was_cut_off_is_refused(file_format: str, share: float) -> None:
    data = saved(noise(200, 200), file_format)
    assert "damaged or cut off" in refusal(data[: int(len(data) * share)]).detail
