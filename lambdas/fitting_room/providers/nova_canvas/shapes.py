"""The eight requests of Nova Canvas, as its documents write them: one model per shape.

Sources: Amazon Nova user guide, `image-gen-req-resp-structure` (fields) and `image-gen-access` (sizes, input pictures).
A picture is raw base64 without a data URL prefix: PNG or JPEG, 8 bit RGB, no translucent pixel, sides 320 to 4096 px,
aspect 1:4 to 4:1, at most 4,194,304 px. A mask is such a PNG of its picture's size, pure black and pure white.
A field that stays None is not sent, so that the vendor's own default applies.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Picture = str
Text = Annotated[str, Field(min_length=1, max_length=1024)]
Side = Annotated[int, Field(ge=320, le=4096, multiple_of=16)]
MaskPrompt = Annotated[str, Field(min_length=1)]
"""No document names a limit of its length."""
MaskShape = Literal["CONTOUR", "BOUNDING_BOX", "DEFAULT"]
Switch = Literal["ON", "OFF", "DEFAULT"]
"""No document says how DEFAULT behaves."""


class Shape(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, defer_build=True)


# imageGenerationConfig, "common to all task types except BACKGROUND_REMOVAL. It is optional"


class Sampling(Shape):
    """`number_of_images` is 1 by default, `cfg_scale`, how strictly to follow the prompt, 6.5, and `seed` 12."""

    number_of_images: Annotated[int, Field(ge=1, le=5)] | None = None
    cfg_scale: Annotated[float, Field(ge=1.1, le=10)] | None = None
    seed: Annotated[int, Field(ge=0, le=2_147_483_646)] | None = None


class EditingConfig(Sampling):
    """Results have the size of the picture that is edited: "width and height values should not be provided"."""

    quality: Literal["standard", "premium"] | None = None


class VariationConfig(Sampling):
    """In px, 1024 by default; aspect 1:4 to 4:1, at most 4,194,304 px together. The variation has no `quality`."""

    width: Side | None = None
    height: Side | None = None


class GenerationConfig(EditingConfig, VariationConfig):
    pass


# TEXT_IMAGE


class TextToImageParams(Shape):
    text: Text
    negative_text: Text | None = None
    style: (
        Literal[
            "3D_ANIMATED_FAMILY_FILM",
            "DESIGN_SKETCH",
            "FLAT_VECTOR_ILLUSTRATION",
            "GRAPHIC_NOVEL_ILLUSTRATION",
            "MAXIMALISM",
            "MIDCENTURY_RETRO",
            "PHOTOREALISM",
            "SOFT_DIGITAL_PAINTING",
        ]
        | None
    ) = None


class ConditionedTextToImageParams(TextToImageParams):
    """The result follows the layout of `condition_image`.

    It follows its edges (CANNY_EDGE, the default) or, more freely, its areas (SEGMENTATION). `control_strength`: how
    closely, 0.7 by default.
    """

    condition_image: Picture
    control_mode: Literal["CANNY_EDGE", "SEGMENTATION"] | None = None
    control_strength: Annotated[float, Field(ge=0, le=1)] | None = None


class TextImage(Shape):
    task_type: Literal["TEXT_IMAGE"] = "TEXT_IMAGE"
    text_to_image_params: ConditionedTextToImageParams | TextToImageParams
    image_generation_config: GenerationConfig | None = None


# COLOR_GUIDED_GENERATION


class ColorGuidedGenerationParams(Shape):
    """`colors`: `#RRGGBB`; with a `reference_image` its colours are used too."""

    colors: Annotated[list[Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")]], Field(min_length=1, max_length=10)]
    reference_image: Picture | None = None
    text: Text
    negative_text: Text | None = None


class ColorGuidedGeneration(Shape):
    task_type: Literal["COLOR_GUIDED_GENERATION"] = "COLOR_GUIDED_GENERATION"
    color_guided_generation_params: ColorGuidedGenerationParams
    image_generation_config: GenerationConfig | None = None


# IMAGE_VARIATION


class ImageVariationParams(Shape):
    """`similarity_strength`: lower is freer. `text` is optional: variations are made "with or without a text prompt"."""

    images: Annotated[list[Picture], Field(min_length=1, max_length=5)]
    similarity_strength: Annotated[float, Field(ge=0.2, le=1)] | None = None
    text: Text | None = None
    negative_text: Text | None = None


class ImageVariation(Shape):
    task_type: Literal["IMAGE_VARIATION"] = "IMAGE_VARIATION"
    image_variation_params: ImageVariationParams
    image_generation_config: VariationConfig | None = None


# INPAINTING, OUTPAINTING


class InPaintingParams(Shape):
    """Exactly one mask.

    `mask_prompt` names what changes; in `mask_image` black changes. Without `text` the area under the mask is
    removed.
    """

    image: Picture
    mask_prompt: MaskPrompt | None = None
    mask_image: Picture | None = None
    text: Text | None = None
    negative_text: Text | None = None


class InPainting(Shape):
    task_type: Literal["INPAINTING"] = "INPAINTING"
    in_painting_params: InPaintingParams
    image_generation_config: EditingConfig | None = None


class OutPaintingParams(Shape):
    """Exactly one mask.

    `mask_prompt` names what stays; in `mask_image` white changes. `text` describes the whole picture. Without it the
    model removes the area under the mask, as in inpainting. DEFAULT blends the new surroundings into the old, PRECISE
    keeps to the mask's edge.
    """

    image: Picture
    mask_prompt: MaskPrompt | None = None
    mask_image: Picture | None = None
    out_painting_mode: Literal["DEFAULT", "PRECISE"] | None = None
    text: Text | None = None
    negative_text: Text | None = None


class OutPainting(Shape):
    task_type: Literal["OUTPAINTING"] = "OUTPAINTING"
    out_painting_params: OutPaintingParams
    image_generation_config: EditingConfig | None = None


# BACKGROUND_REMOVAL


class BackgroundRemovalParams(Shape):
    image: Picture


class BackgroundRemoval(Shape):
    """One PNG "with full 8-bit transparency"; there is nothing to configure."""

    task_type: Literal["BACKGROUND_REMOVAL"] = "BACKGROUND_REMOVAL"
    background_removal_params: BackgroundRemovalParams


# VIRTUAL_TRY_ON


class ImageBasedMask(Shape):
    """Black changes."""

    mask_image: Picture


class GarmentStyling(Shape):
    """Styling for upper-body garments; `outer_layer_style` for an outer layer.

    SLEEVE_UP and TUCKED also ask something of the source picture, which the client must know.
    """

    long_sleeve_style: Literal["SLEEVE_DOWN", "SLEEVE_UP"] | None = None
    tucking_style: Literal["UNTUCKED", "TUCKED"] | None = None
    outer_layer_style: Literal["CLOSED", "OPEN"] | None = None


class GarmentBasedMask(Shape):
    """`garment_class`: one of the vendor's 4 coarse and 14 fine classes."""

    garment_class: str
    mask_shape: MaskShape | None = None
    garment_styling: GarmentStyling | None = None


class PromptBasedMask(Shape):
    """`mask_prompt` names what changes; the bounding box around it is the default shape."""

    mask_prompt: MaskPrompt
    mask_shape: MaskShape | None = None


class MaskExclusions(Shape):
    """ON: keep as in the source; OFF: redraw."""

    preserve_body_pose: Switch | None = None
    preserve_hands: Switch | None = None
    preserve_face: Switch | None = None


class VirtualTryOnParams(Shape):
    """The pictures and the mask of a try-on.

    `source_image`: a person or a scene; `reference_image`: the thing to put into it. `mask_type` selects exactly one
    of the three mask blocks.
    """

    source_image: Picture
    reference_image: Picture
    mask_type: Literal["IMAGE", "GARMENT", "PROMPT"]
    image_based_mask: ImageBasedMask | None = None
    garment_based_mask: GarmentBasedMask | None = None
    prompt_based_mask: PromptBasedMask | None = None
    mask_exclusions: MaskExclusions | None = None
    merge_style: Literal["BALANCED", "SEAMLESS", "DETAILED"] | None = None
    return_mask: bool | None = None


class VirtualTryOn(Shape):
    task_type: Literal["VIRTUAL_TRY_ON"] = "VIRTUAL_TRY_ON"
    virtual_try_on_params: VirtualTryOnParams
    image_generation_config: EditingConfig | None = None


Body = TextImage | ColorGuidedGeneration | ImageVariation | InPainting | OutPainting | BackgroundRemoval | VirtualTryOn
