"""The Stability adapter against AWS's documents: what it sends, what it makes of every answer, and the real simulator."""

from __future__ import annotations

import io
import socket
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import (
    ConnectTimeoutError,
    CredentialRetrievalError,
    NoCredentialsError,
    ReadTimeoutError,
)
from PIL import Image, ImageChops

from fitting_room.jobs.outcome import Failed, Finished, Picture
from fitting_room.providers import catalogue
from fitting_room.providers.adapter import Order
from fitting_room.providers.stability import adapter
from tests.contract.conftest import Running
from tests.contract.orders import IMAGE, connection, golden, order
from tests.contract.vendor import Answer, Vendor, vendor

GOLDEN = golden("stability")
DRAWN = b64encode(b"a picture").decode()
MADE = {"seeds": [2130420379], "finish_reasons": [None], "images": [DRAWN]}
TEXT = {"task": "text_to_image", "prompt": "a hat"}
MASK = {"type": "image", "image": IMAGE}
OURS, THEIRS = ("####", "##..", "##.."), ("....", "..##", "..##")
"""A mask of 4 x 3 px, `#` black: ours changes the black, theirs draws the white anew."""


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def bedrock() -> Iterator[Vendor]:
    with vendor() as told:
        yield told


def painted(rows: tuple[str, ...]) -> bytes:
    mask = Image.new("L", (len(rows[0]), len(rows)))
    mask.putdata([0 if cell == "#" else 255 for row in rows for cell in row])
    file = io.BytesIO()
    mask.save(file, "PNG")
    return file.getvalue()


def rows(file: bytes) -> tuple[str, ...]:
    with Image.open(io.BytesIO(file)) as mask:
        assert (mask.format, mask.mode) == ("PNG", "L")
        cells = "".join({0: "#", 255: "."}[level] for level in mask.tobytes())
        return tuple(cells[n : n + mask.width] for n in range(0, len(cells), mask.width))


def ordered(body: dict[str, Any], seed: int | None = 7) -> Order:
    return order("stability", body, pictures={"image": b"IMAGE", "mask": painted(OURS)}, seed=seed)


def start(bedrock: Vendor, answer: Answer, body: dict[str, Any] = TEXT, seed: int | None = 7) -> Any:
    bedrock.answer = answer
    return adapter.connect(connection(bedrock.url)).start(ordered(body, seed))


def facts(outcome: Any) -> tuple[str, str, bool]:
    assert isinstance(outcome, Failed), outcome
    assert outcome.fault.provider == "stability"
    assert outcome.fault.remedy
    assert "{" not in outcome.fault.detail + outcome.fault.remedy
    return outcome.fault.code, outcome.charged, outcome.fault.retryable


# what is sent


@pytest.mark.parametrize("case", GOLDEN.values(), ids=GOLDEN)
def test_sends_what_the_document_asks_for(bedrock: Vendor, case: dict[str, Any]) -> None:
    start(bedrock, Answer(body=MADE), case["request"], case["seed"])
    [sent] = bedrock.requests
    assert (sent.method, sent.path) == ("POST", f"/model/{case['model'].replace(':', '%3A')}/invoke")
    assert sent.headers["content-type"] == sent.headers["accept"] == "application/json"
    body = dict(sent.body)
    if "mask" in case["body"]:
        # "Completely black pixels represent no inpainting strength while completely white pixels represent maximum strength."
        assert rows(b64decode(body["mask"], validate=True)) == THEIRS
        body["mask"] = case["body"]["mask"]
    assert body == case["body"]


@pytest.mark.parametrize("task", ["inpaint", "outpaint"])
def test_the_mask_is_inverted_in_both_edits_and_nowhere_twice(task: str) -> None:
    body = {"task": task, "image": IMAGE, "mask": MASK, "prompt": "a beach"}
    sent = adapter.body_of(ordered(body))
    assert isinstance(sent, adapter.InpaintBody)
    assert rows(b64decode(sent.mask)) == THEIRS


@pytest.mark.parametrize(
    ("width", "height", "ratio"),
    [
        # "Enum: 16:9, 1:1, 21:9, 2:3, 3:2, 4:5, 5:4, 9:16, 9:21"
        (1536, 864, "16:9"),
        (1024, 1024, "1:1"),
        (1512, 648, "21:9"),
        (800, 1200, "2:3"),
        (1200, 800, "3:2"),
        (1024, 1280, "4:5"),
        (1280, 1024, "5:4"),
        (864, 1536, "9:16"),
        (648, 1512, "9:21"),
    ],
)
def test_every_ratio(width: int, height: int, ratio: str) -> None:
    sent = adapter.body_of(ordered({**TEXT, "size": {"width": width, "height": height}}))
    assert isinstance(sent, adapter.TextBody)
    assert sent.aspect_ratio == ratio


def test_the_largest_submission_stays_below_the_limit_of_bedrock() -> None:
    limit = catalogue.entry("stability").max_body
    assert limit is not None
    picture = b"x" * (limit * 3 // 4)
    body = {"task": "remove_background", "image": IMAGE}
    sent = adapter.body_of(order("stability", body, pictures={"image": picture}))
    assert 24_900_000 < len(sent.json_bytes()) <= 25_000_000
    words = {**TEXT, "prompt": "\U0001f455" * 1024, "negative_prompt": "\U0001f455" * 1024}
    assert len(adapter.body_of(ordered(words)).json_bytes()) < 25_000_000 - limit


# answers with status 200


def test_the_picture_comes_with_the_seed_that_was_used(bedrock: Vendor) -> None:
    assert start(bedrock, Answer(body=MADE)) == Finished([Picture(b"a picture", 2130420379)])


@pytest.mark.parametrize("answer", [{"images": [DRAWN]}, {"seeds": None, "finish_reasons": None, "images": [DRAWN]}])
def test_a_terse_answer_is_a_picture_with_the_seed_that_was_asked_for(bedrock: Vendor, answer: dict[str, Any]) -> None:
    assert start(bedrock, Answer(body=answer)) == Finished([Picture(b"a picture", 7)])


def test_a_cut_out_has_no_seed(bedrock: Vendor) -> None:
    body = {"task": "remove_background", "image": IMAGE}
    assert start(bedrock, Answer(body=MADE), body, seed=None) == Finished([Picture(b"a picture", None)])


@pytest.mark.parametrize(
    ("reason", "expected", "remedy"),
    [
        # "Current possible values: ..."; "Indicating whether the request was filtered or not."
        ("Filter reason: prompt", "content_blocked", "Change the prompt;"),
        ("Filter reason: output image", "content_blocked", "Change the prompt or the image;"),
        ("Filter reason: input image", "content_blocked", "Send another image;"),
        ("Filter reason: something new", "content_blocked", "Change the prompt or the image;"),
        ("Inference error", "provider_error", "The call may have been billed"),
        ("A reason that is not documented", "provider_error", "The call may have been billed"),
    ],
)
@pytest.mark.parametrize("rest", [{}, {"images": []}, {"images": None}, {"images": [DRAWN], "seeds": [1]}])
def test_a_finish_reason_is_a_failure_with_or_without_a_picture(
    bedrock: Vendor, reason: str, expected: str, remedy: str, rest: dict[str, Any]
) -> None:
    outcome = start(bedrock, Answer(body={"finish_reasons": [reason], **rest}))
    assert facts(outcome) == (expected, "unknown", False)
    assert outcome.fault.provider_code == reason
    assert outcome.fault.remedy.startswith(remedy)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"[]",
        {},
        {"images": []},
        {"finish_reasons": [None]},
        {"images": ["no base64!"]},
        {"images": [3]},
        {"images": "x"},
    ],
)
def test_an_answer_that_makes_no_sense_may_have_been_charged(bedrock: Vendor, answer: Any) -> None:
    assert facts(start(bedrock, Answer(body=answer))) == ("provider_error", "unknown", False)


# errors

SUBSCRIBE = (
    "Model access is denied due to IAM user or service role is not authorized to perform the required AWS Marketplace "
    "actions (aws-marketplace:ViewSubscriptions, aws-marketplace:Subscribe) to enable access to this model."
)
PROFILE = (
    "Invocation of model ID stability.stable-image-inpaint-v1:0 with on-demand throughput isn’t supported. Retry your "
    "request with the ID or ARN of an inference profile that contains this model."
)
LEGACY = (
    "Access denied. This Model is marked by provider as Legacy and you have not been actively using the model in the "
    "last 30 days. Please upgrade to an active model on Amazon Bedrock"
)


@pytest.mark.parametrize(
    ("name", "status", "message", "expected"),
    [
        # API reference of InvokeModel, section Errors
        ("AccessDeniedException", 403, "You don't have access to the model", ("provider_auth", "no", False)),
        ("AccessDeniedException", 403, SUBSCRIBE, ("provider_auth", "no", False)),
        ("ThrottlingException", 429, "Too many requests", ("rate_limited", "no", True)),
        ("ModelNotReadyException", 429, "The model is not ready", ("provider_unavailable", "no", True)),
        ("ServiceQuotaExceededException", 400, "quota", ("quota_exhausted", "no", False)),
        ("ServiceUnavailableException", 503, "try again", ("provider_unavailable", "no", True)),
        ("ModelTimeoutException", 408, "took too long", ("timed_out", "unknown", False)),
        ("ModelErrorException", 424, "error while processing the model", ("provider_error", "unknown", False)),
        ("InternalServerException", 500, "internal", ("provider_error", "unknown", False)),
        ("ResourceNotFoundException", 404, "Could not resolve the foundation model", ("model_retired", "no", False)),
        # the forms in which an end of life shows
        (
            "ResourceNotFoundException",
            404,
            "This model version has reached the end of its life.",
            ("model_retired", "no", False),
        ),
        ("ResourceNotFoundException", 404, LEGACY, ("model_retired", "no", False)),
        ("AccessDeniedException", 403, LEGACY, ("model_retired", "no", False)),
        ("ValidationException", 400, "The provided model identifier is invalid.", ("model_retired", "no", False)),
        ("ValidationException", 400, "image: every side must be at least 64 pixels", ("image_unreadable", "no", False)),
        ("ValidationException", 400, PROFILE, ("provider_error", "no", False)),
        ("ValidationException", 400, "seed: 4294967296 is too large", ("provider_error", "no", False)),
        # classes the document does not list
        ("UnrecognizedClientException", 403, "The security token is invalid", ("provider_auth", "no", False)),
        ("TooManyRequestsException", 429, "slow down", ("rate_limited", "no", True)),
        ("NewClientException", 418, "teapot", ("provider_error", "no", False)),
        ("BadGateway", 502, "gateway", ("provider_error", "unknown", False)),
    ],
)
def test_every_error_has_its_outcome(
    bedrock: Vendor, name: str, status: int, message: str, expected: tuple[str, str, bool]
) -> None:
    outcome = start(bedrock, Answer(status, {"message": message}, {"x-amzn-errortype": name}))
    assert facts(outcome) == expected
    assert outcome.fault.provider_code == name
    assert outcome.fault.provider_detail == message
    assert len(bedrock.requests) == 1, "a purchase is tried once"


def test_a_missing_subscription_says_what_the_operator_has_to_do(bedrock: Vendor) -> None:
    outcome = start(bedrock, Answer(403, {"message": SUBSCRIBE}, {"x-amzn-errortype": "AccessDeniedException"}))
    assert "administrator" in outcome.fault.remedy
    assert "aws-marketplace:Subscribe" in outcome.fault.remedy


def test_nobody_listens_so_nothing_was_sent() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert facts(adapter.connect(connection(url)).start(ordered(TEXT))) == ("provider_unavailable", "no", True)


@pytest.mark.parametrize(
    "answer", [Answer(drop=True), Answer(body=b'{"im', headers={"Content-Length": "4000", "Connection": "close"})]
)
def test_a_connection_that_breaks_after_the_request_may_have_been_charged(bedrock: Vendor, answer: Answer) -> None:
    assert facts(start(bedrock, answer)) == ("provider_unavailable", "unknown", False)
    assert len(bedrock.requests) == 1


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ReadTimeoutError(endpoint_url="https://bedrock"), ("provider_unavailable", "unknown", False)),
        (ConnectTimeoutError(endpoint_url="https://bedrock"), ("provider_unavailable", "no", True)),
        (NoCredentialsError(), ("provider_auth", "no", False)),
        (CredentialRetrievalError(provider="role", error_msg="expired"), ("provider_auth", "no", False)),
    ],
)
def test_time_limits_and_credentials(bedrock: Vendor, error: Exception, expected: tuple[str, str, bool]) -> None:
    calls = []

    def fail(**_: Any) -> None:
        calls.append(1)
        raise error

    provider = adapter.connect(connection(bedrock.url))
    provider.bedrock.client.meta.events.register("before-send.bedrock-runtime.InvokeModel", fail)
    assert facts(provider.start(ordered(TEXT))) == expected
    assert len(calls) == 1


def test_waits_long_and_tries_once() -> None:
    config: Any = adapter.connect(connection("http://127.0.0.1:9")).bedrock.client.meta.config
    assert (config.connect_timeout, config.read_timeout) == (10, 600)


# on the simulator

SIZE = (384, 512)


def _file(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _corner() -> Image.Image:
    """Ours: the upper left quarter changes."""
    mask = Image.new("L", SIZE, 255)
    mask.paste(0, (0, 0, SIZE[0] // 2, SIZE[1] // 2))
    return mask


PHOTO = Image.linear_gradient("L").resize(SIZE).convert("RGB")
REAL = {"image": _file(PHOTO), "mask": _file(_corner())}


@pytest.mark.parametrize("case", GOLDEN.values(), ids=GOLDEN)
def test_the_simulator_sells_a_picture_for_every_golden_request(
    bedrock_simulator: Running, case: dict[str, Any]
) -> None:
    region = "us-west-2"  # the only one with Core and Ultra
    line = connection(bedrock_simulator.url)
    provider = adapter.connect(replace(line, region=region))
    outcome = provider.start(order("stability", case["request"], pictures=REAL, size=SIZE, seed=case["seed"]))
    assert isinstance(outcome, Finished), outcome
    assert [picture.seed for picture in outcome.images] == [case["seed"]]
    with Image.open(io.BytesIO(outcome.images[0].data)) as picture:
        assert picture.size == SIZE or case["request"]["task"] == "text_to_image"
        assert picture.has_transparency_data == (case["request"]["task"] == "remove_background")
    assert [(sold["model"], sold["images"]) for sold in bedrock_simulator.purchases()] == [
        (case["model"].removeprefix("us."), 1)
    ]


@pytest.mark.parametrize("task", ["inpaint", "outpaint"])
def test_what_is_black_in_our_mask_is_what_changes(bedrock_simulator: Running, task: str) -> None:
    body = {"task": task, "image": IMAGE, "mask": MASK, "prompt": "a sunny beach"}
    wanted = order("stability", body, pictures=REAL, size=SIZE, seed=3)
    outcome = adapter.connect(connection(bedrock_simulator.url)).start(wanted)
    assert isinstance(outcome, Finished), outcome
    with Image.open(io.BytesIO(outcome.images[0].data)) as picture:
        changed = (
            ImageChops.difference(picture.convert("RGB"), PHOTO).convert("L").point(lambda level: 255 * (level > 8))
        )
    left, top, right, bottom = changed.getbbox() or (0, 0, 0, 0)
    assert (left, top) == (0, 0)
    assert SIZE[0] // 2 - 12 <= right <= SIZE[0] // 2 + 12  # the vendor grows the edge by 5 px and blurs it
    assert SIZE[1] // 2 - 12 <= bottom <= SIZE[1] // 2 + 12


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"kind": "drop_after"}, ("provider_unavailable", "unknown")),
        ({"kind": "malformed"}, ("provider_error", "unknown")),
        ({"kind": "filtered", "reason": "Filter reason: output image"}, ("content_blocked", "unknown")),
        ({"kind": "filtered", "reason": "Inference error"}, ("provider_error", "unknown")),
        ({"kind": "status", "status": 503}, ("provider_unavailable", "no")),
        ({"kind": "error", "name": "ModelErrorException"}, ("provider_error", "unknown")),
    ],
)
def test_the_simulator_in_trouble(bedrock_simulator: Running, fault: dict[str, Any], expected: tuple[str, str]) -> None:
    assert bedrock_simulator.fault(on="submit", **fault).is_success
    body = {"task": "remove_background", "image": IMAGE}
    outcome = adapter.connect(connection(bedrock_simulator.url)).start(
        order("stability", body, pictures=REAL, size=SIZE)
    )
    assert isinstance(outcome, Failed), outcome
    assert (outcome.fault.code, outcome.charged) == expected
    assert len(bedrock_simulator.requests()) == 1


def test_a_region_without_the_model_says_so(bedrock_simulator: Running) -> None:
    outcome = adapter.connect(connection(bedrock_simulator.url)).start(ordered(TEXT))
    assert facts(outcome) == ("model_retired", "no", False)
    assert isinstance(outcome, Failed) and "bedrock_regions" in outcome.fault.remedy
