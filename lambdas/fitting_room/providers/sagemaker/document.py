"""The document `fitting-room/try-on/1`: what an endpoint is sent, and what it answers. docs/sagemaker.md explains it.

docs/try-on-1.schema.json is made of these models. Both sides ignore a field that they do not know.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Contract = Literal["fitting-room/try-on/1"]
Base64 = Annotated[str, Field(min_length=1, json_schema_extra={"contentEncoding": "base64"})]
Pixels = Annotated[int, Field(ge=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Image(_Part):
    """An image inside the document. Width and height in px."""

    media_type: Literal["image/png", "image/jpeg"]
    data: Base64
    width: Pixels
    height: Pixels


class Garment(Image):
    category: Literal["auto", "tops", "bottoms", "one_piece"]
    photo: Literal["auto", "flat_lay", "model"]
    """Whether the garment lies flat or somebody wears it."""


class Output(_Part):
    """What is asked for. `seed` null: the model's own choice. `quality`: `standard` where the client said nothing."""

    count: Annotated[int, Field(ge=1, le=4)]
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] | None
    quality: Literal["fast", "standard", "best"]
    format: Literal["png", "jpeg"]


class Request(_Part):
    """What `POST /invocations` of the container gets."""

    contract: Contract = "fitting-room/try-on/1"
    id: Annotated[str, Field(min_length=1, max_length=64)]
    """Of this attempt. The answer repeats it."""
    task: Literal["try_on"] = "try_on"
    person: Image
    garments: Annotated[list[Garment], Field(min_length=1)]
    output: Output
    options: dict[str, JsonValue]
    """`provider_options.sagemaker` of the client's request, as it came."""


class Made(_Part):
    """One image that was made: the whole frame of the person's image, in any number of pixels."""

    media_type: Literal["image/png", "image/jpeg", "image/webp"]
    data: Base64
    seed: int | None = None


class Warned(_Part):
    """Something that the client should know although there are images."""

    code: str
    detail: str


ErrorName = Literal[
    "InvalidRequest",
    "UnsupportedOption",
    "ImageUnreadable",
    "PoseNotFound",
    "ContentBlocked",
    "OutOfMemory",
    "ModelNotReady",
    "Internal",
]


class Problem(_Part):
    """Why there are no images. A name that is not among these counts as `Internal`."""

    name: ErrorName | str
    message: str = ""


class Answer(_Part):
    """What the container answers, with status 200: `images`, or `error` instead of them."""

    contract: Contract
    id: str
    images: list[Made] = []
    warnings: list[Warned] = []
    error: Problem | None = None


class Refused(_Part):
    """What the container answers with status 400 or 500, where it prefers that to an `Answer` with `error`."""

    contract: Contract
    error: Problem
