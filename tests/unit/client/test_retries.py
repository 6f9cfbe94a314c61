"""Which requests are sent again, after which pauses, and until when."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from fitting_room_client import AnswerLost, NotDelivered, Refused
from tests.client import Do, StillClock, doing, told

JOB = {"id": "job_1", "task": "try_on", "status": "queued", "step": "queued"}
REQUEST = {"task": "try_on", "person": {"upload": "upl_1"}, "garments": [{"image": {"upload": "upl_2"}}]}
THROTTLED = {"code": "throttled", "detail": "Too many requests.", "remedy": "Wait.", "retryable": True}


class Server:
    """Gives its answers one after the other, the last one for ever; an exception is a broken connection."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self._answers, self.requests = list(answers), list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


Asked = Callable[..., tuple[Do, Server, StillClock]]


@pytest.fixture(params=["blocking", "awaiting"])
def asked(request: pytest.FixtureRequest) -> Asked:
    def ask(*answers: httpx.Response | Exception) -> tuple[Do, Server, StillClock]:
        server, clock = Server(*answers), StillClock()
        return doing(request.param, server, clock), server, clock

    return ask


@pytest.mark.parametrize(
    "fault",
    [
        httpx.ConnectError(""),
        httpx.ConnectTimeout(""),
        httpx.PoolTimeout(""),
        httpx.ReadTimeout(""),
        httpx.ReadError(""),
        httpx.WriteError(""),
        httpx.RemoteProtocolError(""),
        told(500, {"code": "internal", "detail": "Internal server error.", "remedy": "Send it again.", "retryable": True}),
        told(502, {"message": "Bad Gateway"}),
        told(503, {"message": "Service Unavailable"}),
        httpx.Response(504, text="<html>"),
    ],
    ids=str,
)  # fmt: skip
def test_what_may_pass_is_sent_again_with_growing_pauses(asked: Asked, fault: Any) -> None:
    do, server, clock = asked(fault, fault, fault, told(202, JOB))
    assert do("jobs.submit", REQUEST).id == "job_1"
    assert len(server.requests) == 4
    assert len({(sent.headers["idempotency-key"], sent.content) for sent in server.requests}) == 1
    assert all(half <= pause <= 2 * half for pause, half in zip(clock.slept, (0.25, 0.5, 1), strict=True))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 413, 415, 422])
def test_a_refusal_that_would_be_the_same_is_not_sent_again(asked: Asked, status: int) -> None:
    problem = {"code": "x", "detail": "No.", "remedy": "Send it otherwise.", "pointer": "/person", "retryable": False}
    do, server, clock = asked(told(status, problem))
    with pytest.raises(Refused, match=r"^/person: No\. Send it otherwise\.$") as refused:
        do("jobs.submit", REQUEST)
    assert (refused.value.status, len(server.requests), clock.slept) == (status, 1, [])


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_names_a_pause_is_obeyed_however_often(asked: Asked, status: int) -> None:
    busy = told(status, THROTTLED, retry_after="7")
    do, server, clock = asked(*[busy] * 6, told(202, JOB))
    assert do("jobs.submit", REQUEST).id == "job_1"
    assert (clock.slept, len(server.requests)) == ([7] * 6, 7)


def test_a_pause_beyond_the_deadline_is_not_begun(asked: Asked) -> None:
    spent = {"code": "budget_exceeded", "detail": "The budget is used up.", "remedy": "Wait.", "retryable": True}
    do, server, clock = asked(told(429, spent, retry_after="36000"))
    with pytest.raises(Refused, match="used up") as refused:
        do("try_on", "upl_1", "upl_2")
    assert (refused.value.code, refused.value.retryable) == ("budget_exceeded", True)
    assert (clock.slept, len(server.requests)) == ([], 1)


def test_a_gateways_refusal_without_a_pause_is_sent_again_a_few_times(asked: Asked) -> None:
    do, server, clock = asked(told(429, {"message": "Too Many Requests"}))
    with pytest.raises(Refused, match="Too Many Requests"):
        do("providers")
    assert (len(server.requests), len(clock.slept)) == (4, 3)


def test_a_pause_of_nothing_does_not_hammer_the_server(asked: Asked) -> None:
    do, server, clock = asked(told(429, THROTTLED, retry_after="0"))
    with pytest.raises(Refused):
        do("jobs.get", "job_1")
    assert len(server.requests) <= 120
    assert min(clock.slept) == 0.5


def test_a_job_is_looked_at_when_the_api_says(asked: Asked) -> None:
    done = {**JOB, "step": "done", "status": "failed"}
    looks = [told(200, JOB, retry_after="9"), told(200, JOB), told(200, done)]
    do, server, clock = asked(told(202, JOB, retry_after="5"), *looks)
    with pytest.raises(Exception, match="failed"):
        do("try_on", "upl_1", "upl_2")
    assert (clock.slept, len(server.requests)) == ([5, 9, 2], 4)


def test_a_server_that_cannot_be_reached(asked: Asked) -> None:
    do, server, _ = asked(httpx.ConnectError("[Errno 111] Connection refused"))
    with pytest.raises(NotDelivered, match=r"api\.example cannot be reached \(ConnectError\)\. Check the address"):
        do("providers")
    assert len(server.requests) == 4


def test_a_submit_without_an_answer_can_be_taken_up_again(asked: Asked) -> None:
    do, server, _ = asked(*[httpx.ReadTimeout("")] * 4, told(202, JOB))
    with pytest.raises(AnswerLost, match="The job may exist") as lost:
        do("try_on", "upl_1", "upl_2")
    assert do("jobs.submit", lost.value.request, idempotency_key=lost.value.idempotency_key).id == "job_1"
    assert len({(sent.headers["idempotency-key"], sent.content) for sent in server.requests}) == 1


@pytest.mark.parametrize(
    "answer", [httpx.ReadTimeout(""), told(200, JOB, retry_after="7"), told(429, THROTTLED, retry_after="4")], ids=str
)
@pytest.mark.parametrize("deadline", [0, 0.5, 3, 11, 100])
def test_nothing_lasts_longer_than_the_deadline(asked: Asked, answer: Any, deadline: float) -> None:
    """No pause ends after it, and no request may take longer than what is left, but for a last second."""
    do, server, clock = asked(answer)
    began, timeouts = clock.now(), list[tuple[float, dict[str, float]]]()
    look = server.__call__

    def timed(request: httpx.Request) -> httpx.Response:
        timeouts.append((clock.now(), request.extensions["timeout"]))
        return look(request)

    do = doing("blocking", timed, clock)
    with pytest.raises(Exception, match=r"job_1|answered|Too many"):
        do("jobs.wait", "job_1", deadline=deadline)
    assert clock.now() - began <= deadline
    for at, timeout in timeouts:
        assert max(timeout.values()) <= max(1, began + deadline - at)


def test_a_read_may_take_as_long_as_a_submit_is_held(asked: Asked) -> None:
    do, server, _ = asked(told(202, {**JOB, "step": "done", "status": "failed"}))
    with pytest.raises(Exception, match="failed"):
        do("try_on", "upl_1", "upl_2")
    [sent] = server.requests
    assert json.loads(sent.content)["garments"] == [{"image": {"upload": "upl_2"}}]
    assert sent.extensions["timeout"]["read"] > int(sent.headers["prefer"].removeprefix("wait="))


def test_a_refused_upload_says_what_the_bucket_says(asked: Asked) -> None:
    form = {"id": "upl_1", "post": {"url": "https://inbox.example/", "fields": {"key": "k"}}}
    said = "<Error><Code>EntityTooLarge</Code><Message>Your proposed upload is too large</Message></Error>"
    do, server, _ = asked(told(201, form), httpx.Response(400, text=said))
    with pytest.raises(Refused, match=r"^Your proposed upload is too large$") as refused:
        do("upload", b"\xff\xd8\xff\xe0")
    assert (refused.value.code, len(server.requests)) == ("http_400", 2)
