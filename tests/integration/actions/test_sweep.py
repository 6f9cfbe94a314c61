"""Once a minute, what is owed is paid."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest

from fitting_room import clock
from fitting_room.actions.drops.ingest import ingest
from fitting_room.actions.upkeep.sweep import sweep
from fitting_room.actions.workflow.settle import settle
from fitting_room.stores import aws, jobs, media
from tests.integration.world import TENANT, Vendor, World, failed, finished, moment, pending, picture


def execution(world: World, job_id: str) -> str:
    return world.machine.replace(":stateMachine:", ":execution:") + f":{job_id}"


def unstarted(world: World, monkeypatch: pytest.MonkeyPatch) -> str:
    with monkeypatch.context() as patched:
        patched.setattr("fitting_room.stores.executions.start_run", lambda *_: None)
        return world.submit().job.id


def test_a_stored_job_that_nobody_started_is_started(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = unstarted(world, monkeypatch)
    assert sweep(world.at) == 0, "its own start has a minute"
    assert world.executions() == []
    world.at.sleep(60)
    assert sweep(world.at) == 1
    assert world.executions() == [job_id]
    assert sweep(world.at) == 0, "it is looked at again later"
    assert world.due() == [job_id]


def test_a_running_job_is_left_alone_and_looked_at_again(world: World) -> None:
    job_id = world.submit().job.id
    for _ in range(3):
        world.at.sleep(600)
        assert sweep(world.at) == 1
    assert (world.job(job_id).status, world.due(), len(world.executions())) == ("queued", [job_id], 1)


def test_a_job_at_its_provider_is_looked_at_when_its_deadline_comes(world: World, vendor: Vendor) -> None:
    vendor.starts = [pending()]
    world.configure("tryiton")
    job_id = world.prepared(provider="tryiton")
    world.start(job_id)
    attempt = world.job(job_id).latest
    assert attempt and attempt.deadline_at
    world.at.moment = moment(attempt.deadline_at) - timedelta(seconds=200)
    assert world.sweep() == 1
    assert [item["due_at"] for item in world.items() if "due_at" in item] == [attempt.deadline_at]
    world.at.sleep(200)
    assert world.sweep() == 1
    [due_at] = [item["due_at"] for item in world.items() if "due_at" in item]
    assert due_at == clock.later(world.at.now(), 600), "and every ten minutes after it"


def test_a_drop_result_that_was_owed_is_delivered(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.starts = [finished()]
    world.configure("tryiton")
    key = ""
    for name in ("person.png", "garment.png"):
        key = world.put(name, picture(360, 540), folder=f"drop/{TENANT}/look")
    job_id = ingest(key, world.at)
    assert job_id
    real = media.put

    def broken(name: str, *args: Any, **more: Any) -> None:
        if name.endswith(".json"):
            raise TimeoutError("S3 is away")
        real(name, *args, **more)

    with monkeypatch.context() as patched:
        patched.setattr(media, "put", broken)
        with pytest.raises(TimeoutError):
            world.run(job_id)
    assert world.job(job_id).status == "succeeded"
    assert world.due() == [f"{job_id}:drop"], "a debt of its own: the job itself is owed nothing"
    world.at.sleep(60)
    sweep(world.at)
    assert json.loads(world.read(f"results/{TENANT}/drop/look/result.json"))["id"] == job_id
    assert world.due() == []


def test_one_stuck_job_does_not_keep_the_others_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch, logs: io.StringIO
) -> None:
    stuck, fine = world.submit().job.id, world.submit().job.id
    for job_id in (stuck, fine):
        jobs.fail(world.job(job_id), failed("internal").fault)
        aws.step_functions().stop_execution(executionArn=execution(world, job_id))

    def settle_or_not(job_id: str, *args: Any, **more: Any) -> Any:
        if job_id == stuck:
            raise KeyError("https://secret.example/?token=1")
        return settle(job_id, *args, **more)

    monkeypatch.setattr("fitting_room.actions.upkeep.resume.settle", settle_or_not)
    world.at.sleep(60)
    assert sweep(world.at) == 2
    assert world.job(fine).final
    assert "KeyError" in logs.getvalue()
    assert "secret.example" not in logs.getvalue()
    assert sweep(world.at) == 0, "the stuck one goes to the end of the line"
    assert world.due() == [stuck]


def test_a_throttled_look_at_an_execution_settles_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import ClientError

    def throttled(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "x"}}, "DescribeExecution")

    job_id = world.submit().job.id
    world.at.sleep(60)
    monkeypatch.setattr(aws.step_functions(), "describe_execution", throttled)
    sweep(world.at)
    assert (world.job(job_id).status, world.due()) == ("queued", [job_id])
