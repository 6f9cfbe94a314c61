from __future__ import annotations

from itertools import chain
from typing import Any, cast

import pytest
from PIL import Image, ImageChops

from fitting_room.images.shrink import shrunk
from tests.unit.images.pictures import scene


@pytest.mark.parametrize(
    ("large", "small"), [((301, 1207), (150, 603)), ((804, 603), (402, 301)), ((900, 900), (7, 3))]
)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_strips_make_the_same_image_as_the_whole(large: tuple[int, int], small: tuple[int, int], mode: str) -> None:
    image = scene(*large)
    image.putalpha(Image.linear_gradient("L").resize(large))
    image = image.convert(mode)
    strips = shrunk(image, small, lambda rows: rows)
    assert (strips.mode, strips.size) == (mode, small)
    difference = ImageChops.difference(strips, image.resize(small, Image.Resampling.LANCZOS))
    assert max(chain(*(band.getextrema() for band in cast("Any", difference.split())))) <= 8  # rounding, at sharp edges


def test_each_strip_is_simplified_before_it_is_scaled() -> None:
    palette = scene(400, 800).quantize(16)
    made = shrunk(palette, (200, 400), lambda rows: rows.convert("RGB"))
    assert made.mode == "RGB"
    assert len(made.getcolors(200 * 400) or []) > 16  # blended, not picked
