"""The Gemini API, `models/{model}:generateContent` for images; for the vendor's Python client and the documented calls.

The last image is taken for the person, and those before it for garments, which are put on in this order. A block and an
answer without an image have status 200, as at the vendor, and count tokens. Not shown: Interactions, streaming, tools,
files, rates of a project.
"""

from __future__ import annotations

import base64
from typing import Any, ClassVar
from uuid import uuid4

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.simulators.gemini.request import MODELS, MOST_BYTES, MOST_IMAGES, GenerateContent
from local.simulators.kit.editors import dressed, region
from local.simulators.kit.loading import ImageLoadError, decoded
from local.simulators.kit.previews import CannotDrawError, Previews
from local.simulators.kit.server import AnswerError, Simulator
from local.simulators.kit.shapes import shaped

PIXELS = {"1K": 1_000_000, "2K": 4_000_000, "4K": 16_000_000}
TOKENS = {"1K": 1120, "2K": 1680, "4K": 2520}
"""Of an image that comes out; only the first was read."""
IMAGE_TOKENS = 258
ERRORS = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
BY_STATUS = {status: name for name, status in ERRORS.items()} | {400: "INVALID_ARGUMENT"}
PROMPT = "prompt:"
"""Before a `blockReason`: the request itself is blocked. Every other reason is a `finishReason`."""
REASONS = (
    "SAFETY",
    "IMAGE_SAFETY",
    "PROHIBITED_CONTENT",
    "IMAGE_PROHIBITED_CONTENT",
    "RECITATION",
    "NO_IMAGE",
    "IMAGE_OTHER",
    "MAX_TOKENS",
    "PUP_LIMITED_DISABLED",
    "STOP",
    *(f"{PROMPT}{reason}" for reason in ("SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY")),
)


class Gemini(Simulator):
    name = "gemini"
    fault_kinds: ClassVar = {
        "submit": (
            "delay",
            "status",
            "error",
            "drop_before",
            "drop_after",
            "status_after",
            "malformed",
            "wrong_type",
            "filtered",
        )
    }
    error_names: ClassVar = {"submit": tuple(ERRORS)}
    filter_reasons: ClassVar = REASONS

    def __init__(self, previews: Previews) -> None:
        super().__init__()
        self._previews = previews

    def routes(self) -> list[Route]:
        versions = "/{version:str}"
        return [
            Route(versions + "/models/{call}", self.generate, methods=["POST"]),
            Route(versions + "/models/{model}", self.model),
        ]

    def failure(self, status: int) -> Response:
        return _error(status, BY_STATUS.get(status, "INTERNAL"), f"the simulator was told to answer {status}")

    def named_failure(self, name: str, message: str | None) -> Response:
        return _error(ERRORS[name], name, message or f"the simulator was told to answer {name}")

    async def model(self, request: Request) -> Response:
        """Say whether a model is in service: free, and exact."""
        _check(request)
        name = request.path_params["model"]
        if self.model_of(name) not in MODELS:
            return _unknown(name)
        return JSONResponse({"name": f"models/{name}", "supportedGenerationMethods": ["generateContent"]})

    async def generate(self, request: Request) -> Response:
        raw = await request.body()
        try:
            body = await request.json()
        except ValueError:
            body = None
        record = self.recorded(request, body)
        try:
            _check(request)
            self.before("submit")
            name, _, method = request.path_params["call"].partition(":")
            if method != "generateContent":
                raise AnswerError(_error(404, "NOT_FOUND", f"no method {method}"))
            if self.model_of(name) not in MODELS:
                raise AnswerError(_unknown(name))
            if len(raw) > MOST_BYTES:
                raise AnswerError(_invalid("Request payload size exceeds the limit: 20971520 bytes."))
            response = await self._answered(name, _parsed(body))
        except AnswerError as answer:
            record["answered"] = answer.response.status_code
            raise
        record["answered"] = 200
        return await self.after("submit", response)

    async def _answered(self, model: str, asked: GenerateContent) -> Response:
        """Answer a request. Raises AnswerError."""
        config = asked.generationConfig
        image = config and config.imageConfig
        size = (image and image.imageSize) or "1K"
        if size not in MODELS[self.model_of(model)]:
            raise AnswerError(_invalid(f"imageSize {size} is not supported by {model}"))
        if not 2 <= len(asked.images) <= MOST_IMAGES:
            raise AnswerError(_invalid(f"this simulator dresses a person: send 2 to {MOST_IMAGES} images"))
        taken = len(" ".join(asked.texts).split()) + IMAGE_TOKENS * len(asked.images)
        if fault := self.faults.take("submit", "filtered"):
            return self._withheld(model, str(fault.reason), taken)
        drawn = await self._drawn(asked, (image and image.aspectRatio) or "", PIXELS[size])
        self._sold(model, 1, f"{size}")
        data = {"mimeType": "image/png", "data": base64.b64encode(drawn).decode()}
        candidate = {"content": {"role": "model", "parts": [{"inlineData": data}]}, "finishReason": "STOP", "index": 0}
        usage = _usage(taken, TOKENS[size], thoughts=0)
        usage["candidatesTokensDetails"] = [{"modality": "IMAGE", "tokenCount": TOKENS[size]}]
        return JSONResponse(_answer(model, usage, candidates=[candidate]))

    def _withheld(self, model: str, reason: str, taken: int) -> Response:
        """Withhold the image. Whether the vendor bills it is not documented; the tokens are counted."""
        self._sold(model, 0, reason)
        if reason.startswith(PROMPT):
            feedback = {"blockReason": reason.removeprefix(PROMPT)}
            return JSONResponse(_answer(model, _usage(taken, 0, thoughts=0), promptFeedback=feedback))
        candidate: dict[str, Any] = {"finishReason": reason, "index": 0}
        if reason == "STOP":
            candidate["content"] = {"role": "model", "parts": [{"text": "I cannot edit this photo."}]}
        else:
            candidate |= {"content": {}, "finishMessage": "Unable to show the generated image. Support code: 89371032"}
        return JSONResponse(_answer(model, _usage(taken, 0, thoughts=240), candidates=[candidate]))

    def _sold(self, model: str, images: int, summary: str) -> None:
        self.purchases.add(
            id=uuid4().hex, charged=bool(images) or None, images=images, model=model, summary=f"{model}: {summary}"
        )

    async def _drawn(self, asked: GenerateContent, ratio: str, pixels: int) -> bytes:
        """Draw the result. Raises AnswerError."""
        try:
            *garments, person = (decoded(each) for each in asked.images)
        except ImageLoadError as error:
            raise AnswerError(_invalid(f"Unable to process input image. {error}")) from None
        if ratio:
            person = shaped(person, ratio, pixels)
        seed = (asked.generationConfig and asked.generationConfig.seed) or 42
        worn = [(garment, region(" ".join(asked.texts), n)) for n, garment in enumerate(garments, 1)]
        try:
            return await dressed(self._previews, person, worn, format="png", seed=seed, provider=self.name)
        except CannotDrawError as error:
            raise AnswerError(_invalid(f"Unable to process input image. {error}")) from None


def _parsed(body: Any) -> GenerateContent:
    try:
        return GenerateContent.model_validate(body)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise AnswerError(_invalid(f"Invalid JSON payload received. {told}")) from None


def _answer(model: str, usage: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**more, "usageMetadata": usage, "modelVersion": model, "responseId": uuid4().hex}


def _usage(taken: int, made: int, *, thoughts: int) -> dict[str, Any]:
    counted = {"promptTokenCount": taken, "candidatesTokenCount": made, "totalTokenCount": taken + made + thoughts}
    return counted | ({"thoughtsTokenCount": thoughts} if thoughts else {})


def _error(status: int, name: str, message: str) -> Response:
    return JSONResponse({"error": {"code": status, "message": message, "status": name}}, status)


def _invalid(message: str) -> Response:
    return _error(400, "INVALID_ARGUMENT", message)


def _unknown(model: str) -> Response:
    return _error(404, "NOT_FOUND", f"models/{model} is not found for API version v1, or is not supported.")


def _check(request: Request) -> None:
    if request.path_params["version"] not in ("v1", "v1beta"):
        raise AnswerError(_error(404, "NOT_FOUND", "There is no such version."))
    if not request.headers.get("x-goog-api-key", "").startswith("sim-"):
        raise AnswerError(
            _invalid("API key not valid. Please pass a valid API key. Here, any key works that begins with sim-.")
        )
