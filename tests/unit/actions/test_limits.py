"""The rate and the concurrency of a provider in a stage whose contract with it differs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fitting_room.actions import limits
from fitting_room.actions.limits import stage_limits
from fitting_room.jobs.rate import Rate
from fitting_room.providers.catalogue import entry
from fitting_room.settings import DeploymentSettings

RATE = Rate(submits=20, seconds=60)


@pytest.mark.parametrize(
    ("usual", "own", "rate"),
    [
        (RATE, {}, RATE),
        (RATE, {"submits": 5}, Rate(submits=5, seconds=60)),
        (RATE, {"seconds": 10}, Rate(submits=20, seconds=10)),
        (RATE, {"submits": 5, "seconds": 10}, Rate(submits=5, seconds=10)),
        (None, {"submits": 5}, Rate(submits=5, seconds=60)),
        (None, {"seconds": 10}, Rate(submits=1, seconds=10)),
        (RATE, {"concurrency": 2}, RATE),
    ],
)
def test_what_a_stage_does_not_name_is_the_provider_s(
    monkeypatch: pytest.MonkeyPatch, usual: Rate | None, own: dict[str, Any], rate: Rate | None
) -> None:
    provider = entry("fal").model_copy(update={"rate": usual, "concurrency": 7})
    chosen = DeploymentSettings.model_validate({"limits": {"fal": own, "fashn": {"submits": 1, "concurrency": 1}}})
    monkeypatch.setattr(limits, "settings", lambda: SimpleNamespace(deployment=chosen))
    assert stage_limits(provider) == (rate, own.get("concurrency", 7))
