"""Cancelling at each step of each way to call a provider: the table of `docs/api.md`, row by row."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from fitting_room.actions.workflow.callback import wake
from fitting_room.jobs.job import StepName
from fitting_room.jobs.outcome import Outcome
from fitting_room.providers.overrides import Override, Pause
from fitting_room.stores import jobs, offers
from tests.deployment import choose
from tests.integration.world import Vendor, World, failed, finished, pending

API = Path(__file__).parents[3] / "docs" / "api.md"
OURS = "https://api.example"
WAYS: dict[str, tuple[str, Outcome]] = {
    "answers": ("nova_canvas", finished(864, 1296)),
    "is read": ("tryiton", pending("v-1")),
    "calls back": ("fashn", pending("v-1")),
    "refuses": ("tryiton", failed("provider_error")),
}
"""A provider of each way, and its answer to the call that buys."""
BEFORE = ("queued", "preparing", "waiting_for_slot")
TABLE: dict[tuple[str, str], tuple[str, str, int]] = {
    # what the job ends as, what is told of the charge, and how many calls bought
    **{(way, step): ("cancelled", "no", 0) for way in ("answers", "is read", "calls back") for step in BEFORE},
    ("answers", "submitting"): ("succeeded", "yes", 1),
    ("is read", "submitting"): ("cancelled", "unknown", 1),
    ("calls back", "submitting"): ("cancelled", "unknown", 1),
    ("refuses", "submitting"): ("cancelled", "no", 1),
    ("is read", "generating"): ("cancelled", "unknown", 1),
    ("calls back", "generating"): ("cancelled", "unknown", 1),
    **{(way, "collecting"): ("succeeded", "yes", 1) for way in ("answers", "is read", "calls back")},
    **{(way, "done"): ("succeeded", "yes", 1) for way in ("answers", "is read", "calls back")},
}
PROVIDERS = {
    "any": ("answers", "is read", "calls back"),
    "answers with the images": ("answers",),
    "answers with a job id": ("is read", "calls back"),
    "has the job": ("is read", "calls back"),
    "refuses, and charges nothing": ("refuses",),
}


def documented() -> dict[tuple[str, str], tuple[str, str, int]]:
    """The rows of the table in the documentation. What is over stays as it was."""
    [table] = re.findall(r"^\| `step` at the cancel .*?\n\|[-|]+\n(.*?)\n\n", API.read_text(), re.DOTALL | re.MULTILINE)
    told = {}
    for row in table.splitlines():
        steps, provider, status, charged, calls = (cell.strip() for cell in row.strip("|").split("|")[:5])
        for step in re.findall(r"`(\w+)`", steps):
            for way in PROVIDERS[provider]:
                end = (status.strip("`"), charged.strip("`"), calls)
                told[way, step] = (
                    ("succeeded", "yes", 1) if end == ("as it was",) * 3 else (end[0], end[1], int(end[2]))
                )
    return told


def test_the_table_of_the_documentation_is_this_one() -> None:
    assert documented() == TABLE
    assert {step for _, step in TABLE} == set(get_args(StepName))


@pytest.fixture
def cancelled_at(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Have the client cancel the moment that a job shows this step. Gives the steps at which it did."""
    at: list[str] = []

    def watch(wanted: str) -> list[str]:
        def watched(write: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(job: Any, *args: Any, **facts: Any) -> Any:
                done = write(job, *args, **facts)
                if not at and world.job(job.id).step == wanted:
                    at.append(world.job(job.id).step)
                    world.cancel(job.id)
                return done

            return wrapped

        for name in ("show_step", "wait", "claim"):  # the three writes that show a step
            monkeypatch.setattr(jobs, name, watched(getattr(jobs, name)))
        return at

    return watch


@pytest.mark.parametrize(("way", "step"), TABLE)
def test_what_a_cancel_leads_to(
    world: World,
    vendor: Vendor,
    monkeypatch: pytest.MonkeyPatch,
    cancelled_at: Callable[[str], list[str]],
    way: str,
    step: str,
) -> None:
    provider, answer = WAYS[way]
    world.configure("tryiton", "fashn")
    choose(monkeypatch, callback_url=OURS if way == "calls back" else None)
    vendor.starts, vendor.polls = [answer], [pending("v-1"), finished(864, 1296, credits=1)]
    job_id = world.submit(provider=provider).job.id
    at = cancelled_at(step)
    if step == "waiting_for_slot":
        offers.put(provider, Override(paused=Pause(at="2026-09-01")))
        world.at.sleep(31)
    if step == "queued":
        assert world.job(job_id).step == step
        world.cancel(job_id)
    for _ in range(3):  # the run goes on, or the next one, until nothing is left to do
        world.run(job_id)
        world.sweep()
    if step == "done":
        world.cancel(job_id)
    assert at == ([] if step in ("queued", "done") else [step])
    job = world.job(job_id)
    charged = job.latest.charged if job.latest else "no"
    assert (job.status, charged, len(vendor.orders)) == TABLE[way, step]
    assert (bool(job.images), world.due()) == (job.status == "succeeded", [])
    assert world.spent()[0] == (charged != "no"), "what was not charged is given back"
    if way == "calls back" and vendor.orders:
        address = str(vendor.orders[0].callback)
        wake(provider, address.rpartition("/")[2], world.at)
        assert world.job(job_id) == job and world.due() == [], "a callback that comes after the end changes nothing"
