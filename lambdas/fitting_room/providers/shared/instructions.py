"""The words by which a general image editor is asked for a try-on: one template, filled in by the garments of the request.

Editors get the garments first and the person last, because the last image is said to decide the shape of the result.
"""

from __future__ import annotations

from fitting_room.jobs.tasks import Category, Garment, TryOn
from fitting_room.providers.adapter import Input, Order
from fitting_room.providers.base import Option

TEMPLATE = (
    "{shown} Image {person} shows the person. Dress the person of image {person} in exactly {worn}."
    " Keep the colour, pattern, logo and cut of what they are dressed in."
    " Keep the face, hair, body shape, pose, hands, background, framing and light of image {person}."
    " Change nothing else. Answer with one photo."
)
WORDS: dict[Category, str] = {
    "auto": "the clothes",
    "tops": "the top",
    "bottoms": "the trousers or skirt",
    "one_piece": "the dress or one-piece",
    "outfit": "the whole outfit",
    "footwear": "the shoes",
    "headwear": "the headwear",
    "eyewear": "the glasses",
    "jewelry": "the jewelry",
    "accessories": "the accessory",
    "object": "the object",
}
OPTIONS = {
    "garment.category": Option(
        values=tuple(WORDS),
        default="auto",
        meaning="Named in the instruction to the model, which has no such field.",
    ),
    "garment.photo": Option(
        values=("auto", "flat_lay", "model"), default="auto", meaning="`model` is said in the instruction."
    ),
    "prompt": Option(meaning="Added to the instruction that is made of the request."),
}
"""What every editor honours, because it is said in words."""


def images_of(order: Order) -> list[Input]:
    """Return the images in the order in which the instruction numbers them."""
    return [*order.garments, order.base]


def instruction_of(order: Order) -> str:
    request = order.request
    assert isinstance(request, TryOn), "the catalogue offers editors for nothing else"
    shown = " ".join(_shown(n, garment) for n, garment in enumerate(request.garments, 1))
    worn = " and ".join(f"{WORDS[garment.category]} of image {n}" for n, garment in enumerate(request.garments, 1))
    said = TEMPLATE.format(shown=shown, person=len(request.garments) + 1, worn=worn)
    return f"{said} {request.prompt}" if request.prompt else said


def _shown(n: int, garment: Garment) -> str:
    wearer = ", on somebody else: take nothing of that person" if garment.photo == "model" else ""
    return f"Image {n} shows {WORDS[garment.category]}{wearer}."


RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
"""The shapes that these editors draw in."""


def nearest_ratio(picture: Input) -> str:
    """Return the ratio that is most like a picture's."""

    def off(ratio: str) -> float:
        width, height = map(int, ratio.split(":"))
        found = (picture.width * height) / (picture.height * width)
        return max(found, 1 / found)

    return min(RATIOS, key=off)
