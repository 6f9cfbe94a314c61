"""What each provider accepts: which requests it can honour, and which field of the others is at fault."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from typing import Any

import pytest

from fitting_room.jobs.errors import Fault
from fitting_room.jobs.parse import parse
from fitting_room.providers import catalogue

IMAGE = {"url": "https://shop.example/picture.png"}
GARMENT_MASK = {"type": "garment"}
PROMPT_MASK = {"type": "prompt", "prompt": "the sofa"}
IMAGE_MASK = {"type": "image", "image": IMAGE}


def faults(provider: str, garment: dict[str, Any] | None = None, **fields: Any) -> list[Fault]:
    """Everything this provider's entry has against a request."""
    garment = {"category": "tops"} if garment is None else garment
    request = parse({"task": "try_on", "person": IMAGE, "garments": [{"image": IMAGE, **garment}], **fields})
    entry = catalogue.entry(provider)
    refused = [fault for asked in request.options() if (fault := entry.refuses(asked))]
    return refused + entry.rules(request)


def found(*args: Any, **fields: Any) -> list[tuple[str, str | None]]:
    return [(fault.code, fault.pointer) for fault in faults(*args, **fields)]


# nova_canvas


@pytest.mark.parametrize("fields", [
    {"mask": GARMENT_MASK | {"shape": "contour"}}, {"mask": PROMPT_MASK}, {"mask": IMAGE_MASK},
    {"keep": {"face": True, "hands": False, "pose": True}}, {"merge": "seamless"},
    {"styling": {"sleeves": "up", "tuck": "in", "outer_layer": "open"}},
    {"output": {"count": 5, "quality": "best", "seed": 2_147_483_646, "guidance": 10, "mask": True}},
    {"output": {"count": 1, "quality": "standard", "seed": 0, "guidance": 1.1}},
    {"garment": {"category": "tops", "photo": "model"}},
    *({"garment": {"category": category}} for category in ("bottoms", "one_piece", "outfit", "footwear")),
    {"garment": {"category": "auto", "type": "long_dress"}},
    *({"garment": {"category": category}, "mask": mask} for mask in (PROMPT_MASK, IMAGE_MASK)
      for category in ("auto", "headwear", "eyewear", "jewelry", "accessories", "object")),
])
def test_nova_honours(fields: dict[str, Any]) -> None:
    assert found("nova_canvas", **fields) == []


@pytest.mark.parametrize(("fields", "code", "pointer"), [
    ({"garment": {"category": "auto"}}, "invalid_input", "/garments/0/category"),
    ({"garment": {}}, "invalid_input", "/garments/0/category"),
    ({"garment": {"category": "auto"}, "mask": GARMENT_MASK}, "invalid_input", "/garments/0/category"),
    *(({"garment": {"category": category}}, "unsupported_option", "/garments/0/category")
      for category in ("headwear", "eyewear", "jewelry", "accessories", "object")),
    ({"garment": {"category": "tops", "type": "boots"}}, "invalid_input", "/garments/0/type"),
    ({"garment": {"category": "bottoms", "type": "long_dress"}, "mask": IMAGE_MASK}, "invalid_input", "/garments/0/type"),
    ({"garment": {"category": "headwear", "type": "boots"}, "mask": IMAGE_MASK}, "invalid_input", "/garments/0/type"),
    ({"styling": {"tuck": "in"}, "mask": PROMPT_MASK}, "unsupported_option", "/styling/tuck"),
    ({"styling": {"sleeves": "up"}, "mask": IMAGE_MASK}, "unsupported_option", "/styling/sleeves"),
    ({"styling": {"outer_layer": "open"}, "garment": {"category": "one_piece"}}, "unsupported_option",
     "/styling/outer_layer"),
    ({"styling": {"sleeves": "up"}, "garment": {"category": "auto", "type": "boots"}}, "unsupported_option",
     "/styling/sleeves"),
    ({"prompt": "in red"}, "unsupported_option", "/prompt"),
    ({"negative_prompt": "blur"}, "unsupported_option", "/negative_prompt"),
    ({"moderation": "permissive"}, "unsupported_option", "/moderation"),
    ({"segmentation_free": True}, "unsupported_option", "/segmentation_free"),
    ({"output": {"quality": "fast"}}, "unsupported_option", "/output/quality"),
    ({"output": {"count": 6}}, "unsupported_option", "/output/count"),
    ({"output": {"seed": 2_147_483_647}}, "unsupported_option", "/output/seed"),
])
def test_nova_names_what_it_cannot_do(fields: dict[str, Any], code: str, pointer: str) -> None:
    assert found("nova_canvas", **fields) == [(code, pointer)]


def test_nova_says_what_to_do_about_a_missing_category() -> None:
    [fault] = faults("nova_canvas", {"category": "auto"})
    assert "tops" in fault.remedy
    assert "mask" in fault.remedy


def test_novas_faults_come_all_at_once() -> None:
    assert found("nova_canvas", {"category": "bottoms", "type": "boots"}, prompt="red", styling={"tuck": "in"}) == [
        ("unsupported_option", "/prompt"), ("invalid_input", "/garments/0/type"), ("unsupported_option", "/styling/tuck")]


@pytest.mark.parametrize(("quality", "side", "amount"), [
    (None, 1024, 0.04), ("standard", 1024, 0.04), ("best", 1024, 0.06),
    (None, 1025, 0.06), ("best", 2048, 0.08), ("best", 4096, 0.08), (None, None, 0.06), ("best", None, 0.08),
])
def test_novas_price(quality: str | None, side: int | None, amount: float) -> None:
    assert catalogue.entry("nova_canvas").cost(quality, side).amount == amount


def test_nova_is_past_its_end_of_life() -> None:
    lifecycle = catalogue.entry("nova_canvas").lifecycle
    assert not lifecycle.retired(date(2026, 9, 29))
    assert lifecycle.retired(date(2026, 9, 30))


# tryiton


@pytest.mark.parametrize("fields", [
    *({"garment": {"category": category}} for category in
      ("auto", "tops", "bottoms", "one_piece", "footwear", "headwear", "eyewear", "object")),
    *({"garment": {"category": category}, "provider_options": {"tryiton": {"subcategory": "necklaces"}}}
      for category in ("jewelry", "accessories")),
    {"output": {"count": 4, "quality": "fast"}}, {"output": {"quality": "best"}},
    {"output": {"quality": "standard"}, "garment": {"category": "auto"}},
    {"moderation": "conservative"}, {"moderation": "permissive"},
    *({"output": {"format": form}} for form in ("png", "jpeg", "webp")),
])
def test_tryiton_honours(fields: dict[str, Any]) -> None:
    assert found("tryiton", **fields) == []


@pytest.mark.parametrize(("fields", "code", "pointer"), [
    ({"garment": {"category": "outfit"}}, "unsupported_option", "/garments/0/category"),
    ({"garment": {"category": "jewelry"}}, "invalid_input", "/provider_options/tryiton/subcategory"),
    ({"provider_options": {"tryiton": {"subcategory": "tops"}}}, "invalid_input", "/provider_options/tryiton/subcategory"),
    ({"moderation": "none"}, "unsupported_option", "/moderation"),
    ({"moderation": "permissive", "garment": {"category": "footwear"}}, "unsupported_option", "/moderation"),
    ({"output": {"quality": "best"}, "garment": {"category": "auto"}}, "unsupported_option", "/output/quality"),
    ({"output": {"quality": "fast"}, "garment": {"category": "object"}}, "unsupported_option", "/output/quality"),
    ({"output": {"count": 5}}, "unsupported_option", "/output/count"),
    ({"output": {"seed": 1}}, "unsupported_option", "/output/seed"),
    ({"output": {"guidance": 2}}, "unsupported_option", "/output/guidance"),
    ({"output": {"mask": True}}, "unsupported_option", "/output/mask"),
    ({"segmentation_free": False}, "unsupported_option", "/segmentation_free"),
    ({"keep": {"face": True}}, "unsupported_option", "/keep/face"),
    ({"styling": {"tuck": "in"}}, "unsupported_option", "/styling/tuck"),
    ({"merge": "balanced"}, "unsupported_option", "/merge"),
    ({"mask": GARMENT_MASK}, "unsupported_option", "/mask"),
    ({"prompt": "red"}, "unsupported_option", "/prompt"),
    ({"garment": {"category": "tops", "type": "long_sleeve_shirt"}}, "unsupported_option", "/garments/0/type"),
    ({"garment": {"category": "tops", "photo": "flat_lay"}}, "unsupported_option", "/garments/0/photo"),
])
def test_tryiton_names_what_it_cannot_do(fields: dict[str, Any], code: str, pointer: str) -> None:
    assert found("tryiton", **fields) == [(code, pointer)]


# sandbox


def sandbox(**options: Any) -> dict[str, Any]:
    return {"provider_options": {"sandbox": options}}


@pytest.mark.parametrize("fields", [
    {"mask": IMAGE_MASK, "keep": {"face": False}, "styling": {"sleeves": "up", "tuck": "in", "outer_layer": "open"},
     "merge": "detailed", "prompt": "red", "negative_prompt": "blur", "segmentation_free": True, "moderation": "none",
     "garment": {"category": "outfit", "type": "long_dress", "photo": "model"},
     "output": {"count": 8, "quality": "fast", "seed": 4_294_967_295, "guidance": 10, "mask": True}},
    sandbox(outcome="partial") | {"output": {"count": 2}},
    sandbox(seconds=120), sandbox(seconds=600, polled=True),
])
def test_the_sandbox_takes_every_option(fields: dict[str, Any]) -> None:
    assert found("sandbox", **fields) == []


@pytest.mark.parametrize(("fields", "pointer"), [
    (sandbox(outcome="partial"), "/output/count"),
    (sandbox(outcome="partial", images=2) | {"output": {"count": 2}}, "/output/count"),
    (sandbox(images=1), "/provider_options/sandbox/images"),
    (sandbox(seconds=121), "/provider_options/sandbox/seconds"),
])
def test_the_sandbox_refuses_what_contradicts_itself(fields: dict[str, Any], pointer: str) -> None:
    assert found("sandbox", **fields) == [("invalid_input", pointer)]


def test_wrong_options_are_left_to_the_check_of_the_options_themselves() -> None:
    assert found("sandbox", **sandbox(outcome="success?")) == []


# the catalogue


def test_the_order_in_which_auto_tries_them() -> None:
    assert [entry.id for entry in catalogue.entries()] == ["nova_canvas", "tryiton", "sandbox"]
    assert [entry.id for entry in catalogue.entries() if not entry.live] == ["sandbox"]


def test_an_unknown_provider() -> None:
    with pytest.raises(KeyError):
        catalogue.entry("nobody")
    with pytest.raises(KeyError):
        catalogue.adapter("base")


@pytest.mark.parametrize("entry", catalogue.entries(), ids=lambda entry: entry.id)
def test_every_entry_has_an_adapter_and_its_prices_a_source(entry: Any) -> None:
    assert callable(catalogue.adapter(entry.id).connect)
    assert entry.prices
    assert all(price.source for price in entry.prices)


def test_reading_the_catalogue_loads_no_sdk_and_no_imaging_library() -> None:
    program = ("import sys; from fitting_room.providers import catalogue; catalogue.entries(); "
               "print(sorted({'boto3', 'botocore', 'httpx', 'PIL'} & set(sys.modules)))")
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True,
                            env={"PYTHONPATH": ":".join(sys.path)})
    assert result.stdout.strip() == "[]"
