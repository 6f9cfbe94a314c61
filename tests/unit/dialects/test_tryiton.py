"""TryItOn's words and ours, typed from the vendor's page and its client by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from fitting_room.actions.requests.plan import Deployment, plan
from fitting_room.dialects.predictions import parsed, refused
from fitting_room.dialects.tryiton import answer, request
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.parse import parse
from fitting_room.jobs.tasks import request_of
from fitting_room.providers.catalogue import entries
from fitting_room.stores.api_keys import Caller
from tests.unit.dialects.jobs import job
from tests.unit.dialects.test_fashn import ENDS as OF_FASHN
from tests.unit.dialects.test_fashn import GARMENT, OUTPUT, PERSON
from tests.unit.memory import FakeClock

LEAST = {"model_image": PERSON, "garment_image": GARMENT}
TOPS = {"category": "clothing", "subcategory": "tops"}


def ours(kind: type[request.TryOn], sent: Any) -> dict[str, Any]:
    body = request.ours(parsed(kind, sent))
    request_of(body)  # our own model takes it
    return body


def expected(dialect: str, more: dict[str, Any]) -> dict[str, Any]:
    return {
        "task": "try_on",
        "person": {"url": PERSON},
        "garments": [{"image": {"data": GARMENT}, **more.get("garments", {})}],
        "output": OUTPUT | more.get("output", {}),
        "metadata": {"dialect": dialect},
        **{name: value for name, value in more.items() if name not in ("garments", "output")},
    }


def category(name: str) -> dict[str, Any]:
    return {"garments": {"category": name}}


@pytest.mark.parametrize(
    ("sent", "more"),
    [
        ({}, {}),
        ({"category": "auto"}, {}),
        (TOPS, category("tops")),
        ({"category": "clothing", "subcategory": "bottoms"}, category("bottoms")),
        ({"category": "clothing", "subcategory": "dresses"}, category("one_piece")),
        ({"category": "eyewear"}, category("eyewear")),
        ({"category": "footwear"}, category("footwear")),
        ({"category": "headwear"}, category("headwear")),
        ({"category": "others"}, category("object")),
        (
            {"category": "jewelry", "subcategory": "necklace"},
            category("jewelry") | {"provider_options": {"tryiton": {"subcategory": "necklace"}}},
        ),
        (
            {"category": "accessories", "subcategory": "bag"},
            category("accessories") | {"provider_options": {"tryiton": {"subcategory": "bag"}}},
        ),
        ({"mode": "performance"}, {"output": {"quality": "fast"}}),
        ({"mode": "balanced"}, {}),
        ({"mode": "quality"}, {"output": {"quality": "best"}}),
        ({"num_samples": 2}, {"output": {"count": 2}}),
        ({"output_format": "jpeg"}, {"output": {"format": "jpeg"}}),
        ({"moderation_level": "conservative"}, {"moderation": "conservative"}),
        ({"moderation_level": "permissive"}, {}),
        ({"moderation_level": "none"}, {"moderation": "none"}),
    ],
)
def test_each_field_of_the_newer_call(sent: dict[str, Any], more: dict[str, Any]) -> None:
    assert ours(request.FashionRequest, LEAST | sent) == expected("tryiton/fashion", more)


@pytest.mark.parametrize(
    ("sent", "more"),
    [
        ({}, {}),
        ({"category": "tops"}, category("tops")),
        ({"category": "bottoms"}, category("bottoms")),
        ({"category": "one-pieces"}, category("one_piece")),
        ({"segmentation_free": True}, {}),
        ({"segmentation_free": False}, {"segmentation_free": False}),
        ({"garment_photo_type": "auto"}, {}),
        ({"garment_photo_type": "flat-lay"}, {"garments": {"photo": "flat_lay"}}),
        ({"garment_photo_type": "model"}, {"garments": {"photo": "model"}}),
        ({"mode": "quality"}, {"output": {"quality": "best"}}),
        ({"seed": 42}, {}),
        ({"seed": 41}, {"output": {"seed": 41}}),
        ({"num_samples": 4}, {"output": {"count": 4}}),
        ({"output_format": "jpeg"}, {"output": {"format": "jpeg"}}),
        ({"moderation_level": "conservative"}, {"moderation": "conservative"}),
    ],
)
def test_each_field_of_the_older_call(sent: dict[str, Any], more: dict[str, Any]) -> None:
    assert ours(request.ClothesRequest, LEAST | sent) == expected("tryiton/clothes", more)


@pytest.mark.parametrize(
    ("kind", "sent", "pointer", "told"),
    [
        (request.FashionRequest, {"category": "clothing"}, "/subcategory", "Send tops, bottoms, dresses."),
        (request.FashionRequest, {"category": "jewelry"}, "/subcategory", "Send the kind of item in one word."),
        (request.FashionRequest, {"category": "eyewear", "subcategory": "x"}, "/subcategory", "Leave it out."),
        (
            request.FashionRequest,
            TOPS | {"subcategory": "socks"},
            "/subcategory",
            "Use one of: tops, bottoms, dresses.",
        ),
        (request.FashionRequest, {"category": "tops"}, "/category", "There is no such value."),
        (request.FashionRequest, {"seed": 1}, "/seed", "POST /tryon/clothes"),
        (request.FashionRequest, {"segmentation_free": True}, "/segmentation_free", "POST /tryon/clothes"),
        (request.FashionRequest, {"garment_photo_type": "model"}, "/garment_photo_type", "POST /tryon/clothes"),
        (request.ClothesRequest, {"subcategory": "tops"}, "/subcategory", "This field does not exist."),
        (request.ClothesRequest, {"model_image": "saved:a"}, "/model_image", "No models are saved here."),
        (request.ClothesRequest, {"seed": 2**32}, "/seed", "The number is too large."),
    ],
)
def test_what_is_refused(kind: type[request.TryOn], sent: dict[str, Any], pointer: str, told: str) -> None:
    with pytest.raises(Refusal) as refused:
        parsed(kind, LEAST | sent)
    (fault,) = refused.value.faults
    assert fault.pointer == pointer
    assert told in f"{fault.detail} {fault.remedy}"


OLDER = {  # page "Clothes Tryon", Runtime Errors
    "image_unreadable": "ImageLoadError",
    "image_unreachable": "ImageLoadError",
    "content_blocked": "ContentModerationError",
    "pose_not_found": "PoseError",
    "provider_error": "PipelineError",
    "output_rejected": "PipelineError",
    "quota_exhausted": "ThirdPartyError",
    "rate_limited": "ThirdPartyError",
    "provider_auth": "ThirdPartyError",
    "provider_unavailable": "ThirdPartyError",
    "provider_paused": "ThirdPartyError",
    "model_retired": "ThirdPartyError",
    "timed_out": "ThirdPartyError",
    "cancelled": "PipelineError",
    "internal": "PipelineError",
}


def test_every_end_of_a_job_has_a_name() -> None:
    assert OLDER.keys() == OF_FASHN.keys()


@pytest.mark.parametrize("code", OLDER)
def test_each_end_is_told_in_the_shape_of_its_generation(code: str) -> None:
    status = "cancelled" if code == "cancelled" else "failed"
    older = answer.status(job(status, "done", code, dialect="tryiton/clothes"), FakeClock()).body
    newer = answer.status(job(status, "done", code, dialect="tryiton/fashion"), FakeClock()).body
    error = {"name": OLDER[code], "message": "It failed. Send another image."}
    assert older == {"id": "job_01M1EDEAG00000000000000002", "status": "failed", "error": error}
    name = "ProcessingError" if OLDER[code] == "PipelineError" else OLDER[code]
    assert newer == {"ok": True, "status": "failed", "output": [], "error": error | {"name": name}}


def test_a_failure_that_may_have_been_charged_does_not_invite_a_retry() -> None:
    """Of a `PipelineError` the vendor says: retry, you won't be charged for failed attempts."""
    assert answer.name_of(job("failed", "done", "provider_error", retryable=False)) == "ThirdPartyError"


@pytest.mark.parametrize("step", ["queued", "preparing", "waiting_for_slot", "submitting", "generating", "collecting"])
def test_a_job_that_is_open_is_processing(step: str) -> None:
    assert answer.status(job("running", step), FakeClock()).body["status"] == "processing"


# refusals of a provider
def told(asked: request.TryOn, provider: str) -> str:
    here = frozenset(entry.id for entry in entries())
    deployment = Deployment(entries(), configured=here, today=date(2026, 11, 26))
    with pytest.raises(Refusal) as caught:
        plan(parse({**request.ours(asked), "provider": provider}), Caller("acme", "live", None), deployment)
    return str(refused(caught.value, asked.fields, asked.values).body["message"])


@pytest.mark.parametrize(
    ("kind", "sent", "provider", "says"),
    [
        (request.FashionRequest, {"category": "eyewear"}, "fashn", "`category`. Use one of: auto, clothing."),
        (request.FashionRequest, {"mode": "performance"}, "tryiton", "name the garment's category (clothing)."),
        (request.FashionRequest, {"mode": "performance", **TOPS}, "gemini", "`mode`. Use one of: balanced, quality."),
        (request.ClothesRequest, {"garment_photo_type": "model"}, "aidge", "Use one of: auto, flat-lay."),
    ],
)
def test_a_value_that_a_provider_does_not_take_is_answered_with_values_of_this_field(
    kind: type[request.TryOn], sent: dict[str, Any], provider: str, says: str
) -> None:
    assert says in told(parsed(kind, LEAST | sent), provider)
