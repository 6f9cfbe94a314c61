"""The FASHN adapter against the vendor's documents: what it sends, and what it makes of every answer.

What it shares with TryItOn (broken connections, status reads that fail) is tested there.
"""

from __future__ import annotations

import json
import logging
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from fitting_room.jobs.errors import JobFailure
from fitting_room.jobs.outcome import Failed, Pending, Ready, Unread
from fitting_room.providers.fashn import adapter
from tests.contract.orders import connection, golden, order, try_on

GOLDEN = golden("fashn")
KEY = "key-of-this-deployment"
ID = "123a87r9-4129-4bb3-be18-9c9fb5bd7fc1-u1"


def provider(answer: httpx.Response | Exception, sent: list[httpx.Request] | None = None) -> adapter.Fashn:
    """On a vendor that answers the same thing each time; `sent` remembers the requests."""

    def wire(request: httpx.Request) -> httpx.Response:
        if sent is not None:
            sent.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return adapter.connect(connection(secret=KEY), httpx.MockTransport(wire))


def start(answer: httpx.Response | Exception) -> Any:
    sent: list[httpx.Request] = []
    outcome = provider(answer, sent).start(order("fashn", try_on()))
    assert len(sent) == 1, "a purchase is tried once"
    return outcome


def poll(answer: httpx.Response | Exception, seed: int | None = None, **output: Any) -> Any:
    return provider(answer).poll(order("fashn", try_on(output=output), seed=seed), ID)


def ended(status: str, error: Any = None, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(200, json={"id": ID, "status": status, "output": None, "error": error}, headers=named)


def facts(outcome: Any) -> tuple[str, str, bool]:
    assert isinstance(outcome, Failed), outcome
    assert outcome.fault.provider == "fashn"
    assert outcome.fault.remedy
    assert "TryItOn" not in outcome.fault.model_dump_json()
    assert KEY not in outcome.fault.model_dump_json()
    return outcome.fault.code, outcome.charged, outcome.fault.retryable


# what is sent


@pytest.mark.parametrize("case", GOLDEN.values(), ids=GOLDEN)
def test_sends_what_the_document_asks_for(case: dict[str, Any]) -> None:
    sent: list[httpx.Request] = []
    provider(httpx.Response(200, json={"id": ID, "error": None}), sent).start(
        order("fashn", case["request"], seed=case["seed"], callback=case.get("callback"))
    )
    [request] = sent
    query = f"?{case['query']}" if "query" in case else ""
    assert (request.method, str(request.url)) == ("POST", f"https://api.fashn.ai/v1/run{query}")
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert json.loads(request.content) == case["body"]


@pytest.mark.parametrize(
    ("ours", "theirs"), [("auto", None), ("tops", "tops"), ("bottoms", "bottoms"), ("one_piece", "one-pieces")]
)
def test_every_category(ours: str, theirs: str) -> None:
    assert adapter.body_of(order("fashn", try_on(garment={"category": ours}))).inputs.model_dump()["category"] == theirs


@pytest.mark.parametrize(("quality", "mode"), [("fast", "performance"), ("standard", "balanced"), ("best", "quality")])
def test_every_mode(quality: str, mode: str) -> None:
    assert adapter.body_of(order("fashn", try_on(output={"quality": quality}))).inputs.model_dump()["mode"] == mode


TOKEN = "a" * 42 + "Z"
CALLBACK = f"https://api.shop.example/v1/callbacks/fashn/{TOKEN}"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(400, json={"error": "BadRequest", "message": f"webhook_url {CALLBACK} cannot be reached"}),
        httpx.Response(400, json={"error": "BadRequest", "message": f"/v1/run?webhook_url={quote(CALLBACK, safe='')}"}),
        httpx.Response(502, text=CALLBACK),
        httpx.Response(302, headers={"Location": CALLBACK}),
        httpx.ConnectError(CALLBACK),
        httpx.ReadTimeout(CALLBACK),
    ],
    ids=str,
)
def test_the_callbacks_secret_stays_out_of_faults_and_logs(
    answer: httpx.Response | Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sent: list[httpx.Request] = []
    outcome = provider(answer, sent).start(order("fashn", try_on(), callback=CALLBACK))
    assert sent[0].url.params["webhook_url"] == CALLBACK
    assert isinstance(outcome, Failed)
    assert TOKEN not in outcome.fault.model_dump_json() + caplog.text


def test_the_status_is_read_by_the_id() -> None:
    sent: list[httpx.Request] = []
    provider(httpx.Response(200, json={"id": ID, "status": "in_queue"}), sent).poll(order("fashn", try_on()), ID)
    assert (sent[0].method, str(sent[0].url)) == ("GET", f"https://api.fashn.ai/v1/status/{ID}")
    assert sent[0].headers["Authorization"] == f"Bearer {KEY}"


def test_without_a_key_nothing_is_called() -> None:
    with pytest.raises(JobFailure) as caught:
        adapter.connect(connection(secret=None))
    assert (caught.value.fault.code, caught.value.fault.provider) == ("provider_auth", "fashn")


# the answer to a submit


def test_an_accepted_submit() -> None:
    # page API Fundamentals, "Initial Response"
    assert start(httpx.Response(200, json={"id": ID, "error": None})) == Pending(ID, 2.0)


@pytest.mark.parametrize(
    ("status", "answer", "expected"),
    [
        # page Error Handling, table "API-Level Errors"
        (400, {"error": "BadRequest", "message": "category: not one of"}, ("provider_error", "no", False)),
        (400, {"error": "BadRequest", "message": "model_image is missing"}, ("image_unreadable", "no", False)),
        (
            401,
            {"error": "UnauthorizedAccess", "message": "Unauthorized: Invalid token"},
            ("provider_auth", "no", False),
        ),
        (404, {"error": "NotFound", "message": "?"}, ("provider_error", "no", False)),
        (429, {"error": "RateLimitExceeded", "message": "?"}, ("rate_limited", "no", True)),
        (429, {"error": "ConcurrencyLimitExceeded", "message": "?"}, ("rate_limited", "no", True)),
        (429, {"error": "OutOfCredits", "message": "?"}, ("quota_exhausted", "no", False)),
        (429, {}, ("rate_limited", "no", True)),
        # "Because no prediction ID was issued, duplicate processing is not a" concern
        (500, {"error": "InternalServerError", "message": "?"}, ("provider_error", "no", True)),
        # not the vendor's API that speaks
        (500, {}, ("provider_error", "unknown", False)),
        (502, ["bad gateway"], ("provider_error", "unknown", False)),
        (302, {}, ("provider_error", "unknown", False)),
        (413, {}, ("image_unreadable", "no", False)),
        # client 0.9.0, PredictionRunResponse.error: "Error message if prediction failed to start"
        (200, {"id": ID, "error": "could not start"}, ("provider_error", "unknown", False)),
        (200, {"id": None, "error": "could not start"}, ("provider_error", "no", False)),
        (200, {"id": None, "error": {"name": "ImageLoadError", "message": "?"}}, ("image_unreadable", "no", False)),
        (200, {}, ("provider_error", "unknown", False)),
        (200, [ID], ("provider_error", "unknown", False)),
    ],
)
def test_every_refused_submit(status: int, answer: Any, expected: tuple[str, str, bool]) -> None:
    assert facts(start(httpx.Response(status, json=answer))) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (httpx.ConnectError("refused"), ("provider_unavailable", "no", True)),
        (httpx.ReadTimeout("slow"), ("provider_unavailable", "unknown", False)),
    ],
)
def test_a_broken_submit_is_charged_unless_nothing_was_sent(error: Exception, expected: tuple[str, str, bool]) -> None:
    assert facts(start(error)) == expected


# the status of a job


@pytest.mark.parametrize("status", ["starting", "in_queue", "processing", "a new word"])
def test_a_job_under_way_is_looked_at_again(status: str) -> None:
    assert poll(ended(status)) == Pending(ID, 2.0)


@pytest.mark.parametrize("status", [404, 429, 500])
def test_a_refused_read_says_nothing_of_the_job(status: int) -> None:
    reading = poll(httpx.Response(status, json={"error": "NotFound", "message": "?"}))
    assert reading == Unread(f"HTTP {status}", status, made=status != 429)


# client 0.9.0, types/prediction_status_response.py: the names. Only one of them says "no charge for failures".
RUNTIME = [
    ("ImageLoadError", "image_unreadable", False),
    ("ContentModerationError", "content_blocked", False),
    ("PoseError", "pose_not_found", False),
    ("InputValidationError", "provider_error", False),
    ("PipelineError", "provider_error", True),
    ("ThirdPartyError", "provider_error", False),
    ("3rdPartyProviderError", "provider_error", True),
    ("InternalServerError", "provider_error", True),
    ("UnavailableError", "provider_unavailable", True),
    ("PollingTimeout", "timed_out", False),
    ("LoRALoadError", "provider_error", True),  # of other models
]


@pytest.mark.parametrize(("name", "code", "retryable"), RUNTIME)
def test_every_failure_of_a_running_job(name: str, code: str, retryable: bool) -> None:
    error = {"name": name, "message": "why"}
    free = name == "PipelineError"
    outcome = poll(ended("failed", error))
    assert facts(outcome) == (code, "no" if free else "unknown", retryable and free)
    assert (outcome.fault.provider_code, outcome.fault.provider_detail) == (name, "why")
    # the header settles it
    assert facts(poll(ended("failed", error, x_fashn_credits_used="0"))) == (code, "no", retryable)
    assert facts(poll(ended("failed", error, x_fashn_credits_used="1"))) == (code, "yes", False)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        # page Virtual Try-On v1.6, table "Runtime Errors"
        ("ImageLoadError", ("open to everybody", "Content-Type", "PNG or JPEG", "data:image/<format>;base64")),
        ("ContentModerationError", ("moderation to permissive", "none", "lawful and ethical")),
        ("PoseError", ("guidelines for model photos",)),
        ("PipelineError", ("Submit it again", "support@fashn.ai", "provider_job_id")),
        ("ThirdPartyError", ("other images", "support@fashn.ai", "provider_job_id")),
    ],
)
def test_a_failure_comes_with_the_vendors_own_remedy(name: str, words: tuple[str, ...]) -> None:
    remedy = poll(ended("failed", {"name": name}, x_fashn_credits_used="0")).fault.remedy
    assert [word for word in words if word not in remedy] == []


@pytest.mark.parametrize("error", [None, "it broke", {}])
def test_a_failed_job_that_does_not_say_why(error: Any) -> None:
    assert facts(poll(ended("failed", error))) == ("provider_error", "unknown", False)


@pytest.mark.parametrize(("status", "code"), [("canceled", "provider_error"), ("time_out", "timed_out")])
def test_the_other_ends(status: str, code: str) -> None:
    outcome = poll(ended(status))
    assert facts(outcome) == (code, "unknown", False)
    assert outcome.fault.provider_code == status


# the pictures


def completed(*urls: str, **headers: str) -> httpx.Response:
    return httpx.Response(
        200, json={"id": ID, "status": "completed", "output": list(urls), "error": None}, headers=headers
    )


def test_a_completed_job_names_its_images_and_how_long_they_are_kept() -> None:
    outcome = poll(completed("https://cdn/1.png", "https://cdn/2.png"), seed=7, count=2)
    assert outcome == Ready(["https://cdn/1.png", "https://cdn/2.png"], "72 hours", credits=2)


def test_an_image_that_the_answer_holds_is_an_address_too() -> None:
    # page Virtual Try-On v1.6, return_base64: "prefixed according to the output_format (e.g., data:image/png;base64,..."
    held = ["data:image/png;base64,UElDVFVSRQ==", "https://cdn/2.png"]
    assert poll(completed(*held), count=2).addresses == held


@pytest.mark.parametrize(("header", "credits"), [("3", 3), ("0", 0), ("", 1), ("many", 1)])
def test_the_credits_are_the_vendors_count_where_it_tells(header: str, credits: int) -> None:
    assert poll(completed("https://cdn/1.png", **{"x-fashn-credits-used": header})).credits == credits


def test_an_image_of_the_dearer_model_is_four_credits_where_the_vendor_does_not_tell() -> None:
    asked = order("fashn", try_on(provider="fashn/tryon-max", output={"count": 2}))
    reading = provider(completed("https://cdn/1.png", "https://cdn/2.png")).poll(asked, ID)
    assert isinstance(reading, Ready) and reading.credits == 8


def test_a_completed_job_without_an_image_is_read_again() -> None:
    assert poll(ended("completed")) == Unread("completed without images")


# the account


def test_the_credits_that_can_be_spent() -> None:
    # page Credits Balance: "Your total available credits (subscription + on-demand credits combined)."
    sent: list[httpx.Request] = []
    balance = {"credits": {"total": 234, "subscription": 100, "on_demand": 134}}
    assert provider(httpx.Response(200, json=balance), sent).credits() == 234.0
    assert (sent[0].method, str(sent[0].url)) == ("GET", "https://api.fashn.ai/v1/credits")


def test_a_balance_that_cannot_be_read() -> None:
    with pytest.raises(JobFailure) as caught:
        provider(httpx.Response(401, json={"error": "UnauthorizedAccess", "message": "?"})).credits()
    assert (caught.value.fault.code, caught.value.fault.provider) == ("provider_auth", "fashn")
