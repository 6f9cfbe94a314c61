"""From two files to a picture, by both clients, before the real API."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest

from fitting_room_client import AnswerLost, AsyncFittingRoom, BadInput, DeadlinePassed, FittingRoom, JobFailed, Refused
from tests.client import URL, Do, StillClock
from tests.integration.client.conftest import Deployment
from tests.integration.world import LIVE_KEY, Vendor, failed, finished, picture


def test_two_files_become_a_picture(
    do: Do, deployment: Deployment, vendor: Vendor, person: Path, tee: Path, tmp_path: Path
) -> None:
    vendor.starts = [finished()]
    steps: list[str] = []
    result = do(
        "try_on", person, tee, provider="tryiton", category="tops", on_change=lambda job: steps.append(job.step)
    )
    assert (result.job.status, result.job.provider, result.job.reference) == ("succeeded", "tryiton", None)
    [image] = result.images
    assert image.content == deployment.stored(result.job.id)
    assert image.save(tmp_path / "out.png").read_bytes() == image.content
    assert (image.image.width, image.image.height, image.image.format, result.mask) == (360, 540, "png", None)
    assert steps == ["queued", "done"]
    assert len(vendor.orders) == 1
    uploads = [json.loads(asked.content) for asked in deployment.sent("POST", "/v1/uploads")]
    assert uploads == [{"content_type": "image/png", "bytes": each.stat().st_size} for each in (person, tee)]


def test_a_mask_that_was_asked_for_is_downloaded_too(
    do: Do, deployment: Deployment, vendor: Vendor, person: Path, tee: Path
) -> None:
    vendor.starts = [finished(mask=finished().images[0].data)]
    result = do("try_on", person, tee, provider="nova_canvas", category="tops", output={"mask": True})
    assert result.mask.content == deployment.stored(result.job.id, "mask")


def test_every_field_and_way_to_name_an_image_reaches_the_api(do: Do, deployment: Deployment) -> None:
    upload = do("upload", picture(360, 540)).id
    link = "https://shop.example/tee.png?v=1"
    garment = {"image": link, "type": "short_sleeve_shirt", "photo": "flat_lay"}
    estimate = do("estimate", upload, garment, category="tops", provider="nova_canvas", output={"seed": 12, "count": 2})
    asked = json.loads(deployment.sent("POST", "/v1/jobs/estimate")[0].content)
    assert asked == {
        "task": "try_on",
        "person": {"upload": upload},
        "garments": [{"category": "tops", "image": {"url": link}, "type": "short_sleeve_shirt", "photo": "flat_lay"}],
        "provider": "nova_canvas",
        "output": {"seed": 12, "count": 2},
    }
    [offer] = estimate.plan
    assert (offer.provider, offer.images, str(offer.cost)) == ("nova_canvas", 2, "0.12 USD")


def test_an_estimate_says_what_stops_each_provider(do: Do) -> None:
    estimate = do("estimate", "upl_" + "1" * 26, "upl_" + "2" * 26, category="tops", output={"seed": 12})
    stopped = {no.provider: no for no in estimate.excluded}
    assert (stopped["tryiton"].pointer, stopped["tryiton"].code) == ("/output/seed", "unsupported_option")
    assert stopped["tryiton"].remedy


@pytest.mark.parametrize(
    ("person", "garment", "meant"),
    [
        ({"subject": "sub_1"}, "sub_2", ({"subject": "sub_1"}, [{"subject": "sub_2"}])),
        ("sub_1", {"s3": "s3://b/k"}, ({"subject": "sub_1"}, [{"image": {"s3": "s3://b/k"}}])),
        ({"photos": ["a", "b"]}, ["upl_1", "s3://b/k"],
         ({"photos": ["a", "b"]}, [{"image": {"upload": "upl_1"}}, {"image": {"s3": "s3://b/k"}}])),
    ],
)  # fmt: skip
def test_whatever_the_api_reads_may_be_given_as_it_is(
    do: Do, deployment: Deployment, person: Any, garment: Any, meant: Any
) -> None:
    deployment.before = lambda _: httpx.Response(200, json={"plan": []})
    do("estimate", person, garment)
    asked = json.loads(deployment.requests[0].content)
    assert (asked["person"], asked["garments"]) == meant


def test_the_category_of_a_call_is_for_each_garment_that_names_none(do: Do, deployment: Deployment) -> None:
    deployment.before = lambda _: httpx.Response(200, json={"plan": []})
    do("estimate", "upl_1", ["upl_2", {"image": "upl_3", "category": "bottoms"}], category="tops")
    assert json.loads(deployment.requests[0].content)["garments"] == [
        {"image": {"upload": "upl_2"}, "category": "tops"},
        {"image": {"upload": "upl_3"}, "category": "bottoms"},
    ]


def test_an_estimate_sends_no_file(do: Do, deployment: Deployment, person: Path) -> None:
    assert do("estimate", person, picture(200, 200), provider="tryiton").plan[0].provider == "tryiton"
    assert [asked.url.path for asked in deployment.requests] == ["/v1/jobs/estimate"]


def test_the_key_goes_to_the_api_only_and_no_link_is_logged(
    do: Do, deployment: Deployment, vendor: Vendor, person: Path, tee: Path, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.starts = [finished()]
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.INFO, logger="httpx")  # the adapters silence it
    result = do("try_on", person, tee, provider="tryiton")
    strangers = [asked for asked in deployment.requests if asked.url.host != "api.example"]
    assert len(strangers) == 3
    assert not any("authorization" in asked.headers or LIVE_KEY.encode() in asked.content for asked in strangers)
    assert "X-Amz-Signature" in result.job.images[0].url or "Signature" in result.job.images[0].url
    assert any("media-bucket" in record.getMessage() for record in caplog.records if record.name == "httpx")
    for shown in (caplog.text, repr(result), repr(result.job)):
        assert "Signature" not in shown
        assert LIVE_KEY not in shown


def test_a_lost_answer_makes_no_second_job(
    do: Do, deployment: Deployment, vendor: Vendor, person: Path, tee: Path
) -> None:
    vendor.starts = [finished()]
    lost = iter([True, True])

    def after(request: httpx.Request) -> None:
        if request.url.path == "/v1/jobs" and next(lost, False):
            raise httpx.ReadTimeout("")

    deployment.after = after
    result = do("try_on", person, tee, provider="tryiton")
    submits = deployment.sent("POST", "/v1/jobs")
    assert len(submits) == 3
    assert len({(asked.headers["idempotency-key"], asked.content) for asked in submits}) == 1
    assert len(deployment.world.executions()) == len(vendor.orders) == len(result.images) == 1


def test_two_calls_are_two_jobs(do: Do, deployment: Deployment, vendor: Vendor, person: Path, tee: Path) -> None:
    vendor.starts = [finished()]
    for _ in range(2):
        do("try_on", person, tee, provider="tryiton")
    keys = {asked.headers["idempotency-key"] for asked in deployment.sent("POST", "/v1/jobs")}
    assert len(keys) == len(vendor.orders) == 2


def test_a_key_of_the_caller_is_sent(do: Do, deployment: Deployment, vendor: Vendor) -> None:
    vendor.starts = [finished()]
    person, tee = do("upload", picture(360, 540)).id, do("upload", picture(200, 200, "navy")).id
    first, second = (do("try_on", person, tee, provider="tryiton", idempotency_key="order-1") for _ in range(2))
    assert first.job.id == second.job.id
    assert len(vendor.orders) == 1


def test_a_failed_job_says_what_happened(do: Do, vendor: Vendor, person: Path, tee: Path) -> None:
    vendor.starts = [failed("content_blocked", "yes")]
    with pytest.raises(JobFailed, match="The vendor's pipeline failed") as failure:
        do("try_on", person, tee, provider="tryiton")
    [fault] = failure.value.faults
    assert (fault.code, fault.remedy, failure.value.job.attempts[0].charged) == ("content_blocked", "Try again.", "yes")


def test_after_the_deadline_the_job_goes_on_and_can_be_fetched(
    do: Do, deployment: Deployment, clock: StillClock, vendor: Vendor, person: Path, tee: Path
) -> None:
    run, clock.meanwhile = clock.meanwhile, lambda _: None
    with pytest.raises(DeadlinePassed, match="It goes on") as passed:
        do("try_on", person, tee, provider="tryiton", deadline=30)
    assert 29 <= sum(clock.slept) <= 30
    vendor.starts, clock.meanwhile = [finished()], run
    assert passed.value.job
    job = do("jobs.wait", passed.value.job.id)
    assert (job.status, job.done) == ("succeeded", True)
    assert do("jobs.result", job.id).images[0].content == deployment.stored(job.id)


def test_waiting_follows_the_api_and_outlives_an_outage(
    do: Do, deployment: Deployment, clock: StillClock, vendor: Vendor, person: Path, tee: Path
) -> None:
    vendor.starts = [finished()]
    away = iter([True] * 20)

    def before(request: httpx.Request) -> None:
        if request.url.path.startswith("/v1/jobs/") and next(away, False):
            raise httpx.ConnectError("")

    deployment.before = before
    assert do("try_on", person, tee, provider="tryiton").images
    assert clock.slept[0] == 6  # the API's Retry-After, a quarter of the 25 s that it waited itself
    assert len(clock.slept) == 21
    assert max(clock.slept[1:]) <= 8


def test_an_error_after_the_submit_names_the_job(
    do: Do, deployment: Deployment, vendor: Vendor, person: Path, tee: Path
) -> None:
    vendor.starts = [finished()]
    deployment.before = lambda asked: (
        httpx.Response(503) if asked.method == "GET" and "media" in asked.url.host else None
    )
    with pytest.raises(AnswerLost, match="was answered with 503") as lost:
        do("try_on", person, tee, provider="tryiton")
    assert lost.value.job is not None
    assert lost.value.job.id == deployment.world.executions()[0]


def test_a_refusal_has_every_fault_with_its_field_and_remedy(do: Do, deployment: Deployment, person: Path) -> None:
    with pytest.raises(Refused) as refused:
        do("try_on", person, picture(200, 200), provider="tryiton", output={"count": 99}, colour="red")
    told = {(fault.pointer, bool(fault.remedy)) for fault in refused.value.faults}
    assert {("/output/count", True), ("/colour", True)} <= told
    assert (refused.value.status, refused.value.code, refused.value.retryable) == (422, "invalid_input", False)
    assert refused.value.request_id == "request-1"
    assert "/output/count: " in str(refused.value)
    assert len(deployment.sent("POST", "/v1/jobs")) == 1


@pytest.mark.parametrize("text", ["person.jpg", "/etc/passwd", "", "ftp://example/person.jpg"])
def test_a_text_is_never_read_as_a_file(do: Do, deployment: Deployment, text: str) -> None:
    with pytest.raises(BadInput, match=r"/garments/0/image.*pathlib.Path"):
        do("try_on", "upl_1", text)
    assert deployment.requests == []


def test_a_file_that_is_no_image_is_not_sent(do: Do, deployment: Deployment, tmp_path: Path) -> None:
    text = tmp_path / "person.jpg"
    text.write_text("hello")
    with pytest.raises(BadInput, match=r"/person: .*JPEG, PNG, WebP, AVIF or HEIC"):
        do("try_on", text, "upl_1")
    assert deployment.requests == []


def test_a_file_that_cannot_be_read_is_named_with_its_field_and_the_remedy(
    do: Do, deployment: Deployment, tmp_path: Path
) -> None:
    nobody = tmp_path / "nobody.png"
    with pytest.raises(BadInput, match=r"^/person: .*nobody\.png.*No such file.*Name a file"):
        do("try_on", nobody, "upl_1")
    with pytest.raises(BadInput, match=r"^/garments/0/image: .*Is a directory"):
        do("try_on", "upl_1", tmp_path)
    with pytest.raises(BadInput, match=r"nobody\.png"):
        do("upload", nobody)
    with pytest.raises(BadInput, match=r"nobody\.png"):
        do("batches.create", nobody)
    assert deployment.requests == []


@pytest.mark.parametrize(
    ("head", "meant"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"\x00\x00\x00\x20ftypavif", "image/avif"),
        (b"\x00\x00\x00\x20ftypheic", "image/heic"),
    ],
)
def test_the_bytes_say_what_an_upload_is(do: Do, deployment: Deployment, head: bytes, meant: str) -> None:
    do("upload", head + bytes(100))
    assert json.loads(deployment.requests[0].content)["content_type"] == meant


def test_address_and_key_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FITTING_ROOM_URL", f"{URL}/")
    monkeypatch.setenv("FITTING_ROOM_KEY", LIVE_KEY)
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"items": []})

    with FittingRoom(http=httpx.Client(transport=httpx.MockTransport(answer))) as fr:
        assert fr.providers() == []
        assert LIVE_KEY not in repr(fr) + repr(vars(fr))
    assert (str(seen[0].url), seen[0].headers["authorization"]) == (f"{URL}/v1/providers", f"Bearer {LIVE_KEY}")


def test_a_client_of_the_callers_own_stays_open_and_any_other_is_closed() -> None:
    answer = httpx.MockTransport(lambda _: httpx.Response(200, json={"items": []}))
    mine, mine_to_await = httpx.Client(transport=answer), httpx.AsyncClient(transport=answer)

    async def awaiting() -> None:
        async with AsyncFittingRoom(URL, LIVE_KEY, http=mine_to_await) as fr:
            assert await fr.providers() == []
        async with AsyncFittingRoom(URL, LIVE_KEY) as fr:
            pass
        with pytest.raises(RuntimeError, match="closed"):
            await fr.providers()

    with FittingRoom(URL, LIVE_KEY, http=mine) as fr:
        assert fr.providers() == []
    with FittingRoom(URL, LIVE_KEY) as fr:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        fr.providers()
    asyncio.run(awaiting())
    assert (mine.is_closed, mine_to_await.is_closed) == (False, False)


@pytest.mark.parametrize(
    ("url", "key", "field"), [("", "k", "url"), ("api.example", "k", "url"), (URL, "", "key"), (URL, "a b", "key")]
)
def test_a_wrong_address_or_key_is_told_at_once(
    url: str, key: str, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FITTING_ROOM_URL", raising=False)
    monkeypatch.delenv("FITTING_ROOM_KEY", raising=False)
    with pytest.raises(BadInput, match=f"^{field}: .*Set FITTING_ROOM_"):
        FittingRoom(url, key)


def test_the_server_is_asked_to_wait_only_if_nobody_watches(
    do: Do, deployment: Deployment, vendor: Vendor, person: Path, tee: Path
) -> None:
    vendor.starts = [finished()]
    do("try_on", person, tee, provider="tryiton", deadline=20)
    do("try_on", person, tee, provider="tryiton", on_change=lambda _: None)
    held, watched = deployment.sent("POST", "/v1/jobs")
    assert held.headers["prefer"] in ("wait=19", "wait=20")
    assert "prefer" not in watched.headers


def test_a_submit_that_is_answered_with_the_finished_job_needs_no_look(
    do: Do, deployment: Deployment, clock: StillClock, vendor: Vendor, person: Path, tee: Path
) -> None:
    vendor.starts = [finished()]

    def after(request: httpx.Request) -> httpx.Response | None:  # as `Prefer: wait` is to be answered
        if request.method == "POST" and request.url.path == "/v1/jobs":
            [name] = deployment.world.executions()
            deployment.world.run(name)
            look = httpx.Request("GET", f"{URL}/v1/jobs/{name}", headers=request.headers)
            return deployment._api(look)
        return None

    deployment.after = after
    assert do("try_on", person, tee, provider="tryiton").images
    assert clock.slept == []
    assert not [asked for asked in deployment.requests if asked.url.path.startswith("/v1/jobs/")]
