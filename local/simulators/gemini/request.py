"""`generateContent` for a model of images, as Google's client states it: fields, enums, ranges.

Source: `types.py` of `google-genai` 3.6.1 (PyPI), and the body that it sends. It writes `inlineData` with `mime_type` in it, so
both spellings are taken there. What the types list for Vertex AI only is refused.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal

from pydantic import AfterValidator, AliasChoices, ConfigDict, Field, model_validator

from local.simulators.kit.strict import Strict

MODELS = {
    "gemini-nano-banana-2.1": ("1K", "2K", "4K"),
    "gemini-3.1-flash-lite-image": ("1K",),
    "gemini-3-pro-image": ("1K", "2K", "4K"),
}
"""The models in service, with the sizes that each draws."""
MOST_BYTES = 20_000_000
MOST_IMAGES = 14
Ratio = Literal["1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9", "1:4", "4:1", "1:8", "8:1"]


def raw(text: str) -> bytes:
    """Decode base64 of either alphabet: Google's client writes the one for addresses. Raises ValueError."""
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error:
        raise ValueError("Base64 decoding failed") from None


def _base64(text: str) -> str:
    raw(text)
    return text


class InlineData(Strict):
    model_config = ConfigDict(populate_by_name=True)

    mimeType: Annotated[  # noqa: N815
        Literal["image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"],
        Field(validation_alias=AliasChoices("mimeType", "mime_type")),
    ]
    data: Annotated[str, AfterValidator(_base64)]


class Part(Strict):
    text: Annotated[str, Field(min_length=1)] | None = None
    inlineData: InlineData | None = None  # noqa: N815

    @model_validator(mode="after")
    def one(self) -> Part:
        if (self.text is None) == (self.inlineData is None):
            raise ValueError("a part has exactly one field of the union `data`")
        return self


class Content(Strict):
    role: Literal["user"] = "user"
    parts: Annotated[list[Part], Field(min_length=1)]


class SafetySetting(Strict):
    category: Literal[
        "HARM_CATEGORY_HARASSMENT",
        "HARM_CATEGORY_HATE_SPEECH",
        "HARM_CATEGORY_SEXUALLY_EXPLICIT",
        "HARM_CATEGORY_DANGEROUS_CONTENT",
    ]
    threshold: Literal["BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_ONLY_HIGH", "BLOCK_NONE", "OFF"]


class ImageConfig(Strict):
    aspectRatio: Ratio | None = None  # noqa: N815
    imageSize: Literal["1K", "2K", "4K"] | None = None  # noqa: N815
    personGeneration: Literal["ALLOW_ALL", "ALLOW_ADULT", "ALLOW_NONE"] | None = None  # noqa: N815


class GenerationConfig(Strict):
    candidateCount: Annotated[int, Field(ge=1, le=1)] | None = None  # noqa: N815
    seed: Annotated[int, Field(ge=-(2**31), le=2**31 - 1)] | None = None
    responseModalities: Annotated[list[Literal["TEXT", "IMAGE"]], Field(min_length=1)] | None = None  # noqa: N815
    imageConfig: ImageConfig | None = None  # noqa: N815
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None


class GenerateContent(Strict):
    contents: Annotated[list[Content], Field(min_length=1)]
    safetySettings: list[SafetySetting] | None = None  # noqa: N815
    generationConfig: GenerationConfig | None = None  # noqa: N815

    @property
    def texts(self) -> list[str]:
        return [part.text for content in self.contents for part in content.parts if part.text]

    @property
    def images(self) -> list[bytes]:
        return [raw(part.inlineData.data) for content in self.contents for part in content.parts if part.inlineData]
