"""The Aidge adapter against the vendor's documents: what it sends, and what it makes of every answer."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from fitting_room.jobs.errors import JobFailure
from fitting_room.jobs.outcome import Failed, Pending, Ready, Unread
from fitting_room.providers.aidge import adapter, signature
from fitting_room.providers.aidge.entry import AidgeSettings
from tests.contract.orders import IMAGE, connection, golden, order, try_on

GOLDEN = golden("aidge")
SECRET = "testsecret"
KEY = json.dumps({"app_key": "512345", "app_secret": SECRET})
# computed from the rule "HMAC_SHA256(secret, secret + timestamp)", not published by the vendor
NOW, SIGN = 1_700_000_000.0, "A9D08CCC5E698A0D2333095232616AD9D3E59F70B4AFBA0FAA671BBA018D87CD"
TASK = "1ce4fd33-b9d5-4e21-a24c-0c4027d2b105"
REQUEST = "212cd83017085872506144758e3fca"
# the page's "Sample Response"
ACCEPTED = {
    "code": "0",
    "data": {"result": f'{{"taskId":"{TASK}"}}'},
    "requestId": REQUEST,
    "success": "true",
    "resCode": "200",
    "resMessage": "success",
    "request_id": "0ba2887315178178017221014",
}

Answer = httpx.Response | Exception


def provider(
    answer: Answer,
    sent: list[httpx.Request] | None = None,
    secret: str | None = KEY,
    **settings: Any,
) -> adapter.Aidge:
    """On a vendor that answers the same thing each time; `sent` remembers the requests."""

    def wire(request: httpx.Request) -> httpx.Response:
        if sent is not None:
            sent.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return adapter.connect(
        connection(secret=secret, settings=AidgeSettings(**settings)),
        httpx.MockTransport(wire),
        clock=lambda: NOW,
    )


def start(answer: Answer, body: dict[str, Any] | None = None) -> Any:
    sent: list[httpx.Request] = []
    outcome = provider(answer, sent).start(order("aidge", body or try_on()))
    assert len(sent) == 1, "a purchase is tried once"
    return outcome


def poll(answer: Answer, count: int = 1) -> Any:
    return provider(answer).poll(order("aidge", try_on(output={"count": count})), TASK)


def refusal(code: Any, message: str = "why", **fields: Any) -> httpx.Response:
    return httpx.Response(
        200,
        json={"code": "0", "requestId": REQUEST, "success": "false", "resCode": code, "resMessage": message, **fields},
    )


def facts(outcome: Any) -> tuple[str, str, bool]:
    assert isinstance(outcome, Failed), outcome
    assert outcome.fault.provider == "aidge"
    assert outcome.fault.remedy
    told = outcome.fault.model_dump_json()
    assert not any(secret in told for secret in (SECRET, SIGN, "media.example"))
    return outcome.fault.code, outcome.charged, outcome.fault.retryable


# signatures


def test_the_signature_v2() -> None:
    assert signature.v2(SECRET, "1700000000000") == SIGN


def test_the_signature_of_the_classic_client() -> None:
    # open platform, worked example: /order/get with secret helloworld
    parameters = {
        "order_id": "1234",
        "access_token": "test",
        "timestamp": "1517820392000",
        "sign_method": "sha256",
        "app_key": "123456",
        "empty": "",
    }
    assert signature.iop("helloworld", "/order/get", parameters) == (
        "4190D32361CFB9581350222F345CB77F3B19F0E31D162316848A2C1FFD5FAB4A"
    )


# what is sent


@pytest.mark.parametrize("case", GOLDEN.values(), ids=GOLDEN)
def test_sends_what_the_document_asks_for(case: dict[str, Any]) -> None:
    sent: list[httpx.Request] = []
    provider(httpx.Response(200, json=ACCEPTED), sent).start(order("aidge", case["request"]))
    [request] = sent
    assert (request.method, request.url.host, request.url.path) == (
        "POST",
        "api.aidc-ai.com",
        "/rest/ai/virtual/tryon-pro",
    )
    assert dict(request.url.params) == {
        "partner_id": "aidge",
        "sign_method": "sha256",
        "sign_ver": "v2",
        "app_key": "512345",
        "timestamp": "1700000000000",
        "sign": SIGN,
    }
    assert request.headers["Content-Type"] == "application/json"
    [(name, value)] = json.loads(request.content).items()
    assert (name, json.loads(value)) == ("requestParams", case["list"])


def test_the_classic_client_sends_signed_form_fields() -> None:
    sent: list[httpx.Request] = []
    provider(httpx.Response(200, json=ACCEPTED), sent, sign="iop").start(
        order("aidge", GOLDEN["single_auto"]["request"])
    )
    [request] = sent
    assert str(request.url) == "https://api.aidc-ai.com/rest/ai/virtual/tryon-pro"
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    form = {name: value for name, [value] in parse_qs(request.content.decode(), strict_parsing=True).items()}
    sign = form.pop("sign")
    assert set(form) == {"app_key", "sign_method", "timestamp", "paramJson"}
    assert json.loads(form["paramJson"]) == GOLDEN["single_auto"]["list"]
    assert sign == signature.iop(SECRET, "/ai/virtual/tryon-pro", form)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "requestParams"),
        ({"sign": "iop"}, "paramJson"),
        ({"payload": "paramJson"}, "paramJson"),
        ({"sign": "iop", "payload": "requestParams"}, "requestParams"),
    ],
)
def test_the_name_of_the_payload(settings: dict[str, Any], name: str) -> None:
    sent: list[httpx.Request] = []
    provider(httpx.Response(200, json=ACCEPTED), sent, **settings).start(order("aidge", try_on()))
    assert name in sent[0].content.decode()


@pytest.mark.parametrize(("settings", "body"), [({}, {"task_id": TASK}), ({"task_key": "taskId"}, {"taskId": TASK})])
def test_the_results_are_asked_for_by_the_task(settings: dict[str, Any], body: dict[str, str]) -> None:
    sent: list[httpx.Request] = []
    provider(httpx.Response(200, json=ACCEPTED), sent, **settings).poll(order("aidge", try_on()), TASK)
    assert (sent[0].method, sent[0].url.path) == ("POST", "/rest/ai/virtual/tryon-results")
    assert sent[0].url.params["sign"] == SIGN
    assert json.loads(sent[0].content) == body


def test_a_stage_may_use_the_trial_quota_and_the_chinese_site() -> None:
    sent: list[httpx.Request] = []
    provider(httpx.Response(200, json=ACCEPTED), sent, trial=True, host="china").start(order("aidge", try_on()))
    provider(httpx.Response(200, json=ACCEPTED), sent).start(order("aidge", try_on()))
    assert [(each.url.host, each.headers.get("x-iop-trial")) for each in sent] == [
        ("cn-api.aidc-ai.com", "true"),
        ("api.aidc-ai.com", None),
    ]


def test_another_endpoint_brings_its_own_path() -> None:
    sent: list[httpx.Request] = []

    def wire(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json=ACCEPTED)

    vendor = adapter.connect(connection("http://127.0.0.1:9/rest", KEY), httpx.MockTransport(wire))
    assert isinstance(vendor.start(order("aidge", try_on())), Pending)
    assert (sent[0].url.host, sent[0].url.path) == ("127.0.0.1", "/rest/ai/virtual/tryon-pro")
    assert abs(int(sent[0].url.params["timestamp"]) / 1000 - time.time()) < 60, "the clock is the machine's own"


def test_links_are_signed_when_the_order_is_placed_and_no_picture_is_read() -> None:
    signed: list[str] = []

    def link() -> str:
        signed.append("now")
        return "https://media.example/now"

    def read() -> bytes:
        raise AssertionError("pictures are not inlined")

    wanted = order("aidge", try_on())
    wanted = replace(wanted, inputs={role: replace(each, link=link, read=read) for role, each in wanted.inputs.items()})
    vendor = provider(httpx.Response(200, json=ACCEPTED))
    assert signed == []
    vendor.start(wanted)
    assert len(signed) == 2


# keys


@pytest.mark.parametrize(
    "secret",
    [
        None,
        "",
        "512345:verysecret",
        '"verysecret"',
        '{"app_key": "512345"}',
        '{"app_key": "512345", "app_secret": ""}',
        '{"app_key": null, "app_secret": "verysecret"}',
    ],
)
def test_a_key_of_another_form_is_named_and_never_quoted(secret: str | None) -> None:
    with pytest.raises(JobFailure) as caught:
        provider(httpx.Response(200), secret=secret)
    fault = caught.value.fault
    assert (fault.code, fault.provider) == ("provider_auth", "aidge")
    assert '{"app_key": "...", "app_secret": "..."}' in fault.remedy
    assert "verysecret" not in fault.model_dump_json()
    assert "512345" not in fault.model_dump_json()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_numeric_app_key_may_be_stored_as_a_number() -> None:
    sent: list[httpx.Request] = []
    secret = json.dumps({"app_key": 512345, "app_secret": SECRET})
    provider(httpx.Response(200, json=ACCEPTED), sent, secret).start(order("aidge", try_on()))
    assert sent[0].url.params["app_key"] == "512345"


@pytest.mark.parametrize("settings", [{}, {"sign": "iop"}])
@pytest.mark.parametrize(
    "answer", [httpx.Response(200, json=ACCEPTED), httpx.Response(500), httpx.ReadTimeout("slow")], ids=str
)
def test_nothing_secret_is_logged(caplog: pytest.LogCaptureFixture, settings: dict[str, Any], answer: Answer) -> None:
    caplog.set_level(logging.DEBUG)
    vendor = provider(answer, **settings)
    vendor.start(order("aidge", try_on()))
    vendor.poll(order("aidge", try_on()), TASK)
    logged = " ".join(str(vars(record)) + record.getMessage() for record in caplog.records)
    assert not any(secret in logged for secret in ("sign=", SIGN, SECRET, "signed", "tryon"))
    assert SECRET not in repr(vendor.keys)


# the answer to a submit


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"data": {"result": {"taskId": TASK}}},  # the vendor's sample reads an object
        {"data": {"taskId": TASK}},  # as a sibling API answers
        {"code": 0, "resCode": 200, "success": True},
        {"code": None, "requestId": None},
    ],
)
def test_an_accepted_submit(fields: dict[str, Any]) -> None:
    assert start(httpx.Response(200, json={**ACCEPTED, **fields})) == Pending(TASK, 3.0)


CODES = [
    # the page's "Error Code": code, msg
    ("500", "system error", ("provider_error", "no", True)),
    ("501", "rate limit exceed", ("rate_limited", "no", True)),
    ("700", "invalid input", ("provider_error", "no", False)),
    ("701", "Clothing image dowloading failed, please try another input", ("image_unreadable", "no", True)),
    ("703", "Input clothes image resoulution low, please try other image", ("image_unreadable", "no", False)),
    (
        "707",
        "Input clothing image is not a complete flat lay. Please try another image.",
        ("image_unreadable", "no", False),
    ),
    ("1001", "content control failed, please retry", ("provider_error", "no", True)),
    ("1002", "content risk filter failed, please contact us", ("content_blocked", "no", False)),
    # second-hand
    ("801", "model failed", ("provider_error", "no", True)),
    ("1000", "sensitive data", ("content_blocked", "no", False)),
    # not documented
    ("999", "?", ("provider_error", "no", False)),
    # the vendor's sample: "You will receive"
    ("500", "Sorry, your calling resources have been exhausted........", ("quota_exhausted", "no", False)),
]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        # "Please contact us via navigation bar or email us [...] to increase the current limit value."
        ("501", "higher limit"),
        # "please try other input. If an error persists,please contact us via navigation bar or email us"
        ("1001", "send other images"),
        # "Content risk failed, please ccontact us via navigation bar or email us"
        ("1002", "another image"),
    ],
)
def test_where_the_page_says_contact_us_the_remedy_does(code: str, says: str) -> None:
    remedy = start(refusal(code)).fault.remedy
    assert says in remedy
    assert "write to Aidge by the contact in the navigation bar of docs.aidc-ai.com" in remedy
    assert "`provider_detail` begins with its id" in remedy
    assert start(refusal(code)).fault.provider_detail.startswith(f"request {REQUEST}")


@pytest.mark.parametrize("code", ["701", "703", "707"])
def test_a_garments_image_that_is_refused_is_pointed_to(code: str) -> None:
    suit = try_on()
    suit["garments"] = [{"image": IMAGE, "category": category} for category in ("tops", "bottoms")]
    assert start(refusal(code)).fault.pointer == "/garments"
    assert poll(results("failed", resCode=code)).fault.pointer == "/garments"
    assert start(refusal(code), suit).fault.pointer == "/garments", "the vendor does not say which of two"
    assert start(refusal("700")).fault.pointer is None


@pytest.mark.parametrize(("code", "message", "expected"), CODES)
def test_every_code_is_told_with_the_vendors_words_and_the_requests_id(
    code: str, message: str, expected: tuple[str, str, bool]
) -> None:
    for outcome in (start(refusal(code, message)), start(refusal(int(code), message, success=False))):
        assert facts(outcome) == expected
        assert (outcome.fault.provider_code, outcome.fault.provider_detail) == (code, f"request {REQUEST}: {message}")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        # the page's "Error Code", column Description
        ("501", ["higher limit"]),
        ("701", ["another image"]),
        ("1001", ["other images", "write to Aidge", "provider_detail"]),
        ("1002", ["write to Aidge", "provider_detail"]),
    ],
)
def test_a_code_comes_with_the_vendors_own_remedy(code: str, words: list[str]) -> None:
    remedy = start(refusal(code)).fault.remedy
    assert [word for word in words if word not in remedy] == []


@pytest.mark.parametrize("code", ["701", "703", "707"])
def test_a_refused_garment_is_pointed_at(code: str) -> None:
    assert start(refusal(code)).fault.pointer == "/garments"


@pytest.mark.parametrize(
    ("code", "message", "remedy"),
    [
        # of the shops on the same open platform; Aidge's own words are not documented
        ("IncompleteSignature", "The request signature does not conform to platform standards", "key"),
        ("InvalidAppKey", "The specified App Key is invalid", "key"),
        ("IllegalTimestamp", "The specified timestamp is invalid", "clock"),
    ],
)
def test_a_refused_signature_says_what_to_do(code: str, message: str, remedy: str) -> None:
    outcome = start(httpx.Response(200, json={"code": code, "type": "ISV", "message": message, "request_id": REQUEST}))
    assert facts(outcome) == ("provider_auth", "no", False)
    assert remedy in outcome.fault.remedy
    assert (outcome.fault.provider_code, outcome.fault.provider_detail) == (code, f"request {REQUEST}: {message}")


def test_a_link_in_the_vendors_words_is_scrubbed_and_the_requests_id_survives() -> None:
    link = "https://media.example/garment-0?X-Amz-Signature=0123"
    said = f'cannot load {link} or "{link.replace("/", chr(92) + "/")}" ' + "x " * 400
    outcome = start(refusal("701", said))
    facts(outcome)
    assert outcome.fault.provider_detail.startswith(f"request {REQUEST}: cannot load [removed] or")
    assert "Amz" not in outcome.fault.provider_detail


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (refusal("501"), 60),
        (httpx.Response(429), 60),
        (httpx.Response(429, headers={"Retry-After": "7"}), 7),
        (httpx.Response(429, json={"code": "ApiCallLimit", "message": "?"}), 60),
        (httpx.Response(400, json={"resCode": 501}), 60),
    ],
)
def test_a_rate_limit_says_when_there_is_room_again(answer: httpx.Response, wait: float) -> None:
    outcome = start(answer)
    assert facts(outcome) == ("rate_limited", "no", True)
    assert outcome.retry_after == wait


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(401), ("provider_auth", "no", False)),
        (httpx.Response(403, text="<html>"), ("provider_auth", "no", False)),
        (httpx.Response(404, json={}), ("provider_error", "no", False)),
        (httpx.Response(400, json={"resCode": "703"}), ("image_unreadable", "no", False)),
        # it may have accepted
        (httpx.Response(408), ("provider_error", "unknown", False)),
        (httpx.Response(302, headers={"Location": "/"}), ("provider_error", "unknown", False)),
        (httpx.Response(500, json={"resCode": "501"}), ("provider_error", "unknown", False)),
        (httpx.Response(502, text="<html>"), ("provider_error", "unknown", False)),
        (
            httpx.Response(200, text="<html>", headers={"Content-Type": "text/html"}),
            ("provider_error", "unknown", False),
        ),
        (httpx.Response(200, content=b'{"code": "0", "data"'), ("provider_error", "unknown", False)),
        (httpx.Response(200, json=[TASK]), ("provider_error", "unknown", False)),
        (httpx.Response(200, json={**ACCEPTED, "data": None}), ("provider_error", "unknown", False)),
        (httpx.Response(200, json={**ACCEPTED, "data": {"result": "{broken"}}), ("provider_error", "unknown", False)),
        (httpx.Response(200, json={**ACCEPTED, "resCode": "500"}), ("provider_error", "unknown", False)),
        (httpx.Response(200, json={"success": "false"}), ("provider_error", "no", False)),
        (httpx.ConnectError("refused"), ("provider_unavailable", "no", True)),
        (httpx.ConnectTimeout("slow"), ("provider_unavailable", "no", True)),
        (httpx.ReadTimeout("slow"), ("provider_unavailable", "unknown", False)),
        (httpx.RemoteProtocolError("gone"), ("provider_unavailable", "unknown", False)),
    ],
    ids=str,
)
def test_every_other_end_of_a_submit(answer: Answer, expected: tuple[str, str, bool]) -> None:
    assert facts(start(answer)) == expected


# the results


def results(status: str, *urls: str, parts: tuple[str, ...] = (), **fields: Any) -> httpx.Response:
    """Nested as the excerpt of the vendor's page on results has it. Each part has one of the pictures, while there are any."""
    images = [[{"imageUrl": url}] for url in urls]
    inner = [
        {
            "taskStatus": part,
            "taskResult": {
                "result": {
                    "imageList": images.pop(0) if part == "finished" else None,
                    "clothes": [{"imageUrl": "https://cdn/input.png"}],
                }
            },
        }
        for part in parts or ("finished",) * len(urls)
    ]
    return httpx.Response(
        200,
        json={
            "code": "0",
            "resCode": "200",
            "success": "true",
            "requestId": REQUEST,
            "data": {"taskId": TASK, "taskStatus": status, "taskResult": inner or None},
            **fields,
        },
    )


@pytest.mark.parametrize(
    "answer",
    [
        results("submitted"),
        results("running"),
        results("a new word"),
        results("running", "https://cdn/1.png"),  # a part is finished, the task is not
    ],
    ids=str,
)
def test_what_is_not_over_is_looked_at_again(answer: Answer) -> None:
    assert poll(answer) == Pending(TASK, 3.0)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        *((httpx.Response(status), Unread(f"HTTP {status}", status)) for status in (401, 403, 404, 503)),
        (httpx.Response(429, headers={"Retry-After": "20"}), Unread("HTTP 429", 429, 20, made=False)),
        (httpx.Response(404, json={"resCode": "1002", "success": "false"}), Unread("HTTP 404", 404)),
        (httpx.Response(200, text="<html>"), Unread("malformed", 200)),
        (httpx.Response(200, json={}), Unread("malformed", 200)),
        (httpx.Response(200, json={"data": {"taskStatus": 5}}), Unread("malformed", 200)),
        (httpx.Response(200, json={"data": "[" * 100_000}), Unread("malformed", 200)),
        (httpx.ReadTimeout("slow"), Unread("ReadTimeout")),
        (httpx.ConnectError("refused"), Unread("ConnectError", made=False)),
        # the codes that may be about this read: 700, or one of no document, may say that the task is not known
        (refusal("500"), Unread("code 500", 200)),
        (refusal("501"), Unread("code 501", 429, made=False)),
        *((refusal(code), Unread(f"code {code}", 404)) for code in ("700", "999")),
        # of the gateway: key, signature, clock, limit, and an account with nothing left to spend
        *(
            (httpx.Response(200, json={"code": code, "message": message}), Unread(f"code {code}", status))
            for code, message, status in (
                ("InvalidAppKey", "The specified App Key is invalid", 401),
                ("IncompleteSignature", "The request signature does not conform to platform standards", 401),
                ("IllegalTimestamp", "The specified timestamp is invalid", 200),
            )
        ),
        (httpx.Response(200, json={"code": "ApiCallLimit"}), Unread("code ApiCallLimit", 429, made=False)),
        (refusal("1001", "Sorry, your calling resources have been exhausted"), Unread("code 1001", 200)),
    ],
    ids=str,
)
def test_a_read_that_is_refused_or_broken_says_nothing_of_the_task(answer: Answer, expected: Unread) -> None:
    assert poll(answer) == expected


def test_a_finished_task_names_each_image_once_and_in_order() -> None:
    urls = ["https://cdn/2.png", "https://cdn/1.png", "https://cdn/2.png"]
    outcome = poll(results("finished", *urls))
    assert outcome == Ready(["https://cdn/2.png", "https://cdn/1.png"], outcome.kept_for)
    assert "not document" in outcome.kept_for


@pytest.mark.parametrize(
    "data",
    [
        {
            "taskStatus": "finished",
            "taskResult": [{"taskResult": {"result": {"imageList": [{"imageUrl": "https://cdn/1.png"}]}}}],
        },
        {"taskStatus": "finished", "imageList": [{"imageUrl": "https://cdn/1.png"}]},
        {
            "result": '{"taskStatus": "finished", "taskResult": "[{\\"imageList\\": [{\\"imageUrl\\": \\"https://cdn/1.png\\"}]}]"}'
        },
        [{"taskStatus": "finished"}, {"imageList": [{"imageUrl": "https://cdn/1.png"}, {}, None, "x"]}],
    ],
    ids=["nested", "flat", "in strings", "in a list"],
)
def test_pictures_are_found_however_they_are_nested(data: Any) -> None:
    assert poll(httpx.Response(200, json={**ACCEPTED, "data": data})).addresses == ["https://cdn/1.png"]


def test_more_pictures_than_asked_for_are_kept_and_fewer_are_told() -> None:
    urls = [f"https://cdn/{n}.png" for n in range(4)]
    more, fewer = poll(results("finished", *urls)), poll(results("finished", *urls), count=5)
    assert (more.addresses, more.warnings) == (urls, [])
    assert fewer.addresses == urls
    assert [warning.code for warning in fewer.warnings] == ["partial_result"]


@pytest.mark.parametrize("status", ["finished", "failed"])
def test_what_the_other_parts_made_is_kept(status: str) -> None:
    outcome = poll(results(status, "https://cdn/1.png", parts=("finished", "failed")))
    assert outcome.addresses == ["https://cdn/1.png"]
    assert [warning.code for warning in outcome.warnings] == ["partial_result"]


@pytest.mark.parametrize("answer", [results("failed"), results("finished", parts=("failed", "failed"))])
def test_a_failed_task(answer: httpx.Response) -> None:
    outcome = poll(answer)
    assert facts(outcome) == ("provider_error", "unknown", False)
    assert outcome.fault.provider_detail == f"request {REQUEST}"


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (code, message, (said, "unknown", False))
        for code, message, (said, _, _) in CODES
        if code != "501" and message != "system error"
    ],
)
def test_every_code_of_a_task_that_failed(code: str, message: str, expected: tuple[str, str, bool]) -> None:
    """What such a task costs is not documented."""
    told = poll(results("failed", resCode=code, resMessage=message))
    assert facts(told) == expected
    assert (told.fault.provider_code, told.fault.provider_detail) == (code, f"request {REQUEST}: {message}")


@pytest.mark.parametrize(
    ("code", "expected"),
    [(code, said) for code, message, (said, _, _) in CODES if code not in ("500", "501", "700", "999")],
)
def test_a_code_of_tasks_is_the_vendors_word_even_without_a_status(code: str, expected: str) -> None:
    assert facts(poll(refusal(code))) == (expected, "unknown", False)


def test_a_finished_task_without_an_image_is_read_again() -> None:
    assert poll(results("finished")) == Unread("completed without images")
