"""The pictures of a suit: fetched and held to the vendor's rules, and the try-ons that the preview engine draws of them."""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile, PngInfo, iTXt

from local.simulators.aidge.answers import RefusedError
from local.simulators.aidge.request import Garment, Suit
from local.simulators.kit.loading import ImageLoadError, loaded
from local.simulators.kit.previews import Previews
from local.simulators.predictions.request import REGIONS

SIDES = (150, 3000)
"""Pixels of a garment picture's shortest and longest side; the page has no rule for photos of models."""
LARGEST = 1536
"""Pixels of a result's longest side: our choice."""
PLAIN = 32
"""How far a backdrop's colour may stray from its median, of 255."""
SAMPLES = Path(__file__).parents[2] / "samples"
STOCK = ("person_a.png", "person_b.png")
"""One figure in two poses stands for the whole model library, whatever gender, style, age, body or name is asked for."""


@dataclass(frozen=True)
class Scene:
    """people: worn by one after the other, as often as there are images; garments: in the order they are put on."""

    people: list[Image.Image]
    garments: list[tuple[Image.Image, str]]


async def scene(suit: Suit) -> Scene:
    """Fetch the pictures. Raises RefusedError.

    This comes before the task is accepted, as 701, 703 and 707 are codes of the submit.
    """
    tops_first = sorted(suit.clothes_list, key=lambda garment: garment.type == "bottoms")
    garments = await asyncio.gather(*(_garment(each, check=bool(suit.input_quality_detect)) for each in tops_first))
    if suit.model_image is None:
        people = [await asyncio.to_thread(_stock, name) for name in STOCK]
    else:
        people = list(await asyncio.gather(*map(_photo, range(len(suit.model_image)), suit.model_image)))
    return Scene(
        people, [(image, REGIONS[each.type or "auto"]) for image, each in zip(garments, tops_first, strict=True)]
    )


async def drawn(previews: Previews, suit: Suit, seen: Scene) -> list[bytes]:
    """Draw PNG files, every second one a half body when the views are mixed. Raises CannotDrawError."""
    count = suit.generate_count
    halves = {"fullbody": [False], "halfbody": [True], "mixed": [False, True]}[suit.view_type]
    worn = await asyncio.gather(*(_worn(previews, seen, n) for n in range(count)))
    return [await asyncio.to_thread(_upper_half, worn[n]) if halves[n % len(halves)] else worn[n] for n in range(count)]


async def _worn(previews: Previews, seen: Scene, number: int) -> bytes:
    options: dict[str, Any] = {"shape": "bounding_box", "styling": {}, "merge": "balanced", "seed": number}
    options |= {"keep_face": True, "keep_hands": True, "keep_pose": False, "label": {"provider": "aidge"}}
    person, picture = seen.people[number % len(seen.people)], b""
    for garment, region in seen.garments:
        picture = (await previews.try_on(person, garment, region=region, format="png", **options)).image
        person = await asyncio.to_thread(_opened, picture)
    return picture


async def _garment(garment: Garment, *, check: bool) -> Image.Image:
    """Fetch and check a garment. Raises RefusedError.

    The title of 703 is about a low resolution; its description is about the requirements, which have an upper end.
    """
    try:
        image = await loaded(garment.image_url)
    except ImageLoadError:
        raise RefusedError("701") from None
    if min(image.size) < SIDES[0] or max(image.size) > SIDES[1]:
        raise RefusedError("703")
    if check and not await asyncio.to_thread(_flat_lay, image):
        raise RefusedError("707")
    return image


async def _photo(number: int, url: str) -> Image.Image:
    """Fetch a model's photo. Raises RefusedError: the page has no code of its own for it."""
    try:
        photo = await loaded(url)
    except ImageLoadError as error:
        raise RefusedError("700", f"invalid input: modelImage.{number}: {error}") from None
    photo.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    return photo


def _flat_lay(image: Image.Image) -> bool:
    """Say whether the rim of the image is of one colour and no face is in it.

    A flat lay on a pattern is missed, and so may be a wearer without a face. How the vendor decides is
    not documented.
    """
    from local.preview.body import shows_a_face  # OpenCV takes half a second

    return _on_plain_ground(image) and not shows_a_face(np.asarray(image))


def _on_plain_ground(image: Image.Image) -> bool:
    pixels = np.asarray(image, np.int16)
    rim = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    near = np.abs(rim - np.median(rim, axis=0)).max(axis=1) <= PLAIN
    return bool(near.mean() >= 0.9)


@cache
def _stock(name: str) -> Image.Image:
    with Image.open(SAMPLES / name) as image:
        return image.convert("RGB")


def _opened(picture: bytes) -> Image.Image:
    with Image.open(io.BytesIO(picture)) as image:
        return image.convert("RGB")


def _upper_half(picture: bytes) -> bytes:
    """Cut out the upper half, with the notes that say what drew it."""
    notes, out = PngInfo(), io.BytesIO()
    with Image.open(io.BytesIO(picture)) as image:
        assert isinstance(image, PngImageFile)
        for name, text in image.text.items():
            notes.add_itxt(name, text) if isinstance(text, iTXt) else notes.add_text(name, text)
        image.crop((0, 0, image.width, image.height // 2)).save(out, "PNG", pnginfo=notes)
    return out.getvalue()
