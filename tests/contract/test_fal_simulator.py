"""The fal simulator against its documents, and against the vendor's own Python client, which buys from it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import fal_client
import httpx
import pytest
from fal_client import client as fal_urls
from PIL import Image

from tests.contract.clothes import GARMENT, NOBODY, PERSON, SIZE
from tests.contract.conftest import Running
from tests.contract.vendor import Vendor
from tests.contract.vendor import vendor as receiver

KEY = {"authorization": "Key sim-key"}
FASHN = "fal-ai/fashn/tryon/v1.6"
FLUX = "fal-ai/flux-pro/v1/vto"
BANANA = "fal-ai/nano-banana-2/edit"
GPT = "openai/gpt-image-2/edit"
CLOTHES = {"model_image": PERSON, "garment_image": GARMENT}
BODIES: dict[str, dict[str, Any]] = {
    FASHN: CLOTHES,
    FLUX: {"prompt": "The person of image 1", "human_image_url": PERSON, "garment_image_url": GARMENT},
    BANANA: {"prompt": "Image 2 shows the person.", "image_urls": [GARMENT, PERSON], "aspect_ratio": "3:4"},
    GPT: {"prompt": "Image 2 shows the person.", "image_urls": [GARMENT, PERSON]},
}


@pytest.fixture
def client(fal_simulator: Running, monkeypatch: pytest.MonkeyPatch) -> fal_client.SyncClient:
    monkeypatch.setattr(fal_urls, "QUEUE_URL_FORMAT", f"{fal_simulator.url}/")
    return fal_client.SyncClient(key="sim-key", default_timeout=20)


@pytest.fixture
def shop() -> Iterator[Vendor]:
    with receiver() as told:
        yield told


def done(handle: Any) -> Any:
    """The result once the status says completed."""
    for status in handle.iter_events(interval=0.01):
        last = status
    assert isinstance(last, fal_client.Completed)
    return handle.get()


@pytest.mark.parametrize("model", BODIES)
def test_the_vendors_client_submits_waits_and_gets_the_images(
    fal_simulator: Running, client: fal_client.SyncClient, model: str
) -> None:
    [image] = done(client.submit(model, BODIES[model]))["images"]
    picture = Image.open(io.BytesIO(httpx.get(image["url"]).raise_for_status().content))
    assert picture.size == (864, 1152) if model == BANANA else picture.size == SIZE
    [purchase] = fal_simulator.purchases()
    assert (purchase["model"], purchase["images"], purchase["charged"]) == (model, 1, True)


def test_a_request_goes_through_the_documented_words(fal_simulator: Running, client: fal_client.SyncClient) -> None:
    fal_simulator.fault(on="status", kind="never_finish", times=2)
    handle = client.submit(FASHN, CLOTHES)
    while not fal_simulator.purchases()[0]["charged"]:
        pass
    seen = [type(handle.status()) for _ in range(3)]
    assert seen == [fal_client.Queued, fal_client.InProgress, fal_client.Completed]


def test_a_completed_request_may_have_failed(fal_simulator: Running, client: fal_client.SyncClient) -> None:
    handle = client.submit(FASHN, CLOTHES | {"model_image": NOBODY})
    with pytest.raises(fal_client.FalClientHTTPError) as caught:
        done(handle)
    assert caught.value.status_code == 422
    assert caught.value.response.json()["detail"][0]["type"] == "no_media_generated"


def test_the_vendors_client_cancels_what_waits(fal_simulator: Running, client: fal_client.SyncClient) -> None:
    fal_simulator.simulator._seconds = 3600  # type: ignore[attr-defined]
    handle = client.submit(FASHN, CLOTHES)
    handle.cancel()
    assert isinstance(handle.status(), fal_client.Completed)
    assert [purchase["charged"] for purchase in fal_simulator.purchases()] == [False]
    assert fal_simulator.call("PUT", _path(handle) + "/cancel", headers=KEY).json() == {"status": "ALREADY_COMPLETED"}


def test_a_webhook_tells_the_output(fal_simulator: Running, client: fal_client.SyncClient, shop: Vendor) -> None:
    handle = client.submit(FASHN, CLOTHES, webhook_url=f"{shop.url}/callbacks/fal/token")
    output = done(handle)
    while not shop.requests:
        pass
    [got] = shop.requests
    assert (got.path, got.body["request_id"], got.body["status"]) == ("/callbacks/fal/token", handle.request_id, "OK")
    assert got.body["payload"] == output


def test_only_an_admin_key_deletes_what_was_made(fal_simulator: Running, client: fal_client.SyncClient) -> None:
    handle = client.submit(FASHN, CLOTHES)
    [image] = done(handle)["images"]
    path = f"/requests/delete_io/{handle.request_id}"
    assert fal_simulator.call("PUT", path, headers=KEY).status_code == 403
    assert httpx.get(image["url"]).status_code == 200
    admin = {"authorization": "Key sim-key:admin"}
    fal_simulator.fault(on="delete", kind="partial", times=1)
    [kept] = fal_simulator.call("PUT", path, headers=admin).json()["CDN_DELETE_RESULTS"]
    assert kept["link"] == image["url"] and kept["exception"]
    assert httpx.get(image["url"]).status_code == 200
    [gone] = fal_simulator.call("PUT", path, headers=admin).json()["CDN_DELETE_RESULTS"]
    assert gone == {"link": image["url"], "exception": None}
    assert httpx.get(image["url"]).status_code == 404


@pytest.mark.parametrize(
    ("model", "change", "says"),
    [
        (FASHN, {"category": "dresses"}, "category"),
        (FASHN, {"num_samples": 5}, "num_samples"),
        (FASHN, {"model_image": "person.png"}, "model_image"),
        (FASHN, {"subcategory": "tops"}, "subcategory"),
        (FLUX, {"prompt": ""}, "prompt"),
        (BANANA, {"image_urls": []}, "image_urls"),
        (BANANA, {"resolution": "8K"}, "resolution"),
        (BANANA, {"aspect_ratio": "7:5"}, "aspect_ratio"),
        (GPT, {"quality": "best"}, "quality"),
    ],
)
def test_a_request_broken_in_one_place_is_refused_and_not_sold(
    fal_simulator: Running, model: str, change: dict[str, Any], says: str
) -> None:
    answer = fal_simulator.call("POST", f"/{model}", json=BODIES[model] | change, headers=KEY)
    assert answer.status_code == 422
    assert says in answer.json()["detail"][0]["loc"]
    assert fal_simulator.purchases() == []


def test_a_model_has_its_own_largest_image(fal_simulator: Running, client: fal_client.SyncClient) -> None:
    """FLUX VTO: a garment of at most one megapixel."""
    from tests.contract.clothes import data_url

    large = data_url(Image.new("RGB", (1200, 1000), "teal"))
    with pytest.raises(fal_client.FalClientHTTPError) as caught:
        done(client.submit(FLUX, BODIES[FLUX] | {"garment_image_url": large}))
    assert caught.value.response.json()["detail"][0]["type"] == "image_load_error"


@pytest.mark.parametrize(("method", "path"), [("POST", f"/{FASHN}"), ("GET", "/fal-ai/fashn/requests/x/status")])
def test_every_call_needs_a_key(fal_simulator: Running, method: str, path: str) -> None:
    for headers in ({}, {"authorization": "Bearer sim-key"}):
        answer = fal_simulator.call(method, path, json=CLOTHES if method == "POST" else None, headers=headers)
        assert answer.status_code == 401
    assert fal_simulator.purchases() == []


def _path(handle: Any) -> str:
    return httpx.URL(handle.response_url).path
