"""Every flow of the external providers, from the request over HTTP to the picture: one purchase each."""

from __future__ import annotations

import io
import os
from typing import Any

import httpx
import pytest
from PIL import Image

from .conftest import SAMPLES, Cloud, Simulator, until


def vendor_of(cloud: Cloud, provider: str) -> Simulator:
    vendor: Simulator = getattr(cloud, provider.partition("/")[0])
    return vendor


def orders(vendor: Simulator) -> list[dict[str, Any]]:
    """What the vendor sold, the making of references and subjects aside."""
    return [purchase for purchase in vendor.purchases() if purchase.get("kind", "prompt") == "prompt"]


def bought(cloud: Cloud, body: dict[str, Any], seconds: float = 90) -> tuple[dict[str, Any], list[Image.Image]]:
    """The job, succeeded with one attempt and one purchase, and its pictures."""
    vendor = vendor_of(cloud, body["provider"])
    job = cloud.finished(cloud.submit(body)["id"], seconds)
    assert job["status"] == "succeeded", job["error"]
    assert [(a["outcome"], a["charged"]) for a in job["attempts"]] == [("finished", "yes")]
    assert len(orders(vendor)) == 1
    assert len(job["images"]) == body.get("output", {}).get("count", 1)
    return job, [cloud.picture(image) for image in job["images"]]


def sample(cloud: Cloud, name: str) -> dict[str, str]:
    return {"upload": cloud.upload((SAMPLES / f"{name}.png").read_bytes())}


def new(cloud: Cloud, name: str) -> dict[str, str]:
    """A sample that no vendor has seen before."""
    image = Image.open(SAMPLES / f"{name}.png").convert("RGB")
    image.putpixel((0, 0), tuple(os.urandom(3)))
    file = io.BytesIO()
    image.save(file, "PNG")
    return {"upload": cloud.upload(file.getvalue())}


def suit(cloud: Cloud, **more: Any) -> dict[str, Any]:
    garments = [{"image": new(cloud, "tee"), "category": "tops"}, {"image": new(cloud, "jeans"), "category": "bottoms"}]
    return {"task": "try_on", "person": sample(cloud, "person_a"), "garments": garments, **more}


def subject(cloud: Cloud, **body: Any) -> dict[str, Any]:
    """A subject, made and ready."""
    answer = cloud.live.post("/v1/subjects", json=body)
    assert answer.status_code == 202, answer.text

    def look() -> dict[str, Any] | None:
        found = cloud.live.get(f"/v1/subjects/{answer.json()['id']}").raise_for_status().json()
        return dict(found) if found["status"] != "training" else None

    found: dict[str, Any] = until(look, "the subject to be made", 180)
    assert found["status"] == "ready", found["error"]
    return found


@pytest.mark.parametrize(
    ("provider", "more"),
    [
        ("tryiton", {"moderation": "conservative", "output": {"count": 2, "format": "jpeg", "quality": "best"}}),
        ("tryiton/clothes", {"segmentation_free": False, "output": {"seed": 12, "quality": "fast"}}),
        ("fashn", {"segmentation_free": False, "output": {"count": 2, "seed": 12}}),
    ],
)
def test_the_prediction_vendors(cloud: Cloud, person: bytes, tee: bytes, provider: str, more: dict[str, Any]) -> None:
    job, pictures = bought(cloud, cloud.try_on(person, tee, provider=provider, **more))
    assert {picture.size for picture in pictures} == {Image.open(SAMPLES / "person_a.png").size}
    assert job["usage"]["credits"] == len(pictures)


def test_fashns_newer_model_tells_its_credits(cloud: Cloud, person: bytes, tee: bytes) -> None:
    body = cloud.try_on(person, tee, provider="fashn/tryon-max", output={"quality": "best"})
    job, [picture] = bought(cloud, body)
    assert (job["usage"]["credits"], picture.width < picture.height) == (6, True)


# ------------------------------------------------------------------------------------------------------- fal, gemini
@pytest.mark.parametrize(("model", "amount"), [("fal-ai/fashn/tryon/v1.6", 0.075), ("fal-ai/flux-pro/v1/vto", 0.0475)])
def test_fal_calls_back_and_keeps_the_framing(
    cloud: Cloud, person: bytes, tee: bytes, model: str, amount: float
) -> None:
    job, [picture] = bought(cloud, cloud.try_on(person, tee, provider=f"fal/{model}"))
    width, height = Image.open(SAMPLES / "person_a.png").size
    assert abs(picture.width * height / (picture.height * width) - 1) < 0.01
    assert job["usage"]["amount"] == amount
    until(lambda: [sent for sent in cloud.fal.callbacks() if sent.get("answered") == 200] or None, "it to be taken")


@pytest.mark.parametrize(("model", "amount"), [("fal-ai/nano-banana-2/edit", 0.08), ("openai/gpt-image-2/edit", None)])
def test_fal_an_editor_with_two_garments(cloud: Cloud, model: str, amount: float | None) -> None:
    job, [picture] = bought(cloud, suit(cloud, provider=f"fal/{model}"))
    assert (job["usage"]["amount"], picture.width < picture.height) == (amount, True)


def test_fal_is_told_to_stop_a_job_that_is_cancelled(cloud: Cloud, person: bytes, tee: bytes) -> None:
    cloud.fal.fault(on="status", kind="never_finish")
    job_id = cloud.submit(cloud.try_on(person, tee, provider="fal"))["id"]
    until(lambda: cloud.job(job_id)["step"] == "generating" or None, "fal to work on it", 60)
    cloud.live.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()
    assert cloud.finished(job_id)["status"] == "cancelled"
    until(lambda: [r for r in cloud.fal.requests() if r["path"].endswith("/cancel")] or None, "fal to be told", 30)


@pytest.mark.parametrize(
    ("model", "most"),
    [("gemini-nano-banana-2.1", 0.036), ("gemini-3.1-flash-lite-image", 0.034), ("gemini-3-pro-image", 0.135)],
)
def test_gemini_draws_in_the_shape_of_the_person_at_the_price_of_its_tokens(
    cloud: Cloud, person: bytes, tee: bytes, model: str, most: float
) -> None:
    job, [picture] = bought(cloud, cloud.try_on(person, tee, provider=f"gemini/{model}"))
    assert picture.width < picture.height
    assert 0.0336 < job["usage"]["amount"] < most
    assert [purchase["model"] for purchase in cloud.gemini.purchases()] == [model]


def test_gemini_puts_on_two_garments(cloud: Cloud) -> None:
    bought(cloud, suit(cloud, provider="gemini"))


# --------------------------------------------------------------------------------------------------------- sagemaker
def test_the_account_s_own_endpoint(cloud: Cloud, person: bytes, tee: bytes) -> None:
    job, [picture] = bought(cloud, cloud.try_on(person, tee, provider="sagemaker/vton"))
    assert picture.size == Image.open(SAMPLES / "person_a.png").size
    assert job["usage"]["amount"] == 0.01


def test_an_endpoint_whose_answer_is_lost_is_found_and_called_once(cloud: Cloud, person: bytes, tee: bytes) -> None:
    cloud.sagemaker.fault(on="submit", kind="drop_after", times=1)
    bought(cloud, cloud.try_on(person, tee, provider="sagemaker"))


# ------------------------------------------------------------------------------------------------------------- aidge
def test_aidge_one_garment_on_a_photo(cloud: Cloud, person: bytes, tee: bytes) -> None:
    _, [picture] = bought(cloud, cloud.try_on(person, tee, provider="aidge"))
    assert min(picture.size) >= 150


def test_aidge_a_suit_on_a_photo(cloud: Cloud) -> None:
    bought(cloud, suit(cloud, provider="aidge"))


@pytest.mark.parametrize(
    "person_form", [{"stock": {"gender": "female", "body": "curvy"}}, {"stock": {"name": "James"}}]
)
def test_aidge_on_a_stock_person(cloud: Cloud, tee: bytes, person_form: dict[str, Any]) -> None:
    body = {
        "task": "try_on",
        "person": person_form,
        "garments": [{"image": sample(cloud, "tee"), "category": "tops"}],
        "provider": "aidge",
        "provider_options": {"aidge": {"view": "mixed"}},
        "output": {"count": 2},
    }
    bought(cloud, body)


def test_aidge_on_several_photos(cloud: Cloud) -> None:
    photos = [sample(cloud, "person_a"), sample(cloud, "person_b")]
    body = {
        "task": "try_on",
        "person": {"photos": photos},
        "garments": [{"image": sample(cloud, "tee"), "category": "tops"}],
        "provider": "aidge",
        "output": {"count": 2},
    }
    bought(cloud, body)


# ------------------------------------------------------------------------------------------------------------ astria
@pytest.mark.parametrize("model", ["gemini", "seedream", "gpt-image-2"])
def test_astria_with_instant_references(cloud: Cloud, model: str) -> None:
    body = suit(cloud, provider=f"astria/{model}", provider_options={"astria": {"person_class": "woman"}})
    job, _ = bought(cloud, body)
    references = [purchase for purchase in cloud.astria.purchases() if purchase.get("kind") == "reference"]
    assert len(references) == 3, "the person and two garments"
    assert job["provider"] == "astria"


def test_astria_makes_a_garment_reference_once_for_many_jobs(cloud: Cloud) -> None:
    garment = {"image": new(cloud, "dress"), "category": "one_piece"}
    body = {
        "task": "try_on",
        "person": sample(cloud, "person_b"),
        "garments": [garment],
        "provider": "astria",
        "provider_options": {"astria": {"person_class": "woman"}},
    }
    jobs = [cloud.submit(body) for _ in range(3)]
    for job in jobs:
        ended = cloud.finished(job["id"], 120)
        assert ended["status"] == "succeeded", ended["error"]
    made = [purchase for purchase in cloud.astria.purchases() if purchase.get("kind") == "reference"]
    assert (len(orders(cloud.astria)), len(made)) == (3, 4), "one garment for all, and one person for each"


def test_astria_a_trained_person_in_the_flow_of_its_try_on_page(cloud: Cloud) -> None:
    pictures = [sample(cloud, "person_a"), sample(cloud, "person_b")]
    person = subject(cloud, kind="person", class_name="woman", pictures=pictures, provider="astria/sd15")
    body = {
        "task": "try_on",
        "person": {"subject": person["id"]},
        "provider": "astria/sd15",
        "garments": [{"image": sample(cloud, "dress"), "category": "one_piece", "photo": "flat_lay"}],
    }
    bought(cloud, body)


def test_astria_a_registered_garment(cloud: Cloud) -> None:
    garment = subject(
        cloud,
        kind="garment",
        class_name="dress",
        pictures=[sample(cloud, "dress")],
        photo="flat_lay",
        provider="astria",
    )
    body = {
        "task": "try_on",
        "person": sample(cloud, "person_a"),
        "provider": "astria",
        "garments": [{"subject": garment["id"], "category": "one_piece"}],
        "provider_options": {"astria": {"person_class": "woman"}},
    }
    bought(cloud, body)


def test_a_person_who_must_be_trained_first_is_refused_with_the_way_to_do_it(
    cloud: Cloud, person: bytes, tee: bytes
) -> None:
    answer = cloud.live.post("/v1/jobs", json=cloud.try_on(person, tee, provider="astria/sd15"))
    assert answer.status_code == 422
    assert "/v1/subjects" in answer.json()["remedy"]
    assert cloud.astria.purchases() == []


def test_no_link_or_key_of_a_vendor_is_told_to_the_client(cloud: Cloud, person: bytes, tee: bytes) -> None:
    job, _ = bought(cloud, cloud.try_on(person, tee, provider="aidge"))
    told = str({name: value for name, value in job.items() if name != "images"})
    for secret in ("sim-secret", "X-Amz-Signature", "sign=", f":{cloud.aidge.http.base_url.port}"):
        assert secret not in told
    assert httpx.get(f"{cloud.api}/v1/jobs/{job['id']}", timeout=60).status_code == 401
