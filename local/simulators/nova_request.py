"""The `VIRTUAL_TRY_ON` request of Amazon Nova Canvas as its documents state it: fields, enums, ranges, combinations.

Sources: docs.aws.amazon.com/nova/latest/userguide/ image-gen-req-resp-structure.html (fields) and image-gen-access.html
(input images). `DEFAULT`, where an enum has it, means the vendor's own choice.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from local.simulators.strict import Strict

OTHER_TASKS = frozenset(
    {"TEXT_IMAGE", "COLOR_GUIDED_GENERATION", "IMAGE_VARIATION", "INPAINTING", "OUTPAINTING", "BACKGROUND_REMOVAL"}
)
UPPER_BODY = frozenset({"UPPER_BODY", "LONG_SLEEVE_SHIRT", "SHORT_SLEEVE_SHIRT", "NO_SLEEVE_SHIRT", "OTHER_UPPER_BODY"})
LOWER_BODY = frozenset({"LOWER_BODY", "LONG_PANTS", "SHORT_PANTS", "OTHER_LOWER_BODY"})

GarmentClass = Literal[
    "UPPER_BODY",
    "LOWER_BODY",
    "FULL_BODY",
    "FOOTWEAR",
    "LONG_SLEEVE_SHIRT",
    "SHORT_SLEEVE_SHIRT",
    "NO_SLEEVE_SHIRT",
    "OTHER_UPPER_BODY",
    "LONG_PANTS",
    "SHORT_PANTS",
    "OTHER_LOWER_BODY",
    "LONG_DRESS",
    "SHORT_DRESS",
    "FULL_BODY_OUTFIT",
    "OTHER_FULL_BODY",
    "SHOES",
    "BOOTS",
    "OTHER_FOOTWEAR",
]
MaskShape = Literal["CONTOUR", "BOUNDING_BOX", "DEFAULT"]
Switch = Literal["ON", "OFF", "DEFAULT"]
MASK_BLOCKS = {"IMAGE": "imageBasedMask", "GARMENT": "garmentBasedMask", "PROMPT": "promptBasedMask"}


class MalformedError(Exception):
    """The request breaks the contract; the text names the place and the rule."""


class _Part(Strict):
    model_config = ConfigDict(alias_generator=to_camel)


class GarmentStyling(_Part):
    long_sleeve_style: Literal["SLEEVE_DOWN", "SLEEVE_UP"] | None = None
    tucking_style: Literal["UNTUCKED", "TUCKED"] | None = None
    outer_layer_style: Literal["CLOSED", "OPEN"] | None = None


class GarmentBasedMask(_Part):
    garment_class: GarmentClass
    mask_shape: MaskShape = "DEFAULT"
    garment_styling: GarmentStyling = GarmentStyling()


class ImageBasedMask(_Part):
    mask_image: str


class PromptBasedMask(_Part):
    mask_prompt: Annotated[str, Field(min_length=1, max_length=1024)]
    mask_shape: MaskShape = "BOUNDING_BOX"


class MaskExclusions(_Part):
    preserve_body_pose: Switch = "DEFAULT"
    preserve_hands: Switch = "DEFAULT"
    preserve_face: Switch = "DEFAULT"


class VirtualTryOnParams(_Part):
    """Exactly the mask block that `maskType` selects is present."""

    source_image: str
    reference_image: str
    mask_type: Literal["IMAGE", "GARMENT", "PROMPT"]
    image_based_mask: ImageBasedMask | None = None
    garment_based_mask: GarmentBasedMask | None = None
    prompt_based_mask: PromptBasedMask | None = None
    mask_exclusions: MaskExclusions = MaskExclusions()
    merge_style: Literal["BALANCED", "SEAMLESS", "DETAILED"] = "BALANCED"
    return_mask: bool = False


class ImageGenerationConfig(_Part):
    """No width or height: they "should not be provided" for try-on."""

    number_of_images: Annotated[int, Field(ge=1, le=5)] = 1
    quality: Literal["standard", "premium"] = "standard"
    cfg_scale: Annotated[float, Field(ge=1.1, le=10)] = 6.5
    seed: Annotated[int, Field(ge=0, le=2_147_483_646)] = 12


class TryOnRequest(_Part):
    task_type: Literal["VIRTUAL_TRY_ON"]
    virtual_try_on_params: VirtualTryOnParams
    image_generation_config: ImageGenerationConfig = ImageGenerationConfig()


def parse(body: object) -> TryOnRequest:
    """Raises MalformedError."""
    if isinstance(body, dict) and body.get("taskType") in OTHER_TASKS:
        raise MalformedError(f"this simulator does not do {body['taskType']} yet; it does VIRTUAL_TRY_ON")
    try:
        request = TryOnRequest.model_validate(body)
    except ValidationError as error:
        raise MalformedError(_malformed(*map(_violation, error.errors()))) from None
    _check_mask_blocks(request.virtual_try_on_params)
    return request


def _check_mask_blocks(params: VirtualTryOnParams) -> None:
    selected, where = MASK_BLOCKS[params.mask_type], "#/virtualTryOnParams"
    given = {to_camel(name) for name in params.model_fields_set} & set(MASK_BLOCKS.values())
    problems = [] if selected in given else [f"{where}: required key [{selected}] not found"]
    problems += [
        f"{where}: extraneous key [{block}] is not permitted with maskType {params.mask_type}"
        for block in sorted(given - {selected})
    ]
    garment = params.garment_based_mask
    if garment and garment.garment_styling.model_fields_set and garment.garment_class not in UPPER_BODY:
        place = f"{where}/garmentBasedMask/garmentStyling"
        problems.append(f"{place}: applies to upper body garments only, not to {garment.garment_class}")
    if problems:
        raise MalformedError(_malformed(*problems))


def _violation(error: Any) -> str:
    *parents, key = error["loc"] or ("",)
    parent, place = "/".join(["#", *map(str, parents)]), "/".join(["#", *map(str, error["loc"])])
    match error["type"]:
        case "missing":
            return f"{parent}: required key [{key}] not found"
        case "extra_forbidden":
            return f"{parent}: extraneous key [{key}] is not permitted"
        case "literal_error":
            return f"{place}: {str(error['input'])[:60]} is not a valid enum value"
    return f"{place}: {error['msg']}"


def _malformed(*problems: str) -> str:
    return f"Malformed input request: {'; '.join(problems)}, please reformat your input and try again."
