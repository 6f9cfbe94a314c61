"""Amazon Bedrock with a handful of image models: `invoke_model` and `get_foundation_model` for plain boto3, on one port.

Sources: API_runtime_InvokeModel.html (errors, body limit), image-gen-errors.html (content filters),
API_GetFoundationModel.html and model-lifecycle.html.
"""

from __future__ import annotations

import json
import re
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.simulators.bedrock.errors import BY_STATUS, ERRORS, INVALID_MODEL, LOOKUP_ERRORS, refusal
from local.simulators.bedrock.models import CALLED, CALLS, MODELS, NOVA_CANVAS, Life, Model, details, told
from local.simulators.bedrock.nova import NovaCanvas
from local.simulators.bedrock.stability import REASONS, Stability
from local.simulators.kit.pictures import MalformedError
from local.simulators.kit.previews import CannotDrawError, Previews
from local.simulators.kit.server import AnswerError, Simulator

MAX_BODY = 25_000_000


class Bedrock(Simulator):
    """`POST /model/{id}/invoke` and `GET /foundation-models/{id}`.

    `/_sim/model` says which point of its life a model is at: POST `{model?, state, legacyTime?, endOfLifeTime?, ...}` (see
    `bedrock_models.Life`; Nova Canvas when no model is named), GET for all, DELETE for all active again.
    """

    name = "bedrock"
    fault_kinds: ClassVar = {
        "submit": (
            "delay",
            "status",
            "error",
            "drop_before",
            "drop_after",
            "malformed",
            "wrong_type",
            "blocked",
            "partial",
            "input_blocked",
            "filtered",
        ),
        "lookup": ("delay", "status", "error", "drop_before", "drop_after", "malformed"),
    }
    error_names: ClassVar = {"submit": tuple(ERRORS), "lookup": LOOKUP_ERRORS}
    filter_reasons: ClassVar = REASONS

    def __init__(self, previews: Previews) -> None:
        super().__init__()
        self._nova = NovaCanvas(previews, self.faults, self.purchases)
        self._stability = Stability(previews, self.faults, self.purchases)
        self._lives: dict[str, Life] = {}

    def routes(self) -> list[Route]:
        return [
            Route("/model/{model:path}/invoke", self.invoke, methods=["POST"]),
            Route("/foundation-models/{model:path}", self.look_up, methods=["GET"]),
            Route("/_sim/model", self.model_state, methods=["GET", "POST", "DELETE"]),
        ]

    def failure(self, status: int) -> Response:
        response = refusal(
            BY_STATUS.get(status, "InternalServerException"), f"the simulator was told to answer {status}"
        )
        response.status_code = status
        return response

    def named_failure(self, name: str, message: str | None) -> Response:
        return refusal(name, message or f"the simulator was told to answer {name}")

    async def model_state(self, request: Request) -> Response:
        shown = NOVA_CANVAS
        if request.method == "DELETE":
            self._lives.clear()
        if request.method == "POST":
            try:
                life = told(await request.json())
            except ValueError as error:
                return JSONResponse({"error": str(error)}, 400)
            self._lives[life.model] = life
            shown = life.model
        states = {model: self._life(model).state for model in MODELS}
        return JSONResponse({"model": shown, "state": states[shown], "states": states})

    async def invoke(self, request: Request) -> Response:
        body = await _body(request)
        record = self.recorded(request, body)
        try:
            _check_caller(request)
            model = self._callable(request)
            self.before("submit")
            answer = self._nova.answer(body) if model.id == NOVA_CANVAS else self._stability.answer(model.id, body)
            response: Response = JSONResponse(await answer)
        except (MalformedError, CannotDrawError) as error:
            response = refusal("ValidationException", str(error))
        except AnswerError as answered:
            record["answered"] = answered.response.status_code
            raise
        record["answered"] = response.status_code
        return await self.after("submit", response) if response.status_code == 200 else response

    def _callable(self, request: Request) -> Model:
        """Return the model, when it is here and may be called. Raises AnswerError."""
        asked = _id(request.path_params["model"])
        if asked in MODELS and asked not in CALLED:
            message = (
                f"Invocation of model ID {asked} with on-demand throughput isn’t supported. Retry your request with the ID "
                "or ARN of an inference profile that contains this model."
            )
            raise AnswerError(refusal("ValidationException", message))
        model = _present(CALLED.get(asked), request)
        if error := CALLS[self._life(model.id).state]:
            raise AnswerError(refusal(*error))
        return model

    async def look_up(self, request: Request) -> Response:
        record = self.recorded(request, None)
        try:
            _check_signature(request)
            self.before("lookup")
            model = _present(MODELS.get(_id(request.path_params["model"])), request)
            life = self._life(model.id)
            if error := life.lookup_error:
                raise AnswerError(refusal(*error))
        except AnswerError as answered:
            record["answered"] = answered.response.status_code
            raise
        record["answered"] = 200
        region = _region(request) or min(model.regions)
        return await self.after("lookup", JSONResponse({"modelDetails": details(model, region, life)}))

    def _life(self, model: str) -> Life:
        return self._lives.get(model) or Life(model=model, state="active")


def _id(given: str) -> str:
    """Return the model's id, of an id or an ARN."""
    arn = re.fullmatch(r"arn:aws:bedrock:[a-z0-9-]+:\d*:(?:foundation-model|inference-profile)/(.+)", given)
    return arn[1] if arn else given


def _present(model: Model | None, request: Request) -> Model:
    region = _region(request)
    if model is None or (region and region not in model.regions):
        raise AnswerError(refusal(*INVALID_MODEL))
    return model


def _region(request: Request) -> str | None:
    """Return the region that the signature names; a bearer token names none."""
    signed = re.search(r"Credential=[^/]+/\d{8}/([^/]+)/", request.headers["authorization"])
    return signed[1] if signed else None


def _check_caller(request: Request) -> None:
    _check_signature(request)
    kind = request.headers.get("content-type", "application/json").partition(";")[0]
    if kind != "application/json":
        raise AnswerError(refusal("ValidationException", f"the content type must be application/json, it is {kind}"))


def _check_signature(request: Request) -> None:
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" and not (scheme == "AWS4-HMAC-SHA256" and "/bedrock/aws4_request" in rest):
        raise AnswerError(refusal("MissingAuthenticationTokenException", "Missing Authentication Token"))


async def _body(request: Request) -> Any:
    """Read on past the limit before refusing: closing on a client that still sends would hide the answer."""
    raw = await request.body()
    if len(raw) > MAX_BODY:
        message = f"the request body is {len(raw)} bytes, at most {MAX_BODY} are allowed"
        raise AnswerError(refusal("ValidationException", message))
    try:
        return json.loads(raw)
    except ValueError:
        raise AnswerError(refusal("ValidationException", "Malformed input request: the body is not JSON")) from None
