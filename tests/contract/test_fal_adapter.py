"""The fal adapter against the vendor's documents: what it sends, and what it makes of every answer."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from fitting_room.jobs.outcome import Failed, Pending, Ready, Unread
from fitting_room.providers.fal import adapter
from fitting_room.providers.fal.body import body_of
from fitting_room.providers.fal.entry import Settings
from tests.contract.orders import connection, golden, order, try_on

GOLDEN = golden("fal")
KEY = "key-id:key-secret"
ID = "764cabcf-b745-4b3e-ae38-1200304cf45b"
JOB = f"fal-ai/fashn/requests/{ID}"
URL = f"https://queue.fal.run/{JOB}"
# page Queue: the answer to a submit
SUBMITTED = {
    "request_id": ID,
    "status": "IN_QUEUE",
    "queue_position": 0,
    "response_url": URL,
    "status_url": f"{URL}/status",
    "cancel_url": f"{URL}/cancel",
}
COMPLETED = {"status": "COMPLETED", "request_id": ID, "response_url": URL, "logs": None}
IMAGES = {"images": [{"url": "https://v3.fal.media/files/a/1.png", "content_type": "image/png"}]}
Answer = httpx.Response | Exception


def provider(answers: dict[str, Answer], sent: list[httpx.Request] | None = None, **settings: bool) -> adapter.Fal:
    """On a vendor that answers by the end of the path; `sent` remembers the requests."""

    def wire(request: httpx.Request) -> httpx.Response:
        if sent is not None:
            sent.append(request)
        answer = next(answer for end, answer in answers.items() if request.url.path.endswith(end))
        if isinstance(answer, Exception):
            raise answer
        return answer

    return adapter.connect(connection(secret=KEY, settings=Settings(**settings)), httpx.MockTransport(wire))


def start(answer: Answer) -> Any:
    return provider({"": answer}).start(order("fal", try_on()))


def poll(status: dict[str, Any], result: Answer | None = None, **output: Any) -> Any:
    answers: dict[str, Answer] = {"/status": httpx.Response(200, json=status), ID: result or httpx.Response(500)}
    return provider(answers).poll(order("fal", try_on(output=output)), JOB)


def facts(outcome: Any) -> tuple[str, str, bool]:
    assert isinstance(outcome, Failed), outcome
    assert outcome.fault.remedy
    assert "key-" not in outcome.fault.model_dump_json()
    return outcome.fault.code, outcome.charged, outcome.fault.retryable


# what is sent


@pytest.mark.parametrize("case", GOLDEN.values(), ids=GOLDEN)
def test_sends_what_the_documents_ask_for(case: dict[str, Any]) -> None:
    sent: list[httpx.Request] = []
    provider({"": httpx.Response(200, json=SUBMITTED)}, sent).start(
        order("fal", case["request"], seed=case["seed"], callback=case.get("callback"))
    )
    [request] = sent
    query = f"?{case['query']}" if "query" in case else ""
    assert (request.method, str(request.url)) == ("POST", f"https://queue.fal.run{case['path']}{query}")
    assert json.loads(request.content) == case["body"]
    # page Common parameters: the time to start, and the life of the files; the key as `Key <key>`
    assert request.headers["Authorization"] == f"Key {KEY}"
    assert request.headers["X-Fal-Request-Timeout"] == "1800"
    assert json.loads(request.headers["X-Fal-Object-Lifecycle-Preference"]) == {"expiration_duration_seconds": 259200}
    assert "X-Fal-Store-IO" not in request.headers


def test_a_model_that_an_operator_set_has_the_form_of_the_one_in_the_catalogue() -> None:
    sent: list[httpx.Request] = []
    asked = order("fal", try_on())
    provider({"": httpx.Response(200, json=SUBMITTED)}, sent).start(
        replace(asked, model="fal-ai/fashn/tryon/v2", listed=asked.model)
    )
    assert sent[0].url.path == "/fal-ai/fashn/tryon/v2"
    assert set(json.loads(sent[0].content)) == {"model_image", "garment_image", "category"}


def test_a_stage_may_ask_fal_to_keep_no_payload() -> None:
    sent: list[httpx.Request] = []
    provider({"": httpx.Response(200, json=SUBMITTED)}, sent, store_io=False).start(order("fal", try_on()))
    assert sent[0].headers["X-Fal-Store-IO"] == "0"


@pytest.mark.parametrize(
    ("model", "quality", "told"),
    [
        ("fal-ai/nano-banana-2/edit", "fast", {"resolution": "0.5K"}),
        ("fal-ai/nano-banana-2/edit", "standard", {"resolution": "1K"}),
        ("fal-ai/nano-banana-2/edit", "best", {"resolution": "2K"}),
        ("openai/gpt-image-2/edit", "fast", {"quality": "low"}),
        ("openai/gpt-image-2/edit", "standard", {"quality": "medium"}),
        ("openai/gpt-image-2/edit", "best", {"quality": "high"}),
    ],
)
def test_every_quality_of_an_editor(model: str, quality: str, told: dict[str, str]) -> None:
    body = body_of(order("fal", try_on(provider=f"fal/{model}", output={"quality": quality}))).model_dump()
    assert told.items() <= body.items()


# the answer to a submit


def test_the_key_goes_to_no_other_host_than_the_queue_s() -> None:
    """The address of a request is the vendor's own word, but only its path."""
    elsewhere = SUBMITTED | {"response_url": f"https://evil.example/other-owner/other/requests/{ID}"}
    assert start(httpx.Response(200, json=elsewhere)) == Pending(f"other-owner/other/requests/{ID}", 2.0)
    odd = SUBMITTED | {"response_url": f"https://queue.fal.run/../../{ID}"}
    assert start(httpx.Response(200, json=odd)) == Pending(JOB, 2.0)
    assert start(httpx.Response(200, json={"request_id": ID})) == Pending(JOB, 2.0)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        # page Errors, and page Request errors
        (401, {"detail": "Cannot access application"}, ("provider_auth", "no", False)),
        (403, {"detail": "Forbidden"}, ("provider_auth", "no", False)),
        (403, {"detail": "User is locked. Reason: Exhausted balance."}, ("quota_exhausted", "no", False)),
        (404, {"detail": "Application not found"}, ("model_retired", "no", False)),
        (
            422,
            {"detail": [{"loc": ["body", "seed"], "msg": "?", "type": "less_than"}]},
            ("provider_error", "no", False),
        ),
        (
            422,
            {"detail": [{"loc": ["body"], "msg": "?", "type": "image_load_error"}]},
            ("image_unreadable", "no", False),
        ),
        (429, {"detail": "Too many requests"}, ("rate_limited", "no", True)),
        (500, {"detail": "?", "error_type": "internal_error"}, ("provider_error", "unknown", False)),
        (502, ["bad gateway"], ("provider_error", "unknown", False)),
        (302, {}, ("provider_error", "unknown", False)),
        (200, {"id": ID}, ("provider_error", "unknown", False)),
    ],
)
def test_every_refused_submit(status: int, body: Any, expected: tuple[str, str, bool]) -> None:
    assert facts(start(httpx.Response(status, json=body))) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (httpx.ConnectError("refused"), ("provider_unavailable", "no", True)),
        (httpx.ReadTimeout("slow"), ("provider_unavailable", "unknown", False)),
    ],
)
def test_a_broken_submit_is_charged_unless_nothing_was_sent(error: Exception, expected: tuple[str, str, bool]) -> None:
    assert facts(start(error)) == expected


# the status, and the result


@pytest.mark.parametrize("word", ["IN_QUEUE", "IN_PROGRESS", "A_NEW_WORD"])
def test_a_request_under_way_is_looked_at_again(word: str) -> None:
    assert poll(COMPLETED | {"status": word}) == Pending(JOB, 2.0)


def test_a_completed_request_names_its_images() -> None:
    assert poll(COMPLETED, httpx.Response(200, json=IMAGES)) == Ready(["https://v3.fal.media/files/a/1.png"], "3 days")
    assert poll(COMPLETED, httpx.Response(200, json={"images": []})) == Unread("completed without images")


def model_error(name: str) -> dict[str, Any]:
    return {"detail": [{"loc": ["body"], "msg": "why", "type": name, "input": "data:image/png;base64,AAAA"}]}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        # "COMPLETED does not mean success"; "5xx is never charged; a 422 may be charged if a runner had already worked"
        (422, model_error("content_policy_violation"), ("content_blocked", "unknown", False)),
        (422, model_error("face_detection_error"), ("pose_not_found", "unknown", False)),
        (422, model_error("no_media_generated"), ("provider_error", "unknown", False)),
        (422, model_error("image_too_small"), ("image_unreadable", "unknown", False)),
        (422, model_error("a_new_name"), ("provider_error", "unknown", False)),
        (500, model_error("internal_server_error"), ("provider_error", "no", True)),
        (504, model_error("generation_timeout"), ("timed_out", "no", False)),
        (422, model_error("generation_timeout"), ("timed_out", "no", False)),
    ],
)
def test_a_completed_request_that_failed(status: int, body: Any, expected: tuple[str, str, bool]) -> None:
    failed = poll(COMPLETED, httpx.Response(status, json=body))
    assert facts(failed) == expected
    assert (failed.fault.provider_code, failed.fault.provider_detail) == (body["detail"][0]["type"], "why")


def test_a_platform_failure_counts_where_the_status_told_of_it() -> None:
    told = {"detail": "?", "error_type": "runner_disconnected"}
    assert poll(COMPLETED, httpx.Response(503, json=told)) == Unread("HTTP 503", 503)
    failed = poll(
        COMPLETED | {"error": "it failed", "error_type": "runner_disconnected"}, httpx.Response(503, json=told)
    )
    assert facts(failed) == ("provider_error", "no", True)


@pytest.mark.parametrize("status", [401, 403, 404, 429])
def test_a_refused_read_of_the_result_says_nothing_of_the_request(status: int) -> None:
    for body in (COMPLETED, COMPLETED | {"error": "it failed"}):
        reading = poll(body, httpx.Response(status, json=model_error("x")))
        assert reading == Unread(f"HTTP {status}", status, made=status != 429)


def test_a_request_that_was_cancelled_at_fal() -> None:
    failed = poll(COMPLETED | {"status": "CANCELED"}, httpx.Response(400, json={"detail": "cancelled"}))
    assert facts(failed) == ("provider_error", "unknown", False)


def test_a_request_that_fal_tells_as_failed_ends_with_its_error() -> None:
    blocked = httpx.Response(422, json=model_error("content_policy_violation"))
    assert facts(poll(COMPLETED | {"status": "FAILED"}, blocked)) == ("content_blocked", "unknown", False)
    unnamed = httpx.Response(400, json={"detail": "it failed"})
    assert facts(poll(COMPLETED | {"status": "FAILED"}, unnamed)) == ("provider_error", "unknown", False)


# cancelling and deletion


@pytest.mark.parametrize(
    ("status", "word", "stopped"),
    [
        (200, "OK", True),
        (202, "CANCELLATION_REQUESTED", True),
        (400, "ALREADY_COMPLETED", False),
        (404, "NOT_FOUND", False),
    ],
)
def test_cancelling(status: int, word: str, stopped: bool) -> None:
    sent: list[httpx.Request] = []
    assert provider({"": httpx.Response(status, json={"status": word})}, sent).cancel(JOB) is stopped
    assert (sent[0].method, str(sent[0].url)) == ("PUT", f"{URL}/cancel")


LINK = "https://v3.fal.media/files/a/1.png"


@pytest.mark.parametrize(
    ("status", "body", "deleted"),
    [
        (200, {"CDN_DELETE_RESULTS": [{"link": LINK, "exception": None}]}, True),
        (200, {"CDN_DELETE_RESULTS": [{"link": LINK}]}, True),
        (200, {"CDN_DELETE_RESULTS": []}, True),
        (200, {"CDN_DELETE_RESULTS": [{"link": LINK, "exception": ""}, {"link": LINK, "exception": "denied"}]}, False),
        (200, {}, False),
        (200, "<!DOCTYPE html>", False),
        (404, {"detail": "Request not found"}, True),
        (404, {"detail": "Not Found"}, False),
        (404, {"detail": "The requested URL was not found on the server."}, False),
        (404, {}, False),
        (403, {"detail": "Request not allowed"}, False),
        (500, {"CDN_DELETE_RESULTS": []}, False),
    ],
)
def test_only_a_deletion_that_fal_reports_counts_as_one(status: int, body: Any, deleted: bool) -> None:
    sent: list[httpx.Request] = []
    answer = httpx.Response(status, text=body if isinstance(body, str) else json.dumps(body))
    assert provider({"": answer}, sent).erase_job(JOB) is deleted
    # page Payloads
    assert (sent[0].method, str(sent[0].url)) == ("PUT", f"https://rest.alpha.fal.ai/requests/delete_io/{ID}")
