"""A model's life, as a client sees it: what the list shows, what `auto` plans, and what asking for it by name answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from fitting_room.actions.requests.list_providers import list_providers
from fitting_room.actions.requests.plan import Deployment, plan
from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.jobs.parse import parse
from fitting_room.providers.catalogue import entries
from fitting_room.stores.api_keys import Caller
from fitting_room.stores.model_lifecycles import ObservedLifecycle

CORE = "stability.stable-image-core-v1:1"
IMAGE = {"url": "https://shop.example/p.png"}
TEXT = {"task": "text_to_image", "prompt": "a hat"}
BEFORE, END, LATER = date(2026, 9, 29), date(2026, 9, 30), date(2027, 3, 1)
CHECKED = "2026-09-29T04:00:00.000Z"


def said(state: Any, **dates: date) -> ObservedLifecycle:
    return ObservedLifecycle(state=state, checked_at=CHECKED, **dates)


def deployed(
    core: ObservedLifecycle | None,
    today: date = END,
    *,
    regions: tuple[str, ...] = ("nova_canvas", "stability"),
    private: tuple[str, ...] = (),
) -> Deployment:
    """Both providers on Bedrock and a key for TryItOn; Nova Canvas ends on END by the catalogue, Core has no date there."""
    observed: Mapping[str, ObservedLifecycle] = {CORE: core} if core else {}
    return Deployment(entries(), frozenset({"tryiton"}), frozenset(regions), frozenset(private), observed, today)


def planned(deployment: Deployment, body: dict[str, Any] = TEXT, **changes: Any) -> list[str]:
    return plan(parse({**body, **changes}), Caller("acme", "live", None), deployment).providers


def refused(deployment: Deployment, body: dict[str, Any] = TEXT, **changes: Any) -> list[Fault]:
    with pytest.raises(Refusal) as caught:
        planned(deployment, body, **changes)
    return list(caught.value.faults)


def shown(deployment: Deployment, model: str = CORE) -> dict[str, Any]:
    items = list_providers(deployment, Caller("acme", "live", None))["items"]
    [life] = [each["lifecycle"] for item in items for each in item["models"] if each["id"] == model]
    return {name: value for name, value in life.items() if value is not None and name not in ("source", "checked")}


def test_never_looked_up() -> None:
    deployment = deployed(None, LATER)
    assert shown(deployment) == {"state": "unknown", "retired": False}
    assert planned(deployment) == ["stability"]


def test_active() -> None:
    deployment = deployed(said("active"))
    assert shown(deployment) == {"state": "active", "checked_at": CHECKED, "retired": False}
    assert planned(deployment) == planned(deployment, provider="stability") == ["stability"]


def test_legacy_is_shown_with_its_dates_and_still_planned() -> None:
    deployment = deployed(said("legacy", legacy=date(2026, 8, 1), end_of_life=LATER))
    assert shown(deployment) == {
        "state": "legacy",
        "legacy": "2026-08-01",
        "end_of_life": "2027-03-01",
        "checked_at": CHECKED,
        "retired": False,
    }
    assert planned(deployment) == planned(deployment, provider=f"stability/{CORE}") == ["stability"]


def test_end_of_life_retires_on_its_day_although_nobody_looked_again() -> None:
    legacy = said("legacy", end_of_life=LATER)
    assert planned(deployed(legacy, date(2027, 2, 28))) == ["stability"]
    deployment = deployed(legacy, LATER, private=("nova_canvas",))
    assert shown(deployment)["retired"] is True
    assert planned(deployment) == ["nova_canvas"]
    for name in ("stability", f"stability/{CORE}"):
        [fault] = refused(deployment, provider=name)
        assert (fault.code, fault.pointer, fault.provider) == ("model_retired", "/provider", "stability")
        assert f"{CORE}) reached its end of life on 2027-03-01" in fault.detail
        assert "another provider that can: `nova_canvas`." in fault.remedy


def test_the_other_models_of_a_provider_live_on() -> None:
    deployment = deployed(said("legacy", end_of_life=LATER), LATER)
    assert planned(deployment, output={"quality": "best"}) == ["stability"]
    assert planned(deployment, {"task": "remove_background", "image": {"url": "https://shop.example/p.png"}}) == [
        "stability"
    ]
    assert shown(deployment, "stability.stable-image-ultra-v1:1")["retired"] is False


@pytest.mark.parametrize(
    ("provider", "gone", "next_one"),
    [
        ("fal", "fal-ai/fashn/tryon/v1.6", "fal-ai/flux-pro/v1/vto"),
        ("astria", "gemini", "seedream"),
        ("fashn", "tryon-v1.6", None),  # its other model is used only by name
        ("tryiton", "fashion-v2", None),  # its other model is off, unless the stage offers it
    ],
)
def test_the_next_model_of_a_provider_takes_the_place_of_one_that_is_gone(
    provider: str, gone: str, next_one: str | None
) -> None:
    observed = {f"{provider}/{gone}": said("gone")}
    here = Deployment(entries(), frozenset({provider}), observed=observed, today=END)
    body = {"task": "try_on", "person": IMAGE, "garments": [{"image": IMAGE, "category": "tops"}]}
    body |= {"provider_options": {"astria": {"person_class": "woman"}}}
    for asked in (provider, "auto") if next_one else ():
        done = plan(parse({**body, "provider": asked}), Caller("acme", "live", None), here)
        assert (done.providers, done.models) == ([provider], {provider: next_one})
    for asked in (f"{provider}/{gone}", *([] if next_one else [provider])):
        assert refused(here, body, provider=asked)[0].code == "model_retired"


def test_a_provider_all_whose_own_choices_are_gone_names_the_models_that_live() -> None:
    observed = {"gemini/gemini-nano-banana-2.1": said("gone")}
    here = Deployment(entries(), frozenset({"gemini"}), observed=observed, today=END)
    body = {"task": "try_on", "person": IMAGE, "garments": [{"image": IMAGE, "category": "tops"}]}
    [fault] = refused(here, body, provider="gemini")
    assert fault.code == "model_retired"
    assert "`gemini/gemini-3.1-flash-lite-image`, `gemini/gemini-3-pro-image`" in fault.remedy


def test_gone_counts_as_retired_even_without_a_date() -> None:
    deployment = deployed(said("gone"), private=("nova_canvas",))
    assert shown(deployment) == {"state": "gone", "checked_at": CHECKED, "retired": True}
    assert planned(deployment) == ["nova_canvas"]
    [fault] = refused(deployment, provider="stability")
    assert fault.code == "model_retired"
    assert f"{CORE}) is no longer known to Bedrock" in fault.detail


def test_gone_before_its_date_is_not_said_to_have_reached_it() -> None:
    nova = "amazon.nova-canvas-v1:0"
    early = Deployment(entries(), frozenset(), frozenset({"nova_canvas"}), observed={nova: said("gone")}, today=BEFORE)
    [fault] = refused(early, provider="nova_canvas")
    assert fault.code == "model_retired"
    assert "2026-09-30" not in fault.detail


def test_where_the_lookup_is_refused_only_the_catalogue_s_dates_count() -> None:
    deployment = deployed(said("unknown"), LATER)
    assert shown(deployment) == {"state": "unknown", "checked_at": CHECKED, "retired": False}
    assert planned(deployment) == ["stability"]
    nova = "amazon.nova-canvas-v1:0"
    for today, retired in ((BEFORE, False), (END, True)):
        refused_lookup = Deployment(
            entries(), frozenset(), frozenset({"nova_canvas"}), observed={nova: said("unknown")}, today=today
        )
        assert shown(refused_lookup, nova)["retired"] is retired
        assert shown(refused_lookup, nova)["end_of_life"] == "2026-09-30"


def test_bedrock_s_own_date_wins_over_the_catalogue_s() -> None:
    nova = "amazon.nova-canvas-v1:0"
    postponed = Deployment(
        entries(),
        frozenset(),
        frozenset({"nova_canvas"}),
        observed={nova: said("legacy", end_of_life=LATER)},
        today=END,
    )
    assert shown(postponed, nova)["end_of_life"] == "2027-03-01"
    assert planned(postponed) == ["nova_canvas"]


@pytest.mark.parametrize("observed", [said("legacy", end_of_life=END), said("gone"), said("unknown")])
def test_an_account_with_private_access_keeps_its_model(observed: ObservedLifecycle) -> None:
    nova = "amazon.nova-canvas-v1:0"
    here = frozenset({"nova_canvas"})
    private = Deployment(entries(), frozenset(), here, here, {nova: observed}, LATER)
    assert shown(private, nova)["retired"] is False
    assert planned(private) == planned(private, provider="nova_canvas") == ["nova_canvas"]


def test_auto_says_of_each_provider_when_it_ended_where_nobody_is_left() -> None:
    found = refused(deployed(said("gone"), LATER))
    assert {fault.provider: fault.code for fault in found} == {
        "nova_canvas": "model_retired",
        "stability": "model_retired",
    }
    assert all("ask the operator for one" in fault.remedy for fault in found)


def test_the_alternatives_of_a_retired_model_are_alive_and_configured_here() -> None:
    garment = {"image": {"url": "https://shop.example/g.png"}, "category": "tops"}
    try_on = {"task": "try_on", "person": {"url": "https://shop.example/p.png"}, "garments": [garment]}
    [fault] = refused(deployed(None), try_on, provider="nova_canvas")
    assert "another provider that can: `tryiton`." in fault.remedy
    [fault] = refused(deployed(None), TEXT, provider="nova_canvas")
    assert "another provider that can: `stability`." in fault.remedy
    [fault] = refused(deployed(None, regions=("nova_canvas",)), TEXT, provider="nova_canvas")
    assert "ask the operator for one" in fault.remedy


def test_stability_is_off_until_a_region_is_named() -> None:
    [fault] = refused(deployed(None, regions=("nova_canvas",)), TEXT, provider="stability")
    assert (fault.code, fault.provider) == ("provider_not_configured", "stability")
    assert "bedrock_regions" in fault.remedy
