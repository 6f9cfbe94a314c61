"""FASHN's own client, unmodified, on our API: only its base URL and its key are other ones."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import fashn
import httpx
import hypothesis
import pytest
from botocore.exceptions import ClientError
from hypothesis import strategies as st
from PIL import Image

from fitting_room.actions.requests.authenticate import authenticate
from fitting_room.actions.requests.delete import delete_job
from fitting_room.actions.requests.tokens import create_token
from fitting_room.dialects.fashn.request import MODELS
from fitting_room.jobs.job import Job
from fitting_room.stores import aws
from tests.deployment import choose
from tests.integration.dialects.conftest import Api
from tests.integration.world import (
    LIVE,
    LIVE_KEY,
    OTHER_KEY,
    TENANT,
    TEST_KEY,
    Vendor,
    api_key,
    failed,
    finished,
    picture,
)

INPUTS: Any = {"model_image": "https://shop.example/person.png", "garment_image": "https://shop.example/tee.png"}
TOPS: Any = INPUTS | {"category": "tops"}


def data_url(image: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(image).decode()


INLINE: Any = {
    "model_image": data_url(picture(360, 540)),
    "garment_image": data_url(picture(200, 200, "navy")),
    "category": "tops",
}


@pytest.fixture
def both(api: Api, vendor: Vendor) -> Api:
    """FASHN and TryItOn have keys."""
    api.world.configure("fashn", "tryiton")
    vendor.starts = [finished()]
    return api


def run(api: Api, inputs: Any = INLINE, **more: Any) -> Job:
    ran = api.fashn(max_retries=0).predictions.run(model_name="tryon-v1.6", inputs=inputs, **more)
    return api.world.job(ran.id)


# what works
def test_run_poll_and_download_without_a_key(both: Api) -> None:
    client = both.fashn()
    ran = client.predictions.run(model_name="tryon-v1.6", inputs=INLINE)
    assert ran.error is None
    waiting = client.predictions.status(ran.id)
    assert (waiting.id, waiting.status, waiting.output, waiting.error) == (ran.id, "starting", None, None)

    both.world.run(ran.id)
    done = client.predictions.with_raw_response.status(ran.id)
    told = done.parse()
    assert (told.status, told.error, done.headers["x-fashn-credits-used"]) == ("completed", None, "1")
    (link,) = told.output or []
    answer = httpx.get(link, trust_env=False)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert link.endswith("/output_0.png"), "clients name files by the end of a link"
    assert Image.open(io.BytesIO(answer.content)).size == (360, 540)


def test_subscribe_tells_how_it_goes_and_what_it_cost(both: Api) -> None:
    seen = list[str]()

    def look(told: Any) -> None:
        seen.append(told.status)
        if told.status == "starting":
            both.world.run(told.id)

    result = both.fashn().predictions.subscribe(
        model_name="tryon-v1.6", inputs=INLINE | {"num_samples": 1}, poll_interval=1, on_queue_update=look
    )
    assert (seen, result.status, result.credits_used) == (["starting", "completed"], "completed", 1)


@pytest.mark.parametrize("count", [1, 2])
def test_images_come_in_base64_when_asked_for(both: Api, vendor: Vendor, count: int) -> None:
    vendor.starts = [finished(count=count, form="JPEG")]
    job = run(both, INLINE | {"return_base64": True, "num_samples": count, "output_format": "jpeg"})
    both.world.run(job.id)
    output = both.fashn().predictions.status(job.id).output or []
    assert len(output) == count
    for each in output:
        head, _, data = each.partition(",")
        assert head == "data:image/jpeg;base64"
        assert Image.open(io.BytesIO(base64.b64decode(data))).format == "JPEG"


def test_images_that_are_too_large_for_an_answer_come_as_links(both: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fitting_room.dialects.results.MOST_BYTES", 100)
    job = run(both, INLINE | {"return_base64": True})
    both.world.run(job.id)
    (link,) = both.fashn().predictions.status(job.id).output or []
    assert httpx.get(link, trust_env=False).status_code == 302
    assert "X-Amz-Signature" in httpx.get(link, trust_env=False).headers["location"]


def test_fashn_itself_comes_first_and_the_others_after_it(both: Api) -> None:
    assert run(both).plan == ["fashn", "nova_canvas", "tryiton"]
    assert run(both, INLINE | {"segmentation_free": False}).plan == ["fashn"], "no other one can"


def test_where_many_providers_can_a_purchase_has_the_four_fallbacks_that_a_request_takes(both: Api) -> None:
    both.world.configure("fal", "gemini", "aidge")
    assert run(both).plan == ["fashn", "nova_canvas", "tryiton", "fal", "aidge"]


def test_another_provider_serves_while_fashn_is_dead(
    both: Api, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(monkeypatch, provider_order=["tryiton"])
    vendor.starts = [failed("provider_unavailable"), finished()]
    job = run(both)
    both.world.run(job.id)
    answer = both.call("GET", f"/fashn/v1/status/{job.id}")
    assert (answer.json()["status"], answer.headers["x-fitting-room-provider"]) == ("completed", "tryiton")


def test_without_a_key_for_fashn_auto_decides(api: Api, vendor: Vendor) -> None:
    api.world.configure("tryiton")
    assert run(api).plan == ["nova_canvas", "tryiton"]


def test_a_model_that_costs_more_is_asked_for_by_its_name(both: Api) -> None:
    inputs: Any = {"model_image": INLINE["model_image"], "product_image": INLINE["garment_image"], "prompt": "tuck in"}
    ran = both.fashn().predictions.run(model_name="tryon-max", inputs=inputs)
    assert both.world.job(ran.id).request.provider == "fashn/tryon-max"


def test_a_test_key_makes_sandbox_jobs_for_nothing(api: Api) -> None:
    ran = api.fashn(TEST_KEY).predictions.run(model_name="tryon-v1.6", inputs=INLINE)
    job = api.world.job(ran.id)
    assert (job.mode, job.plan, job.reserved) == ("test", ["sandbox"], None)


def test_headers_name_the_owner_whose_jobs_can_be_erased_together(both: Api) -> None:
    headers = {"x-fitting-room-owner": "shopper-8812", "x-fitting-room-reference": "A-1"}
    job = run(both, extra_headers=headers)
    assert (job.owner, job.request.reference) == ("shopper-8812", "A-1")
    status, _, message = refusal(both, INLINE, extra_headers={"x-fitting-room-owner": "x" * 200})
    assert (status, message.partition(":")[0]) == (400, "owner")


def test_credits_are_the_images_left_of_the_day(both: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    assert both.call("GET", "/fashn/v1/credits").json() == {
        "credits": {"total": 10, "subscription": 10, "on_demand": 0}
    }
    run(both)
    assert both.call("GET", "/fashn/v1/credits").json()["credits"]["total"] == 9
    assert both.call("GET", "/fashn/v1/credits", TEST_KEY).json()["credits"]["total"] == 500
    choose(monkeypatch, daily_images=10, daily_usd=0.01)
    assert both.call("GET", "/fashn/v1/credits").json()["credits"]["total"] == 0, "the day's money is used up"


# what is refused
def refusal(api: Api, inputs: Any, **more: Any) -> tuple[int, str, str]:
    with pytest.raises(fashn.APIStatusError) as refused:
        run(api, inputs, **more)
    body: Any = refused.value.body
    assert set(body) == {"error", "message"}
    return refused.value.status_code, body["error"], body["message"]


def test_a_webhook_is_refused_by_its_name(both: Api) -> None:
    status, name, message = refusal(both, INLINE, webhook_url="https://shop.example/hook")
    assert (status, name) == (400, "BadRequest")
    assert message.startswith("webhook_url: ")
    assert "POST /v1/jobs" in message
    assert both.jobs() == []


def test_all_faults_are_told_with_the_vendors_names(both: Api) -> None:
    status, name, message = refusal(
        both, {"model_image": "http://shop.example/a.png", "garment_image": "saved:x", "num_samples": 9, "categry": 1}
    )
    assert (status, name) == (400, "BadRequest")
    for told in ("inputs.garment_image: No models are saved", "inputs.num_samples: ", "Did you mean `category`?"):
        assert told in message


def test_what_our_checks_find_is_told_with_the_vendors_names_too(both: Api) -> None:
    _, _, message = refusal(both, TOPS | {"model_image": "http://shop.example/a.png"})
    assert message.startswith("inputs.model_image: The link is http")


def test_what_no_provider_honours_is_told_for_the_one_that_lacks_least(api: Api) -> None:
    _, name, message = refusal(api, TOPS | {"segmentation_free": False})
    assert name == "BadRequest"
    assert message == (
        "No provider of this deployment does this. inputs.segmentation_free: Amazon Nova Canvas does not take"
        " `inputs.segmentation_free` for the task `try_on`. Leave it out."
    )


def test_where_no_provider_is_there_each_is_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, bedrock_regions={})
    _, _, message = refusal(api, TOPS)
    assert "Ask its operator to store a key for FASHN." in message


def test_a_budget_that_is_used_up_is_told_once_as_out_of_credits(both: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, daily_images=1)
    run(both)
    with pytest.raises(fashn.RateLimitError) as refused:
        both.fashn().predictions.run(model_name="tryon-v1.6", inputs=INLINE | {"seed": 1})
    assert refused.value.body["error"] == "OutOfCredits"  # type: ignore[index]
    assert len(both.sent) == 2, "the client does not try again: nothing changes before tomorrow"


def test_keys_and_their_rights(both: Api) -> None:
    for scope, key in (("read", "fr_live_" + "r" * 32), ("submit", "fr_live_" + "s" * 32)):
        aws.table().put_item(Item={**api_key(key, TENANT, "live"), "scopes": {scope}})
    reader, writer, stranger = "fr_live_" + "r" * 32, "fr_live_" + "s" * 32, "fr_live_" + "x" * 32
    job = run(both)
    body = {"model_name": "tryon-v1.6", "inputs": INLINE}
    shop = authenticate(f"Bearer {LIVE_KEY}", both.world.at)
    token = create_token({"owner": "jane", "garments": ["https://shop.example/"]}, shop, both.world.at)["token"]
    asked = {
        "a token of a shopper": both.call("GET", "/fashn/v1/credits", token),
        "a key that is none": both.call("POST", "/fashn/v1/run", stranger, json=body),
        "no key": both.call("GET", f"/fashn/v1/status/{job.id}", None),
        "read only": both.call("POST", "/fashn/v1/run", reader, json=body),
        "submit only": both.call("GET", f"/fashn/v1/status/{job.id}", writer),
    }
    for what, answer in asked.items():
        assert (answer.status_code, answer.json()["error"]) == (401, "UnauthorizedAccess"), what
    assert both.call("POST", "/fashn/v1/run", writer, json=body).status_code == 200
    assert both.call("GET", f"/fashn/v1/status/{job.id}", reader).status_code == 200
    other = both.call("GET", f"/fashn/v1/status/{job.id}", OTHER_KEY)
    assert (other.status_code, other.json()["error"]) == (404, "NotFound")
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        wrong = both.call(method, "/fashn/v1/run")
        assert (wrong.status_code, wrong.json()["error"]) == (404, "NotFound")
    assert both.call("GET", f"/fashn/v1/status/{job.id}", TEST_KEY).status_code == 404


def test_bodies_that_cannot_be_read(both: Api) -> None:
    for sent, told in (
        ({"content": "{", "headers": {"content-type": "application/json"}}, "not valid JSON"),
        ({"content": "{}", "headers": {"content-type": "text/plain"}}, "not declared as JSON"),
        ({"json": [1]}, "JSON object"),
        ({"json": {"x": "y" * 5_000_001}}, "the limit is 5,000,000"),
    ):
        answer = both.call("POST", "/fashn/v1/run", **sent)
        assert (answer.status_code, answer.json()["error"]) == (400, "BadRequest"), told
        assert told in answer.json()["message"]


def test_a_crash_is_told_in_the_vendors_shape(both: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: Any, **__: Any) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr("fitting_room.dialects.purchase.submit", crash)
    answer = both.call("POST", "/fashn/v1/run", json={"model_name": "tryon-v1.6", "inputs": INLINE})
    assert (answer.status_code, answer.json()["error"]) == (500, "InternalServerError")
    assert "secret" not in answer.text


def test_a_throttled_table_is_told_in_the_vendors_shape(both: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def throttled(*_: Any, **__: Any) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "x"}}, "UpdateItem")

    monkeypatch.setattr("fitting_room.dialects.purchase.submit", throttled)
    answer = both.call("POST", "/fashn/v1/run", json={"model_name": "tryon-v1.6", "inputs": INLINE})
    assert (answer.status_code, answer.json()["error"]) == (429, "RateLimitExceeded")
    assert answer.headers["retry-after"] == "1"


LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
ANYTHING = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner))
FIELDS = st.sampled_from([name for model in MODELS.values() for name in model.model_fields] + ["webhook_url", "x/~y"])


@hypothesis.settings(deadline=None, max_examples=150, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(model=st.sampled_from([*MODELS, "else"]), inputs=st.dictionaries(FIELDS, ANYTHING) | ANYTHING)
def test_whatever_is_sent_is_answered_in_the_vendors_words(both: Api, model: str, inputs: Any) -> None:
    for path, body in (
        ("/fashn/v1/run", {"model_name": model, "inputs": inputs}),
        ("/tryiton/tryon/fashion", inputs),
        ("/tryiton/tryon/clothes", inputs),
    ):
        answer = both.send("POST", path, body)
        assert (answer["statusCode"], set(json.loads(answer["body"]))) == (400, {"error", "message"})


def test_nothing_that_opens_or_shows_a_photo_is_logged(both: Api, logs: io.StringIO) -> None:
    job, link = done(both)
    httpx.get(link, trust_env=False)
    assert job.id in logs.getvalue()
    for secret in (link.rsplit("-", 1)[1].partition("/")[0], LIVE_KEY, INLINE["model_image"][40:80]):
        assert secret not in logs.getvalue()


# links
def done(api: Api) -> tuple[Job, str]:
    job = run(api)
    api.world.run(job.id)
    return job, str(api.call("GET", f"/fashn/v1/status/{job.id}").json()["output"][0])


def test_a_link_lives_for_72_hours_and_a_status_renews_it(both: Api) -> None:
    job, link = done(both)
    both.world.at.sleep(72 * 3600)
    answer = httpx.get(link, trust_env=False)
    assert (answer.status_code, answer.headers["X-Content-Type-Options"]) == (200, "nosniff")
    both.world.at.sleep(3600)
    assert httpx.get(link, trust_env=False).status_code == 404
    again = both.call("GET", f"/fashn/v1/status/{job.id}").json()["output"][0]
    assert httpx.get(again, trust_env=False).status_code == 200


def test_reads_within_an_hour_tell_the_same_link(both: Api) -> None:
    both.world.at.sleep(1)
    job, link = done(both)
    both.world.at.sleep(3599)
    assert both.call("GET", f"/fashn/v1/status/{job.id}").json()["output"] == [link]


def test_erasing_a_job_ends_its_links(both: Api) -> None:
    job, link = done(both)
    delete_job(job.id, LIVE, both.world.at)
    assert httpx.get(link, trust_env=False).status_code == 404, "at once, though the image is still there"
    both.world.erase()
    assert httpx.get(link, trust_env=False).status_code == 404
    assert both.call("GET", f"/fashn/v1/status/{job.id}").status_code == 404


def test_no_link_can_be_made_up(both: Api) -> None:
    job, link = done(both)
    other = run(both, INLINE | {"seed": 5})
    both.world.run(other.id)
    start, _, rest = link.partition(f"{job.id}/")
    until, _, signed = rest.partition("-")
    for forged in (
        f"{start}{other.id}/{rest}",
        f"{start}{job.id}/{int(until) + 3600}-{signed}",
        f"{start}{job.id}/{until}-{'A' * 22}/output_0.png",
        link.replace("output_0", "output_1"),
    ):
        assert httpx.get(forged, trust_env=False).status_code == 404, forged
