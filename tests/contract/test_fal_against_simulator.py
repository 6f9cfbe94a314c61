"""The fal adapter on its simulator: each model's request is taken, and refused when any one field of it is broken."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest
from PIL import Image

from fitting_room.jobs.outcome import Failed, Pending, Ready, Unread
from fitting_room.providers.adapter import Order
from fitting_room.providers.fal import adapter
from fitting_room.providers.fal.body import body_of
from fitting_room.providers.fal.entry import Settings
from fitting_room.providers.fal.models import FASHN, FLUX, GPT_IMAGE, NANO_BANANA
from tests.contract.clothes import GARMENT, NOBODY, PERSON, SIZE, data_url
from tests.contract.conftest import Running, StandInEngine, assert_the_simulator_is_named, fetched
from tests.contract.leaves import leaves, removed, replaced, with_stranger, wrong_values
from tests.contract.orders import IMAGE, connection, order, try_on

MODELS = (FASHN, FLUX, NANO_BANANA, GPT_IMAGE)
OUTPUT: dict[str, dict[str, Any]] = {
    FASHN: {"count": 2, "quality": "best", "format": "jpeg"},
    FLUX: {},
    NANO_BANANA: {"count": 2, "quality": "fast", "format": "webp"},
    GPT_IMAGE: {"count": 2, "quality": "fast", "format": "jpeg"},
}
SHOES = data_url(Image.new("RGB", (400, 400), "crimson"))
FREE_TEXT = ("prompt",)
REQUIRED = {
    FASHN: {"model_image", "garment_image"},
    FLUX: {"prompt", "human_image_url", "garment_image_url"},
    NANO_BANANA: {"prompt", "image_urls"},
    GPT_IMAGE: {"prompt", "image_urls"},
}


def _bytes(url: str) -> bytes:
    return base64.b64decode(url.partition(",")[2])


def wanted(model: str, person: str = PERSON, **fields: Any) -> Order:
    pictures = {"person": _bytes(person), "garment": _bytes(GARMENT)}
    body = try_on(provider=f"fal/{model}", output=OUTPUT[model], **fields)
    seed = 7 if model in (FASHN, NANO_BANANA) else None
    return order("fal", body, pictures=pictures, media_type="image/png", size=SIZE, seed=seed)


def line(simulator: Running, key: str = "sim-key", **settings: bool) -> adapter.Fal:
    return adapter.connect(connection(simulator.url, key, Settings(**settings)))


def finished(vendor: adapter.Fal, asked: Order) -> Any:
    """The end of a request whose status is read again until it is told, whatever befalls a read."""
    outcome: Any = vendor.start(asked)
    submitted = outcome
    for _ in range(2000):
        if not isinstance(outcome, Pending | Unread):
            return outcome
        outcome = vendor.poll(asked, submitted.provider_job_id)
    raise AssertionError("the simulator never finished")


@pytest.mark.parametrize("model", MODELS)
def test_every_model_makes_what_was_ordered(fal_simulator: Running, model: str) -> None:
    outcome = finished(line(fal_simulator), wanted(model))
    assert isinstance(outcome, Ready), outcome
    assert (len(fetched(outcome)), outcome.kept_for) == (OUTPUT[model].get("count", 1), "3 days")
    assert [purchase["model"] for purchase in fal_simulator.purchases()] == [model]


@pytest.mark.parametrize("model", MODELS)
def test_a_request_broken_in_one_place_is_refused(fal_simulator: Running, model: str) -> None:
    http, accepted = line(fal_simulator).http, []
    request = json.loads(body_of(wanted(model)).model_dump_json(exclude_none=True))
    changes = [("a stranger", with_stranger(request, ()))]
    for path, value in leaves(request):
        name = path[-1]
        if name in REQUIRED[model]:
            changes.append((f"no {name}", removed(request, path)))
        for wrong in wrong_values(value):
            free = name in FREE_TEXT and wrong == "no such value"
            if not free and not (name == "seed" and model == NANO_BANANA and wrong == 10**12):  # no limit is documented
                changes.append((f"{name} = {wrong!r}", replaced(request, path, wrong)))
    for name, broken in changes:
        if http.post(model, json=broken).is_success:
            accepted.append(name)
    assert accepted == []
    assert len(changes) > 5 * len(request)
    assert fal_simulator.purchases() == []


@pytest.mark.parametrize(
    ("fault", "expected", "sold"),
    [
        ({"kind": "drop_before"}, ("provider_unavailable", "unknown"), 0),
        ({"kind": "drop_after"}, ("provider_unavailable", "unknown"), 1),
        ({"kind": "malformed"}, ("provider_error", "unknown"), 1),
        ({"kind": "status", "status": 429}, ("rate_limited", "no"), 0),
        ({"kind": "status", "status": 500}, ("provider_error", "unknown"), 0),
    ],
)
def test_in_trouble_on_submit(
    fal_simulator: Running, fault: dict[str, Any], expected: tuple[str, str], sold: int
) -> None:
    fal_simulator.fault(on="submit", **fault)
    outcome = line(fal_simulator).start(wanted(FASHN))
    assert isinstance(outcome, Failed), outcome
    assert (outcome.fault.code, outcome.charged) == expected
    assert (len(fal_simulator.requests()), len(fal_simulator.purchases())) == (1, sold)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("content_policy_violation", ("content_blocked", "unknown")),
        ("internal_server_error", ("provider_error", "no")),
        ("runner_disconnected", ("provider_error", "no")),
        ("request_timeout", ("timed_out", "no")),
    ],
)
def test_a_request_that_completes_as_a_failure(fal_simulator: Running, name: str, expected: tuple[str, str]) -> None:
    fal_simulator.fault(on="status", kind="error", name=name, times=1)
    outcome = finished(line(fal_simulator), wanted(FASHN))
    assert isinstance(outcome, Failed), outcome
    assert (outcome.fault.code, outcome.charged, outcome.fault.provider_code) == (*expected, name)


def test_an_image_of_nobody_may_have_cost(fal_simulator: Running) -> None:
    outcome = finished(line(fal_simulator), wanted(FASHN, NOBODY))
    assert (outcome.charged, outcome.fault.provider_code) == ("unknown", "no_media_generated")


def test_a_simulator_that_breaks_is_not_taken_for_fal(fal_simulator: Running, broken_engine: StandInEngine) -> None:
    assert_the_simulator_is_named(finished(line(fal_simulator), wanted(FASHN)))


def test_cancelling_while_it_waits_costs_nothing(fal_simulator: Running) -> None:
    fal_simulator.simulator._seconds = 3600  # type: ignore[attr-defined]
    vendor = line(fal_simulator)
    submitted = vendor.start(wanted(FASHN))
    assert isinstance(submitted, Pending)
    assert vendor.cancel(submitted.provider_job_id)
    assert not vendor.cancel(submitted.provider_job_id)
    assert [purchase["charged"] for purchase in fal_simulator.purchases()] == [False]
    reading = vendor.poll(wanted(FASHN), submitted.provider_job_id)
    assert isinstance(reading, Failed)
    assert reading.fault.detail == "The job was cancelled at fal."


def test_deletion_needs_an_admin_key(fal_simulator: Running) -> None:
    vendor, asked = line(fal_simulator, "sim-key:admin"), wanted(FASHN)
    submitted = vendor.start(asked)
    assert isinstance(submitted, Pending)
    while not isinstance(ready := vendor.poll(asked, submitted.provider_job_id), Ready):
        pass
    assert not line(fal_simulator).erase_job(submitted.provider_job_id)
    assert httpx.get(ready.addresses[0]).status_code == 200
    assert vendor.erase_job(submitted.provider_job_id)
    assert httpx.get(ready.addresses[0]).status_code == 404


@pytest.mark.parametrize("model", [NANO_BANANA, GPT_IMAGE])
def test_the_person_wears_every_garment_in_its_place(fal_simulator: Running, engine: StandInEngine, model: str) -> None:
    garments = [{"image": IMAGE, "category": "tops"}, {"image": IMAGE, "category": "footwear"}]
    engine.calls.clear()
    body = try_on(provider=f"fal/{model}", garments=garments)
    pictures = {"person": _bytes(PERSON), "garment-0": _bytes(GARMENT), "garment-1": _bytes(SHOES)}
    asked = order("fal", body, pictures=pictures, media_type="image/png", size=SIZE, seed=11)
    assert isinstance(finished(line(fal_simulator), asked), Ready)
    assert [call["region"] for call in engine.calls] == ["upper", "foot"]
