"""TryItOn's own client, unmodified, and the calls of its pages, on our API: base URL and key are other ones."""

from __future__ import annotations

import io
from typing import Any

import httpx
import pytest
import requests
from PIL import Image
from tryiton import TryItOn, TryItOnError

from tests.integration.dialects.conftest import Api
from tests.integration.dialects.test_fashn import INLINE
from tests.integration.world import TEST_KEY, Vendor, failed, finished

IMAGES: Any = {name: INLINE[name] for name in ("model_image", "garment_image")}


@pytest.fixture
def both(api: Api, vendor: Vendor) -> Api:
    """FASHN and TryItOn have keys."""
    api.world.configure("fashn", "tryiton")
    vendor.starts = [finished()]
    return api


def test_submit_poll_and_download_without_a_key(both: Api) -> None:
    client = both.tryiton()
    job = client.try_on_fashion(**IMAGES, category="clothing", subcategory="tops")
    waiting = client.get_status(job)
    assert (waiting.status, waiting.output, waiting.error) == ("processing", [], None)
    both.world.run(job)
    (link,) = client.wait_for_result(job, poll_interval=0.01, timeout=1)
    assert Image.open(io.BytesIO(requests.get(link, timeout=5).content)).size == (360, 540)
    assert both.world.job(job).plan[0] == "tryiton"


def test_a_failed_job_raises_with_the_vendors_name_and_our_remedy(both: Api, vendor: Vendor) -> None:
    vendor.starts = [failed("pose_not_found")]
    client = both.tryiton()
    job = client.try_on_fashion(**IMAGES, category="clothing", subcategory="tops")
    both.world.run(job)
    with pytest.raises(TryItOnError) as told:
        client.wait_for_result(job, poll_interval=0.01, timeout=1)
    assert (told.value.error_name, told.value.status) == ("PoseError", None)
    assert str(told.value) == "The vendor's pipeline failed. Try again."


def test_credits(both: Api) -> None:
    told = both.tryiton().get_credits()
    assert (told.on_demand, told.subscription, told.purchased, told.reserved) == (10, 10, 0, 0)
    assert both.tryiton(TEST_KEY).get_credits().on_demand == 500


def test_a_wrong_key(both: Api) -> None:
    with pytest.raises(TryItOnError) as told:
        both.tryiton("fr_live_" + "x" * 32).get_credits()
    assert (told.value.status, told.value.error_name) == (401, "UnauthorizedAccess")


@pytest.mark.parametrize("base", ["/tryiton", "/tryiton/api/v1"])
def test_the_older_call_has_the_older_shapes(both: Api, vendor: Vendor, base: str) -> None:
    body = IMAGES | {"category": "tops"}
    submitted = both.call("POST", f"{base}/tryon/clothes", json=body).json()
    job = submitted["id"]
    assert submitted == {"id": job, "error": None}
    waiting = both.call("GET", f"{base}/status/{job}").json()
    assert waiting == {"id": job, "status": "processing", "output": [], "error": None}
    both.world.run(job)
    done = both.call("GET", f"{base}/status/{job}").json()
    assert {**done, "output": len(done["output"])} == {"id": job, "status": "completed", "output": 1, "error": None}
    vendor.starts = [failed("content_blocked")]
    job = both.call("POST", f"{base}/tryon/clothes", json=body | {"seed": 1}).json()["id"]
    both.world.run(job)
    assert both.call("GET", f"{base}/status/{job}").json() == {
        "id": job,
        "status": "failed",
        "error": {"name": "ContentModerationError", "message": "The vendor's pipeline failed. Try again."},
    }


def test_the_newer_call_has_the_newer_shapes(both: Api) -> None:
    body = IMAGES | {"category": "clothing", "subcategory": "tops"}
    submitted = both.call("POST", "/tryiton/tryon/fashion", json=body).json()
    assert submitted == {"ok": True, "jobId": submitted["jobId"]}
    assert both.call("GET", f"/tryiton/status/{submitted['jobId']}").json() == {
        "ok": True,
        "status": "processing",
        "output": [],
        "error": None,
    }


@pytest.mark.parametrize(
    ("path", "more", "told"),
    [
        ("fashion", {"seed": 3}, "seed: The newer call has no such field."),
        (
            "fashion",
            {"category": "clothing"},
            "subcategory: The category clothing needs one. Send tops, bottoms, dresses.",
        ),
        ("fashion", {"webhook_url": "https://shop.example"}, "webhook_url: This vendor's webhooks are not sent"),
        ("clothes", {"callback": "https://shop.example"}, "callback: This vendor's webhooks are not sent"),
        ("clothes", {"num_samples": 5}, "num_samples: The number is too large. Send a whole number from 1 to 4."),
        ("clothes", {"category": "dresses"}, "category: There is no such value."),
    ],
)
def test_refusals_name_the_field_and_the_remedy(both: Api, path: str, more: dict[str, Any], told: str) -> None:
    answer = both.call("POST", f"/tryiton/tryon/{path}", json=IMAGES | more)
    assert (answer.status_code, answer.json()["error"]) == (400, "BadRequest")
    assert answer.json()["message"].startswith(told)
    assert both.jobs() == []


@pytest.mark.parametrize("kind", ["hairstyle", "tattoo"])
def test_what_nobody_here_does_is_not_found(both: Api, kind: str) -> None:
    client: TryItOn = both.tryiton()
    body: Any = {"haircut": "Afro"} if kind == "hairstyle" else {"design_image": "https://shop.example/a.png"}
    image = {"hairstyle": "face_image", "tattoo": "body_image"}[kind]
    with pytest.raises(TryItOnError) as told:
        getattr(client, f"try_on_{kind}")(**{image: "https://shop.example/a.png"}, **body)
    assert (told.value.status, told.value.error_name) == (404, "NotFound")
    assert f"No provider here does a try-on of `{kind}`." in str(told.value)


def test_the_client_sends_a_purchase_once_even_if_its_connection_breaks(both: Api) -> None:
    both.cuts = ["after"]
    with pytest.raises(TryItOnError) as told:
        both.tryiton().try_on_fashion(**IMAGES, category="clothing", subcategory="tops")
    assert told.value.error_name == "NetworkError"
    assert len(both.sent) == len(both.jobs()) == 1


def test_unknown_paths(both: Api) -> None:
    for method, path, status in (
        ("GET", "/tryiton/nothing", 404),
        ("POST", "/tryiton/credits", 404),
        ("GET", "/nobody/v1", 404),
        ("GET", "/results/x", 404),
    ):
        answer = both.call(method, path)
        assert answer.status_code == status, path
    assert "POST /tryon/fashion" in both.call("GET", "/tryiton/nothing").json()["message"]
    assert httpx.get(f"{both.url}/dialects", trust_env=False).status_code == 404
