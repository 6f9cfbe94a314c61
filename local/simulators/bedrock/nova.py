"""Nova Canvas: what it answers and sells for each of its eight requests."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from functools import partial
from secrets import token_hex
from typing import Any

from PIL import Image

from local.simulators.bedrock import nova_images
from local.simulators.bedrock.errors import refusal
from local.simulators.bedrock.models import NOVA_CANVAS
from local.simulators.bedrock.nova_request import (
    BackgroundRemoval,
    ColorGuidedGeneration,
    ImageVariation,
    InPainting,
    InPaintingParams,
    NovaRequest,
    OutPainting,
    TextImage,
    VirtualTryOn,
    parse,
)
from local.simulators.bedrock.nova_schema import GenerationConfig, VariationConfig
from local.simulators.bedrock.nova_try_on import FOOTWEAR, LOWER_BODY, UPPER_BODY, VirtualTryOnParams
from local.simulators.kit.faults import Faults
from local.simulators.kit.previews import CannotDrawError, Picture, Previews
from local.simulators.kit.records import Log
from local.simulators.kit.server import AnswerError

INPUT_BLOCKED = (
    "This request has been blocked by our content filters. Please adjust your input image to submit a new request."
)
ALL_BLOCKED = "All of the generated images have been blocked by our content filters."
SOME_BLOCKED = "Some of the generated images have been blocked by our content filters."

Drawing = tuple[str, list[Image.Image], dict[str, Any]]
"""A task of the previews, its pictures and its options but for the seed."""


class NovaCanvas:
    def __init__(self, previews: Previews, faults: Faults, purchases: Log) -> None:
        self._previews, self._faults, self._purchases = previews, faults, purchases

    async def answer(self, body: object) -> dict[str, Any]:
        """Answer a request. Raises MalformedError, CannotDrawError, and AnswerError for a fault."""
        if self._faults.take("submit", "input_blocked"):
            raise AnswerError(refusal("ValidationException", INPUT_BLOCKED))
        asked = parse(body)
        config = None if isinstance(asked, BackgroundRemoval) else asked.config
        label = {"provider": "bedrock", "model": NOVA_CANVAS, "task": asked.task_type}
        draw: Callable[..., Awaitable[Picture]]
        if isinstance(asked, VirtualTryOn):
            draw = partial(
                self._try_on, *await asyncio.to_thread(_dressing, asked.params), label, asked.params.mask_type
            )
        else:
            task, pictures, options = await asyncio.to_thread(_drawing, asked)
            draw = partial(self._previews.draw, task, *pictures, format="png", label=label, **options)
        if config is None:
            return self._sold(asked, [await draw()])
        return self._sold(
            asked, await asyncio.gather(*(draw(seed=config.seed + n) for n in range(config.number_of_images)))
        )

    async def _try_on(
        self,
        source: Image.Image,
        reference: Image.Image,
        options: dict[str, Any],
        label: dict[str, str],
        mask_type: str,
        *,
        seed: int,
    ) -> Picture:
        """Put a garment on a person, or else an object into a scene.

        A scene is drawn where the mask comes from no garment class and the engine cannot dress a person.
        """
        try:
            return await self._previews.try_on(source, reference, format="png", label=label, seed=seed, **options)
        except CannotDrawError:
            if mask_type == "GARMENT":
                raise
        scene = {key: options[key] for key in ("mask", "prompt", "shape", "merge") if key in options}
        draw = self._previews.draw
        return await draw("scene.placed", source, reference, format="png", label=label, seed=seed, **scene)

    def _sold(self, asked: NovaRequest, pictures: list[Picture]) -> dict[str, Any]:
        kept = pictures
        if self._faults.take("submit", "blocked"):
            kept = []
        elif self._faults.take("submit", "partial"):
            kept = pictures[:-1]
        quality = getattr(getattr(asked, "config", None), "quality", "standard")
        self._purchases.add(
            id=token_hex(12), charged=True if kept else None, model=NOVA_CANVAS, images=len(kept), quality=quality,
            width=pictures[0].width, height=pictures[0].height,
            summary=f"{asked.task_type}: {len(kept)} of {len(pictures)} {quality}",
        )  # fmt: skip
        answer: dict[str, Any] = {"images": [_b64(picture.image) for picture in kept]} if kept else {}
        if isinstance(asked, VirtualTryOn) and asked.params.return_mask and pictures[0].mask:
            answer["maskImage"] = _b64(pictures[0].mask)
        if len(kept) < len(pictures):
            answer["error"] = SOME_BLOCKED if kept else ALL_BLOCKED
        return answer


def _drawing(asked: NovaRequest) -> Drawing:
    """Choose the drawing and its options. Raises MalformedError for a picture that breaks the rules."""
    options: dict[str, Any]
    match asked:
        case TextImage(params=params, config=config):
            options = {"text": params.text, "style": params.style or "", "size": _size(config)}
            if params.condition_image is None:
                return "generate.text_image", [], options
            condition = nova_images.picture("conditionImage", params.condition_image)
            options |= {"mode": params.control_mode, "strength": params.control_strength}
            return "generate.conditioned", [condition], options
        case ColorGuidedGeneration(params=params, config=config):
            given = params.reference_image
            pictures = [] if given is None else [nova_images.picture("referenceImage", given)]
            return (
                "generate.colour_guided",
                pictures,
                {"colours": params.colors, "text": params.text, "size": _size(config)},
            )
        case ImageVariation(params=params, config=config):
            pictures = [nova_images.picture(f"images/{n}", each) for n, each in enumerate(params.images)]
            options = {"text": params.text or "", "similarity": params.similarity_strength, "size": _size(config)}
            return "generate.variation", pictures, options
        case OutPainting(params=params):
            image, options = _masked(params, "white")
            return "edit.outpainted", [image], options | {"precise": params.out_painting_mode == "PRECISE"}
        case InPainting(params=params):
            image, options = _masked(params, "black")
            return "edit.inpainted", [image], options
        case BackgroundRemoval(params=params):
            return "edit.without_background", [nova_images.picture("image", params.image)], {}
    raise AssertionError(asked.task_type)


def _size(config: VariationConfig | GenerationConfig) -> tuple[int, int]:
    return config.width, config.height


def _masked(params: InPaintingParams, edits: Any) -> tuple[Image.Image, dict[str, Any]]:
    image, where = nova_images.picture("image", params.image), dict[str, Any](prompt=params.mask_prompt or "")
    if params.mask_image is not None:
        where = {"mask": nova_images.mask("maskImage", params.mask_image, image, edits=edits)}
    return image, where | {"text": params.text}


def _dressing(params: VirtualTryOnParams) -> tuple[Image.Image, Image.Image, dict[str, Any]]:
    """Return person, garment and the engine's options. Raises MalformedError.

    What DEFAULT keeps is not documented: here face and hands, but not the pose, which would undo a bounding box.
    """
    person = nova_images.picture("sourceImage", params.source_image)
    garment = nova_images.picture("referenceImage", params.reference_image)
    keep = params.mask_exclusions
    options: dict[str, Any] = {
        "keep_face": keep.preserve_face != "OFF",
        "keep_hands": keep.preserve_hands != "OFF",
        "keep_pose": keep.preserve_body_pose == "ON",
        "merge": params.merge_style.lower(),
    }
    return person, garment, options | _where(params, person)


def _where(params: VirtualTryOnParams, person: Image.Image) -> dict[str, Any]:
    """Return the engine's options that say what changes."""
    if block := params.image_based_mask:
        mask = nova_images.mask("maskImage", block.mask_image, person)
        return {"region": "auto", "shape": "contour", "mask": mask, "styling": {}}
    if named := params.prompt_based_mask:
        return {"region": "auto", "shape": _shape(named.mask_shape), "prompt": named.mask_prompt, "styling": {}}
    worn = params.garment_based_mask
    assert worn
    styling = worn.garment_styling.model_dump(exclude_unset=True, by_alias=True)
    return {"region": _region(worn.garment_class), "shape": _shape(worn.mask_shape), "styling": styling}


def _region(garment_class: str) -> str:
    if garment_class in UPPER_BODY:
        return "upper"
    if garment_class in LOWER_BODY:
        return "lower"
    return "foot" if garment_class in FOOTWEAR else "full"


def _shape(mask_shape: str) -> str:
    """Take DEFAULT as the bounding box.

    That is documented for prompt masks. For garment masks no document says what it is.
    """
    return "contour" if mask_shape == "CONTOUR" else "bounding_box"


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
