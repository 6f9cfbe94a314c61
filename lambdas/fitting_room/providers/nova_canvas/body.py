"""An order as the request that Nova Canvas gets."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, TypeVar

from fitting_room.jobs.request import GarmentMask, ImageMask, Output, PromptMask
from fitting_room.jobs.tasks import (
    ColorGuided,
    ImageVariation,
    Inpaint,
    Keep,
    Outpaint,
    RemoveBackground,
    Size,
    Styling,
    TextToImage,
    TryOn,
)
from fitting_room.providers.adapter import Input, Order
from fitting_room.providers.nova_canvas import shapes
from fitting_room.providers.nova_canvas.garments import garment_class
from fitting_room.providers.shared.masks import in_rgb, inverted

Config = TypeVar("Config", bound=shapes.Sampling)
_QUALITY = {None: None, "standard": "standard", "best": "premium"}
_SLEEVES = {None: None, "up": "SLEEVE_UP", "down": "SLEEVE_DOWN"}
_TUCK = {None: None, "in": "TUCKED", "out": "UNTUCKED"}
_SWITCH = {None: None, True: "ON", False: "OFF", "default": "DEFAULT"}
_MODE = {None: None, "soft": "DEFAULT", "precise": "PRECISE"}


def body_of(order: Order) -> shapes.Body:
    match order.request:
        case TryOn() as request:
            return _try_on(order, request)
        case TextToImage() as request:
            return _text_image(order, request)
        case ColorGuided() as request:
            return _color_guided(order, request)
        case ImageVariation() as request:
            return _variation(order, request)
        case Inpaint() as request:
            return _inpainting(order, request)
        case Outpaint() as request:
            return _outpainting(order, request)
        case RemoveBackground():
            return shapes.BackgroundRemoval(
                background_removal_params=shapes.BackgroundRemovalParams(image=_base64(order.base))
            )
        case _:
            raise AssertionError("the catalogue offers this provider for nothing else")


def json_of(body: shapes.Body) -> bytes:
    return body.model_dump_json(by_alias=True, exclude_none=True).encode()


def _text_image(order: Order, request: TextToImage) -> shapes.TextImage:
    words: Any = {"text": request.prompt, "negative_text": request.negative_prompt, "style": _enum(request.style)}
    params = shapes.TextToImageParams(**words)
    if (condition := request.condition) is not None:
        params = shapes.ConditionedTextToImageParams(
            **words,
            condition_image=_base64(order.inputs["condition"]),
            control_mode=_enum(condition.control),
            control_strength=condition.strength,
        )
    return shapes.TextImage(text_to_image_params=params, image_generation_config=_generation(order, request.size))


def _color_guided(order: Order, request: ColorGuided) -> shapes.ColorGuidedGeneration:
    reference = order.inputs.get("reference")
    return shapes.ColorGuidedGeneration(
        color_guided_generation_params=shapes.ColorGuidedGenerationParams(
            colors=request.colors,
            reference_image=_base64(reference) if reference else None,
            text=request.prompt,
            negative_text=request.negative_prompt,
        ),
        image_generation_config=_generation(order, request.size),
    )


def _variation(order: Order, request: ImageVariation) -> shapes.ImageVariation:
    return shapes.ImageVariation(
        image_variation_params=shapes.ImageVariationParams(
            images=[_base64(image) for image in order.numbered("image")],
            similarity_strength=request.similarity,
            text=request.prompt,
            negative_text=request.negative_prompt,
        ),
        image_generation_config=_if_any(shapes.VariationConfig(**_sampling(order), **_size(request.size))),
    )


def _inpainting(order: Order, request: Inpaint) -> shapes.InPainting:
    return shapes.InPainting(
        in_painting_params=shapes.InPaintingParams(
            image=_base64(order.base),
            mask_prompt=_words(request.mask),
            mask_image=_base64(in_rgb(order.mask)) if order.mask else None,
            text=request.prompt,
            negative_text=request.negative_prompt,
        ),
        image_generation_config=_editing(order),
    )


def _outpainting(order: Order, request: Outpaint) -> shapes.OutPainting:
    """Build the parameters of an outpainting, with the mask inverted.

    Unconfirmed: page `image-gen-access` has the model change the white of a mask here. The request page says that
    this task and inpainting are opposites. The description of the field itself says black, as for inpainting.
    """
    return shapes.OutPainting(
        out_painting_params=shapes.OutPaintingParams(
            image=_base64(order.base),
            mask_prompt=_words(request.mask),
            mask_image=_base64(inverted(order.mask, "RGB")) if order.mask else None,
            out_painting_mode=_MODE[request.transition],
            text=request.prompt,
            negative_text=request.negative_prompt,
        ),
        image_generation_config=_editing(order),
    )


def _try_on(order: Order, request: TryOn) -> shapes.VirtualTryOn:
    return shapes.VirtualTryOn(
        virtual_try_on_params=shapes.VirtualTryOnParams(
            source_image=_base64(order.base),
            reference_image=_base64(order.garments[0]),
            **_mask(request, order.mask),
            mask_exclusions=_exclusions(request.keep),
            merge_style=_enum(request.merge),
            return_mask=request.output.mask or None,
        ),
        image_generation_config=_editing(order),
    )


def _mask(request: TryOn, image: Input | None) -> dict[str, Any]:
    mask = request.mask or GarmentMask(type="garment")
    match mask:
        case ImageMask():
            assert image is not None, "an image mask is prepared with the person image"
            return {"mask_type": "IMAGE", "image_based_mask": shapes.ImageBasedMask(mask_image=_base64(in_rgb(image)))}
        case PromptMask():
            return {
                "mask_type": "PROMPT",
                "prompt_based_mask": shapes.PromptBasedMask(mask_prompt=mask.prompt, mask_shape=_enum(mask.shape)),
            }
        case GarmentMask():
            named = garment_class(request.garments[0])
            assert named is not None, "a rule of the catalogue asks for a class"
            return {
                "mask_type": "GARMENT",
                "garment_based_mask": shapes.GarmentBasedMask(
                    garment_class=named, mask_shape=_enum(mask.shape), garment_styling=_styling(request.styling)
                ),
            }


def _styling(styling: Styling) -> shapes.GarmentStyling | None:
    if styling == Styling():
        return None
    return shapes.GarmentStyling.model_validate(
        {
            "long_sleeve_style": _SLEEVES[styling.sleeves],
            "tucking_style": _TUCK[styling.tuck],
            "outer_layer_style": _enum(styling.outer_layer),
        }
    )


def _exclusions(keep: Keep) -> shapes.MaskExclusions | None:
    if keep == Keep():
        return None
    return shapes.MaskExclusions.model_validate(
        {
            "preserve_body_pose": _SWITCH[keep.pose],
            "preserve_hands": _SWITCH[keep.hands],
            "preserve_face": _SWITCH[keep.face],
        }
    )


def _generation(order: Order, size: Size | None) -> shapes.GenerationConfig | None:
    return _if_any(shapes.GenerationConfig(**_sampling(order), **_size(size), **_quality(order.request.output)))


def _editing(order: Order) -> shapes.EditingConfig | None:
    return _if_any(shapes.EditingConfig(**_sampling(order), **_quality(order.request.output)))


def _if_any(config: Config) -> Config | None:
    """Return the configuration, or None if all its values are absent.

    Source: "If you omit this object, the default configurations are used".
    """
    return config if any(value is not None for _, value in config) else None


def _sampling(order: Order) -> dict[str, Any]:
    """Return the number of images, the guidance and the seed.

    One image is the vendor's default, so it is left out.
    """
    output = order.request.output
    count = None if output.count == 1 else output.count
    return {"number_of_images": count, "cfg_scale": output.guidance, "seed": order.seed}


def _quality(output: Output) -> dict[str, Any]:
    return {"quality": _QUALITY[output.quality]}


def _size(size: Size | None) -> dict[str, int]:
    return {"width": size.width, "height": size.height} if size else {}


def _words(mask: PromptMask | ImageMask) -> str | None:
    return mask.prompt if isinstance(mask, PromptMask) else None


def _enum(word: str | None) -> Any:
    """Return a word of this API in capitals, as the vendor's enums have it."""
    return word and word.upper()


def _base64(picture: Input) -> str:
    return b64encode(picture.read()).decode()
