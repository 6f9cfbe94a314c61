"""A shop's server is told when its jobs are over, whatever it answers at first."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from local.emulator_control import EmulatorControl

from .conftest import ENDPOINTS, Cloud, until


class Receiver:
    def __init__(self) -> None:
        found = json.loads(ENDPOINTS.read_text())
        self.url, self.secret = found["webhook_receiver"], found["webhook_secret"]

    def got(self, job_id: str) -> list[dict[str, Any]]:
        """What it got of a job, the signatures and times verified by the library."""
        sent = httpx.get(f"{self.url}/_sim/deliveries", timeout=60).raise_for_status().json()["deliveries"]
        mine = [each for each in sent if job_id in each["body"]]
        return [{**each, "event": Webhook(self.secret).verify(each["body"], each["headers"])} for each in mine]

    def fault(self, kind: str, **facts: Any) -> None:
        fault = {"on": "deliver", "kind": kind, **facts}
        httpx.post(f"{self.url}/_sim/faults", json=fault, timeout=60).raise_for_status()

    def reset(self) -> None:
        for what in ("deliveries", "faults"):
            httpx.delete(f"{self.url}/_sim/{what}", timeout=60).raise_for_status()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    receiver.reset()
    yield receiver
    receiver.reset()


Ended = Callable[[], str]


@pytest.fixture
def ended(cloud: Cloud, receiver: Receiver, person: bytes, tee: bytes) -> Ended:
    """Gives the id of a job of the sandbox that is over, and whose webhook is the receiver."""

    def end() -> str:
        webhook = {"url": f"{receiver.url}/hook"}
        body = cloud.try_on(person, tee, client=cloud.test, provider="sandbox", reference="A-1", webhook=webhook)
        return str(cloud.finished(cloud.submit(body, cloud.test)["id"], client=cloud.test)["id"])

    return end


def deliveries(cloud: Cloud, job_id: str) -> dict[str, Any]:
    return dict(cloud.test.get(f"/v1/jobs/{job_id}/deliveries").raise_for_status().json())


def settled(cloud: Cloud, job_id: str, status: str, seconds: float = 60) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = deliveries(cloud, job_id)
        return found if found["status"] == status else None

    return dict(until(look, f"the webhook of {job_id} to be {status}", seconds))


def test_a_job_s_end_is_told_and_can_be_told_again(cloud: Cloud, receiver: Receiver, ended: Ended) -> None:
    job_id = ended()
    [told] = settled(cloud, job_id, "delivered")["items"]
    assert (told["status"], told["error"]) == (204, None)
    [got] = receiver.got(job_id)
    assert (got["path"], got["event"]["type"]) == ("/hook", "job.finished")
    assert got["event"]["data"] == {
        "id": job_id,
        "task": "try_on",
        "status": "succeeded",
        "reference": "A-1",
        "owner": None,
        "links": {"self": f"/v1/jobs/{job_id}"},
    }
    answer = cloud.test.post(f"/v1/jobs/{job_id}/deliveries")
    assert (answer.status_code, answer.json()["status"]) == (202, "scheduled")
    until(lambda: receiver.got(job_id)[1:] or None, "the second one")
    assert len({each["headers"]["webhook-id"] for each in receiver.got(job_id)}) == 1


def test_a_receiver_that_fails_once_gets_it_after_five_seconds_by_the_queue(
    cloud: Cloud, receiver: Receiver, ended: Ended
) -> None:
    receiver.fault("status", status=500, times=1)
    job_id = ended()
    items = settled(cloud, job_id, "delivered")["items"]
    assert [item["status"] for item in items] == [500, 204]
    assert len(receiver.got(job_id)) == 2


def test_410_ends_it(cloud: Cloud, receiver: Receiver, ended: Ended) -> None:
    receiver.fault("status", status=410)
    items = settled(cloud, ended(), "stopped")["items"]
    assert [item["status"] for item in items] == [410]


def test_a_redirect_is_not_followed_but_tried_again(cloud: Cloud, receiver: Receiver, ended: Ended) -> None:
    receiver.fault("status", status=302, headers={"Location": "/elsewhere"}, times=1)
    job_id = ended()
    items = settled(cloud, job_id, "delivered")["items"]
    assert [item["status"] for item in items] == [302, 204]
    assert {got["path"] for got in receiver.got(job_id)} == {"/hook"}


def test_a_slow_receiver_is_tried_again(cloud: Cloud, receiver: Receiver, ended: Ended) -> None:
    receiver.fault("delay", seconds=17, times=1)
    items = settled(cloud, ended(), "delivered", 90)["items"]
    assert "took longer than 15 s" in items[0]["error"]
    assert (items[0]["status"], items[-1]["status"]) == (None, 204)


def test_only_a_public_address_is_taken_and_the_refusal_says_where(cloud: Cloud, person: bytes, tee: bytes) -> None:
    for url in ("http://127.0.0.1:1/hook", "https://10.0.0.1/hook", "https://shop.example:8443/hook"):
        body = cloud.try_on(person, tee, client=cloud.test, provider="sandbox", webhook={"url": url})
        answer = cloud.test.post("/v1/jobs", json=body)
        assert (answer.status_code, answer.json()["pointer"]) == (422, "/webhook/url"), answer.text


def test_an_event_that_nobody_queued_is_sent_by_the_sweep(
    cloud: Cloud, receiver: Receiver, ended: Ended, emulator: EmulatorControl
) -> None:
    with emulator.faults({"service": "sqs", "operation": "SendMessage", "code": "ServiceUnavailable", "status": 503}):
        job_id = ended()
        until(lambda: emulator.struck() or None, "the refusal")
        assert receiver.got(job_id) == []
    settled(cloud, job_id, "delivered", 180)
    assert len(receiver.got(job_id)) == 1
