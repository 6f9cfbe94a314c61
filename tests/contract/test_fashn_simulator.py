"""The FASHN simulator against the vendor's own Python client, and against each documented rule, one row a rule.

Jobs, pictures by URL and dropped connections it shares with the TryItOn simulator; they are tested there.
"""

from __future__ import annotations

import asyncio
import base64
import io
import time
from collections.abc import Iterator
from typing import Any

import fashn
import httpx
import pytest
from PIL import Image

from local.simulators.kit.previews import Previews
from local.simulators.kit.server import running
from local.simulators.predictions.fashn import RETRIES, Fashn
from tests.contract.clothes import GARMENT, KEY, NOBODY, PERSON, REMOVED, SIZE, data_url
from tests.contract.conftest import SAMPLES, Running, StandInEngine
from tests.contract.vendor import Answer, Vendor
from tests.contract.vendor import vendor as receiver

LEAST: Any = {"model_image": PERSON, "garment_image": GARMENT}
INPUTS: Any = LEAST | {
    "category": "bottoms", "segmentation_free": False, "moderation_level": "none", "garment_photo_type": "flat-lay",
    "mode": "performance", "seed": 2**32 - 1, "num_samples": 1, "output_format": "jpeg", "return_base64": False,
}  # fmt: skip


def changed(**fields: Any) -> dict[str, Any]:
    inputs = {key: value for key, value in (INPUTS | fields).items() if value is not REMOVED}
    return {"model_name": "tryon-v1.6", "inputs": inputs}


def vendor(url: str) -> fashn.Fashn:
    return fashn.Fashn(api_key="sim-key", base_url=url, max_retries=0, http_client=httpx.Client(trust_env=False))


def bought(url: str, inputs: Any = LEAST) -> Any:
    return vendor(url).predictions.subscribe(model_name="tryon-v1.6", inputs=inputs, poll_interval=10)


def opened(url: str) -> Image.Image:
    return Image.open(io.BytesIO(httpx.get(url).raise_for_status().content))


# what works


def test_the_vendors_client_subscribes_to_a_job_and_gets_its_picture(fashn_simulator: Running) -> None:
    result = bought(fashn_simulator.url)

    assert (result.status, result.error, result.credits_used) == ("completed", None, 1)
    assert opened(result.output[0]).size == SIZE
    (purchase,) = fashn_simulator.purchases()
    assert (purchase["id"], purchase["charged"], purchase["credits"]) == (result.id, True, 1)


def test_the_vendors_client_runs_and_reads_the_status_by_itself(fashn_simulator: Running) -> None:
    client = vendor(fashn_simulator.url)

    ran = client.predictions.run(model_name="tryon-v1.6", inputs=INPUTS)
    while (told := client.predictions.status(ran.id)).status in ("starting", "in_queue", "processing"):
        assert (told.id, told.output, told.error) == (ran.id, None, None)

    assert ran.error is None
    assert (told.id, told.status) == (ran.id, "completed")
    assert opened(str((told.output or [])[0])).format == "JPEG"


def test_a_job_that_waits_goes_through_the_documented_words(engine: StandInEngine) -> None:
    previews = Previews(engine)
    with running(Fashn(previews, seconds=3600).app()) as url:
        predictions = vendor(url).predictions
        job = predictions.run(model_name="tryon-v1.6", inputs=LEAST).id
        assert [predictions.status(job).status for _ in range(4)] == [
            "starting",
            "in_queue",
            "processing",
            "processing",
        ]
    previews.close()


def test_the_vendors_client_tells_its_caller_how_a_job_goes(fashn_simulator: Running) -> None:
    enqueued, seen = list[str](), list[str]()
    fashn_simulator.fault(on="status", kind="never_finish", times=1)

    result = vendor(fashn_simulator.url).predictions.subscribe(
        model_name="tryon-v1.6", inputs=LEAST, poll_interval=10,
        on_enqueued=enqueued.append, on_queue_update=lambda told: seen.append(told.status))  # fmt: skip

    assert (enqueued, seen[0], seen[-1]) == ([result.id], "starting", "completed")


async def _subscribed(url: str) -> Any:
    async with fashn.AsyncFashn(
        api_key="sim-key", base_url=url, max_retries=0, http_client=httpx.AsyncClient(trust_env=False)
    ) as client:
        return await client.predictions.subscribe(model_name="tryon-v1.6", inputs=LEAST, poll_interval=10)


def test_the_vendors_asynchronous_client_gets_its_picture(fashn_simulator: Running) -> None:
    result = asyncio.run(_subscribed(fashn_simulator.url))

    assert (result.status, result.credits_used) == ("completed", 1)
    assert opened(result.output[0]).size == SIZE


@pytest.mark.parametrize("format", ["png", "jpeg"])
def test_results_come_in_base64_when_asked_for(fashn_simulator: Running, format: str) -> None:
    inputs = LEAST | {"return_base64": True, "output_format": format, "num_samples": 2}

    result = bought(fashn_simulator.url, inputs)

    assert result.credits_used == 2
    for url in result.output:
        # "`data:image/png;base64,...` or `data:image/jpeg;base64,...`"
        prefix, _, text = url.partition(",")
        picture = Image.open(io.BytesIO(base64.b64decode(text)))
        assert (prefix, picture.format, picture.size) == (f"data:image/{format};base64", format.upper(), SIZE)


def test_the_vendors_client_runs_the_newer_model_and_is_told_its_credits(fashn_simulator: Running) -> None:
    inputs: Any = {"product_image": GARMENT, "model_image": PERSON, "generation_mode": "quality", "num_images": 2}
    result = vendor(fashn_simulator.url).predictions.subscribe(model_name="tryon-max", inputs=inputs, poll_interval=10)
    assert (result.status, len(result.output or []), result.credits_used) == ("completed", 2, 12)


def test_each_image_costs_a_credit(fashn_simulator: Running) -> None:
    assert bought(fashn_simulator.url, LEAST | {"num_samples": 3}).credits_used == 3

    # {credits: {total, subscription, on_demand}}
    left = vendor(fashn_simulator.url).get("/v1/credits", cast_to=object)
    assert left == {"credits": {"total": 17, "subscription": 0, "on_demand": 17}}


def test_without_credits_a_run_is_refused_and_not_sold(fashn_simulator: Running) -> None:
    for _ in range(5):
        bought(fashn_simulator.url, LEAST | {"num_samples": 4})

    with pytest.raises(fashn.RateLimitError) as caught:
        bought(fashn_simulator.url)

    assert caught.value.response.json()["error"] == "OutOfCredits"
    assert len(fashn_simulator.purchases()) == 5


def test_what_the_request_asks_reaches_the_engine(fashn_simulator: Running, engine: StandInEngine) -> None:
    assert bought(fashn_simulator.url, INPUTS | {"seed": 77, "category": "one-pieces"}).status == "completed"

    assert (engine.calls[-1]["region"], engine.calls[-1]["seed"]) == ("full", 77)


# webhooks: "our system will send a POST request to your specified webhook URL with the complete response payload"


@pytest.fixture
def shop() -> Iterator[Vendor]:
    """The customer's side, which takes what it is sent."""
    with receiver() as told:
        yield told


def run(simulator: Running, webhook_url: str, inputs: Any = LEAST) -> str:
    return vendor(simulator.url).predictions.run(model_name="tryon-v1.6", inputs=inputs, webhook_url=webhook_url).id


def calls(simulator: Running, count: int) -> list[dict[str, Any]]:
    """What was sent, when so many calls are over."""
    deadline = time.monotonic() + 20
    while True:
        sent: list[dict[str, Any]] = simulator.call("GET", "/_sim/callbacks").json()["callbacks"]
        if sum("answered" in call for call in sent) >= count:
            return sent
        assert time.monotonic() < deadline, "the webhook is not called"


@pytest.mark.parametrize("inputs", [LEAST, LEAST | {"model_image": NOBODY}, LEAST | {"return_base64": True}])
def test_a_webhook_gets_what_a_status_read_answers(fashn_simulator: Running, shop: Vendor, inputs: Any) -> None:
    job = run(fashn_simulator, f"{shop.url}/callbacks/fashn/token?of=me&a=1", inputs)

    (sent,) = calls(fashn_simulator, 1)

    (got,) = shop.requests
    status = fashn_simulator.call("GET", f"/v1/status/{job}", headers=KEY).json()
    assert (got.method, got.path, got.body) == ("POST", "/callbacks/fashn/token?of=me&a=1", status)
    assert (sent["answered"], "token" in str(sent)) == (200, False)


def test_a_webhook_reaches_the_local_clouds_own_host_names(fashn_simulator: Running, shop: Vendor) -> None:
    host = f"abc.execute-api.{shop.url.removeprefix('http://')}"
    run(fashn_simulator, f"http://{host}/done")
    calls(fashn_simulator, 1)

    assert shop.requests[0].headers["host"] == host


def test_a_webhook_that_is_not_answered_with_2xx_is_tried_five_times_more(engine: StandInEngine, shop: Vendor) -> None:
    previews = Previews(engine)
    simulator = Fashn(previews, retries=(0.01,) * len(RETRIES))
    shop.answer = Answer(500)
    with running(simulator.app()) as url:
        served = Running(simulator, url)
        job = run(served, f"{shop.url}/done")
        assert [sent["answered"] for sent in calls(served, 6)] == [500] * 6
        served.close()
    previews.close()

    # "The system attempts up to 5 retries", "a timespan of approximately 5 minutes"
    assert [got.body["id"] for got in shop.requests] == [job] * 6
    assert (len(RETRIES), sum(RETRIES)) == (5, 300)


def test_a_webhook_can_be_sent_early_instead_of_at_the_end(fashn_simulator: Running, shop: Vendor) -> None:
    fashn_simulator.fault(on="callback", kind="early", times=1)

    job = run(fashn_simulator, f"{shop.url}/done")

    assert [(got.body["id"], got.body["status"]) for got in shop.requests] == [(job, "starting")]
    while not fashn_simulator.purchases()[0]["charged"]:
        pass
    assert len(shop.requests) == 1


def test_a_job_that_a_fault_fails_is_told_to_the_webhook_too(fashn_simulator: Running, shop: Vendor) -> None:
    fashn_simulator.fault(on="status", kind="error", name="ThirdPartyError", message="on request", times=1)

    run(fashn_simulator, f"{shop.url}/done")
    calls(fashn_simulator, 1)

    # "error": {"name", "message"}
    assert shop.requests[0].body["error"] == {"name": "ThirdPartyError", "message": "on request"}


# what is refused: a request broken in one place, and what the refusal says


@pytest.mark.parametrize(("body", "says"), [
    # "model_image: Required[str]", "garment_image: Required[str]"
    (changed(model_image=REMOVED), "model_image is required"),
    (changed(garment_image=REMOVED), "garment_image is required"),
    # "Base64 images must include the proper prefix"
    (changed(model_image=PERSON.partition(",")[2]), "must be an http(s) URL or base64"),
    # the rest: Literal[...] and ranges of TryOnRequestInputs
    (changed(category="dresses"), "category"),
    (changed(garment_photo_type="flat_lay"), "garment_photo_type"),
    (changed(mode="fast"), "mode"),
    (changed(moderation_level="strict"), "moderation_level"),
    (changed(segmentation_free="yes"), "segmentation_free"),
    (changed(num_samples=5), "num_samples"),
    (changed(seed=2**32), "seed"),
    (changed(output_format="webp"), "output_format"),
    (changed(subcategory="tops"), "unknown parameter inputs.subcategory"),
    ({"model_name": "tryon-v2", "inputs": INPUTS}, "model_name"),
    ({"inputs": INPUTS}, "model_name is required"),
    (INPUTS, "inputs is required"),
    (changed(return_base64="true"), "return_base64"),
    # "saved models by passing `saved:<model_name>`": there are none here
    (changed(model_image="saved:anna"), "inputs.model_image: Value error, no models are saved in this simulator"),
])  # fmt: skip
def test_a_request_broken_in_one_place_is_refused_and_not_sold(
    fashn_simulator: Running, body: dict[str, Any], says: str
) -> None:
    answer = fashn_simulator.call("POST", "/v1/run", json=body, headers=KEY)

    assert (answer.status_code, answer.json()["error"]) == (400, "BadRequest")
    assert says in answer.json()["message"]
    assert fashn_simulator.purchases() == []


@pytest.mark.parametrize(("query", "says"), [
    ("webhook_url=https%3A%2F%2F192.0.2.1%2Fdone", "webhook_url is not an http(s) URL on this machine"),
    ("webhook_url=done", "webhook_url is not"),
    ("webhook=http%3A%2F%2F127.0.0.1%2Fdone", "unknown query parameter webhook"),
])  # fmt: skip
def test_a_webhook_elsewhere_is_refused_and_nothing_sold(fashn_simulator: Running, query: str, says: str) -> None:
    answer = fashn_simulator.call("POST", f"/v1/run?{query}", json=changed(), headers=KEY)

    assert (answer.status_code, answer.json()["error"]) == (400, "BadRequest")
    assert says in answer.json()["message"]
    assert fashn_simulator.purchases() == []


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer other"}])
@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/run"), ("GET", "/v1/status/x"), ("GET", "/v1/credits")])
def test_every_call_needs_a_key(fashn_simulator: Running, method: str, path: str, headers: dict[str, str]) -> None:
    answer = fashn_simulator.call(method, path, json=changed() if method == "POST" else None, headers=headers)

    assert (answer.status_code, answer.json()["error"]) == (401, "UnauthorizedAccess")
    assert fashn_simulator.purchases() == []


def test_an_unknown_job_is_not_found(fashn_simulator: Running) -> None:
    with pytest.raises(fashn.NotFoundError):
        vendor(fashn_simulator.url).predictions.status("123a87r9-4129-4bb3-be18-9c9fb5bd7fc1-u1")


# what goes wrong


def test_a_picture_without_a_person_is_a_pose_error_and_refunded(fashn_simulator: Running) -> None:
    result = bought(fashn_simulator.url, LEAST | {"model_image": NOBODY})

    assert (result.status, result.error.name, result.credits_used, result.output) == ("failed", "PoseError", 0, None)
    assert [entry["charged"] for entry in fashn_simulator.purchases()] == [False]


@pytest.mark.parametrize("name", [
    "ImageLoadError", "ContentModerationError", "PoseError", "InputValidationError", "PipelineError", "ThirdPartyError",
    "3rdPartyProviderError", "InternalServerError",
])  # fmt: skip
def test_each_runtime_error_can_be_injected(fashn_simulator: Running, name: str) -> None:
    fashn_simulator.fault(on="status", kind="error", name=name, message="on request", times=1)

    result = bought(fashn_simulator.url)

    assert (result.status, result.error.name, result.error.message) == ("failed", name, "on request")


@pytest.mark.parametrize(("name", "status"), [
    ("BadRequest", 400), ("UnauthorizedAccess", 401), ("NotFound", 404), ("RateLimitExceeded", 429),
    ("ConcurrencyLimitExceeded", 429), ("OutOfCredits", 429), ("InternalServerError", 500),
])  # fmt: skip
def test_each_api_error_arrives_as_the_vendors_client_sees_it(fashn_simulator: Running, name: str, status: int) -> None:
    fashn_simulator.fault(on="submit", kind="error", name=name)

    with pytest.raises(fashn.APIStatusError) as caught:
        bought(fashn_simulator.url)

    assert (caught.value.status_code, caught.value.response.json()["error"]) == (status, name)
    assert fashn_simulator.purchases() == []


def test_the_vendors_client_waits_as_long_as_a_full_vendor_says(fashn_simulator: Running) -> None:
    full = {"on": "submit", "kind": "status", "status": 429, "times": 1}
    client = vendor(fashn_simulator.url).with_options(max_retries=1)

    fashn_simulator.fault(**full, headers={"Retry-After": "0.01"})
    assert client.predictions.run(model_name="tryon-v1.6", inputs=LEAST).id

    fashn_simulator.fault(**full)
    answer = fashn_simulator.call("POST", "/v1/run", json=changed(), headers=KEY)
    assert (answer.status_code, answer.json()["error"]) == (429, "RateLimitExceeded")
    assert "retry-after" not in answer.headers
    assert len(fashn_simulator.purchases()) == 1


def test_a_submit_that_answers_with_a_web_page_is_sold(fashn_simulator: Running) -> None:
    fashn_simulator.fault(on="submit", kind="wrong_type", times=1)

    answer = fashn_simulator.call("POST", "/v1/run", json=changed(), headers=KEY)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert len(fashn_simulator.purchases()) == 1


# the real engine


def test_a_real_person_wears_the_garment(real_previews: Previews) -> None:
    person = Image.open(SAMPLES / "person_b.png")
    with running(Fashn(real_previews).app()) as url:
        worn = data_url(Image.open(SAMPLES / "tee.png"))
        picture = opened(
            bought(url, {"model_image": data_url(person), "garment_image": worn, "category": "tops"}).output[0]
        )

    assert picture.size == person.size
    assert picture.convert("RGB").tobytes() != person.convert("RGB").tobytes()
    assert "preview" in str(picture.info).lower()
