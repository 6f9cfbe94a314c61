"""What lies on either side of each threshold, on the sample pictures and on made ones."""

from __future__ import annotations

import random

import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from fitting_room.images.input_checks import BLURRED, DARK, analyse, warnings_of
from tests.unit.images.corpus import SAMPLES
from tests.unit.images.pictures import noise

PERSONS = ["person_a", "person_b"]
GARMENTS = ["dress", "jeans", "long_sleeve", "shoes", "shorts", "tank", "tee"]


def sample(name: str) -> Image.Image:
    with Image.open(SAMPLES / f"{name}.png") as image:
        return image.convert("RGB")


def codes(image: Image.Image, role: str = "person") -> list[str]:
    return [warning.code for warning in warnings_of(analyse(image), role, pointer="/person")]


def shelves(size: tuple[int, int] = (832, 1248)) -> Image.Image:
    """A full bookcase: nothing about it is even."""
    image, colours = Image.new("RGB", size, (120, 100, 80)), random.Random(3)
    draw = ImageDraw.Draw(image)
    for x in range(0, size[0], 20):
        for y in range(0, size[1], 100):
            draw.rectangle((x, y, x + 18, y + 90), fill=tuple(colours.randrange(256) for _ in "rgb"))
    return image


def before(backdrop: Image.Image) -> Image.Image:
    """The sample person's middle before another backdrop."""
    body = (230, 200, 600, 1160)
    backdrop.paste(sample("person_a").crop(body), body)
    return backdrop


@pytest.mark.parametrize("name", [*PERSONS, *GARMENTS, "couch", "room"])
def test_a_good_picture_gets_no_advice(name: str) -> None:
    role = "person" if name in PERSONS else "garment-0"
    assert codes(sample(name), role) == (["plain_backdrop"] if name in PERSONS else [])


@pytest.mark.parametrize("name", [*PERSONS, *GARMENTS, "couch", "room"])
def test_blur_is_told_from_sharpness_whatever_is_shown(name: str) -> None:
    image = sample(name)
    assert analyse(image).sharpness > 2 * BLURRED
    assert analyse(image.filter(ImageFilter.GaussianBlur(1.5))).sharpness > BLURRED
    assert analyse(image.filter(ImageFilter.GaussianBlur(3))).sharpness < BLURRED
    assert "picture_blurred" in codes(image.filter(ImageFilter.GaussianBlur(3)))


def test_sharpness_is_that_of_the_size_providers_work_at() -> None:
    large = sample("tee").resize((4096, 4096), Image.Resampling.BICUBIC)
    assert analyse(large).sharpness > 2 * BLURRED
    assert analyse(large.filter(ImageFilter.GaussianBlur(12))).sharpness < BLURRED


def test_an_edge_in_either_direction_is_an_edge() -> None:
    step = Image.new("RGB", (800, 800), (40, 40, 40))
    step.paste((210, 210, 210), (0, 400, 800, 800))
    for image in (step, step.transpose(Image.Transpose.ROTATE_90)):
        assert analyse(image).sharpness == 1
        assert analyse(image.filter(ImageFilter.GaussianBlur(4))).sharpness < BLURRED


def test_what_is_too_faint_to_judge_is_not_called_blurred() -> None:
    haze = ImageEnhance.Contrast(sample("tee").filter(ImageFilter.GaussianBlur(6))).enhance(0.1)
    assert "picture_blurred" not in codes(haze)


def test_low_contrast_is_not_blur_and_a_blurred_backdrop_is_no_fault() -> None:
    assert "picture_blurred" not in codes(ImageEnhance.Contrast(sample("tee")).enhance(0.3))
    assert "picture_blurred" not in codes(before(shelves().filter(ImageFilter.GaussianBlur(25))))


@pytest.mark.parametrize("name", [*PERSONS, *GARMENTS])
def test_dark_is_what_little_light_makes(name: str) -> None:
    image = sample(name)
    assert analyse(ImageEnhance.Brightness(image).enhance(0.5)).brightness > DARK
    role = "person" if name in PERSONS else "garment-0"
    assert codes(ImageEnhance.Brightness(image).enhance(0.2), role) == ["picture_dark"]


def test_a_black_garment_on_a_light_ground_is_not_dark() -> None:
    image = Image.new("RGB", (800, 800), (235, 235, 235))
    image.paste((8, 8, 8), (100, 100, 700, 700))
    assert "picture_dark" not in codes(image, "garment-0")


def _bricks(size: tuple[int, int]) -> Image.Image:
    image = Image.new("RGB", size, (170, 90, 70))
    draw = ImageDraw.Draw(image)
    for y in range(0, size[1], 16):
        draw.line((0, y, size[0], y), fill=(210, 200, 190), width=2)
        for x in range(y // 16 % 2 * 16, size[0], 32):
            draw.line((x, y, x, y + 16), fill=(210, 200, 190), width=2)
    return image


def _shaded(size: tuple[int, int]) -> Image.Image:
    return Image.linear_gradient("L").resize(size).point([100 + level // 3 for level in range(256)]).convert("RGB")


SIZE = (832, 1248)


@pytest.mark.parametrize(
    "backdrop",
    [
        Image.new("RGB", SIZE, (120, 160, 90)),
        _bricks(SIZE),
        _shaded(SIZE),
        Image.blend(Image.new("RGB", SIZE, "white"), noise(*SIZE), 0.2),
    ],
    ids=["one colour", "fine bricks", "slow shading", "grain"],
)
def test_even_backdrops_are_plain(backdrop: Image.Image) -> None:
    assert codes(before(backdrop)) == ["plain_backdrop"]


@pytest.mark.parametrize(
    "backdrop",
    [
        shelves(),
        shelves().filter(ImageFilter.GaussianBlur(25)),
        Image.linear_gradient("L").resize(SIZE).convert("RGB"),
    ],
    ids=["shelves", "shelves out of focus", "black to white"],
)
def test_other_backdrops_are_not(backdrop: Image.Image) -> None:
    assert codes(before(backdrop)) == []


def test_only_a_person_s_backdrop_matters() -> None:
    assert codes(sample("person_a"), "garment-0") == []


@pytest.mark.parametrize(("size", "expected"), [((512, 700), []), ((511, 700), ["picture_small"])])
def test_small_is_below_512_px_on_the_short_side(size: tuple[int, int], expected: list[str]) -> None:
    assert codes(shelves(size)) == expected


def test_small_is_said_of_the_file_not_of_its_reduced_master() -> None:
    seen = analyse(shelves((400, 600)), original=(1600, 2400))
    assert warnings_of(seen, "person", pointer="/person") == []


@pytest.mark.parametrize(
    ("size", "expected"), [((600, 1800), []), ((600, 1801), ["picture_narrow"]), ((1801, 600), ["picture_narrow"])]
)
def test_narrow_is_beyond_3_to_1(size: tuple[int, int], expected: list[str]) -> None:
    assert codes(shelves(size)) == expected


@pytest.mark.parametrize(("side", "expected"), [(400, []), (150, ["subject_small"])])
def test_a_small_subject_on_a_plain_ground_is_told(side: int, expected: list[str]) -> None:
    image = Image.new("RGB", (1000, 1000), (235, 235, 235))
    image.paste((40, 80, 160), (300, 300, 300 + side, 300 + side))
    assert codes(image, "garment-0") == expected


def test_a_white_garment_on_white_is_seen_by_its_shadow() -> None:
    image = Image.new("RGB", (1000, 1000), (255, 255, 255))
    image.paste((225, 225, 225), (200, 200, 800, 800))
    assert codes(image, "garment-0") == []


@pytest.mark.parametrize("colour", ["white", "black", (120, 10, 200)])
def test_a_blank_picture_gets_that_said_and_nothing_else(colour: str | tuple[int, int, int]) -> None:
    assert codes(Image.new("RGB", (600, 600), colour)) == ["picture_empty"]


def test_a_warning_names_picture_reason_and_remedy_with_its_numbers() -> None:
    (small,) = warnings_of(analyse(shelves((300, 400))), "garment-1", pointer="/garments/1/image")
    assert small.pointer == "/garments/1/image"
    assert "/garments/1/image is only 300 x 400 px" in small.detail and "512 px" in small.remedy
