"""Events that a throttled function could not take do not pile up for six hours."""

from __future__ import annotations

import pytest

from tests.infra.synthesized import Synthesized


@pytest.mark.parametrize(("function", "seconds"), [("Sweep", 60), ("Erase", 300)])
def test_an_event_is_dropped_when_it_is_not_worth_running(stage: Synthesized, function: str, seconds: int) -> None:
    logical, settings = stage.service.one("AWS::Lambda::EventInvokeConfig", function)
    assert settings["MaximumEventAgeInSeconds"] == seconds, logical
