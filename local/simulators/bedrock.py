"""Amazon Bedrock Runtime with one model, Nova Canvas, for plain boto3 `invoke_model`.

Sources: API_runtime_InvokeModel.html (errors, body limit), image-gen-errors.html (content filters) and
model-lifecycle.html.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from functools import partial
from secrets import token_hex
from typing import Any, ClassVar

from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.simulators import nova_images, nova_request
from local.simulators.nova_request import LOWER_BODY, UPPER_BODY, MalformedError, TryOnRequest, VirtualTryOnParams
from local.simulators.previews import NO_PICTURE, CannotDrawError, Picture, Previews
from local.simulators.server import AnswerError, Simulator

MODEL = "amazon.nova-canvas-v1:0"
REGIONS = frozenset({"us-east-1", "eu-west-1", "ap-northeast-1"})
MAX_BODY = 25_000_000

ERRORS = {
    "AccessDeniedException": 403,
    "InternalServerException": 500,
    "ModelErrorException": 424,
    "ModelNotReadyException": 429,
    "ModelTimeoutException": 408,
    "ResourceNotFoundException": 404,
    "ServiceQuotaExceededException": 400,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "ValidationException": 400,
}
BY_STATUS = {status: name for name, status in ERRORS.items()} | {429: "ThrottlingException", 400: "ValidationException"}

INVALID_MODEL = ("ValidationException", "The provided model identifier is invalid.")
STATES = {
    "active": None,
    "legacy": (
        "ResourceNotFoundException",
        "Access denied. This Model is marked by provider as Legacy and you have not been actively using the model in "
        "the last 30 days. Please upgrade to an active model on Amazon Bedrock",
    ),
    "end_of_life": (
        "ResourceNotFoundException",
        "This model version has reached the end of its life. Please refer to the AWS documentation for more details.",
    ),
    "unknown": INVALID_MODEL,
    "no_access": ("AccessDeniedException", "You don't have access to the model with the specified model ID."),
}

INPUT_BLOCKED = "This request has been blocked by our content filters. Please adjust your input image to submit a new request."
ALL_BLOCKED = "All of the generated images have been blocked by our content filters."
SOME_BLOCKED = "Some of the generated images have been blocked by our content filters."


def refusal(name: str, message: str) -> Response:
    body: dict[str, Any] = {"message": message}
    if name == "ModelErrorException":
        body |= {"originalStatusCode": 500, "resourceName": MODEL}
    headers = {"x-amzn-errortype": name, "x-amzn-requestid": token_hex(16)}
    return JSONResponse(body, ERRORS.get(name, 403), headers=headers)


class Bedrock(Simulator):
    """`POST /model/{id}/invoke`; `/_sim/model` says which point of its life the model is at."""

    name = "bedrock"
    fault_kinds: ClassVar = {
        "submit": (
            "delay",
            "status",
            "error",
            "drop_before",
            "drop_after",
            "malformed",
            "blocked",
            "partial",
            "input_blocked",
        ),
    }
    error_names: ClassVar = {"submit": tuple(ERRORS)}

    def __init__(self, previews: Previews) -> None:
        super().__init__()
        self._previews = previews
        self._state = "active"

    def routes(self) -> list[Route]:
        return [
            Route("/model/{model}/invoke", self.invoke, methods=["POST"]),
            Route("/_sim/model", self.model_state, methods=["GET", "POST"]),
        ]

    def failure(self, status: int) -> Response:
        response = refusal(BY_STATUS.get(status, "InternalServerException"), f"the simulator was told to answer {status}")
        response.status_code = status
        return response

    def named_failure(self, name: str, message: str | None) -> Response:
        return refusal(name, message or f"the simulator was told to answer {name}")

    async def model_state(self, request: Request) -> Response:
        if request.method == "POST":
            state = (await request.json()).get("state")
            if state not in STATES:
                return JSONResponse({"error": f"state: {state!r} is not one of {sorted(STATES)}"}, 400)
            self._state = state
        return JSONResponse({"model": MODEL, "state": self._state})

    async def invoke(self, request: Request) -> Response:
        body = await _body(request)
        record = self.recorded(request, body)
        try:
            _check_caller(request)
            self._check_model(request)
            self.before("submit")
            if self.faults.take("submit", "input_blocked"):
                raise AnswerError(refusal("ValidationException", INPUT_BLOCKED))
            response = await self._try_on(nova_request.parse(body))
        except (MalformedError, CannotDrawError) as error:
            response = refusal("ValidationException", str(error))
        except AnswerError as answer:
            record["answered"] = answer.response.status_code
            raise
        record["answered"] = response.status_code
        return await self.after("submit", response) if response.status_code == 200 else response

    def _check_model(self, request: Request) -> None:
        region = re.search(r"Credential=[^/]+/\d{8}/([^/]+)/", request.headers["authorization"])
        known = request.path_params["model"] == MODEL and (region is None or region[1] in REGIONS)
        if error := STATES[self._state] if known else INVALID_MODEL:
            raise AnswerError(refusal(*error))

    async def _try_on(self, asked: TryOnRequest) -> Response:
        config = asked.image_generation_config
        person, garment, options = await asyncio.to_thread(_drawing, asked.virtual_try_on_params)
        label = {"provider": self.name, "model": MODEL}
        draw = partial(self._previews.try_on, person, garment, format="png", label=label, **options)
        pictures = await asyncio.gather(*(draw(seed=config.seed + n) for n in range(config.number_of_images)))
        return JSONResponse(self._sold(asked, pictures))

    def _sold(self, asked: TryOnRequest, pictures: list[Picture]) -> dict[str, Any]:
        params, config = asked.virtual_try_on_params, asked.image_generation_config
        kept = pictures
        if self.faults.take("submit", "blocked"):
            kept = []
        elif self.faults.take("submit", "partial"):
            kept = pictures[:-1]
        self.purchases.add(
            id=token_hex(12), charged=True if kept else None, model=MODEL, images=len(kept), quality=config.quality,
            width=pictures[0].width, height=pictures[0].height,
            summary=f"{asked.task_type} {params.mask_type}: {len(kept)} of {config.number_of_images} {config.quality}",
        )  # fmt: skip
        answer: dict[str, Any] = {"images": [_b64(picture.image) for picture in kept]} if kept else {}
        if params.return_mask:
            answer["maskImage"] = _b64(pictures[0].mask)
        if len(kept) < len(pictures):
            answer["error"] = SOME_BLOCKED if kept else ALL_BLOCKED
        return answer


def _drawing(params: VirtualTryOnParams) -> tuple[Image.Image, Image.Image, dict[str, Any]]:
    """Person, garment and the engine's options. Raises MalformedError, also for what the engine cannot draw.

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
    return person, garment, options | _where(params, person.size)


def _where(params: VirtualTryOnParams, size: tuple[int, int]) -> dict[str, Any]:
    """The engine's options that say what changes."""
    if block := params.image_based_mask:
        mask = nova_images.mask("maskImage", block.mask_image, size)
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
    raise MalformedError(NO_PICTURE)


def _shape(mask_shape: str) -> str:
    """What the vendor makes of DEFAULT for garment masks is not documented; for prompt masks it is the bounding box."""
    return "contour" if mask_shape == "CONTOUR" else "bounding_box"


def _check_caller(request: Request) -> None:
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" and not (scheme == "AWS4-HMAC-SHA256" and "/bedrock/aws4_request" in rest):
        raise AnswerError(refusal("MissingAuthenticationTokenException", "Missing Authentication Token"))
    kind = request.headers.get("content-type", "application/json").partition(";")[0]
    if kind != "application/json":
        raise AnswerError(refusal("ValidationException", f"the content type must be application/json, it is {kind}"))


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def _body(request: Request) -> Any:
    """Reads on past the limit before refusing, as closing on a client that still sends would hide the answer."""
    raw = await request.body()
    if len(raw) > MAX_BODY:
        message = f"the request body is {len(raw)} bytes, at most {MAX_BODY} are allowed"
        raise AnswerError(refusal("ValidationException", message))
    try:
        return json.loads(raw)
    except ValueError:
        raise AnswerError(refusal("ValidationException", "Malformed input request: the body is not JSON")) from None
