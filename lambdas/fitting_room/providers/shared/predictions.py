"""The protocol that TryItOn and FASHN share.

A paid submit answers a job id; free status reads lead to the addresses of the pictures. Each adapter has its own
calls that submit, names of errors, and costs of a failure.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, NamedTuple
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from fitting_room.jobs.errors import JobFailure
from fitting_room.jobs.outcome import Charged, Failed, Outcome, Pending, Reading
from fitting_room.providers.adapter import Connection, Order
from fitting_room.providers.shared.failures import LATER, PAUSE_SECONDS, Failures, Told, Words
from fitting_room.providers.shared.http import UNSENT, client, retry_after
from fitting_room.providers.shared.reading import read
from fitting_room.providers.shared.results import ready

POLL_SECONDS = 2.0
LOADABLE = (
    "Send PNG or JPEG files: by an address that is open to everybody and answers with their Content-Type, or as base64."
    " The provider gets them with the prefix data:image/<format>;base64 that it needs."
)
FILTERED = (
    "Send another image or, if your use allows it, set moderation to permissive, or to none where this deployment"
    " offers it. Without a filter you still answer for a lawful and ethical use; misuse may end the service."
)
"""The two vendors' remedies for a picture that could not be loaded, and for one that was filtered."""
_OTHER = "Choose another provider, or report it to the operator of this service."


class Problem(BaseModel):
    """The vendor's error: `{"name", "message"}` inside an answer, or `{"error": name, "message"}` as one."""

    name: str | None = None
    message: str | None = None


class Submitted(BaseModel):
    """`{"id", "error": null}`, or in TryItOn's newer shape `{"ok": true, "jobId"}`."""

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
    """The status of a job.

    `status`: completed | failed, or another word for an end; anything else is still under way. `output`: addresses,
    valid for 72 hours.
    """

    status: str
    output: list[str] | None = None
    error: Problem | str | None = None


class Balance(BaseModel):
    """The answer to `GET credits`.

    Each vendor has another name for the figure that can be spent.
    """

    credits: dict[str, float | None]


class Call(NamedTuple):
    """A submit: `path` relative to the vendor's base, `body` as JSON. `query` may hold a secret."""

    path: str
    body: bytes
    query: Mapping[str, str] = MappingProxyType({})


class Predictions(ABC):
    """One vendor. A subclass brings the vendor's facts and the call that submits."""

    id: ClassVar[str]
    title: ClassVar[str]
    base: ClassVar[str]
    """Address with its version, as in the vendor's own client."""
    spendable: ClassVar[str]
    """The name of what the account can still spend, in the answer to `GET credits`."""
    runtime: ClassVar[Mapping[str, Told]]
    """By the vendor's name: what a job that failed while it ran means."""
    unnamed: ClassVar[Told]
    """A failure by any other name, or by none."""
    ends: ClassVar[Mapping[str, Told]] = {}
    """By status word: other ends than completed and failed."""
    refused_free: ClassVar[frozenset[str]] = frozenset()
    """Names of API errors that cost nothing by the vendor's word, though the status is a 5xx."""
    credits_header: ClassVar[str | None] = None
    """Of the answer to the last status read: the credits a job has cost."""

    def __init__(self, connection: Connection, transport: httpx.BaseTransport | None = None) -> None:
        """Open the client.

        Raises `JobFailure` (`provider_auth`) without a key.
        """
        if not connection.secret:
            raise JobFailure(
                "provider_auth",
                f"There is no key for {self.title} in this deployment.",
                f"Ask the operator to store a key for {self.title}.",
                provider=self.id,
            )
        self.failed = Failures(self.id, connection.secret)
        self.http = client(
            connection.endpoint or self.base, {"Authorization": f"Bearer {connection.secret}"}, transport
        )

    @abstractmethod
    def call(self, order: Order) -> Call:
        """Return the call that submits an order."""

    # submit

    def start(self, order: Order) -> Outcome:
        call = self.call(order)
        try:
            answer = self.http.post(
                call.path, params=call.query, content=call.body, headers={"Content-Type": "application/json"}
            )
        except UNSENT:
            return self.failed(
                "provider_unavailable", "no", f"{self.title} cannot be reached; nothing was sent.", LATER
            )
        except httpx.HTTPError as error:
            return self.failed(
                "provider_unavailable",
                "unknown",
                f"The connection to {self.title} was lost after the request.",
                self._look,
                provider_code=type(error).__name__,
            )
        return self._submitted(answer)

    def _submitted(self, answer: httpx.Response) -> Outcome:
        """Return the outcome of a submit.

        The answer is an HTTP status, or a problem reported with status 200.
        """
        try:
            content = Submitted.model_validate_json(answer.content)
        except ValidationError:
            content = None
        problem = (content and content.problem) or Problem()
        if not answer.is_success:
            return self._refused(answer, problem)
        if content is None:
            return self.failed("provider_error", "unknown", f"The answer of {self.title} cannot be read.", self._look)
        if content.problem and not content.job_id:
            return (
                self._named(problem)
                or self._ended_early(problem)
                or self.failed(
                    "provider_error",
                    "no",
                    f"{self.title} refused the request.",
                    _OTHER,
                    retryable=False,
                    **_words(problem),
                )
            )
        if content.problem or not content.job_id:
            return self.failed(
                "provider_error",
                "unknown",
                f"{self.title} took the request but named no usable job.",
                self._look,
                **_words(problem),
            )
        return Pending(content.job_id, POLL_SECONDS)

    def _refused(self, answer: httpx.Response, problem: Problem) -> Failed:
        status, words = answer.status_code, _words(problem, f"HTTP {answer.status_code}")
        wait = retry_after(answer)
        if named := self._named(problem, wait):
            return named
        if status in (400, 413, 422) and (ended := self._ended_early(problem)):
            return ended
        match status:
            case 401 | 403:
                return self.failed(
                    "provider_auth",
                    "no",
                    f"{self.title} does not accept the key of this deployment.",
                    f"Ask the operator to store a valid key for {self.title}.",
                    **words,
                )
            case 429:
                return self._rate_limited(problem, wait)
            case 400 | 413 | 422 if status == 413 or "image" in (problem.message or "").lower():
                return self.failed(
                    "image_unreadable",
                    "no",
                    f"{self.title} cannot use one of the images.",
                    "Send another image; `provider_detail` says what is wrong with this one.",
                    **words,
                )
            case 404:
                return self.failed(
                    "provider_error", "no", f"{self.title} no longer knows this call.", _OTHER, retryable=False, **words
                )
            case _ if 400 <= status < 500 and status != 408:
                return self.failed(
                    "provider_error",
                    "no",
                    f"{self.title} refused the request as invalid.",
                    _OTHER,
                    retryable=False,
                    **words,
                )
            case _ if problem.name in self.refused_free:
                return self.failed(
                    "provider_error", "no", f"{self.title} failed before it took the request.", LATER, **words
                )
            case _:
                return self.failed(
                    "provider_error", "unknown", f"{self.title} failed while it took the request.", self._look, **words
                )

    def _named(self, problem: Problem, wait: float | None = None) -> Failed | None:
        """Return the failure that a named problem stands for.

        429 has two meanings, so the vendor's name counts more than the status.
        """
        if problem.name == "OutOfCredits":
            return self.failed(
                "quota_exhausted",
                "no",
                f"The {self.title} account has no credits left.",
                "Ask the operator to buy credits. Until then choose another provider.",
                **_words(problem),
            )
        if problem.name in ("RateLimitExceeded", "ConcurrencyLimitExceeded"):
            return self._rate_limited(problem, wait)
        return None

    def _rate_limited(self, problem: Problem, wait: float | None) -> Failed:
        return self.failed(
            "rate_limited",
            "no",
            f"{self.title} takes no more requests now.",
            LATER,
            retry_after=PAUSE_SECONDS if wait is None else wait,
            **_words(problem, "HTTP 429"),
        )

    def _ended_early(self, problem: Problem) -> Failed | None:
        """Return the failure of a running job, reported for a request that became no job."""
        told = self.runtime.get(problem.name or "")
        return told and self.failed(
            told.code, "no", told.detail, told.remedy, retryable=told.retryable, **_words(problem)
        )

    # status

    def poll(self, order: Order, provider_job_id: str) -> Reading:
        return read(
            lambda: self.http.get(f"status/{quote(provider_job_id, safe='')}"),
            lambda answer: self._told(answer, order, provider_job_id),
        )

    def _told(self, answer: httpx.Response, order: Order, provider_job_id: str) -> Reading:
        """Return the reading of a status.

        Raises `ValidationError`.
        """
        status = Status.model_validate_json(answer.content)
        if status.status == "completed":
            addresses, used = status.output or [], self._credits(answer)
            return ready(
                self.title,
                order,
                addresses,
                kept_for="72 hours",
                credits=len(addresses) * self.credits_of(order) if used is None else used,
            )
        if status.status == "failed" or status.status in self.ends:
            return self._job_failed(status, answer)
        return Pending(provider_job_id, POLL_SECONDS)

    def _job_failed(self, status: Status, answer: httpx.Response) -> Failed:
        problem = status.error if isinstance(status.error, Problem) else Problem(message=status.error)
        told = self.ends.get(status.status) or self.runtime.get(problem.name or "", self.unnamed)
        used = self._credits(answer)
        charged: Charged = ("yes" if used else "no") if used is not None else "no" if told.free else "unknown"
        words = _words(problem, status.status if status.status in self.ends else None)
        return self.failed(told.code, charged, told.detail, told.remedy, retryable=told.retryable, **words)

    def credits_of(self, order: Order) -> int:  # noqa: ARG002  a vendor's models may differ
        """Return the credits for an image where the answer does not report them."""
        return 1

    def _credits(self, answer: httpx.Response) -> int | None:
        value = answer.headers.get(self.credits_header, "") if self.credits_header else ""
        return int(value) if value.isdecimal() else None

    # account

    def credits(self) -> float:
        """Return the credits that the account can still spend.

        Raises `JobFailure` (`provider_auth`, `provider_unavailable`).
        """
        try:
            answer = self.http.get("credits")
        except httpx.HTTPError:
            raise self._no_balance("cannot be reached") from None
        if answer.status_code in (401, 403):
            raise JobFailure(
                "provider_auth",
                f"{self.title} does not accept the key.",
                f"Ask the operator to store a valid key for {self.title}.",
                provider=self.id,
            )
        try:
            left = (
                Balance.model_validate_json(answer.content).credits.get(self.spendable) if answer.is_success else None
            )
        except ValidationError:
            left = None
        if left is None:
            raise self._no_balance(f"does not tell its balance (HTTP {answer.status_code})")
        return left

    def _no_balance(self, why: str) -> JobFailure:
        return JobFailure("provider_unavailable", f"{self.title} {why}.", "Ask again later.", provider=self.id)

    @property
    def _look(self) -> str:
        return f"Look at the credits of the {self.title} account before you submit again."


def _words(problem: Problem, otherwise: str | None = None) -> Words:
    return {"provider_code": problem.name or otherwise, "provider_detail": problem.message}
