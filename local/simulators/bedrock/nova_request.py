"""The eight requests of Amazon Nova Canvas as its documents state them: fields, enums, ranges, combinations.

Sources: docs.aws.amazon.com/nova/latest/userguide/ image-gen-req-resp-structure.html (fields) and image-gen-access.html
(tasks). Where the first calls a `text` required and in the same breath says what happens "if you omit this field"
(variation, inpainting, outpainting), it may be left out: the second has variations "with or without a text prompt".
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from local.simulators.bedrock.nova_schema import (
    EditingConfig,
    GenerationConfig,
    MaskPrompt,
    Part,
    Text,
    VariationConfig,
    malformed,
    malformed_by,
)
from local.simulators.bedrock.nova_try_on import VirtualTryOnParams, check_mask_blocks

Style = Literal[
    "3D_ANIMATED_FAMILY_FILM",
    "DESIGN_SKETCH",
    "FLAT_VECTOR_ILLUSTRATION",
    "GRAPHIC_NOVEL_ILLUSTRATION",
    "MAXIMALISM",
    "MIDCENTURY_RETRO",
    "PHOTOREALISM",
    "SOFT_DIGITAL_PAINTING",
]


class TextToImageParams(Part):
    """The control fields belong to the shape with a condition image only."""

    text: Text
    negative_text: Text | None = None
    style: Style | None = None
    condition_image: str | None = None
    control_mode: Literal["CANNY_EDGE", "SEGMENTATION"] = "CANNY_EDGE"
    control_strength: Annotated[float, Field(ge=0, le=1)] = 0.7

    @model_validator(mode="after")
    def _check_control(self) -> Self:
        controls = sorted(self.model_fields_set & {"control_mode", "control_strength"})
        if controls and self.condition_image is None:
            keys = ", ".join(map(to_camel, controls))
            raise ValueError(f"extraneous key [{keys}] is not permitted without conditionImage")
        return self


class ColorGuidedGenerationParams(Part):
    colors: Annotated[list[Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")]], Field(min_length=1, max_length=10)]
    reference_image: str | None = None
    text: Text
    negative_text: Text | None = None


class ImageVariationParams(Part):
    images: Annotated[list[str], Field(min_length=1, max_length=5)]
    similarity_strength: Annotated[float, Field(ge=0.2, le=1)] = 0.7
    """The default is in no document read; 0.7 is the one of the vendor's samples."""
    text: Text | None = None
    negative_text: Text | None = None


class InPaintingParams(Part):
    image: str
    mask_prompt: MaskPrompt | None = None
    mask_image: str | None = None
    text: Text | None = None
    negative_text: Text | None = None

    @model_validator(mode="after")
    def _check_mask(self) -> Self:
        if (self.mask_prompt is None) == (self.mask_image is None):
            found = "both" if self.mask_image else "neither"
            raise ValueError(f"either maskPrompt or maskImage must be specified, but not both; found {found}")
        return self


class OutPaintingParams(InPaintingParams):
    out_painting_mode: Literal["DEFAULT", "PRECISE"] = "DEFAULT"


class BackgroundRemovalParams(Part):
    image: str


class TextImage(Part):
    task_type: Literal["TEXT_IMAGE"]
    params: TextToImageParams = Field(alias="textToImageParams")
    config: GenerationConfig = Field(GenerationConfig(), alias="imageGenerationConfig")


class ColorGuidedGeneration(Part):
    task_type: Literal["COLOR_GUIDED_GENERATION"]
    params: ColorGuidedGenerationParams = Field(alias="colorGuidedGenerationParams")
    config: GenerationConfig = Field(GenerationConfig(), alias="imageGenerationConfig")


class ImageVariation(Part):
    task_type: Literal["IMAGE_VARIATION"]
    params: ImageVariationParams = Field(alias="imageVariationParams")
    config: VariationConfig = Field(VariationConfig(), alias="imageGenerationConfig")


class InPainting(Part):
    task_type: Literal["INPAINTING"]
    params: InPaintingParams = Field(alias="inPaintingParams")
    config: EditingConfig = Field(EditingConfig(), alias="imageGenerationConfig")


class OutPainting(Part):
    task_type: Literal["OUTPAINTING"]
    params: OutPaintingParams = Field(alias="outPaintingParams")
    config: EditingConfig = Field(EditingConfig(), alias="imageGenerationConfig")


class BackgroundRemoval(Part):
    """`imageGenerationConfig` is "common to all task types except BACKGROUND_REMOVAL"."""

    task_type: Literal["BACKGROUND_REMOVAL"]
    params: BackgroundRemovalParams = Field(alias="backgroundRemovalParams")


class VirtualTryOn(Part):
    task_type: Literal["VIRTUAL_TRY_ON"]
    params: VirtualTryOnParams = Field(alias="virtualTryOnParams")
    config: EditingConfig = Field(EditingConfig(), alias="imageGenerationConfig")


NovaRequest = (
    TextImage | ColorGuidedGeneration | ImageVariation | InPainting | OutPainting | BackgroundRemoval | VirtualTryOn
)
SHAPES: dict[str, type[NovaRequest]] = {
    "TEXT_IMAGE": TextImage,
    "COLOR_GUIDED_GENERATION": ColorGuidedGeneration,
    "IMAGE_VARIATION": ImageVariation,
    "INPAINTING": InPainting,
    "OUTPAINTING": OutPainting,
    "BACKGROUND_REMOVAL": BackgroundRemoval,
    "VIRTUAL_TRY_ON": VirtualTryOn,
}


def parse(body: object) -> NovaRequest:
    """Read a request. Raises MalformedError."""
    if not isinstance(body, dict):
        raise malformed(f"#: expected type: JSONObject, found: {type(body).__name__}")
    if "taskType" not in body:
        raise malformed("#: required key [taskType] not found")
    shape = SHAPES.get(str(body["taskType"]))
    if shape is None:
        raise malformed(f"#/taskType: {str(body['taskType'])[:60]} is not a valid enum value")
    try:
        request = shape.model_validate(body)
    except ValidationError as error:
        raise malformed_by(error) from None
    if isinstance(request, VirtualTryOn):
        check_mask_blocks(request.params)
    return request
