"""Every way a request or a job can fail, in one table: with what a client may decide on.

`Refusal` answers an HTTP request (nothing was stored or bought); `JobFailure` ends an attempt or a job.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict

PROBLEM = "application/problem+json"


class Code(NamedTuple):
    """The properties of an error code.

    `status`: HTTP status of a refusal (None: the code only ends jobs). `retryable`: the same request may succeed
    later. `moves_on`: another provider may do it, so it is tried while nothing has been charged.
    """

    title: str
    status: int | None = None
    retryable: bool = False
    moves_on: bool = False


CODES: dict[str, Code] = {
    # refusals
    "invalid_input": Code("A field breaks its rule", 422),
    "unsupported_option": Code("No provider of this request can honour an option", 422),
    "provider_not_configured": Code("This deployment is not set up for the provider or model", 422),
    "provider_paused": Code("The operator has paused the provider", 422, retryable=True, moves_on=True),
    "provider_not_allowed": Code("This tenant or key may not use the provider this way", 403),
    "model_retired": Code("The provider has retired the model", 422, moves_on=True),
    "subject_not_ready": Code("A subject is unknown, still being made, failed, or being erased", 422),
    "upload_missing": Code("An upload is unknown, expired or not finished", 422),
    "webhook_not_configured": Code("The tenant has no secret to sign webhooks with", 422),
    "unauthorized": Code("The API key is missing or unknown", 401),
    "forbidden": Code("This key or token may not do this", 403),
    "not_found": Code("Nothing is found here", 404),
    "method_not_allowed": Code("Method not allowed", 405),
    "idempotency_conflict": Code("The idempotency key belongs to another request", 422),
    "too_large": Code("The body is too large", 413),
    "unsupported_media_type": Code("The body is not plain JSON", 415),
    "may_be_charged": Code("The job was or may have been charged", 409),
    "nothing_to_recover": Code("The job has nothing to fetch", 409),
    "conflict": Code("The job's status does not allow this", 409),
    "erased": Code("The resource was erased", 410),
    "budget_exceeded": Code("The tenant's budget for today is used up", 429, retryable=True),
    "throttled": Code("Too many requests at once", 429, retryable=True),
    # ends of jobs
    "image_unreadable": Code("An input image cannot be used", moves_on=True),
    "image_unreachable": Code("The host of an input image does not deliver it now", retryable=True),
    "pose_not_found": Code("The provider finds no person in the image"),
    "content_blocked": Code("The provider's content filter refused the input or the result"),
    "output_rejected": Code("The provider's result failed the quality check"),
    "quota_exhausted": Code("The provider account has no credit left", moves_on=True),
    "rate_limited": Code("The provider has no slot soon enough", retryable=True, moves_on=True),
    "provider_auth": Code("The provider refused the deployment's key", moves_on=True),
    "provider_error": Code("The provider failed", retryable=True, moves_on=True),
    "provider_unavailable": Code("The provider cannot be reached", retryable=True, moves_on=True),
    "timed_out": Code("The provider did not finish in time", moves_on=True),
    "cancelled": Code("The job was cancelled"),
    "internal": Code("Internal error", 500, retryable=True),
}


class Fault(BaseModel):
    """The error object: the same in an HTTP answer, a job, an attempt and a drop folder's `error.json`.

    `pointer` is a JSON pointer into the request. `provider_code` and `provider_detail` are the provider's own words.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    code: str
    detail: str
    remedy: str
    retryable: bool
    pointer: str | None = None
    provider: str | None = None
    provider_code: str | None = None
    provider_detail: str | None = None

    @classmethod
    def of(cls, code: str, detail: str, remedy: str, *, retryable: bool | None = None, **facts: Any) -> Self:
        """Build a fault with the table's `retryable`, unless the caller gives another.

        Raises `KeyError` for a code not in the table.
        """
        known = CODES[code]
        return cls(
            code=code,
            detail=detail,
            remedy=remedy,
            retryable=known.retryable if retryable is None else retryable,
            **facts,
        )

    @property
    def moves_on(self) -> bool:
        return CODES[self.code].moves_on


class JobWarning(BaseModel):
    """Something the user should know about a job that goes on."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    code: str
    detail: str
    remedy: str = ""
    pointer: str | None = None


class Refusal(Exception):
    """A request that is answered with problem+json; carries every fault found, and how long to wait if that helps."""

    def __init__(self, *faults: Fault, status: int | None = None, retry_after: int | None = None) -> None:
        super().__init__("; ".join(f"{fault.pointer or '/'}: {fault.detail}" for fault in faults))
        self.faults = faults
        self.status = status or CODES[faults[0].code].status or 422
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        """Return the body of RFC 9457: the first fault on top, all of them in `errors`."""
        first, faults = self.faults[0], [fault.model_dump(exclude_none=True) for fault in self.faults]
        return {
            "type": f"urn:fitting-room:problem:{first.code}",
            "title": CODES[first.code].title,
            "status": self.status,
            **faults[0],
            "errors": faults,
        }

    @classmethod
    def of(
        cls,
        code: str,
        detail: str,
        remedy: str,
        *,
        status: int | None = None,
        retry_after: int | None = None,
        **facts: Any,
    ) -> Self:
        return cls(Fault.of(code, detail, remedy, **facts), status=status, retry_after=retry_after)


class JobFailure(Exception):
    """Ends the work on a job or one attempt of it, before or without a purchase."""

    def __init__(self, code: str, detail: str, remedy: str, **facts: Any) -> None:
        super().__init__(detail)
        self.fault = Fault.of(code, detail, remedy, **facts)
