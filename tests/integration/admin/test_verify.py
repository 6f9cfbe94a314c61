"""What `verify` asks, and what it says when its API does not answer as it should."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest

from admin.checks import Check, told
from admin.stage import Stage
from admin.verify import Trial
from fitting_room.stores import api_keys
from tests.integration.world import World

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"


def trial(stage: Stage, status: int) -> Trial:
    """One whose API answers every call with this status, and an ended job."""
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json={"id": "job_1", "step": "done"}))
    return Trial(stage, httpx.Client(base_url="https://api.example", transport=transport))


def test_each_assumption_of_the_documents_is_asked_about(stage: Stage) -> None:
    table = OPERATIONS.read_text().partition("| assumption |")[2].splitlines()[2:]
    assumptions = [line for line in table if line.startswith("|")]
    assert len(list(trial(stage, 200).checks())) == len(assumptions)


def test_its_key_ends_with_it_though_it_is_broken_off(
    world: World, stage: Stage, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.address = "https://api.example"
    keys: list[str] = []

    def checks(trial: Trial) -> NoReturn:
        keys.append(trial.http.headers["Authorization"].removeprefix("Bearer "))
        caller = api_keys.find_caller(keys[0], world.at)
        assert caller and (caller.tenant, caller.mode) == ("verify", "test")
        raise KeyboardInterrupt

    monkeypatch.setattr(Trial, "checks", checks)
    with pytest.raises(KeyboardInterrupt):
        admin("verify")
    world.at.sleep(30)
    assert api_keys.find_caller(keys[0], world.at) is None
    assert [row["revoked_at"] for row in admin("key list --tenant verify")] == ["2026-09-01T12:00:00.000Z"]


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_of_the_api_is_a_line_and_not_the_end(stage: Stage, status: int) -> None:
    said = told([Check("names", trial(stage, status)._names), Check("sweep", trial(stage, status)._never_shown)])
    first, second = said.data
    assert (first["state"], first["detail"]) == ("unknown", f"POST /v1/jobs was answered with {status}")
    assert second["check"] == "sweep"


@pytest.mark.parametrize(("status", "state"), [("succeeded", "ok"), ("failed", "unknown")])
def test_a_job_that_reached_its_rows_proves_that_iam_knows_their_keys(stage: Stage, status: str, state: str) -> None:
    asked: Any = trial(stage, 200)
    asked.job = {"id": "job_1", "status": status}
    assert asked._leading_keys().state == state
