"""The TryItOn adapter against the vendor's documents: what it sends, and what it makes of every answer."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from fitting_room.jobs.errors import JobFailure
from fitting_room.jobs.outcome import Failed, Pending, Ready, Unread
from fitting_room.providers.shared.clothes import ClothesRequest
from fitting_room.providers.tryiton import adapter
from fitting_room.providers.tryiton.adapter import FashionRequest
from tests.contract.orders import connection, golden, order, try_on

GOLDEN = golden("tryiton")
LEAST = try_on(garment={"category": "tops"})
CLOTHES = {"provider": "tryiton/clothes"}
KEY = "key-of-this-deployment"


class Wire:
    """The vendor behind a transport: answers the same thing each time and remembers the requests."""

    def __init__(self, answer: httpx.Response | Exception) -> None:
        self.answer = answer
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def provider(self, endpoint: str | None = None) -> adapter.TryItOn:
        return adapter.connect(connection(endpoint, secret=KEY), httpx.MockTransport(self))


def start(answer: httpx.Response | Exception, body: dict[str, Any] = LEAST) -> Any:
    wire = Wire(answer)
    outcome = wire.provider().start(order("tryiton", body))
    assert len(wire.requests) == 1, "a purchase is tried once"
    return outcome


def poll(answer: httpx.Response | Exception, body: dict[str, Any] = LEAST) -> Any:
    return Wire(answer).provider().poll(order("tryiton", body), "64b7")


def facts(outcome: Any) -> tuple[str, str, bool]:
    assert isinstance(outcome, Failed), outcome
    assert outcome.fault.provider == "tryiton"
    assert outcome.fault.remedy
    assert KEY not in outcome.fault.model_dump_json()
    return outcome.fault.code, outcome.charged, outcome.fault.retryable


# what is sent


@pytest.mark.parametrize("case", GOLDEN.values(), ids=GOLDEN)
def test_sends_what_the_document_asks_for(case: dict[str, Any]) -> None:
    wire = Wire(httpx.Response(200, json={"ok": True, "jobId": "64b7"}))
    wire.provider().start(order("tryiton", case["request"], seed=case.get("seed")))
    [sent] = wire.requests
    assert (sent.method, str(sent.url)) == ("POST", f"https://tryiton.now/api/v1/{case['path']}")
    assert sent.headers["Authorization"] == f"Bearer {KEY}"
    assert sent.headers["Content-Type"] == "application/json"
    assert json.loads(sent.content) == case["body"]


def test_a_data_url_names_the_pictures_own_type() -> None:
    # "Prefix the string with data:image/<format>;base64 where format is the image type (such as jpeg or png)"
    sent = adapter.body_of(order("tryiton", LEAST, media_type="image/jpeg"))
    assert sent.model_image == "data:image/jpeg;base64,UEVSU09O"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("auto", ("auto", None)),
        ("tops", ("clothing", "tops")),
        ("bottoms", ("clothing", "bottoms")),
        ("one_piece", ("clothing", "dresses")),
        ("footwear", ("footwear", None)),
        ("headwear", ("headwear", None)),
        ("eyewear", ("eyewear", None)),
        ("object", ("others", None)),
    ],
)
def test_every_category(ours: str, theirs: tuple[str, str | None]) -> None:
    sent = adapter.body_of(order("tryiton", try_on(garment={"category": ours})))
    assert isinstance(sent, FashionRequest)
    assert (sent.category, sent.subcategory) == theirs


@pytest.mark.parametrize(
    ("ours", "theirs"), [("auto", None), ("tops", "tops"), ("bottoms", "bottoms"), ("one_piece", "one-pieces")]
)
def test_every_category_of_the_older_call(ours: str, theirs: str) -> None:
    assert adapter.body_of(order("tryiton", try_on(garment={"category": ours}, **CLOTHES))).category == theirs


@pytest.mark.parametrize(("quality", "mode"), [("fast", "performance"), ("standard", "balanced"), ("best", "quality")])
@pytest.mark.parametrize("provider", ["tryiton", "tryiton/clothes"])
def test_every_mode(provider: str, quality: str, mode: str) -> None:
    assert adapter.body_of(order("tryiton", try_on(output={"quality": quality}, provider=provider))).mode == mode


@pytest.mark.parametrize("photo", ["auto", "flat_lay", "model"])
def test_every_way_to_photograph_a_garment_for_the_older_call(photo: str) -> None:
    sent = adapter.body_of(order("tryiton", try_on(garment={"photo": photo}, **CLOTHES)))
    assert isinstance(sent, ClothesRequest)
    assert sent.garment_photo_type == {"auto": None, "flat_lay": "flat-lay", "model": "model"}[photo]  # "Default: auto"


def test_another_endpoint_keeps_the_key_and_the_paths() -> None:
    wire = Wire(httpx.Response(200, json={"status": "processing"}))
    wire.provider(endpoint="http://127.0.0.1:9/api/v1").poll(order("tryiton", LEAST), "a/../b?c")
    assert str(wire.requests[0].url) == "http://127.0.0.1:9/api/v1/status/a%2F..%2Fb%3Fc"
    assert wire.requests[0].headers["Authorization"] == f"Bearer {KEY}"


def test_without_a_key_nothing_is_called() -> None:
    with pytest.raises(JobFailure) as caught:
        adapter.connect(connection(secret=None))
    assert caught.value.fault.code == "provider_auth"


def test_time_limits_and_no_redirects() -> None:
    http = adapter.connect(connection(secret=KEY)).http
    assert (http.timeout.connect, http.timeout.read, http.follow_redirects) == (10, 60, False)


# the answer to a submit


@pytest.mark.parametrize(
    "answer",
    [
        {"ok": True, "jobId": "64b7"},  # client 2.0.0: self._request("POST", "/tryon/fashion", body)["jobId"]
        {"id": "64b7", "error": None},  # page Clothes Tryon, response 200
    ],
)
def test_both_shapes_of_an_accepted_submit(answer: dict[str, Any]) -> None:
    assert start(httpx.Response(200, json=answer)) == Pending("64b7", 2.0)


@pytest.mark.parametrize(
    ("status", "answer", "expected"),
    [
        (429, {"error": "OutOfCredits", "message": "no credits"}, ("quota_exhausted", "no", False)),
        (429, {"error": "RateLimitExceeded", "message": "slow down"}, ("rate_limited", "no", True)),
        (429, {"error": "ConcurrencyLimitExceeded", "message": "slow down"}, ("rate_limited", "no", True)),
        (429, {}, ("rate_limited", "no", True)),
        (401, {"error": "UnauthorizedAccess", "message": "bad key"}, ("provider_auth", "no", False)),
        (403, {}, ("provider_auth", "no", False)),
        (400, {"error": "BadRequest", "message": "category: not one of"}, ("provider_error", "no", False)),
        (400, {"error": "BadRequest", "message": "model_image must be an URL"}, ("image_unreadable", "no", False)),
        (422, {"error": "BadRequest", "message": "num_samples"}, ("provider_error", "no", False)),
        (413, {}, ("image_unreadable", "no", False)),
        (404, {"error": "NotFound", "message": "no such path"}, ("provider_error", "no", False)),
        (408, {}, ("provider_error", "unknown", False)),
        (500, {"error": "InternalServerError", "message": "oops"}, ("provider_error", "unknown", False)),
        (503, {}, ("provider_error", "unknown", False)),
        (302, {}, ("provider_error", "unknown", False)),
        # "ok" may say no with status 200
        (200, {"ok": False, "error": "OutOfCredits", "message": "no credits"}, ("quota_exhausted", "no", False)),
        (200, {"ok": False, "error": {"name": "BadRequest", "message": "bad"}}, ("provider_error", "no", False)),
        (200, {"id": None, "error": {"name": "X", "message": "bad"}}, ("provider_error", "no", False)),
        # the errors of a running job, told at once
        (200, {"id": None, "error": {"name": "ImageLoadError", "message": "?"}}, ("image_unreadable", "no", False)),
        (200, {"ok": False, "error": "PoseError", "message": "?"}, ("pose_not_found", "no", False)),
        (400, {"error": "ContentModerationError", "message": "?"}, ("content_blocked", "no", False)),
        (500, {"error": "PipelineError", "message": "?"}, ("provider_error", "unknown", False)),
        (200, {"id": "64b7", "error": {"name": "X", "message": "bad"}}, ("provider_error", "unknown", False)),
        (200, {"ok": True}, ("provider_error", "unknown", False)),
        (200, {"ok": True, "jobId": ""}, ("provider_error", "unknown", False)),
        (200, ["64b7"], ("provider_error", "unknown", False)),
    ],
)
def test_every_refused_submit(status: int, answer: Any, expected: tuple[str, str, bool]) -> None:
    assert facts(start(httpx.Response(status, json=answer))) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, ("provider_error", "unknown", False)),
        (400, ("provider_error", "no", False)),
        (502, ("provider_error", "unknown", False)),
    ],
)
def test_an_answer_that_is_no_json(status: int, expected: tuple[str, str, bool]) -> None:
    assert facts(start(httpx.Response(status, text="<html>"))) == expected


def test_the_vendors_own_words_are_kept() -> None:
    fault = start(httpx.Response(400, json={"error": "BadRequest", "message": "mode: not one of"})).fault
    assert (fault.provider_code, fault.provider_detail) == ("BadRequest", "mode: not one of")


@pytest.mark.parametrize("answer", [{"error": "RateLimitExceeded", "message": "slow down"}, {}])
@pytest.mark.parametrize(
    ("header", "wait"), [("7", 7.0), ("900", 900.0), ("86400", 3600.0), ("soon", 15.0), ("", 15.0)]
)
def test_a_rate_limit_says_when_to_come_back(answer: dict[str, str], header: str, wait: float) -> None:
    assert start(httpx.Response(429, json=answer, headers={"Retry-After": header})).retry_after == wait


def test_nothing_brings_credits_back_but_money() -> None:
    empty = httpx.Response(429, json={"error": "OutOfCredits", "message": "?"}, headers={"Retry-After": "7"})
    assert start(empty).retry_after is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (httpx.ConnectError("refused"), ("provider_unavailable", "no", True)),
        (httpx.ConnectTimeout("slow"), ("provider_unavailable", "no", True)),
        (httpx.ProxyError("403 Forbidden"), ("provider_unavailable", "no", True)),
        (httpx.ReadTimeout("slow"), ("provider_unavailable", "unknown", False)),
        (httpx.WriteTimeout("slow"), ("provider_unavailable", "unknown", False)),
        (httpx.WriteError("broken pipe"), ("provider_unavailable", "unknown", False)),
        (httpx.RemoteProtocolError("dropped"), ("provider_unavailable", "unknown", False)),
    ],
)
def test_a_broken_submit_is_charged_unless_nothing_was_sent(error: Exception, expected: tuple[str, str, bool]) -> None:
    assert facts(start(error)) == expected


# the status of a job


@pytest.mark.parametrize("status", ["processing", "in_queue", "a new word"])
def test_a_job_under_way_is_looked_at_again(status: str) -> None:
    assert poll(httpx.Response(200, json={"ok": True, "status": status, "output": []})) == Pending("64b7", 2.0)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        *((httpx.Response(status), Unread(f"HTTP {status}", status)) for status in (302, 400, 401, 404, 500, 503)),
        (
            httpx.Response(404, json={"status": "failed", "error": {"name": "NotFound", "message": "?"}}),
            Unread("HTTP 404", 404),
        ),
        (httpx.Response(200, text="half a js"), Unread("malformed", 200)),
        (httpx.Response(200, json={"ok": True}), Unread("malformed", 200)),
        (httpx.Response(200, json={"ok": False, "error": "NotFound", "message": "?"}), Unread("malformed", 200)),
        (httpx.Response(200, json={"status": "completed", "output": [None]}), Unread("malformed", 200)),
        (httpx.Response(204), Unread("malformed", 204)),
        (httpx.ConnectError("refused"), Unread("ConnectError", made=False)),
        (httpx.ReadTimeout("slow"), Unread("ReadTimeout")),
        (httpx.RemoteProtocolError("dropped"), Unread("RemoteProtocolError")),
    ],
    ids=str,
)
def test_a_read_that_is_refused_or_broken_says_nothing_of_the_job(
    answer: httpx.Response | Exception, expected: Unread
) -> None:
    assert poll(answer) == expected


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "wait"), [("9", 9.0), ("86400", 3600.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("", None)]
)
def test_a_busy_vendor_says_when_it_wants_to_be_asked_again(status: int, header: str, wait: float | None) -> None:
    answer = httpx.Response(status, headers={"Retry-After": header})
    assert poll(answer) == Unread(f"HTTP {status}", status, wait, made=status != 429)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # page Clothes Tryon, table "Runtime Errors"; README: "Failed jobs are never charged."
        ("ImageLoadError", ("image_unreadable", "no", False)),
        ("ContentModerationError", ("content_blocked", "no", False)),
        ("PoseError", ("pose_not_found", "no", False)),
        ("PipelineError", ("provider_error", "no", True)),
        ("ThirdPartyError", ("provider_error", "no", False)),
        ("ProcessingError", ("provider_error", "no", True)),  # client 2.0.0, wait_for_result
        ("SomethingNew", ("provider_error", "no", True)),
    ],
)
def test_every_failure_of_a_running_job(name: str, expected: tuple[str, str, bool]) -> None:
    outcome = poll(
        httpx.Response(200, json={"id": "64b7", "status": "failed", "error": {"name": name, "message": "why"}})
    )
    assert facts(outcome) == expected
    assert (outcome.fault.provider_code, outcome.fault.provider_detail) == (name, "why")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        # the same table, column "Solution"
        ("ImageLoadError", ("open to everybody", "Content-Type", "PNG or JPEG", "data:image/<format>;base64")),
        ("ContentModerationError", ("moderation to permissive", "none", "lawful and ethical")),
        ("PoseError", ("guidelines for model photos",)),
        ("PipelineError", ("Submit it again", "contact@tryiton.now", "provider_job_id")),
        ("ThirdPartyError", ("other images", "contact@tryiton.now", "provider_job_id")),
    ],
)
def test_a_failure_comes_with_the_vendors_own_remedy(name: str, words: tuple[str, ...]) -> None:
    remedy = poll(httpx.Response(200, json={"status": "failed", "error": {"name": name}})).fault.remedy
    assert [word for word in words if word not in remedy] == []


@pytest.mark.parametrize("error", [None, "it broke", {}])
def test_a_failed_job_that_does_not_say_why(error: Any) -> None:
    assert facts(poll(httpx.Response(200, json={"status": "failed", "error": error}))) == ("provider_error", "no", True)


# the pictures


def completed(*urls: str) -> httpx.Response:
    return httpx.Response(200, json={"ok": True, "status": "completed", "output": list(urls), "error": None})


def test_a_completed_job_names_its_images_and_how_long_they_are_kept() -> None:
    outcome = poll(completed("https://cdn/1.png", "https://cdn/2.png"), try_on(output={"count": 2}))
    assert outcome == Ready(["https://cdn/1.png", "https://cdn/2.png"], "72 hours", credits=2)


def test_fewer_images_than_asked_for_are_told() -> None:
    outcome = poll(completed("https://cdn/1.png"), try_on(output={"count": 2}))
    assert (outcome.addresses, outcome.credits) == (["https://cdn/1.png"], 1)
    assert [warning.code for warning in outcome.warnings] == ["partial_result"]
    assert "1 of 2" in outcome.warnings[0].detail


@pytest.mark.parametrize("output", [[], None])
def test_a_completed_job_without_an_image_is_read_again(output: Any) -> None:
    answer = httpx.Response(200, json={"status": "completed", "output": output})
    assert poll(answer) == Unread("completed without images")


# the account


def test_the_credits_that_can_be_spent() -> None:
    # page Credits Balance: "Currently available credits (subscription + on-demand credits - reserved credits)."
    wire = Wire(
        httpx.Response(
            200, json={"ok": True, "credits": {"on_demand": 149, "subscription": 50, "purchased": 100, "reserved": 1}}
        )
    )
    assert wire.provider().credits() == 149.0
    [asked] = wire.requests
    assert (asked.method, str(asked.url)) == ("GET", "https://tryiton.now/api/v1/credits")
    assert asked.headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (httpx.Response(401, json={"error": "UnauthorizedAccess", "message": KEY}), "provider_auth"),
        (httpx.Response(403), "provider_auth"),
        (httpx.Response(429), "provider_unavailable"),
        (httpx.Response(503), "provider_unavailable"),
        (httpx.Response(302, headers={"Location": "/login"}), "provider_unavailable"),
        (httpx.Response(200, text="<html>"), "provider_unavailable"),
        (httpx.Response(200, json={"ok": True, "credits": {"subscription": 50}}), "provider_unavailable"),
        (httpx.Response(200, json={"credits": {"on_demand": None}}), "provider_unavailable"),
        (httpx.ConnectError("refused"), "provider_unavailable"),
        (httpx.ReadTimeout("slow"), "provider_unavailable"),
    ],
    ids=str,
)
def test_a_balance_that_cannot_be_read(answer: httpx.Response | Exception, code: str) -> None:
    with pytest.raises(JobFailure) as caught:
        Wire(answer).provider().credits()
    assert (caught.value.fault.code, caught.value.fault.provider) == (code, "tryiton")
    assert KEY not in caught.value.fault.model_dump_json()
