"""Fetching what a vendor has made: it is paid for, so a download that fails is repeated and the good ones are kept."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fitting_room.actions.cost import cost_of
from fitting_room.actions.requests.recover import recover
from fitting_room.actions.upkeep.erase import erase_job
from fitting_room.jobs.errors import JobWarning
from fitting_room.jobs.job import Attempt
from fitting_room.jobs.outcome import Pending, Ready, Unread
from fitting_room.net import safe_http
from fitting_room.net.safe_http import Fetched, FetchFailed
from fitting_room.stores import media
from fitting_room.stores.items import request_erasure
from tests.deployment import choose
from tests.integration.world import LIVE, MEDIA, Vendor, World, moment, pending, picture

ONE, TWO = "https://cdn.example/1.png?signature=abc", "https://cdn.example/2.png?signature=abc"
IMAGE, OTHER_IMAGE = picture(864, 1296, "crimson"), picture(864, 1296, "purple")
PAGE = b"<!DOCTYPE html><title>503 Service Unavailable</title>"


def gone(status: int) -> FetchFailed:
    return FetchFailed(f"https://cdn.example answered {status}", "Send another link.")


BAD: dict[str, bytes | FetchFailed] = {
    "a page": PAGE,
    "nothing": b"",
    "half a file": IMAGE[: len(IMAGE) // 2],
    "403": gone(403),
    "404": gone(404),
    "503": gone(503),
    "a reset": FetchFailed("the connection broke", "Try again soon.", passing=True),
}


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What lies at an address: bytes, a failure, or a list of them for one fetch after the other."""
    lies: dict[str, Any] = {ONE: IMAGE, TWO: OTHER_IMAGE, "fetched": [], "timeouts": [], "hosts": frozenset()}

    def fetch(address: str, *, timeout: float, hosts: frozenset[str], **_: Any) -> Fetched:
        lies["fetched"].append(address)
        lies["timeouts"].append(timeout)
        lies["hosts"] = hosts
        found = lies[address]
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(found, Exception):
            raise found
        return Fetched(found, "image/png")

    monkeypatch.setattr(safe_http, "get", fetch)
    return lies


def ready(*addresses: str, **facts: Any) -> Ready:
    return Ready(list(addresses), kept_for="72 hours", **facts)


def sent(world: World, vendor: Vendor, *addresses: str, count: int = 1, **facts: Any) -> str:
    """A job whose vendor is done, with its images at these addresses."""
    world.configure("tryiton")
    vendor.starts, vendor.polls = [pending("v-9")], [ready(*addresses, **facts)]
    job_id = world.prepared(provider="tryiton", output={"count": count})
    world.start(job_id)
    return job_id


def attempt(world: World, job_id: str) -> Attempt:
    found = world.job(job_id).latest
    assert found
    return found


def told(world: World, job_id: str) -> list[JobWarning]:
    return [warning for warning in world.job(job_id).warnings if warning.pointer is None]


def until_the_end(world: World, job_id: str) -> dict[str, Any]:
    while (said := world.poll(job_id))["outcome"] == "pending":
        world.at.sleep(said["wait"])
    return dict(said)


def test_what_is_there_is_in_staging_at_once_with_the_vendor_s_order_and_price(
    world: World, vendor: Vendor, web: dict[str, Any]
) -> None:
    note = JobWarning(code="partial_result", detail="One was held back.")
    job_id = sent(world, vendor, ONE, TWO, count=3, credits=2, warnings=[note])
    assert world.poll(job_id) == {"outcome": "finished"}
    done = attempt(world, job_id)
    assert [world.read(stored.key, MEDIA) for stored in done.results] == [IMAGE, OTHER_IMAGE]
    assert (done.charged, done.credits, done.error) == ("yes", 2, None)
    assert note in world.job(job_id).warnings
    assert "signature=abc" not in str(world.items())


def test_a_fetched_image_tells_the_seed_of_its_order(world: World, vendor: Vendor, web: dict[str, Any]) -> None:
    world.configure("fashn")
    vendor.starts, vendor.polls = [pending("v-9")], [ready(ONE)]
    job_id = world.submit(provider="fashn", output={"seed": 41}).job.id
    world.run(job_id)
    assert [image.seed for image in world.job(job_id).images] == [41]


def test_a_data_url_is_an_address_too(world: World, vendor: Vendor, web: dict[str, Any]) -> None:
    job_id = sent(world, vendor, "data:image/png;base64," + base64.b64encode(IMAGE).decode())
    assert world.poll(job_id) == {"outcome": "finished"}
    assert world.read(attempt(world, job_id).results[0].key, MEDIA) == IMAGE
    assert web["fetched"] == []


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_image_yet_is_fetched_again_at_growing_pauses(
    world: World, vendor: Vendor, web: dict[str, Any], what: str
) -> None:
    web[ONE] = [BAD[what], BAD[what], BAD[what], IMAGE]
    job_id = sent(world, vendor, ONE)
    waits = []
    for _ in range(3):
        said = world.poll(job_id)
        waits.append(said["wait"])
        world.at.sleep(said["wait"])
    assert waits == [5, 15, 30]
    assert world.keys(f"staging/{job_id}/1/result") == [], "what is no image is not kept"
    assert world.poll(job_id) == {"outcome": "finished"}
    assert (attempt(world, job_id).charged, len(vendor.orders)) == ("yes", 1)
    assert [warning.code for warning in told(world, job_id)] == ["result_not_fetched"]


def test_a_good_image_is_kept_and_only_the_missing_one_is_fetched_again(
    world: World, vendor: Vendor, web: dict[str, Any]
) -> None:
    web[ONE] = [gone(404), IMAGE]
    job_id = sent(world, vendor, ONE, TWO, count=2)
    assert world.poll(job_id)["outcome"] == "pending"
    assert [world.read(stored.key, MEDIA) for stored in attempt(world, job_id).results] == [OTHER_IMAGE]
    assert world.poll(job_id) == {"outcome": "finished"}
    assert sorted(web["fetched"]) == [ONE, ONE, TWO]
    assert [world.read(stored.key, MEDIA) for stored in attempt(world, job_id).results] == [IMAGE, OTHER_IMAGE]
    assert told(world, job_id) == []


def test_a_good_image_is_kept_while_the_status_cannot_be_read_and_the_addresses_may_change(
    world: World, vendor: Vendor, web: dict[str, Any]
) -> None:
    web[ONE] = gone(404)
    job_id = sent(world, vendor, ONE, TWO, count=2)
    web["https://new.example/1"] = IMAGE
    vendor.polls = [ready(ONE, TWO), Unread("HTTP 503", 503), pending(), ready("https://new.example/1", TWO)]
    assert [world.poll(job_id)["outcome"] for _ in range(4)] == ["pending", "pending", "pending", "finished"]
    assert web["fetched"].count(TWO) == 1


def test_staging_that_is_away_is_another_look(
    world: World, vendor: Vendor, web: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise ClientError({"Error": {"Code": "SlowDown", "Message": "x"}}, "PutObject")

    job_id = sent(world, vendor, ONE)
    with monkeypatch.context() as patched:
        patched.setattr(media, "put", away)
        assert world.poll(job_id) == {"outcome": "pending", "wait": 5}
    assert world.poll(job_id) == {"outcome": "finished"}


def slow_down(*_: Any, **__: Any) -> None:
    raise ClientError({"Error": {"Code": "SlowDown", "Message": "x"}}, "PutObject")


NO_NETWORK = FetchFailed("no connection to https://cdn.example", "Try again soon.", passing=True, made=False)


@pytest.mark.parametrize("trouble", ["S3 refuses", "no network"])
def test_trouble_of_our_own_around_the_deadline_loses_no_image(
    world: World, vendor: Vendor, web: dict[str, Any], monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    job_id = sent(world, vendor, ONE)
    world.at.sleep(1790)
    began = world.at.now()
    with monkeypatch.context() as patched:
        if trouble == "S3 refuses":
            patched.setattr(media, "put", slow_down)
        else:
            web[ONE] = NO_NETWORK
        while world.at.now() - began < timedelta(hours=5):
            said = world.poll(job_id)
            assert said["outcome"] == "pending"
            world.at.sleep(said["wait"])
    web[ONE] = IMAGE
    assert world.poll(job_id) == {"outcome": "finished"}
    assert world.read(attempt(world, job_id).results[0].key, MEDIA) == IMAGE


def test_images_that_could_not_be_stored_for_hours_are_not_said_to_have_been_out_of_reach(
    world: World, vendor: Vendor, web: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = sent(world, vendor, ONE)
    monkeypatch.setattr(media, "put", slow_down)
    assert until_the_end(world, job_id) == {"outcome": "failed", "again": False}
    error = attempt(world, job_id).error
    assert error and "it could not be put into staging (ClientError)" in error.detail


# --------------------------------------------------------------------------------------------------------- slow servers
@pytest.mark.parametrize(("remaining", "seconds"), [(300, 120), (100, 70), (31, 1)])
def test_a_slow_server_gets_two_minutes_and_never_more_than_the_invocation_has(
    world: World, vendor: Vendor, web: dict[str, Any], remaining: float, seconds: float
) -> None:
    job_id = sent(world, vendor, ONE)
    world.poll(job_id, remaining)
    assert web["timeouts"] == [seconds]


def test_an_image_for_which_an_invocation_has_no_time_left_is_fetched_by_the_next_one(
    world: World, vendor: Vendor, web: dict[str, Any]
) -> None:
    job_id = sent(world, vendor, ONE)
    world.at.sleep(1800)
    for _ in range(5):
        said = world.poll(job_id, 30)
        assert said["outcome"] == "pending"
        world.at.sleep(said["wait"])
    assert web["fetched"] == []
    assert world.poll(job_id) == {"outcome": "finished"}


# ------------------------------------------------------------------------------------------------------ what is told
def test_a_download_in_vain_is_told_with_its_reason_and_not_as_a_status(
    world: World, vendor: Vendor, web: dict[str, Any]
) -> None:
    web[ONE] = gone(403)
    job_id = sent(world, vendor, ONE)
    for _ in range(3):
        world.poll(job_id)
    [warning] = told(world, job_id)
    assert "answered 403" in warning.detail and "status" not in warning.detail
    assert "Nothing is left to do" in warning.remedy and "signature" not in str(warning)


def test_a_host_that_is_not_listed_is_named_with_the_setting_that_lists_it(world: World, vendor: Vendor) -> None:
    """An operator can mend it in time; after the deadline the error names it still."""
    job_id = sent(world, vendor, "https://new-cdn.example/1.png?signature=abc")
    assert until_the_end(world, job_id)["outcome"] == "failed"
    [warning] = told(world, job_id)
    error = attempt(world, job_id).error
    assert error
    for text in (f"{warning.detail} {warning.remedy}", f"{error.detail} {error.remedy}"):
        assert "https://new-cdn.example is not a host" in text and "`result_hosts` of tryiton" in text
        assert "signature" not in text and "1.png" not in text


def test_done_without_an_address_is_not_the_vendor_s_word_that_there_is_none(
    world: World, vendor: Vendor, web: dict[str, Any]
) -> None:
    job_id = sent(world, vendor)
    assert world.poll(job_id)["outcome"] == "pending"
    vendor.polls = [ready(ONE)]
    assert world.poll(job_id) == {"outcome": "finished"}


def costs(world: World, job_id: str) -> int:
    """The images that count against the day's budget."""
    cost = cost_of(world.job(job_id), attempt(world, job_id), world.at)
    return cost.images if cost else 0


def test_at_the_deadline_the_good_ones_are_delivered_as_a_partial_result(
    world: World, vendor: Vendor, web: dict[str, Any]
) -> None:
    web[ONE] = gone(404)
    job_id, began = sent(world, vendor, ONE, TWO, count=2), world.at.now()
    assert until_the_end(world, job_id) == {"outcome": "finished"}
    assert (world.at.now() - began).total_seconds() >= 1800 + 120
    done = attempt(world, job_id)
    assert [world.read(stored.key, MEDIA) for stored in done.results] == [OTHER_IMAGE]
    assert (done.charged, told(world, job_id)[-1].code) == ("yes", "partial_result")
    assert costs(world, job_id) == 2, "the provider bills both"
    assert "1 more" in told(world, job_id)[-1].detail


@pytest.mark.parametrize("later", [Unread("HTTP 410", 410), Pending("v-9")], ids=["refused", "at work"])
def test_the_good_ones_are_delivered_too_where_the_vendor_no_longer_says_that_it_is_done(
    world: World, vendor: Vendor, web: dict[str, Any], later: Any
) -> None:
    web[ONE] = gone(404)
    job_id = sent(world, vendor, ONE, TWO, count=2)
    world.poll(job_id)
    vendor.polls = [later]
    assert until_the_end(world, job_id) == {"outcome": "finished"}
    done = attempt(world, job_id)
    assert [world.read(stored.key, MEDIA) for stored in done.results] == [OTHER_IMAGE]
    assert (done.charged, done.error, told(world, job_id)[-1].code) == ("yes", None, "partial_result")
    assert costs(world, job_id) == 2


def test_a_cancelled_job_keeps_its_good_ones_for_its_recovery(
    world: World, vendor: Vendor, web: dict[str, Any]
) -> None:
    web[ONE] = gone(404)
    job_id = sent(world, vendor, ONE, TWO, count=2)
    world.poll(job_id)
    world.cancel(job_id)
    web["fetched"].clear()
    new = recover(job_id, LIVE, world.at).job.id
    assert world.run(new)[-2:] == ["Collect", "Settle"]
    job = world.job(new)
    assert (job.status, len(job.images), len(vendor.orders)) == ("succeeded", 1, 1)
    assert TWO not in web["fetched"], "it is in staging already"


def test_at_the_deadline_without_any_it_is_told_that_the_vendor_keeps_them_and_how_to_get_them(
    world: World, vendor: Vendor, web: dict[str, Any]
) -> None:
    web[ONE] = PAGE
    job_id, began = sent(world, vendor, ONE), world.at.now()
    assert until_the_end(world, job_id) == {"outcome": "failed", "again": False}
    assert (world.at.now() - began).total_seconds() >= 1800 + 120, "three more fetches, a minute apart"
    done = attempt(world, job_id)
    assert done.error
    assert (done.error.code, done.error.retryable, done.charged) == ("timed_out", False, "yes")
    assert "72 hours" in done.error.remedy and "POST /v1/jobs/{id}/recover" in done.error.remedy
    assert done.finished_at and moment(done.finished_at) == world.at.now()


def test_a_vendor_that_stops_saying_that_it_is_done_is_still_known_to_keep_its_images(
    world: World, vendor: Vendor, web: dict[str, Any]
) -> None:
    web[ONE] = gone(404)
    job_id = sent(world, vendor, ONE)
    world.poll(job_id)
    vendor.polls = [Pending("v-9")]
    until_the_end(world, job_id)
    error = attempt(world, job_id).error
    assert error and "72 hours" in error.remedy and "recover" in error.remedy


def test_an_image_that_arrives_while_the_job_is_erased_is_taken_back(
    world: World, vendor: Vendor, web: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sibling is missing, so the attempt is still open when the good one is put."""
    web[ONE] = gone(404)
    job_id, real = sent(world, vendor, ONE, TWO, count=2), media.put

    def put(*args: Any, **more: Any) -> None:
        from fitting_room.stores import jobs

        request_erasure(jobs.key(job_id), job_id, world.at.now(), "2026-09-01")
        world.broken(job_id)
        erase_job(job_id, world.at)
        real(*args, **more)

    monkeypatch.setattr(media, "put", put)
    world.poll(job_id)
    assert world.keys(f"staging/{job_id}/") == []


def test_a_result_may_lie_on_a_host_that_the_operator_has_added(
    world: World, vendor: Vendor, web: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(monkeypatch, result_hosts={"tryiton": ["cdn.example"], "fashn": ["cdn.other"]})
    world.poll(sent(world, vendor, ONE))
    assert "cdn.example" in web["hosts"] and "cdn.other" not in web["hosts"]
