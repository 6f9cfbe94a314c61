"""Every call of a job's life fails, one at a time.

The books are checked after each cell: nothing that was paid is dropped, nothing dies unbought, nothing is
bought twice; budget, places and debts balance.

`make faults` runs every cell and prints the table. The suite runs a part of the cells of each scenario and mode.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.house import Mode
from tests.faults.scenarios import MODES, SCENARIOS, Cell, cells, run, undisturbed

STEP = 13
"""The suite runs every thirteenth call, and begins at another one in each scenario and mode."""


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_job_without_a_fault_balances(scenario: str) -> None:
    cell = undisturbed(scenario)
    assert cell.books["status"] == "succeeded"
    assert cell.faults() == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_single_failure_loses_anything(scenario: str, mode: Mode) -> None:
    first = 1 + (3 * list(SCENARIOS).index(scenario) + MODES.index(mode)) % STEP
    found = cells(scenario, (mode,), step=STEP, first=first)
    assert len(found) >= 3
    assert [(cell.at, cell.call, cell.faults()) for cell in found if cell.faults()] == []


LOST = {
    **{"status": "failed", "code": "timed_out", "charged": ["unknown"], "sold": 1, "named": True},
    **{"images": 0, "wanted": 2, "leases": 0, "spent": (2, 80_000), "usage": (2, 80_000)},
}
"""What the books say of a job that was bought, and whose images never came."""


@pytest.mark.parametrize(
    ("books", "wrong"),
    [
        ({}, ["a paid result was dropped", "timed_out"]),
        ({"named": False}, []),
        ({"sold": 0}, []),
        (
            {"status": "succeeded", "code": None, "charged": ["yes"], "images": 1},
            ["a paid result was dropped", "1 of 2 images"],
        ),
        ({"status": "succeeded", "code": None, "charged": ["yes"], "images": 2}, []),
    ],
)
def test_a_loss_is_excused_only_where_nobody_knows_the_purchase(books: dict[str, Any], wrong: list[str]) -> None:
    """A purchase is known by the provider's name for it, and is good only with every image that was asked for."""
    assert Cell("two images", "outage", 21, "dynamodb.UpdateItem", {**LOST, **books}).faults() == wrong


@pytest.mark.parametrize("mode", ["after", "killed after"])
def test_an_endpoint_whose_answer_is_lost_has_done_the_work_once_and_its_result_is_found(mode: Mode) -> None:
    found = (run("endpoint", mode, at) for at in range(18, undisturbed("endpoint").calls + 1))
    hit = next(cell for cell in found if cell.call == "provider.submit")
    assert (hit.books["status"], hit.books["sold"], hit.books["charged"]) == ("succeeded", 1, ["yes"])
