"""Errors as the Bedrock runtime tells them: a type with its HTTP status, and a message.

Source: Amazon Bedrock API reference, `API_runtime_InvokeModel`, "Errors". The SDKs read the type from the header
`x-amzn-errortype`, and repeat a call that was answered with 429, 500 or 503.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from fitting_room.actions.job_view import provider_of
from fitting_room.actions.requests.plan import OTHER_WAYS
from fitting_room.dialects.wording import Values, in_words, telling
from fitting_room.jobs.document import within
from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.jobs.job import Job
from fitting_room.jobs.wording import field_of

STATUS = {
    "ValidationException": 400,
    "ServiceQuotaExceededException": 400,
    "AccessDeniedException": 403,
    "ResourceNotFoundException": 404,
    "ModelTimeoutException": 408,
    "ModelErrorException": 424,
    "ThrottlingException": 429,
    "InternalServerException": 500,
    "ServiceUnavailableException": 503,
}
_OF_REFUSALS = {
    "unauthorized": "AccessDeniedException",
    "forbidden": "AccessDeniedException",
    "provider_not_allowed": "AccessDeniedException",
    "erased": "ResourceNotFoundException",
    "not_found": "ResourceNotFoundException",
    "budget_exceeded": "ServiceQuotaExceededException",  # no throttling: to repeat the call helps no sooner than tomorrow
    "throttled": "ThrottlingException",
    "provider_paused": "ServiceUnavailableException",
    "internal": "InternalServerException",
}
"""By code, where all faults have the same; any other refusal is a ValidationException."""
_OF_JOBS = {
    "image_unreadable": "ValidationException",
    "pose_not_found": "ValidationException",
    "quota_exhausted": "ServiceQuotaExceededException",
    "rate_limited": "ThrottlingException",
    "model_retired": "ResourceNotFoundException",
    "provider_unavailable": "ServiceUnavailableException",
    "timed_out": "ModelTimeoutException",
    "internal": "InternalServerException",
}
"""By code of a job's error; any other is a ModelErrorException."""
JOB, PROVIDER = "x-fitting-room-job", "x-fitting-room-provider"


class BedrockError(Exception):
    """What a call is answered with in place of images."""

    def __init__(self, kind: str, message: str, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__(message)
        self.kind, self.headers = kind, headers

    @property
    def status(self) -> int:
        return STATUS[self.kind]


class Names(NamedTuple):
    """What the parts of a job's request are called by the vendor.

    `fields`: by JSON pointer of the job's request. `values`: of these fields. `mask`: what to send in place of a mask that
    a provider does not take.
    """

    fields: Mapping[str, str] = MappingProxyType({})
    mask: str | None = None
    values: Values = MappingProxyType({})

    def with_fields(self, more: Mapping[str, str]) -> Names:
        return self._replace(fields={**self.fields, **more})

    def sentence(self, fault: Fault) -> str:
        """Return an error and its remedy: with the vendor's names, and without what only our own API has."""
        pointer = fault.pointer or ""
        own = self.mask if fault.provider and within(pointer, "/mask") else None
        text = in_words(f"{fault.detail} {own or fault.remedy.partition(OTHER_WAYS)[0]}", pointer, self.values)
        for place, name in self.fields.items():
            text = text.replace(f"`{field_of(place)}`", f"`{name}`")
        found = next((name for place, name in self.fields.items() if within(pointer, place)), None)
        return f"{found}: {text}" if found else text


def named(job: Job) -> dict[str, str]:
    """Return the headers that name a job and its provider."""
    return {JOB: job.id, PROVIDER: provider_of(job)}


def of_refusal(refusal: Refusal, names: Names) -> BedrockError:
    """Return the error of a request that no job was made of."""
    codes = {fault.code for fault in refusal.faults}
    kind = _OF_REFUSALS.get(codes.pop(), "ValidationException") if len(codes) == 1 else "ValidationException"
    wait = {} if refusal.retry_after is None else {"retry-after": str(refusal.retry_after)}
    told = " ".join(dict.fromkeys(names.sentence(fault) for fault in telling(refusal.faults)))
    by_plan = all(fault.provider for fault in refusal.faults)
    return BedrockError(kind, f"No provider of this deployment does this. {told}" if by_plan else told, wait)


def of_job(job: Job, names: Names) -> BedrockError:
    """Return the error of a job that ended without images."""
    fault = job.error or Fault.of("cancelled", "The job was cancelled.", "Send the request again.")
    message = f"{names.sentence(fault)} This was the job {job.id} at {provider_of(job)}."
    return BedrockError(_OF_JOBS.get(fault.code, "ModelErrorException"), message, named(job))
