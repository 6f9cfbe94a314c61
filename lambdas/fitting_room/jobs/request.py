"""The fields of every request, whatever its task.

They are the lower half of the body of `POST /v1/jobs`, and the pieces tasks share. An option is `None` when the
client did not set it. It is then left out of the call, and the vendor's own default applies. The catalogue entry
decides what a given provider can honour, not this model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    Field,
    GetPydanticSchema,
    JsonValue,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import core_schema

from fitting_room.jobs.fields import Name, Strict, rule_error
from fitting_room.jobs.image_ref import ImageRef
from fitting_room.jobs.links import Wanted, checked

MaskShape = Literal["contour", "bounding_box", "default"]
"""`default` sends the vendor's own word for it; None sends nothing. Whether both mean the same, the vendor does not say."""
MaskText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4096)]
"""The limit is ours: Nova Canvas names none for a mask's prompt."""
OWN_SEED = "provider"
"""Sends no seed, so that the vendor's own default applies. It needs no option of a provider."""
Seed = Annotated[
    int | Literal["provider"],
    GetPydanticSchema(  # a union would tell every fault twice, under the names of its members
        lambda _source, handler: core_schema.no_info_wrap_validator_function(
            lambda value, number: value if value == OWN_SEED else number(value),
            handler.generate_schema(Annotated[int, Field(ge=0, le=4_294_967_295)]),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value),
        )
    ),
    Field(description="a whole number from 0 to 4,294,967,295, or the text provider"),
]


class GarmentMask(Strict):
    type: Literal["garment"]
    shape: MaskShape | None = None


class PromptMask(Strict):
    """`prompt` names what changes, in plain English."""

    type: Literal["prompt"]
    prompt: MaskText
    shape: MaskShape | None = None


MaskRead = Literal["black_changes", "white_changes", "alpha"]


class ImageMask(Strict):
    """As large as the image it masks, or of the same aspect.

    `read`: the part that changes. `alpha` is the transparent part.
    """

    type: Literal["image"]
    image: ImageRef
    read: MaskRead = "black_changes"


Mask = Annotated[GarmentMask | PromptMask | ImageMask, Field(discriminator="type")]


class Output(Strict):
    """The images to return, and how they are made.

    `size: provider` is the size the provider returns, in the original's framing; `original` the size of the person's
    image. `seed` 0 to 4,294,967,295, or `provider`: the provider's default. `guidance`: how closely to follow the
    input, 1.1 to 10. `mask`: return it too.
    """

    count: Annotated[int, Field(ge=1, le=8)] = 1
    format: Literal["png", "jpeg", "webp"] | None = None
    quality: Literal["fast", "standard", "best"] | None = None
    size: Literal["provider", "original"] = "provider"
    seed: Seed | None = None
    guidance: Annotated[float, Field(ge=1.1, le=10)] | None = None
    mask: bool = False


ProviderName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=128),
    Field(description="auto, or the name of a provider or of one of its models, as GET /v1/providers lists them"),
]


_RECEIVER = Wanted(
    "a webhook",
    "Send a public https address of your server on port 443, such as https://shop.example/webhooks.",
    "Leave them out: the signature proves that Fitting Room sent the webhook.",
)
WebhookUrl = Annotated[
    str,
    StringConstraints(max_length=2048),
    AfterValidator(lambda url, info: checked(url, info, _RECEIVER)),
    Field(description="a public https address of at most 2,048 characters"),
]


class Webhook(Strict):
    """The address that receives the event when the job is over."""

    url: WebhookUrl


class RequestedOption(NamedTuple):
    """One option of a request: its name in catalogue entries, where it stands, and its value."""

    name: str
    pointer: str
    value: Any


class Request(Strict):
    """The fields that every task has.

    `output`: how many images of what kind. `provider`: `auto`, an id, or `id/model`; `fallback` only with a named one.
    `owner`, `reference` and `metadata` are the client's own and come back with the job. `reuse`: an earlier result of the
    same owner will do. `webhook`: the address that is called at the job's end.
    """

    output: Output = Output()
    provider: ProviderName = "auto"
    fallback: Annotated[list[ProviderName], Field(max_length=4)] = []
    provider_options: dict[str, dict[str, JsonValue]] = {}
    owner: Name | None = None
    reference: Name | None = None
    webhook: Webhook | None = None
    reuse: bool = False
    metadata: Annotated[dict[Name, Annotated[str, StringConstraints(max_length=512)]], Field(max_length=16)] = {}

    base: ClassVar[str | None] = None
    """The role of the picture whose framing the results keep; None where pictures are made from nothing."""

    @field_validator("fallback")
    @classmethod
    def fallback_needs_a_name(cls, fallback: list[str], info: ValidationInfo) -> list[str]:
        if fallback and info.data.get("provider") == "auto":
            raise rule_error(
                "/fallback",
                "A fallback goes only with a named provider: auto plans its own.",
                "Leave it out, or name in `provider` the one to try first.",
            )
        return fallback

    @model_validator(mode="after")
    def original_needs_a_base(self) -> Self:
        if self.base is None and self.output.size == "original":
            raise rule_error(
                "/output/size",
                "There is no original size: this task starts from no image whose size it keeps.",
                "Leave `output.size` out, and say width and height in `size`.",
            )
        return self

    @property
    def masked(self) -> str | None:
        """The role of the picture that an image mask belongs to."""
        return self.base

    def images(self) -> Iterator[tuple[str, str, ImageRef]]:
        """Yield (role, JSON pointer, reference) of every picture, the base before its mask."""
        yield from ()

    def subjects(self) -> Iterator[tuple[str, str]]:
        """Yield (JSON pointer, id) of every subject it names."""
        yield from ()

    def options(self) -> Iterator[RequestedOption]:
        """Yield the options that a client asked for, for a catalogue entry to honour or not.

        Defaults that every provider has are left out.
        """
        for name in ("quality", "seed", "guidance"):
            if (value := getattr(self.output, name)) not in (None, OWN_SEED):
                yield RequestedOption(f"output.{name}", f"/output/{name}", value)
        if self.output.mask:
            yield RequestedOption("output.mask", "/output/mask", True)
        yield RequestedOption("output.count", "/output/count", self.output.count)

    def given(self, *names: str) -> Iterator[RequestedOption]:
        """Yield the fields of these names that are set, as options of the same name."""
        for name in names:
            if (value := getattr(self, name)) is not None:
                yield RequestedOption(name, f"/{name}", value)
