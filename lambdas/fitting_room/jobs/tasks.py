"""The tasks: the fields that each brings to a request, the pictures it names, and the options it asks for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints, field_validator, model_validator
from pydantic_core import PydanticKnownError

from fitting_room.jobs.fields import ClassName, Name, Strict, Text, rule_error
from fitting_room.jobs.image_ref import KINDS, ImageRef, SubjectId
from fitting_room.jobs.request import ImageMask, Mask, Output, PromptMask, Request, RequestedOption

Task = Literal[
    "try_on",
    "text_to_image",
    "color_guided",
    "image_variation",
    "inpaint",
    "outpaint",
    "remove_background",
    "train_subject",
]
Category = Literal[
    "auto",
    "tops",
    "bottoms",
    "one_piece",
    "outfit",
    "footwear",
    "headwear",
    "eyewear",
    "jewelry",
    "accessories",
    "object",
]
GarmentType = Literal[
    "long_sleeve_shirt",
    "short_sleeve_shirt",
    "no_sleeve_shirt",
    "other_upper_body",
    "long_pants",
    "short_pants",
    "other_lower_body",
    "long_dress",
    "short_dress",
    "full_body_outfit",
    "other_full_body",
    "shoes",
    "boots",
    "other_footwear",
]
Style = Literal[
    "3d_animated_family_film",
    "design_sketch",
    "flat_vector_illustration",
    "graphic_novel_illustration",
    "maximalism",
    "midcentury_retro",
    "photorealism",
    "soft_digital_painting",
]
Color = Annotated[
    str,
    StringConstraints(pattern=r"^#[0-9A-Fa-f]{6}$"),
    Field(description="a colour as # and six hexadecimal digits, such as #1a2b3c"),
]
Side = Annotated[int, Field(ge=64, le=8192)]


class Stock(Strict):
    """A person of a provider's own library: by `name`, or by the other traits."""

    library: Literal["general"] = "general"
    name: Name | None = None
    gender: Literal["female", "male"] | None = None
    style: Literal["universal_1", "universal_2", "universal_3"] | None = None
    age: Literal["children", "young_adult"] | None = None
    body: Literal["slim", "curvy"] | None = None

    @model_validator(mode="after")
    def name_or_traits(self) -> Stock:
        if self.name and (self.gender or self.style or self.age or self.body):
            raise rule_error(
                "name", "A named stock person has its own traits.", "Send the name or the other fields, not both."
            )
        return self


class Person(ImageRef):
    """An image, a trained `subject`, a `stock` person, or several `photos` of persons, each to be dressed."""

    subject: SubjectId | None = None
    stock: Stock | None = None
    photos: Annotated[list[ImageRef], Field(min_length=1, max_length=8)] | None = None

    ways: ClassVar[tuple[str, ...]] = (*KINDS, "subject", "stock", "photos")


class Garment(Strict):
    """An image, or a `subject` registered before.

    `type` is Nova Canvas' fine class and must fit `category`; `photo` says how the garment was photographed.
    """

    image: ImageRef | None = None
    subject: SubjectId | None = None
    category: Category = "auto"
    type: GarmentType | None = None
    photo: Literal["auto", "flat_lay", "model"] = "auto"

    @model_validator(mode="after")
    def image_or_subject(self) -> Garment:
        if (self.image is None) == (self.subject is None):
            raise rule_error(
                "image", "A garment is either an image or a subject.", "Send `image` or `subject`, exactly one of them."
            )
        return self

    @property
    def worn(self) -> bool:
        """Whether a person wears the garment in the picture."""
        return self.image is not None and self.photo == "model"


def _no_number(value: object) -> object:
    """Return the value, or refuse a number.

    Python takes 0 for False and 1 for True.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise PydanticKnownError("literal_error", {"expected": "true, false or 'default'"})
    return value


Kept = Annotated[Literal[True, False, "default"], BeforeValidator(_no_number)]


class Keep(Strict):
    """True: keep as in the photo; False: redraw; `default`: the provider chooses; None: not sent."""

    face: Kept | None = None
    hands: Kept | None = None
    pose: Kept | None = None


class Styling(Strict):
    sleeves: Literal["up", "down"] | None = None
    tuck: Literal["in", "out"] | None = None
    outer_layer: Literal["open", "closed"] | None = None


def _no_size(value: object) -> None:
    """Refuse a size.

    Source: Nova user guide, `image-gen-req-resp-structure`: width and height "should not be provided" for such tasks.
    """
    if value is not None:
        raise rule_error(
            "/size",
            "This task takes no width and height: the provider takes the size of a result from the images it is given.",
            "Leave it out. Where a provider keeps the framing, `output.size: original` gives the size of your image.",
        )


NoSize = Annotated[None, BeforeValidator(_no_size), Field(exclude=True)]
"""Known, so that it is refused with its reason and not as a misspelled field."""


class TryOn(Request):
    """One person, or a `scene` such as a room or a wall, one or more garments or objects, and how to put them together.

    `input_image`: an image to start from, whose pose and surroundings are followed, for providers that take one.
    """

    task: Literal["try_on"]
    person: Person | None = None
    scene: ImageRef | None = None
    garments: Annotated[list[Garment], Field(min_length=1, max_length=8)]
    input_image: ImageRef | None = None
    mask: Mask | None = None
    keep: Keep = Keep()
    styling: Styling = Styling()
    merge: Literal["balanced", "seamless", "detailed"] | None = None
    prompt: Text | None = None
    negative_prompt: Text | None = None
    segmentation_free: bool | None = None
    moderation: Literal["conservative", "permissive", "none"] | None = None
    size: NoSize = None

    base: ClassVar[str | None] = "person"
    """Also the role of a scene: it takes the person's place."""

    @model_validator(mode="after")
    def person_or_scene(self) -> TryOn:
        if self.person is None and self.scene is None:
            raise rule_error("/person", "A try-on needs a person or a scene.", "Send one of them.")
        if self.person and self.scene:
            raise rule_error("/scene", "A try-on has a person or a scene, not both.", "Leave one of them out.")
        if self.scene and (self.mask is None or self.mask.type == "garment"):
            raise rule_error(
                "/mask",
                "Nobody in a scene wears a garment, so there is no garment mask.",
                "Send a mask of type prompt or image that says where the object goes.",
            )
        if not self.scene and not (self.person and self.person.kind):
            if self.mask and self.mask.type == "image" and self.masked == "garment-0" and not self.garments[0].worn:
                raise rule_error(
                    "/mask",
                    "An image mask belongs to one image of a person, and the request has none.",
                    "Set garments[0].photo to model if that image shows a person who wears the garment, or send the image"
                    " that the mask belongs to as `input_image`."
                    if self.person and self.person.subject
                    else "Leave it out, or send the person as one image.",
                )
            if self.output.size == "original":
                raise rule_error(
                    "/output/size",
                    "There is no original size, because the person is not one image.",
                    "Leave `output.size` out, or send the person as one image.",
                )
        return self

    @property
    def masked(self) -> str:
        """The picture that the mask applies to.

        Without a picture of the person it is the one to start from, or else the garment's with a wearer.
        """
        if self.scene or (self.person and self.person.kind):
            return "person"
        return "input" if self.input_image else "garment-0"

    def images(self) -> Iterator[tuple[str, str, ImageRef]]:
        """Yield the pictures.

        Roles: `person` (or scene), or `photo-<n>`; `garment-<n>`; `input`; `mask`.
        """
        where = "person" if self.person else "scene"
        if self.scene or (self.person and self.person.kind):
            yield "person", f"/{where}", getattr(self, where)
        for index, photo in enumerate((self.person and self.person.photos) or []):
            yield f"photo-{index}", f"/person/photos/{index}", photo
        for index, garment in enumerate(self.garments):
            if garment.image:
                yield f"garment-{index}", f"/garments/{index}/image", garment.image
        if self.input_image:
            yield "input", "/input_image", self.input_image
        if isinstance(self.mask, ImageMask):
            yield "mask", "/mask/image", self.mask.image

    def subjects(self) -> Iterator[tuple[str, str]]:
        if self.person and self.person.subject:
            yield "/person/subject", self.person.subject
        for index, garment in enumerate(self.garments):
            if garment.subject:
                yield f"/garments/{index}/subject", garment.subject

    def options(self) -> Iterator[RequestedOption]:
        """Yield the options of a try-on.

        Each way to name a person beside a picture is an option: `person.photos` with their number, the others as
        True. So is `garment.subject`.
        """
        if self.scene:
            yield RequestedOption("scene", "/scene", True)
        if self.person and self.person.photos:
            yield RequestedOption("person.photos", "/person/photos", len(self.person.photos))
        for way in ("subject", "stock"):
            if self.person and getattr(self.person, way):
                yield RequestedOption(f"person.{way}", f"/person/{way}", True)
        if self.mask:
            yield RequestedOption("mask", "/mask", self.mask.type)
            if shape := getattr(self.mask, "shape", None):
                yield RequestedOption("mask.shape", "/mask/shape", shape)
        if self.input_image:
            yield RequestedOption("input_image", "/input_image", True)
        groups: list[tuple[str, BaseModel]] = [("keep", self.keep), ("styling", self.styling)]
        for group, model in groups:
            for name, value in model:
                if value is not None:
                    yield RequestedOption(f"{group}.{name}", f"/{group}/{name}", value)
        yield from self.given("merge", "prompt", "negative_prompt", "segmentation_free", "moderation")
        yield from super().options()
        for index, garment in enumerate(self.garments):
            yield RequestedOption("garment.category", f"/garments/{index}/category", garment.category)
            if garment.subject:
                yield RequestedOption("garment.subject", f"/garments/{index}/subject", True)
            if garment.type:
                yield RequestedOption("garment.type", f"/garments/{index}/type", garment.type)
            if garment.photo != "auto":
                yield RequestedOption("garment.photo", f"/garments/{index}/photo", garment.photo)


class Size(Strict):
    """Of a generated image, in px."""

    width: Side
    height: Side


class Condition(Strict):
    """An image whose layout the result follows. `strength` 0 to 1."""

    image: ImageRef
    control: Literal["canny_edge", "segmentation"] | None = None
    strength: Annotated[float, Field(ge=0, le=1)] | None = None


class TextToImage(Request):
    task: Literal["text_to_image"]
    prompt: Text
    negative_prompt: Text | None = None
    style: Style | None = None
    size: Size | None = None
    condition: Condition | None = None

    def images(self) -> Iterator[tuple[str, str, ImageRef]]:
        if self.condition:
            yield "condition", "/condition/image", self.condition.image

    def options(self) -> Iterator[RequestedOption]:
        yield from self.given("negative_prompt", "style", "size")
        if self.condition:
            yield RequestedOption("condition", "/condition", True)
            for name in ("control", "strength"):
                if (value := getattr(self.condition, name)) is not None:
                    yield RequestedOption(f"condition.{name}", f"/condition/{name}", value)
        yield from super().options()


class ColorGuided(Request):
    """Make an image from a prompt and given colours.

    `colors`: 1 to 10 of `#rrggbb`. `reference_image` guides subject and style, and its colours go into the result
    beside `colors`.
    """

    task: Literal["color_guided"]
    prompt: Text
    negative_prompt: Text | None = None
    colors: Annotated[list[Color], Field(min_length=1, max_length=10)]
    reference_image: ImageRef | None = None
    size: Size | None = None

    def images(self) -> Iterator[tuple[str, str, ImageRef]]:
        if self.reference_image:
            yield "reference", "/reference_image", self.reference_image

    def options(self) -> Iterator[RequestedOption]:
        yield from self.given("negative_prompt", "size")
        if self.reference_image:
            yield RequestedOption("reference_image", "/reference_image", True)
        yield from super().options()


class ImageVariation(Request):
    """Make new images that are like the given ones, 1 to 5 of them. `similarity` 0.2 to 1."""

    task: Literal["image_variation"]
    images_: Annotated[list[ImageRef], Field(min_length=1, max_length=5, alias="images")]
    prompt: Text | None = None
    negative_prompt: Text | None = None
    similarity: Annotated[float, Field(ge=0.2, le=1)] | None = None
    size: Size | None = None

    def images(self) -> Iterator[tuple[str, str, ImageRef]]:
        """Yield the pictures.

        Roles: `image-<n>`.
        """
        for index, image in enumerate(self.images_):
            yield f"image-{index}", f"/images/{index}", image

    def options(self) -> Iterator[RequestedOption]:
        yield from self.given("prompt", "negative_prompt", "similarity", "size")
        yield from super().options()


class _Edit(Request):
    """A picture, of which a mask says what the task is about."""

    image: ImageRef
    mask: Annotated[PromptMask | ImageMask, Field(discriminator="type")]
    prompt: Text | None = None
    negative_prompt: Text | None = None
    size: NoSize = None

    base: ClassVar[str | None] = "image"

    @field_validator("mask")
    @classmethod
    def no_shape(cls, mask: PromptMask | ImageMask) -> PromptMask | ImageMask:
        if isinstance(mask, PromptMask) and mask.shape:
            raise rule_error("/mask/shape", "A mask has a shape only in `try_on`.", "Leave it out.")
        return mask

    def images(self) -> Iterator[tuple[str, str, ImageRef]]:
        yield "image", "/image", self.image
        if isinstance(self.mask, ImageMask):
            yield "mask", "/mask/image", self.mask.image

    def options(self) -> Iterator[RequestedOption]:
        yield RequestedOption("mask", "/mask", self.mask.type)
        yield from self.given("prompt", "negative_prompt")
        yield from super().options()


class Inpaint(_Edit):
    """Change the area that the mask names.

    A prompt mask names what changes, in an image mask black changes. Without `prompt` the area is removed and the
    background closed.
    """

    task: Literal["inpaint"]


class Outpaint(_Edit):
    """Change the surroundings of the area that the mask names.

    A prompt mask names what STAYS; in an image mask black changes, as everywhere. Without `prompt` the surroundings
    are removed and continued as plain background. `transition`: `soft` blends into the surroundings, `precise` keeps
    to the mask's edge.
    """

    task: Literal["outpaint"]
    transition: Literal["soft", "precise"] | None = None

    def options(self) -> Iterator[RequestedOption]:
        yield from self.given("transition")
        yield from super().options()


class RemoveBackground(Request):
    """The result has an 8-bit alpha channel, so `output.format` may be png or webp."""

    task: Literal["remove_background"]
    image: ImageRef
    size: NoSize = None

    base: ClassVar[str | None] = "image"

    @model_validator(mode="after")
    def alpha_needs_a_format(self) -> RemoveBackground:
        if self.output.format == "jpeg":
            raise rule_error(
                "/output/format", "An image without background needs a format with transparency.", "Use png or webp."
            )
        return self

    def images(self) -> Iterator[tuple[str, str, ImageRef]]:
        yield "image", "/image", self.image


class TrainSubject(Request):
    """Make a subject at a provider.

    For a person it is a model, trained in minutes to hours. For a garment it is a reference, usable at once.
    `class_name` is the plain English word for the subject of the images (woman, man, dress); `photo` says how a
    garment was photographed.
    """

    task: Literal["train_subject"]
    kind: Literal["person", "garment"]
    class_name: ClassName
    pictures: Annotated[list[ImageRef], Field(min_length=1, max_length=30)]
    photo: Literal["auto", "flat_lay", "model"] = "auto"

    @model_validator(mode="after")
    def makes_no_pictures(self) -> TrainSubject:
        if self.output != Output():
            raise rule_error("/output", "A training makes no images.", "Leave `output` out.")
        if self.reuse:
            raise rule_error("/reuse", "A training makes no images that could be used again.", "Leave it out.")
        if self.photo != "auto" and self.kind == "person":
            raise rule_error(
                "/photo", "This says how a garment was photographed, and a person is trained.", "Leave it out."
            )
        return self

    def images(self) -> Iterator[tuple[str, str, ImageRef]]:
        for index, picture in enumerate(self.pictures):
            yield f"picture-{index}", f"/pictures/{index}", picture

    def options(self) -> Iterator[RequestedOption]:
        yield RequestedOption("kind", "/kind", self.kind)
        yield RequestedOption("pictures", "/pictures", len(self.pictures))


AnyRequest = TryOn | TextToImage | ColorGuided | ImageVariation | Inpaint | Outpaint | RemoveBackground | TrainSubject
TASKS: dict[str, type[AnyRequest]] = {
    "try_on": TryOn,
    "text_to_image": TextToImage,
    "color_guided": ColorGuided,
    "image_variation": ImageVariation,
    "inpaint": Inpaint,
    "outpaint": Outpaint,
    "remove_background": RemoveBackground,
    "train_subject": TrainSubject,
}


def request_of(body: Any) -> AnyRequest:
    """Return the request of a decoded body whose `task` is known.

    The task picks the model, instead of a union, so a process builds only the validators it needs. Raises pydantic's
    `ValidationError`.
    """
    return TASKS[body["task"]].model_validate(body)
