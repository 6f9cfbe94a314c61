"""The part of a file that a decoder gets: its pixels, and the little metadata that decides how they look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image


def load(image: Image.Image) -> Image.Image:
    image.load()
    return image


@dataclass(frozen=True)
class Stripped:
    """A file reduced to the parts that decoders need.

    `data`: the reduced file. `animated`: further frames were left out of it. `whole`: whether every pixel is there,
    asked of the image that was decoded from `data`. `load`: decodes the image that was opened from `data`; it may
    return another one in its place.
    """

    data: bytes
    animated: bool = False
    whole: Callable[[Image.Image], bool] = lambda _: True
    load: Callable[[Image.Image], Image.Image] = load


class BombError(ValueError):
    """A file of more parts than an honest one has, counted before a decoder pays for each of them."""
