"""The answers of Gemini, and the cost of their tokens. An answer is an image, a block, an error, or has no image.

Source: `google-genai` 3.6.1 (`types.py`: `FinishReason`, `BlockedReason`, `UsageMetadata`).
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fitting_room.providers.gemini.entry import ENTRY

BLOCKED = frozenset(
    {
        "SAFETY",
        "IMAGE_SAFETY",
        "PROHIBITED_CONTENT",
        "IMAGE_PROHIBITED_CONTENT",
        "BLOCKLIST",
        "SPII",
        "RECITATION",
        "IMAGE_RECITATION",
    }
)
LIMITED_ACCOUNT = "PUP_LIMITED_DISABLED"
ENDED = "STOP"


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Data(_Wire):
    mimeType: str | None = None  # noqa: N815
    data: str


class Part(_Wire):
    """`thought`: on the way to the answer, and no part of it."""

    text: str | None = None
    thought: bool = False
    inlineData: Data | None = None  # noqa: N815


class Content(_Wire):
    parts: list[Part] = []


class Candidate(_Wire):
    content: Content = Content()
    finishReason: str | None = None  # noqa: N815
    finishMessage: str | None = None  # noqa: N815


class Feedback(_Wire):
    blockReason: str | None = None  # noqa: N815
    blockReasonMessage: str | None = None  # noqa: N815


class Counted(_Wire):
    modality: str | None = None
    tokenCount: int = 0  # noqa: N815


class UsageMetadata(_Wire):
    promptTokenCount: int = 0  # noqa: N815
    candidatesTokenCount: int = 0  # noqa: N815
    thoughtsTokenCount: int = 0  # noqa: N815
    candidatesTokensDetails: list[Counted] = []  # noqa: N815


class Answer(_Wire):
    candidates: list[Candidate] = []
    promptFeedback: Feedback = Feedback()  # noqa: N815
    usageMetadata: UsageMetadata | None = None  # noqa: N815

    @property
    def blocked(self) -> str | None:
        """Why the request itself was blocked."""
        return None if self.candidates else self.promptFeedback.blockReason

    @property
    def candidate(self) -> Candidate:
        return self.candidates[0] if self.candidates else Candidate()

    def images(self) -> Iterator[bytes]:
        """Yield the images of the answer.

        Raises `ValueError` for an image that is no base64, of either alphabet.
        """
        for part in self.candidate.content.parts:
            if part.inlineData and not part.thought:
                yield b64decode(part.inlineData.data.replace("-", "+").replace("_", "/"), validate=True)

    def text(self) -> str:
        return " ".join(part.text for part in self.candidate.content.parts if part.text and not part.thought)

    def amount(self, model: str) -> float | None:
        """Return the cost of the tokens in the currency of the prices.

        None for a model whose price is not one of all its tokens, or if nothing was counted.
        """
        prices = (price for price in ENTRY.prices if price.model == model and price.basis == "token")
        price, used = next(prices, None), self.usageMetadata
        if price is None or used is None or price.amount is None or price.taken is None or price.written is None:
            return None
        drawn = sum(each.tokenCount for each in used.candidatesTokensDetails if each.modality == "IMAGE")
        if not used.candidatesTokensDetails and any(part.inlineData for part in self.candidate.content.parts):
            drawn = used.candidatesTokenCount
        written = max(0, used.candidatesTokenCount - drawn) + used.thoughtsTokenCount
        return round(used.promptTokenCount * price.taken + written * price.written + drawn * price.amount, 6)


class Error(_Wire):
    """`status`: the name of the error, such as RESOURCE_EXHAUSTED."""

    message: str | None = None
    status: str | None = None
    details: list[dict[str, Any]] = Field(default=[])

    @property
    def retry_after(self) -> float | None:
        """Seconds of a `RetryInfo`, which says them as `17s`."""
        told = next((str(each["retryDelay"]) for each in self.details if "retryDelay" in each), "")
        number = told.removesuffix("s")
        return min(float(number), 3600.0) if number.replace(".", "", 1).isdecimal() else None

    @property
    def reasons(self) -> set[str]:
        return {str(each.get("reason")) for each in self.details}


class _Refused(_Wire):
    error: Error


class _OddRefused(_Wire):
    """The form of a gateway's answer."""

    message: str | None = None


def error_of(content: bytes) -> Error:
    try:
        return _Refused.model_validate_json(content).error
    except (ValidationError, RecursionError):
        pass
    try:
        return Error(message=_OddRefused.model_validate_json(content).message)
    except (ValidationError, RecursionError):
        return Error()
