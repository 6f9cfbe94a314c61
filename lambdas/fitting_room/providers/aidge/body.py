"""The form of an order to Aidge: a list of one suit, as JSON in a string.

Source: the vendor's page "Virtual Try-on Submit API Reference", table "Request Parameters".
"""

from __future__ import annotations

import json
from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from fitting_room.jobs.fields import Name
from fitting_room.jobs.tasks import Stock, TryOn
from fitting_room.providers.adapter import Order
from fitting_room.providers.aidge.entry import CATEGORIES


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class Cloth(_Part):
    """`type` absent: the vendor finds it out, which it does only for a single piece."""

    image_url: str
    type: Literal["tops", "bottoms", "dresses"] | None


class Library(_Part):
    """A person of the vendor's own: by `name`, or by traits whose defaults are female, universal_1 and slim."""

    base: Literal["General"] = "General"
    name: Name | None
    gender: Literal["male", "female"] | None
    style: Literal["universal_1", "universal_2", "universal_3"] | None
    age: Literal["children", "youngadult"] | None
    body: Literal["slim", "curvy"] | None


class Suit(_Part):
    """1 or 2 clothes; 1 to 8 pictures of persons or a `model`; 1 to 8 results, 4 if it were left out."""

    clothes_list: list[Cloth]
    model_image: list[str] | None
    model: Library | None
    view_type: Literal["fullbody", "halfbody", "mixed"] | None
    generate_count: int
    input_quality_detect: Literal[0, 1] | None


def payload_of(order: Order) -> str:
    """Return the value of the parameter that holds the order.

    The pictures are links that are signed here and now.
    """
    request, options = order.request, order.options
    assert isinstance(request, TryOn) and request.person, "the catalogue offers this provider for nothing else"
    stock = request.person.stock
    photos = order.numbered("photo") or ([] if stock else [order.base])
    suit = Suit(
        clothes_list=[
            Cloth(image_url=picture.link(), type=CATEGORIES[garment.category])
            for garment, picture in zip(request.garments, order.garments, strict=True)
        ],
        model_image=[photo.link() for photo in photos] or None,
        model=_library(stock) if stock else None,
        view_type=options.view,
        generate_count=request.output.count,
        input_quality_detect=None if options.quality_detect is None else int(options.quality_detect),
    )
    return json.dumps([suit.model_dump(by_alias=True, exclude_none=True)])


def _library(stock: Stock) -> Library:
    return Library(
        name=stock.name,
        gender=stock.gender,
        style=stock.style,
        body=stock.body,
        age="youngadult" if stock.age == "young_adult" else stock.age,
    )
