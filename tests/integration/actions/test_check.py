"""All faults at once: fields, rules over several, pictures, and what the named provider cannot do, in one answer."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from fitting_room.actions.requests.estimate import estimate
from fitting_room.actions.requests.submit import submit
from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.stores.api_keys import Caller
from tests.deployment import choose
from tests.integration.world import TENANT, World, picture

Told = dict[str | None, Fault]
CALLER = Caller(TENANT, "live", None)


def submitted(world: World, body: Any) -> None:
    submit(body, CALLER, None, world.at)


def estimated(world: World, body: Any) -> None:
    estimate(body, CALLER, world.at)


BOTH = pytest.mark.parametrize("ask", [submitted, estimated], ids=["submit", "estimate"])
Ask = Callable[[World, Any], None]


def told(world: World, ask: Ask, **changes: Any) -> Told:
    with pytest.raises(Refusal) as caught:
        ask(world, world.body(**changes))
    pointers = [fault.pointer for fault in caught.value.faults]
    assert len(pointers) == len(set(pointers)), "one fault a place"
    return {fault.pointer: fault for fault in caught.value.faults}


@BOTH
def test_fields_rules_pictures_and_the_provider_are_told_together(world: World, ask: Ask) -> None:
    found = told(
        world,
        ask,
        provider="nova_canvas",
        prompt="x",
        output={"guidance": 10.1, "count": 6, "format": "gif"},
        person={"s3": "s3://elsewhere/p.png"},
        scene={"url": "http://shop.example/room.png"},
        garments=[{"image": {"data": "data:image/png;base64,%"}, "categry": "tops"}],
        zzz=1,
    )
    assert set(found) == {
        "/prompt",
        "/output/guidance",
        "/output/count",
        "/output/format",
        "/person/s3",
        "/scene",
        "/scene/url",
        "/garments/0/image/data",
        "/garments/0/categry",
        "/zzz",
    }
    assert (found["/output/guidance"].remedy, found["/output/count"].remedy) == ("Use 1.1 to 10.", "Use 1 to 5.")
    assert found["/prompt"].remedy.startswith("Leave it out: virtual try-on takes no text.")
    assert "`category`" in found["/garments/0/categry"].remedy
    assert world.keys("staging/") == []


@BOTH
@pytest.mark.parametrize(
    ("provider", "output", "pointer", "remedy"),
    [
        ("nova_canvas", {"seed": 2**32}, "/output/seed", "Use 0 to 2,147,483,646."),
        ("nova_canvas", {"seed": 2**31 - 1}, "/output/seed", "Use 0 to 2,147,483,646."),
        ("nova_canvas", {"seed": -1}, "/output/seed", "Use 0 to 2,147,483,646."),
        (
            "nova_canvas",
            {"seed": "7"},
            "/output/seed",
            "Send a whole number from 0 to 2,147,483,646, or the text provider.",
        ),
        ("nova_canvas", {"count": 9}, "/output/count", "Use 1 to 5."),
        ("nova_canvas", {"quality": "great"}, "/output/quality", "Use one of: standard, best."),
        ("nova_canvas/amazon.nova-canvas-v1:0", {"count": 0}, "/output/count", "Use 1 to 5."),
    ],
)
def test_the_range_is_that_of_the_provider_that_was_named(
    world: World, ask: Ask, provider: str, output: dict[str, Any], pointer: str, remedy: str
) -> None:
    [fault] = told(world, ask, provider=provider, output=output).values()
    assert (fault.pointer, fault.provider) == (pointer, "nova_canvas")
    assert fault.remedy.startswith(remedy)


@BOTH
def test_what_the_provider_does_not_have_is_no_matter_of_ranges(world: World, ask: Ask) -> None:
    world.configure("tryiton", "fashn")
    for seed in (-1, 2**40, "7", 5):
        [fault] = told(world, ask, provider="tryiton", output={"seed": seed}).values()
        assert (fault.code, fault.provider) == ("unsupported_option", "tryiton")
        assert "`output.seed`" in fault.detail
    assert "fashn" in fault.remedy, "which takes the last of them"


@BOTH
def test_the_other_model_or_field_that_can_is_named(world: World, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    world.configure("tryiton", "astria")
    for name, option in (("seed", {"output": {"seed": 4}}), ("segmentation_free", {"segmentation_free": True})):
        [fault] = told(world, ask, provider="tryiton", **option).values()
        assert "tryiton/clothes" not in fault.remedy, f"{name}: not offered here"
    choose(monkeypatch, legacy_models=["tryiton/clothes"])
    for option in ({"output": {"seed": 4}}, {"segmentation_free": True}):
        [fault] = told(world, ask, provider="tryiton", **option).values()
        assert "`tryiton/clothes`" in fault.remedy
    garments = world.body()["garments"]
    [fault] = told(world, ask, provider="nova_canvas", garments=garments * 2).values()
    assert "one image that shows all pieces, with the category outfit" in fault.remedy
    given = {"provider_options": {"astria": {"person_class": "woman"}}, "output": {"guidance": 5}}
    [fault] = told(world, ask, provider="astria", **given).values()
    assert "provider_options.astria.cfg_scale" in fault.remedy
    typed = [{**garments[0], "type": "shoes", "category": "footwear"}]
    [fault] = told(world, ask, provider="tryiton", garments=typed).values()
    assert "`garments[0].type`" in fault.detail


@BOTH
def test_a_mask_without_an_image_of_a_person_names_the_way_that_there_is(world: World, ask: Ask) -> None:
    image = world.body()["person"]
    found = told(
        world,
        ask,
        provider="astria/sd15",
        person={"subject": "sub_" + "0" * 26},
        mask={"type": "image", "image": image},
    )
    assert "garments[0].photo to model" in found["/mask"].remedy
    assert found["/person/subject"].code == "subject_not_ready"


@BOTH
@pytest.mark.parametrize(("typo", "meant"), [("fash", "fashn"), ("Nova Canvas", "nova_canvas"), ("tryitn", "tryiton")])
def test_a_provider_that_is_misspelt_is_told_with_the_nearest_and_with_what_that_one_lacks(
    world: World, ask: Ask, typo: str, meant: str
) -> None:
    world.configure("tryiton", "fashn")
    found = told(world, ask, provider=typo, prompt="x", provider_options={typo: {}})
    assert f"Did you mean `{meant}`?" in found["/provider"].remedy
    assert f"Did you mean `{meant}`?" in found[f"/provider_options/{typo}"].remedy
    assert found["/prompt"].provider == meant


@BOTH
def test_a_repaired_guess_brings_no_fault_of_its_own(world: World, ask: Ask) -> None:
    assert set(told(world, ask, provider="nova_canvas", garments=[{"image": 5, "category": "hats"}])) == {
        "/garments/0/image",
        "/garments/0/category",
    }
    assert set(told(world, ask, provider="nova_canvas", mask={"type": "promt", "prompt": "x"})) == {"/mask/type"}
    assert set(told(world, ask, merge="harsh")) == {"/merge"}, "auto may find somebody once that is right"


@BOTH
@pytest.mark.parametrize(
    ("ref", "word"),
    [
        ({"url": "http://shop.example/p.png"}, "http,"),
        ({"url": "https://jane:secret@shop.example/p.png"}, "user name"),
        ({"url": "https://shop.example:8443/p.png"}, "port"),
        ({"url": "https://localhost/p.png"}, "public internet"),
        ({"url": "https://"}, "not the address"),
        ({"s3": f"s3://inbox-bucket/drop/{TENANT}/"}, "folder"),
        ({"s3": f"s3://inbox-bucket/drop/{TENANT}/" + "k" * 1015}, "1,024 bytes"),
        ({"s3": f"s3://inbox-bucket/drop/{TENANT}/../rival/p.png"}, "own folders"),
        ({"data": "data:image/png;base64,"}, "no data"),
    ],
)
def test_an_address_that_cannot_work_is_refused_at_once_and_by_name(
    world: World, ask: Ask, ref: dict[str, str], word: str
) -> None:
    [fault] = told(world, ask, person=ref).values()
    [kind] = ref
    assert fault.pointer == f"/person/{kind}"
    assert word in fault.detail
    assert "secret" not in fault.detail + fault.remedy


@BOTH
@pytest.mark.parametrize(
    "url", ["https://shop.example/p.png", "https://shop.example:443/p.png?sig=a%20b", "HTTPS://x.y/"]
)
def test_an_address_that_may_work_is_taken(world: World, ask: Ask, url: str) -> None:
    ask(world, world.body(person={"url": url}))


def test_a_loopback_server_that_the_stage_allows_may_be_http(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, fetch_allow=["127.0.0.1:9000"])
    submitted(world, world.body(person={"url": "http://127.0.0.1:9000/p.png"}))
    [fault] = told(world, submitted, person={"url": "http://127.0.0.1:9001/p.png"}).values()
    assert "http" in fault.detail


@BOTH
@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"output": {"count": "2"}}, "/output/count"),
        ({"output": {"count": True}}, "/output/count"),
        ({"output": {"mask": "no"}}, "/output/mask"),
        ({"keep": {"face": 0}}, "/keep/face"),
        ({"keep": {"face": "off"}}, "/keep/face"),
        ({"owner": 7}, "/owner"),
        (
            {"provider": "sandbox", "provider_options": {"sandbox": {"polled": "no"}}},
            "/provider_options/sandbox/polled",
        ),
        (
            {"provider": "sandbox", "provider_options": {"sandbox": {"seconds": "1"}}},
            "/provider_options/sandbox/seconds",
        ),
        ({"metadata": {"a": "b\x00c"}}, "/metadata/a"),
        ({"provider_options": {"fashn": {"a": float("inf")}}}, "/provider_options/fashn/a"),
        ({"provider_options": {"fashn": {"a": ["\ud800"]}}}, "/provider_options/fashn/a/0"),
        ({"provider_options": {"fashn": {"\ud800": 1}}}, "/provider_options/fashn/?"),
    ],
)
def test_nothing_is_taken_for_something_else(world: World, ask: Ask, change: dict[str, Any], pointer: str) -> None:
    [fault] = told(world, ask, **change).values()
    assert (fault.code, fault.pointer) == ("invalid_input", pointer)


# --------------------------------------------------------------------------------------------------- what an estimate says
def test_an_estimate_echoes_no_picture(world: World) -> None:
    data = picture(300, 400)
    text = base64.b64encode(data).decode()
    garments = [{"image": {"data": text}, "category": "tops"}]
    answer = estimate(world.body(person={"data": f"data:;base64,{text}"}, garments=garments), CALLER, world.at)
    assert answer["request"]["person"]["data"] == f"({len(data):,} bytes)"
    assert answer["request"]["garments"][0]["image"]["data"] == f"({len(data):,} bytes)"
    assert text[:50] not in str(answer)


@pytest.mark.parametrize(
    ("size", "quality", "amount"),
    [(512, "standard", 0.04), (1024, "best", 0.06), (1040, "standard", 0.06), (None, "standard", 0.06)],
)
def test_an_estimate_tells_the_price_of_the_size(world: World, size: int | None, quality: str, amount: float) -> None:
    body = {"task": "text_to_image", "prompt": "a lake", "output": {"quality": quality, "count": 2}}
    if size:
        body["size"] = {"width": size, "height": 512}
    [offer] = estimate(body, CALLER, world.at)["plan"]
    assert offer["cost"]["amount"] == amount * 2
    assert (offer["provider"], offer["model"]) == ("nova_canvas", "amazon.nova-canvas-v1:0")
    assert submit(body, CALLER, None, world.at).job.reserved.microusd == amount * 2e6  # type: ignore[union-attr]


def test_an_estimate_tells_the_credits_of_all_images(world: World) -> None:
    world.configure("fashn")
    [offer] = estimate(world.body(provider="fashn", output={"count": 3}), CALLER, world.at)["plan"]
    assert offer["cost"] == {"amount": None, "currency": "USD", "credits": 3, "basis": "image"}


def test_an_estimate_tells_until_when_a_provider_is_left_alone(world: World) -> None:
    from fitting_room.stores import capacity

    free = estimate(world.body(provider="sandbox"), CALLER, world.at)["plan"][0]["starts_at"]
    capacity.block_until("sandbox", world.at.ms() + 60_000)
    held = estimate(world.body(provider="sandbox"), CALLER, world.at)["plan"][0]["starts_at"]
    assert (free, held) == ("2026-09-01T12:00:00.000Z", "2026-09-01T12:01:00.000Z")
