"""The meaning of the objects that an endpoint writes: its document, its error in that form, or any other text."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Any

from pydantic import ValidationError

from fitting_room.jobs.errors import JobWarning
from fitting_room.jobs.outcome import Failed, Finished, Picture
from fitting_room.providers.adapter import Order
from fitting_room.providers.sagemaker.document import Answer, Problem, Refused
from fitting_room.providers.sagemaker.entry import ID, TITLE
from fitting_room.providers.shared.failures import LATER, Failures, Told
from fitting_room.providers.shared.results import partial

MOST_WARNINGS = 5
_failed = Failures(ID)
_LOG = "Ask the operator to look at the endpoint's log in CloudWatch."
_OTHER = "Send another image; `provider_detail` says what is wrong with this one."
_TOLD = {
    "InvalidRequest": Told("provider_error", "The model refused the request.", _LOG, retryable=False),
    "UnsupportedOption": Told(
        "provider_error",
        "The model does not honour an option.",
        "Leave out the option that `provider_detail` names.",
        retryable=False,
    ),
    "ImageUnreadable": Told("image_unreadable", "The model cannot use one of the images.", _OTHER),
    "PoseNotFound": Told("pose_not_found", "The model found no person in the image.", _OTHER),
    "ContentBlocked": Told("content_blocked", "The model refused the images for their content.", "Send other images."),
    "OutOfMemory": Told("provider_error", "The instance had too little memory.", f"{LATER} {_LOG}"),
    "ModelNotReady": Told("provider_unavailable", "The model was not ready to answer.", LATER),
    "Internal": Told("provider_error", "The model failed on the request.", f"{LATER} {_LOG}"),
}


def finished(data: bytes, order: Order, name: str) -> Finished | Failed:
    """Read the object of a success.

    An object in S3 is whole and stays as it is, so nothing is read twice.
    """
    try:
        answer = Answer.model_validate_json(data)
    except ValidationError:
        return failure_of(data)
    if answer.error:
        return _of(answer.error)
    if answer.id != name:
        return _broken("The answer bears the id of another request, so its images may show somebody else.")
    try:
        pictures = [Picture(b64decode(made.data, validate=True), made.seed) for made in answer.images]
    except binascii.Error:
        return _broken("An image in the answer is not base64.")
    if not pictures:
        return _broken("The answer holds neither images nor an error.")
    asked = order.request.output.count
    warnings = [_warning(each.code, each.detail) for each in answer.warnings[:MOST_WARNINGS]]
    if len(pictures) < asked:
        warnings.append(partial(f"{TITLE} made {len(pictures)} of {asked} images."))
    return Finished(pictures, warnings=warnings)


def failure_of(data: bytes) -> Failed:
    """Read the object of a failure: the container's own error, or what SageMaker says of it."""
    try:
        return _of(Refused.model_validate_json(data).error)
    except ValidationError:
        return _failed(
            "provider_error",
            "no",
            "The endpoint failed on the request, or answered in a form that is not fitting-room/try-on/1.",
            f"{LATER} {_LOG}",
            provider_detail=data[:2000].decode(errors="replace"),
        )


def _of(problem: Problem) -> Failed:
    told = _TOLD.get(problem.name, _TOLD["Internal"])
    words: dict[str, Any] = {"provider_code": problem.name, "provider_detail": problem.message}
    return _failed(told.code, "no", told.detail, told.remedy, retryable=told.retryable, **words)


def _broken(detail: str) -> Failed:
    return _failed("provider_error", "no", detail, _LOG, retryable=False)


def _warning(code: str, detail: str) -> JobWarning:
    return JobWarning(
        code="model_warned",
        detail=f"The model says {_failed.quoted(code)}: {_failed.quoted(detail)}",
        remedy="The image is complete.",
    )
