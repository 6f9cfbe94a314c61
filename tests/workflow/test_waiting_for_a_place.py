"""The machine while a job waits for its turn: straight back to Start, and long enough where nothing could run."""

from __future__ import annotations

from typing import Any

import pytest

from tests.infra.synthesized import synthesized
from tests.workflow.machine import Machine, Run

FINISHED = {"outcome": "finished"}


def run(**answers: list[dict[str, Any]]) -> Run:
    def answering(name: str) -> Any:
        return lambda _: answers[name].pop(0) if answers.get(name) else FINISHED

    functions = {name: answering(name) for name in synthesized("dev").functions()}
    return Machine(synthesized("dev").job_machine(), functions).run({"job_id": "job_01"})


@pytest.mark.parametrize(
    ("runner", "starter", "waits"),
    [("bedrock", "StartBedrock", "WaitForBedrock"), ("http", "StartHttp", "WaitForHttp")],
)
def test_a_job_without_a_place_goes_straight_back_to_start(runner: str, starter: str, waits: str) -> None:
    busy = {"outcome": "busy", "runner": runner, "wait": 17}
    done = run(Prepare=[{"outcome": "prepared", "runner": runner}], **{starter: [busy, busy]})
    assert done.path == ["Prepare", "Next", *[starter, "Next", waits] * 2, starter, "Next", "Collect", "Settle"]
    assert done.seconds == 34


def test_a_free_failure_that_is_repeated_goes_from_poll_to_start() -> None:
    pending, prepared = {"outcome": "pending", "wait": 2}, {"outcome": "prepared", "runner": "http"}
    done = run(Prepare=[prepared], StartHttp=[pending, pending], Poll=[prepared])
    assert done.path[4:8] == ["WaitToPoll", "Poll", "Next", "StartHttp"]


def test_throttled_tasks_wait_half_an_hour_on_average() -> None:
    for name, state in synthesized("dev").job_machine()["States"].items():
        if state["Type"] != "Task":
            continue
        retry = next(each for each in state["Retry"] if "Lambda.TooManyRequestsException" in each["ErrorEquals"])
        assert retry["JitterStrategy"] == "FULL", name
        delays = (
            min(retry["IntervalSeconds"] * retry["BackoffRate"] ** n, retry["MaxDelaySeconds"])
            for n in range(retry["MaxAttempts"])
        )
        assert sum(delays) / 2 >= 1800, name
