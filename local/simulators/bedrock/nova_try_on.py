"""The `VIRTUAL_TRY_ON` part of a Nova Canvas request: mask blocks, enums and what goes with what.

Source: docs.aws.amazon.com/nova/latest/userguide/image-gen-req-resp-structure.html and image-gen-vto.html. `DEFAULT`,
where an enum has it, means the vendor's own choice.
"""

from __future__ import annotations

from typing import Literal

from pydantic.alias_generators import to_camel

from local.simulators.bedrock.nova_schema import MaskPrompt, Part, malformed

UPPER_BODY = frozenset({"UPPER_BODY", "LONG_SLEEVE_SHIRT", "SHORT_SLEEVE_SHIRT", "NO_SLEEVE_SHIRT", "OTHER_UPPER_BODY"})
LOWER_BODY = frozenset({"LOWER_BODY", "LONG_PANTS", "SHORT_PANTS", "OTHER_LOWER_BODY"})
FOOTWEAR = frozenset({"FOOTWEAR", "SHOES", "BOOTS", "OTHER_FOOTWEAR"})

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


class GarmentStyling(Part):
    long_sleeve_style: Literal["SLEEVE_DOWN", "SLEEVE_UP"] | None = None
    tucking_style: Literal["UNTUCKED", "TUCKED"] | None = None
    outer_layer_style: Literal["CLOSED", "OPEN"] | None = None


class GarmentBasedMask(Part):
    garment_class: GarmentClass
    mask_shape: MaskShape = "DEFAULT"
    garment_styling: GarmentStyling = GarmentStyling()


class ImageBasedMask(Part):
    mask_image: str


class PromptBasedMask(Part):
    mask_prompt: MaskPrompt
    mask_shape: MaskShape = "BOUNDING_BOX"


class MaskExclusions(Part):
    preserve_body_pose: Switch = "DEFAULT"
    preserve_hands: Switch = "DEFAULT"
    preserve_face: Switch = "DEFAULT"


class VirtualTryOnParams(Part):
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


def check_mask_blocks(params: VirtualTryOnParams) -> None:
    """Require exactly the block that maskType selects, and styling for upper bodies only. Raises MalformedError."""
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
        raise malformed(*problems)
