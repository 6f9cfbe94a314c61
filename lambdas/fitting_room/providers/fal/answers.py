"""The answers of fal, and the meaning of its words for a failure.

Source: the vendor's pages "Errors", "Request errors" and "FAQ". Names that only other public clients list are taken
as well, as any name is. A name that is not known here is a failure of the provider.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from fitting_room.providers.shared.failures import LATER, Told
from fitting_room.providers.shared.predictions import LOADABLE

LOOK = "Look at the requests of the fal account before you submit again."
_OTHER = "Choose another provider, or report it to the operator of this service."
_UNREADABLE = Told("image_unreadable", "fal cannot use one of the images.", LOADABLE)
_OURS = Told("provider_error", "The model at fal refused the request as invalid.", _OTHER, retryable=False)
_BROKEN = Told("provider_error", "fal failed on the job; it costs nothing.", LATER, free=True)
_UNKNOWN = Told("provider_error", "fal says that the job failed, and nothing more.", LOOK)
_SLOW = Told("timed_out", "fal did not finish the job in time; it costs nothing.", LATER, free=True)
TOLD = {
    "content_policy_violation": Told(
        "content_blocked",
        "The content filter of the model refused the images or the text.",
        "Send another image; the same request will be blocked again.",
    ),
    "no_media_generated": Told(
        "provider_error", "The model made no image of this request.", "Change the images or the text.", retryable=False
    ),
    "face_detection_error": Told(
        "pose_not_found", "The model found no face.", "Send an image of the person's face, too."
    ),
    **dict.fromkeys(
        (
            "image_load_error",
            "file_download_error",
            "image_too_small",
            "image_too_large",
            "file_too_large",
            "unsupported_image_format",
        ),
        _UNREADABLE,
    ),
    **dict.fromkeys(("request_timeout", "startup_timeout", "generation_timeout"), _SLOW),
    **dict.fromkeys(
        ("client_cancelled", "client_disconnected"), Told("provider_error", "The job was cancelled at fal.", LOOK)
    ),
}
CANCELLED = TOLD["client_cancelled"]


class Submitted(BaseModel):
    """`status_url` and `cancel_url` lie beside `response_url`."""

    request_id: str
    response_url: str | None = None


class Status(BaseModel):
    """The status of a request.

    `status`: IN_QUEUE | IN_PROGRESS | COMPLETED, which a job that failed has too; `error` then may say so. One of the
    two names of the request is always there.
    """

    status: str
    request_id: str | None = None
    response_url: str | None = None
    error: Any = None
    error_type: str | None = None

    @model_validator(mode="after")
    def about_a_request(self) -> Status:
        if self.request_id is None and self.response_url is None:
            raise ValueError("a status is about a request")
        return self


class File(BaseModel):
    url: str


class Output(BaseModel):
    """Of every model here `images`."""

    images: list[File]


class Cancelled(BaseModel):
    status: str


class _DeletedFile(BaseModel):
    exception: Any = None


class Deleted(BaseModel):
    """The answer to a deletion: one entry for each file that was made, with an exception if the file stays."""

    results: list[_DeletedFile] = Field(alias="CDN_DELETE_RESULTS")

    @property
    def whole(self) -> bool:
        return not any(file.exception for file in self.results)


class Problem(BaseModel):
    """`model`: the model's own word, a list of details with a `type` each; else the platform's."""

    status: int
    name: str | None = None
    detail: str | None = None
    model: bool = False


class _Detail(BaseModel):
    type: str | None = None
    msg: str | None = None


class _Body(BaseModel):
    """`error` and `message` stand where a gateway before fal answers."""

    detail: list[_Detail] | str | None = None
    error_type: str | None = None
    message: str | None = None

    @field_validator("message", "error_type", mode="before")
    @classmethod
    def text(cls, value: Any) -> str | None:
        return value if isinstance(value, str) else None


def problem_of(status: int, content: bytes, header: str | None) -> Problem:
    """Return the problem in a body of either of fal's two shapes.

    The client's own data (`input`) are left out.
    """
    try:
        body = _Body.model_validate_json(content)
    except (ValidationError, RecursionError):
        return Problem(status=status, name=header)
    if isinstance(body.detail, list):
        first = next(iter(body.detail), _Detail())
        return Problem(status=status, name=first.type or header, detail=first.msg, model=bool(first.type))
    return Problem(status=status, name=body.error_type or header, detail=body.detail or body.message)


def told_of(problem: Problem) -> Told:
    """Return the meaning of a problem, by the vendor's name, else by the status.

    Source: "5xx is never charged".
    """
    if known := TOLD.get(problem.name or ""):
        return known
    if problem.status >= 500:
        return _BROKEN
    if problem.status < 400:
        return _UNKNOWN
    return _UNREADABLE if re.search(r"image|file|media", problem.name or "") else _OURS
