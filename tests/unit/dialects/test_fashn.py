"""FASHN's words and ours, typed from the vendor's page and its client by hand."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from fashn.types.prediction_status_response import Error, PredictionStatusResponse

from fitting_room.dialects.fashn import answer, request
from fitting_room.dialects.predictions import refused
from fitting_room.jobs.errors import CODES, Fault, Refusal
from fitting_room.jobs.tasks import request_of
from tests.unit.dialects.jobs import job
from tests.unit.memory import FakeClock

PERSON, GARMENT = "https://shop.example/person.png", "data:image/png;base64,iVBORw0KGgo="
LEAST = {"model_image": PERSON, "garment_image": GARMENT}
MAX = {"model_image": PERSON, "product_image": GARMENT}
OUTPUT = {"count": 1, "format": "png", "seed": "provider"}
"""What the vendor's defaults are in our words."""


def ours(model: str, inputs: Any) -> dict[str, Any]:
    name, read = request.read({"model_name": model, "inputs": inputs})
    body = request.ours(name, read)
    request_of(body)  # our own model takes it
    return body


def faults(body: Any) -> dict[str, str]:
    """The details, by the field."""
    with pytest.raises(Refusal) as told:
        request.read(body)
    return {str(fault.pointer): f"{fault.detail} {fault.remedy}" for fault in told.value.faults}


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({}, {}),
        ({"category": "auto"}, {}),
        ({"category": "tops"}, {"garments": {"category": "tops"}}),
        ({"category": "bottoms"}, {"garments": {"category": "bottoms"}}),
        ({"category": "one-pieces"}, {"garments": {"category": "one_piece"}}),
        ({"garment_photo_type": "auto"}, {}),
        ({"garment_photo_type": "flat-lay"}, {"garments": {"photo": "flat_lay"}}),
        ({"garment_photo_type": "model"}, {"garments": {"photo": "model"}}),
        ({"segmentation_free": True}, {}),
        ({"segmentation_free": False}, {"segmentation_free": False}),
        ({"moderation_level": "permissive"}, {}),
        ({"moderation_level": "conservative"}, {"moderation": "conservative"}),
        ({"moderation_level": "none"}, {"moderation": "none"}),
        ({"mode": "balanced"}, {}),
        ({"mode": "performance"}, {"output": {"quality": "fast"}}),
        ({"mode": "quality"}, {"output": {"quality": "best"}}),
        ({"seed": 42}, {}),
        ({"seed": 0}, {"output": {"seed": 0}}),
        ({"seed": 2**32 - 1}, {"output": {"seed": 2**32 - 1}}),
        ({"num_samples": 4}, {"output": {"count": 4}}),
        ({"output_format": "jpeg"}, {"output": {"format": "jpeg"}}),
        ({"return_base64": False}, {}),
        ({"return_base64": True}, {"metadata": {"return_base64": "true"}}),
        ({"seed": None, "mode": None}, {}),
    ],
)
def test_each_field_of_tryon_v1_6(sent: dict[str, Any], expected: dict[str, Any]) -> None:
    """A value that is the vendor's default is not asked for, so that providers without such a field may do the job."""
    assert ours("tryon-v1.6", LEAST | sent) == {
        "task": "try_on",
        "person": {"url": PERSON},
        "garments": [{"image": {"data": GARMENT}, **expected.get("garments", {})}],
        "output": OUTPUT | expected.get("output", {}),
        "metadata": {"dialect": "fashn/tryon-v1.6", **expected.get("metadata", {})},
        **{name: value for name, value in expected.items() if name in ("segmentation_free", "moderation")},
    }


@pytest.mark.parametrize("model", ["tryon-max", "product-to-model"])
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({}, {}),
        ({"prompt": "tuck in shirt"}, {"prompt": "tuck in shirt"}),
        ({"prompt": "  "}, {}),
        ({"generation_mode": "balanced"}, {}),
        ({"generation_mode": "fast"}, {"output": {"quality": "fast"}}),
        ({"generation_mode": "quality"}, {"output": {"quality": "best"}}),
        ({"resolution": "1k"}, {}),
        ({"seed": 7}, {"output": {"seed": 7}}),
        ({"output_format": "jpeg"}, {"output": {"format": "jpeg"}}),
    ],
)
def test_each_field_of_the_models_that_take_products(
    model: str, sent: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert ours(model, MAX | sent) == {
        "task": "try_on",
        "person": {"url": PERSON},
        "garments": [{"image": {"data": GARMENT}}],
        "output": OUTPUT | expected.get("output", {}),
        "metadata": {"dialect": f"fashn/{model}"},
        **{name: value for name, value in expected.items() if name == "prompt"},
    }


def test_several_images_of_tryon_max() -> None:
    assert ours("tryon-max", MAX | {"num_images": 3})["output"]["count"] == 3


def test_background_remove() -> None:
    assert ours("background-remove", {"image": PERSON}) == {
        "task": "remove_background",
        "image": {"url": PERSON},
        "output": {"format": "png"},
        "metadata": {"dialect": "fashn/background-remove"},
    }


def test_the_scheme_of_a_link_may_be_in_capitals() -> None:
    link = "HTTPS://shop.example/person.png"
    assert ours("tryon-v1.6", LEAST | {"model_image": link})["person"] == {"url": link}


def test_an_upload_of_ours_is_an_image_too() -> None:
    upload = "upl_01M1EDEAG00000000000000002"
    assert ours("tryon-v1.6", LEAST | {"model_image": upload})["person"] == {"upload": upload}


@pytest.mark.parametrize(
    ("model", "inputs", "field", "told"),
    [
        ("tryon-v1.6", {"garment_image": GARMENT}, "model_image", "This field is required."),
        ("tryon-v1.6", LEAST | {"model_image": 5}, "model_image", "This must be a text."),
        ("tryon-v1.6", LEAST | {"model_image": "saved:anna"}, "model_image", "No models are saved here."),
        ("tryon-v1.6", LEAST | {"category": "dresses"}, "category", "There is no such value."),
        ("tryon-v1.6", LEAST | {"mode": "fast"}, "mode", "There is no such value."),
        ("tryon-v1.6", LEAST | {"num_samples": 0}, "num_samples", "The number is too small."),
        ("tryon-v1.6", LEAST | {"num_samples": 5}, "num_samples", "The number is too large."),
        ("tryon-v1.6", LEAST | {"seed": -1}, "seed", "The number is too small."),
        ("tryon-v1.6", LEAST | {"seed": 2**32}, "seed", "The number is too large."),
        ("tryon-v1.6", LEAST | {"output_format": "webp"}, "output_format", "There is no such value."),
        ("tryon-v1.6", LEAST | {"garment_photo": "model"}, "garment_photo", "Did you mean `garment_photo_type`?"),
        ("tryon-v1.6", LEAST | {"webhook_url": "https://a.example"}, "webhook_url", "POST /v1/jobs"),
        ("tryon-max", MAX | {"resolution": "4k"}, "resolution", "Providers choose the resolution"),
        ("tryon-max", MAX | {"aspect_ratio": "1:1"}, "aspect_ratio", "Results have the framing of `model_image`."),
        ("product-to-model", {"product_image": GARMENT}, "model_image", "This field is required."),
        ("product-to-model", MAX | {"num_images": 2}, "num_images", "This field does not exist."),
        ("product-to-model", MAX | {"image_prompt": PERSON}, "image_prompt", "No provider takes"),
    ],
)
def test_what_is_refused(model: str, inputs: dict[str, Any], field: str, told: str) -> None:
    found = faults({"model_name": model, "inputs": inputs})
    assert list(found) == [f"/inputs/{field}"]
    assert told in found[f"/inputs/{field}"]


def test_a_refusal_of_a_field_offers_no_other_field_that_is_refused() -> None:
    told = faults({"model_name": "tryon-max", "inputs": MAX | {"steps": 5}})["/inputs/steps"]
    assert "resolution" not in told
    assert "generation_mode" in told


@pytest.mark.parametrize("model", ["model-create", "edit", "image-to-video", "tryon-v2"])
def test_other_models_are_refused_with_those_that_are_there(model: str) -> None:
    told = faults({"model_name": model, "inputs": {}})["/model_name"]
    assert "tryon-v1.6, tryon-max, product-to-model, background-remove" in told


@pytest.mark.parametrize("body", [None, [], "x", {"inputs": {}}, {"model_name": "tryon-v1.6"}, {"model_name": 1}])
def test_bodies_that_are_none(body: Any) -> None:
    assert faults(body)


# answers
@pytest.mark.parametrize(
    ("step", "word"),
    [
        ("queued", "starting"),
        ("preparing", "starting"),
        ("waiting_for_slot", "in_queue"),
        ("submitting", "processing"),
        ("generating", "processing"),
        ("collecting", "processing"),
    ],
)
def test_status_words_of_a_job_that_is_open(step: str, word: str) -> None:
    told = answer.status(job("queued" if word == "starting" else "running", step), FakeClock())
    assert told.body == {"id": "job_01M1EDEAG00000000000000002", "status": word, "output": None, "error": None}
    assert "x-fashn-credits-used" not in told.headers


ENDS = {
    "image_unreadable": ("failed", "ImageLoadError"),
    "image_unreachable": ("failed", "ImageLoadError"),
    "content_blocked": ("failed", "ContentModerationError"),
    "pose_not_found": ("failed", "PoseError"),
    "provider_error": ("failed", "PipelineError"),
    "output_rejected": ("failed", "PipelineError"),
    "quota_exhausted": ("failed", "3rdPartyProviderError"),
    "rate_limited": ("failed", "3rdPartyProviderError"),
    "provider_auth": ("failed", "3rdPartyProviderError"),
    "provider_unavailable": ("failed", "3rdPartyProviderError"),
    "provider_paused": ("failed", "3rdPartyProviderError"),
    "model_retired": ("failed", "3rdPartyProviderError"),
    "timed_out": ("time_out", "PollingTimeout"),
    "cancelled": ("canceled", "InternalServerError"),
    "internal": ("failed", "InternalServerError"),
}


def test_every_end_of_a_job_has_a_word_that_the_vendors_client_knows() -> None:
    ends = {code for code, known in CODES.items() if known.status is None}
    assert ends | {"internal", "model_retired", "provider_paused"} == set(ENDS)
    names = set(get_args(Error.model_fields["name"].annotation))
    words = set(get_args(PredictionStatusResponse.model_fields["status"].annotation))
    assert {name for _, name in ENDS.values()} <= names
    assert {word for word, _ in ENDS.values()} <= words
    assert names - {"InputValidationError"} == answer.OWN


@pytest.mark.parametrize("code", ENDS)
def test_each_end_is_told_with_its_name_and_our_remedy(code: str) -> None:
    told = answer.status(job("cancelled" if code == "cancelled" else "failed", "done", code), FakeClock())
    word, name = ENDS[code]
    assert told.body["status"] == word
    assert told.body["output"] is None
    assert told.body["error"] == {"name": name, "message": "It failed. Send another image."}
    assert told.headers["x-fashn-credits-used"] == "0"


def test_a_failure_that_may_have_been_charged_does_not_invite_a_retry() -> None:
    """Of a `PipelineError` the vendor says: retry, it costs nothing."""
    told = answer.status(job("failed", "done", "provider_error", retryable=False), FakeClock())
    assert told.body["error"]["name"] == "ThirdPartyError"


@pytest.mark.parametrize(("said", "name"), [("PoseError", "PoseError"), ("HTTP 500", "PipelineError")])
def test_a_provider_that_speaks_these_words_is_quoted(said: str, name: str) -> None:
    assert answer.name_of(job("failed", "done", "provider_error", provider_code=said)) == name


@pytest.mark.parametrize("code", [code for code, known in CODES.items() if known.status])
def test_every_refusal_is_an_error_of_the_vendors_table(code: str) -> None:
    table = {  # page "Error Handling"
        "UnauthorizedAccess": 401,
        "NotFound": 404,
        "OutOfCredits": 429,
        "RateLimitExceeded": 429,
        "InternalServerError": 500,
        "BadRequest": 400,
    }
    told = refused(Refusal(Fault.of(code, "It is so.", "Do this.", pointer="/person"), retry_after=7), {"/person": "p"})
    assert set(told.body) == {"error", "message"}
    assert table[told.body["error"]] == told.status
    assert told.body["message"] == "p: It is so. Do this."
    assert told.headers["Retry-After"] == "7"
    exact = {"unauthorized": 401, "forbidden": 401, "not_found": 404, "erased": 404, "internal": 500}
    assert told.status == exact.get(code, 429 if code in ("throttled", "budget_exceeded") else 400)
