"""Work that takes time in the sandbox is waited for by the state machine and never inside a function."""

from __future__ import annotations

from typing import Any

import pytest

from fitting_room.providers.sandbox.adapter import Sandbox
from tests.integration.world import World


@pytest.fixture(autouse=True)
def at_the_world_s_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Sandbox(lambda: world.at.now().timestamp())
    monkeypatch.setattr("fitting_room.providers.sandbox.adapter.connect", lambda _: sandbox)


@pytest.mark.parametrize("options", [{"seconds": 45}, {"seconds": 45, "polled": True}])
def test_a_job_takes_its_seconds_and_no_function_sleeps(world: World, options: dict[str, Any]) -> None:
    began = world.at.now()
    job_id = world.prepared(mode="test", provider_options={"sandbox": options})
    said = world.start(job_id)
    looks = 0
    assert said["outcome"] == "pending"
    while said["outcome"] == "pending":
        assert world.at.slept[looks:] == [], "inside a function"
        world.at.sleep(said["wait"])
        looks += 1
        said = world.poll(job_id)
    assert said["outcome"] == "finished"
    assert world.at.slept[looks:] == []
    assert 45 <= (world.at.now() - began).total_seconds() < 90
    assert world.run(job_id)[-1] == "Settle"
    assert world.job(job_id).status == "succeeded"


def test_work_that_takes_no_time_is_finished_by_its_call(world: World) -> None:
    job_id = world.prepared(mode="test")
    assert world.start(job_id)["outcome"] == "finished"
    assert world.at.slept == []


@pytest.mark.parametrize("options", [{"seconds": 30}, {"polled": True}, {}])
@pytest.mark.parametrize(
    ("outcome", "charged"), [("provider_error", "no"), ("blocked", "unknown"), ("unknown", "unknown")]
)
def test_every_end_comes_with_seconds_as_without(
    world: World, options: dict[str, Any], outcome: str, charged: str
) -> None:
    job_id = world.submit(mode="test", provider_options={"sandbox": {"outcome": outcome, **options}}).job.id
    if outcome == "unknown":  # the call breaks off, and with it the function
        with pytest.raises(ConnectionError):
            world.run(job_id)
    world.run(job_id)
    job = world.job(job_id)
    assert job.status == "failed"
    assert job.latest
    assert job.latest.charged == charged


def test_a_rate_limit_that_one_client_asks_for_keeps_no_other_client_waiting(world: World) -> None:
    asked = world.submit(mode="test", provider_options={"sandbox": {"outcome": "rate_limited"}}).job.id
    world.run(asked)
    job = world.job(asked)
    assert job.error and (job.status, job.error.code, len(job.attempts)) == ("failed", "rate_limited", 1)
    other = world.prepared(mode="test")
    assert world.start(other)["outcome"] == "finished"
