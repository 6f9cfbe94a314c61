"""Stability AI's models on Bedrock: what they answer and sell, one picture a call."""

from __future__ import annotations

import asyncio
import base64
from secrets import randbelow, token_hex
from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from local.simulators.bedrock import stability_request
from local.simulators.bedrock.stability_request import Inpaint, RemoveBackground, StabilityRequest
from local.simulators.kit.faults import Faults
from local.simulators.kit.pictures import MalformedError, Rules, opened
from local.simulators.kit.previews import Picture, Previews
from local.simulators.kit.records import Log

RULES = Rules(
    formats=("JPEG", "PNG", "WEBP"), min_side=64, max_side=9_437_184 // 64, max_aspect=2.5, max_pixels=9_437_184
)
REASONS = ("Filter reason: prompt", "Filter reason: output image", "Filter reason: input image", "Inference error")
SIZES = {
    "16:9": (1344, 768), "1:1": (1024, 1024), "21:9": (1536, 640), "2:3": (832, 1216), "3:2": (1216, 832),
    "4:5": (896, 1088), "5:4": (1088, 896), "9:16": (768, 1344), "9:21": (640, 1536),
}  # fmt: skip
"""Width and height in pixels: "640 to 1,536 px" each is documented, which one for which ratio is not."""


class Stability:
    def __init__(self, previews: Previews, faults: Faults, purchases: Log) -> None:
        self._previews, self._faults, self._purchases = previews, faults, purchases

    async def answer(self, model: str, body: object) -> dict[str, Any]:
        """Answer a request. `model`: without the profile's prefix. Raises MalformedError."""
        asked = stability_request.parse(model, body)
        seed = getattr(asked, "seed", 0) or 1 + randbelow(4_294_967_294)
        label = {"provider": "bedrock", "model": model, "task": type(asked).__name__}
        task, pictures, options = await asyncio.to_thread(_drawing, asked, seed)
        drawn = await self._previews.draw(task, *pictures, format=asked.output_format, label=label, **options)
        return self._sold(model, asked, drawn, seed)

    def _sold(self, model: str, asked: StabilityRequest, drawn: Picture, seed: int) -> dict[str, Any]:
        filtered = self._faults.take("submit", "filtered")
        images = 0 if filtered else 1
        self._purchases.add(
            id=token_hex(12), charged=None if filtered else True, model=model, images=images,
            width=drawn.width, height=drawn.height, summary=f"{type(asked).__name__}: {images} {asked.output_format}",
        )  # fmt: skip
        if filtered:
            return dict(filtered.body or {"finish_reasons": [filtered.reason]})
        return {"seeds": [seed], "finish_reasons": [None], "images": [base64.b64encode(drawn.image).decode()]}


def _drawing(asked: StabilityRequest, seed: int) -> tuple[str, list[Image.Image], dict[str, Any]]:
    """Choose the previews' task, pictures and options. Raises MalformedError for a picture that breaks the rules."""
    if isinstance(asked, RemoveBackground):
        return "edit.without_background", [_flat(opened("image", asked.image, RULES))], {}
    if isinstance(asked, Inpaint):
        image = opened("image", asked.image, RULES)
        share = _strength(image, asked)
        return "edit.blended", [_flat(image)], {"share": share, "text": asked.prompt, "seed": seed}
    return "generate.text_image", [], {"text": asked.prompt, "size": SIZES[asked.aspect_ratio], "seed": seed}


def _strength(image: Image.Image, asked: Inpaint) -> Image.Image:
    """Say how much of each pixel is inpainted, 0 to 255, grown outward with a blurred edge. Raises MalformedError."""
    if asked.mask is not None:
        mask = opened("mask", asked.mask, RULES).convert("RGB").convert("L").resize(image.size)
    else:
        mask = ImageChops.invert(image.convert("RGBA").getchannel("A"))
    if not mask.getbbox() and asked.mask is None:
        raise MalformedError("mask: without a mask the image needs transparent pixels, which are the ones to inpaint")
    if asked.grow_mask:
        grown = mask.filter(ImageFilter.MaxFilter(2 * asked.grow_mask + 1)).filter(
            ImageFilter.GaussianBlur(asked.grow_mask / 2)
        )
        mask = Image.fromarray(np.maximum(np.asarray(mask), np.asarray(grown)))
    return mask


def _flat(image: Image.Image) -> Image.Image:
    return image.convert("RGBA").convert("RGB") if "A" in image.getbands() else image.convert("RGB")
