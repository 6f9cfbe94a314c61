"""The Gemini simulator against its documents, and against Google's own Python client, which buys from it."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from PIL import Image

from tests.contract.clothes import GARMENT, NOBODY, PERSON
from tests.contract.conftest import Running

MODEL = "gemini-nano-banana-2.1"
KEY = {"x-goog-api-key": "sim-key"}
PATH = f"/v1/models/{MODEL}:generateContent"


def _file(url: str) -> bytes:
    return base64.b64decode(url.partition(",")[2])


CONTENTS: list[Any] = [
    "Image 2 shows the person.",
    types.Part.from_bytes(data=_file(GARMENT), mime_type="image/jpeg"),
    types.Part.from_bytes(data=_file(PERSON), mime_type="image/png"),
]
CONFIG = types.GenerateContentConfig(
    response_modalities=["IMAGE"],
    seed=7,
    candidate_count=1,
    image_config=types.ImageConfig(aspect_ratio="3:4", image_size="1K"),
    safety_settings=[
        types.SafetySetting(
            category=types.HarmCategory.HARM_CATEGORY_HARASSMENT, threshold=types.HarmBlockThreshold.BLOCK_ONLY_HIGH
        )
    ],
)
BODY: dict[str, Any] = {
    "contents": [
        {
            "role": "user",
            "parts": [
                {"text": "Image 2 shows the person."},
                {"inlineData": {"mimeType": "image/jpeg", "data": GARMENT.partition(",")[2]}},
                {"inlineData": {"mimeType": "image/png", "data": PERSON.partition(",")[2]}},
            ],
        }
    ],
    "generationConfig": {"imageConfig": {"aspectRatio": "3:4", "imageSize": "1K"}},
}


def client(url: str) -> genai.Client:
    return genai.Client(api_key="sim-key", http_options=types.HttpOptions(base_url=url))


def test_the_vendors_client_gets_its_image_in_the_shape_asked_for(gemini_simulator: Running) -> None:
    google = client(gemini_simulator.url)
    answer = google.models.generate_content(model=MODEL, contents=CONTENTS, config=CONFIG)
    [candidate] = answer.candidates or []
    assert candidate.finish_reason == types.FinishReason.STOP
    [part] = (candidate.content and candidate.content.parts) or []
    assert part.inline_data and part.inline_data.data
    assert Image.open(io.BytesIO(part.inline_data.data)).size == (864, 1152)
    assert answer.usage_metadata and answer.usage_metadata.candidates_token_count == 1120
    [purchase] = gemini_simulator.purchases()
    assert (purchase["model"], purchase["images"], purchase["charged"]) == (MODEL, 1, True)


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("IMAGE_SAFETY", types.FinishReason.IMAGE_SAFETY),
        ("NO_IMAGE", types.FinishReason.NO_IMAGE),
        ("STOP", types.FinishReason.STOP),
    ],
)
def test_an_answer_without_an_image_has_status_200(gemini_simulator: Running, reason: str, told: Any) -> None:
    gemini_simulator.fault(on="submit", kind="filtered", reason=reason, times=1)
    google = client(gemini_simulator.url)
    answer = google.models.generate_content(model=MODEL, contents=CONTENTS, config=CONFIG)
    [candidate] = answer.candidates or []
    assert candidate.finish_reason == told
    assert answer.usage_metadata and (answer.usage_metadata.thoughts_token_count or 0) > 0
    assert bool(answer.text) == (reason == "STOP")


def test_a_blocked_request_has_no_candidate(gemini_simulator: Running) -> None:
    gemini_simulator.fault(on="submit", kind="filtered", reason="prompt:SAFETY", times=1)
    google = client(gemini_simulator.url)
    answer = google.models.generate_content(model=MODEL, contents=CONTENTS, config=CONFIG)
    assert not answer.candidates
    assert answer.prompt_feedback and answer.prompt_feedback.block_reason == types.BlockedReason.SAFETY


@pytest.mark.parametrize(("name", "code"), [("RESOURCE_EXHAUSTED", 429), ("UNAVAILABLE", 503), ("NOT_FOUND", 404)])
def test_each_error_arrives_as_the_vendors_client_sees_it(gemini_simulator: Running, name: str, code: int) -> None:
    gemini_simulator.fault(on="submit", kind="error", name=name, times=1)
    google = client(gemini_simulator.url)
    with pytest.raises(errors.APIError) as caught:
        google.models.generate_content(model=MODEL, contents=CONTENTS, config=CONFIG)
    assert (caught.value.code, caught.value.status) == (code, name)
    assert len(gemini_simulator.requests()) == 1, "this client tries a purchase once"
    assert gemini_simulator.purchases() == []


def test_a_model_that_was_shut_down_is_not_found(gemini_simulator: Running) -> None:
    google = client(gemini_simulator.url)
    assert google.models.get(model=MODEL).name == f"models/{MODEL}"
    with pytest.raises(errors.ClientError) as caught:
        google.models.generate_content(model="gemini-2.5-flash-image", contents=CONTENTS, config=CONFIG)
    assert caught.value.code == 404


def changed(**config: Any) -> dict[str, Any]:
    return BODY | {"generationConfig": BODY["generationConfig"] | config}


def with_parts(*parts: Any) -> dict[str, Any]:
    return BODY | {"contents": [{"role": "user", "parts": list(parts)}]}


TEXT, GARMENT_PART, PERSON_PART = BODY["contents"][0]["parts"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (changed(imageConfig={"imageSize": "1k"}), "imageSize"),
        (changed(imageConfig={"aspectRatio": "7:5"}), "aspectRatio"),
        (changed(imageConfig={"outputMimeType": "image/png"}), "outputMimeType"),  # Vertex AI only
        (changed(candidateCount=2), "candidateCount"),
        (changed(responseModalities=["PICTURE"]), "responseModalities"),
        (changed(seed=2**31), "seed"),
        (changed(noSuchField=1), "noSuchField"),
        ({"contents": []}, "contents"),
        ({}, "contents"),
        (with_parts(TEXT, GARMENT_PART, {"inlineData": {"data": "AAAA"}}), "mimeType"),
        (with_parts(TEXT, GARMENT_PART, {"inlineData": {"mimeType": "image/gif", "data": "AAAA"}}), "mimeType"),
        (with_parts(TEXT, GARMENT_PART, {"inlineData": {"mimeType": "image/png", "data": PERSON}}), "Base64"),
        (with_parts(TEXT, GARMENT_PART, PERSON_PART | {"text": "and"}), "exactly one"),
        (with_parts(TEXT, GARMENT_PART), "2 to 14 images"),
        (with_parts(TEXT, GARMENT_PART, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}), "input image"),
        (
            with_parts(TEXT, GARMENT_PART, PERSON_PART) | {"safetySettings": [{"category": "X", "threshold": "OFF"}]},
            "X",
        ),
    ],
)
def test_a_request_broken_in_one_place_is_refused_and_not_sold(
    gemini_simulator: Running, body: dict[str, Any], says: str
) -> None:
    answer = gemini_simulator.call("POST", PATH, json=body, headers=KEY)
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert says in answer.json()["error"]["message"] or says == "X"
    assert gemini_simulator.purchases() == []


def test_a_person_who_is_not_there_is_no_input(gemini_simulator: Running) -> None:
    nobody = {"inlineData": {"mimeType": "image/png", "data": NOBODY.partition(",")[2]}}
    answer = gemini_simulator.call("POST", PATH, json=with_parts(TEXT, GARMENT_PART, nobody), headers=KEY)
    assert answer.status_code == 400
    assert gemini_simulator.purchases() == []


def test_every_call_needs_a_key(gemini_simulator: Running) -> None:
    for headers in ({}, {"x-goog-api-key": "other"}, {"authorization": "Bearer sim-key"}):
        answer = gemini_simulator.call("POST", PATH, json=BODY, headers=headers)
        assert (answer.status_code, "API key not valid" in answer.text) == (400, True)
    assert gemini_simulator.purchases() == []
