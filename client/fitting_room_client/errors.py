"""Everything that this package raises on purpose.

* FittingRoomError
  x BadInput          the call was wrong; nothing was sent
  x NotDelivered      the API could not be reached; nothing happened
  x Refused           the API said no; nothing was stored or bought
  x AnswerLost        the request left, and no answer came; the job may exist
  x JobFailed         the job ended without images
  x DeadlinePassed    the job or the batch goes on, and the call waits no longer
  x SignatureInvalid  a webhook that Fitting Room did not send, or an old one
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fitting_room_client.models import Batch, Fault, Job, Problem


class FittingRoomError(Exception):
    """`faults`: what is wrong, in which field, and what to do. There is at least one. `job`: the job that exists already."""

    job: Job | None = None

    def __init__(self, *faults: Fault) -> None:
        super().__init__("\n".join(_told(fault) for fault in faults))
        self.faults = faults


def _told(fault: Fault) -> str:
    return " ".join(part for part in (fault.pointer and f"{fault.pointer}:", fault.detail, fault.remedy) if part)


class BadInput(FittingRoomError, ValueError):
    pass


class NotDelivered(FittingRoomError):
    pass


class Refused(FittingRoomError):
    """`problem` is the answer's body; decide on `retryable`, and show `request_id` to the operator."""

    def __init__(self, problem: Problem, request_id: str | None = None) -> None:
        super().__init__(*(problem.errors or [problem]))
        self.problem, self.request_id = problem, request_id
        self.status, self.code, self.retryable = problem.status, problem.code, problem.retryable


class AnswerLost(FittingRoomError):
    """After a submit: `jobs.submit(error.request, idempotency_key=error.idempotency_key)` answers the job, or makes it."""

    request: Mapping[str, Any] | None = None
    idempotency_key: str | None = None


class JobFailed(FittingRoomError):
    """`job.attempts` say whether it was charged, `job.error` whether it may be repeated."""

    job: Job

    def __init__(self, job: Job) -> None:
        super().__init__(job.error or Fault(code=job.status, detail=f"The job is {job.status} and has no image."))
        self.job = job


class DeadlinePassed(FittingRoomError):
    """Wait on with `jobs.wait(error.job)` or `batches.wait(error.batch)`, or cancel it."""

    def __init__(self, seen: Job | Batch) -> None:
        at = f"step is {seen.step}" if isinstance(seen, Job) else f"status is {seen.status}"
        detail = f"{seen.id} is not done yet: its {at}. It goes on."
        super().__init__(Fault(code="deadline_passed", detail=detail, remedy="Wait for it again, or cancel it."))
        self.job = seen if isinstance(seen, Job) else None
        self.batch = seen if isinstance(seen, Batch) else None


class SignatureInvalid(FittingRoomError):
    pass
