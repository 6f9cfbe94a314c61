"""The Gemini adapter on its simulator: its request is taken, and refused when any one part of it is broken."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
from PIL import Image

from fitting_room.jobs.outcome import Failed, Finished
from fitting_room.providers.adapter import Order
from fitting_room.providers.gemini import adapter
from fitting_room.providers.gemini.body import body_of
from tests.contract.clothes import GARMENT, NOBODY, PERSON, SIZE
from tests.contract.conftest import Running, StandInEngine
from tests.contract.leaves import leaves, removed, replaced, with_stranger, wrong_values
from tests.contract.orders import IMAGE, connection, order, try_on

PATH = "v1/models/gemini-nano-banana-2.1:generateContent"
# types.py: every member of GenerationConfig and ImageConfig is Optional
OPTIONAL = {"responseModalities", "aspectRatio", "imageSize", "seed"}


def _bytes(url: str) -> bytes:
    return base64.b64decode(url.partition(",")[2])


def wanted(person: str = PERSON, **fields: Any) -> Order:
    pictures = {"person": _bytes(person), "garment": _bytes(GARMENT)}
    return order("gemini", try_on(**fields), pictures=pictures, size=SIZE, seed=7)


def line(simulator: Running) -> adapter.Gemini:
    return adapter.connect(connection(simulator.url, "sim-key"))


@pytest.mark.parametrize("garments", [1, 3])
def test_an_image_in_the_shape_of_the_person_and_what_it_costs(gemini_simulator: Running, garments: int) -> None:
    body: dict[str, Any] = {"garments": [{"image": IMAGE, "category": "tops"}] * garments}
    outcome = line(gemini_simulator).start(wanted(**body))
    assert isinstance(outcome, Finished), outcome
    [picture] = outcome.images
    assert Image.open(io.BytesIO(picture.data)).size == (864, 1152)  # 3:4
    assert outcome.amount and 0.0336 < outcome.amount < 0.036
    assert len(gemini_simulator.purchases()) == 1


def test_a_request_broken_in_one_place_is_refused(gemini_simulator: Running) -> None:
    http, accepted, tried = line(gemini_simulator).http, [], 0
    request = json.loads(body_of(wanted()).model_dump_json(exclude_none=True))
    parts = request["contents"][0]["parts"]
    changes = [
        ("a stranger", with_stranger(request, ())),
        ("in the config", with_stranger(request, ("generationConfig",))),
    ]
    for path, value in leaves(request):
        if path[-1] not in OPTIONAL:
            changes.append((f"no {path[-1]}", removed(request, path)))
        changes += [(f"{path[-1]} = {wrong!r}", replaced(request, path, wrong)) for wrong in wrong_values(value)]
    for n, part in enumerate(parts):
        for path, value in leaves(part):
            for wrong in wrong_values(value):
                if path != ("text",) or wrong != "no such value":
                    broken = [*parts[:n], replaced(part, path, wrong), *parts[n + 1 :]]
                    changes.append(
                        (f"part {n}: {wrong!r}", request | {"contents": [{"role": "user", "parts": broken}]})
                    )
    for name, body in changes:
        tried += 1
        if http.post(PATH, json=body).is_success:
            accepted.append(name)
    assert [name for name in accepted if name != "seed = -1"] == [], "an int32 has a sign"
    assert tried > 40
    assert len(gemini_simulator.purchases()) == len(accepted)


@pytest.mark.parametrize(
    ("fault", "expected", "sold"),
    [
        ({"kind": "drop_before"}, ("provider_unavailable", "unknown"), 0),
        ({"kind": "drop_after"}, ("provider_unavailable", "unknown"), 1),
        ({"kind": "malformed"}, ("provider_error", "unknown"), 1),
        ({"kind": "filtered", "reason": "IMAGE_SAFETY"}, ("content_blocked", "unknown"), 1),
        ({"kind": "filtered", "reason": "prompt:PROHIBITED_CONTENT"}, ("content_blocked", "unknown"), 1),
        ({"kind": "filtered", "reason": "NO_IMAGE"}, ("provider_error", "unknown"), 1),
        ({"kind": "filtered", "reason": "STOP"}, ("output_rejected", "unknown"), 1),
        ({"kind": "error", "name": "RESOURCE_EXHAUSTED"}, ("rate_limited", "no"), 0),
        ({"kind": "error", "name": "UNAVAILABLE"}, ("rate_limited", "no"), 0),
        ({"kind": "error", "name": "NOT_FOUND"}, ("model_retired", "no"), 0),
    ],
)
def test_in_trouble(gemini_simulator: Running, fault: dict[str, Any], expected: tuple[str, str], sold: int) -> None:
    gemini_simulator.fault(on="submit", **fault)
    outcome = line(gemini_simulator).start(wanted())
    assert isinstance(outcome, Failed), outcome
    assert (outcome.fault.code, outcome.charged) == expected
    assert (len(gemini_simulator.requests()), len(gemini_simulator.purchases())) == (1, sold)


def test_an_image_of_nobody_is_no_input(gemini_simulator: Running) -> None:
    outcome = line(gemini_simulator).start(wanted(NOBODY))
    assert isinstance(outcome, Failed)
    assert (outcome.fault.code, outcome.charged) == ("image_unreadable", "no")


def test_a_simulator_that_breaks_is_not_taken_for_gemini(
    gemini_simulator: Running, broken_engine: StandInEngine
) -> None:
    outcome = line(gemini_simulator).start(wanted())
    assert isinstance(outcome, Failed)
    assert outcome.fault.detail.startswith("The simulator of the local cloud failed.")


def test_the_person_wears_every_garment_in_its_place(gemini_simulator: Running, engine: StandInEngine) -> None:
    garments = [{"image": IMAGE, "category": "tops"}, {"image": IMAGE, "category": "bottoms"}]
    engine.calls.clear()
    assert isinstance(line(gemini_simulator).start(wanted(garments=garments)), Finished)
    assert [call["region"] for call in engine.calls] == ["upper", "lower"]
