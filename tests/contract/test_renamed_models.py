"""A model that its vendor has renamed is bought by its new id, in the shape of the old one, and no longer by the old id."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from fitting_room.jobs.outcome import Failed, Finished, Pending
from fitting_room.providers import catalogue
from fitting_room.providers.fal import adapter as fal
from fitting_room.providers.fashn import adapter as fashn
from fitting_room.providers.gemini import adapter as gemini
from tests.contract.clothes import GARMENT, PERSON, SIZE
from tests.contract.conftest import Running
from tests.contract.orders import connection, order, try_on

CONNECT: dict[str, Any] = {"fal": fal.connect, "fashn": fashn.connect, "gemini": gemini.connect}
BASE = {"fashn": "/v1"}
NEW = "successor/of-the-model"


def models() -> list[tuple[str, str]]:
    """Every model whose id an operator may set."""
    return [(entry.id, model.id) for entry in catalogue.entries() if entry.sends_model for model in entry.models]


def test_these_are_the_vendors_that_are_told_a_model_s_id() -> None:
    assert {provider for provider, _ in models()} == set(CONNECT)


@pytest.fixture
def simulator(request: pytest.FixtureRequest, provider: str) -> Iterator[Running]:
    running: Running = request.getfixturevalue(f"{provider}_simulator")
    yield running
    running.call("DELETE", "/_sim/models")


@pytest.mark.parametrize(("provider", "model"), models())
def test_a_renamed_model_is_bought_by_its_new_id_only(simulator: Running, provider: str, model: str) -> None:
    new = NEW if provider == "fal" else NEW.replace("/", "-")
    simulator.call("PUT", "/_sim/models", json={model: new})
    pictures = {
        name: base64.b64decode(url.partition(",")[2]) for name, url in (("person", PERSON), ("garment", GARMENT))
    }
    old = order(provider, try_on(provider=f"{provider}/{model}"), pictures=pictures, size=SIZE)
    vendor = CONNECT[provider](connection(simulator.url + BASE.get(provider, ""), "sim-key"))

    refused = vendor.start(old)
    assert isinstance(refused, Failed)
    assert refused.fault.code == ("provider_error" if provider == "fashn" else "model_retired")
    assert (refused.charged, simulator.purchases()) == ("no", [])

    assert isinstance(vendor.start(replace(old, model=new, listed=model)), Pending | Finished)
    assert [purchase["model"] for purchase in simulator.purchases()] == [new]
