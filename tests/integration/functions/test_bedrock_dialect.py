"""The Bedrock dialect as an AWS SDK meets it: events of a Lambda Function URL in, answers out."""

from __future__ import annotations

import base64
import importlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError
from PIL import Image

from fitting_room.actions.requests.authenticate import authenticate
from fitting_room.actions.requests.delete import delete_job
from fitting_room.actions.requests.tokens import create_token
from fitting_room.images import provenance
from fitting_room.jobs.errors import JobWarning
from fitting_room.jobs.outcome import Finished, Picture
from tests.deployment import choose
from tests.integration.functions.events import event
from tests.integration.world import LIVE, LIVE_KEY, TENANT, TEST_KEY, Vendor, World, failed, finished, picture

MODEL = "/model/amazon.nova-canvas-v1%3A0/invoke"
AFTER_THE_END = datetime(2026, 11, 26, tzinfo=UTC)
MASK = picture(360, 540, "black")


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


TRY_ON: dict[str, Any] = {
    "sourceImage": b64(picture(360, 540)),
    "referenceImage": b64(picture(200, 200, "navy")),
    "maskType": "GARMENT",
    "garmentBasedMask": {"garmentClass": "UPPER_BODY"},
}


def try_on(config: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    more = {"imageGenerationConfig": config} if config else {}
    return {"taskType": "VIRTUAL_TRY_ON", "virtualTryOnParams": {**TRY_ON, **changes}, **more}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def job(self) -> str:
        return self.headers["x-fitting-room-job"]

    def error(self) -> tuple[int, str]:
        """Status and type of an error, which stands where each SDK looks for it."""
        assert self.headers["x-amzn-errortype"] == self.json["__type"]
        assert self.headers["x-amzn-requestid"]
        return self.status, self.json["__type"]


Invoke = Callable[..., Answer]


@pytest.fixture
def invoke(world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    module = importlib.import_module("functions.http.bedrock_dialect.handler")
    monkeypatch.setattr(module, "clock", world.at)
    vendor.starts = [finished()]
    count = iter(range(1000))

    def call(
        body: Any = None,
        *,
        key: str | None = LIVE_KEY,
        path: str = MODEL,
        method: str = "POST",
        left: float = 899,
        packed: bool = False,
        **headers: str,
    ) -> Answer:
        text = body if isinstance(body, str) else json.dumps(try_on() if body is None else body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if key:
            named = {"authorization": f"Bearer {key}", **named}
        context = SimpleNamespace(
            function_name="f",
            memory_limit_in_mb=512,
            aws_request_id=f"request-{next(count)}",
            invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:f",
            get_remaining_time_in_millis=lambda: left * 1000,
        )
        sent = b64(text.encode()) if packed else text
        said = module.handler(event(method, path, sent, headers=named, base64_encoded=packed), context)
        assert said["headers"]["cache-control"] == "no-store", "answers hold photos of persons"
        return Answer(said["statusCode"], said["headers"], said["body"])

    return call


@pytest.fixture
def machine(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every job is run as soon as somebody waits for it."""
    sleep, running = world.at.sleep, [False]

    def slept(seconds: float) -> None:
        sleep(seconds)
        if not running[0]:
            running[0] = True
            for name in world.executions():
                if not world.job(name).final:
                    world.run(name)
            running[0] = False

    monkeypatch.setattr(world.at, "sleep", slept)


def stored(world: World) -> int:
    return sum(item["sk"] == "JOB" for item in world.items())


# ------------------------------------------------------------------------------------------------ one call, one job
def test_a_call_is_an_ordinary_job_whose_images_are_its_answer(
    world: World, vendor: Vendor, invoke: Invoke, machine: None
) -> None:
    vendor.starts = [finished(count=2, mask=MASK)]
    answer = invoke(
        try_on({"numberOfImages": 2}, returnMask=True),
        x_fitting_room_owner="jane",
        x_fitting_room_reference="A-1",
        amz_sdk_invocation_id="one",
    )
    assert answer.status == 200, answer.text
    job = world.job(answer.job)
    assert answer.headers["x-fitting-room-provider"] == "nova_canvas"
    assert (job.owner, job.request.reference, job.mode, job.tenant) == ("jane", "A-1", "live", TENANT)
    assert [b64(world.read(image.key)) for image in job.images] == answer.json["images"]
    assert job.mask and answer.json["maskImage"] == b64(world.read(job.mask.key))
    assert answer.json.keys() == {"images", "maskImage"}
    assert len(vendor.orders) == 1 and world.spent()[0] == 2


@pytest.mark.parametrize(
    "path",
    [
        MODEL,
        "/model/amazon.nova-canvas-v1:0/invoke",
        *(
            f"/model/arn%3A{partition}%3Abedrock%3A{region}%3A%3Afoundation-model%2Famazon.nova-canvas-v1%3A0/invoke"
            for partition, region in (("aws", "us-east-1"), ("aws-us-gov", "us-gov-west-1"), ("aws-cn", "cn-north-1"))
        ),
    ],
)
def test_the_model_is_named_as_the_sdks_name_it(invoke: Invoke, machine: None, path: str) -> None:
    assert invoke(path=path, packed=True).status == 200


def test_after_the_end_of_nova_canvas_another_provider_does_the_try_on(
    world: World, invoke: Invoke, machine: None
) -> None:
    world.at.moment = AFTER_THE_END
    world.configure("fashn")
    answer = invoke()
    assert (answer.status, answer.headers.get("x-fitting-room-provider")) == (200, "fashn"), answer.text
    [image] = answer.json["images"]
    assert Image.open(io.BytesIO(base64.b64decode(image))).size == (360, 540)


def test_a_provider_that_fails_is_followed_by_the_next(
    world: World, vendor: Vendor, invoke: Invoke, machine: None
) -> None:
    world.at.moment = AFTER_THE_END
    world.configure("fashn", "tryiton")
    vendor.starts = [failed("provider_unavailable"), finished()]
    answer = invoke()
    assert (answer.status, answer.headers["x-fitting-room-provider"]) == (200, "tryiton"), answer.text
    assert len(vendor.orders) == 2


def test_what_no_living_provider_can_do_is_refused_before_anything_is_bought(world: World, invoke: Invoke) -> None:
    world.at.moment = AFTER_THE_END
    world.configure("fashn")
    answer = invoke(try_on({"cfgScale": 8}, mergeStyle="BALANCED"))
    assert answer.error() == (400, "ValidationException")
    for field in ("imageGenerationConfig.cfgScale", "virtualTryOnParams.mergeStyle"):
        assert f"{field}: FASHN does not take `{field}` for the task `VIRTUAL_TRY_ON`. Leave it out." in answer.text
    answer = invoke(try_on(maskType="IMAGE", garmentBasedMask=None, imageBasedMask={"maskImage": b64(MASK)}))
    assert answer.error() == (400, "ValidationException")
    assert "Use the maskType GARMENT with a garmentClass alone." in answer.text
    answer = invoke({"taskType": "IMAGE_VARIATION", "imageVariationParams": {"images": [b64(picture(360, 540))]}})
    assert answer.error() == (400, "ValidationException")
    assert "reached its end of life on 2026-09-30" in answer.text and "`IMAGE_VARIATION`" in answer.text
    assert stored(world) == 0 and world.keys("") == []


# ------------------------------------------------------------------------------------------------ who may call
@pytest.mark.parametrize(
    ("key", "headers", "words"),
    [
        (None, {}, "has no API key"),
        (None, {"authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20261126/us-east-1/bedrock/aws4_request"}, "signed"),
        ("fr_live_" + "z" * 32, {}, "is not valid here"),
    ],
)
def test_a_call_without_a_key_is_answered_before_its_body_is_read(
    world: World, invoke: Invoke, key: str | None, headers: dict[str, str], words: str
) -> None:
    answer = invoke("{no JSON", key=key, **headers)
    assert answer.error() == (403, "AccessDeniedException")
    for each in (words, "AWS_BEARER_TOKEN_BEDROCK", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"):
        assert each in answer.json["message"]


@pytest.mark.parametrize("scopes", [["submit"], ["read"]])
def test_a_key_must_submit_and_read_jobs(world: World, invoke: Invoke, scopes: list[str]) -> None:
    world.allow_key(key := "fr_live_" + "s" * 32, TENANT, "live", scopes=scopes)
    answer = invoke(key=key)
    assert answer.error() == (403, "AccessDeniedException") and "lacks the scope" in answer.text
    assert stored(world) == 0


def test_a_token_of_a_shopper_speaks_no_dialect(world: World, invoke: Invoke) -> None:
    shop = authenticate(f"Bearer {LIVE_KEY}", world.at)
    token = create_token({"owner": "jane", "garments": ["https://shop.example/"]}, shop, world.at)["token"]
    answer = invoke(key=token)
    assert answer.error() == (403, "AccessDeniedException") and "A token may not make this call." in answer.text


def test_a_test_key_reaches_only_the_sandbox(world: World, invoke: Invoke, machine: None) -> None:
    answer = invoke(key=TEST_KEY)
    assert (answer.status, answer.headers["x-fitting-room-provider"]) == (200, "sandbox"), answer.text
    assert world.spent() == (0, 0)


def test_a_key_has_its_rate(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, key_rate=0.1, key_burst=1)
    invoke("{}")
    answer = invoke("{}")
    assert answer.error() == (429, "ThrottlingException")
    assert int(answer.headers["retry-after"]) > 0


def test_a_used_budget_is_no_throttling_which_an_sdk_would_repeat(
    world: World, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(monkeypatch, daily_images=1)
    assert invoke(try_on({"numberOfImages": 2})).error() == (400, "ServiceQuotaExceededException")
    assert stored(world) == 0


# ------------------------------------------------------------------------------------------------ what is served
@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        (
            "/model/amazon.titan-image-generator-v2%3A0/invoke",
            (404, "ResourceNotFoundException"),
            "Titan's image models",
        ),
        ("/model/anthropic.claude-v2/invoke", (404, "ResourceNotFoundException"), "amazon.nova-canvas-v1:0"),
        ("/model/amazon.nova-canvas-v1%3A0/converse", (400, "ValidationException"), "Converse is not served"),
        (
            "/model/amazon.nova-canvas-v1%3A0/invoke-with-response-stream",
            (400, "ValidationException"),
            "InvokeModelWithResponseStream is not served",
        ),
        ("/", (404, "ResourceNotFoundException"), "nothing at this path"),
    ],
)
def test_what_is_not_served_says_what_is(invoke: Invoke, path: str, error: tuple[int, str], words: str) -> None:
    answer = invoke(path=path)
    assert answer.error() == error
    assert words in answer.text and "InvokeModel" in answer.text


@pytest.mark.parametrize("body", ["", "{", "[1]", '{"taskType": NaN}', "[" * 100_000])
def test_a_body_that_is_no_request_is_malformed(invoke: Invoke, body: str) -> None:
    answer = invoke(body)
    assert answer.error() == (400, "ValidationException") and "Malformed input request" in answer.text


def test_an_image_that_is_no_base64_is_named(world: World, invoke: Invoke) -> None:
    answer = invoke(try_on(sourceImage="%%%"))
    assert answer.error() == (400, "ValidationException")
    assert "virtualTryOnParams.sourceImage: " in answer.text
    assert stored(world) == 0


def test_a_header_that_breaks_a_rule_is_named(world: World, invoke: Invoke) -> None:
    answer = invoke(x_fitting_room_owner="x" * 200)
    assert answer.error() == (400, "ValidationException")
    assert "x-fitting-room-owner: " in answer.text and stored(world) == 0


# ------------------------------------------------------------------------------------------------ repeats
def test_the_same_call_again_is_the_same_job(world: World, vendor: Vendor, invoke: Invoke, machine: None) -> None:
    answers = [invoke(amz_sdk_invocation_id="one", amz_sdk_request=f"attempt={n}; max=3") for n in (1, 2)]
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].text == answers[1].text
    assert (len(vendor.orders), stored(world)) == (1, 1)
    assert invoke(amz_sdk_invocation_id="two").job != answers[0].job
    assert invoke(try_on({"seed": 5}), amz_sdk_invocation_id="one").error() == (400, "ValidationException")


def test_whatever_an_sdk_takes_for_an_id_is_one(vendor: Vendor, invoke: Invoke, machine: None) -> None:
    odd = {"amz_sdk_invocation_id": "a blank and an ä " * 40}
    assert invoke(**odd).job == invoke(**odd).job
    assert len(vendor.orders) == 1


def test_a_later_try_takes_over_the_place_of_the_first(
    world: World, vendor: Vendor, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(monkeypatch, dialect_waiters=1)
    sleep, later, pauses = world.at.sleep, list[Answer](), iter(range(1000))

    def slept(seconds: float) -> None:
        sleep(seconds)
        match next(pauses):
            case 0:  # the client's connection was cut, and it sends the same again
                later.append(invoke(amz_sdk_invocation_id="one"))
            case 1:
                world.run(world.executions()[0])

    monkeypatch.setattr(world.at, "sleep", slept)
    first = invoke(amz_sdk_invocation_id="one")
    assert later[0].status == 200
    assert first.text == later[0].text, "it looks once more, and the job is over"
    assert (len(vendor.orders), stored(world)) == (1, 1)


def test_a_call_that_was_taken_over_holds_no_function(
    world: World, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(monkeypatch, dialect_waiters=1)
    sleep, later, pauses = world.at.sleep, list[Answer](), iter(range(1000))

    def slept(seconds: float) -> None:
        sleep(seconds)
        if next(pauses) == 0:
            later.append(invoke(amz_sdk_invocation_id="one", left=25))  # waits for 5 seconds

    monkeypatch.setattr(world.at, "sleep", slept)
    assert invoke(amz_sdk_invocation_id="one").error() == (429, "ThrottlingException")
    assert later[0].error() == (408, "ModelTimeoutException")
    assert sum(world.at.slept) < 60


# ------------------------------------------------------------------------------------------------ waiting
@pytest.mark.parametrize(("key", "places"), [(LIVE_KEY, 3), (TEST_KEY, 1)])
def test_without_a_place_nothing_is_bought(
    world: World, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, key: str, places: int
) -> None:
    """Callers that begin to wait while the others do. A test key has one place, so that it cannot hold them all."""
    sleep, calls = world.at.sleep, list[Answer]()

    def nested(depth: int) -> None:
        def slept(seconds: float) -> None:
            sleep(seconds)
            nested(depth - 1)

        if depth >= 0:
            monkeypatch.setattr(world.at, "sleep", slept)
            calls.append(invoke(key=key, left=21))

    nested(places)
    refused, *waited = calls  # the last to call is the first to be answered
    assert refused.error() == (429, "ThrottlingException")
    assert "Nothing was bought" in refused.text and refused.headers["retry-after"]
    assert [answer.error()[1] for answer in waited] == ["ModelTimeoutException"] * places
    assert stored(world) == places


def test_a_stage_can_let_nobody_wait(world: World, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, dialect_waiters=0)
    assert invoke().error() == (429, "ThrottlingException")
    assert stored(world) == 0


def test_a_job_is_waited_for_with_pauses_that_grow_and_at_most_14_minutes(world: World, invoke: Invoke) -> None:
    answer = invoke(amz_sdk_invocation_id="one")
    assert answer.error() == (408, "ModelTimeoutException")
    assert f"GET /v1/jobs/{answer.job}" in answer.text and "buy the images again" in answer.text
    pauses = world.at.slept
    assert sum(pauses) == 14 * 60
    assert pauses[:3] == [1, 2, 2] and max(pauses) == 2
    world.run(answer.job)
    assert invoke(amz_sdk_invocation_id="one").json["images"]
    assert stored(world) == 1


def test_the_end_of_the_function_is_not_waited_for(world: World, invoke: Invoke) -> None:
    invoke(left=60)
    assert sum(world.at.slept) == 40


def test_a_job_that_is_erased_meanwhile_is_gone(world: World, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    sleep = world.at.sleep

    def slept(seconds: float) -> None:
        sleep(seconds)
        delete_job(world.executions()[0], LIVE, world.at)
        world.broken(world.executions()[0])
        world.erase()

    monkeypatch.setattr(world.at, "sleep", slept)
    assert invoke().error() == (404, "ResourceNotFoundException")
    assert world.at.slept == [1]


# ------------------------------------------------------------------------------------------------ ends of jobs
@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("pose_not_found", (400, "ValidationException")),
        ("quota_exhausted", (400, "ServiceQuotaExceededException")),
        ("provider_error", (424, "ModelErrorException")),
        ("output_rejected", (424, "ModelErrorException")),
        ("provider_auth", (424, "ModelErrorException")),
        ("provider_unavailable", (503, "ServiceUnavailableException")),
        ("timed_out", (408, "ModelTimeoutException")),
        ("model_retired", (404, "ResourceNotFoundException")),
    ],
)
def test_a_job_that_fails_has_the_error_that_bedrock_has_for_it(
    world: World, vendor: Vendor, invoke: Invoke, machine: None, code: str, error: tuple[int, str]
) -> None:
    vendor.starts = [failed(code, retryable=False)]
    answer = invoke()
    assert answer.error() == error
    assert "The vendor's pipeline failed. Try again." in answer.text and answer.job in answer.json["message"]
    assert answer.headers["x-fitting-room-provider"] == "nova_canvas"


def test_a_filter_that_refuses_the_input_speaks_as_nova_s(vendor: Vendor, invoke: Invoke, machine: None) -> None:
    vendor.starts = [failed("content_blocked", "no")]
    answer = invoke()
    assert answer.error() == (400, "ValidationException")
    blocked = (
        "This request has been blocked by our content filters. Please adjust your input image to submit a new request."
    )
    assert answer.json["message"].startswith(blocked)


def test_a_filter_that_blocks_all_results_answers_200_without_images(
    vendor: Vendor, invoke: Invoke, machine: None
) -> None:
    vendor.starts = [failed("content_blocked", "unknown")]
    answer = invoke()
    assert (answer.status, answer.json) == (
        200,
        {"error": "All of the generated images have been blocked by our content filters."},
    )


def test_a_filter_that_blocks_some_results_says_so_beside_the_others(
    vendor: Vendor, invoke: Invoke, machine: None
) -> None:
    vendor.starts = [finished(warnings=[JobWarning(code="partial_blocked", detail="One is missing.")])]
    answer = invoke(try_on({"numberOfImages": 2}))
    assert (answer.status, len(answer.json["images"])) == (200, 1)
    assert answer.json["error"] == "Some of the generated images have been blocked by our content filters."


def test_a_crash_tells_nothing_and_leaves_the_retry_to_the_sdk(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fitting_room.dialects.bedrock.invoke.submit", lambda *_: 1 / 0)
    answer = invoke()
    assert answer.error() == (500, "InternalServerException")
    assert "division" not in answer.text


def test_a_throttled_table_is_throttling_which_the_sdk_repeats(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    def throttled(*_: Any) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "x"}}, "UpdateItem")

    monkeypatch.setattr("fitting_room.dialects.bedrock.invoke.submit", throttled)
    answer = invoke()
    assert (answer.error(), answer.headers["retry-after"]) == ((429, "ThrottlingException"), "1")


# ------------------------------------------------------------------------------------------------ sizes
def noise(width: int, height: int, mode: str = "RGB") -> bytes:
    drawn = np.random.default_rng(7).integers(0, 256, (height, width, len(mode)), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(drawn, mode).save(file, "PNG", compress_level=1)
    return file.getvalue()


def test_an_answer_without_room_for_pngs_has_jpegs_and_says_so(vendor: Vendor, invoke: Invoke, machine: None) -> None:
    vendor.starts = [Finished([Picture(noise(1200, 1400), seed=1)])]
    answer = invoke(try_on(sourceImage=b64(picture(1200, 1400))))
    assert answer.status == 200, answer.text
    assert answer.headers["x-fitting-room-reencoded"] == "jpeg, quality 95"
    assert len(answer.text) <= 5_900_000
    data = base64.b64decode(answer.json["images"][0])
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.size) == ("JPEG", (1200, 1400))
    assert provenance.read(data).source_type


def test_an_image_with_transparency_that_has_no_room_is_fetched_elsewhere(
    vendor: Vendor, invoke: Invoke, machine: None
) -> None:
    vendor.starts = [Finished([Picture(noise(1100, 1100, "RGBA"), seed=1)])]
    body = {"taskType": "BACKGROUND_REMOVAL", "backgroundRemovalParams": {"image": b64(picture(1100, 1100))}}
    answer = invoke(body)
    assert answer.error() == (424, "ModelErrorException")
    assert f"GET /v1/jobs/{answer.job}" in answer.text


@pytest.mark.parametrize(
    "body",
    [
        try_on({"numberOfImages": 5}, sourceImage=b64(picture(1200, 1400))),
        {
            "taskType": "INPAINTING",
            "inPaintingParams": {"image": b64(picture(1200, 1400)), "maskPrompt": "shirt"},
            "imageGenerationConfig": {"numberOfImages": 5},
        },
        {
            "taskType": "TEXT_IMAGE",
            "textToImageParams": {"text": "a chair"},
            "imageGenerationConfig": {"width": 2048, "height": 2048, "numberOfImages": 2},
        },
    ],
)
def test_more_pixels_than_an_answer_has_room_for_are_refused_before_the_purchase(
    world: World, invoke: Invoke, body: dict[str, Any]
) -> None:
    answer = invoke(body)
    assert answer.error() == (400, "ValidationException") and "6,000,000" in answer.text
    assert stored(world) == 0
