"""What a caller of the preview engine may rely on, tried on the sample pictures."""

from __future__ import annotations

import functools
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps
from PIL.Image import Resampling

from local.preview.body import Face, _find_face, shows_a_face
from local.preview.engine import Preview, PreviewError, png, try_on

SAMPLES = Path(__file__).parents[3] / "local" / "samples"
# Places on person_a and person_b (832 x 1248), read off the pictures by eye.
CHEST, BELLY, HIP, KNEE, FACE, BACKDROP = (415, 380), (415, 500), (350, 620), (345, 890), (415, 120), (60, 60)
UPPER_ARM = {"person_a": (275, 380), "person_b": (270, 380)}
FOREARM = {"person_a": (225, 560), "person_b": (262, 560)}
HAND = {"person_a": (198, 715), "person_b": (250, 720)}
SHIN, LEFT_FOOT, RIGHT_FOOT = (345, 1000), (335, 1130), (495, 1130)


@functools.cache
def sample(name: str) -> Image.Image:
    """A sample picture, halved: as telling, and four times faster."""
    picture = Image.open(SAMPLES / f"{name}.png").convert("RGB")
    return picture.resize((picture.width // 2, picture.height // 2), Resampling.LANCZOS)


def run(person: str | Image.Image = "person_a", garment: str | Image.Image = "tee", **options: Any) -> Preview:
    pictures = [sample(given) if isinstance(given, str) else given for given in (person, garment)]
    return try_on(*pictures, **{"region": "auto", **options})


@functools.cache
def tee_on(person: str = "person_a") -> Preview:
    return run(person)


def pixels(picture: Image.Image) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.asarray(picture).astype(np.int16)


def at(picture: Image.Image, place: tuple[int, int]) -> Any:
    return picture.getpixel((place[0] // 2, place[1] // 2))


def share(mask: Image.Image) -> float:
    return float((np.asarray(mask) == 0).mean())


def changed(preview: Preview, person: Image.Image) -> Any:
    return (pixels(preview.image) != pixels(person)).any(-1)


@pytest.mark.parametrize("person", ["person_a", "person_b"])
def test_a_tee_lands_on_the_chest_and_the_arms_stay_bare(person: str) -> None:
    done = tee_on(person)
    for place in (BELLY, UPPER_ARM[person]):
        red, _, blue = at(done.image, place)
        assert blue > red + 40
    red, _, blue = at(done.image, FOREARM[person])
    assert red > blue + 20


@pytest.mark.parametrize("person", ["person_a", "person_b"])
def test_the_mask_of_a_top_covers_torso_and_arms_but_neither_face_nor_hands(person: str) -> None:
    mask = tee_on(person).mask
    assert mask.mode == "L" and mask.size == sample(person).size
    assert set(np.unique(np.asarray(mask))) == {0, 255}
    assert [at(mask, place) for place in (CHEST, BELLY, UPPER_ARM[person], FOREARM[person])] == [0, 0, 0, 0]
    assert [at(mask, place) for place in (FACE, HAND[person], KNEE, BACKDROP)] == [255, 255, 255, 255]
    assert 0.05 < share(mask) < 0.5


@pytest.mark.parametrize("merge", ["balanced", "detailed"])
@pytest.mark.parametrize(("garment", "shape"), [("tank", "bounding_box"), ("jeans", "contour")])
def test_no_pixel_outside_the_mask_changes(merge: str, garment: str, shape: str) -> None:
    done = run(garment=garment, merge=merge, shape=shape)
    difference = changed(done, sample("person_a"))
    assert not difference[np.asarray(done.mask) == 255].any()
    assert difference[np.asarray(done.mask) == 0].mean() > 0.3


def test_seamless_changes_nearly_every_pixel_but_only_slightly() -> None:
    done = run(merge="seamless")
    outside = np.asarray(done.mask) == 255
    difference = np.abs(pixels(done.image) - pixels(sample("person_a"))).max(-1)[outside]
    assert (difference > 0).mean() > 0.5
    assert np.quantile(difference, 0.95) <= 8


def test_detailed_draws_the_crop_anew() -> None:
    detailed, balanced = run(merge="detailed"), tee_on()
    assert np.array_equal(np.asarray(detailed.mask), np.asarray(balanced.mask))
    difference = np.abs(pixels(detailed.image) - pixels(balanced.image))
    assert difference.any()
    assert difference.mean() < 3


def test_the_same_seed_gives_the_same_pixels_and_another_seed_a_slightly_different_picture() -> None:
    again, other = run(seed=0), run(seed=1)
    assert again.image.tobytes() == tee_on().image.tobytes()
    difference = np.abs(pixels(other.image) - pixels(again.image)).mean()
    assert 0 < difference < 6


@pytest.mark.parametrize(
    ("garment", "covered", "free"),
    [
        ("tee", CHEST, (HIP[0], 700)),
        ("long_sleeve", FOREARM["person_a"], KNEE),
        ("tank", CHEST, KNEE),
        ("jeans", KNEE, CHEST),
        ("shorts", HIP, CHEST),
        ("dress", (415, 785), SHIN),
        ("shoes", LEFT_FOOT, SHIN),
    ],
)
def test_auto_puts_each_garment_where_it_belongs(garment: str, covered: tuple[int, int], free: tuple[int, int]) -> None:
    done = run(garment=garment)
    before = sample("person_a")
    apart = [np.abs(np.subtract(at(done.image, place), at(before, place))).max() for place in (covered, free)]
    assert apart[0] > 40
    assert apart[1] < 10


def test_a_bounding_box_is_the_box_of_the_contour() -> None:
    contour, box = (run(shape=shape, keep_face=False, keep_hands=False).mask for shape in ("contour", "bounding_box"))
    edges = ImageOps.invert(contour).getbbox()
    assert edges and edges == ImageOps.invert(box).getbbox()
    assert np.asarray(box.crop(edges)).max() == 0 < np.asarray(contour.crop(edges)).max()


def test_face_and_hands_leave_an_image_mask_too() -> None:
    everything = Image.new("L", sample("person_a").size, 0)
    kept = run(mask=everything).mask
    assert at(kept, FACE) == at(kept, HAND["person_a"]) == 255
    assert at(kept, BACKDROP) == at(kept, CHEST) == 0
    assert share(run(mask=everything, keep_face=False, keep_hands=False).mask) == 1
    assert at(run(mask=everything, keep_pose=True).mask, BACKDROP) == 255


def test_an_image_mask_limits_the_change_to_its_black_part() -> None:
    person = sample("person_a")
    mask = Image.new("L", person.size, 255)
    ImageDraw.Draw(mask).rectangle((150, 150, 260, 220), fill=0)
    done = run(mask=mask)
    assert np.array_equal(np.asarray(done.mask), np.asarray(mask))
    rows, columns = np.nonzero(changed(done, person))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (150, 220, 150, 260)


def test_a_prompt_names_the_region() -> None:
    prompted = run(prompt="the grey t-shirt")
    assert np.array_equal(np.asarray(prompted.mask), np.asarray(tee_on().mask))
    assert at(run(garment="jeans", prompt="her shorts").mask, KNEE) == 0
    assert at(run(garment="shoes", prompt="the sneakers").mask, LEFT_FOOT) == 0


def test_sleeves_roll_up_and_a_tucked_shirt_ends_at_the_waist() -> None:
    worn = run(garment="long_sleeve")
    rolled = run(garment="long_sleeve", styling={"longSleeveStyle": "SLEEVE_UP"})
    assert at(worn.image, FOREARM["person_a"])[0] > at(worn.image, FOREARM["person_a"])[1] + 80
    assert at(rolled.image, FOREARM["person_a"])[1] > 90
    tucked = run(styling={"tuckingStyle": "TUCKED"})
    lap = (415, 590)
    assert np.abs(np.subtract(at(tucked.image, lap), at(sample("person_a"), lap))).max() < 15
    assert at(tee_on().image, lap)[2] > at(sample("person_a"), lap)[2] + 20


@pytest.mark.parametrize("person", ["person_a", "person_b"])
def test_a_dress_falls_from_the_shoulders_over_the_shorts(person: str) -> None:
    done = run(person, "dress")
    for box in ((165, 150, 245, 250), (165, 250, 245, 320), (165, 320, 245, 395)):  # chest, hips, thighs
        part = pixels(done.image.crop(box))
        assert (part[..., 1] > part[..., 0] + 20).mean() > 0.55  # the rest are flowers
    assert at(done.mask, HAND[person]) == at(done.mask, FACE) == 255
    red, _, blue = at(done.image, FOREARM[person])
    assert red > blue + 20


def test_the_mask_of_a_dress_is_that_of_top_and_trousers_and_of_its_flare() -> None:
    upper, lower, full = (
        np.asarray(run(garment=garment, region=region, keep_hands=False).mask) == 0
        for garment, region in (("tee", "upper"), ("jeans", "lower"), ("dress", "full"))
    )
    assert not ((upper | lower) & ~full).any()
    flare = full & ~upper & ~lower
    assert flare[:, 140:276].any() and not flare[560:].any()


def test_a_skirt_keeps_its_flare_and_begins_where_the_shorts_do() -> None:
    skirt = sample("dress").copy()
    skirt.paste((244, 243, 241), (0, 0, 512, 212))  # the skirt of the dress
    done = run(garment=skirt)
    assert at(done.mask, (415, 526)) == 255 and at(done.mask, (415, 560)) == 0  # the shorts begin at 541
    red, green, _ = at(done.image, (240, 850))  # beside the legs
    assert green > red + 15
    assert at(done.mask, HAND["person_a"]) == 255


def shoe() -> Image.Image:
    """The left one of the pair in the sample."""
    return sample("shoes").crop((0, 0, 256, 512))


@pytest.mark.parametrize("garment", [sample("shoes"), shoe()], ids=["a pair", "one, mirrored"])
def test_shoes_go_on_both_feet_and_change_nothing_else(garment: Image.Image) -> None:
    done = run(garment=garment, region="foot")
    for place in (LEFT_FOOT, RIGHT_FOOT):
        red, green, blue = at(done.image, place)
        assert red > green + 60 and red > blue + 60
    rows, columns = np.nonzero(np.asarray(done.mask) == 0)
    assert rows.min() > 520 and share(done.mask) < 0.03
    assert np.flatnonzero(np.bincount(columns, minlength=416)[150:266] == 0).any()  # a gap between the feet
    assert not changed(done, sample("person_a"))[np.asarray(done.mask) == 255].any()


def test_one_shoe_makes_a_symmetrical_pair() -> None:
    feet = np.asarray(run(garment=shoe(), region="foot").image.crop((150, 535, 266, 590))).astype(int)
    assert np.abs(feet - feet[:, ::-1]).mean() < 12


def boot() -> Image.Image:
    """A boot from the side, its toe to the left."""
    picture = Image.new("RGB", (300, 300), "white")
    ImageDraw.Draw(picture).polygon(
        [(150, 20), (250, 20), (250, 280), (40, 280), (50, 230), (150, 200)], fill=(60, 110, 60)
    )
    return picture


def test_a_boot_reaches_up_the_shin() -> None:
    booted, shod = (run(garment=garment, region="foot") for garment in (boot(), sample("shoes")))
    tops = [np.flatnonzero((np.asarray(done.mask) == 0).any(1))[0] for done in (booted, shod)]
    assert tops[0] < tops[1] - 20
    red, green, _ = at(booted.image, (345, 1050))
    assert green > red + 15


def letterboxed() -> Image.Image:
    return ImageOps.pad(sample("person_a"), (700, 648), color=(0, 0, 0))


def noisy() -> Image.Image:
    out = io.BytesIO()
    sample("person_b").save(out, "JPEG", quality=60)
    return Image.open(out)


@pytest.mark.parametrize(
    ("person", "share_of_all"),
    [
        (lambda: sample("person_a").resize((864, 1296)), 0.15),
        (lambda: sample("person_b").resize((240, 360)), 0.15),
        (letterboxed, 0.09),
        (noisy, 0.15),
        (lambda: sample("person_a").convert("L"), 0.15),
    ],
    ids=["enlarged", "small", "letterboxed", "jpeg", "black and white"],
)
def test_the_person_is_found_at_any_size_between_bars_in_noise_and_without_colour(
    person: Any, share_of_all: float
) -> None:
    picture = person()
    done = run(picture)
    assert done.image.size == done.mask.size == picture.size
    assert share(done.mask) == pytest.approx(share_of_all, rel=0.15)


def test_a_garment_with_an_alpha_channel_needs_no_plain_backdrop() -> None:
    flat = sample("tee")
    cut = flat.convert("RGBA")
    cut.putalpha(flat.convert("L").point(lambda v: 255 if v < 225 else 0))
    done = run(garment=cut)
    red, _, blue = at(done.image, BELLY)
    assert blue > red + 40


def half_a_shirt() -> Image.Image:
    shirt = sample("long_sleeve")
    return shirt.crop((0, 0, shirt.width // 2, shirt.height))


@pytest.mark.parametrize(
    ("says", "options"),
    [
        ("no person found", {"person": "room"}),
        ("somebody wears", {"garment": "person_a"}),
        ("several things", {"garment": "shoes", "region": "upper"}),
        ("laid flat", {"garment": half_a_shirt()}),
        ("no jumpsuits", {"garment": "jeans", "region": "full"}),
        ("shoes need feet", {"person": sample("person_a").crop((0, 0, 416, 500)), "garment": "shoes"}),
        ("words for upper garments", {"prompt": "the sofa"}),
        ("words for upper garments", {"prompt": "shirt and trousers"}),
        ("same size", {"mask": Image.new("L", (10, 10), 0)}),
        ("does not touch", {"mask": Image.new("L", (416, 624), 255)}),
    ],
)
def test_what_it_cannot_do_it_says(says: str, options: dict[str, Any]) -> None:
    with pytest.raises(PreviewError, match=says):
        run(**options)


def test_the_file_says_it_is_a_preview_and_the_picture_does_not() -> None:
    picture = tee_on().image
    read = Image.open(io.BytesIO(png(picture, label={"Title": "job 7"})))
    assert read.info["Software"] == "Fitting Room preview engine"
    assert "not the output of a generative model" in read.info["Comment"]
    assert read.info["Title"] == "job 7"
    assert read.tobytes() == picture.tobytes()


def test_several_threads_find_what_one_finds() -> None:
    """The simulators of several vendors draw at once, each in its own size."""
    pictures = [np.array(sample(name)) for name in ("person_a", "tee", "person_b")]

    def faces() -> list[tuple[Face | None, bool]]:
        return [(_find_face(picture, side=480), shows_a_face(picture)) for picture in pictures]

    alone = faces()
    with ThreadPoolExecutor(4) as pool:
        found = [job.result() for job in [pool.submit(faces) for _ in range(4)]]
    assert found == [alone] * 4
    assert alone[0][0] and not alone[1][1]
