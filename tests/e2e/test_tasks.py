"""Every task on the deployed stack: one job, one purchase, the vendor's own request shape, a picture that fits the task."""

from __future__ import annotations

import io
import os
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from .conftest import ROOT, SAMPLES, Cloud

PICTURES = ROOT / ".local" / "pictures"
"""Where the pictures of a run lie, to be looked at."""
PICTURE = "<picture>"
SEEDED = {"seed": 7}
SEED = {"seed": 7}


def _sample(cloud: Cloud, name: str) -> dict[str, str]:
    return {"upload": cloud.upload((SAMPLES / name).read_bytes())}


def _mask(cloud: Cloud, size: tuple[int, int], box: tuple[float, float, float, float]) -> dict[str, Any]:
    """A mask whose black box (parts of the sides) changes."""
    mask = Image.new("L", size, 255)
    ImageDraw.Draw(mask).rectangle([part * side for part, side in zip(box, size * 2, strict=True)], fill=0)
    file = io.BytesIO()
    mask.save(file, "PNG")
    return {"type": "image", "image": {"upload": cloud.upload(file.getvalue())}}


def _plain(value: Any) -> Any:
    """A recorded request with its pictures reduced to a word."""
    if isinstance(value, dict):
        return PICTURE if "sha256" in value else {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list) else value


def _run(cloud: Cloud, provider: str, **body: Any) -> tuple[dict[str, Any], Image.Image, dict[str, Any]]:
    output = {**SEED, **body.pop("output", {})}
    if body["task"] == "remove_background":
        output.pop("seed")
    job = cloud.finished(cloud.submit({**body, "provider": provider, "output": output})["id"], 90)
    assert job["status"] == "succeeded", job["error"]
    assert len(cloud.bedrock.purchases()) == 1
    [sent] = cloud.bedrock.requests()
    picture = cloud.picture(job["images"][0])
    PICTURES.mkdir(exist_ok=True)
    name = os.environ["PYTEST_CURRENT_TEST"].partition("::")[2].partition(" ")[0]
    picture.save(PICTURES / f"{re.sub('[^a-z0-9_]+', '-', name.lower())}.png")
    return job, picture, {"path": sent["path"], **_plain(sent["body"])}


def test_text_image(cloud: Cloud) -> None:
    _, picture, sent = _run(
        cloud,
        "nova_canvas",
        task="text_to_image",
        prompt="a quiet harbour",
        style="photorealism",
        negative_prompt="people",
        size={"width": 1280, "height": 720},
    )
    assert sent.pop("path").endswith("/invoke")
    assert sent == {
        "taskType": "TEXT_IMAGE",
        "textToImageParams": {"text": "a quiet harbour", "negativeText": "people", "style": "PHOTOREALISM"},
        "imageGenerationConfig": {**SEEDED, "width": 1280, "height": 720},
    }
    assert picture.size == (1280, 720)


def test_text_image_with_conditioning(cloud: Cloud) -> None:
    _, picture, sent = _run(
        cloud,
        "nova_canvas",
        task="text_to_image",
        prompt="a bronze statue",
        condition={"image": _sample(cloud, "person_a.png"), "control": "segmentation", "strength": 0.4},
    )
    sent.pop("path")
    assert sent == {
        "taskType": "TEXT_IMAGE",
        "textToImageParams": {
            "text": "a bronze statue",
            "conditionImage": PICTURE,
            "controlMode": "SEGMENTATION",
            "controlStrength": 0.4,
        },
        "imageGenerationConfig": SEEDED,
    }
    assert picture.size == (1024, 1024)


def test_color_guided(cloud: Cloud) -> None:
    _, picture, sent = _run(
        cloud,
        "nova_canvas",
        task="color_guided",
        prompt="a tiled floor",
        colors=["#204080", "#f0c020"],
        reference_image=_sample(cloud, "room.png"),
    )
    sent.pop("path")
    assert sent == {
        "taskType": "COLOR_GUIDED_GENERATION",
        "colorGuidedGenerationParams": {
            "text": "a tiled floor",
            "colors": ["#204080", "#f0c020"],
            "referenceImage": PICTURE,
        },
        "imageGenerationConfig": SEEDED,
    }
    assert picture.size == (1024, 1024)


def test_image_variation(cloud: Cloud) -> None:
    _, _, sent = _run(
        cloud,
        "nova_canvas",
        task="image_variation",
        similarity=0.6,
        images=[_sample(cloud, "tee.png"), _sample(cloud, "tank.png")],
    )
    sent.pop("path")
    assert sent == {
        "taskType": "IMAGE_VARIATION",
        "imageVariationParams": {"images": [PICTURE, PICTURE], "similarityStrength": 0.6},
        "imageGenerationConfig": SEEDED,
    }


def test_inpaint_changes_only_inside_the_mask(cloud: Cloud) -> None:
    source = Image.open(SAMPLES / "room.png").convert("RGB")
    mask = _mask(cloud, source.size, (0.4, 0.5, 0.7, 0.8))
    _, picture, sent = _run(
        cloud, "nova_canvas", task="inpaint", image=_sample(cloud, "room.png"), mask=mask, prompt="a rug"
    )
    sent.pop("path")
    assert sent == {
        "taskType": "INPAINTING",
        "inPaintingParams": {"image": PICTURE, "maskImage": PICTURE, "text": "a rug"},
        "imageGenerationConfig": SEEDED,
    }
    before, after = np.asarray(source), np.asarray(picture.convert("RGB"))
    corner = (slice(0, 100), slice(0, 100))
    assert np.array_equal(before[corner], after[corner])
    assert not np.array_equal(before, after)


def test_outpaint_keeps_what_the_prompt_names(cloud: Cloud) -> None:
    _, picture, sent = _run(
        cloud,
        "nova_canvas",
        task="outpaint",
        image=_sample(cloud, "person_a.png"),
        mask={"type": "prompt", "prompt": "the person"},
        prompt="a beach",
        transition="precise",
    )
    sent.pop("path")
    assert sent == {
        "taskType": "OUTPAINTING",
        "outPaintingParams": {
            "image": PICTURE,
            "maskPrompt": "the person",
            "outPaintingMode": "PRECISE",
            "text": "a beach",
        },
        "imageGenerationConfig": SEEDED,
    }
    assert picture.size == Image.open(SAMPLES / "person_a.png").size


def test_background_removal_brings_its_alpha_to_the_bucket(cloud: Cloud) -> None:
    job, picture, sent = _run(cloud, "nova_canvas", task="remove_background", image=_sample(cloud, "person_a.png"))
    sent.pop("path")
    assert sent == {"taskType": "BACKGROUND_REMOVAL", "backgroundRemovalParams": {"image": PICTURE}}
    alpha = np.asarray(picture.getchannel("A"))
    assert picture.mode == "RGBA"
    assert len(np.unique(alpha)) > 16
    assert (alpha == 0).mean() > 0.3
    assert job["images"][0]["format"] == "png"


def test_a_couch_in_a_room(cloud: Cloud) -> None:
    room = Image.open(SAMPLES / "room.png").convert("RGB")
    mask = _mask(cloud, room.size, (0.25, 0.5, 0.75, 0.9))
    _, picture, sent = _run(
        cloud,
        "nova_canvas",
        task="try_on",
        scene=_sample(cloud, "room.png"),
        mask=mask,
        merge="balanced",
        garments=[{"image": _sample(cloud, "couch.png"), "category": "object"}],
    )
    sent.pop("path")
    assert sent == {
        "taskType": "VIRTUAL_TRY_ON",
        "virtualTryOnParams": {
            "sourceImage": PICTURE,
            "referenceImage": PICTURE,
            "maskType": "IMAGE",
            "imageBasedMask": {"maskImage": PICTURE},
            "mergeStyle": "BALANCED",
        },
        "imageGenerationConfig": SEEDED,
    }
    assert picture.size == room.size
    assert not np.array_equal(np.asarray(picture.convert("RGB")), np.asarray(room))


@pytest.mark.parametrize(
    ("category", "garment", "wire"), [("one_piece", "dress.png", "FULL_BODY"), ("footwear", "shoes.png", "FOOTWEAR")]
)
def test_dresses_and_shoes(cloud: Cloud, person: bytes, category: str, garment: str, wire: str) -> None:
    _, picture, sent = _run(
        cloud,
        "nova_canvas",
        task="try_on",
        person={"upload": cloud.upload(person)},
        garments=[{"image": _sample(cloud, garment), "category": category}],
    )
    source = Image.open(io.BytesIO(person)).convert("RGB")
    assert picture.size == source.size
    assert 0.001 < (np.asarray(picture.convert("RGB")) != np.asarray(source)).any(axis=2).mean() < 0.5
    assert sent["virtualTryOnParams"]["garmentBasedMask"]["garmentClass"] == wire


HARBOUR = {"task": "text_to_image", "prompt": "a quiet harbour"}


@pytest.mark.parametrize(
    ("body", "model", "wire"),
    [
        (HARBOUR, "stable-image-core", {"prompt": "a quiet harbour", "seed": 7}),
        (HARBOUR | {"output": {"quality": "best"}}, "stable-image-ultra", {"prompt": "a quiet harbour", "seed": 7}),
        (
            {"task": "inpaint", "image": "room.png", "prompt": "a rug", "box": (0.4, 0.5, 0.7, 0.8)},
            "stable-image-inpaint",
            {"image": PICTURE, "mask": PICTURE, "prompt": "a rug", "seed": 7},
        ),
        (
            {"task": "outpaint", "image": "person_a.png", "prompt": "a beach", "box": (0, 0, 1, 0.4)},
            "stable-image-inpaint",
            {"image": PICTURE, "mask": PICTURE, "prompt": "a beach", "seed": 7},
        ),
        ({"task": "remove_background", "image": "person_a.png"}, "stable-image-remove-background", {"image": PICTURE}),
    ],
)
def test_stability(cloud: Cloud, body: dict[str, Any], model: str, wire: dict[str, Any]) -> None:
    body, source = dict(body), None
    if name := body.pop("image", None):
        source = Image.open(SAMPLES / name)
        body["image"] = _sample(cloud, name)
        if box := body.pop("box", None):
            body["mask"] = _mask(cloud, source.size, box)
    _, picture, sent = _run(cloud, "stability", **body)
    assert model in sent.pop("path")
    assert sent == wire
    assert source is None or picture.size == source.size


def test_stability_does_no_try_on_and_names_the_providers_that_do(cloud: Cloud, person: bytes, tee: bytes) -> None:
    answer = cloud.live.post("/v1/jobs", json=cloud.try_on(person, tee, provider="stability"))
    assert (answer.status_code, answer.json()["pointer"]) == (422, "/task")
    assert "tryiton" in answer.json()["remedy"]


def test_an_estimate_shows_plan_price_and_advice_and_buys_nothing(cloud: Cloud, person: bytes, tee: bytes) -> None:
    body = cloud.try_on(person, tee, output={"guidance": 9})
    shown = cloud.live.post("/v1/jobs/estimate", json=body).raise_for_status().json()
    assert [offer["provider"] for offer in shown["plan"]] == ["nova_canvas"]
    assert shown["plan"][0]["cost"]["amount"] > 0
    assert ("tryiton", "/output/guidance") in {(fault["provider"], fault["pointer"]) for fault in shown["excluded"]}
    assert "/output/guidance" in {warning["pointer"] for warning in shown["warnings"]}
    assert shown["request"]["output"]["count"] == 1
    assert cloud.bedrock.purchases() == []
