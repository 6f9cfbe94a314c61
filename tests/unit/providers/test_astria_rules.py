"""What Astria accepts in each of its flows, and which field of the others is at fault."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from fitting_room.jobs.parse import parse
from fitting_room.providers import catalogue
from fitting_room.providers.base import ReferenceKind
from tests.unit.providers.requests import IMAGE, IMAGE_MASK, SUBJECT, asking, found, planned, refused

ENTRY = catalogue.entry("astria")
OPTIONS = "/provider_options/astria"
PERSON = {"person": {"subject": SUBJECT}}
TEE = {"image": IMAGE, "category": "tops"}
ON_MODEL = {"image": IMAGE, "category": "tops", "photo": "model"}
MADE = {"subject": SUBJECT}
PARTNERS = ("astria", "astria/gemini", "astria/seedream", "astria/gpt-image-2")
EVERY_SD15_OPTION: dict[str, Any] = {
    "controlnet": "pose",
    "denoising_strength": 0.9,
    "controlnet_conditioning_scale": 0.4,
    "controlnet_txt2img": False,
    "super_resolution": True,
    "inpaint_faces": True,
    "hires_fix": True,
    "face_correct": False,
    "face_swap": True,
    "film_grain": False,
    "color_grading": "Ektar",
    "backend_version": 1,
    "prompt_expansion": False,
    "use_lpw": True,
    "scheduler": "tcd",
    "steps": 50,
    "cfg_scale": 15,
    "w": 8,
    "h": 640,
}


def picture(*, own: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A try-on of a person picture; `own` are options of Astria's."""
    return asking("try_on", **{"provider_options": {"astria": {"person_class": "woman", **(own or {})}}, **fields})


def subject(*, own: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A try-on of a subject."""
    return asking("try_on", **{**PERSON, "provider_options": {"astria": own or {}}, **fields})


def training(*, own: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return asking(
        "train_subject",
        **{"kind": "person", "class_name": "woman", "provider_options": {"astria": own or {}}, **fields},
    )


@pytest.mark.parametrize("provider", PARTNERS)
@pytest.mark.parametrize(
    "body",
    [
        picture(),
        picture(own={"aspect_ratio": "9:21", "resolution": "1K"}),
        picture(garments=[TEE, MADE, TEE]),
        picture(garments=[MADE]),
        picture(prompt="in a park"),
        picture(output={"count": 8, "seed": 2**32 - 1}),
        *(
            picture(garment={"category": category})
            for category in ("auto", "tops", "bottoms", "one_piece", "outfit", "footwear")
        ),
        *(
            picture(own={"garment_classes": ["ring"]}, garment={"category": category})
            for category in ("headwear", "eyewear", "jewelry", "accessories")
        ),
        picture(own={"garment_classes": [None, "swimming suit"]}, garments=[MADE, TEE]),
        *(picture(garment={"photo": photo}) for photo in ("auto", "flat_lay", "model")),
        subject(),
        training(),
        training(kind="garment", photo="flat_lay"),
        training(pictures=[IMAGE] * 30),
    ],
)
def test_partner_models_honour(provider: str, body: dict[str, Any]) -> None:
    assert found(provider, body) == []


@pytest.mark.parametrize(
    "body",
    [
        subject(),
        subject(garments=[ON_MODEL], mask=IMAGE_MASK),
        subject(garments=[ON_MODEL], own=EVERY_SD15_OPTION),
        subject(garments=[MADE], own={"ar": "landscape"}),
        subject(prompt="in a park", negative_prompt="bag"),
        subject(own={"super_resolution": False, "hires_fix": False}),
        subject(own={"garment_classes": ["swimming suit"]}),
        training(own={"branch": "fast"}),
        training(own={"face_crop": True, "training_face_correct": True}),
        training(kind="garment"),
    ],
)
def test_sd15_honours(body: dict[str, Any]) -> None:
    assert found("astria/sd15", body) == []


UNSUPPORTED, INVALID = "unsupported_option", "invalid_input"


@pytest.mark.parametrize(
    ("provider", "body", "code", "pointer"),
    [
        # a person
        ("astria", asking("try_on"), INVALID, f"{OPTIONS}/person_class"),
        ("astria", picture(own={"person_class": "person"}), INVALID, f"{OPTIONS}/person_class"),
        ("astria", subject(own={"person_class": "woman"}), INVALID, f"{OPTIONS}/person_class"),
        ("astria", picture(person={"photos": [IMAGE]}), UNSUPPORTED, "/person/photos"),
        ("astria", picture(person={"stock": {}}), UNSUPPORTED, "/person/stock"),
        ("astria/sd15", asking("try_on"), UNSUPPORTED, "/person"),
        # garments
        ("astria", picture(garments=[TEE] * 4), UNSUPPORTED, "/garments/3"),
        ("astria/sd15", subject(garments=[TEE, TEE]), UNSUPPORTED, "/garments/1"),
        ("astria", picture(garment={"category": "object"}), UNSUPPORTED, "/garments/0/category"),
        *(
            ("astria", picture(garment={"category": category}), INVALID, f"{OPTIONS}/garment_classes")
            for category in ("headwear", "eyewear", "jewelry", "accessories")
        ),
        ("astria", picture(own={"garment_classes": [None, "dress"]}), INVALID, f"{OPTIONS}/garment_classes/1"),
        (
            "astria",
            picture(own={"garment_classes": ["dress"]}, garments=[MADE]),
            INVALID,
            f"{OPTIONS}/garment_classes/0",
        ),
        ("astria", picture(own={"garment_classes": ["<faceid:1:1>"]}), INVALID, f"{OPTIONS}/garment_classes/0"),
        ("astria", picture(garment={"type": "boots"}), UNSUPPORTED, "/garments/0/type"),
        # the vendor's own syntax, which would reach what belongs to others or buy something else
        *(
            ("astria", picture(prompt=text), INVALID, "/prompt")
            for text in ("like <faceid:1:1> man", "< lora:1:1>", "x --video --video_model kling25", "--num_images 8")
        ),
        ("astria/sd15", subject(negative_prompt="<lora:1:1>"), INVALID, "/negative_prompt"),
        # options of the other flow
        *(
            ("astria", picture(own={name: value}), INVALID, f"{OPTIONS}/{name}")
            for name, value in EVERY_SD15_OPTION.items()
            if name not in ("w", "h")
        ),
        ("astria/gemini", subject(own={"steps": 30}), INVALID, f"{OPTIONS}/steps"),
        ("astria/sd15", subject(own={"resolution": "1K"}), INVALID, f"{OPTIONS}/resolution"),
        ("astria/sd15", subject(own={"aspect_ratio": "1:1"}), INVALID, f"{OPTIONS}/aspect_ratio"),
        ("astria", picture(negative_prompt="bag"), UNSUPPORTED, "/negative_prompt"),
        ("astria/sd15", subject(output={"quality": "best"}), UNSUPPORTED, "/output/quality"),
        ("astria/seedream", picture(output={"quality": "best"}), UNSUPPORTED, "/output/quality"),
        ("astria", picture(own={"resolution": "1K"}, output={"quality": "best"}), INVALID, f"{OPTIONS}/resolution"),
        # options of a training, and of a try-on
        *(
            ("astria/sd15", subject(own={name: value}), INVALID, f"{OPTIONS}/{name}")
            for name, value in (("branch", "fast"), ("face_crop", True), ("training_face_correct", True))
        ),
        ("astria", training(own={"branch": "fast"}), INVALID, f"{OPTIONS}/branch"),
        ("astria/sd15", training(own={"branch": "fast"}, kind="garment"), INVALID, f"{OPTIONS}/branch"),
        ("astria/sd15", training(own={"branch": "flux1"}), INVALID, f"{OPTIONS}/branch"),
        ("astria/sd15", training(own={"steps": 30}), INVALID, f"{OPTIONS}/steps"),
        ("astria", training(own={"person_class": "woman"}), INVALID, f"{OPTIONS}/person_class"),
        # "Requires input_image."
        *(
            ("astria/sd15", subject(garments=[garment], own={name: value}), INVALID, f"{OPTIONS}/{name}")
            for garment in (TEE, MADE)
            for name, value in list(EVERY_SD15_OPTION.items())[:4]
        ),
        # ranges and combinations
        *(
            ("astria/sd15", subject(garments=[ON_MODEL], own={name: value}), INVALID, f"{OPTIONS}/{name}")
            for name, value in (
                ("controlnet", "relight"),
                ("denoising_strength", 1.1),
                ("denoising_strength", -0.1),
                ("controlnet_conditioning_scale", 1.1),
                ("scheduler", "ddim"),
                ("steps", 51),
                ("steps", -1),
                ("cfg_scale", 15.1),
                ("color_grading", "Velvia"),
                ("backend_version", 2),
                ("ar", "9:16"),
                ("mask_image", "x"),
            )
        ),
        *(
            ("astria/sd15", subject(own={name: 8}), INVALID, f"{OPTIONS}/{other}")
            for name, other in (("w", "h"), ("h", "w"))
        ),
        ("astria/sd15", subject(own={"w": 12, "h": 16}), INVALID, f"{OPTIONS}/w"),
        ("astria/sd15", subject(own={"w": 16, "h": 16, "ar": "1:1"}), INVALID, f"{OPTIONS}/ar"),
        *(
            ("astria/sd15", subject(own={"super_resolution": False, name: True}), INVALID, f"{OPTIONS}/{name}")
            for name in ("inpaint_faces", "hires_fix")
        ),
        # what nobody has
        ("astria", picture(output={"count": 9}), INVALID, "/output/count"),
        ("astria", picture(output={"size": "original"}), UNSUPPORTED, "/output/size"),
        ("astria", picture(output={"guidance": 5}), UNSUPPORTED, "/output/guidance"),
        ("astria", picture(output={"mask": True}), UNSUPPORTED, "/output/mask"),
        ("astria", picture(mask=IMAGE_MASK), UNSUPPORTED, "/mask"),
        ("astria", picture(keep={"face": True}), UNSUPPORTED, "/keep/face"),
        ("astria", picture(styling={"tuck": "in"}), UNSUPPORTED, "/styling/tuck"),
        ("astria", picture(moderation="none"), UNSUPPORTED, "/moderation"),
        ("astria", picture(segmentation_free=True), UNSUPPORTED, "/segmentation_free"),
        ("astria", asking("text_to_image"), UNSUPPORTED, "/task"),
    ],
)
def test_astria_names_what_it_cannot_do(provider: str, body: dict[str, Any], code: str, pointer: str) -> None:
    assert found(provider, body) == [(code, pointer)]
    [fault] = refused(provider, body)
    assert fault.remedy


def test_a_person_picture_for_the_older_flow_is_answered_with_the_way_there() -> None:
    [fault] = refused("astria/sd15", asking("try_on"))
    assert "POST /v1/subjects (kind person, provider astria/sd15)" in fault.remedy
    assert "person.subject" in fault.remedy


@pytest.mark.parametrize(
    ("own", "flow"),
    [
        ({"steps": 30}, "astria/sd15"),
        ({"resolution": "1K"}, "astria/gemini"),
        ({"aspect_ratio": "1:1"}, "astria/gemini"),
    ],
)
def test_the_subject_tells_whose_options_count(own: dict[str, Any], flow: str) -> None:
    other = "astria/sd15" if flow == "astria/gemini" else "astria/gemini"
    assert found("astria", subject(own=own), flow) == []
    [fault] = refused("astria", subject(own=own), other)
    assert fault.pointer == f"{OPTIONS}/{next(iter(own))}"
    assert fault.remedy.startswith("Name ")


def test_the_subject_tells_how_many_garments_go_together() -> None:
    assert found("astria", subject(garments=[TEE, TEE]), "astria/sd15") == [(UNSUPPORTED, "/garments/1")]
    assert found("astria", subject(garments=[TEE, TEE]), "astria/gemini") == []


def test_a_garment_made_for_the_older_flow_does_not_go_onto_a_picture() -> None:
    body = picture() | {"garments": [{"subject": SUBJECT, "category": "tops"}]}
    assert (UNSUPPORTED, "/person") in found("astria", body, "astria/sd15")


def test_a_scene_is_not_offered() -> None:
    assert (UNSUPPORTED, "/scene") in found("astria", asking("try_on", scene=IMAGE, mask=IMAGE_MASK))


def test_a_model_that_stands_in_the_fallback_counts_as_named() -> None:
    body = picture(own={"steps": 30}) | {"provider": "sandbox", "fallback": ["astria/sd15"]}
    assert ("unsupported_option", "/person") in found("sandbox", body)


@pytest.mark.parametrize(
    ("provider", "body", "model"),
    [
        ("astria", picture(), "gemini"),
        ("astria/seedream", picture(), "seedream"),
        ("astria", training(), "gemini"),
        ("astria/sd15", training(), "sd15"),
        ("astria/gpt-image-2", subject(), "gpt-image-2"),
    ],
)
def test_the_older_flow_is_used_only_when_it_is_named(provider: str, body: dict[str, Any], model: str) -> None:
    chosen = ENTRY.model(parse(body | {"provider": provider}))
    assert chosen and chosen.id == model


def test_a_subject_decides_the_model() -> None:
    chosen = ENTRY.model(parse(subject()), frozenset({"astria/sd15"}))
    assert chosen and chosen.id == "sd15"
    assert chosen.lifecycle.legacy == date(2026, 8, 21)


def test_pictures_are_registered_and_subjects_are_not() -> None:
    shoes, ring = {"image": IMAGE, "category": "footwear", "photo": "flat_lay"}, {"image": IMAGE, "category": "jewelry"}
    body = picture(garments=[MADE, shoes, ring], own={"person_class": "man", "garment_classes": [None, None, "ring"]})
    assert ENTRY.references(parse(body)) == {
        "person": ReferenceKind(class_name="man", shared=False),
        "garment-1": ReferenceKind(class_name="shoes", flat_lay=True),
        "garment-2": ReferenceKind(class_name="ring"),
    }
    fewer = ENTRY.references(parse(picture(garments=[TEE, shoes], own={"garment_classes": ["swimming suit"]})))
    assert [fewer[f"garment-{n}"].class_name for n in (0, 1)] == ["swimming suit", "shoes"]
    assert ENTRY.references(parse(subject(garments=[TEE]))) == {"garment-0": ReferenceKind(class_name="shirt")}
    assert ENTRY.references(parse(training())) == {}


@pytest.mark.parametrize(
    ("body", "warned"),
    [
        (training(pictures=[IMAGE] * 3), True),
        (training(pictures=[IMAGE] * 4), False),
        (training(kind="garment"), False),
    ],
)
def test_a_training_on_few_pictures_is_warned_about(body: dict[str, Any], warned: bool) -> None:
    warnings = [(warning.code, warning.pointer) for warning in planned("astria/sd15", body).warnings]
    assert warnings == ([("few_pictures", "/pictures")] if warned else [])


def test_a_reference_needs_one_picture() -> None:
    assert planned("astria", training()).warnings == []


@pytest.mark.parametrize("provider", ["astria/sd15", "astria"])
@pytest.mark.parametrize(
    ("fields", "warned"),
    [
        # "Ideally you should try to describe the background/scene and type of cloth the person is wearing."
        ({"garments": [TEE | {"photo": "flat_lay"}]}, [("scene_undescribed", "/prompt")]),
        ({"garments": [TEE | {"photo": "flat_lay"}], "prompt": "a beach"}, []),
        # "In case a reference image to the garment includes a fashion model, a better alternative to this, could be to use
        # the input image as a reference pose"
        ({"garments": [TEE], "prompt": "a beach"}, [("worn_garment_as_input", "/garments/0/photo")]),
        ({"garments": [MADE], "prompt": "a beach"}, [("worn_garment_as_input", "/input_image")]),
        ({"garments": [MADE], "prompt": "a beach", "input_image": IMAGE}, []),
        ({"garments": [ON_MODEL], "prompt": "a beach"}, []),
    ],
)
def test_what_the_try_on_page_advises_is_a_warning(
    provider: str, fields: dict[str, Any], warned: list[tuple[str, str]]
) -> None:
    """Also where only the subject says that it is this model."""
    found = planned(provider, subject(**fields), made_for="astria/sd15").warnings
    assert [(warning.code, warning.pointer) for warning in found] == warned


def test_that_advice_is_not_for_partner_models() -> None:
    assert planned("astria/gemini", subject(garments=[TEE]), made_for="astria/gemini").warnings == []


INPUT: dict[str, Any] = {"controlnet": "pose", "denoising_strength": 0.9, "controlnet_conditioning_scale": 0.4}


@pytest.mark.parametrize("garment", [MADE, TEE, TEE | {"photo": "flat_lay"}, ON_MODEL])
def test_any_garment_goes_with_an_input_image_of_its_own(garment: dict[str, Any]) -> None:
    """Page "Virtual Try-on": make the faceid of the garment, then prompt with it, `controlnet` and `input_image_url`."""
    body = subject(garments=[garment], input_image=IMAGE, mask=IMAGE_MASK, own=INPUT)
    assert found("astria/sd15", body, made_for="astria/sd15") == []
    assert parse(body).masked == "input"


def test_without_an_input_image_its_options_say_how_to_bring_one() -> None:
    faults = refused("astria/sd15", subject(garments=[MADE], own=INPUT), made_for="astria/sd15")
    assert {fault.pointer for fault in faults} == {f"{OPTIONS}/{name}" for name in INPUT}
    assert all("`input_image`" in fault.remedy for fault in faults)


@pytest.mark.parametrize("provider", PARTNERS[1:])
def test_partner_models_have_no_input_image(provider: str) -> None:
    assert found(provider, picture(input_image=IMAGE)) == [("unsupported_option", "/input_image")]
