"""The TryItOn simulator against the vendor's own Python client, and against each documented rule, one row a rule."""

from __future__ import annotations

import http.server
import io
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from PIL import Image
from tryiton import TryItOn as Client
from tryiton import TryItOnError

from local.simulators.kit.previews import Previews
from local.simulators.kit.server import running
from local.simulators.predictions.tryiton import TryItOn
from tests.contract.clothes import GARMENT, KEY, NOBODY, PERSON, REMOVED, SIZE, data_url
from tests.contract.conftest import SAMPLES, Running, StandInEngine, encoded

FASHION, CLOTHES = "/api/v1/tryon/fashion", "/api/v1/tryon/clothes"

FASHION_BODY = {
    "model_image": PERSON, "garment_image": GARMENT, "category": "clothing", "subcategory": "tops", "mode": "quality",
    "num_samples": 1, "output_format": "png", "moderation_level": "none",
}  # fmt: skip
CLOTHES_BODY = {
    "model_image": PERSON, "garment_image": GARMENT, "category": "bottoms", "segmentation_free": False,
    "moderation_level": "conservative", "garment_photo_type": "flat-lay", "mode": "performance", "seed": 2**32 - 1,
    "num_samples": 1, "output_format": "jpeg",
}  # fmt: skip


def changed(original: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {key: value for key, value in (original | fields).items() if value is not REMOVED}


def vendor(simulator: Running) -> Client:
    return Client("sim-key", base_url=f"{simulator.url}/api/v1", timeout=10)


def wait(client: Client, job: str) -> list[str]:
    return list(client.wait_for_result(job, poll_interval=0.01, timeout=60))


def ended(simulator: Running, job: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while True:
        status: dict[str, Any] = simulator.call("GET", f"/api/v1/status/{job}", headers=KEY).json()
        if status["status"] != "processing":
            return status
        assert time.monotonic() < deadline, "the job does not end"


def opened(url: str) -> Image.Image:
    return Image.open(io.BytesIO(httpx.get(url).raise_for_status().content))


# what works


def test_the_vendors_client_runs_a_job_to_its_picture(tryiton_simulator: Running) -> None:
    client = vendor(tryiton_simulator)

    job = client.try_on_fashion(model_image=PERSON, garment_image=GARMENT, category="clothing", subcategory="tops")
    (url,) = wait(client, job)

    assert opened(url).size == SIZE
    (purchase,) = tryiton_simulator.purchases()
    assert (purchase["id"], purchase["charged"], purchase["credits"]) == (job, True, 1)


def test_only_the_two_images_are_required(tryiton_simulator: Running) -> None:
    client = vendor(tryiton_simulator)

    assert wait(client, client.try_on_fashion(model_image=PERSON, garment_image=GARMENT))


def test_answers_have_the_documented_shapes(tryiton_simulator: Running) -> None:
    new = tryiton_simulator.call("POST", FASHION, json=FASHION_BODY, headers=KEY).json()
    old = tryiton_simulator.call("POST", CLOTHES, json=CLOTHES_BODY, headers=KEY).json()

    assert new == {"ok": True, "jobId": new["jobId"]}
    # "id": "64b7f1a9d9a3b8e5c7f9a123", "error": null
    assert old == {"id": old["id"], "error": None}
    assert len(old["id"]) == len("64b7f1a9d9a3b8e5c7f9a123")
    assert set(ended(tryiton_simulator, new["jobId"])) == {"ok", "status", "output", "error"}
    assert set(ended(tryiton_simulator, old["id"])) == {"id", "status", "output", "error"}


def test_a_failed_job_of_the_legacy_endpoint_has_the_documented_shape(tryiton_simulator: Running) -> None:
    tryiton_simulator.fault(on="status", kind="error", name="ImageLoadError", message="not found (404).", times=1)

    job = tryiton_simulator.call("POST", CLOTHES, json=CLOTHES_BODY, headers=KEY).json()["id"]

    # {"id": ..., "status": "failed", "error": {"name": "ImageLoadError", "message": ...}}
    error = {"name": "ImageLoadError", "message": "not found (404)."}
    assert ended(tryiton_simulator, job) == {"id": job, "status": "failed", "error": error}


@pytest.mark.parametrize(("field", "values"), [
    ("category", ["auto", "tops", "bottoms", "one-pieces"]), ("segmentation_free", [True, False]),
    ("moderation_level", ["conservative", "permissive", "none"]), ("garment_photo_type", ["auto", "flat-lay", "model"]),
    ("mode", ["performance", "balanced", "quality"]), ("seed", [0, 2**32 - 1]), ("num_samples", [1, 4]),
    ("output_format", ["png", "jpeg"]),
])  # fmt: skip
def test_the_legacy_endpoint_takes_every_documented_value(
    tryiton_simulator: Running, field: str, values: list[Any]
) -> None:
    bodies = [{"model_image": PERSON, "garment_image": GARMENT, field: value} for value in values]

    answers = [tryiton_simulator.call("POST", CLOTHES, json=body, headers=KEY) for body in bodies]

    assert [answer.status_code for answer in answers] == [200] * len(values)


@pytest.mark.parametrize("format", ["png", "jpeg"])
def test_the_output_format_is_honoured(tryiton_simulator: Running, format: str) -> None:
    client = vendor(tryiton_simulator)

    (url,) = wait(client, client.try_on_fashion(model_image=PERSON, garment_image=GARMENT, output_format=format))

    assert opened(url).format == format.upper()
    assert httpx.get(url).headers["content-type"] == f"image/{format}"


def test_a_large_picture_comes_back_in_its_aspect_within_864x1296(tryiton_simulator: Running) -> None:
    client = vendor(tryiton_simulator)
    wide = data_url(Image.linear_gradient("L").resize((1728, 1000)).convert("RGB"))

    (url,) = wait(client, client.try_on_fashion(model_image=wide, garment_image=GARMENT))

    assert opened(url).size == (864, 500)


def test_a_sideways_photo_is_turned_upright(tryiton_simulator: Running) -> None:
    client = vendor(tryiton_simulator)
    exif = Image.Exif()
    exif[0x0112] = 6
    sideways = Image.linear_gradient("L").resize(SIZE).convert("RGB")
    url = f"data:image/jpeg;base64,{encoded(sideways, 'jpeg', exif=exif)}"

    assert opened(wait(client, client.try_on_fashion(model_image=url, garment_image=GARMENT))[0]).size == SIZE[::-1]


def test_each_image_costs_a_credit_reserved_first_and_charged_on_success(engine: StandInEngine) -> None:
    previews = Previews(engine)
    with running(TryItOn(previews, credits=20, seconds=1.5).app()) as url:
        client = Client("sim-key", base_url=f"{url}/api/v1")
        job = client.try_on_fashion(model_image=PERSON, garment_image=GARMENT, num_samples=3)
        during = client.get_credits()
        pictures = wait(client, job)
        after = client.get_credits()
    previews.close()

    assert len(set(pictures)) == 3
    assert (during.purchased, during.reserved, during.on_demand) == (20, 3, 17)
    assert (after.purchased, after.reserved, after.on_demand) == (17, 0, 17)


def test_without_credits_a_submit_is_refused_and_not_sold(tryiton_simulator: Running) -> None:
    client = vendor(tryiton_simulator)
    for _ in range(5):
        wait(client, client.try_on_fashion(model_image=PERSON, garment_image=GARMENT, num_samples=4))

    with pytest.raises(TryItOnError) as caught:
        client.try_on_fashion(model_image=PERSON, garment_image=GARMENT)

    assert (caught.value.status, caught.value.error_name) == (429, "OutOfCredits")
    assert len(tryiton_simulator.purchases()) == 5


def test_what_the_request_asks_reaches_the_engine(tryiton_simulator: Running, engine: StandInEngine) -> None:
    job = tryiton_simulator.call("POST", CLOTHES, json=changed(CLOTHES_BODY, seed=77), headers=KEY).json()["id"]

    assert ended(tryiton_simulator, job)["status"] == "completed"
    assert (engine.calls[-1]["region"], engine.calls[-1]["seed"]) == ("lower", 77)


def test_one_piece_garments_and_footwear_are_drawn_where_they_are_worn(
    tryiton_simulator: Running, engine: StandInEngine
) -> None:
    dress = changed(CLOTHES_BODY, category="one-pieces", seed=78)
    job = tryiton_simulator.call("POST", CLOTHES, json=dress, headers=KEY).json()["id"]
    assert ended(tryiton_simulator, job)["status"] == "completed"
    assert (engine.calls[-1]["region"], engine.calls[-1]["seed"]) == ("full", 78)

    shoes = {"model_image": PERSON, "garment_image": GARMENT, "category": "footwear"}
    job = tryiton_simulator.call("POST", FASHION, json=shoes, headers=KEY).json()["jobId"]
    assert ended(tryiton_simulator, job)["status"] == "completed"
    assert engine.calls[-1]["region"] == "foot"


# pictures by URL


@pytest.fixture
def pictures_at() -> Iterator[Callable[..., str]]:
    """Serves one answer on loopback: `pictures_at(status, content_type, body)` is its URL."""
    answer: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, content_type, body = answer
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def put(status: int, content_type: str, body: bytes) -> str:
        answer[:] = [status, content_type, body]
        return f"http://127.0.0.1:{server.server_port}/person"

    yield put
    server.shutdown()
    server.server_close()


def test_a_picture_is_fetched_from_a_loopback_url(tryiton_simulator: Running, pictures_at: Callable[..., str]) -> None:
    client = vendor(tryiton_simulator)
    url = pictures_at(200, "image/png", (SAMPLES / "person_a.png").read_bytes())

    assert wait(client, client.try_on_fashion(model_image=url, garment_image=GARMENT))


@pytest.mark.parametrize(("answer", "says"), [
    # "The image could not be found at the specified URL (404)."
    ((404, "image/png", b""), "could not be found at the specified URL (404)"),
    # "Verify that the `Content-Type` header specifies the correct image format"
    ((200, "text/html", b"<html>"), "Content-Type"),
    ((200, "image/png", b"<html>"), "not an image"),
])  # fmt: skip
def test_a_picture_that_cannot_be_fetched_is_an_image_load_error(
    tryiton_simulator: Running, pictures_at: Callable[..., str], answer: tuple[int, str, bytes], says: str
) -> None:
    client = vendor(tryiton_simulator)

    with pytest.raises(TryItOnError) as caught:
        wait(client, client.try_on_fashion(model_image=pictures_at(*answer), garment_image=GARMENT))

    assert caught.value.error_name == "ImageLoadError"
    assert says in str(caught.value)
    assert [entry["charged"] for entry in tryiton_simulator.purchases()] == [False]


def test_nothing_is_fetched_from_elsewhere(tryiton_simulator: Running) -> None:
    client = vendor(tryiton_simulator)

    with pytest.raises(TryItOnError, match="fetches from nowhere else"):
        wait(client, client.try_on_fashion(model_image="http://192.0.2.1/person.png", garment_image=GARMENT))


# what is refused: (path, a request broken in one place, what the refusal says)

RULES: list[tuple[str, dict[str, Any], str]] = [
    # "model_image", "garment_image": Required Parameters
    (FASHION, changed(FASHION_BODY, model_image=REMOVED), "model_image is required"),
    (FASHION, changed(FASHION_BODY, garment_image=REMOVED), "garment_image is required"),
    # "Base64 images must include the proper prefix"
    (FASHION, changed(FASHION_BODY, model_image=PERSON.partition(",")[2]), "model_image: Value error, must be an http"),
    (FASHION, changed(FASHION_BODY, garment_image="garment.png"), "garment_image: Value error, must be an http"),
    (FASHION, changed(FASHION_BODY, garment_image="data:text/plain;base64,AAAA"), "prefix data:image"),
    (FASHION, changed(FASHION_BODY, model_image=7), "model_image"),
    # auto | clothing | eyewear | footwear | headwear | jewelry | accessories | others
    (FASHION, changed(FASHION_BODY, category="tops"), "category"),
    (FASHION, changed(FASHION_BODY, category=None), "category must not be null"),
    # "`clothing`, `jewelry`, and `accessories` require a `subcategory`"
    (FASHION, changed(FASHION_BODY, subcategory=REMOVED), "subcategory is required for category clothing"),
    (FASHION, {"model_image": PERSON, "garment_image": GARMENT, "category": "jewelry"}, "subcategory is required"),
    (FASHION, {"model_image": PERSON, "garment_image": GARMENT, "category": "accessories"}, "subcategory is required"),
    (FASHION, changed(FASHION_BODY, subcategory="one-pieces"), "tops, bottoms or dresses"),
    (FASHION, changed(FASHION_BODY, category="auto"), "subcategory does not apply"),
    # mode performance|balanced|quality, moderation_level: clothing only
    (FASHION, changed(FASHION_BODY, mode="fast"), "mode"),
    (FASHION, changed(FASHION_BODY, moderation_level="strict"), "moderation_level"),
    (FASHION, {"model_image": PERSON, "garment_image": GARMENT, "category": "footwear", "mode": "quality"}, "mode"),
    # "num_samples is 1-4", "output_format is png or jpeg"
    (FASHION, changed(FASHION_BODY, num_samples=0), "num_samples"),
    (FASHION, changed(FASHION_BODY, num_samples=5), "num_samples"),
    (FASHION, changed(FASHION_BODY, num_samples="2"), "num_samples"),
    (FASHION, changed(FASHION_BODY, output_format="webp"), "output_format"),
    # dropped in v1.0.0 of the vendor's client
    (FASHION, changed(FASHION_BODY, seed=42), "unknown parameter seed"),
    (FASHION, changed(FASHION_BODY, segmentation_free=True), "unknown parameter segmentation_free"),
    (FASHION, changed(FASHION_BODY, garment_photo_type="auto"), "unknown parameter garment_photo_type"),
    # the legacy page: 'auto' | 'tops' | 'bottoms' | 'one-pieces'
    (CLOTHES, changed(CLOTHES_BODY, category="clothing"), "category"),
    (CLOTHES, changed(CLOTHES_BODY, subcategory="tops"), "unknown parameter subcategory"),
    (CLOTHES, changed(CLOTHES_BODY, segmentation_free="yes"), "segmentation_free"),
    (CLOTHES, changed(CLOTHES_BODY, garment_photo_type="flat_lay"), "garment_photo_type"),
    # "Min: 0, Max: 2^32 - 1"
    (CLOTHES, changed(CLOTHES_BODY, seed=2**32), "seed"),
    (CLOTHES, changed(CLOTHES_BODY, seed=-1), "seed"),
    # ours: validated in full, but not drawn
    (FASHION, {"model_image": PERSON, "garment_image": GARMENT, "category": "eyewear"}, "clothing and footwear only"),
    (FASHION, {"model_image": PERSON, "garment_image": GARMENT, "category": "headwear"}, "clothing and footwear only"),
]


@pytest.mark.parametrize(("path", "request_body", "says"), RULES)
def test_a_request_broken_in_one_place_is_refused_and_not_sold(
    tryiton_simulator: Running, path: str, request_body: dict[str, Any], says: str
) -> None:
    answer = tryiton_simulator.call("POST", path, json=request_body, headers=KEY)

    assert (answer.status_code, answer.json()["error"]) == (400, "BadRequest")
    assert says in answer.json()["message"]
    assert tryiton_simulator.purchases() == []


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer other"}, {"authorization": "sim-key"}])
@pytest.mark.parametrize(("method", "path"), [
    ("POST", FASHION), ("POST", CLOTHES), ("GET", "/api/v1/status/x"), ("GET", "/api/v1/credits"),
])  # fmt: skip
def test_every_call_needs_a_key(tryiton_simulator: Running, method: str, path: str, headers: dict[str, str]) -> None:
    answer = tryiton_simulator.call(method, path, json=FASHION_BODY if method == "POST" else None, headers=headers)

    assert (answer.status_code, answer.json()["error"]) == (401, "UnauthorizedAccess")
    assert tryiton_simulator.purchases() == []


def test_an_unknown_job_is_not_found(tryiton_simulator: Running) -> None:
    with pytest.raises(TryItOnError) as caught:
        vendor(tryiton_simulator).get_status("64b7f1a9d9a3b8e5c7f9a123")

    assert (caught.value.status, caught.value.error_name) == (404, "NotFound")


# jobs that fail


def test_a_data_url_that_holds_no_picture_is_an_image_load_error(tryiton_simulator: Running) -> None:
    client = vendor(tryiton_simulator)

    with pytest.raises(TryItOnError) as caught:
        wait(client, client.try_on_fashion(model_image="data:image/png;base64,AAAA", garment_image=GARMENT))

    assert caught.value.error_name == "ImageLoadError"


def test_a_picture_without_a_person_is_a_pose_error_and_refunded(tryiton_simulator: Running) -> None:
    client = vendor(tryiton_simulator)

    with pytest.raises(TryItOnError) as caught:
        wait(client, client.try_on_fashion(model_image=NOBODY, garment_image=GARMENT))

    # "you won't be charged for failed attempts"
    assert caught.value.error_name == "PoseError"
    assert [entry["charged"] for entry in tryiton_simulator.purchases()] == [False]
    assert client.get_credits().on_demand == 20


@pytest.mark.parametrize("name", [
    "ImageLoadError", "ContentModerationError", "PoseError", "PipelineError", "ThirdPartyError", "ProcessingError",
])  # fmt: skip
def test_each_runtime_error_can_be_injected_and_is_refunded(tryiton_simulator: Running, name: str) -> None:
    client = vendor(tryiton_simulator)
    tryiton_simulator.fault(on="status", kind="error", name=name, message="on request", times=1)
    job = client.try_on_fashion(model_image=PERSON, garment_image=GARMENT)

    for _ in range(2):
        status = client.get_status(job)
        assert (status.status, status.error) == ("failed", {"name": name, "message": "on request"})
        assert status.output == []
    assert [entry["charged"] for entry in tryiton_simulator.purchases()] == [False]
    assert client.get_credits().on_demand == 20


def test_hair_and_tattoos_are_not_offered(tryiton_simulator: Running) -> None:
    client = vendor(tryiton_simulator)

    with pytest.raises(TryItOnError, match="no hairstyle") as hair:
        client.try_on_hairstyle(face_image=PERSON, haircut="BobCut")
    with pytest.raises(TryItOnError, match="no tattoo"):
        client.try_on_tattoo(body_image=PERSON, design_image=GARMENT)

    assert (hair.value.status, hair.value.error_name) == (404, "NotFound")
    assert tryiton_simulator.purchases() == []


# faults


@pytest.mark.parametrize(("name", "status"), [
    ("OutOfCredits", 429), ("RateLimitExceeded", 429), ("ConcurrencyLimitExceeded", 429), ("InternalServerError", 500),
])  # fmt: skip
def test_each_api_error_arrives_as_the_vendors_client_sees_it(
    tryiton_simulator: Running, name: str, status: int
) -> None:
    tryiton_simulator.fault(on="submit", kind="error", name=name, headers={"retry-after": "3"})

    with pytest.raises(TryItOnError) as caught:
        vendor(tryiton_simulator).try_on_fashion(model_image=PERSON, garment_image=GARMENT)
    raw = tryiton_simulator.call("POST", FASHION, json=FASHION_BODY, headers=KEY)

    assert (caught.value.status, caught.value.error_name) == (status, name)
    assert raw.headers["retry-after"] == "3"
    assert tryiton_simulator.purchases() == []


def test_a_client_that_gives_up_on_a_late_submit_has_been_charged(tryiton_simulator: Running) -> None:
    tryiton_simulator.fault(on="submit", kind="delay", seconds=60, times=1)

    with pytest.raises(httpx.ReadTimeout):
        tryiton_simulator.call("POST", FASHION, json=FASHION_BODY, headers=KEY, timeout=httpx.Timeout(10, read=1))

    (purchase,) = tryiton_simulator.purchases()
    assert ended(tryiton_simulator, purchase["id"])["status"] == "completed"


@pytest.mark.parametrize(("kind", "sold"), [("drop_before", 0), ("drop_after", 1)])
def test_a_connection_dropped_before_or_after_the_purchase(tryiton_simulator: Running, kind: str, sold: int) -> None:
    tryiton_simulator.fault(on="submit", kind=kind, times=1)

    with pytest.raises(httpx.RemoteProtocolError):
        tryiton_simulator.call("POST", FASHION, json=FASHION_BODY, headers=KEY)

    assert len(tryiton_simulator.purchases()) == sold


def test_a_malformed_submit_answer_is_sold(tryiton_simulator: Running) -> None:
    tryiton_simulator.fault(on="submit", kind="malformed", body="<html>", times=1)

    assert tryiton_simulator.call("POST", FASHION, json=FASHION_BODY, headers=KEY).text == "<html>"
    assert len(tryiton_simulator.purchases()) == 1


def test_a_job_that_never_finishes_until_the_fault_is_cleared(tryiton_simulator: Running) -> None:
    client = vendor(tryiton_simulator)
    tryiton_simulator.fault(on="status", kind="never_finish")
    job = client.try_on_fashion(model_image=PERSON, garment_image=GARMENT)

    with pytest.raises(TryItOnError, match="Timed out"):
        client.wait_for_result(job, poll_interval=0.01, timeout=0.2)
    tryiton_simulator.call("DELETE", "/_sim/faults")

    assert wait(client, job)


def test_a_status_call_can_fail_and_the_next_one_work(tryiton_simulator: Running) -> None:
    client = vendor(tryiton_simulator)
    job = client.try_on_fashion(model_image=PERSON, garment_image=GARMENT)
    tryiton_simulator.fault(on="status", kind="status", status=500, times=1)

    with pytest.raises(TryItOnError) as caught:
        client.get_status(job)

    assert (caught.value.status, caught.value.error_name) == (500, "InternalServerError")
    assert wait(client, job)


@pytest.mark.parametrize("status", [403, 404])
def test_an_output_url_can_expire(tryiton_simulator: Running, status: int) -> None:
    client = vendor(tryiton_simulator)
    (url,) = wait(client, client.try_on_fashion(model_image=PERSON, garment_image=GARMENT))
    tryiton_simulator.fault(on="result", kind="status", status=status, times=1)

    assert httpx.get(url).status_code == status
    assert httpx.get(url).status_code == 200


def test_a_result_can_lie_elsewhere_or_have_expired_or_be_a_web_page(tryiton_simulator: Running) -> None:
    client = vendor(tryiton_simulator)
    job = client.try_on_fashion(model_image=PERSON, garment_image=GARMENT, num_samples=2)
    tryiton_simulator.fault(on="status", kind="foreign_url", times=1)
    assert wait(client, job) == ["http://198.51.100.7/x.png"] * 2

    url = wait(client, job)[0]
    tryiton_simulator.fault(on="result", kind="expired_url", times=1)
    tryiton_simulator.fault(on="result", kind="wrong_type", times=1)
    expired, page = httpx.get(url), httpx.get(url)

    assert expired.status_code == 403
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert opened(url).size == SIZE


def test_a_status_can_be_a_web_page(tryiton_simulator: Running) -> None:
    client = vendor(tryiton_simulator)
    job = client.try_on_fashion(model_image=PERSON, garment_image=GARMENT)
    tryiton_simulator.fault(on="status", kind="wrong_type", times=1)

    answer = tryiton_simulator.call("GET", f"/api/v1/status/{job}", headers=KEY)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert wait(client, job)


def test_an_output_file_can_be_cut_short(tryiton_simulator: Running) -> None:
    client = vendor(tryiton_simulator)
    (url,) = wait(client, client.try_on_fashion(model_image=PERSON, garment_image=GARMENT))
    tryiton_simulator.fault(on="result", kind="malformed", times=1)

    with pytest.raises(OSError, match="truncated"):
        opened(url).load()


@pytest.mark.parametrize("fault", [
    {"on": "result", "kind": "never_finish"}, {"on": "submit", "kind": "error", "name": "PoseError"},
    {"on": "status", "kind": "error", "name": "OutOfCredits"}, {"on": "submit", "kind": "blocked"},
])  # fmt: skip
def test_a_fault_it_cannot_show_is_refused(tryiton_simulator: Running, fault: dict[str, Any]) -> None:
    assert tryiton_simulator.fault(**fault).status_code == 400


# the log of requests


def test_the_request_log_holds_facts_of_the_pictures_and_no_key(tryiton_simulator: Running) -> None:
    vendor(tryiton_simulator).try_on_fashion(model_image=PERSON, garment_image=GARMENT, category="auto")

    entry = tryiton_simulator.requests()[0]

    facts = entry["body"]["garment_image"]
    assert (entry["answered"], entry["path"], entry["body"]["category"]) == (200, FASHION, "auto")
    assert (facts["prefix"], facts["format"], facts["width"]) == ("data:image/jpeg;base64,", "JPEG", 400)
    assert "sim-key" not in str(entry)


# the real engine


@pytest.mark.parametrize(("garment", "subcategory"), [("tee.png", "tops"), ("jeans.png", "bottoms")])
def test_a_real_person_wears_the_garment(real_previews: Previews, garment: str, subcategory: str) -> None:
    person, worn = Image.open(SAMPLES / "person_b.png"), Image.open(SAMPLES / garment)
    with running(TryItOn(real_previews).app()) as url:
        client = Client("sim-key", base_url=f"{url}/api/v1")
        job = client.try_on_fashion(
            model_image=data_url(person), garment_image=data_url(worn), category="clothing", subcategory=subcategory
        )
        picture = opened(wait(client, job)[0])

    assert picture.size == person.size
    assert picture.convert("RGB").tobytes() != person.convert("RGB").tobytes()
    assert "preview" in str(picture.info).lower()
