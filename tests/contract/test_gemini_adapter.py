"""The Gemini adapter against the vendor's documents and client: what it sends, and what it makes of every answer."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from typing import Any

import httpx
import pytest

from fitting_room.jobs.outcome import Failed, Finished
from fitting_room.providers.gemini import adapter
from fitting_room.providers.gemini.entry import Settings
from tests.contract.orders import connection, golden, order, try_on

GOLDEN = golden("gemini")
KEY = "key-of-this-deployment"
USAGE = {
    "promptTokenCount": 1000,
    "candidatesTokenCount": 1120,
    "thoughtsTokenCount": 100,
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
}
Answer = httpx.Response | Exception


def image(data: bytes, **more: Any) -> dict[str, Any]:
    return {"inlineData": {"mimeType": "image/png", "data": b64encode(data).decode()}, **more}


def answered(
    *parts: dict[str, Any], reason: str | None = "STOP", usage: dict[str, Any] = USAGE, **more: Any
) -> httpx.Response:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": reason, "index": 0, **more}
    return httpx.Response(200, json={"candidates": [candidate], "usageMetadata": usage})


def provider(answers: list[Answer], sent: list[httpx.Request] | None = None, **models: list[str]) -> adapter.Gemini:
    left = iter(answers)

    def wire(request: httpx.Request) -> httpx.Response:
        if sent is not None:
            sent.append(request)
        answer = next(left)
        if isinstance(answer, Exception):
            raise answer
        return answer

    settings = Settings(models={name.replace("_", "-"): names for name, names in models.items()})
    return adapter.connect(connection(secret=KEY, settings=settings), httpx.MockTransport(wire))


def start(answer: Answer, seed: int | None = None) -> Any:
    return provider([answer]).start(order("gemini", try_on(), seed=seed))


def facts(outcome: Any) -> tuple[str, str, bool]:
    assert isinstance(outcome, Failed), outcome
    assert outcome.fault.remedy
    assert KEY not in outcome.fault.model_dump_json()
    return outcome.fault.code, outcome.charged, outcome.fault.retryable


@pytest.mark.parametrize("case", GOLDEN.values(), ids=GOLDEN)
def test_sends_what_the_documents_ask_for(case: dict[str, Any]) -> None:
    sent: list[httpx.Request] = []
    provider([answered(image(b"RESULT"))], sent).start(order("gemini", case["request"], seed=case["seed"]))
    [request] = sent
    assert (request.method, request.url.host, request.url.path) == (
        "POST",
        "generativelanguage.googleapis.com",
        case["path"],
    )
    assert request.headers["x-goog-api-key"] == KEY
    assert json.loads(request.content) == case["body"]
    assert request.extensions["timeout"]["read"] == 300


@pytest.mark.parametrize(
    ("size", "ratio"), [((640, 960), "2:3"), ((600, 800), "3:4"), ((1080, 1920), "9:16"), ((800, 800), "1:1")]
)
def test_the_shape_asked_for_is_the_person_s(size: tuple[int, int], ratio: str) -> None:
    sent: list[httpx.Request] = []
    provider([answered(image(b"RESULT"))], sent).start(order("gemini", try_on(), size=size))
    assert json.loads(sent[0].content)["generationConfig"]["imageConfig"]["aspectRatio"] == ratio


@pytest.mark.parametrize(
    ("category", "words"),
    [
        ("auto", "the clothes"),
        ("tops", "the top"),
        ("bottoms", "the trousers or skirt"),
        ("one_piece", "the dress or one-piece"),
        ("outfit", "the whole outfit"),
        ("footwear", "the shoes"),
        ("headwear", "the headwear"),
        ("eyewear", "the glasses"),
        ("jewelry", "the jewelry"),
        ("accessories", "the accessory"),
        ("object", "the object"),
    ],
)
def test_the_instruction_names_every_category_in_words(category: str, words: str) -> None:
    sent: list[httpx.Request] = []
    asked = order("gemini", try_on(garment={"category": category}))
    provider([answered(image(b"RESULT"))], sent).start(asked)
    said = json.loads(sent[0].content)["contents"][0]["parts"][0]["text"]
    assert said.startswith(f"Image 1 shows {words}. ") and f" in exactly {words} of image 1. " in said


def test_a_retired_model_is_followed_by_its_successor_which_costs_nothing() -> None:
    sent: list[httpx.Request] = []
    gone = httpx.Response(404, json={"error": {"code": 404, "message": "is not found", "status": "NOT_FOUND"}})
    models = {"gemini-nano-banana-2.1": ["gemini-nano-banana-2.1", "gemini-nano-banana-3"]}
    outcome = provider([gone, answered(image(b"RESULT"))], sent, **models).start(order("gemini", try_on()))
    assert isinstance(outcome, Finished)
    assert [request.url.path.rpartition("/")[2] for request in sent] == [
        "gemini-nano-banana-2.1:generateContent",
        "gemini-nano-banana-3:generateContent",
    ]
    assert facts(start(gone)) == ("model_retired", "no", False)


def test_a_model_that_an_operator_set_is_called_alone_and_costs_what_the_list_says() -> None:
    sent: list[httpx.Request] = []
    asked = replace(order("gemini", try_on()), model="gemini-nano-banana-9", listed="gemini-nano-banana-2.1")
    models = {"gemini-nano-banana-2.1": ["gemini-nano-banana-2.1", "gemini-nano-banana-3"]}
    outcome = provider([answered(image(b"RESULT"))], sent, **models).start(asked)
    assert isinstance(outcome, Finished)
    assert outcome.amount == 0.03585
    assert [request.url.path for request in sent] == ["/v1/models/gemini-nano-banana-9:generateContent"]


def test_the_last_image_that_is_no_thought_is_the_result_and_its_tokens_are_its_cost() -> None:
    parts = [image(b"THOUGHT", thought=True), image(b"DRAFT"), image(b"RESULT"), {"text": "Here it is."}]
    outcome = start(answered(*parts), seed=7)
    assert isinstance(outcome, Finished)
    assert [(each.data, each.seed) for each in outcome.images] == [(b"RESULT", 7)]
    # 1000 x 1.5 + 100 x 7.5 + 1120 x 30 USD for a million
    assert outcome.amount == 0.03585


def test_tokens_without_details_are_those_of_the_image_where_there_is_one() -> None:
    bare = {name: count for name, count in USAGE.items() if name != "candidatesTokensDetails"}
    assert start(answered(image(b"RESULT"), usage=bare)).amount == 0.03585
    # 1000 x 1.5 + (100 + 1120) x 7.5 USD for a million
    assert start(answered({"text": "I cannot."}, usage=bare)).amount == 0.01065


BLOCKED = ("content_blocked", "unknown", False)


@pytest.mark.parametrize(
    ("answer", "expected", "words"),
    [
        # types.py, FinishReason: a block is HTTP 200 with `finishReason` beside an empty content
        *(
            (answered(reason=reason, finishMessage="Support code"), BLOCKED, (reason, "Support code"))
            for reason in (
                "SAFETY",
                "IMAGE_SAFETY",
                "PROHIBITED_CONTENT",
                "IMAGE_PROHIBITED_CONTENT",
                "BLOCKLIST",
                "SPII",
                "RECITATION",
                "IMAGE_RECITATION",
            )
        ),
        (
            httpx.Response(200, json={"promptFeedback": {"blockReason": "OTHER"}, "usageMetadata": USAGE}),
            BLOCKED,
            ("OTHER", None),
        ),
        # an answer without an image is no block
        (answered(reason="NO_IMAGE"), ("provider_error", "unknown", False), ("NO_IMAGE", None)),
        (answered(reason="MAX_TOKENS"), ("provider_error", "unknown", False), ("MAX_TOKENS", None)),
        (answered({"text": "I cannot."}), ("output_rejected", "unknown", False), ("STOP", "I cannot.")),
        (answered(image(b"DRAFT", thought=True)), ("output_rejected", "unknown", False), ("STOP", None)),
        # the account, not the image
        (answered(reason="PUP_LIMITED_DISABLED"), ("provider_auth", "unknown", False), ("PUP_LIMITED_DISABLED", None)),
    ],
)
def test_blocks_and_answers_without_an_image_are_told_apart(
    answer: httpx.Response, expected: tuple[str, str, bool], words: tuple[str, str | None]
) -> None:
    failed = start(answer)
    assert facts(failed) == expected
    assert (failed.fault.provider_code, failed.fault.provider_detail) == words
    assert failed.amount is not None, "its tokens are counted"


def error(status: int, name: str, message: str = "?", **more: Any) -> httpx.Response:
    return httpx.Response(status, json={"error": {"code": status, "message": message, "status": name, **more}})


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (error(400, "INVALID_ARGUMENT", "API key not valid."), ("provider_auth", "no", False)),
        (error(400, "INVALID_ARGUMENT", "Unable to process input image"), ("image_unreadable", "no", False)),
        (error(400, "INVALID_ARGUMENT", "seed: not a number"), ("provider_error", "no", False)),
        (error(403, "PERMISSION_DENIED"), ("provider_auth", "no", False)),
        (error(429, "RESOURCE_EXHAUSTED"), ("rate_limited", "no", True)),
        (error(503, "UNAVAILABLE", "The model is overloaded."), ("rate_limited", "no", True)),
        (error(500, "INTERNAL"), ("provider_error", "unknown", False)),
        (error(504, "DEADLINE_EXCEEDED"), ("provider_error", "unknown", False)),
        # not Google that speaks
        (httpx.Response(503, text="<html>"), ("provider_error", "unknown", False)),
        (httpx.Response(200, json=[]), ("provider_error", "unknown", False)),
        (httpx.Response(200, text="<html>"), ("provider_error", "unknown", False)),
        (
            answered({"inlineData": {"mimeType": "image/png", "data": "no base64!"}}),
            ("provider_error", "unknown", False),
        ),
        (httpx.ConnectError("refused"), ("provider_unavailable", "no", True)),
        (httpx.ReadTimeout("slow"), ("provider_unavailable", "unknown", False)),
    ],
    ids=str,
)
def test_every_refused_call(answer: Answer, expected: tuple[str, str, bool]) -> None:
    assert facts(start(answer)) == expected


def test_how_long_google_wants_to_be_left_alone() -> None:
    told = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17.5s"}]
    assert start(error(429, "RESOURCE_EXHAUSTED", details=told)).retry_after == 17.5
    assert start(error(503, "UNAVAILABLE")).retry_after == 15
    told[0]["retryDelay"] = "86400s"
    assert start(error(429, "RESOURCE_EXHAUSTED", details=told)).retry_after == 3600
