"""Thousands of open jobs do not keep an owed start waiting, and looking at them costs little."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from fitting_room import clock
from fitting_room.actions.upkeep import sweep as sweeping
from fitting_room.actions.upkeep.sweep import sweep
from fitting_room.observability import metrics
from fitting_room.stores import aws, executions, jobs
from fitting_room.stores.items import DUE_SHARDS, due_attributes, due_now
from tests.integration.world import Vendor, World, pending

OPEN, ITEM_SECONDS = 5000, 0.06


def test_five_thousand_open_jobs_delay_an_owed_start_by_less_than_two_minutes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them are due at once, the owed start last; each costs a thread 60 ms."""
    began, started = world.at.now(), dict[str, Any]()
    due_at = {f"job_{n:05}": clock.text(began) for n in range(OPEN)} | {"owed": clock.later(began, 1)}
    shard_of = {name: int(due_attributes(name, "")["due_shard"]) for name in due_at}

    def listed(now: Any, shards: Iterable[int]) -> Iterator[dict[str, str]]:
        found = sorted((at, name) for name, at in due_at.items() if shard_of[name] in shards and at <= clock.text(now))
        yield from ({"pk": f"JOB#{name}", "sk": "JOB"} for _, name in found)

    def start(name: str, _: int) -> str:
        world.at.sleep(ITEM_SECONDS / DUE_SHARDS)  # the threads go side by side
        started.setdefault(name, world.at.now())
        return "runs"

    def get(name: str, _: Any) -> Any:
        return SimpleNamespace(id=name, final=False, run=1, latest=None, erase_requested_at=None)

    monkeypatch.setattr(sweeping, "due_now", listed)
    monkeypatch.setattr(sweeping, "set_due", lambda key, at: due_at.update({key["pk"].removeprefix("JOB#"): at}))
    monkeypatch.setattr(jobs, "get", get)
    monkeypatch.setattr(executions, "start_run", start)
    for minute in range(1, 4):
        world.at.moment = max(world.at.moment, began + timedelta(minutes=minute))
        sweep(world.at, 60)
    assert len(started) == OPEN + 1
    assert started["owed"] - (began + timedelta(minutes=1)) <= timedelta(minutes=2)
    metrics.clear_metrics()


def test_all_pages_of_a_shard_are_read(world: World) -> None:
    with aws.table().batch_writer() as batch:
        for n in range(900):
            batch.put_item(
                {"pk": f"JOB#{n:03}", "sk": "JOB", "id": f"{n:03}", "due_shard": "0", "due_at": f"2026-01-01T{n:05}"}
            )
    found = [key["pk"] for key in due_now(world.at.now(), [0])]
    assert found == [f"JOB#{n:03}" for n in range(900)]


def test_a_start_that_is_owed_is_not_described_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("fitting_room.stores.executions.start_run", lambda *_: None)
        job_id = world.submit().job.id
    monkeypatch.setattr(aws.step_functions(), "describe_execution", lambda **_: pytest.fail("described"))
    world.at.sleep(60)
    sweep(world.at)
    assert world.executions() == [job_id]
    world.at.sleep(600)
    assert sweep(world.at) == 1, "one that runs is started again by its name, which changes nothing"
    assert world.executions() == [job_id]


def test_a_refused_start_stays_due(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("fitting_room.stores.executions.start_run", lambda *_: None)
        world.submit()
    world.at.sleep(60)
    with monkeypatch.context() as patched:
        patched.setattr("fitting_room.stores.executions.start_run", lambda *_: "refused")
        sweep(world.at)
    assert sweep(world.at) == 1


def test_a_running_job_is_looked_at_every_ten_minutes_and_at_its_deadline(world: World, vendor: Vendor) -> None:
    vendor.starts = [pending()]
    job_id = world.submit(provider="nova_canvas").job.id
    world.run_until_pending(job_id)
    attempt = world.job(job_id).latest
    assert attempt and attempt.deadline_at
    looks = []
    for _ in range(40):
        world.at.sleep(60)
        if sweep(world.at):
            looks.append(round((world.at.now() - clock.parse(attempt.deadline_at)).total_seconds() / 60))
    assert looks == [-29, -19, -9, 0, 10]


def test_a_sweep_without_time_leaves_the_rest_for_the_next_minute(world: World) -> None:
    world.submit()
    world.at.sleep(60)
    assert sweep(world.at, remaining=5) == 0
    assert sweep(world.at) == 1


def test_every_sweep_tells_that_it_lived(world: World) -> None:
    metrics.clear_metrics()
    sweep(world.at)
    assert "SweepHeartbeat" in metrics.metric_set
    metrics.clear_metrics()
