"""The tables of docs/dialects.md that tell of the Bedrock dialect."""

from __future__ import annotations

import re
from pathlib import Path
from unittest.mock import Mock

import pytest

from fitting_room.actions.requests.wait import watched
from fitting_room.dialects.bedrock.errors import STATUS
from fitting_room.dialects.bedrock.invoke import LONGEST_WAIT, LOOKS
from tests.bench import list_prices as usd
from tests.unit.dialects.jobs import job
from tests.unit.memory import FakeClock

PAGE = (Path(__file__).parents[3] / "docs" / "dialects.md").read_text()
BEDROCK = PAGE.partition("\n## Bedrock\n")[2].partition("\n## ")[0]
GIGABYTES = 0.5


def test_every_type_of_error_has_its_row() -> None:
    rows = re.findall(r"^\| `(\w+Exception)` \| (\d+) \|", BEDROCK, re.MULTILINE)
    assert {name: int(status) for name, status in rows} == STATUS


def test_what_waiting_costs_is_reckoned_from_its_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = re.findall(r"^\| (\d+) (second|minute)s? \| (\d+) \| (\d+) \| ([\d.]+) \|", BEDROCK, re.MULTILINE)
    assert [int(count) * (60 if unit == "minute" else 1) for count, unit, *_ in rows] == [10, 60, 300, LONGEST_WAIT]
    for count, unit, gigabytes, reads, told in rows:
        seconds, look, at = int(count) * (60 if unit == "minute" else 1), Mock(return_value=job()), FakeClock()
        monkeypatch.setattr("fitting_room.actions.requests.wait.jobs.get", look)
        watched(job(), at.ms() + seconds * 1000, LOOKS, at)
        price = GIGABYTES * seconds * usd.LAMBDA_GB_SECOND + 2 * look.call_count * usd.DYNAMODB_READ_UNIT
        assert (int(gigabytes), int(reads)) == (GIGABYTES * seconds, look.call_count)
        assert float(told) == pytest.approx(price, rel=0.15)
