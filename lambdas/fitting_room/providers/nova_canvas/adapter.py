"""Speaks to Amazon Nova Canvas: one synchronous InvokeModel call buys everything.

The request models mirror the vendor's shape (Amazon Nova user guide, `image-gen-req-resp-structure`, tab "Virtual
try-on"). A key that stays None is left out, so that the vendor's own default applies.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Annotated, Any, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
)
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from fitting_room.jobs.errors import Warning
from fitting_room.jobs.outcome import Charged, Failed, Finished, Outcome, Picture
from fitting_room.jobs.request import GarmentMask, ImageMask, PromptMask, Shape
from fitting_room.jobs.tasks import Keep, Styling, TryOn
from fitting_room.providers.base import Connection, Input, Order
from fitting_room.providers.failures import failed
from fitting_room.providers.nova_canvas.entry import ID, MODEL, garment_class

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

MaskShape = Literal["CONTOUR", "BOUNDING_BOX"]
Switch = Literal["ON", "OFF"]


class _Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class ImageBasedMask(_Wire):
    """`mask_image`: base64 PNG of the source's size; pure black changes, pure white stays."""

    mask_image: str


class GarmentStyling(_Wire):
    """For upper-body garments; `outer_layer_style` for an outer layer. SLEEVE_UP and TUCKED also ask something of the
    source picture, which the client must know."""

    long_sleeve_style: Literal["SLEEVE_DOWN", "SLEEVE_UP"] | None = None
    tucking_style: Literal["UNTUCKED", "TUCKED"] | None = None
    outer_layer_style: Literal["CLOSED", "OPEN"] | None = None


class GarmentBasedMask(_Wire):
    """`garment_class`: one of the vendor's 4 coarse and 14 fine classes."""

    garment_class: str
    mask_shape: MaskShape | None = None
    garment_styling: GarmentStyling | None = None


class PromptBasedMask(_Wire):
    """`mask_prompt`: 1 to 1024 characters that name what changes."""

    mask_prompt: str
    mask_shape: MaskShape | None = None


class MaskExclusions(_Wire):
    """ON: keep as in the source; OFF: draw anew."""

    preserve_body_pose: Switch | None = None
    preserve_hands: Switch | None = None
    preserve_face: Switch | None = None


class VirtualTryOnParams(_Wire):
    """Pictures are raw base64, without a data URL prefix: PNG or JPEG, 8 bit RGB, no translucent pixel, sides 320 to
    4096 px. `mask_type` selects exactly one of the three mask blocks."""

    source_image: str
    reference_image: str
    mask_type: Literal["IMAGE", "GARMENT", "PROMPT"]
    image_based_mask: ImageBasedMask | None = None
    garment_based_mask: GarmentBasedMask | None = None
    prompt_based_mask: PromptBasedMask | None = None
    mask_exclusions: MaskExclusions | None = None
    merge_style: Literal["BALANCED", "SEAMLESS", "DETAILED"] | None = None
    return_mask: bool | None = None


class ImageGenerationConfig(_Wire):
    """`number_of_images` 1 to 5; `cfg_scale` 1.1 to 10; `seed` 0 to 2,147,483,646. Try-on takes no width or height."""

    number_of_images: int
    quality: Literal["standard", "premium"] | None = None
    cfg_scale: float | None = None
    seed: int | None = None


class InvokeBody(_Wire):
    task_type: Literal["VIRTUAL_TRY_ON"] = "VIRTUAL_TRY_ON"
    virtual_try_on_params: VirtualTryOnParams
    image_generation_config: ImageGenerationConfig

    def json_bytes(self) -> bytes:
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()


def body_of(order: Order) -> InvokeBody:
    """What is sent for an order."""
    request, output = order.request, order.request.output
    assert isinstance(request, TryOn)
    return InvokeBody(
        virtual_try_on_params=VirtualTryOnParams(
            source_image=_base64(order.base),
            reference_image=_base64(order.garments[0]),
            **_mask(request, order.mask),
            mask_exclusions=_exclusions(request.keep),
            merge_style=request.merge and request.merge.upper(),
            return_mask=output.mask or None,
        ),
        image_generation_config=ImageGenerationConfig(
            number_of_images=output.count,
            quality={"standard": "standard", "best": "premium"}[output.quality] if output.quality else None,
            cfg_scale=output.guidance,
            seed=order.seed,
        ),
    )


def _base64(picture: Input) -> str:
    return b64encode(picture.read()).decode()


def _mask(request: TryOn, image: Input | None) -> dict[str, Any]:
    mask = request.mask or GarmentMask(type="garment")
    match mask:
        case ImageMask():
            assert image is not None, "an image mask is prepared with the person picture"
            return {"mask_type": "IMAGE", "image_based_mask": ImageBasedMask(mask_image=_base64(image))}
        case PromptMask():
            return {"mask_type": "PROMPT",
                    "prompt_based_mask": PromptBasedMask(mask_prompt=mask.prompt, mask_shape=_shape(mask.shape))}
        case GarmentMask():
            return {"mask_type": "GARMENT",
                    "garment_based_mask": GarmentBasedMask(garment_class=garment_class(request.garments[0]),
                                                           mask_shape=_shape(mask.shape),
                                                           garment_styling=_styling(request.styling))}


def _shape(shape: Shape | None) -> Any:
    return shape and shape.upper()


def _styling(styling: Styling) -> GarmentStyling | None:
    if styling == Styling():
        return None
    return GarmentStyling(
        long_sleeve_style={"up": "SLEEVE_UP", "down": "SLEEVE_DOWN", None: None}[styling.sleeves],
        tucking_style={"in": "TUCKED", "out": "UNTUCKED", None: None}[styling.tuck],
        outer_layer_style=styling.outer_layer and styling.outer_layer.upper(),
    )


def _exclusions(keep: Keep) -> MaskExclusions | None:
    if keep == Keep():
        return None
    switch = {True: "ON", False: "OFF", None: None}
    return MaskExclusions(preserve_body_pose=switch[keep.pose], preserve_hands=switch[keep.hands],
                          preserve_face=switch[keep.face])


def _decoded(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ValueError("no base64 text")
    return b64decode(value, validate=True)


class Answer(_Wire):
    """`images`: those that passed the content policy, so perhaps fewer than asked for, or none; `error` is there when at
    least one did not pass."""

    images: list[Annotated[bytes, BeforeValidator(_decoded)]] | None = None
    mask_image: Annotated[bytes, BeforeValidator(_decoded)] | None = None
    error: str | None = None


def outcome_of(payload: bytes, order: Order) -> Outcome:
    """What an answer with status 200 means."""
    try:
        answer = Answer.model_validate_json(payload)
    except ValidationError:
        return _failed("provider_error", "unknown", "The answer of Nova Canvas cannot be read.", _LOOK_AT_THE_BILL)
    if not answer.images and answer.error:
        # the pictures were drawn and then held back; whether AWS bills them is not documented
        return _failed("content_blocked", "unknown", "The content filter of Nova Canvas held back every picture.",
                       "Change the pictures or the garment; the same request will be blocked again.",
                       provider_detail=answer.error)
    if not answer.images:
        return _failed("provider_error", "unknown", "Nova Canvas answered without a picture.", _LOOK_AT_THE_BILL)
    pictures = [Picture(data, order.seed) for data in answer.images]
    return Finished(pictures, mask=answer.mask_image, warnings=_warnings(answer, order))


def _warnings(answer: Answer, order: Order) -> list[Warning]:
    got, asked = len(answer.images or ()), order.request.output.count
    warnings = []
    if answer.error:
        warnings.append(Warning(code="partial_blocked", remedy="Submit again with another seed for more pictures.",
                                detail=f"The content filter let {got} of {asked} pictures through."))
    elif got < asked:
        warnings.append(Warning(code="partial_result", remedy="Submit again with another seed for more pictures.",
                                detail=f"Nova Canvas returned {got} of {asked} pictures."))
    if order.request.output.mask and answer.mask_image is None:
        warnings.append(Warning(code="mask_missing", detail="Nova Canvas returned no mask.", pointer="/output/mask"))
    return warnings


_LOOK_AT_THE_BILL = ("The pictures may have been billed: look at the usage of the model in the AWS bill or in CloudWatch "
                     "before you submit again.")
_LATER = "Submit again later."
_NOT_OURS = "Another provider may take the request as it is."
_MAY_MEAN_RETIRED = ("ResourceNotFoundException", "ValidationException", "AccessDeniedException")
_RETIRED = ("end of its life", "marked by provider as legacy", "model identifier is invalid")

# Bedrock's exception class -> code, charged, detail, remedy. Source: API reference of InvokeModel. A 408, 424 or 500 comes
# after the model was started, so it may be billed; a 429 or 503 is said before.
_BY_CLASS: dict[str, tuple[str, Charged, str, str]] = {
    "AccessDeniedException": ("provider_auth", "no", "AWS does not let this deployment call Nova Canvas.",
                              "Check the model access of the account and the role of the start_bedrock function."),
    "ResourceNotFoundException": ("model_retired", "no", "Bedrock does not serve Nova Canvas in this Region (any more).",
                                  "Choose another provider."),
    "ThrottlingException": ("rate_limited", "no", "The account's request quota for Nova Canvas is used up.", _LATER),
    "ModelNotReadyException": ("provider_unavailable", "no", "Nova Canvas is not ready to answer.", _LATER),
    "ServiceQuotaExceededException": ("quota_exhausted", "no", "A service quota of the AWS account is used up.",
                                      "Ask for more in the Service Quotas console, or choose another provider."),
    "ServiceUnavailableException": ("provider_unavailable", "no", "Bedrock is not available at the moment.", _LATER),
    "ModelTimeoutException": ("timed_out", "unknown", "Nova Canvas took too long.", _LOOK_AT_THE_BILL),
    "ModelErrorException": ("provider_error", "unknown", "Nova Canvas failed on the request.", _LOOK_AT_THE_BILL),
    "InternalServerException": ("provider_error", "unknown", "Bedrock had an internal error.", _LOOK_AT_THE_BILL),
}


def refusal_of(error: ClientError) -> Failed:
    """What an error answer means: by exception class first, by its words only where the class says too little, by
    status for classes that are not documented."""
    name, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
    words: dict[str, Any] = {"provider_code": name, "provider_detail": message}
    if name in _MAY_MEAN_RETIRED and any(text in message.lower() for text in _RETIRED):
        return _failed("model_retired", "no", "AWS has retired Nova Canvas for this account.",
                       "Choose another provider; Nova Canvas needs a private arrangement with AWS since 2026-09-30.",
                       **words)
    if name == "ValidationException":
        return _invalid(message, words)
    if known := _BY_CLASS.get(name):
        return _failed(*known, **words)
    if status in (401, 403):
        return _failed(*_BY_CLASS["AccessDeniedException"], **words)
    if status == 429:
        return _failed(*_BY_CLASS["ThrottlingException"], **words)
    if 400 <= status < 500:
        return _failed("provider_error", "no", "Bedrock refused the request.", _NOT_OURS, retryable=False, **words)
    return _failed(*_BY_CLASS["InternalServerException"], **words)


def _invalid(message: str, words: dict[str, Any]) -> Failed:
    if "content filters" in message:
        return _failed("content_blocked", "no", "The content filter of Nova Canvas refused an input.",
                       "Change the pictures or the mask prompt; the same request will be refused again.", **words)
    if "image" in message.lower():
        return _failed("image_unreadable", "no", "Nova Canvas cannot use one of the pictures.",
                       "Send another picture; the vendor's words say what is wrong with this one.", **words)
    return _failed("provider_error", "no", "Nova Canvas refused the request as invalid.", _NOT_OURS, retryable=False,
                   **words)


def _failed(code: str, charged: Charged, detail: str, remedy: str, **facts: Any) -> Failed:
    return failed(ID, code, charged, detail, remedy, **facts)


class NovaCanvas:
    def __init__(self, client: BedrockRuntimeClient) -> None:
        self.client = client

    def start(self, order: Order) -> Outcome:
        body = body_of(order).json_bytes()
        try:
            answer = self.client.invoke_model(modelId=MODEL, body=body, contentType="application/json",
                                              accept="application/json")
            payload = answer["body"].read()
        except ClientError as error:
            return refusal_of(error)
        except (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, NoAuthTokenError):
            return _failed("provider_auth", "no", "The function has no AWS credentials.",
                           "Check the role of the start_bedrock function.")
        except (EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError):
            return _failed("provider_unavailable", "no", "Bedrock cannot be reached; nothing was sent.", _LATER)
        except BotoCoreError as error:
            return _failed("provider_unavailable", "unknown", "The connection to Bedrock was lost after the request.",
                           _LOOK_AT_THE_BILL, provider_code=type(error).__name__)
        return outcome_of(payload, order)

    def poll(self, order: Order, provider_job_id: str) -> Outcome:
        raise NotImplementedError("Nova Canvas answers at once")


def connect(connection: Connection) -> NovaCanvas:
    """A fresh client each time, so that no stale pooled connection makes the fate of a purchase uncertain.

    One attempt only: InvokeModel has no idempotency token. The keep-alive holds the connection open through network
    gear that drops silent ones while the model works for minutes.
    """
    config = Config(connect_timeout=10, read_timeout=600, retries={"total_max_attempts": 1}, tcp_keepalive=True)
    return NovaCanvas(boto3.client("bedrock-runtime", region_name=connection.region, endpoint_url=connection.endpoint,
                                   config=config))
