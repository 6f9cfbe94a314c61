"""The Nova Canvas adapter against the vendor's documents: what it sends, and what it makes of every answer."""

from __future__ import annotations

import io
import json
import socket
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from botocore.exceptions import (
    ConnectTimeoutError,
    CredentialRetrievalError,
    NoCredentialsError,
    ReadTimeoutError,
)
from PIL import Image

from fitting_room.jobs.outcome import Failed, Finished, Picture
from fitting_room.providers import catalogue
from fitting_room.providers.nova_canvas import adapter, shapes
from fitting_room.providers.nova_canvas.body import body_of, json_of
from tests.contract.orders import IMAGE, PICTURES, connection, golden, order, try_on
from tests.contract.vendor import Answer, Vendor, vendor

GOLDEN = golden("nova_canvas")
ANSWERS = [b64encode(f"picture {n}".encode()).decode() for n in range(5)]
LEAST = try_on(garment={"category": "tops"})


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def bedrock() -> Iterator[Vendor]:
    with vendor() as told:
        yield told


def start(bedrock: Vendor, answer: Answer, body: dict[str, Any] = LEAST, seed: int | None = 7) -> Any:
    bedrock.answer = answer
    return adapter.connect(connection(bedrock.url)).start(order("nova_canvas", body, seed=seed))


def refusal(name: str, status: int, message: str = "words of the vendor") -> Answer:
    return Answer(status, {"message": message}, {"x-amzn-errortype": name})


# what is sent


@pytest.mark.parametrize("case", GOLDEN.values(), ids=GOLDEN)
def test_sends_what_the_document_asks_for(bedrock: Vendor, case: dict[str, Any]) -> None:
    pictures = {**PICTURES, **({"mask": drawn(case["mask"])} if "mask" in case else {})}
    bedrock.answer = Answer(body={"images": ANSWERS[:1]})
    adapter.connect(connection(bedrock.url)).start(
        order("nova_canvas", case["request"], seed=case["seed"], pictures=pictures)
    )
    [sent] = bedrock.requests
    assert (sent.method, sent.path) == ("POST", "/model/amazon.nova-canvas-v1%3A0/invoke")
    assert sent.headers["content-type"] == sent.headers["accept"] == "application/json"
    assert with_drawings(sent.body, like=case["body"]) == case["body"]


def drawn(rows: list[str]) -> bytes:
    """A mask as Prepare leaves it in staging: `#` is black, which changes, `.` white."""
    mask, file = Image.new("L", (len(rows[0]), len(rows))), io.BytesIO()
    mask.putdata([0 if pixel == "#" else 255 for row in rows for pixel in row])
    mask.save(file, "PNG")
    return file.getvalue()


def with_drawings(sent: Any, like: Any) -> Any:
    """A sent request with its mask as rows of `#` and `.` where the golden request has it so."""
    if isinstance(sent, dict):
        return {name: with_drawings(part, like.get(name)) for name, part in sent.items()}
    if isinstance(sent, str) and isinstance(like, list):
        mask = Image.open(io.BytesIO(b64decode(sent)))
        assert (mask.format, mask.mode) == ("PNG", "RGB")
        marks: dict[Any, str] = {(0, 0, 0): "#", (255, 255, 255): "."}
        pixels = [marks.get(pixel, "?") for pixel in mask.get_flattened_data()]
        return ["".join(pixels[row * mask.width : (row + 1) * mask.width]) for row in range(mask.height)]
    return sent


def test_every_shape_has_golden_requests() -> None:
    covered = {case["body"]["taskType"] for case in GOLDEN.values()}
    assert covered == {shape.model_fields["task_type"].default for shape in get_args(shapes.Body)}
    assert len({"conditionImage" in case["body"].get("textToImageParams", {}) for case in GOLDEN.values()}) == 2


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("3d_animated_family_film", "3D_ANIMATED_FAMILY_FILM"),
        ("design_sketch", "DESIGN_SKETCH"),
        ("flat_vector_illustration", "FLAT_VECTOR_ILLUSTRATION"),
        ("graphic_novel_illustration", "GRAPHIC_NOVEL_ILLUSTRATION"),
        ("maximalism", "MAXIMALISM"),
        ("midcentury_retro", "MIDCENTURY_RETRO"),
        ("photorealism", "PHOTOREALISM"),
        ("soft_digital_painting", "SOFT_DIGITAL_PAINTING"),
    ],
)
def test_every_style(style: str, expected: str) -> None:
    sent = body_of(order("nova_canvas", {"task": "text_to_image", "prompt": "x", "style": style}, seed=1))
    assert isinstance(sent, shapes.TextImage)
    assert sent.text_to_image_params.style == expected


@pytest.mark.parametrize(
    ("category", "kind", "expected"),
    [
        # "UPPER_BODY" | "LOWER_BODY" | "FULL_BODY" | "FOOTWEAR"
        ("tops", None, "UPPER_BODY"),
        ("bottoms", None, "LOWER_BODY"),
        ("one_piece", None, "FULL_BODY"),
        ("outfit", None, "FULL_BODY"),
        ("footwear", None, "FOOTWEAR"),
        # "LONG_SLEEVE_SHIRT" | "SHORT_SLEEVE_SHIRT" | "NO_SLEEVE_SHIRT" | "OTHER_UPPER_BODY" | "LONG_PANTS" | "SHORT_PANTS" |
        # "OTHER_LOWER_BODY" | "LONG_DRESS" | "SHORT_DRESS" | "FULL_BODY_OUTFIT" | "OTHER_FULL_BODY" | "SHOES" | "BOOTS" |
        # "OTHER_FOOTWEAR"
        ("tops", "long_sleeve_shirt", "LONG_SLEEVE_SHIRT"),
        ("tops", "short_sleeve_shirt", "SHORT_SLEEVE_SHIRT"),
        ("tops", "no_sleeve_shirt", "NO_SLEEVE_SHIRT"),
        ("tops", "other_upper_body", "OTHER_UPPER_BODY"),
        ("bottoms", "long_pants", "LONG_PANTS"),
        ("bottoms", "short_pants", "SHORT_PANTS"),
        ("bottoms", "other_lower_body", "OTHER_LOWER_BODY"),
        ("one_piece", "long_dress", "LONG_DRESS"),
        ("one_piece", "short_dress", "SHORT_DRESS"),
        ("outfit", "full_body_outfit", "FULL_BODY_OUTFIT"),
        ("outfit", "other_full_body", "OTHER_FULL_BODY"),
        ("footwear", "shoes", "SHOES"),
        ("footwear", "boots", "BOOTS"),
        ("footwear", "other_footwear", "OTHER_FOOTWEAR"),
        ("auto", "boots", "BOOTS"),
    ],
)
def test_every_garment_class(category: str, kind: str | None, expected: str) -> None:
    body = try_on(garment={"category": category, **({"type": kind} if kind else {})})
    sent = body_of(order("nova_canvas", body, seed=1))
    assert isinstance(sent, shapes.VirtualTryOn)
    assert sent.virtual_try_on_params.garment_based_mask
    assert sent.virtual_try_on_params.garment_based_mask.garment_class == expected


# answers with status 200


def test_pictures_mask_and_seed_come_back(bedrock: Vendor) -> None:
    body = try_on(output={"count": 2, "mask": True})
    outcome = start(
        bedrock, Answer(body={"images": ANSWERS[:2], "maskImage": b64encode(b"mask").decode()}), body, seed=9
    )
    assert outcome == Finished([*map(_picture, range(2))], mask=b"mask")


def _picture(n: int, seed: int = 9) -> Picture:
    return Picture(f"picture {n}".encode(), seed)


def test_partly_blocked_is_a_success_with_a_warning(bedrock: Vendor) -> None:
    # "Individual images might be blocked after generation"
    answer = {"images": ANSWERS[:1], "error": "Some of the generated images have been blocked by our content filters."}
    outcome = start(bedrock, Answer(body=answer), try_on(output={"count": 3}), seed=9)
    assert outcome.images == [_picture(0)]
    assert [warning.code for warning in outcome.warnings] == ["partial_blocked"]
    assert "1 of 3" in outcome.warnings[0].detail


def test_a_missing_mask_and_missing_pictures_are_told(bedrock: Vendor) -> None:
    outcome = start(bedrock, Answer(body={"images": ANSWERS[:1]}), try_on(output={"count": 2, "mask": True}))
    assert [warning.code for warning in outcome.warnings] == ["partial_result", "mask_missing"]


@pytest.mark.parametrize("answer", [{}, {"images": []}, {"images": None}])
def test_everything_blocked(bedrock: Vendor, answer: dict[str, Any]) -> None:
    words = "All of the generated images have been blocked by our content filters."
    outcome = start(bedrock, Answer(body={**answer, "error": words}))
    assert facts(outcome) == ("content_blocked", "unknown", False)
    assert outcome.fault.provider_detail == words


@pytest.mark.parametrize(
    "answer", [b"", b"<html>", b"[]", {}, {"images": []}, {"images": ["no base64!"]}, {"images": [3]}, {"images": "x"}]
)
def test_an_answer_that_makes_no_sense_may_have_been_charged(bedrock: Vendor, answer: Any) -> None:
    assert facts(start(bedrock, Answer(body=answer))) == ("provider_error", "unknown", False)


# errors


def facts(outcome: Any) -> tuple[str, str, bool]:
    assert isinstance(outcome, Failed), outcome
    assert outcome.fault.provider == "nova_canvas"
    assert outcome.fault.remedy
    return outcome.fault.code, outcome.charged, outcome.fault.retryable


LEGACY = (
    "Access denied. This Model is marked by provider as Legacy and you have not been actively using the model in the "
    "last 30 days. Please upgrade to an active model on Amazon Bedrock"
)
FILTERED = "This request has been blocked by our content filters. Please adjust your {} to submit a new request."


@pytest.mark.parametrize(
    ("name", "status", "message", "expected"),
    [
        # API reference of InvokeModel, section Errors
        ("AccessDeniedException", 403, "You don't have access to the model", ("provider_auth", "no", False)),
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
            "This model version has reached the end of its life. Please refer to the AWS "
            "documentation for more details.",
            ("model_retired", "no", False),
        ),
        ("ResourceNotFoundException", 404, LEGACY, ("model_retired", "no", False)),
        ("AccessDeniedException", 403, LEGACY, ("model_retired", "no", False)),
        ("ValidationException", 400, "The provided model identifier is invalid.", ("model_retired", "no", False)),
        # Nova user guide, image-gen-errors
        ("ValidationException", 400, FILTERED.format("text prompt"), ("content_blocked", "no", False)),
        ("ValidationException", 400, FILTERED.format("input image"), ("content_blocked", "no", False)),
        ("ValidationException", 400, "sourceImage: the image must be 8 bit RGB", ("image_unreadable", "no", False)),
        ("ValidationException", 400, "cfgScale: 11 is greater than 10", ("provider_error", "no", False)),
        ("ValidationException", 400, "Operation not allowed", ("provider_auth", "no", False)),
        # the word in a field's name, a path or a count is not about an image
        *(
            ("ValidationException", 400, message, ("provider_error", "no", False))
            for message in (
                "Malformed input request: #/imageGenerationConfig/seed: 2000000000 is not less or equal to 858993459,"
                " please reformat your input and try again.",
                "Malformed input request: #/textToImageParams/text: expected maxLength: 1024, actual: 1025",
                "Malformed input request: #: extraneous key [image] is not permitted",
                "imageGenerationConfig and textToImageParams must be set",
                "numberOfImages: 6 is too many",
                "The number of images must be between 1 and 5",
                "taskType TEXT_IMAGE is not supported",
            )
        ),
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
    outcome = start(bedrock, refusal(name, status, message))
    assert facts(outcome) == expected
    assert outcome.fault.provider_code == name
    assert outcome.fault.provider_detail == message
    assert len(bedrock.requests) == 1, "a purchase is tried once"


NO_MASK = "Unable to auto-generate mask image with given input image and mask prompt"


def test_a_mask_prompt_that_finds_nothing_is_told_as_one_and_moves_on(bedrock: Vendor) -> None:
    outcome = start(bedrock, refusal("ValidationException", 400, NO_MASK))
    assert facts(outcome) == ("provider_error", "no", False)
    assert outcome.fault.pointer == "/mask/prompt"
    assert "mask prompt" in outcome.fault.detail
    assert "other words" in outcome.fault.remedy
    assert outcome.fault.moves_on, "another provider may find it"


@pytest.mark.parametrize("message", ["sourceImage: the image must be 8 bit RGB", "Operation not allowed", NO_MASK])
def test_what_another_provider_could_do_moves_on(bedrock: Vendor, message: str) -> None:
    assert start(bedrock, refusal("ValidationException", 400, message)).fault.moves_on


def test_an_account_that_may_not_call_bedrock_is_the_operators_matter(bedrock: Vendor) -> None:
    assert "AWS Support" in start(bedrock, refusal("ValidationException", 400, "Operation not allowed")).fault.remedy


@pytest.mark.parametrize(
    ("name", "status", "wait"),
    [
        ("ThrottlingException", 429, 15),
        ("TooManyRequestsException", 429, 15),
        ("ServiceUnavailableException", 503, None),
    ],
)
def test_how_long_a_throttled_model_is_left_alone(bedrock: Vendor, name: str, status: int, wait: float | None) -> None:
    assert start(bedrock, refusal(name, status)).retry_after == wait


def test_the_vendors_words_are_stored_without_addresses_and_pictures(bedrock: Vendor) -> None:
    message = f"bad image https://bucket.example/a?X-Amz-Signature=1 {'QUJD' * 40}"
    assert (
        start(bedrock, refusal("ValidationException", 400, message)).fault.provider_detail
        == "bad image [removed] [removed]"
    )


def test_nobody_listens_so_nothing_was_sent() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    outcome = adapter.connect(connection(url)).start(order("nova_canvas", LEAST, seed=1))
    assert facts(outcome) == ("provider_unavailable", "no", True)


def test_a_connection_that_breaks_after_the_request_may_have_been_charged(bedrock: Vendor) -> None:
    outcome = start(bedrock, Answer(drop=True))
    assert facts(outcome) == ("provider_unavailable", "unknown", False)
    assert "AWS bill" in outcome.fault.remedy
    assert len(bedrock.requests) == 1


def test_an_answer_that_breaks_off_may_have_been_charged(bedrock: Vendor) -> None:
    outcome = start(bedrock, Answer(body=b'{"images"', headers={"Content-Length": "4000", "Connection": "close"}))
    assert facts(outcome) == ("provider_unavailable", "unknown", False)


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
    assert facts(provider.start(order("nova_canvas", LEAST, seed=1))) == expected
    assert len(calls) == 1


def test_waits_long_and_tries_once() -> None:
    config: Any = adapter.connect(connection("http://127.0.0.1:9")).bedrock.client.meta.config
    assert (config.connect_timeout, config.read_timeout) == (10, 600)
    assert config.retries["total_max_attempts"] == 1


def test_the_endpoint_may_come_from_the_environment(bedrock: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", bedrock.url)
    bedrock.answer = Answer(body={"images": ANSWERS[:1]})
    assert isinstance(adapter.connect(connection()).start(order("nova_canvas", LEAST, seed=1)), Finished)


TEXT = "\U0001f455" * 1024
MASK = {"type": "prompt", "prompt": "\U0001f455" * 4096}
LARGEST: dict[
    str, tuple[int, dict[str, Any]]
] = {  # the number of pictures, and a request with the longest frame around them
    "VIRTUAL_TRY_ON": (
        2,
        try_on(
            garment={"category": "tops"},
            mask=MASK,
            merge="detailed",
            keep={"face": True, "hands": True, "pose": True},
            output={"count": 5, "quality": "standard", "guidance": 1.1, "mask": True},
        ),
    ),
    "INPAINTING": (
        1,
        {
            "task": "inpaint",
            "image": IMAGE,
            "mask": MASK,
            "prompt": TEXT,
            "negative_prompt": TEXT,
            "output": {"count": 5, "quality": "standard", "guidance": 1.1},
        },
    ),
    "IMAGE_VARIATION": (
        5,
        {
            "task": "image_variation",
            "images": [IMAGE] * 5,
            "prompt": TEXT,
            "negative_prompt": TEXT,
            "size": {"width": 2048, "height": 2048},
            "output": {"count": 5, "guidance": 1.1},
        },
    ),
}


@pytest.mark.parametrize("shape", LARGEST)
def test_the_largest_submission_stays_below_the_vendors_limit(shape: str) -> None:
    pictures, body = LARGEST[shape]
    limit = catalogue.entry("nova_canvas").max_body
    assert limit is not None
    picture = b"x" * (limit * 3 // 4 // pictures)
    wanted = order(
        "nova_canvas", body, pictures=dict.fromkeys(("person", "garment", "image"), picture), seed=2_147_483_646
    )
    sent = json_of(body_of(wanted))
    assert 24_900_000 < len(sent) <= 25_000_000
    assert json.loads(sent)["taskType"] == shape
