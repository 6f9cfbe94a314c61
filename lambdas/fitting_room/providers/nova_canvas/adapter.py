"""Speaks to Amazon Nova Canvas: one synchronous InvokeModel call buys everything."""

from __future__ import annotations

from base64 import b64decode
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from fitting_room.jobs.errors import JobWarning
from fitting_room.jobs.outcome import Failed, Finished, Outcome, Picture
from fitting_room.providers.adapter import Connection, Order
from fitting_room.providers.nova_canvas.body import body_of, json_of
from fitting_room.providers.nova_canvas.entry import ID
from fitting_room.providers.shared.bedrock import LOOK_AT_THE_BILL, Bedrock


def _decoded(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ValueError("no base64 text")
    return b64decode(value, validate=True)


class Answer(BaseModel):
    """An answer of the model.

    `images`: PNGs that passed the content policy, so perhaps fewer than asked for, or none. `error` is there when at
    least one did not pass. Only a try-on has a `mask_image`.
    """

    model_config = ConfigDict(alias_generator=to_camel, frozen=True)

    images: list[Annotated[bytes, BeforeValidator(_decoded)]] | None = None
    mask_image: Annotated[bytes, BeforeValidator(_decoded)] | None = None
    error: str | None = None


class NovaCanvas:
    def __init__(self, bedrock: Bedrock) -> None:
        self.bedrock = bedrock

    def start(self, order: Order) -> Outcome:
        answer = self.bedrock.invoke(order.model, json_of(body_of(order)))
        return answer if isinstance(answer, Failed) else self._outcome(answer, order)

    def poll(self, order: Order, provider_job_id: str) -> Outcome:
        raise NotImplementedError("Nova Canvas answers at once")

    def _outcome(self, payload: bytes, order: Order) -> Outcome:
        """Return the outcome of an answer with status 200."""
        failed = self.bedrock.failed
        try:
            answer = Answer.model_validate_json(payload)
        except ValidationError:
            return failed("provider_error", "unknown", "The answer of {title} cannot be read.", LOOK_AT_THE_BILL)
        if not answer.images and answer.error:
            # the pictures were drawn and then held back; whether AWS bills them is not documented
            return failed(
                "content_blocked",
                "unknown",
                "The content filter of {title} held back every image.",
                "Change the images or the prompt; the same request will be blocked again.",
                provider_detail=answer.error,
            )
        if not answer.images:
            return failed("provider_error", "unknown", "{title} answered without an image.", LOOK_AT_THE_BILL)
        pictures = [Picture(data, order.seed) for data in answer.images]
        return Finished(pictures, mask=answer.mask_image, warnings=_warnings(answer, order))


def _warnings(answer: Answer, order: Order) -> list[JobWarning]:
    got, asked = len(answer.images or ()), order.request.output.count
    warnings = []
    if answer.error:
        warnings.append(
            JobWarning(
                code="partial_blocked",
                remedy="Submit again with another seed for more images.",
                detail=f"The content filter let {got} of {asked} images through.",
            )
        )
    elif got < asked:
        warnings.append(
            JobWarning(
                code="partial_result",
                remedy="Submit again with another seed for more images.",
                detail=f"Nova Canvas returned {got} of {asked} images.",
            )
        )
    if order.request.output.mask and answer.mask_image is None:
        warnings.append(JobWarning(code="mask_missing", detail="Nova Canvas returned no mask.", pointer="/output/mask"))
    return warnings


def connect(connection: Connection) -> NovaCanvas:
    return NovaCanvas(Bedrock(connection, ID, "Nova Canvas"))
