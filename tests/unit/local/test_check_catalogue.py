"""The catalogue names its facts that nobody has looked at for 90 days."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from fitting_room.providers import catalogue
from fitting_room.providers.base import CatalogueEntry
from fitting_room.providers.gemini.answers import Answer
from local.check_catalogue import main, stale

READ = date(2027, 1, 10)
OPERATED_HERE = {"sandbox", "sagemaker"}


def read_on(day: date) -> CatalogueEntry:
    """Return FASHN's entry, all of whose facts were read on a day."""
    entry = catalogue.entry("fashn")
    models = tuple(
        each.model_copy(update={"lifecycle": each.lifecycle.model_copy(update={"checked": day})})
        for each in entry.models
    )
    prices = tuple(each.model_copy(update={"checked": day}) for each in entry.prices)
    return entry.model_copy(update={"models": models, "prices": prices})


def test_a_fact_is_good_for_90_days_and_stale_on_the_next() -> None:
    assert list(stale([read_on(READ)], READ + timedelta(days=90))) == []
    lines = list(stale([read_on(READ)], READ + timedelta(days=91)))
    assert [line.split(": ")[1] for line in lines] == [
        "model tryon-v1.6",
        "model tryon-max",
        "price tryon-v1.6",
        "price tryon-max",
    ]
    assert all("last checked on 2027-01-10; read https://docs.fashn.ai" in line for line in lines)


def test_all_that_decides_what_tokens_cost_is_a_price_with_its_day() -> None:
    far = READ + timedelta(days=900)
    seen = [line for line in stale([catalogue.entry("gemini")], far) if ": price gemini-nano-banana-2.1" in line]
    counted = [price for price in catalogue.entry("gemini").prices if price.taken is not None]
    taken, written = counted[0].taken or 0, counted[0].written or 0
    used = Answer.model_validate({"usageMetadata": {"promptTokenCount": 1000, "thoughtsTokenCount": 100}})
    assert len(seen) == 2 and {price.model for price in counted} >= {"gemini-nano-banana-2.1"}
    assert used.amount("gemini-nano-banana-2.1") == pytest.approx(1000 * taken + 100 * written)


def test_every_vendor_has_its_day_and_the_command_fails_when_it_is_long_gone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(date(2040, 1, 1)) == 1
    named = {line.partition(":")[0] for line in capsys.readouterr().out.splitlines()}
    assert named == set(catalogue.PROVIDERS) - OPERATED_HERE
    vendors = [entry for entry in catalogue.entries() if entry.id not in OPERATED_HERE]
    days = [price.checked for entry in vendors for price in entry.prices]
    days += [model.lifecycle.checked for entry in vendors for model in entry.models]
    assert None not in days
