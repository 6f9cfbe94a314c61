"""Speaks to fal's queue: submit to a model's address, then status, result and cancel at the address of the request.

Source: the vendor's pages "Queue", "Webhooks" and "Errors" (fal.ai/docs) and its Python client 1.0.3.
"""

from __future__ import annotations

import json
import re
from urllib.parse import quote, urlsplit

import httpx
from pydantic import ValidationError

from fitting_room.jobs.errors import JobFailure
from fitting_room.jobs.outcome import Charged, Failed, Outcome, Pending, Reading, Ready, Unread
from fitting_room.providers.adapter import Connection, Order
from fitting_room.providers.fal.answers import (
    CANCELLED,
    LOOK,
    Cancelled,
    Deleted,
    Output,
    Problem,
    Status,
    Submitted,
    problem_of,
    told_of,
)
from fitting_room.providers.fal.body import body_of
from fitting_room.providers.fal.entry import DEADLINE, ID, KEPT_SECONDS, Settings
from fitting_room.providers.shared.failures import LATER, PAUSE_SECONDS, Failures, Words
from fitting_room.providers.shared.http import UNSENT, client, retry_after
from fitting_room.providers.shared.reading import broken, read
from fitting_room.providers.shared.results import ready

BASE = "https://queue.fal.run"
ERASER = "https://rest.alpha.fal.ai"
POLL_SECONDS = 2.0
_REQUEST = re.compile(r"[\w.-]+/[\w.-]+/requests/[\w-]+")
_ENDED = ("FAILED", "CANCELED", "CANCELLED")
"""Words for an end that a second-hand document lists; fal's own has only COMPLETED."""
_NO_REQUEST = re.compile(r"\brequest\b", re.IGNORECASE)
"""A gateway's 404 has not this word: only that the address is unknown."""
_NO_MONEY = re.compile(r"balance|locked|credit", re.IGNORECASE)


class Fal:
    """`provider_job_id` is the path of a request: `<owner>/<app>/requests/<id>`."""

    def __init__(self, connection: Connection, transport: httpx.BaseTransport | None = None) -> None:
        """Open the client.

        Raises `JobFailure` (`provider_auth`) without a key.
        """
        if not connection.secret:
            raise JobFailure(
                "provider_auth",
                "There is no key for fal in this deployment.",
                "Ask the operator to store a key for fal.",
                provider=ID,
            )
        self.settings: Settings = connection.settings or Settings()
        self.failed = Failures(ID, *connection.secret.split(":"), connection.secret)
        key = {"Authorization": f"Key {connection.secret}"}
        self.http = client(connection.endpoint or BASE, key, transport)
        self.eraser = client(connection.endpoint or ERASER, key, transport)

    # submit

    def start(self, order: Order) -> Outcome:
        try:
            answer = self.http.post(
                order.model,
                params={"fal_webhook": order.callback} if order.callback else {},
                content=body_of(order).model_dump_json(exclude_none=True).encode(),
                headers=self._wishes(),
            )
        except UNSENT:
            return self.failed("provider_unavailable", "no", "fal cannot be reached; nothing was sent.", LATER)
        except httpx.HTTPError as error:
            return self.failed(
                "provider_unavailable",
                "unknown",
                "The connection to fal was lost after the request.",
                LOOK,
                provider_code=type(error).__name__,
            )
        if not answer.is_success:
            return self._refused(answer)
        try:
            submitted = Submitted.model_validate_json(answer.content)
        except (ValidationError, RecursionError):
            return self.failed("provider_error", "unknown", "The answer of fal cannot be read.", LOOK)
        return Pending(_path(submitted, order.model), POLL_SECONDS)

    def _wishes(self) -> dict[str, str]:
        """Return the headers of a submit.

        A job that would begin after the deadline is not begun, and results do not stay for ever.
        """
        kept = {"expiration_duration_seconds": KEPT_SECONDS}
        return {
            "Content-Type": "application/json",
            "X-Fal-Request-Timeout": str(DEADLINE),
            "X-Fal-Object-Lifecycle-Preference": json.dumps(kept),
            **({} if self.settings.store_io else {"X-Fal-Store-IO": "0"}),
        }

    def _refused(self, answer: httpx.Response) -> Failed:
        """Return the failure of a refused submit.

        A refused submit made no request, so it costs nothing; one that broke may have made one.
        """
        problem, status = _problem(answer), answer.status_code
        words = _words(problem)
        match status:
            case 402 | 403 if status == 402 or _NO_MONEY.search(problem.detail or ""):
                return self.failed(
                    "quota_exhausted",
                    "no",
                    "The fal account has no money left.",
                    "Ask the operator to add to its balance. Until then choose another provider.",
                    **words,
                )
            case 401 | 403:
                return self.failed(
                    "provider_auth",
                    "no",
                    "fal does not accept the key of this deployment.",
                    "Ask the operator to store a valid key for fal.",
                    **words,
                )
            case 404:
                return self.failed(
                    "model_retired", "no", "fal no longer serves this model.", "Name another model.", **words
                )
            case 429:
                wait = retry_after(answer)
                return self.failed(
                    "rate_limited",
                    "no",
                    "fal takes no more requests now.",
                    LATER,
                    retry_after=PAUSE_SECONDS if wait is None else wait,
                    **words,
                )
            case _ if 400 <= status < 500 and status != 408:
                told = told_of(problem)
                return self.failed(told.code, "no", told.detail, told.remedy, retryable=told.retryable, **words)
        return self.failed("provider_error", "unknown", "fal failed while it took the request.", LOOK, **words)

    # status and result

    def poll(self, order: Order, provider_job_id: str) -> Reading:
        return read(
            lambda: self.http.get(f"{provider_job_id}/status", params={"logs": "0"}),
            lambda answer: self._told(answer, order, provider_job_id),
        )

    def _told(self, answer: httpx.Response, order: Order, provider_job_id: str) -> Reading:
        """Return the reading of a status.

        Only the result says for sure whether a job that is over has failed.
        """
        status = Status.model_validate_json(answer.content)
        if status.status != "COMPLETED" and status.status not in _ENDED:
            return Pending(provider_job_id, POLL_SECONDS)
        try:
            result = self.http.get(provider_job_id)
        except httpx.HTTPError as error:
            return broken(error)
        reading = read(lambda: result, lambda answer: _images(answer, order))
        return (self._failed(result, status) or reading) if isinstance(reading, Unread) else reading

    def _failed(self, answer: httpx.Response, status: Status) -> Failed | None:
        """Return the failure of the job, or None if only the read failed.

        The model's own words are a list. An answer without them counts if the status reported a failure as well.
        """
        problem = _problem(answer)
        known = bool(status.error or status.error_type) or status.status in _ENDED
        if answer.status_code in (401, 403, 404, 408, 429) or not (problem.model or known):
            return None
        if status.error_type and not problem.model:
            problem = problem.model_copy(update={"name": status.error_type})
        told = CANCELLED if status.status.startswith("CANCEL") else told_of(problem)
        charged: Charged = "no" if problem.status >= 500 or told.free else "unknown"
        return self.failed(
            told.code, charged, told.detail, told.remedy, retryable=told.retryable, **_words(problem, status)
        )

    # cancelling and deletion

    def cancel(self, provider_job_id: str) -> bool:
        """Ask fal to cancel a request.

        Returns True for a request that left the queue, and for one that was asked to stop. A model may go on all the
        same.
        """
        answer = self.http.put(f"{provider_job_id}/cancel")
        try:
            said = Cancelled.model_validate_json(answer.content).status
        except (ValidationError, RecursionError):
            return False
        return answer.is_success and said in ("OK", "CANCELLATION_REQUESTED")

    def erase_job(self, provider_job_id: str) -> bool:
        """Delete the request's data and the files that were made. fal does so for a key of ADMIN scope only.

        An answer without fal's own word about each file, or about the request, deleted nothing.
        """
        try:
            answer = self.eraser.put(f"requests/delete_io/{provider_job_id.rpartition('/')[2]}")
            if answer.status_code == 404:
                return bool(_NO_REQUEST.search(_problem(answer).detail or ""))
            return answer.is_success and Deleted.model_validate_json(answer.content).whole
        except (httpx.HTTPError, ValidationError, RecursionError):
            return False

    def erase_reference(self, made_id: str) -> bool:  # noqa: ARG002  fal makes none
        return True


def _images(answer: httpx.Response, order: Order) -> Ready | Unread:
    output = Output.model_validate_json(answer.content)
    return ready("fal", order, [each.url for each in output.images], kept_for="3 days")


def _path(submitted: Submitted, model: str) -> str:
    """Return the path at which the request is read.

    It is fal's own word for it, without its host, to which the key goes in no case.
    """
    told = urlsplit(submitted.response_url or "").path.strip("/")
    if _REQUEST.fullmatch(told) and told.endswith(f"/{submitted.request_id}"):
        return told
    return f"{'/'.join(model.split('/')[:2])}/requests/{quote(submitted.request_id, safe='')}"


def _problem(answer: httpx.Response) -> Problem:
    return problem_of(answer.status_code, answer.content, answer.headers.get("X-Fal-Error-Type"))


def _words(problem: Problem, status: Status | None = None) -> Words:
    said = problem.detail or (str(status.error) if status and status.error else None)
    return {"provider_code": problem.name or f"HTTP {problem.status}", "provider_detail": said}


def connect(connection: Connection, transport: httpx.BaseTransport | None = None) -> Fal:
    return Fal(connection, transport)
