from __future__ import annotations

import io

from PIL import Image, ImageChops, ImageStat

from fitting_room.images.encode import to_jpeg, to_png, to_webp, within
from tests.unit.images.pictures import noise, scene


def test_nothing_but_pixels_is_written() -> None:
    exif = Image.Exif()
    exif[0x010E] = "Elm Street 5"
    file = io.BytesIO()
    scene(80, 60).save(file, "JPEG", comment=b"Elm Street 5", exif=exif, icc_profile=b"Elm Street 5")
    opened = Image.open(file)
    for data in (to_png(opened), to_jpeg(opened, 90), to_webp(opened, 90)):
        assert Image.open(io.BytesIO(data)).size == (80, 60)
        assert b"Elm Street" not in data
    assert opened.info["comment"] == b"Elm Street 5"


def test_a_jpeg_keeps_edges_that_are_only_of_colour() -> None:
    stripes = Image.new("RGB", (64, 64), (255, 0, 0))
    for x in range(0, 64, 2):
        stripes.paste((0, 0, 255), (x, 0, x + 1, 64))
    shown = Image.open(io.BytesIO(to_jpeg(stripes, 95)))
    mean = ImageStat.Stat(ImageChops.difference(shown, stripes)).mean
    assert max(mean) < 10


def test_png_while_it_fits() -> None:
    picture = scene(300, 200)
    for limit in (len(to_png(picture)), None):
        found = within(picture, limit)
        assert found and found[1] == "image/png"
        assert Image.open(io.BytesIO(found[0])).tobytes() == picture.tobytes()


def test_the_best_jpeg_once_png_is_too_large() -> None:
    picture = noise(300, 200)
    assert within(picture, len(to_jpeg(picture, 90)) + 10) == (to_jpeg(picture, 90), "image/jpeg")


def test_quality_is_never_given_away_silently() -> None:
    picture = noise(300, 200)
    assert within(picture, len(to_jpeg(picture, 85)) - 1) is None
