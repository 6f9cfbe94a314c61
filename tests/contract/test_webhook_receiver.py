"""The receiver of the local cloud: keeps what it got, so that a test can verify it, and fails as a shop's server may."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest
from standardwebhooks import Webhook

from local.simulators.kit.server import running
from local.simulators.webhook_receiver.app import WebhookReceiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"type":"job.finished","data":{"owner":"caf\\u00e9"}}'


@pytest.fixture
def receiver() -> Iterator[httpx.Client]:
    with running(WebhookReceiver().app()) as url, httpx.Client(base_url=url, timeout=5) as client:
        yield client


def send(receiver: httpx.Client) -> httpx.Response:
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("msg_1", now, BODY),
        "content-type": "application/json",
    }
    return receiver.post("/hook", content=BODY, headers=headers)


def test_what_it_got_can_be_verified_and_forgotten(receiver: httpx.Client) -> None:
    assert send(receiver).status_code == 204
    [got] = receiver.get("/_sim/deliveries").json()["deliveries"]
    assert (got["path"], got["answered"]) == ("/hook", 204)
    assert Webhook(SECRET).verify(got["body"], got["headers"])["type"] == "job.finished"
    assert receiver.delete("/_sim/deliveries").json() == {"deliveries": []}


@pytest.mark.parametrize("status", [302, 410, 500])
def test_it_answers_as_it_is_told_and_keeps_that_too(receiver: httpx.Client, status: int) -> None:
    fault = {"on": "deliver", "kind": "status", "status": status, "headers": {"Location": "/other"}, "times": 1}
    assert receiver.post("/_sim/faults", json=fault).status_code == 201
    answers = [send(receiver), send(receiver)]
    assert [answer.status_code for answer in answers] == [status, 204]
    assert answers[0].headers["location"] == "/other"
    assert len(receiver.get("/_sim/deliveries").json()["deliveries"]) == 2


def test_it_hangs_up_before_and_after_it_has_taken_an_event(receiver: httpx.Client) -> None:
    for kind in ("drop_before", "drop_after"):
        receiver.post("/_sim/faults", json={"on": "deliver", "kind": kind, "times": 1})
        with pytest.raises(httpx.RemoteProtocolError):
            send(receiver)
