"""Speaks to Stability AI's models on Bedrock: one synchronous InvokeModel call buys one picture.

The request models mirror the vendor's shapes (Amazon Bedrock user guide, `stable-image-services` and the request pages of
Stable Image Core and Ultra). A key that stays None is left out, so that the vendor's own default applies.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from fitting_room.jobs.outcome import Failed, Finished, Outcome, Picture
from fitting_room.jobs.tasks import Inpaint, Outpaint, RemoveBackground, TextToImage
from fitting_room.providers.adapter import Connection, Order
from fitting_room.providers.shared.bedrock import LOOK_AT_THE_BILL, Bedrock
from fitting_room.providers.shared.masks import inverted
from fitting_room.providers.stability.entry import ID, TITLE, aspect_ratio


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True)

    def json_bytes(self) -> bytes:
        return self.model_dump_json(exclude_none=True).encode()


class TextBody(_Wire):
    """The body of Core and Ultra.

    `prompt` and `negative_prompt` to 10,000 characters; `aspect_ratio` one of nine, 1:1 if absent; `seed` to
    4,294,967,295, 0 for a random one.
    """

    prompt: str
    negative_prompt: str | None = None
    aspect_ratio: str | None = None
    output_format: Literal["png", "jpeg"] | None = None
    seed: int | None = None


class InpaintBody(_Wire):
    """The body of an inpainting.

    Pictures are raw base64. `mask`: white is redrawn, black stays. `grow_mask` 0 to 20 px, 5 if absent, widens the
    white with a blurred edge. `seed` to 4,294,967,294, 0 for a random one; `output_format` png if absent.
    """

    image: str
    mask: str
    prompt: str
    negative_prompt: str | None = None
    grow_mask: int | None = None
    output_format: Literal["png", "jpeg", "webp"] | None = None
    seed: int | None = None


class RemoveBackgroundBody(_Wire):
    """`output_format` png if absent."""

    image: str
    output_format: Literal["png", "webp"] | None = None


def body_of(order: Order) -> TextBody | InpaintBody | RemoveBackgroundBody:
    """Build the body of an order."""
    request, form = order.request, order.request.output.format
    match request:
        case TextToImage():
            return TextBody(
                prompt=request.prompt,
                negative_prompt=request.negative_prompt,
                seed=order.seed,
                aspect_ratio=request.size and aspect_ratio(request.size),
                output_format=None if form == "webp" else form,
            )
        case Inpaint() | Outpaint():
            assert request.prompt is not None and order.mask is not None, "the entry refuses edits without them"
            precise = isinstance(request, Outpaint) and request.transition == "precise"
            # White changes for the vendor, in outpainting too: there our black is the surroundings, which are drawn anew.
            mask = _base64(inverted(order.mask).read())
            return InpaintBody(
                image=_base64(order.base.read()),
                mask=mask,
                prompt=request.prompt,
                negative_prompt=request.negative_prompt,
                grow_mask=0 if precise else None,
                output_format=form,
                seed=order.seed,
            )
        case RemoveBackground():
            assert form != "jpeg", "the request refuses it"
            return RemoveBackgroundBody(image=_base64(order.base.read()), output_format=form)
        case _:
            raise AssertionError(f"the entry does not offer {request.task}")


def _base64(data: bytes) -> str:
    return b64encode(data).decode()


def _decoded(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ValueError("no base64 text")
    return b64decode(value, validate=True)


class Answer(_Wire):
    """`finish_reasons`: null for a picture that was made, else why not; `images` may then be missing."""

    seeds: list[int] | None = None
    finish_reasons: list[str | None] | None = None
    images: list[Annotated[bytes, BeforeValidator(_decoded)]] | None = None


_FILTERED = {
    "Filter reason: prompt": ("refused the prompt", "Change the prompt"),
    "Filter reason: input image": ("refused an input image", "Send another image"),
    "Filter reason: output image": ("held back the image", "Change the prompt or the image"),
}


class Stability:
    def __init__(self, bedrock: Bedrock) -> None:
        self.bedrock = bedrock

    def start(self, order: Order) -> Outcome:
        answer = self.bedrock.invoke(order.model, body_of(order).json_bytes())
        return answer if isinstance(answer, Failed) else self._outcome(answer, order)

    def poll(self, order: Order, provider_job_id: str) -> Outcome:
        raise NotImplementedError("Stability AI answers at once")

    def _outcome(self, payload: bytes, order: Order) -> Outcome:
        """Return the outcome of an answer with status 200.

        No document says whether AWS bills one without a picture.
        """
        failed = self.bedrock.failed
        try:
            answer = Answer.model_validate_json(payload)
        except ValidationError:
            return failed("provider_error", "unknown", "The answer of {title} cannot be read.", LOOK_AT_THE_BILL)
        reason = next(filter(None, answer.finish_reasons or ()), None)
        if reason and reason.startswith("Filter reason"):
            did, remedy = _FILTERED.get(reason, ("refused the request", "Change the prompt or the image"))
            return failed(
                "content_blocked",
                "unknown",
                f"The content filter of {{title}} {did}.",
                f"{remedy}; the same request will be blocked again.",
                provider_code=reason,
            )
        if reason:
            return failed(
                "provider_error",
                "unknown",
                "{title} failed while it made the image.",
                LOOK_AT_THE_BILL,
                provider_code=reason,
            )
        if not answer.images:
            return failed("provider_error", "unknown", "{title} answered without an image.", LOOK_AT_THE_BILL)
        used = answer.seeds[0] if answer.seeds else order.seed
        return Finished([Picture(answer.images[0], None if order.seed is None else used)])


def connect(connection: Connection) -> Stability:
    return Stability(Bedrock(connection, ID, TITLE))
