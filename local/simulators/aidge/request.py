"""The try-on request of Aidge as the vendor's page "Virtual Try-on Submit API Reference" states it, and the query's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from local.simulators.kit.strict import Strict
from local.simulators.predictions.request import BadRequestError, parse

LISTS = ("requestParams", "paramJson")
"""The vendor's HTTP samples have the first name, its reference page the second: which one a gateway asks for is not
documented, so that either will do."""
TASKS = ("task_id", "taskId")
"""The name on the English page and in the samples, and the one on the Chinese page."""


def _url(text: str) -> str:
    if not re.match(r"https?://[^/\s]+", text):
        raise ValueError("must be an http(s) URL")
    return text


Url = Annotated[str, AfterValidator(_url)]


class Part(Strict):
    model_config = ConfigDict(alias_generator=to_camel)


class Garment(Part):
    """type: blank for automatic recognition."""

    image_url: Url
    type: Literal["tops", "bottoms", "dresses", ""] = ""


class Model(Part):
    """A type of model, or one by name, which leaves nothing to choose. The list of names was not seen: any will do."""

    base: Literal["General"] = "General"
    name: Annotated[str, Field(min_length=1)] | None = None
    gender: Literal["male", "female"] = "female"
    style: Literal["universal_1", "universal_2", "universal_3"] = "universal_1"
    age: Literal["children", "youngadult"] | None = None
    body: Literal["slim", "curvy"] = "slim"

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        types = sorted(self.model_fields_set & {"gender", "style", "age", "body"})
        if self.name is not None and types:
            raise ValueError(f"{types[0]} does not apply to a model chosen by name")
        return self


class Suit(Part):
    """Garments that are worn together."""

    clothes_list: Annotated[list[Garment], Field(min_length=1, max_length=2)]
    model_image: Annotated[list[Url], Field(min_length=1, max_length=8)] | None = None
    model: Model | None = None
    view_type: Literal["fullbody", "halfbody", "mixed"] = "fullbody"
    generate_count: Annotated[int, Field(ge=1, le=8)] = 4
    input_quality_detect: Annotated[int, Field(ge=0, le=1)] = 0

    @model_validator(mode="after")
    def _combinations(self) -> Self:
        if len(self.clothes_list) == 2 and {each.type for each in self.clothes_list} != {"tops", "bottoms"}:
            raise ValueError("clothesList: two garments must be one of type tops and one of type bottoms")
        if self.model_image is not None and self.model is not None:
            raise ValueError("model must be left out when modelImage is given")
        return self

    @property
    def summary(self) -> str:
        worn = " and ".join(garment.type or "a garment" for garment in self.clothes_list)
        whom = f"{len(self.model_image)} own photos" if self.model_image else "a stock model"
        return f"{worn} on {whom}: {self.generate_count} images, {self.view_type}"


def suit_of(parameters: Mapping[str, Any]) -> Suit:
    """Read the order. Raises BadRequestError."""
    name, text = _only(parameters, LISTS)
    try:
        suits = json.loads(text)
    except ValueError:
        raise BadRequestError(f"{name} is not valid JSON") from None
    if not isinstance(suits, list) or len(suits) != 1:
        raise BadRequestError(f"{name} must hold a List of one suit: one object with a clothesList")
    return parse(Suit, suits[0])


def task_of(parameters: Mapping[str, Any]) -> str:
    """Read the task's id. Raises BadRequestError."""
    return _only(parameters, TASKS)[1]


def shown(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Show the parameters with lists in the place of the strings that hold them."""
    return {name: _decoded(value) if name in LISTS else value for name, value in parameters.items()}


def _decoded(value: Any) -> Any:
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value


def _only(parameters: Mapping[str, Any], names: tuple[str, str]) -> tuple[str, str]:
    """Return the one parameter of the call, under either name, and its value. Raises BadRequestError."""
    if strangers := sorted(set(parameters) - set(names)):
        raise BadRequestError(f"unknown parameter {strangers[0]}")
    if len(parameters) != 1:
        raise BadRequestError(f"one parameter is required, {names[0]} or {names[1]}")
    ((name, value),) = parameters.items()
    if not isinstance(value, str):
        raise BadRequestError(f"{name} must be a String, not the value it stands for")
    return name, value
