"""Send a request again where that can help and do no harm, until a deadline.

Every request of this client may be repeated even if its fate is unknown. Reads and uploads buy nothing. A submit carries
its Idempotency-Key. Cancel, retry, recover and DELETE answer the same when they are sent twice.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from enum import Enum

import httpx
from pydantic import ValidationError

from fitting_room_client.errors import AnswerLost, FittingRoomError, NotDelivered, Refused
from fitting_room_client.flow import Clock, Flow, Pause, Send
from fitting_room_client.models import Fault, Problem

CONNECT_SECONDS, READ_SECONDS = 10.0, 40.0  # a submit may be answered after 25 s
SHORTEST, LONGEST = 0.5, 8.0
"""Seconds of pause where the server names none: doubled from try to try."""
LAST_TRY = 1.0
"""Seconds that the last try before a deadline may take."""


class Fate(Enum):
    """What became of a request."""

    ANSWERED = "an answer, or a refusal that would be the same the next time"
    NEVER_DELIVERED = "the server never saw it"
    REFUSED = "the server did nothing, and says when to come back"
    UNKNOWN = "it left, and what the server did is not known"


def fate(outcome: httpx.Response | httpx.RequestError) -> Fate:
    if isinstance(outcome, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError):
        return Fate.NEVER_DELIVERED
    if isinstance(outcome, httpx.RequestError):
        return Fate.UNKNOWN
    if outcome.status_code == 429 or (outcome.status_code == 503 and retry_after(outcome) is not None):
        return Fate.REFUSED
    return Fate.UNKNOWN if outcome.status_code >= 500 else Fate.ANSWERED


def persist(build: Callable[[], httpx.Request], until: float, tries: float, clock: Clock) -> Flow[httpx.Response]:
    """Send what `build` makes until it is answered, at most `tries` times and not beyond `until`.

    A server that names a pause is alive, so its refusals do not count as tries. Raises `NotDelivered`, `Refused` or
    `AnswerLost`: the last failure.
    """
    failures = 0
    while True:
        request = build()
        left = max(until - clock.now(), LAST_TRY)
        timeout = httpx.Timeout(min(left, READ_SECONDS), connect=min(left, CONNECT_SECONDS))
        request.extensions["timeout"] = timeout.as_dict()
        outcome: httpx.Response | httpx.RequestError
        try:
            outcome = yield Send(request)
        except httpx.RequestError as error:
            outcome = error
        if isinstance(outcome, httpx.Response) and fate(outcome) is Fate.ANSWERED:
            return outcome
        asked = retry_after(outcome) if isinstance(outcome, httpx.Response) else None
        failures += asked is None
        pause = _growing(failures) if asked is None else max(asked, SHORTEST)
        if failures >= tries or clock.now() + pause > until - LAST_TRY:
            raise _failure(outcome, request)
        yield Pause(pause)


def retry_after(answer: httpx.Response) -> float | None:
    """Return the seconds after which the server wants to be asked again, if it says so."""
    told = answer.headers.get("retry-after", "")
    return float(told) if told.isascii() and told.isdecimal() else None


def refusal(answer: httpx.Response) -> Refused:
    return Refused(_problem(answer), answer.headers.get("request-id"))


def _growing(failures: int) -> float:
    longest = min(LONGEST, SHORTEST * 2.0 ** min(failures - 1, 10))
    return longest * random.uniform(0.5, 1)  # noqa: S311  keeps clients apart; hides nothing


def _failure(outcome: httpx.Response | httpx.RequestError, request: httpx.Request) -> FittingRoomError:
    host = request.url.netloc.decode()
    asked = f"{request.method} {request.url.path} at {host}"
    if isinstance(outcome, httpx.Response):
        if fate(outcome) is Fate.REFUSED:
            return refusal(outcome)
        problem = _problem(outcome)
        detail = f"{asked} was answered with {outcome.status_code}: {problem.detail}"
        return AnswerLost(Fault(code="answer_lost", detail=detail, remedy=problem.remedy, retryable=True))
    if fate(outcome) is Fate.NEVER_DELIVERED:
        detail = f"{host} cannot be reached ({type(outcome).__name__})."
        remedy = "Check the address and the network."
        return NotDelivered(Fault(code="not_delivered", detail=detail, remedy=remedy, retryable=True))
    detail = f"{asked} was not answered ({type(outcome).__name__})."
    return AnswerLost(Fault(code="answer_lost", detail=detail, remedy="Send it again.", retryable=True))


def _problem(answer: httpx.Response) -> Problem:
    """Read the refusal of the API, or make one of the words of S3, of a gateway, or of a stranger."""
    try:
        return Problem.model_validate({"status": answer.status_code, **answer.json()})
    except (ValueError, TypeError, ValidationError):
        said = re.search(r'<Message>([^<]{1,300})</Message>|"message": ?"([^"]{1,300})"', answer.text)
    detail = (said[1] or said[2]) if said else f"{answer.url.host} answered {answer.status_code}."
    remedy = "" if said else "Check the address of the API."
    return Problem(code=f"http_{answer.status_code}", detail=detail, remedy=remedy, status=answer.status_code)
