"""The input objects of fal's models as its documents state them: fields, enums, ranges.

Sources: `types/endpoints.d.ts` of `@fal-ai/client` 1.10.1 (npm); the pages `https://fal.ai/models/<id>/llms.txt`. Of
`openai/gpt-image-2/edit` only a second-hand list of fields was read.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from local.simulators.kit.editors import region
from local.simulators.kit.strict import Strict

MEGA = 1_000_000


def _located(text: str) -> str:
    if not re.match(r"https?://[^/\s]+|data:image/[a-z]+;base64,", text):
        raise ValueError("must be a URL, or a data URL: data:image/<format>;base64,")
    return text


Located = Annotated[str, AfterValidator(_located)]
Prompt = Annotated[str, Field(min_length=1)]
Ratio = Literal[
    "auto", "21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16", "4:1", "1:4", "8:1", "1:8"
]
CLOTHES = {"auto": "auto", "tops": "upper", "bottoms": "lower", "one-pieces": "full"}
"""What the preview engine calls a category."""


class Input(Strict):
    """`limits`: the most pixels of the person and of a garment, where the document names them."""

    limits: ClassVar[tuple[int, int] | None] = None

    @property
    def person(self) -> str:
        raise NotImplementedError

    @property
    def garments(self) -> list[str]:
        raise NotImplementedError

    @property
    def count(self) -> int:
        return 1

    @property
    def regions(self) -> list[str]:
        """Of each garment, what the preview engine calls its place."""
        return ["auto"]

    @property
    def format(self) -> Literal["png", "jpeg", "webp"]:
        return "png"

    @property
    def first_seed(self) -> int:
        return 42

    @property
    def ratio(self) -> str:
        """The shape that the result is to have; `auto`: the person's."""
        return "auto"


class FashnTryOn(Input):
    model_image: Located
    garment_image: Located
    category: Literal["auto", "tops", "bottoms", "one-pieces"] = "auto"
    mode: Literal["performance", "balanced", "quality"] = "balanced"
    garment_photo_type: Literal["auto", "model", "flat-lay"] = "auto"
    moderation_level: Literal["none", "permissive", "conservative"] = "permissive"
    num_samples: Annotated[int, Field(ge=1, le=4)] = 1
    segmentation_free: bool = True
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = None
    output_format: Literal["png", "jpeg"] = "png"
    sync_mode: bool = False

    @property
    def person(self) -> str:
        return self.model_image

    @property
    def garments(self) -> list[str]:
        return [self.garment_image]

    @property
    def count(self) -> int:
        return self.num_samples

    @property
    def regions(self) -> list[str]:
        return [CLOTHES[self.category]]

    @property
    def format(self) -> Literal["png", "jpeg", "webp"]:
        return self.output_format

    @property
    def first_seed(self) -> int:
        return 42 if self.seed is None else self.seed


class FluxVto(Input):
    """The end of the list of its fields was not read, so what it may hold beyond these is refused here."""

    limits: ClassVar = (2 * MEGA, MEGA)

    prompt: Prompt
    human_image_url: Located
    garment_image_url: Located

    @property
    def person(self) -> str:
        return self.human_image_url

    @property
    def garments(self) -> list[str]:
        return [self.garment_image_url]


class Edit(Input):
    """Several images: which of them is the person, only the prompt says."""

    prompt: Prompt
    image_urls: Annotated[list[Located], Field(min_length=1, max_length=14)]
    num_images: Annotated[int, Field(ge=1, le=4)] = 1

    @property
    def person(self) -> str:
        said = re.search(r"[Ii]mage (\d+) shows the person", self.prompt)
        return self.image_urls[min(int(said[1]), len(self.image_urls)) - 1 if said else 0]

    @property
    def garments(self) -> list[str]:
        return [self.image_urls[n - 1] for n in self._numbers]

    @property
    def regions(self) -> list[str]:
        return [region(self.prompt, n) for n in self._numbers]

    @property
    def _numbers(self) -> list[int]:
        """Of the images that show no person, or of all where they are one and the same."""
        every = range(1, len(self.image_urls) + 1)
        return [n for n in every if self.image_urls[n - 1] != self.person] or list(every)

    @property
    def count(self) -> int:
        return self.num_images


class NanoBananaEdit(Edit):
    aspect_ratio: Ratio = "auto"
    resolution: Literal["0.5K", "1K", "2K", "4K"] = "1K"
    output_format: Literal["png", "jpeg", "webp"] = "png"
    safety_tolerance: Literal["1", "2", "3", "4", "5", "6"] = "4"
    limit_generations: bool = True
    enable_web_search: bool = False
    thinking_level: Literal["minimal", "high"] | None = None
    seed: Annotated[int, Field(ge=0)] | None = None
    sync_mode: bool = False

    @property
    def format(self) -> Literal["png", "jpeg", "webp"]:
        return self.output_format

    @property
    def first_seed(self) -> int:
        return self.seed or 42

    @property
    def ratio(self) -> str:
        return self.aspect_ratio


class GptImageEdit(Edit):
    image_urls: Annotated[list[Located], Field(min_length=1, max_length=10)]
    quality: Literal["auto", "low", "medium", "high"] = "high"
    output_format: Literal["png", "jpeg", "webp"] = "png"
    sync_mode: bool = False

    @property
    def format(self) -> Literal["png", "jpeg", "webp"]:
        return self.output_format


MODELS: dict[str, type[Input]] = {
    "fal-ai/fashn/tryon/v1.6": FashnTryOn,
    "fal-ai/flux-pro/v1/vto": FluxVto,
    "fal-ai/nano-banana-2/edit": NanoBananaEdit,
    "openai/gpt-image-2/edit": GptImageEdit,
}


def detail(error: Any) -> dict[str, Any]:
    """Describe one fault in the vendor's shape; `input` would repeat what was sent, and is left out."""
    kind = {"missing": "value_error.missing", "less_than_equal": "less_than", "greater_than_equal": "greater_than"}
    return {
        "loc": ["body", *error["loc"]],
        "msg": error["msg"],
        "type": kind.get(error["type"], error["type"]),
        "url": "https://docs.fal.ai/errors",
    }
