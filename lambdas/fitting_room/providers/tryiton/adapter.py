"""Speaks to TryItOn: a paid submit answers a job id, free status reads lead to the addresses of the pictures.

Source: the vendor's Python client 2.0.0 for the calls and the API errors, the vendor's page "Clothes Tryon" for the
errors of a running job. Both shapes of a submit's answer that the vendor has used are read.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Literal
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from fitting_room.jobs.errors import JobFailure, Warning
from fitting_room.jobs.outcome import Charged, Failed, Finished, Outcome, Pending, Picture
from fitting_room.jobs.tasks import TryOn
from fitting_room.providers.base import Connection, Input, Order
from fitting_room.providers.failures import failed
from fitting_room.providers.tryiton.entry import CATEGORIES, ID, is_clothing

BASE = "https://tryiton.now/api/v1"
POLL_SECONDS = 2.0


class FashionRequest(BaseModel):
    """`POST /tryon/fashion`. Pictures are data URLs (the prefix is mandatory). `num_samples` 1 to 4, each is charged.
    `subcategory` is required for clothing, jewelry and accessories; `mode` and `moderation_level` are for clothing."""

    model_config = ConfigDict(frozen=True)

    model_image: str
    garment_image: str
    category: Literal["auto", "clothing", "eyewear", "footwear", "headwear", "jewelry", "accessories", "others"]
    subcategory: str | None = None
    mode: Literal["performance", "balanced", "quality"] | None = None
    num_samples: int
    output_format: Literal["png", "jpeg"] | None = None
    moderation_level: Literal["conservative", "permissive"] | None = None

    def json_bytes(self) -> bytes:
        return self.model_dump_json(exclude_none=True).encode()


def body_of(order: Order) -> FashionRequest:
    """What is sent for an order."""
    request, output = order.request, order.request.output
    assert isinstance(request, TryOn), "the catalogue offers this vendor for nothing else"
    category, subcategory = CATEGORIES[request.garments[0].category]
    modes = {"fast": "performance", "standard": "balanced", "best": "quality"}
    return FashionRequest(
        model_image=_data_url(order.base),
        garment_image=_data_url(order.garments[0]),
        category=category,
        subcategory=subcategory or order.options.subcategory,
        mode=modes[output.quality] if output.quality and is_clothing(request) else None,
        num_samples=output.count,
        output_format=output.format if output.format != "webp" else None,
        moderation_level=request.moderation,
    )


def _data_url(picture: Input) -> str:
    return f"data:{picture.media_type};base64,{b64encode(picture.read()).decode()}"


class Problem(BaseModel):
    """The vendor's error: `{"name", "message"}` inside an answer, or `{"error": name, "message"}` as one."""

    name: str | None = None
    message: str | None = None


class Submitted(BaseModel):
    """`{"ok": true, "jobId"}`, or in the older shape `{"id", "error": null}`."""

    ok: bool = True
    jobId: str | None = None  # noqa: N815
    id: str | None = None
    error: Problem | str | None = None
    message: str | None = None

    @property
    def job_id(self) -> str | None:
        return self.jobId or self.id

    @property
    def problem(self) -> Problem | None:
        if isinstance(self.error, str):
            return Problem(name=self.error, message=self.message)
        return self.error or (None if self.ok else Problem(message=self.message))


class Status(BaseModel):
    """`status`: completed | failed, anything else is still under way. `output`: addresses, valid for 72 hours."""

    status: str
    output: list[str] | None = None
    error: Problem | str | None = None


_CREDITS = "Look at the credits of the TryItOn account before you submit again."
_LATER = "Submit again later."
_CHANGE = "Send other pictures: the person alone, whole and facing the camera, the garment clearly visible."
_OTHER = "Choose another provider, or report it to the operator of this service."

# A job that failed while it ran: the vendor's name -> code, detail, remedy, retryable (None: as the code's table says).
# None of them is charged, by the vendor's word.
_RUNTIME: dict[str, tuple[str, str, str, bool | None]] = {
    "ImageLoadError": ("image_unreadable", "TryItOn could not load one of the pictures.",
                       "Send the pictures again as ordinary PNG or JPEG files.", None),
    "ContentModerationError": ("content_blocked", "The content filter of TryItOn refused the garment picture.",
                               "Send another picture or, if your use allows it, set moderation to permissive.", None),
    "PoseError": ("pose_not_found", "TryItOn found no body pose in a picture.", _CHANGE, None),
    "PipelineError": ("provider_error", "TryItOn failed on the job; it costs nothing.", _LATER, None),
    "ProcessingError": ("provider_error", "TryItOn failed on the job; it costs nothing.", _LATER, None),
    # "encountered an error or refused": most likely the content rules of the vendor's own suppliers, so not retryable
    "ThirdPartyError": ("provider_error", "A service that TryItOn relies on refused the pictures or failed.",
                        "Send other pictures, or choose another provider.", False),
}


class TryItOn:
    def __init__(self, http: httpx.Client, connection: Connection) -> None:
        self.http = http
        self.connection = connection

    def start(self, order: Order) -> Outcome:
        try:
            answer = self.http.post("tryon/fashion", content=body_of(order).json_bytes(),
                                    headers={"Content-Type": "application/json"})
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError):
            return _failed("provider_unavailable", "no", "TryItOn cannot be reached; nothing was sent.", _LATER)
        except httpx.HTTPError as error:
            return _failed("provider_unavailable", "unknown", "The connection to TryItOn was lost after the request.",
                           _CREDITS, provider_code=type(error).__name__)
        return submitted(answer)

    def poll(self, order: Order, provider_job_id: str) -> Outcome:
        """Reading the status costs nothing, so whatever may pass is simply looked at again, until the deadline."""
        again = Pending(provider_job_id, POLL_SECONDS)
        try:
            answer = self.http.get(f"status/{quote(provider_job_id, safe='')}")
        except httpx.HTTPError:
            return again
        if answer.status_code == 429 or answer.status_code >= 500:
            return Pending(provider_job_id, max(POLL_SECONDS, _retry_after(answer)))
        if not answer.is_success:
            return _status_refused(answer)
        try:
            status = Status.model_validate_json(answer.content)
        except ValidationError:
            return again
        match status.status:
            case "failed":
                return job_failed(status)
            case "completed":
                return self._collect(status.output or [], order)
            case _:
                return again

    def _collect(self, addresses: list[str], order: Order) -> Outcome:
        if not addresses:
            return _failed("output_rejected", "unknown", "TryItOn says the job is completed but names no picture.",
                           _CREDITS)
        fetched = [self._fetched(address) for address in addresses]
        pictures = [Picture(data) for data in fetched if isinstance(data, bytes)]
        if not pictures:
            return _failed("provider_unavailable", "yes", "TryItOn drew the pictures, but they could not be fetched.",
                           "The operator can fetch them from the vendor for 72 hours, by the attempt's provider_job_id.",
                           provider_detail=next(lost for lost in fetched if isinstance(lost, str)))
        return Finished(pictures, credits=len(addresses), warnings=_warnings(len(pictures), order.request.output.count))

    def _fetched(self, address: str) -> bytes | str:
        """The picture, or why it cannot be had. It is paid for, and fetching is free: so it is tried twice."""
        try:
            return self.connection.download(address)
        except JobFailure:
            pass
        try:
            return self.connection.download(address)
        except JobFailure as failure:
            return failure.fault.detail


def _warnings(got: int, asked: int) -> list[Warning]:
    if got >= asked:
        return []
    return [Warning(code="partial_result", detail=f"{got} of {asked} pictures could be fetched from TryItOn.",
                    remedy="Submit again for more pictures.")]


def submitted(answer: httpx.Response) -> Outcome:
    """What the answer to a submit means: an HTTP status, or a problem told with status 200."""
    try:
        content = Submitted.model_validate_json(answer.content)
    except ValidationError:
        content = None
    problem = (content and content.problem) or Problem()
    if not answer.is_success:
        return _refused(answer, problem)
    if content is None:
        return _failed("provider_error", "unknown", "The answer of TryItOn cannot be read.", _CREDITS)
    if content.problem and not content.job_id:
        return _named(problem, "") or _failed("provider_error", "no", "TryItOn refused the request.", _OTHER,
                                              retryable=False, **_words(problem))
    if content.problem or not content.job_id:
        return _failed("provider_error", "unknown", "TryItOn took the request but named no usable job.", _CREDITS,
                       **_words(problem))
    return Pending(content.job_id, POLL_SECONDS)


def _refused(answer: httpx.Response, problem: Problem) -> Failed:
    status, words = answer.status_code, _words(problem, f"HTTP {answer.status_code}")
    wait = _retry_after(answer)
    if named := _named(problem, f" Retry after {wait:g} s." if wait else ""):
        return named
    match status:
        case 401 | 403:
            return _failed("provider_auth", "no", "TryItOn does not accept the key of this deployment.",
                           "The operator must store a valid key for TryItOn.", **words)
        case 429:
            return _rate_limited(problem, f" Retry after {wait:g} s." if wait else "")
        case 400 | 413 | 422 if status == 413 or "image" in (problem.message or "").lower():
            return _failed("image_unreadable", "no", "TryItOn cannot use one of the pictures.",
                           "Send another picture; the vendor's words say what is wrong with this one.", **words)
        case 404:
            return _failed("provider_error", "no", "TryItOn no longer knows this call.", _OTHER, retryable=False, **words)
        case _ if 400 <= status < 500 and status != 408:
            return _failed("provider_error", "no", "TryItOn refused the request as invalid.", _OTHER, retryable=False,
                           **words)
        case _:
            return _failed("provider_error", "unknown", "TryItOn failed while it took the request.", _CREDITS, **words)


def _named(problem: Problem, hint: str) -> Failed | None:
    """429 has two meanings, so the vendor's name counts more than the status."""
    if problem.name == "OutOfCredits":
        return _failed("quota_exhausted", "no", "The TryItOn account has no credits left.",
                       "The operator must buy credits; until then choose another provider.", **_words(problem))
    if problem.name in ("RateLimitExceeded", "ConcurrencyLimitExceeded"):
        return _rate_limited(problem, hint)
    return None


def _rate_limited(problem: Problem, hint: str) -> Failed:
    words = _words(problem, "HTTP 429")
    words["provider_detail"] = f"{words['provider_detail'] or ''}{hint}".strip() or None
    return _failed("rate_limited", "no", "TryItOn takes no more requests at the moment.", _LATER, **words)


def _status_refused(answer: httpx.Response) -> Failed:
    """The job was accepted, but its status can no longer be read."""
    code = "provider_auth" if answer.status_code in (401, 403) else "provider_error"
    detail = "TryItOn does not know the job any more." if answer.status_code == 404 else \
        "TryItOn no longer tells the status of the job."
    return _failed(code, "unknown", detail, _CREDITS, provider_code=f"HTTP {answer.status_code}")


def job_failed(status: Status) -> Failed:
    """What a job with status `failed` means."""
    problem = status.error if isinstance(status.error, Problem) else Problem(message=status.error)
    default = ("provider_error", "TryItOn failed on the job; it costs nothing.", _LATER, None)
    code, detail, remedy, retryable = _RUNTIME.get(problem.name or "", default)
    return _failed(code, "no", detail, remedy, retryable=retryable, **_words(problem))


def _words(problem: Problem, otherwise: str | None = None) -> dict[str, str | None]:
    return {"provider_code": problem.name or otherwise, "provider_detail": problem.message}


def _retry_after(answer: httpx.Response) -> float:
    """Seconds of the `Retry-After` header, at most one minute; 0 where there is none or it is a date."""
    value = answer.headers.get("Retry-After", "")
    return min(float(value), 60.0) if value.isdecimal() else 0.0


def _failed(code: str, charged: Charged, detail: str, remedy: str, **facts: Any) -> Failed:
    return failed(ID, code, charged, detail, remedy, **facts)


def connect(connection: Connection, transport: httpx.BaseTransport | None = None) -> TryItOn:
    """`connection.endpoint` is the base address with its version, as in the vendor's own client.

    No redirects (a redirected purchase may be two), no retries, and every request on a connection of its own: a stale
    pooled one would leave the fate of a purchase uncertain. Raises `JobFailure` (`provider_auth`) without a key.
    """
    if not connection.secret:
        raise JobFailure("provider_auth", "There is no key for TryItOn in this deployment.",
                         "The operator must store a key for TryItOn.", provider=ID)
    http = httpx.Client(base_url=(connection.endpoint or BASE).rstrip("/") + "/", timeout=httpx.Timeout(60, connect=10),
                        headers={"Authorization": f"Bearer {connection.secret}", "Accept": "application/json"},
                        limits=httpx.Limits(max_keepalive_connections=0), follow_redirects=False, transport=transport)
    return TryItOn(http, connection)
