"""What each provider accepts: which requests it can honour, and which field of the others is at fault."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from fitting_room.jobs.parse import parse
from fitting_room.jobs.request import RequestedOption
from fitting_room.providers import catalogue
from fitting_room.providers.base import CatalogueEntry
from tests.unit.providers.requests import GARMENT_MASK, IMAGE, IMAGE_MASK, asking, found, planned


def answered(provider: str, **fields: Any) -> list[tuple[str, str | None]]:
    """The faults of a try-on for this provider."""
    return found(provider, asking("try_on", **fields))


NOT_CLOTHING: Any = [
    ({"garment": {"category": category}}, "/garments/0/category")
    for category in ("outfit", "footwear", "headwear", "eyewear", "jewelry", "accessories", "object")
]
NO_SUCH_OPTION: Any = [
    ({"output": {"guidance": 2}}, "/output/guidance"),
    ({"output": {"mask": True}}, "/output/mask"),
    ({"keep": {"face": True}}, "/keep/face"),
    ({"styling": {"tuck": "in"}}, "/styling/tuck"),
    ({"merge": "balanced"}, "/merge"),
    ({"mask": GARMENT_MASK}, "/mask"),
    ({"prompt": "red"}, "/prompt"),
]


# tryiton


@pytest.mark.parametrize(
    "fields",
    [
        *(
            {"garment": {"category": category}}
            for category in ("auto", "tops", "bottoms", "one_piece", "footwear", "headwear", "eyewear", "object")
        ),
        *(
            {"garment": {"category": category}, "provider_options": {"tryiton": {"subcategory": "necklaces"}}}
            for category in ("jewelry", "accessories")
        ),
        {"output": {"count": 4, "quality": "fast"}},
        {"output": {"quality": "best"}},
        {"output": {"quality": "standard"}, "garment": {"category": "auto"}},
        {"moderation": "conservative"},
        {"moderation": "permissive"},
        {"moderation": "none"},
        *({"output": {"format": form}} for form in ("png", "jpeg", "webp")),
    ],
)
def test_tryiton_honours(fields: dict[str, Any]) -> None:
    assert answered("tryiton", **fields) == []


@pytest.mark.parametrize(
    ("fields", "code", "pointer"),
    [
        ({"garment": {"category": "outfit"}}, "unsupported_option", "/garments/0/category"),
        ({"garment": {"category": "jewelry"}}, "invalid_input", "/provider_options/tryiton/subcategory"),
        (
            {"provider_options": {"tryiton": {"subcategory": "tops"}}},
            "invalid_input",
            "/provider_options/tryiton/subcategory",
        ),
        *(
            ({"moderation": level, "garment": {"category": category}}, "unsupported_option", "/moderation")
            for level in ("permissive", "none")
            for category in ("auto", "footwear")
        ),
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
    ],
)
def test_tryiton_names_what_it_cannot_do(fields: dict[str, Any], code: str, pointer: str) -> None:
    assert answered("tryiton", **fields) == [(code, pointer)]


@pytest.mark.parametrize(
    "fields",
    [
        *(
            {"garment": {"category": category}, "moderation": "none", "output": {"quality": "best"}}
            for category in ("auto", "tops", "bottoms", "one_piece")
        ),
        *({"garment": {"photo": photo}} for photo in ("auto", "flat_lay", "model")),
        *({"output": {"quality": quality}, "garment": {}} for quality in ("fast", "standard", "best")),
        *({"segmentation_free": wanted} for wanted in (True, False)),
        *({"moderation": level, "garment": {}} for level in ("conservative", "permissive")),
        {"output": {"count": 4, "seed": 0}},
        {"output": {"count": 1, "seed": 2**32 - 1}},
    ],
)
def test_tryitons_older_call_honours(fields: dict[str, Any]) -> None:
    assert answered("tryiton/clothes", **fields) == []


@pytest.mark.parametrize(
    ("fields", "code", "pointer"),
    [
        *(
            ({"garment": {"category": category}}, "unsupported_option", "/garments/0/category")
            for category in ("outfit", "footwear", "headwear", "eyewear", "jewelry", "accessories", "object")
        ),
        (
            {"provider_options": {"tryiton": {"subcategory": "tops"}}},
            "invalid_input",
            "/provider_options/tryiton/subcategory",
        ),
        ({"output": {"count": 5}}, "unsupported_option", "/output/count"),
        ({"output": {"guidance": 2}}, "unsupported_option", "/output/guidance"),
        ({"prompt": "red"}, "unsupported_option", "/prompt"),
    ],
)
def test_tryitons_older_call_names_what_it_cannot_do(fields: dict[str, Any], code: str, pointer: str) -> None:
    assert answered("tryiton/clothes", **fields) == [(code, pointer)]


def test_the_older_call_is_never_chosen_by_itself() -> None:
    entry = catalogue.entry("tryiton")
    for provider in ("auto", "tryiton"):
        model = entry.model(parse({**asking("try_on"), "provider": provider}))
        assert model and not model.opt_in


# fashn


@pytest.mark.parametrize(
    "fields",
    [
        *({"garment": {"category": category}} for category in ("auto", "tops", "bottoms", "one_piece")),
        *({"garment": {"category": "tops", "photo": photo}} for photo in ("auto", "flat_lay", "model")),
        *({"output": {"quality": quality}} for quality in ("fast", "standard", "best")),
        *({"output": {"format": form}} for form in ("png", "jpeg", "webp")),
        {"segmentation_free": True},
        {"segmentation_free": False},
        {"moderation": "conservative"},
        {"moderation": "permissive"},
        {"moderation": "none"},
        {"output": {"count": 4, "seed": 0}},
        {"output": {"count": 1, "seed": 2**32 - 1}},
    ],
)
def test_fashn_honours(fields: dict[str, Any]) -> None:
    assert answered("fashn", **fields) == []


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        *NOT_CLOTHING,
        ({"garment": {"category": "tops", "type": "long_sleeve_shirt"}}, "/garments/0/type"),
        ({"output": {"count": 5}}, "/output/count"),
        *NO_SUCH_OPTION,
    ],
)
def test_fashn_names_what_it_cannot_do(fields: dict[str, Any], pointer: str) -> None:
    assert answered("fashn", **fields) == [("unsupported_option", pointer)]


@pytest.mark.parametrize(
    "fields",
    [
        *({"garment": {"category": each}} for each in ("auto", "tops", "outfit", "footwear", "eyewear", "accessories")),
        {"prompt": "Worn open.", "output": {"count": 4, "quality": "best", "seed": 7}},
    ],
)
def test_fashns_newer_model_honours(fields: dict[str, Any]) -> None:
    assert answered("fashn/tryon-max", **fields) == []


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"garment": {"category": "object"}}, "/garments/0/category"),
        ({"moderation": "permissive"}, "/moderation"),
        ({"segmentation_free": True}, "/segmentation_free"),
        ({"output": {"quality": "fast"}}, "/output/quality"),
        ({"output": {"size": "original"}}, "/output/size"),
    ],
)
def test_fashns_newer_model_names_what_it_cannot_do(fields: dict[str, Any], pointer: str) -> None:
    assert answered("fashn/tryon-max", **fields) == [("unsupported_option", pointer)]


# fal and gemini

TWO = [{"image": IMAGE, "category": "tops"}, {"image": IMAGE, "category": "bottoms"}]
FLUX, BANANA, GPT = "fal/fal-ai/flux-pro/v1/vto", "fal/fal-ai/nano-banana-2/edit", "fal/openai/gpt-image-2/edit"


@pytest.mark.parametrize(
    ("provider", "fields"),
    [
        (
            "fal",
            {"segmentation_free": False, "moderation": "none", "output": {"count": 4, "quality": "best", "seed": 1}},
        ),
        ("fal", {"output": {"size": "original"}}),
        (FLUX, {"garment": {"category": "footwear"}, "prompt": "In the rain.", "output": {"size": "original"}}),
        (BANANA, {"garments": [*TWO, *TWO], "output": {"count": 4, "quality": "best", "seed": 1}}),
        (GPT, {"garments": TWO, "prompt": "In the rain.", "output": {"quality": "fast"}}),
        (
            "gemini",
            {"garments": [*TWO, *TWO, *TWO], "prompt": "In the rain.", "output": {"quality": "best", "seed": 1}},
        ),
        ("gemini/gemini-3.1-flash-lite-image", {"garment": {"category": "object", "photo": "model"}}),
    ],
)
def test_fal_and_gemini_honour(provider: str, fields: dict[str, Any]) -> None:
    assert answered(provider, **fields) == []


@pytest.mark.parametrize(
    ("provider", "fields", "pointer"),
    [
        ("fal", {"garments": TWO}, "/garments/1"),
        ("fal", {"prompt": "red"}, "/prompt"),
        (FLUX, {"garments": TWO}, "/garments/1"),
        (FLUX, {"output": {"quality": "best"}}, "/output/quality"),
        (FLUX, {"output": {"seed": 1}}, "/output/seed"),
        (BANANA, {"garments": [*TWO, *TWO, TWO[0]]}, "/garments/4"),
        (BANANA, {"output": {"size": "original"}}, "/output/size"),
        (BANANA, {"moderation": "none"}, "/moderation"),
        (GPT, {"output": {"seed": 1}}, "/output/seed"),
        ("gemini", {"output": {"count": 2}}, "/output/count"),
        ("gemini", {"output": {"size": "original"}}, "/output/size"),
        ("gemini", {"garments": [*TWO, *TWO, *TWO, TWO[0]]}, "/garments/6"),
        ("gemini", {"keep": {"face": True}}, "/keep/face"),
    ],
)
def test_fal_and_gemini_name_what_they_cannot_do(provider: str, fields: dict[str, Any], pointer: str) -> None:
    assert answered(provider, **fields) == [("unsupported_option", pointer)]


def test_the_editors_of_fal_are_never_chosen_by_themselves() -> None:
    entry = catalogue.entry("fal")
    for provider in ("auto", "fal"):
        model = entry.model(parse({**asking("try_on"), "provider": provider}))
        assert model and model.id == "fal-ai/fashn/tryon/v1.6"


# aidge

SUIT = [{"image": IMAGE, "category": "tops"}, {"image": IMAGE, "category": "bottoms"}]


def aidge(**options: Any) -> dict[str, Any]:
    return {"provider_options": {"aidge": options}}


@pytest.mark.parametrize(
    "fields",
    [
        *({"garment": {"category": category}} for category in ("auto", "tops", "bottoms", "one_piece")),
        {"garments": SUIT},
        {"garments": SUIT[::-1]},
        {"garment": {"photo": "flat_lay"}},
        {"person": {"photos": [IMAGE]}},
        {"person": {"photos": [IMAGE] * 8}},
        {"person": {"stock": {}}},
        {"person": {"stock": {"name": "James"}}},
        {"person": {"stock": {"age": "young_adult"}}},
        {"output": {"count": 8}},
        *({"output": {"format": form}} for form in ("png", "jpeg", "webp")),
        *(aidge(view=view) for view in ("fullbody", "halfbody", "mixed")),
        aidge(quality_detect=True),
        aidge(quality_detect=False),
    ],
)
def test_aidge_honours(fields: dict[str, Any]) -> None:
    assert answered("aidge", **fields) == []


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        *NOT_CLOTHING,
        # two garments are a suit, or nothing
        ({"garments": [SUIT[0], SUIT[0]]}, "/garments/1/category"),
        ({"garments": [SUIT[1], SUIT[1]]}, "/garments/1/category"),
        ({"garments": [SUIT[0], {"image": IMAGE, "category": "one_piece"}]}, "/garments/1/category"),
        ({"garments": [{"image": IMAGE}, SUIT[1]]}, "/garments/0/category"),
        ({"garments": [*SUIT, SUIT[0]]}, "/garments/2"),
        ({"person": {"subject": "sub_" + "0" * 26}}, "/person/subject"),
        ({"garment": {"category": "tops", "type": "long_sleeve_shirt"}}, "/garments/0/type"),
        ({"garment": {"category": "tops", "photo": "model"}}, "/garments/0/photo"),
        ({"moderation": "conservative"}, "/moderation"),
        ({"segmentation_free": True}, "/segmentation_free"),
        ({"output": {"size": "original"}}, "/output/size"),
        ({"output": {"quality": "best"}}, "/output/quality"),
        ({"output": {"seed": 1}}, "/output/seed"),
        *NO_SUCH_OPTION,
    ],
)
def test_aidge_names_what_it_cannot_do(fields: dict[str, Any], pointer: str) -> None:
    assert answered("aidge", **fields) == [("unsupported_option", pointer)]


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"view": "back"}, "/provider_options/aidge/view"),
        ({"quality_detect": "maybe"}, "/provider_options/aidge/quality_detect"),
        ({"trial": True}, "/provider_options/aidge/trial"),  # a matter of the stage
    ],
)
def test_aidges_own_options_are_checked(options: dict[str, Any], pointer: str) -> None:
    assert answered("aidge", **aidge(**options)) == [("invalid_input", pointer)]


@pytest.mark.parametrize(("photos", "codes"), [(1, []), (2, ["count_with_photos"])])
def test_aidge_does_not_say_what_a_count_means_for_several_photos(photos: int, codes: list[str]) -> None:
    body = asking("try_on", person={"photos": [IMAGE] * photos})
    assert [each.code for each in planned("aidge", body).warnings] == codes


# without moderation


@pytest.mark.parametrize(
    ("provider", "vendor"), [("tryiton", "TryItOn"), ("tryiton/clothes", "TryItOn"), ("fashn", "FASHN")]
)
def test_a_request_without_moderation_is_warned_of_the_responsibility(provider: str, vendor: str) -> None:
    [warning] = planned(provider, asking("try_on", moderation="none")).warnings
    assert (warning.code, warning.pointer) == ("unmoderated", "/moderation")
    assert "responsible" in warning.detail
    assert vendor in warning.remedy
    assert planned(provider, asking("try_on", moderation="permissive")).warnings == []


# sandbox


def sandbox(**options: Any) -> dict[str, Any]:
    return {"provider_options": {"sandbox": options}}


@pytest.mark.parametrize(
    "fields",
    [
        {
            "mask": IMAGE_MASK,
            "keep": {"face": False},
            "styling": {"sleeves": "up", "tuck": "in", "outer_layer": "open"},
            "merge": "detailed",
            "prompt": "red",
            "negative_prompt": "blur",
            "segmentation_free": True,
            "moderation": "none",
            "garment": {"category": "outfit", "type": "long_dress", "photo": "model"},
            "output": {"count": 8, "quality": "fast", "seed": 4_294_967_295, "guidance": 10, "mask": True},
        },
        sandbox(outcome="partial") | {"output": {"count": 2}},
        sandbox(seconds=600),
        sandbox(seconds=600, polled=True),
    ],
)
def test_the_sandbox_takes_every_option(fields: dict[str, Any]) -> None:
    assert answered("sandbox", **fields) == []


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        (sandbox(outcome="partial"), "/output/count"),
        (sandbox(outcome="partial", images=2) | {"output": {"count": 2}}, "/output/count"),
        (sandbox(images=1), "/provider_options/sandbox/images"),
    ],
)
def test_the_sandbox_refuses_what_contradicts_itself(fields: dict[str, Any], pointer: str) -> None:
    assert answered("sandbox", **fields) == [("invalid_input", pointer)]


def test_wrong_options_are_one_fault_at_their_own_pointer() -> None:
    assert answered("sandbox", **sandbox(outcome="success?")) == [
        ("invalid_input", "/provider_options/sandbox/outcome")
    ]


# the catalogue


def test_the_order_in_which_auto_tries_them() -> None:
    assert [entry.id for entry in catalogue.entries()] == [
        "nova_canvas",
        "stability",
        "fashn",  # "Default hosted VTO"
        "tryiton",
        "fal",
        "astria",
        "aidge",
        "sagemaker",
        "gemini",  # an editor: after every dedicated engine
        "sandbox",
    ]
    assert [entry.id for entry in catalogue.entries() if not entry.live] == ["sandbox"]


@pytest.mark.parametrize("entry", catalogue.entries(), ids=lambda entry: entry.id)
def test_every_entry_takes_what_every_request_asks_of_it(entry: CatalogueEntry) -> None:
    """A request that says nothing of them asks for one image all the same, and for a garment of any category."""
    count = RequestedOption("output.count", "/output/count", 1)
    category = RequestedOption("garment.category", "/garments/0/category", "auto")
    for model in entry.models:
        for task in set(model.tasks) - {"train_subject"}:
            for asked in (count, category) if task == "try_on" else (count,):
                assert entry.refuses(task, asked, model) is None


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
    program = (
        "import sys; from fitting_room.providers import catalogue; catalogue.entries(); "
        "print(sorted({'boto3', 'botocore', 'httpx', 'PIL'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert result.stdout.strip() == "[]"
