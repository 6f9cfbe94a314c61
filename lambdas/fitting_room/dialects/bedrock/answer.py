"""A job that succeeded as Nova Canvas answers it: `{"images": [base64], "maskImage", "error"}`.

Source: Amazon Nova user guide, `image-gen-req-resp-structure`, "Response body"; the words of its content filter:
`image-gen-errors`.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

from fitting_room.dialects.bedrock.errors import BedrockError, Names, named, of_job
from fitting_room.dialects.bedrock.size import MOST_BYTES, reencoded
from fitting_room.jobs.job import Job, JobImage
from fitting_room.stores import media

ALL_BLOCKED = "All of the generated images have been blocked by our content filters."
SOME_BLOCKED = "Some of the generated images have been blocked by our content filters."
REFUSED = "This request has been blocked by our content filters. Please adjust your {what} to submit a new request."
REENCODED = "x-fitting-room-reencoded"


def answered(job: Job, names: Names) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers for a job that is over. Raises `BedrockError` for one without images."""
    if job.status != "succeeded":
        return _unsuccessful(job, names), named(job)
    images = [_read(image, job) for image in job.images]
    more: dict[str, Any] = {"maskImage": _base64(_read(job.mask, job))} if job.mask else {}
    if any(warning.code == "partial_blocked" for warning in job.warnings):
        more["error"] = SOME_BLOCKED
    body = _body(images, more)
    if len(body) <= MOST_BYTES:
        return body, named(job)
    for smaller, how in reencoded(images, job.request.task):
        if len(body := _body(smaller, more)) <= MOST_BYTES:
            return body, {**named(job), REENCODED: how}
    raise BedrockError(
        "ModelErrorException",
        f"The images are there, but no answer of a Lambda function has room for them. Fetch them with GET /v1/jobs/{job.id}"
        " of the HTTP API and the same key. To send the call again would buy them again.",
        named(job),
    )


def _unsuccessful(job: Job, names: Names) -> bytes:
    """Return the answer without an image that Nova gives where its filter blocked all of them.

    A provider that charged nothing has refused the input.
    """
    if job.error is None or job.error.code != "content_blocked":
        raise of_job(job, names)
    if job.latest is None or job.latest.charged == "no":
        blocked = of_job(job, names)
        what = "text prompt" if "/prompt" in names.fields else "input image"
        raise BedrockError("ValidationException", f"{REFUSED.format(what=what)} {blocked}", blocked.headers)
    return json.dumps({"error": ALL_BLOCKED}).encode()


def _read(image: JobImage, job: Job) -> bytes:
    data = media.read(image.key, bucket=image.bucket)
    if data is None:
        raise BedrockError("ResourceNotFoundException", f"The images of the job {job.id} were erased.", named(job))
    return data


def _body(images: list[bytes], more: dict[str, Any]) -> bytes:
    return json.dumps({"images": [_base64(image) for image in images], **more}).encode()


def _base64(data: bytes) -> str:
    return b64encode(data).decode()
