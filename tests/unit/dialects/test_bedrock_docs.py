"""The tables of docs/dialects.md that tell of the Bedrock dialect."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fitting_room.actions.requests.wait import watched
from fitting_room.dialects.bedrock.errors import STATUS
from fitting_room.dialects.bedrock.invoke import LONGEST_WAIT, LOOKS
from fitting_room.jobs.job import Job
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
        seconds = int(count) * (60 if unit == "minute" else 1)
        looks = _looks(seconds, monkeypatch)
        price = GIGABYTES * seconds * usd.LAMBDA_GB_SECOND + 2 * looks * usd.DYNAMODB_READ_UNIT
        assert (int(gigabytes), int(reads)) == (GIGABYTES * seconds, looks)
        assert float(told) == pytest.approx(price, rel=0.15)


def _looks(seconds: int, monkeypatch: pytest.MonkeyPatch) -> int:
    at, looks = FakeClock(), list[str]()

    def get(job_id: str, _: object) -> Job:
        looks.append(job_id)
        return job()

    monkeypatch.setattr("fitting_room.actions.requests.wait.jobs.get", get)
    watched(job(), at.ms() + seconds * 1000, LOOKS, at)
    return len(looks)
