"""Which providers a request goes to, and what a client hears about the others."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from fitting_room.actions.requests.list_providers import list_providers
from fitting_room.actions.requests.plan import Deployment, Plan, plan
from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.jobs.job import Mode, Subject
from fitting_room.jobs.parse import parse
from fitting_room.providers.catalogue import entries, entry
from fitting_room.stores.api_keys import Caller

PICTURE = {"url": "https://shop.example/p.png"}
ALIVE, DEAD = date(2026, 9, 29), date(2026, 9, 30)


def deployed(configured: tuple[str, ...] = (), private: tuple[str, ...] = (), today: date = DEAD) -> Deployment:
    return Deployment(entries(), frozenset(configured), frozenset({"nova_canvas"}), frozenset(private), today=today)


def planned(
    mode: Mode = "live",
    *,
    today: date = ALIVE,
    configured: tuple[str, ...] = ("tryiton",),
    private: tuple[str, ...] = (),
    **changes: Any,
) -> list[str]:
    body = {"task": "try_on", "person": PICTURE, "garments": [{"image": PICTURE, "category": "tops"}], **changes}
    return plan(parse(body), Caller("acme", mode, None), deployed(configured, private, today)).providers


def refused(*args: Any, **changes: Any) -> list[Fault]:
    with pytest.raises(Refusal) as caught:
        planned(*args, **changes)
    return list(caught.value.faults)


def test_auto_tries_every_provider_that_can_in_the_catalogues_order() -> None:
    assert planned() == ["nova_canvas", "tryiton"]


def test_auto_never_picks_the_sandbox_for_a_live_key() -> None:
    assert "sandbox" not in {fault.provider for fault in refused(configured=(), today=DEAD)}


def test_auto_on_a_stage_without_keys_first_says_that_no_key_is_stored() -> None:
    for body in ({}, {"merge": "seamless"}):
        found = refused(configured=(), today=DEAD, **body)
        assert (found[0].code, found[0].provider) == ("provider_not_configured", "fashn")
        assert found[0].remedy == "Ask its operator to store a key for FASHN."
        assert (
            [fault.code for fault in found if fault.provider == "nova_canvas"] == [found[-1].code] == ["model_retired"]
        )


def test_auto_leads_with_what_stops_the_providers_that_are_there() -> None:
    """Not with a model that is retired, nor with a remedy that is refused in its turn."""
    found = refused(configured=("fashn", "tryiton", "astria"), today=DEAD, merge="seamless")
    assert (found[0].provider, found[0].pointer, found[0].remedy) == ("fashn", "/merge", "Leave it out.")
    assert found[-1].code == "model_retired"
    assert found[-1].remedy.startswith(
        "No other provider takes this request as it is. Name one, and change what it refuses:"
        " `fashn`, `tryiton`, `astria`."
    )
    named = refused(configured=("fashn",), today=DEAD, merge="seamless", provider="nova_canvas")
    assert "that can" not in named[0].remedy


def test_a_live_key_may_name_the_sandbox() -> None:
    assert planned(provider="sandbox") == ["sandbox"]


def test_auto_leaves_out_providers_that_cannot_honour_an_option() -> None:
    assert planned(merge="seamless") == ["nova_canvas"]
    assert planned(moderation="permissive") == ["tryiton"]


def test_auto_needs_a_class_for_nova() -> None:
    assert planned(garments=[{"image": PICTURE}]) == ["tryiton"]
    (fault,) = refused(garments=[{"image": PICTURE}], provider="nova_canvas")
    assert (fault.pointer, fault.provider) == ("/garments/0/category", "nova_canvas")


def test_a_named_provider_is_tried_alone_and_its_fallback_in_order() -> None:
    assert planned(provider="tryiton") == ["tryiton"]
    assert planned(provider="tryiton", fallback=["nova_canvas"]) == ["tryiton", "nova_canvas"]
    assert planned(provider="tryiton", fallback=["tryiton", "sandbox"]) == ["tryiton", "sandbox"]


def test_a_provider_may_be_named_with_its_model() -> None:
    assert planned(provider="nova_canvas/amazon.nova-canvas-v1:0") == ["nova_canvas"]
    (fault,) = refused(provider="nova_canvas/other")
    assert (fault.code, fault.pointer) == ("invalid_input", "/provider")
    assert "nova_canvas/amazon.nova-canvas-v1:0" in fault.remedy


def test_a_misspelt_model_hears_the_nearest_one() -> None:
    (fault,) = refused(provider="tryiton/cloths")
    assert fault.remedy == (
        "Did you mean `tryiton/clothes`? Use tryiton alone, or one of its models: tryiton/fashion-v2, tryiton/clothes."
    )


def test_unknown_names_are_refused_wherever_they_stand() -> None:
    found = refused(provider="dalle", fallback=["nobody"], provider_options={"ghost": {}})
    assert [fault.pointer for fault in found] == ["/provider", "/fallback/0", "/provider_options/ghost"]
    assert ["Use auto, or one of: " in fault.remedy for fault in found] == [True, False, False]


def test_a_fallback_is_not_told_to_be_auto() -> None:
    for wrong in ("auto", "nobody"):
        (fault,) = refused(provider="tryiton", fallback=[wrong])
        assert fault.pointer == "/fallback/0"
        assert fault.remedy.startswith("Use one of: nova_canvas,")


def test_a_test_key_reaches_the_sandbox_only() -> None:
    assert planned("test") == ["sandbox"]
    assert planned("test", provider="sandbox") == ["sandbox"]
    assert [fault.code for fault in refused("test", provider="nova_canvas")] == ["provider_not_allowed"]
    (fault,) = refused("test", provider="sandbox", fallback=["tryiton"])
    assert (fault.code, fault.pointer) == ("provider_not_allowed", "/fallback/0")


def test_a_test_key_that_names_a_live_provider_hears_all_faults_at_once() -> None:
    found = refused(
        "test",
        provider="tryiton",
        fallback=["fash"],
        provider_options={"ghost": {}, "sandbox": {"speed": 1}},
    )
    assert {fault.pointer: fault.code for fault in found} == {
        "/provider": "provider_not_allowed",
        "/fallback/0": "invalid_input",
        "/provider_options/ghost": "invalid_input",
        "/provider_options/sandbox/speed": "invalid_input",
    }
    assert next(fault.remedy for fault in found if fault.pointer == "/fallback/0") == "Use sandbox."


def test_a_test_key_is_sent_to_no_live_provider() -> None:
    garment = [{"image": PICTURE, "category": "tops"}]
    (fault,) = refused("test", person={"photos": [PICTURE]}, garments=garment)
    assert (fault.pointer, fault.remedy) == ("/person/photos", "Send the person as one image.")


def test_a_retired_model_is_refused_with_its_date_and_the_providers_that_can() -> None:
    (fault,) = refused(provider="nova_canvas", today=DEAD)
    assert fault.code == "model_retired"
    assert "2026-09-30" in fault.detail
    assert "tryiton" in fault.remedy
    assert "sandbox" not in fault.remedy
    assert planned(today=DEAD) == ["tryiton"]


def test_a_retired_model_stays_for_an_account_with_private_access() -> None:
    assert planned(provider="nova_canvas", today=DEAD, private=("nova_canvas",)) == ["nova_canvas"]


def test_a_provider_without_a_key_is_refused_with_the_way_to_set_it() -> None:
    (fault,) = refused(provider="tryiton", configured=())
    assert (fault.code, fault.pointer, fault.provider) == ("provider_not_configured", "/provider", "tryiton")
    assert (
        fault.remedy == "Ask its operator to store a key for TryItOn. Or name another provider that can: `nova_canvas`."
    )
    assert planned(configured=()) == ["nova_canvas"]


def test_a_named_provider_tells_every_option_it_cannot_honour_at_once() -> None:
    found = refused(
        provider="tryiton",
        merge="balanced",
        keep={"face": True},
        styling={"tuck": "in"},
        output={"count": 5, "seed": 1, "guidance": 3, "mask": True},
        prompt="in the rain",
    )
    assert {fault.pointer for fault in found} == {
        "/merge",
        "/keep/face",
        "/styling/tuck",
        "/output/count",
        "/output/seed",
        "/output/guidance",
        "/output/mask",
        "/prompt",
    }
    assert {fault.provider for fault in found} == {"tryiton"}
    assert next(fault for fault in found if fault.pointer == "/output/count").remedy.startswith("Use 1 to 4")


def test_auto_that_finds_nobody_says_why_for_each_provider() -> None:
    everybody = ("tryiton", "fashn", "fal", "aidge", "astria", "gemini")
    found = refused(configured=everybody, prompt="in the rain", output={"count": 6})
    assert {(fault.provider, fault.pointer) for fault in found} == {
        ("aidge", "/prompt"),
        ("astria", "/provider_options/astria/person_class"),
        ("sagemaker", "/provider"),  # no endpoint is named
        ("gemini", "/output/count"),
    } | {  # the first two draw up to 8
        (provider, pointer)
        for provider in ("nova_canvas", "tryiton", "fashn", "fal")
        for pointer in ("/prompt", "/output/count")
    }
    assert all(fault.code == "unsupported_option" for fault in found if fault.provider not in ("astria", "sagemaker"))


def test_several_garments_are_refused_at_the_second_one() -> None:
    two = [{"image": PICTURE, "category": "tops"}, {"image": PICTURE, "category": "bottoms"}]
    assert ("tryiton", "/garments/1") in {(fault.provider, fault.pointer) for fault in refused(garments=two)}
    assert planned("test", garments=two) == ["sandbox"]


def test_a_providers_own_options_are_checked_against_its_model() -> None:
    found = refused("test", provider_options={"sandbox": {"seconds": -1, "speed": 1}})
    assert {fault.pointer for fault in found} == {
        "/provider_options/sandbox/seconds",
        "/provider_options/sandbox/speed",
    }
    assert {fault.provider for fault in found} == {"sandbox"}


def test_options_of_providers_that_are_not_asked_do_not_matter() -> None:
    assert planned(provider="nova_canvas", provider_options={"sandbox": {"outcome": "explode"}}) == ["nova_canvas"]


def test_the_list_of_providers_says_what_this_key_can_buy_today() -> None:
    shown = {item["id"]: item for item in list_providers(deployed(), Caller("acme", "test", None))["items"]}
    assert {
        name: (item["configured"], item["allowed"], any(model["lifecycle"]["retired"] for model in item["models"]))
        for name, item in shown.items()
    } == {
        "nova_canvas": (True, False, True),
        "stability": (False, False, False),
        "tryiton": (False, False, False),
        "fashn": (False, False, False),
        "astria": (False, False, False),
        "fal": (False, False, False),
        "aidge": (False, False, False),
        "sagemaker": (False, False, False),
        "gemini": (False, False, False),
        "sandbox": (True, True, False),
    }
    assert shown["nova_canvas"]["models"][0]["lifecycle"]["end_of_life"] == "2026-09-30"
    assert shown["nova_canvas"]["tasks"]["try_on"]["output.count"]["maximum"] == 5
    live = list_providers(deployed(), Caller("acme", "live", None))["items"]
    assert all(item["allowed"] for item in live)


@pytest.mark.parametrize(
    ("provider", "task", "option", "default", "says"),
    [
        # Nova user guide, image-gen-req-resp-structure and image-gen-vto
        ("nova_canvas", "text_to_image", "condition.control", "canny_edge", "contours"),
        ("nova_canvas", "text_to_image", "condition.strength", 0.7, "lower is freer"),
        ("nova_canvas", "image_variation", "similarity", None, "lower is freer"),
        ("nova_canvas", "try_on", "output.guidance", 6.5, "recommended for most images"),
        ("nova_canvas", "try_on", "output.quality", "standard", "premium"),
        ("nova_canvas", "try_on", "output.count", 1, "fewer may come"),
        ("nova_canvas", "try_on", "output.seed", 12, "none is sent"),
        ("nova_canvas", "try_on", "keep.face", None, "DEFAULT"),
        ("nova_canvas", "try_on", "mask.shape", None, "DEFAULT"),
        ("nova_canvas", "try_on", "styling.outer_layer", "closed", "goes over it"),
        ("nova_canvas", "outpaint", "prompt", None, "removes what the mask covers"),
        # page "Clothes Tryon"
        ("tryiton/clothes", "try_on", "garment.category", "auto", "swaps the whole outfit"),
        ("tryiton/clothes", "try_on", "segmentation_free", True, "bulky"),
        ("tryiton/clothes", "try_on", "moderation", "permissive", "underwear, swimwear and revealing"),
        ("tryiton/clothes", "try_on", "moderation", "permissive", "explicit nudity"),
        ("tryiton/clothes", "try_on", "garment.photo", "auto", "ghost mannequin"),
        ("tryiton/clothes", "try_on", "output.quality", "standard", "performance"),
        ("tryiton/clothes", "try_on", "output.seed", 42, "Fitting Room draws one"),
        ("tryiton/clothes", "try_on", "output.count", 1, "charged"),
        ("tryiton", "try_on", "moderation", "permissive", "explicit nudity"),
        # page "Virtual Try-on Submit API Reference"
        ("aidge", "try_on", "output.count", 4, "Always sent"),
        ("aidge", "try_on", "person.stock", None, "universal_1"),
        # page "Virtual Try-on"
        ("astria/sd15", "try_on", "input_image", None, "img2img"),
    ],
)
def test_the_list_of_providers_tells_the_vendors_defaults_and_what_values_mean(
    provider: str, task: str, option: str, default: Any, says: str
) -> None:
    name, _, model = provider.partition("/")
    [shown] = [item for item in list_providers(deployed(), Caller("acme", "live", None))["items"] if item["id"] == name]
    [options] = [each["options"] for each in shown["models"] if each["id"] == model] or [None]
    told = (options or shown["tasks"])[task][option]
    assert told.get("default") == default
    assert says in " ".join([told.get("meaning", ""), *told.get("meanings", {}).values()])


def test_a_model_named_in_a_fallback_is_the_one_that_is_bought() -> None:
    named = "stability/stability.stable-image-ultra-v1:1"
    request = parse(
        {
            "task": "text_to_image",
            "prompt": "a harbour",
            "provider": "nova_canvas",
            "fallback": [named],
            "output": {"quality": "best"},
        }
    )
    model = entry("stability").model(request)
    assert model and model.id == named.partition("/")[2]
    wrong = request.model_copy(update={"fallback": ["stability/us.stability.stable-image-inpaint-v1:0"]})
    assert entry("stability").model(wrong) is None


# ------------------------------------------------------------------------------------------------- tenants and stages
BODY = {"task": "try_on", "person": PICTURE, "garments": [{"image": PICTURE, "category": "tops"}]}
EVERYONE = frozenset(entry.id for entry in entries())


def asked(
    deployment: Deployment | None = None, allowed: frozenset[str] | None = None, subjects: Any = None, **changes: Any
) -> Plan:
    here = deployment or Deployment(entries(), EVERYONE, EVERYONE, EVERYONE, today=ALIVE)
    return plan(parse(BODY | changes), Caller("acme", "live", allowed), here, subjects=subjects or {})


def stopped(**facts: Any) -> list[tuple[str, str | None, str | None]]:
    with pytest.raises(Refusal) as caught:
        asked(**facts)
    return [(fault.code, fault.pointer, fault.provider) for fault in caught.value.faults]


def test_a_tenant_reaches_only_the_providers_it_is_allowed() -> None:
    assert asked(allowed=frozenset({"fashn"})).providers == ["fashn"]
    assert stopped(allowed=frozenset({"fashn"}), provider="tryiton") == [
        ("provider_not_allowed", "/provider", "tryiton")
    ]
    assert stopped(allowed=frozenset({"fashn"}), provider="fashn", fallback=["tryiton"]) == [
        ("provider_not_allowed", "/fallback/0", "tryiton")
    ]
    with pytest.raises(Refusal) as caught:
        asked(allowed=frozenset())
    assert {fault.code for fault in caught.value.faults} >= {"provider_not_allowed"}


@pytest.mark.parametrize(
    "body",
    [
        {"provider": "fashn", "garments": [{"image": PICTURE, "category": "footwear"}]},
        {"provider": "fashn", "merge": "seamless"},
        {"provider": "fash"},
        {"provider": "nobody"},
        {"provider": "fashn", "garments": [{"image": PICTURE}] * 2},
        {"provider": "tryiton"},
    ],
)
def test_no_refusal_sends_a_tenant_to_a_provider_that_it_may_not_use(body: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as caught:
        asked(allowed=frozenset({"fashn"}), **body)
    told = " ".join(fault.remedy for fault in caught.value.faults)
    others = EVERYONE - {"fashn"}
    if body["provider"] == "tryiton":
        others -= {"tryiton"}  # the operator may allow it
    assert not [name for name in others if name in told], told


@pytest.mark.parametrize(
    ("provider", "changes", "pointer", "ways"),
    [
        (
            "nova_canvas",
            {"garments": [{"image": PICTURE, "category": "headwear"}]},
            "/garments/0/category",
            ["tryiton", "gemini"],
        ),
        (
            "tryiton",
            {"garments": [{"image": PICTURE, "category": "jewelry"}]},
            "/provider_options/tryiton/subcategory",
            ["gemini"],
        ),
        (
            "aidge",
            {"output": {"size": "original"}},
            "/output/size",
            ["nova_canvas", "fashn", "tryiton", "fal"],
        ),
        (
            "stability",
            {"task": "text_to_image", "prompt": "a chair", "size": {"width": 512, "height": 512}},
            "/size",
            ["nova_canvas"],
        ),
        (
            "stability",
            {"task": "inpaint", "image": PICTURE, "mask": {"type": "image", "image": PICTURE}},
            "/prompt",
            ["nova_canvas"],
        ),
    ],
)
def test_a_rule_of_one_provider_names_those_that_can(
    provider: str, changes: dict[str, Any], pointer: str, ways: list[str]
) -> None:
    body = (BODY if "task" not in changes else {}) | changes | {"provider": provider}
    here = Deployment(entries(), EVERYONE, EVERYONE, EVERYONE, today=ALIVE)
    with pytest.raises(Refusal) as caught:
        plan(parse(body), Caller("acme", "live", None), here)
    (fault,) = caught.value.faults
    names = ", ".join(f"`{name}`" for name in ways)
    assert (fault.pointer, fault.remedy.partition(" Or name another")[2]) == (pointer, f" provider that can: {names}.")
    for name in ways:
        assert plan(parse(body | {"provider": name}), Caller("acme", "live", None), here).providers == [name]


def test_a_test_key_reaches_the_sandbox_whatever_its_tenant_is_held_to() -> None:
    here = Deployment(entries(), EVERYONE, EVERYONE, EVERYONE, today=ALIVE)
    assert plan(parse(BODY), Caller("acme", "test", frozenset({"fashn"})), here).providers == ["sandbox"]


def test_each_excluded_provider_is_listed_with_the_option_that_stops_it() -> None:
    body = {"output": {"seed": 4, "count": 8}, "segmentation_free": False, "merge": "seamless"}
    found = stopped(**body)
    assert {provider for _, _, provider in found} == {
        entry.id for entry in entries() if entry.live and "try_on" in entry.tasks
    }
    assert ("unsupported_option", "/output/seed", "tryiton") in found
    assert ("unsupported_option", "/merge", "fashn") in found
    assert ("unsupported_option", "/segmentation_free", "nova_canvas") in found


def test_a_legacy_model_is_offered_only_where_the_stage_names_it() -> None:
    assert stopped(provider="tryiton/clothes") == [("provider_not_configured", "/provider", "tryiton")]
    here = Deployment(entries(), EVERYONE, EVERYONE, today=ALIVE, legacy_models=frozenset({"tryiton/clothes"}))
    assert asked(here, provider="tryiton/clothes", output={"seed": 4}).providers == ["tryiton"]
    assert stopped(deployment=here, provider="tryiton", output={"seed": 4}) == [
        ("unsupported_option", "/output/seed", "tryiton")
    ]


def test_moderation_is_switched_off_only_where_the_stage_allows_it_and_the_notice_is_told() -> None:
    for provider in ("tryiton", "fashn"):
        assert stopped(provider=provider, moderation="none") == [("provider_not_allowed", "/moderation", provider)]
        here = Deployment(entries(), EVERYONE, EVERYONE, today=ALIVE, unmoderated=frozenset({provider}))
        found = asked(here, provider=provider, moderation="none")
        assert [(warning.code, warning.pointer) for warning in found.warnings] == [("unmoderated", "/moderation")]


def test_a_subject_goes_to_the_model_it_was_made_for_and_to_no_other() -> None:
    subject = Subject(
        id="sub_01J00000000000000000000001", kind="person", class_name="woman", made_for="astria/sd15", made_id="7"
    )
    person: dict[str, Any] = {"person": {"subject": subject.id}}
    assert asked(subjects={"/person/subject": subject}, **person).providers == ["astria"]
    assert stopped(subjects={"/person/subject": subject}, provider="astria/gemini", **person) == [
        ("unsupported_option", "/person/subject", "astria")
    ]


def test_the_list_of_providers_says_what_the_tenant_may_use_and_which_models_are_off() -> None:
    caller = Caller("acme", "live", frozenset({"tryiton"}))
    shown = {item["id"]: item for item in list_providers(deployed(), caller)["items"]}
    assert [name for name, item in shown.items() if item["allowed"]] == ["tryiton"]
    models = {model["id"]: model for model in shown["tryiton"]["models"]}
    assert (models["clothes"]["offered"], models["fashion-v2"]["offered"]) == (False, True)
    assert "output.seed" in models["clothes"]["options"]["try_on"] and models["fashion-v2"]["options"] is None


def test_advice_is_about_the_provider_that_goes_first() -> None:
    request = parse({"task": "text_to_image", "prompt": "a hall with no mirrors"})
    nova, stability = entry("nova_canvas"), entry("stability")
    for order, codes in (((nova, stability), ["negation_in_prompt"]), ((stability, nova), [])):
        found = plan(request, Caller("acme", "live", None), Deployment(order, EVERYONE, EVERYONE, today=ALIVE))
        assert found.providers == [entry.id for entry in order]
        assert [warning.code for warning in found.warnings] == codes
