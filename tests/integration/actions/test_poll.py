"""Looking how a vendor's job is doing: reading is free, so only the vendor's own word or the deadline ends an attempt."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import httpx
import pytest
from botocore.exceptions import ClientError

from fitting_room.actions.requests.delete import delete_job
from fitting_room.actions.upkeep.erase import erase_job
from fitting_room.actions.workflow import poll, start
from fitting_room.actions.workflow.settle import settle
from fitting_room.jobs.errors import JobFailure, JobWarning
from fitting_room.jobs.job import Attempt
from fitting_room.jobs.outcome import Finished, Unread
from fitting_room.observability import metrics
from fitting_room.providers.adapter import Connection, Order
from fitting_room.providers.aidge import adapter as aidge
from fitting_room.providers.catalogue import entry
from fitting_room.providers.shared.reading import read
from fitting_room.stores import jobs
from fitting_room.stores.items import request_erasure
from tests.integration.atelier import ID, Atelier
from tests.integration.world import INBOX, LIVE, SECRET, TENANT, Vendor, World, failed, finished, moment, pending

UNREACHED = Unread("no network", made=False)


@pytest.fixture
def sent(world: World, vendor: Vendor) -> str:
    """A job that TryItOn has taken and works on."""
    world.configure("tryiton")
    vendor.starts, vendor.polls = [pending("v-9")], [pending("v-9")]
    job_id = world.prepared(provider="tryiton")
    assert world.start(job_id) == {"outcome": "pending", "wait": 2}
    return job_id


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    """The metrics that Poll writes, each with its dimensions."""
    written: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setattr(metrics, "add_metric", lambda name, *_: written.append((name, dict(metrics.dimension_set))))
    return written


def attempt(world: World, job_id: str) -> Attempt:
    found = world.job(job_id).latest
    assert found
    return found


def told(world: World, job_id: str) -> list[JobWarning]:
    """What is said of the job, less what was seen on its images."""
    return [warning for warning in world.job(job_id).warnings if warning.pointer is None]


def looks(world: World, job_id: str, count: int) -> list[int]:
    """Look so many times, at the pace that is asked for. What was asked for."""
    waits = []
    for _ in range(count):
        said = world.poll(job_id)
        assert said["outcome"] == "pending"
        waits.append(said["wait"])
        world.at.sleep(said["wait"])
    return waits


def until_the_end(world: World, job_id: str) -> int:
    """Look at the pace that is asked for until the attempt is over. How many looks that took."""
    for count in range(1, 1000):
        said = world.poll(job_id)
        if said["outcome"] != "pending":
            assert said == {"outcome": "failed", "again": False}
            return count
        world.at.sleep(said["wait"])
    raise AssertionError("it is read for ever")


# ------------------------------------------------------------------------------------------------------------ the pace
def test_one_invocation_looks_once_and_does_not_sleep(world: World, vendor: Vendor, sent: str) -> None:
    slept = list(world.at.slept)
    world.poll(sent)
    assert (vendor.polled, world.at.slept) == (["v-9"], slept)


def test_the_wait_doubles_to_thirty_seconds(world: World, vendor: Vendor, sent: str) -> None:
    world.at.sleep(2)
    assert looks(world, sent, 6) == [4, 8, 16, 30, 30, 30]


def test_the_wait_of_a_training_grows_to_a_minute_and_it_may_take_six_hours(world: World, atelier: Atelier) -> None:
    world.body()
    atelier.starts, atelier.polls = [pending("tune-1")], [pending("tune-1")]
    picture = {"s3": f"s3://{INBOX}/drop/{TENANT}/person.png"}
    body = {"task": "train_subject", "kind": "person", "class_name": "woman", "provider": ID, "pictures": [picture]}
    job_id = world.submit(body).job.id
    world.run_until_pending(job_id)
    world.at.sleep(2)
    assert looks(world, job_id, 7) == [4, 8, 16, 32, 60, 60, 60]
    world.at.sleep(6 * 3600 - 500)
    assert looks(world, job_id, 4) == [60, 60, 60, 60]
    assert world.at.now() < moment(attempt(world, job_id).deadline_at)


def test_the_number_of_looks_until_the_longest_deadline_fits_the_history(
    world: World, vendor: Vendor, sent: str
) -> None:
    """One loop is about 9 history events, the limit of an execution is 25,000; the design wants less than 10,000."""
    assert until_the_end(world, sent) * 9 < 10_000


def test_what_the_vendor_says_of_its_own_end_is_believed(world: World, vendor: Vendor, sent: str) -> None:
    vendor.polls = [failed("content_blocked", "yes")]
    assert world.poll(sent) == {"outcome": "failed", "again": False}
    assert (attempt(world, sent).charged, attempt(world, sent).outcome) == ("yes", "failed")


def test_polling_again_after_the_end_repeats_it_without_asking(world: World, vendor: Vendor, sent: str) -> None:
    vendor.polls = [finished(864, 1296)]
    assert world.poll(sent) == world.poll(sent) == {"outcome": "finished"}
    assert len(vendor.polled) == 1


def test_a_look_that_crashes_may_be_repeated(world: World, vendor: Vendor, sent: str) -> None:
    vendor.polls = [ConnectionError("vendor down"), finished(864, 1296)]
    with pytest.raises(ConnectionError):
        world.poll(sent)
    assert world.poll(sent) == {"outcome": "finished"}


def test_a_job_that_is_over_or_was_never_sent_is_not_asked_about(world: World, vendor: Vendor, sent: str) -> None:
    fresh = world.prepared(provider="tryiton")
    assert world.poll(fresh) == {"outcome": "prepared", "runner": "http"}
    world.cancel(sent)
    assert world.poll(sent) == world.poll("job_unknown") == {"outcome": "ended"}
    assert vendor.polled == []


@pytest.mark.parametrize("wanted", ["cancelled", "erased"])
def test_a_job_that_is_to_end_is_not_asked_about(world: World, vendor: Vendor, sent: str, wanted: str) -> None:
    if wanted == "cancelled":
        jobs.request_cancel(world.job(sent), "2026-09-01")
    else:
        request_erasure(jobs.key(sent), sent, world.at.now(), "2026-09-01")
    assert (world.poll(sent), vendor.polled) == ({"outcome": "ended"}, [])


def test_progress_that_cannot_be_written_down_does_not_stop_the_reading(
    world: World, vendor: Vendor, sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttled(*_: Any) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "x"}}, "UpdateItem")

    monkeypatch.setattr(jobs, "record_reads", throttled)
    vendor.polls = [Unread("HTTP 503", 503), finished(864, 1296)]
    assert [world.poll(sent)["outcome"], world.poll(sent)["outcome"]] == ["pending", "finished"]


# ------------------------------------------------------------------------------------------------------- reads refused
@pytest.mark.parametrize(
    "refusal",
    [
        *(Unread(f"HTTP {status}", status) for status in (400, 401, 403, 404, 408, 410, 423, 425, 429, 500, 502, 503)),
        Unread("ReadTimeout"),
        Unread("malformed"),
        UNREACHED,
    ],
    ids=lambda refusal: refusal.why,
)
def test_a_refused_read_is_repeated_at_growing_pauses_and_proves_nothing(
    world: World, vendor: Vendor, sent: str, refusal: Unread
) -> None:
    world.at.sleep(2)
    vendor.polls = [refusal]
    assert looks(world, sent, 8) == [5, 15, 30, 60, 120, 300, 300, 300]
    assert (attempt(world, sent).outcome, attempt(world, sent).charged) == ("pending", "unknown")
    vendor.polls = [finished(864, 1296)]
    assert world.poll(sent) == {"outcome": "finished"}
    assert attempt(world, sent).charged == "yes"


def test_a_read_that_succeeds_begins_the_pauses_anew(world: World, vendor: Vendor, sent: str) -> None:
    down = Unread("HTTP 503", 503)
    world.at.sleep(100)
    vendor.polls = [down, down, pending(), down, down, pending()]
    assert looks(world, sent, 5) == [30, 30, 30, 30, 30], "never faster than a job of this age is looked at"
    assert attempt(world, sent).reads.refused == 2


def test_a_vendor_that_names_a_longer_pause_gets_it(world: World, vendor: Vendor, sent: str) -> None:
    vendor.polls = [Unread("HTTP 429", 429, retry_after=77.5)]
    assert world.poll(sent)["wait"] == 78


def test_the_third_refusal_in_a_row_is_told_and_counted_once(
    world: World, vendor: Vendor, sent: str, counted: list[tuple[str, dict[str, str]]]
) -> None:
    vendor.polls = [Unread("HTTP 404", 404)]
    looks(world, sent, 2)
    assert (told(world, sent), counted) == ([], [])
    looks(world, sent, 4)
    assert counted == [("LookRefused", {"provider": "tryiton", "status": "404"})]
    [warning] = told(world, sent)
    assert warning.code == "provider_not_answering"
    assert "HTTP 404" in warning.detail and "Nothing is left to do" in warning.remedy
    vendor.polls = [pending()]
    looks(world, sent, 1)
    vendor.polls = [Unread("HTTP 404", 404)]
    looks(world, sent, 3)
    assert len(counted) == 2, "the next time is counted again"
    assert len(told(world, sent)) == 1, "but told once"


def test_after_five_minutes_of_refusals_the_place_is_free_and_the_attempt_goes_on(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = entry("tryiton").model_copy(update={"rate": None, "concurrency": 1})
    monkeypatch.setattr(start, "entry", lambda *_: narrow)
    world.configure("tryiton")
    vendor.starts, vendor.polls = [pending("v-1"), pending("v-2")], [Unread("HTTP 403", 403)]
    one, two = world.prepared(provider="tryiton"), world.prepared(provider="tryiton")
    world.start(one)
    looks(world, one, 1)
    vendor.polls = [pending()]
    looks(world, one, 1)
    vendor.polls = [Unread("HTTP 403", 403)]
    began = world.at.now()
    looks(world, one, 5)
    assert moment(attempt(world, one).reads.since) == began, "the five minutes begin again after a read that succeeds"
    assert (world.at.now() - began).total_seconds() == 252
    assert world.start(two)["outcome"] == "busy"
    world.at.sleep(48)
    assert world.poll(one)["outcome"] == "pending"
    assert world.start(two)["outcome"] == "pending"
    vendor.polls = [finished(864, 1296)]
    assert world.poll(one) == {"outcome": "finished"}


# --------------------------------------------------------------------------------------------------------- the deadline
@pytest.mark.parametrize("reading", [pending(), Unread("HTTP 404", 404), Unread("malformed")], ids=str)
def test_lost_is_only_what_three_reads_a_minute_apart_did_not_find_after_the_deadline(
    world: World, vendor: Vendor, sent: str, reading: Any
) -> None:
    world.at.sleep(1799)
    assert world.poll(sent)["outcome"] == "pending", "not yet due"
    vendor.polls, vendor.polled = [reading], []
    world.at.sleep(1)
    assert world.poll(sent)["wait"] >= 60
    for _ in range(5):
        assert world.poll(sent)["outcome"] == "pending", "reads of the same minute are one"
    world.at.sleep(60)
    assert world.poll(sent)["wait"] >= 60
    world.at.sleep(59)
    assert world.poll(sent)["outcome"] == "pending"
    world.at.sleep(1)
    assert world.poll(sent) == {"outcome": "failed", "again": False}
    assert attempt(world, sent).charged == "unknown"


@pytest.mark.parametrize("reading", [Unread("HTTP 404", 404), pending()], ids=["refused", "still at work"])
def test_what_is_lost_can_be_recovered_and_the_client_is_told_how(
    world: World, vendor: Vendor, sent: str, reading: Any
) -> None:
    vendor.polls = [reading]
    until_the_end(world, sent)
    settle(sent, world.at)
    error = world.job(sent).error
    assert error and (error.code, error.retryable, error.provider) == ("timed_out", False, "tryiton")
    assert "POST /v1/jobs/{id}/recover" in error.remedy
    assert "72 hours" in error.remedy, "and how long the provider keeps it"
    assert world.spent() == (1, 0), "what may have been charged is not given back"


def test_a_cancelled_job_tells_how_to_recover_its_result_and_how_long_it_is_kept(world: World, sent: str) -> None:
    error = world.cancel(sent).error
    assert error and error.code == "cancelled"
    assert "POST /v1/jobs/{id}/recover" in error.remedy and "72 hours" in error.remedy


@pytest.mark.parametrize("reads", [0, 1, 2])
def test_what_is_ready_in_one_of_the_last_reads_is_still_taken(
    world: World, vendor: Vendor, sent: str, reads: int
) -> None:
    world.at.sleep(1800)
    looks(world, sent, reads)
    vendor.polls = [finished(864, 1296)]
    assert world.poll(sent) == {"outcome": "finished"}


def test_reads_that_could_not_be_made_do_not_count_for_six_hours_after_the_deadline(
    world: World, vendor: Vendor, sent: str
) -> None:
    began, vendor.polls = world.at.now(), [UNREACHED]
    until_the_end(world, sent)
    hours = (world.at.now() - began - timedelta(seconds=1800)).total_seconds() / 3600
    assert 6 <= hours < 6.5


def unconnected() -> httpx.Response:
    raise httpx.ConnectError("no route to host")


def throttled() -> httpx.Response:
    return httpx.Response(429)


@pytest.mark.parametrize("ask", [unconnected, throttled])
def test_ten_minutes_around_the_deadline_without_a_network_or_throttled_lose_nothing(
    world: World, vendor: Vendor, sent: str, ask: Callable[[], httpx.Response]
) -> None:
    world.at.sleep(1790)
    vendor.polls = [read(ask, lambda _: None)]
    began = world.at.now()
    while world.at.now() - began < timedelta(minutes=10):
        looks(world, sent, 1)
    vendor.polls = [finished(864, 1296)]
    assert world.poll(sent) == {"outcome": "finished"}


def test_six_hours_without_a_read_lose_nothing(world: World, vendor: Vendor, sent: str) -> None:
    vendor.polls = [UNREACHED]
    world.at.sleep(1800 + 6 * 3600)
    looks(world, sent, 2)
    vendor.polls = [finished(864, 1296)]
    assert world.poll(sent) == {"outcome": "finished"}


# ---------------------------------------------------------------------------------------------------------------- keys
class Keys:
    """The secret as this process knows it, as it is now, and as it was before; and the vendor that takes some of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, vendor: Vendor, answers: dict[str, Any]) -> None:
        self.tried: list[str] = []
        self.answers, self.vendor = answers, vendor
        self.stored: dict[str, str | None] = {"secret": "known", "fresh": "fresh", "previous": "previous"}
        secret = Mock(side_effect=lambda *_: self.stored["secret"], fresh=lambda *_: self.stored["fresh"])
        previous = Mock(side_effect=lambda _: self.stored["previous"])
        monkeypatch.setattr(poll, "provider_keys", SimpleNamespace(secret=secret, previous=previous))
        monkeypatch.setattr(vendor, "connect", self.connect)

    def connect(self, connection: Connection) -> Any:
        key = str(connection.secret)
        if isinstance(answer := self.answers[key], JobFailure):
            raise answer
        self.tried.append(key)
        reader = Vendor(polls=[answer])
        reader.polled = self.vendor.polled
        return reader


OTHERS_JOB = Unread("HTTP 404", 404)
MALFORMED = JobFailure("provider_auth", "The stored key has another form than it must.", "Store it again.")


@pytest.mark.parametrize(
    ("answers", "tried", "outcome"),
    [
        ({"known": finished(864, 1296)}, ["known"], "finished"),
        ({"known": Unread("HTTP 401", 401), "fresh": finished(864, 1296)}, ["known", "fresh"], "finished"),
        ({"known": Unread("HTTP 403", 403), "fresh": pending()}, ["known", "fresh"], "pending"),
        (
            {"known": OTHERS_JOB, "fresh": OTHERS_JOB, "previous": finished(864, 1296)},
            ["known", "fresh", "previous"],
            "finished",
        ),
        ({"known": OTHERS_JOB, "fresh": OTHERS_JOB, "previous": OTHERS_JOB}, ["known", "fresh", "previous"], "pending"),
        ({"known": OTHERS_JOB, "fresh": Unread("HTTP 500", 500)}, ["known", "fresh"], "pending"),
        ({"known": MALFORMED, "fresh": finished(864, 1296)}, ["fresh"], "finished"),
        ({"known": MALFORMED, "fresh": MALFORMED, "previous": pending()}, ["previous"], "pending"),
        *(
            ({"known": reading}, ["known"], "pending")
            for reading in (
                pending(),
                Unread("HTTP 400", 400),
                Unread("HTTP 410", 410),
                Unread("HTTP 429", 429),
                Unread("HTTP 500", 500),
                Unread("ReadTimeout"),
            )
        ),
        ({"known": failed("content_blocked", "yes")}, ["known"], "failed"),
    ],
)
def test_the_fresh_and_the_previous_key_are_tried_where_the_known_one_is_refused_and_only_there(
    world: World,
    vendor: Vendor,
    sent: str,
    monkeypatch: pytest.MonkeyPatch,
    answers: dict[str, Any],
    tried: list[str],
    outcome: str,
) -> None:
    keys = Keys(monkeypatch, vendor, answers)
    assert world.poll(sent)["outcome"] == outcome
    assert keys.tried == tried


NOT_THE_KEY = {"code": "InvalidAppKey", "message": "The specified App Key is invalid"}
NOT_THE_SIGN = {
    "code": "IncompleteSignature",
    "message": "The request signature does not conform to platform standards",
}
NO_SUCH_TASK = {"code": "0", "success": "false", "resCode": "700", "resMessage": "invalid input"}
UNDOCUMENTED = {"code": "0", "success": "false", "resCode": "904", "resMessage": "?"}
AT_WORK = {"code": "0", "data": {"taskStatus": "running"}}
BUSY = {"code": "ApiCallLimit", "message": "?"}
DOWN = {"code": "0", "success": "false", "resCode": "500", "resMessage": "system error"}


@pytest.mark.parametrize(
    ("answers", "tried"),
    [
        ([NOT_THE_KEY, AT_WORK], 2),
        ([NOT_THE_SIGN, AT_WORK], 2),
        ([NO_SUCH_TASK, NO_SUCH_TASK, AT_WORK], 3),
        ([UNDOCUMENTED, NOT_THE_KEY, AT_WORK], 3),
        ([BUSY], 1),
        ([DOWN], 1),
        ([AT_WORK], 1),
    ],
)
def test_another_key_is_tried_too_where_aidge_refuses_one_in_an_answer_200(
    world: World,
    vendor: Vendor,
    sent: str,
    monkeypatch: pytest.MonkeyPatch,
    answers: list[dict[str, Any]],
    tried: int,
) -> None:
    keys, asked = ["known", "fresh", "previous"], []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params["app_key"])
        return httpx.Response(200, json=answers[keys.index(asked[-1])])

    def connect(connection: Connection) -> Any:
        return aidge.connect(replace(connection, settings=None), httpx.MockTransport(answer))

    secrets = [json.dumps({"app_key": key, "app_secret": "s"}) for key in keys]
    secret = Mock(return_value=secrets[0], fresh=lambda *_: secrets[1])
    monkeypatch.setattr(poll, "provider_keys", SimpleNamespace(secret=secret, previous=lambda _: secrets[2]))
    monkeypatch.setattr(vendor, "connect", connect)
    assert world.poll(sent)["outcome"] == "pending"
    assert asked == keys[:tried]


def test_the_same_key_is_not_tried_twice(
    world: World, vendor: Vendor, sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = Keys(monkeypatch, vendor, {"known": OTHERS_JOB})
    keys.stored |= {"fresh": "known", "previous": None}
    world.poll(sent)
    assert keys.tried == ["known"]


def test_a_key_that_cannot_be_read_loses_nothing_that_was_bought(
    world: World, vendor: Vendor, sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> str:
        raise ClientError({"Error": {"Code": "InternalServiceError", "Message": "x"}}, "GetSecretValue")

    vendor.polls = [finished(864, 1296)]
    with monkeypatch.context() as broken:
        broken.setattr(poll, "provider_keys", SimpleNamespace(secret=Mock(side_effect=away, fresh=away), previous=away))
        world.at.sleep(1800 + 3 * 3600)
        looks(world, sent, 4)
        assert vendor.polled == []
    assert world.poll(sent) == {"outcome": "finished"}


# ----------------------------------------------------------------------------------------------------------- references
def test_a_read_asks_for_the_attempt_s_own_order(world: World, vendor: Vendor, sent: str) -> None:
    asked: list[Order] = []

    def read(order: Order, provider_job_id: str) -> Finished:
        asked.append(order)
        return finished(864, 1296)

    vendor.poll = read
    world.poll(sent)
    [order] = asked
    assert (order.job_id, order.attempt, order.seed) == (sent, 1, vendor.orders[0].seed)
    assert vendor.connections[-1].secret == SECRET


def test_images_that_arrive_while_the_job_is_erased_are_taken_back(world: World, vendor: Vendor, sent: str) -> None:
    def read(order: Order, provider_job_id: str) -> Finished:
        delete_job(sent, LIVE, world.at)
        world.broken(sent)
        erase_job(sent, world.at)
        return finished(864, 1296)

    vendor.poll = read
    world.poll(sent)
    assert world.keys(f"staging/{sent}/") == []
