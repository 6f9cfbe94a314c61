"""The originals of a job: fetched from the web, or copied from an upload, once."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from fitting_room.actions.workflow import originals
from fitting_room.actions.workflow.prepare import prepare
from fitting_room.jobs.errors import Fault
from fitting_room.jobs.job import Mode
from fitting_room.net import safe_http
from fitting_room.stores import aws, jobs, media
from tests.deployment import choose
from tests.integration.net.server import Server, running
from tests.integration.world import INBOX, MEDIA, TENANT, Vendor, World, failed, finished, picture


@pytest.fixture
def host(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A customer's server, with two images."""
    with running(Server()) as server:
        server.serves("/person.png", picture(360, 540))
        server.serves("/garment.png", picture(200, 200, "navy"))
        choose(monkeypatch, fetch_allow=[server.host])
        yield server


def submitted(world: World, host: Server, **changes: Any) -> str:
    return world.submit(person={"url": host.url("/person.png")}, **changes).job.id


def answers(status: str, *headers: str) -> Callable[[BaseHTTPRequestHandler], object]:
    lines = [f"HTTP/1.1 {status}", *headers, "Content-Length: 0", "", ""]
    return lambda handler: handler.wfile.write("\r\n".join(lines).encode())


def failing(host: Server, path: str, trouble: Callable[[BaseHTTPRequestHandler], object], times: int) -> None:
    healthy, left = host.answers[path], [times]

    def answer(handler: BaseHTTPRequestHandler) -> object:
        left[0] -= 1
        return trouble(handler) if left[0] >= 0 else healthy(handler)

    host.answers[path] = answer


def test_a_garment_of_a_shopper_is_not_followed_out_of_the_shops_prefix(
    world: World, host: Server, vendor: Vendor
) -> None:
    host.redirects("/person.png", "/garment.png", "302 Found")
    job_id = submitted(world, host)
    within = "https://shop.example/garments/"
    aws.table().update_item(
        Key=jobs.key(job_id),
        UpdateExpression="SET sources.person.#within = :prefix",
        ExpressionAttributeNames={"#within": "within"},
        ExpressionAttributeValues={":prefix": within},
    )
    assert prepare(job_id, world.at)["outcome"] == "failed"
    failure = world.job(job_id).failure
    assert failure and (failure.code, failure.pointer) == ("image_unreadable", "/person")
    assert "redirects" in failure.detail


TROUBLE = {
    "503": answers("503 Service Unavailable"),
    "429": answers("429 Too Many Requests", "Retry-After: 7"),
    "408": answers("408 Request Timeout"),
    "reset": Server.reset,
}


@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize("times", [1, 4])
def test_trouble_of_the_customer_s_host_is_waited_out(
    world: World, host: Server, vendor: Vendor, trouble: str, times: int
) -> None:
    vendor.starts = [finished()]
    failing(host, "/person.png", TROUBLE[trouble], times)
    job_id = submitted(world, host)
    prepare(job_id, world.at)
    assert world.at.slept == ([7.0] * times if trouble == "429" else [1.0, 2.0, 4.0, 8.0][:times])
    world.run(job_id)
    assert world.job(job_id).status == "succeeded"


def resolver(times: int) -> Callable[..., list[Any]]:
    left = [times]

    def resolve(*args: Any, **options: Any) -> list[Any]:
        left[0] -= 1
        if left[0] >= 0:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return socket.getaddrinfo(*args, **options)

    return resolve


@pytest.mark.parametrize(("times", "status"), [(1, "succeeded"), (1000, "failed")])
def test_dns_trouble(
    world: World, host: Server, vendor: Vendor, monkeypatch: pytest.MonkeyPatch, times: int, status: str
) -> None:
    monkeypatch.setattr(safe_http, "get", partial(safe_http.get, resolve=resolver(times)))
    vendor.starts = [finished()]
    job_id = submitted(world, host)
    world.run(job_id)
    job = world.job(job_id)
    assert job.status == status
    assert job.error is None or (job.error.code, job.error.retryable) == ("image_unreachable", True)


@pytest.mark.parametrize("trouble", TROUBLE)
def test_trouble_that_does_not_end_fails_the_job_in_time_and_says_so(
    world: World, host: Server, vendor: Vendor, trouble: str
) -> None:
    failing(host, "/person.png", TROUBLE[trouble], 1000)
    job_id = submitted(world, host)
    assert "c0ffee" in str(world.items())
    world.run(job_id)
    job = world.job(job_id)
    assert job.error and (job.status, job.error.code, job.error.retryable, job.error.pointer) == (
        "failed",
        "image_unreachable",
        True,
        "/person",
    )
    assert f"http://{host.host}" in job.error.detail
    assert 40 < sum(world.at.slept) < 60
    assert vendor.orders == [] and world.spent() == (0, 0)
    assert "c0ffee" not in str(world.items())


def test_a_host_that_wants_to_be_left_alone_for_long_is(world: World, host: Server) -> None:
    failing(host, "/person.png", answers("429 Too Many Requests", "Retry-After: 600"), 1000)
    job_id = submitted(world, host)
    prepare(job_id, world.at)
    assert world.at.slept == [] and len(host.asked) == 1


@pytest.mark.parametrize("trouble", TROUBLE)
def test_a_test_key_makes_no_function_sleep(world: World, host: Server, trouble: str) -> None:
    failing(host, "/person.png", TROUBLE[trouble], 1000)
    job_id = submitted(world, host, mode="test")
    prepare(job_id, world.at)
    assert world.at.slept == [] and len(host.asked) == 1
    failure = world.job(job_id).failure
    assert failure and (failure.code, failure.retryable) == ("image_unreachable", True)


@pytest.mark.parametrize(("mode", "seconds"), [("live", 20.0), ("test", 5.0)])
def test_a_slow_host_holds_a_function_for_a_short_time_only(
    world: World, host: Server, monkeypatch: pytest.MonkeyPatch, mode: Mode, seconds: float
) -> None:
    allowed: list[float] = []

    def slow(*_: Any, timeout: float, **__: Any) -> Any:
        allowed.append(timeout)
        world.at.sleep(timeout)
        raise safe_http.FetchFailed("it took too long", "Try again soon.", passing=True)

    monkeypatch.setattr(safe_http, "get", slow)
    prepare(submitted(world, host, mode=mode), world.at)
    assert allowed[0] == seconds and (len(allowed) == 1) is (mode == "test")


@pytest.mark.parametrize("location", ["http://[", "//[", "https://[::1", "https://]/", "https://[xyz]/", "/404"])
def test_what_does_not_pass_is_not_tried_again(world: World, host: Server, vendor: Vendor, location: str) -> None:
    host.answers["/404"] = answers("404 Not Found")
    host.redirects("/person.png", location)
    job_id = submitted(world, host)
    world.run(job_id)
    error = world.job(job_id).error
    assert error and (error.code, error.retryable, error.pointer) == ("image_unreadable", False, "/person")
    assert "POST /v1/uploads" in error.remedy
    assert world.at.slept == [] and vendor.orders == []
    assert "c0ffee" not in str(world.items())


def test_what_lasts_is_told_before_what_may_pass(world: World, host: Server) -> None:
    failing(host, "/person.png", TROUBLE["503"], 1000)
    host.answers["/garment.png"] = answers("404 Not Found")
    garment = {"image": {"url": host.url("/garment.png")}, "category": "tops"}
    job_id = submitted(world, host, garments=[garment])
    prepare(job_id, world.at)
    failure = world.job(job_id).failure
    assert failure and (failure.code, failure.pointer) == ("image_unreadable", "/garments/0/image")


def test_a_job_that_ends_before_it_was_prepared_keeps_no_link(world: World, host: Server) -> None:
    job_id = submitted(world, host)
    assert world.cancel(job_id).status == "cancelled"
    assert "c0ffee" not in str(world.items())
    assert set(world.job(job_id).sources) == {"person", "garment-0"}


def test_links_are_followed_side_by_side(world: World, host: Server, vendor: Vendor) -> None:
    both = threading.Barrier(2, timeout=10)
    for path in ("/person.png", "/garment.png"):
        healthy = host.answers[path]
        host.answers[path] = lambda handler, healthy=healthy: (both.wait(), healthy(handler))
    garment = {"image": {"url": host.url("/garment.png")}, "category": "tops"}
    job_id = submitted(world, host, garments=[garment])
    assert prepare(job_id, world.at)["outcome"] == "prepared"


def test_what_was_fetched_is_not_fetched_again(
    world: World, host: Server, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by a second Prepare, after one that died, nor for the next provider."""
    world.configure("tryiton")
    job_id = submitted(world, host)
    with monkeypatch.context() as dying, pytest.raises(ZeroDivisionError):
        dying.setattr(jobs, "begin", lambda *_: 1 / 0)
        prepare(job_id, world.at)
    assert "c0ffee" not in str(world.items()), "a signed link is not kept once it was used"
    host.answers.clear()
    vendor.starts = [failed(), finished(864, 1296)]
    world.run(job_id)
    assert world.job(job_id).status == "succeeded"
    assert len(vendor.orders) == 2 and len(host.asked) == 1


def test_of_several_links_those_that_came_are_remembered(world: World, host: Server) -> None:
    failing(host, "/garment.png", TROUBLE["503"], 1000)
    garment = {"image": {"url": host.url("/garment.png")}, "category": "tops"}
    job_id = submitted(world, host, garments=[garment])
    prepare(job_id, world.at)
    sources = world.job(job_id).sources
    assert sources["person"].url is None and world.read(str(sources["person"].staged)) == picture(360, 540)
    assert sources["garment-0"].url and sources["garment-0"].staged is None


def test_an_upload_that_goes_after_prepare_does_not_matter(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    vendor.starts = [failed(), finished(864, 1296)]
    job_id = world.prepared()
    for name in ("person.png", "garment.png"):
        aws.s3().delete_object(Bucket=INBOX, Key=f"drop/{TENANT}/{name}")
    world.run(job_id)
    assert world.job(job_id).status == "succeeded" and len(vendor.orders) == 2
    source = world.job(job_id).sources["person"]
    assert (source.bucket, source.key) == (INBOX, f"drop/{TENANT}/person.png"), "erasing the job must find it"


def second_attempt(world: World, vendor: Vendor) -> str:
    """The id of a job whose first provider failed."""
    world.configure("tryiton")
    vendor.starts = [failed()]
    job_id = world.prepared()
    assert world.start(job_id) == {"outcome": "failed", "again": True}
    aws.s3().delete_object(Bucket=MEDIA, Key=f"staging/{job_id}/input-person")
    return job_id


def test_an_original_that_is_gone_from_staging_is_copied_again(world: World, vendor: Vendor) -> None:
    assert prepare(second_attempt(world, vendor), world.at)["outcome"] == "prepared"


def test_an_original_that_is_gone_everywhere_is_unreadable(world: World, vendor: Vendor) -> None:
    job_id = second_attempt(world, vendor)
    aws.s3().delete_object(Bucket=INBOX, Key=f"drop/{TENANT}/person.png")
    assert prepare(job_id, world.at) == {"outcome": "failed", "again": False}
    assert (world.job(job_id).failure or Fault.of("internal", "", "")).code == "image_unreadable"


def test_a_job_of_few_images_reads_nothing_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id, read, seen = world.submit().job.id, media.read, list[str]()

    def counted(key: str, **options: Any) -> bytes | None:
        seen.append(key)
        return read(key, **options)

    monkeypatch.setattr(media, "read", counted)
    prepare(job_id, world.at)
    assert sorted(seen) == [f"drop/{TENANT}/garment.png", f"drop/{TENANT}/person.png"]


def test_more_than_memory_holds_is_read_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(originals, "IN_HAND", 0)
    job_id = world.submit().job.id
    assert prepare(job_id, world.at)["outcome"] == "prepared"
