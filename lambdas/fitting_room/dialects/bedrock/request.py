"""A request to Nova Canvas as the body of `POST /v1/jobs`: a table of its fields for each of its shapes.

Source: Amazon Nova user guide, `image-gen-req-resp-structure`. `providers/nova_canvas/shapes.py` has its limits.
A value that the guide names as the default asks for nothing, so that any provider may do the job. A result has the size
of the image that is edited, and is a PNG.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from fitting_room.dialects.bedrock.errors import BedrockError, Names
from fitting_room.jobs.document import get
from fitting_room.jobs.parse import faults_of
from fitting_room.providers.nova_canvas import shapes
from fitting_room.providers.nova_canvas.garments import TYPES

_CATEGORIES = {"UPPER_BODY": "tops", "LOWER_BODY": "bottoms", "FULL_BODY": "one_piece", "FOOTWEAR": "footwear"}
CLASSES = {
    **_CATEGORIES,
    **{fine.upper(): _CATEGORIES[coarse] for coarse, types in TYPES.items() for fine in types},
    "FULL_BODY_OUTFIT": "auto",
}
"""By garment class, the category of the garment. The finer classes shape Nova's own mask, which no other provider has.

Of several pieces together no provider that keeps the framing has a category. FASHN swaps the whole outfit where none is said.
"""
SIDE = 1024
"""Of a generated image, in px, where the request names none."""


class Translated(NamedTuple):
    """A job's request, and the vendor's names of its parts."""

    job: dict[str, Any]
    names: Names


class Field(NamedTuple):
    """A field of the vendor's request, the place that it has in ours, and how its value is written there.

    `write`: a function, or a table where the vendor has other words. `unsaid`: values that ask for nothing.
    """

    sent: str
    job: str
    write: Callable[[Any], Any] | Mapping[str, str] = lambda value: value
    unsaid: tuple[Any, ...] = ()

    def written(self, value: Any) -> Any:
        return self.write[value] if isinstance(self.write, Mapping) else self.write(value)

    def words(self) -> dict[str, str]:
        """Return the vendor's values by ours, the first where several mean the same."""
        table = self.write if isinstance(self.write, Mapping) else {}
        return {ours: theirs for theirs, ours in reversed([*table.items()])}


def _picture(base64: str) -> dict[str, str]:
    return {"data": f"data:;base64,{base64}"}


def _pictures(images: list[str]) -> list[dict[str, str]]:
    return [_picture(base64) for base64 in images]


_QUALITIES = {"standard": "standard", "premium": "best"}
_SAMPLING = (
    Field("imageGenerationConfig.numberOfImages", "/output/count", unsaid=(1,)),
    Field("imageGenerationConfig.cfgScale", "/output/guidance", unsaid=(6.5,)),
    Field("imageGenerationConfig.seed", "/output/seed", unsaid=(12,)),
)
_EDITING = (
    *_SAMPLING,
    Field("imageGenerationConfig.quality", "/output/quality", _QUALITIES, unsaid=("standard",)),
)
_SIZE = (
    Field("imageGenerationConfig.width", "/size/width"),
    Field("imageGenerationConfig.height", "/size/height"),
)


def _texts(params: str) -> tuple[Field, ...]:
    return Field(f"{params}.text", "/prompt"), Field(f"{params}.negativeText", "/negative_prompt")


def _mask(params: str) -> tuple[Field, ...]:
    return Field(f"{params}.maskPrompt", "/mask/prompt"), Field(f"{params}.maskImage", "/mask/image", _picture)


def _switch(part: str, kept: str) -> Field:
    return Field(
        f"virtualTryOnParams.maskExclusions.{part}", f"/keep/{kept}", lambda value: value == "ON", ("DEFAULT",)
    )


def _styling(style: str, job: str, words: Mapping[str, str], unsaid: tuple[str, ...] = ()) -> Field:
    way = "virtualTryOnParams.garmentBasedMask.garmentStyling"
    return Field(f"{way}.{style}", f"/styling/{job}", words, unsaid)


class _Plain(shapes.TextImage):
    text_to_image_params: shapes.TextToImageParams


class _Conditioned(shapes.TextImage):
    text_to_image_params: shapes.ConditionedTextToImageParams


class Shape(NamedTuple):
    """One of the vendor's requests: its fields, and the task that does it here."""

    task: str
    model: type[shapes.Shape]
    fields: tuple[Field, ...]


TEXT_IMAGE = Shape(
    "text_to_image",
    _Plain,
    (
        *_texts("textToImageParams"),
        Field("textToImageParams.style", "/style", str.lower),
        *_EDITING,
        *_SIZE,
    ),
)
TEXT_IMAGE_CONDITIONED = Shape(
    "text_to_image",
    _Conditioned,
    (
        *TEXT_IMAGE.fields,
        Field("textToImageParams.conditionImage", "/condition/image", _picture),
        Field("textToImageParams.controlMode", "/condition/control", str.lower, unsaid=("CANNY_EDGE",)),
        Field("textToImageParams.controlStrength", "/condition/strength", unsaid=(0.7,)),
    ),
)
COLOR_GUIDED_GENERATION = Shape(
    "color_guided",
    shapes.ColorGuidedGeneration,
    (
        *_texts("colorGuidedGenerationParams"),
        Field("colorGuidedGenerationParams.colors", "/colors"),
        Field("colorGuidedGenerationParams.referenceImage", "/reference_image", _picture),
        *_EDITING,
        *_SIZE,
    ),
)
IMAGE_VARIATION = Shape(
    "image_variation",
    shapes.ImageVariation,
    (
        *_texts("imageVariationParams"),
        Field("imageVariationParams.images", "/images", _pictures),
        Field("imageVariationParams.similarityStrength", "/similarity"),
        *_SAMPLING,
        *_SIZE,
    ),
)
INPAINTING = Shape(
    "inpaint",
    shapes.InPainting,
    (
        *_texts("inPaintingParams"),
        Field("inPaintingParams.image", "/image", _picture),
        *_mask("inPaintingParams"),
        *_EDITING,
    ),
)
OUTPAINTING = Shape(
    "outpaint",
    shapes.OutPainting,
    (
        *_texts("outPaintingParams"),
        Field("outPaintingParams.image", "/image", _picture),
        *_mask("outPaintingParams"),
        Field(
            "outPaintingParams.outPaintingMode",
            "/transition",
            {"DEFAULT": "soft", "PRECISE": "precise"},
        ),
        *_EDITING,
    ),
)
BACKGROUND_REMOVAL = Shape(
    "remove_background", shapes.BackgroundRemoval, (Field("backgroundRemovalParams.image", "/image", _picture),)
)
VIRTUAL_TRY_ON = Shape(
    "try_on",
    shapes.VirtualTryOn,
    (
        Field("virtualTryOnParams.sourceImage", "/person", _picture),
        Field("virtualTryOnParams.referenceImage", "/garments/0/image", _picture),
        Field("virtualTryOnParams.imageBasedMask.maskImage", "/mask/image", _picture),
        Field("virtualTryOnParams.garmentBasedMask.garmentClass", "/garments/0/category", CLASSES),
        Field("virtualTryOnParams.garmentBasedMask.maskShape", "/mask/shape", str.lower, unsaid=("DEFAULT",)),
        _styling("longSleeveStyle", "sleeves", {"SLEEVE_UP": "up", "SLEEVE_DOWN": "down"}),
        _styling("tuckingStyle", "tuck", {"TUCKED": "in", "UNTUCKED": "out"}),
        _styling("outerLayerStyle", "outer_layer", {"OPEN": "open"}, unsaid=("CLOSED",)),
        Field("virtualTryOnParams.promptBasedMask.maskPrompt", "/mask/prompt"),
        Field(
            "virtualTryOnParams.promptBasedMask.maskShape", "/mask/shape", str.lower, unsaid=("DEFAULT", "BOUNDING_BOX")
        ),
        _switch("preserveBodyPose", "pose"),
        _switch("preserveHands", "hands"),
        _switch("preserveFace", "face"),
        Field("virtualTryOnParams.mergeStyle", "/merge", str.lower),
        Field("virtualTryOnParams.returnMask", "/output/mask", unsaid=(False,)),
        *_EDITING,
    ),
)
_BY_TYPE = {
    "TEXT_IMAGE": TEXT_IMAGE,
    "COLOR_GUIDED_GENERATION": COLOR_GUIDED_GENERATION,
    "IMAGE_VARIATION": IMAGE_VARIATION,
    "INPAINTING": INPAINTING,
    "OUTPAINTING": OUTPAINTING,
    "BACKGROUND_REMOVAL": BACKGROUND_REMOVAL,
    "VIRTUAL_TRY_ON": VIRTUAL_TRY_ON,
}
_CONDITION = ("conditionImage", "controlMode", "controlStrength")
_MASKS = {"IMAGE": "imageBasedMask", "GARMENT": "garmentBasedMask", "PROMPT": "promptBasedMask"}
_MASK_REMEDIES = {
    "try_on": "Use the maskType GARMENT with a garmentClass alone.",
    "inpaint": "Send `maskImage` in place of `maskPrompt`.",
    "outpaint": "Send `maskImage` in place of `maskPrompt`.",
}
"""What to send to a provider that does not take this mask."""
_NO_OTHER_SIZE = ("inpaint", "outpaint", "remove_background", "try_on")
"""The tasks whose results have the size of the image that is edited."""


def translated(body: Any) -> Translated:
    """Return the job that does a request. Raises `BedrockError` with all that breaks a rule of the vendor's."""
    shape = _shape(body)
    try:
        read = shape.model.model_validate(body, extra="forbid")
    except ValidationError as error:
        raise _malformed(
            *((fault.pointer or "", f"{fault.detail} {fault.remedy}") for fault in faults_of(error, shape.model))
        ) from None
    if broken := list(_broken(read)):
        raise _malformed(*broken)
    sent = read.model_dump(by_alias=True, exclude_none=True)
    job: dict[str, Any] = {"task": shape.task, "output": {"format": "png", "seed": "provider"}}
    if shape is VIRTUAL_TRY_ON:
        job["garments"] = [{}]
    if shape.task in _NO_OTHER_SIZE:
        job["output"]["size"] = "original"
    for field in shape.fields:
        value = get(sent, tuple(field.sent.split(".")))
        if value is not None and value not in field.unsaid:
            _put(job, field.job, field.written(value))
    _complete(job)
    given = {field.job: field.sent for field in shape.fields if get(sent, tuple(field.sent.split("."))) is not None}
    fields = {**_wholes(given), f"/{shape.task}": body["taskType"]}
    values = {field.job: words for field in shape.fields if (words := field.words())}
    return Translated(job, Names(fields, _MASK_REMEDIES.get(shape.task), values))


def _shape(body: Any) -> Shape:
    if not isinstance(body, dict):
        raise _malformed(("", "The body must be a JSON object. Send one with `taskType` and its parameters."))
    asked = body.get("taskType")
    if not isinstance(asked, str) or asked not in _BY_TYPE:
        raise _malformed(("/taskType", f"There is no such task. Use one of: {', '.join(_BY_TYPE)}."))
    params = body.get("textToImageParams")
    conditioned = asked == "TEXT_IMAGE" and isinstance(params, dict) and any(name in params for name in _CONDITION)
    return TEXT_IMAGE_CONDITIONED if conditioned else _BY_TYPE[asked]


def _malformed(*broken: tuple[str, str]) -> BedrockError:
    told = " ".join(f"#{pointer}: {words}" for pointer, words in broken)
    return BedrockError("ValidationException", f"Malformed input request: {told}")


def _broken(read: shapes.Shape) -> Iterator[tuple[str, str]]:
    """Yield what breaks a rule over several fields: its pointer, the error and the remedy."""
    match read:
        case shapes.InPainting(in_painting_params=params) | shapes.OutPainting(out_painting_params=params):
            if (params.mask_prompt is None) == (params.mask_image is None):
                name = "inPaintingParams" if isinstance(read, shapes.InPainting) else "outPaintingParams"
                yield f"/{name}", "There must be one mask. Send either `maskPrompt` or `maskImage`."
        case shapes.VirtualTryOn(virtual_try_on_params=params):
            sent = params.model_dump(by_alias=True, exclude_none=True)
            for kind, block in _MASKS.items():
                if kind == params.mask_type and block not in sent:
                    yield f"/virtualTryOnParams/{block}", f"The maskType {kind} needs it. Add it."
                if kind != params.mask_type and block in sent:
                    yield f"/virtualTryOnParams/{block}", f"It belongs to the maskType {kind}. Leave it out."
            if params.garment_based_mask and params.garment_based_mask.garment_class not in CLASSES:
                where = "/virtualTryOnParams/garmentBasedMask/garmentClass"
                yield where, f"There is no such class. Use one of: {', '.join(CLASSES)}."


def _put(job: dict[str, Any], pointer: str, value: Any) -> None:
    *way, last = pointer.split("/")[1:]
    place: Any = job
    for part in way:
        place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
    place[last] = value


def _complete(job: dict[str, Any]) -> None:
    """Add what the vendor leaves to be understood: the kind of a mask, its colours, and the other side of a size."""
    if mask := job.get("mask"):
        mask["type"] = next((kind for kind in ("image", "prompt") if kind in mask), "garment")
        if job["task"] == "outpaint" and mask["type"] == "image":
            mask["read"] = "white_changes"
    if size := job.get("size"):
        job["size"] = {"width": SIDE, "height": SIDE} | size


def _wholes(given: dict[str, str]) -> dict[str, str]:
    """Return the names with those of objects that a provider may refuse as a whole."""
    parts: dict[str, list[str]] = {}
    for pointer, sent in given.items():
        whole = "/" + pointer.split("/")[1]
        if whole in ("/mask", "/size", "/condition"):
            parts.setdefault(whole, []).append(sent)
    return given | {whole: " and ".join(sent) for whole, sent in parts.items()}
