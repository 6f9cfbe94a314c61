"""What Stability AI accepts: which requests it can honour, and which field of the others is at fault."""

from __future__ import annotations

from typing import Any

import pytest

from fitting_room.actions.requests.plan import Deployment, faults_for
from fitting_room.jobs.errors import Fault
from fitting_room.jobs.parse import parse
from fitting_room.providers import catalogue
from fitting_room.providers.catalogue import entries

IMAGE = {"url": "https://shop.example/picture.png"}
MASK = {"type": "image", "image": IMAGE}
TEXT = {"task": "text_to_image", "prompt": "a hat"}
INPAINT = {"task": "inpaint", "image": IMAGE, "mask": MASK, "prompt": "a scarf"}
OUTPAINT = INPAINT | {"task": "outpaint"}
CUT = {"task": "remove_background", "image": IMAGE}
TRY_ON = {"task": "try_on", "person": IMAGE, "garments": [{"image": IMAGE, "category": "tops"}]}
ENTRY = catalogue.entry("stability")


def faults(body: dict[str, Any]) -> list[Fault]:
    here = Deployment(entries(), frozenset({"tryiton"}), frozenset({"stability"}))
    return faults_for(parse(body), ENTRY, here)


@pytest.mark.parametrize(
    "body",
    [
        TEXT,
        TEXT | {"negative_prompt": "wool", "size": {"width": 1024, "height": 1024}},
        TEXT | {"output": {"quality": "best", "seed": 4_294_967_294}},
        TEXT | {"output": {"quality": "standard", "seed": 1}},
        *(TEXT | {"output": {"format": form}} for form in ("png", "jpeg", "webp")),
        INPAINT,
        INPAINT | {"negative_prompt": "wool", "output": {"seed": 5, "size": "original"}},
        OUTPAINT,
        OUTPAINT | {"transition": "soft"},
        OUTPAINT | {"transition": "precise"},
        CUT,
        CUT | {"output": {"format": "webp"}},
        TEXT | {"provider": "stability/stability.stable-image-core-v1:1"},
    ],
)
def test_stability_honours(body: dict[str, Any]) -> None:
    assert faults(body) == []


PROMPT_MASK = {"mask": {"type": "prompt", "prompt": "the sky"}}
NO_PROMPT = {name: value for name, value in INPAINT.items() if name != "prompt"}


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        (INPAINT | PROMPT_MASK, "unsupported_option", "/mask/type"),
        (OUTPAINT | PROMPT_MASK, "unsupported_option", "/mask/type"),
        (NO_PROMPT, "invalid_input", "/prompt"),
        (NO_PROMPT | {"task": "outpaint"}, "invalid_input", "/prompt"),
        (TEXT | {"style": "design_sketch"}, "unsupported_option", "/style"),
        (TEXT | {"condition": {"image": IMAGE}}, "unsupported_option", "/condition"),
        (TEXT | {"output": {"count": 2}}, "unsupported_option", "/output/count"),
        (TEXT | {"output": {"seed": 0}}, "unsupported_option", "/output/seed"),
        (TEXT | {"output": {"seed": 4_294_967_295}}, "unsupported_option", "/output/seed"),
        (TEXT | {"output": {"guidance": 5}}, "unsupported_option", "/output/guidance"),
        (TEXT | {"output": {"mask": True}}, "unsupported_option", "/output/mask"),
        (INPAINT | {"output": {"quality": "best"}}, "unsupported_option", "/output/quality"),
        (CUT | {"output": {"seed": 5}}, "unsupported_option", "/output/seed"),
        *(
            (TEXT | {"size": {"width": width, "height": height}}, "unsupported_option", "/size")
            for width, height in (
                (1000, 1001),
                (1024, 768),
                (512, 512),
                (2048, 2048),
                (1600, 900),
                (1344, 768),
                (1344, 576),
                (576, 1344),
            )
        ),
        (
            TEXT | {"provider_options": {"stability": {"steps": 40}}},
            "invalid_input",
            "/provider_options/stability/steps",
        ),
        (TEXT | {"task": "color_guided", "colors": ["#ff0000"]}, "unsupported_option", "/task"),
        (TRY_ON, "unsupported_option", "/task"),
    ],
)
def test_stability_names_what_it_cannot_do(body: dict[str, Any], code: str, pointer: str) -> None:
    [fault] = faults(body)
    assert (fault.code, fault.pointer, fault.provider) == (code, pointer, "stability")
    assert fault.remedy


def test_a_quality_that_does_not_exist_is_one_of_two_words() -> None:
    fast = faults(TEXT | {"output": {"quality": "fast"}})
    assert [fault.pointer for fault in fast] == ["/output/quality"], "that no model has it is the same fault"
    assert "standard, best" in fast[0].remedy


def test_one_picture_a_job_is_said_in_so_many_words() -> None:
    assert faults(TEXT | {"output": {"count": 2}})[0].remedy.startswith("Use 1.")


def test_no_try_on_and_the_refusal_says_why_and_which_providers_can() -> None:
    [fault] = faults(TRY_ON)
    assert "image of a garment" in fault.detail
    assert "they edit by text" in fault.detail
    assert "tryiton" in fault.remedy


def test_a_size_is_honoured_as_a_shape_and_the_client_is_told() -> None:
    [advice] = [
        found
        for rule in ENTRY.advice
        if (found := rule.warning(parse(TEXT | {"size": {"width": 1024, "height": 1024}})))
    ]
    assert (advice.code, advice.pointer) == ("size_is_a_shape", "/size")
    assert not [rule for rule in ENTRY.advice if rule.warning(parse(TEXT))]


@pytest.mark.parametrize(
    ("body", "model", "amount"),
    [
        (TEXT, "stability.stable-image-core-v1:1", 0.04),
        (TEXT | {"output": {"quality": "best"}}, "stability.stable-image-ultra-v1:1", 0.14),
        (INPAINT, "us.stability.stable-image-inpaint-v1:0", 0.07),
        (OUTPAINT, "us.stability.stable-image-inpaint-v1:0", 0.07),
        (CUT, "us.stability.stable-image-remove-background-v1:0", 0.07),
    ],
)
def test_each_task_has_its_model_and_its_price(body: dict[str, Any], model: str, amount: float) -> None:
    request = parse(body)
    chosen = ENTRY.model(request)
    assert chosen
    assert (chosen.id, ENTRY.cost(request, chosen).amount) == (model, amount)


def test_a_profile_names_the_model_behind_it() -> None:
    assert {model.id: model.foundation for model in ENTRY.models} == {
        model.id: model.id.removeprefix("us.") for model in ENTRY.models
    }
    assert {model.id for model in ENTRY.models if model.inference_regions} == {
        model.id for model in ENTRY.models if model.id.startswith("us.")
    }
