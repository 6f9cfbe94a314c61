"""The pictures of a prompt, by the preview engine; of a mock tune, plain ones that say so."""

from __future__ import annotations

import asyncio
import io
import json
from secrets import randbelow
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from local.preview.marking import PACKET
from local.simulators.astria.request import PromptRequest
from local.simulators.astria.scene import REGIONS, Scene
from local.simulators.astria.tunes import Base, Tune
from local.simulators.kit.loading import decoded
from local.simulators.kit.previews import Previews

Size = tuple[int, int]
SHAPES = {"portrait": 4 / 5, "landscape": 5 / 4}
"""Width by height of the two words of `ar`; our choice, as no document says."""
TIERS = {"1K": 1024, "2K": 2048, "4K": 4096}
LARGEST = 2048
"""Pixels of a side that is drawn; what is asked larger is enlarged afterwards."""


async def drawn(previews: Previews, asked: PromptRequest, on: Tune | Base, scene: Scene) -> list[bytes]:
    """Draw JPEG files. Raises CannotDrawError."""
    first = randbelow(2**32) if asked.seed is None else asked.seed
    seeds = [first + n for n in range(asked.num_images)]
    person = await asyncio.to_thread(decoded, _first(scene.person))
    size = size_of(asked, on, person.size)
    if scene.person.mock:
        return [_mock(size, seed) for seed in seeds]
    person.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    garments = [
        (await asyncio.to_thread(decoded, _first(tune)), REGIONS[tune.asked.name.lower()]) for tune in scene.garments
    ]
    worn = await asyncio.gather(*(_worn(previews, person, garments, seed) for seed in seeds))
    return [await asyncio.to_thread(_framed, picture, size) for picture in worn]


async def _worn(
    previews: Previews, person: Image.Image, garments: list[tuple[Image.Image, str]], seed: int
) -> Image.Image:
    """Put on one garment after the other. Raises CannotDrawError."""
    options: dict[str, Any] = {"shape": "bounding_box", "styling": {}, "merge": "balanced", "seed": seed}
    options |= {"keep_face": True, "keep_hands": True, "keep_pose": False, "label": {"provider": "astria"}}
    for garment, region in garments:
        picture = await previews.try_on(person, garment, region=region, format="png", **options)
        person = await asyncio.to_thread(decoded, picture.image)
    return person


def size_of(asked: PromptRequest, on: Tune | Base, person: Size) -> Size:
    """Return the size in pixels; sides are multiples of 8.

    Documented are `w`, `h`, the shapes and "X4 super-resolution", read as twice each side. Our choice: areas of 512x512 for
    SD1.5 and 1024x1024 for others, and the person picture's shape where a partner model is told none.
    """
    partner = isinstance(on, Base) and on.partner
    shape = asked.aspect_ratio or asked.ar or ("" if partner else "1:1")
    wide, _, high = shape.partition(":")
    ratio = SHAPES.get(shape) or (int(wide) / int(high) if high else person[0] / person[1])
    side = TIERS[asked.resolution] if asked.resolution else 512 if on.branch == "sd15" else 1024
    width, height = side * ratio**0.5, side / ratio**0.5
    if asked.w or asked.h:
        width = asked.w or (asked.h or 0) * ratio
        height = asked.h or (asked.w or 0) / ratio
    scale = 2 if asked.super_resolution else 1
    return max(1, round(width / 8)) * 8 * scale, max(1, round(height / 8)) * 8 * scale


def _first(tune: Tune) -> bytes:
    return next(iter(tune.pictures.values()))


def _framed(person: Image.Image, size: Size) -> bytes:
    """Frame the whole picture, with the backdrop's colour where the shape asks for more."""
    pixels = np.asarray(person)
    backdrop = np.median(np.concatenate([pixels[0], pixels[:, 0], pixels[:, -1]]), axis=0)
    return _jpeg(ImageOps.pad(person, size, Image.Resampling.LANCZOS, color=tuple(int(value) for value in backdrop)))


def _mock(size: Size, seed: int) -> bytes:
    picture = Image.new("RGB", size, (seed % 256, 120, 140))
    ImageDraw.Draw(picture).text((size[0] / 2, size[1] / 2), "mock image", "white", anchor="mm", font_size=size[0] / 10)
    return _jpeg(picture)


def _jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    note = {"note": "drawn by the local preview engine, not by a model", "provider": "astria"}
    picture.save(out, "JPEG", quality=92, comment=json.dumps(note).encode(), xmp=PACKET)
    return out.getvalue()
