"""A job as FASHN tells a prediction.

Source: docs.fashn.ai, "API Fundamentals", "Error Handling" and "Data Retention & Privacy"; the vendor's Python client
0.9.0, `fashn/types/prediction_status_response.py`.
"""

from __future__ import annotations

from typing import Any

from fitting_room.clock import Clock
from fitting_room.dialects.http import Answer
from fitting_room.dialects.predictions import ended, served_by
from fitting_room.dialects.results import inline, links
from fitting_room.jobs.job import Job

STEPS = {"queued": "starting", "preparing": "starting", "waiting_for_slot": "in_queue"}
"""By our step. Every other one is `processing`."""
ENDS = {"cancelled": "canceled", "timed_out": "time_out"}
"""By our error code. Every other failure is `failed`."""
ERRORS = {
    "image_unreadable": "ImageLoadError",
    "image_unreachable": "ImageLoadError",
    "content_blocked": "ContentModerationError",
    "pose_not_found": "PoseError",
    "provider_error": "PipelineError",
    "output_rejected": "PipelineError",
    "quota_exhausted": "3rdPartyProviderError",
    "rate_limited": "3rdPartyProviderError",
    "provider_auth": "3rdPartyProviderError",
    "provider_unavailable": "3rdPartyProviderError",
    "provider_paused": "3rdPartyProviderError",
    "model_retired": "3rdPartyProviderError",
    "timed_out": "PollingTimeout",
}
"""By our error code. Every other one is `InternalServerError`."""
OWN = {*ERRORS.values(), "ThirdPartyError", "InternalServerError"}
"""A provider behind us that says one of these words is quoted."""


def accepted(job: Job) -> Answer:
    return Answer(200, {"id": job.id, "error": None})


def status(job: Job, at: Clock) -> Answer:
    """Tell how a job is. A job that is over tells in a header what it used of the day's images."""
    told: dict[str, Any] = {"id": job.id, "status": _word(job), "output": None, "error": None}
    headers = served_by(job)
    if job.final:
        headers["x-fashn-credits-used"] = str(job.usage.images)
    if job.status == "succeeded":
        as_data = inline(job) if job.request.metadata.get("return_base64") else None
        told["output"] = as_data or links(job, at)
    elif job.error:
        told["error"] = ended(job, name_of(job))
    return Answer(200, told, headers)


def credits(left: int) -> Answer:
    return Answer(200, {"credits": {"total": left, "subscription": left, "on_demand": 0}})


def name_of(job: Job) -> str:
    """Return the vendor's name of a job's error. A failure that must not simply be repeated is no `PipelineError`."""
    assert job.error
    if job.error.provider_code in OWN:
        return str(job.error.provider_code)
    if job.error.code == "provider_error" and not job.error.retryable:
        return "ThirdPartyError"
    return ERRORS.get(job.error.code, "InternalServerError")


def _word(job: Job) -> str:
    if job.status == "succeeded":
        return "completed"
    if job.final:
        return ENDS.get(job.error.code if job.error else "", "failed")
    return STEPS.get(job.step, "processing")
