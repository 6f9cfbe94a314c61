"""What a client may ask for: the body of `POST /v1/jobs`, the same for every provider.

An option is `None` when the client said nothing: the vendor's own default then applies. What a given provider can honour
is its catalogue entry's business, not this model's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.jobs.image_ref import ImageRef

Category = Literal["auto", "tops", "bottoms", "one_piece", "outfit", "footwear", "headwear", "eyewear", "jewelry",
                   "accessories", "object"]
GarmentType = Literal["long_sleeve_shirt", "short_sleeve_shirt", "no_sleeve_shirt", "other_upper_body", "long_pants",
                      "short_pants", "other_lower_body", "long_dress", "short_dress", "full_body_outfit",
                      "other_full_body", "shoes", "boots", "other_footwear"]
Shape = Literal["contour", "bounding_box"]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1024)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f]+$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Garment(_Strict):
    """`type` is Nova Canvas' fine class and must fit `category`; `photo` says how the garment was photographed."""

    image: ImageRef
    category: Category = "auto"
    type: GarmentType | None = None
    photo: Literal["auto", "flat_lay", "model"] = "auto"


class GarmentMask(_Strict):
    type: Literal["garment"]
    shape: Shape | None = None


class PromptMask(_Strict):
    """`prompt` names what changes, in plain English."""

    type: Literal["prompt"]
    prompt: Text
    shape: Shape | None = None


class ImageMask(_Strict):
    """Black changes, white stays; same size as the person picture."""

    type: Literal["image"]
    image: ImageRef


Mask = Annotated[GarmentMask | PromptMask | ImageMask, Field(discriminator="type")]


class Keep(_Strict):
    """True: keep as in the photo; False: draw anew; absent: the vendor's default."""

    face: bool | None = None
    hands: bool | None = None
    pose: bool | None = None


class Styling(_Strict):
    sleeves: Literal["up", "down"] | None = None
    tuck: Literal["in", "out"] | None = None
    outer_layer: Literal["open", "closed"] | None = None


class Output(_Strict):
    """`size: provider` is whatever the provider returns, in the original's framing; `original` the person picture's own
    size. `seed` 0 to 4,294,967,295. `guidance`: how closely to follow the input, 1.1 to 10. `mask`: return it too."""

    count: Annotated[int, Field(ge=1, le=8)] = 1
    format: Literal["png", "jpeg", "webp"] | None = None
    quality: Literal["fast", "standard", "best"] | None = None
    size: Literal["provider", "original"] = "provider"
    seed: Annotated[int, Field(ge=0, le=4_294_967_295)] | None = None
    guidance: Annotated[float, Field(ge=1.1, le=10)] | None = None
    mask: bool = False


class TryOn(_Strict):
    """One person (or, later, a scene), one or more garments, and how to put them together."""

    task: Literal["try_on"]
    person: ImageRef
    garments: Annotated[list[Garment], Field(min_length=1, max_length=8)]
    mask: Mask | None = None
    keep: Keep = Keep()
    styling: Styling = Styling()
    merge: Literal["balanced", "seamless", "detailed"] | None = None
    prompt: Text | None = None
    negative_prompt: Text | None = None
    segmentation_free: bool | None = None
    moderation: Literal["conservative", "permissive", "none"] | None = None
    output: Output = Output()
    provider: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(/[A-Za-z0-9._:-]+)?$", max_length=128)] = "auto"
    fallback: Annotated[list[Annotated[str, StringConstraints(max_length=128)]], Field(max_length=4)] = []
    provider_options: dict[str, dict[str, JsonValue]] = {}
    owner: Name | None = None
    reference: Name | None = None
    metadata: Annotated[dict[Name, Annotated[str, StringConstraints(max_length=512)]], Field(max_length=16)] = {}

    @field_validator("fallback")
    @classmethod
    def fallback_needs_a_name(cls, fallback: list[str], info: ValidationInfo) -> list[str]:
        if fallback and info.data.get("provider") == "auto":
            raise ValueError("fallback only goes with a named provider: auto plans its own")
        return fallback

    def images(self) -> Iterator[tuple[str, str, ImageRef]]:
        """(role, JSON pointer, reference) of every picture: role is `person`, `garment-<n>` or `mask`."""
        yield "person", "/person", self.person
        for index, garment in enumerate(self.garments):
            yield f"garment-{index}", f"/garments/{index}/image", garment.image
        if isinstance(self.mask, ImageMask):
            yield "mask", "/mask/image", self.mask.image

    def options(self) -> Iterator[Asked]:
        """What the client asked for beyond the defaults every provider has, for a catalogue entry to honour or not."""
        if self.mask:
            yield Asked("mask", "/mask", self.mask.type)
        groups: list[tuple[str, BaseModel]] = [("keep", self.keep), ("styling", self.styling)]
        for group, model in groups:
            for name, value in model:
                if value is not None:
                    yield Asked(f"{group}.{name}", f"/{group}/{name}", value)
        for name in ("merge", "prompt", "negative_prompt", "segmentation_free", "moderation"):
            if (value := getattr(self, name)) is not None:
                yield Asked(name, f"/{name}", value)
        for name in ("quality", "seed", "guidance"):
            if (value := getattr(self.output, name)) is not None:
                yield Asked(f"output.{name}", f"/output/{name}", value)
        if self.output.mask:
            yield Asked("output.mask", "/output/mask", True)
        yield Asked("output.count", "/output/count", self.output.count)
        for index, garment in enumerate(self.garments):
            yield Asked("garment.category", f"/garments/{index}/category", garment.category)
            if garment.type:
                yield Asked("garment.type", f"/garments/{index}/type", garment.type)
            if garment.photo != "auto":
                yield Asked("garment.photo", f"/garments/{index}/photo", garment.photo)


class Asked(NamedTuple):
    """One option of a request: its name in catalogue entries, where it stands, and its value."""

    name: str
    pointer: str
    value: Any


# Parts of the published contract that this version does not serve yet, refused by name rather than as unknown fields.
NOT_YET = {
    "webhook": "poll GET /v1/jobs/{id} until its status is final",
    "scene": "send a person picture",
}
PERSON_NOT_YET = ("subject", "stock", "photos")


def parse(body: Any) -> TryOn:
    """A request from decoded JSON. Raises `Refusal` with all faults at once, each with pointer and remedy."""
    faults: list[Fault] = []
    if isinstance(body, dict):
        body = dict(body)
        for name, remedy in NOT_YET.items():
            if name in body:
                del body[name]
                faults.append(Fault.of("unsupported_option", f"`{name}` is not served yet.", f"Leave it out and {remedy}.",
                                       pointer=f"/{name}"))
        person = body.get("person")
        if isinstance(person, dict) and (kind := next((k for k in PERSON_NOT_YET if k in person), None)):
            faults.append(Fault.of("unsupported_option", f"A person given as `{kind}` is not served yet.",
                                   "Send a picture: upload, url, data or s3.", pointer=f"/person/{kind}"))
            body["person"] = {"url": "https://placeholder.invalid"}
    try:
        request = TryOn.model_validate(body)
    except ValidationError as error:
        faults += faults_of(error)
    if faults:
        raise Refusal(*faults)
    return request


def faults_of(error: ValidationError, root: str = "") -> list[Fault]:
    """One fault per pydantic error, in the API's words. Input values are left out: they may be pictures or names."""
    return [Fault.of("invalid_input", _detail(item), _remedy(item), pointer=root + _pointer(item["loc"]))
            for item in error.errors(include_url=False, include_input=False)]


def _pointer(loc: tuple[int | str, ...]) -> str:
    # a discriminated union puts the chosen tag into loc, a bad key the word [key]: they are no part of the document
    parts = [part for index, part in enumerate(loc) if part != "[key]" and not (
        index and loc[index - 1] == "mask" and part in _MASK_TAGS)]
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


_MASK_TAGS = ("garment", "prompt", "image")
_MESSAGES = {
    "missing": "This field is required.",
    "extra_forbidden": "This field does not exist.",
    "string_pattern_mismatch": "The text does not have the expected form.",
    "model_type": "This must be a JSON object.",
    "model_attributes_type": "This must be a JSON object.",
    "dict_type": "This must be a JSON object.",
    "list_type": "This must be a list.",
    "union_tag_invalid": "There is no such type.",
    "union_tag_not_found": "The type is missing.",
}


def _detail(item: Any) -> str:
    return _MESSAGES.get(item["type"], re.sub(r"^Value error, ", "", item["msg"]).rstrip(".") + ".")


def _remedy(item: Any) -> str:
    context = item.get("ctx", {})
    match item["type"]:
        case "missing":
            return "Add it."
        case "extra_forbidden":
            return "Remove it, or check its spelling against the API reference."
        case "string_pattern_mismatch":
            return f"It must match {context['pattern']}."
        case "literal_error":
            return f"Use one of: {context['expected']}."
        case "union_tag_invalid" | "union_tag_not_found":
            return "Give `type` as one of: garment, prompt, image."
        case _:
            return "Change the value so that it fits the rule."
