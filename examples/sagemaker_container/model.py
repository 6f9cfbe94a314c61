"""The model. Replace `Model` by one with open weights: nothing else of this container changes.

This one is a placeholder without weights: it pastes the garment onto the person and says so in the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

LABEL = "placeholder: no model made this"
PLACES = {  # left, top, right, bottom as parts of the image of a standing person
    "tops": (0.22, 0.18, 0.78, 0.52),
    "bottoms": (0.25, 0.45, 0.75, 0.92),
    "one_piece": (0.2, 0.18, 0.8, 0.85),
}
BACKGROUND = 242
"""A garment's pixels at least this light are its background."""


class RefusedError(Exception):
    """Why there is no image. `name` is one of the names of errors in the document."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True)
class Garment:
    """`category`: auto, tops, bottoms or one_piece. `photo`: auto, flat_lay or model."""

    image: Image.Image
    category: str
    photo: str


@dataclass(frozen=True)
class Asked:
    """`quality`: fast, standard or best, for the number of steps. `options`: whatever the client sent for your model."""

    count: int
    seed: int | None
    quality: str
    options: dict[str, Any]


class Model:
    """Load the weights when it is made, and keep them: `/ping` answers 503 until then."""

    source_type: str | None = "algorithmicMedia"
    """IPTC's word for images that were made by a program without training. None for a trained model: Fitting Room then marks
    its images."""

    def try_on(self, person: Image.Image, garments: Sequence[Garment], asked: Asked) -> list[Image.Image]:
        """Return `asked.count` images in the frame of `person`. Raises `RefusedError`.

        This is the place for a pipeline such as `pipeline(person_image=..., garment_image=..., category=..., seed=...)`.
        """
        if min(person.size) < 64:
            raise RefusedError("ImageUnreadable", "The image of the person has fewer than 64 px a side.")
        return [_composite(person, garments) for _ in range(asked.count)]


def _composite(person: Image.Image, garments: Sequence[Garment]) -> Image.Image:
    picture = person.copy()
    for garment in garments:
        left, top, right, bottom = PLACES.get(garment.category, PLACES["tops"])
        box = (int((right - left) * picture.width), int((bottom - top) * picture.height))
        fitted = ImageOps.contain(garment.image, box)
        cut = fitted.convert("L").point(lambda light: 255 * (light < BACKGROUND))
        at = (int((left + right) * picture.width - fitted.width) // 2, int(top * picture.height))
        picture.paste(fitted, at, cut)
    height = max(picture.width // 24, 12)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, picture.height - height - 4, picture.width, picture.height), fill=(200, 30, 60))
    draw.text((4, picture.height - height - 2), LABEL, font=ImageFont.load_default(height - 4), fill="white")
    return picture
