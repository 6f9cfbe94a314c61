"""A job as TryItOn tells it, in the shape of the generation that asked for it.

Source: the vendor's Python client 2.0.0, and its pages "Job status" and "Credits balance"; the page "Clothes Tryon" for the
older shape. Both read one address.
"""

from __future__ import annotations

from typing import Any

from fitting_room.clock import Clock
from fitting_room.dialects.http import Answer
from fitting_room.dialects.predictions import ended, served_by
from fitting_room.dialects.results import links
from fitting_room.jobs.job import Job

ERRORS = {
    "image_unreadable": "ImageLoadError",
    "image_unreachable": "ImageLoadError",
    "content_blocked": "ContentModerationError",
    "pose_not_found": "PoseError",
    "quota_exhausted": "ThirdPartyError",
    "rate_limited": "ThirdPartyError",
    "provider_auth": "ThirdPartyError",
    "provider_unavailable": "ThirdPartyError",
    "provider_paused": "ThirdPartyError",
    "model_retired": "ThirdPartyError",
    "timed_out": "ThirdPartyError",
}
"""By our error code. Every other one is the generation's own word for a failure."""
FAILURE, OLDER_FAILURE = "ProcessingError", "PipelineError"
OWN = {*ERRORS.values(), FAILURE, OLDER_FAILURE}
"""A provider behind us that says one of these words is quoted."""


def accepted(job: Job) -> Answer:
    return Answer(200, {"id": job.id, "error": None} if _is_older(job) else {"ok": True, "jobId": job.id})


def status(job: Job, at: Clock) -> Answer:
    """Tell how a job is. The older shape has no `output` of a failed one."""
    word = "completed" if job.status == "succeeded" else "failed" if job.final else "processing"
    told: dict[str, Any] = {"id": job.id} if _is_older(job) else {"ok": True}
    told["status"] = word
    if not (_is_older(job) and word == "failed"):
        told["output"] = links(job, at) if word == "completed" else []
    told["error"] = ended(job, name_of(job)) if word == "failed" and job.error else None
    return Answer(200, told, served_by(job))


def credits(left: int) -> Answer:
    """Tell what is left of the day. What open jobs have reserved is taken off already."""
    return Answer(
        200, {"ok": True, "credits": {"on_demand": left, "subscription": left, "purchased": 0, "reserved": 0}}
    )


def name_of(job: Job) -> str:
    """Return the vendor's name of a job's error. A failure that must not simply be repeated is a `ThirdPartyError`."""
    assert job.error
    if job.error.provider_code in OWN:
        return str(job.error.provider_code)
    if job.error.code == "provider_error" and not job.error.retryable:
        return "ThirdPartyError"
    return ERRORS.get(job.error.code, OLDER_FAILURE if _is_older(job) else FAILURE)


def _is_older(job: Job) -> bool:
    return job.request.metadata.get("dialect") == "tryiton/clothes"
