"""A run that breaks is followed by the next one, where the record says that the job stands; nothing is bought twice."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from fitting_room.actions.workflow.prepare import prepare
from fitting_room.actions.workflow.settle import settle
from fitting_room.stores import aws, executions, jobs
from fitting_room.stores.items import due_now
from tests.integration.world import Vendor, World, failed, finished, moment, pending

MINUTE = 60


def stop(world: World, job_id: str) -> None:
    """The present run of a job breaks. Nobody has heard of it yet."""
    assert executions.stop_run(job_id, world.job(job_id).run)


def runs(world: World, job_id: str) -> list[str]:
    return sorted(name for name in world.executions() if name.startswith(job_id))


@pytest.mark.parametrize(
    ("name", "job", "run"),
    [("job_1", "job_1", 1), ("job_1.r2", "job_1", 2), ("job_1.r17", "job_1", 17), ("job_1.rx", "job_1.rx", 1)],
)
def test_an_execution_s_name_tells_its_job_and_its_run(name: str, job: str, run: int) -> None:
    assert executions.parsed(name) == (job, run)
    assert executions.name_of(job, run) == name


STANDS: dict[str, tuple[list[str], int]] = {
    # what comes next in the run after the broken one, and the purchases of the whole job
    "queued": (["Prepare", "Start", "Poll", "Collect", "Settle"], 1),
    "prepared": (["Prepare", "Start", "Poll", "Collect", "Settle"], 1),
    "pending": (["Prepare", "Poll", "Collect", "Settle"], 1),
    "finished": (["Prepare", "Collect", "Settle"], 1),
    "failed with another attempt planned": (["Prepare", "Start", "Poll", "Collect", "Settle"], 2),
}


def brought_to(world: World, vendor: Vendor, stands: str) -> str:
    world.configure("tryiton")
    vendor.starts, vendor.polls = [pending("v-1")], [finished(864, 1296)]
    job_id = world.submit(provider="tryiton").job.id
    if stands == "queued":
        return job_id
    prepare(job_id, world.at)
    if stands == "prepared":
        return job_id
    if stands.startswith("failed"):
        vendor.starts = [failed("provider_error"), pending("v-1")]
    world.start(job_id)
    if stands == "finished":
        world.poll(job_id)
    world.at.sleep(2)  # the provider's next slot has come
    return job_id


@pytest.mark.parametrize("heard", ["the event", "the sweep"])
@pytest.mark.parametrize("stands", STANDS)
def test_the_next_run_goes_on_where_the_broken_one_stood(world: World, vendor: Vendor, stands: str, heard: str) -> None:
    job_id = brought_to(world, vendor, stands)
    stop(world, job_id)
    if heard == "the event":
        world.broken(job_id)
    else:
        world.at.sleep(MINUTE)
        world.sweep()
    assert runs(world, job_id) == [job_id, f"{job_id}.r2"]
    assert world.job(job_id).run == 2
    path, bought = STANDS[stands]
    assert world.run(job_id) == path
    assert (world.job(job_id).status, len(vendor.orders)) == ("succeeded", bought)


@pytest.mark.parametrize("first", ["the event", "the sweep"])
def test_of_an_event_and_a_sweep_only_one_starts_the_next_run(world: World, vendor: Vendor, first: str) -> None:
    job_id = brought_to(world, vendor, "pending")
    stop(world, job_id)
    world.at.sleep(MINUTE)
    for heard in ("event", "sweep") if first == "the event" else ("sweep", "event"):
        world.broken(job_id, run=1) if heard == "event" else world.sweep()
    assert runs(world, job_id) == [job_id, f"{job_id}.r2"]
    assert world.job(job_id).run == 2


def test_a_race_for_the_next_run_has_one_winner(world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id, started = brought_to(world, vendor, "pending"), []
    stop(world, job_id)
    real = jobs.next_run

    def slow(*args: Any) -> bool:
        monkeypatch.setattr(jobs, "next_run", real)
        world.broken(job_id)
        return real(*args)

    monkeypatch.setattr(jobs, "next_run", slow)
    monkeypatch.setattr(executions, "start_run", lambda *name: started.append(name))
    world.broken(job_id)
    assert started == [(job_id, 2)]


def test_an_event_of_a_run_that_has_a_successor_changes_nothing(world: World, vendor: Vendor) -> None:
    job_id = brought_to(world, vendor, "pending")
    stop(world, job_id)
    world.broken(job_id)
    before = world.items()
    for _ in range(3):
        world.broken(job_id, run=1)
    assert (world.items(), len(runs(world, job_id))) == (before, 2)


def test_an_event_that_comes_late_or_of_no_job_changes_nothing(world: World, vendor: Vendor) -> None:
    job_id = brought_to(world, vendor, "finished")
    world.run(job_id)
    before = world.items()
    for name in (job_id, "job_unknown"):
        world.broken(name, run=1)
    assert world.items() == before


def test_a_next_run_whose_start_was_refused_is_started_by_the_sweep(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "x"}}, "StartExecution")

    job_id = brought_to(world, vendor, "pending")
    stop(world, job_id)
    with monkeypatch.context() as patched:
        patched.setattr(aws.step_functions(), "start_execution", refused)
        world.broken(job_id)
    assert (runs(world, job_id), world.job(job_id).run) == ([job_id], 2)
    world.at.sleep(120)
    assert world.sweep() == 1
    assert runs(world, job_id) == [job_id, f"{job_id}.r2"]


def test_a_settlement_that_left_work_is_resumed_by_the_sweep(world: World, vendor: Vendor) -> None:
    """Its execution has succeeded, so no event tells of it."""
    job_id = brought_to(world, vendor, "pending")
    settle(job_id, world.at)
    stop(world, job_id)
    arn = world.machine.replace(":stateMachine:", ":execution:") + f":{job_id}"
    real = aws.step_functions().describe_execution
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            aws.step_functions(),
            "describe_execution",
            lambda executionArn: {"status": "SUCCEEDED"} if executionArn == arn else real(executionArn=executionArn),  # noqa: N803
        )
        assert world.sweep() == 1
    assert runs(world, job_id) == [job_id, f"{job_id}.r2"]


# -------------------------------------------------------------------------------------------------------------- pauses
def pauses(world: World, job_id: str, breaks: int) -> list[float]:
    """Break so many runs, one after the other. Minutes until each was followed by the next."""
    waited = []
    for _ in range(breaks):
        run, began = world.job(job_id).run, world.at.now()
        stop(world, job_id)
        world.broken(job_id)
        while world.job(job_id).run == run and not world.job(job_id).final:
            world.at.sleep(MINUTE)
            world.sweep()
        waited.append((world.at.now() - began).total_seconds() / MINUTE)
    return waited


def test_the_pauses_grow_and_the_job_fails_when_it_has_bought_nothing(world: World, vendor: Vendor) -> None:
    job_id = brought_to(world, vendor, "prepared")
    assert pauses(world, job_id, 5) == [0, 1, 5, 15, 60]
    assert (world.job(job_id).run, world.job(job_id).final) == (6, False)
    stop(world, job_id)
    world.broken(job_id)
    job = world.job(job_id)
    assert job.error and (job.status, job.error.code, job.error.retryable) == ("failed", "internal", True)
    assert "5 times" in job.error.detail
    assert (vendor.orders, world.spent(), world.due()) == ([], (0, 0), [])


def test_after_a_purchase_no_number_of_breaks_ends_a_job(world: World, vendor: Vendor) -> None:
    job_id = brought_to(world, vendor, "pending")
    assert pauses(world, job_id, 9) == [0, 1, 5, 15, 60, 60, 60, 60, 60]
    assert not world.job(job_id).final
    assert world.run(job_id)[-2:] == ["Collect", "Settle"]
    assert (world.job(job_id).status, len(vendor.orders)) == ("succeeded", 1)


def test_events_during_a_pause_do_not_shorten_it(world: World, vendor: Vendor) -> None:
    job_id = brought_to(world, vendor, "pending")
    pauses(world, job_id, 1)
    stop(world, job_id)
    world.broken(job_id)
    resume_at = world.job(job_id).resume_at
    assert resume_at and (moment(resume_at) - world.at.now()).total_seconds() == MINUTE
    world.at.sleep(30)
    world.broken(job_id)
    assert (world.job(job_id).run, world.job(job_id).resume_at) == (2, resume_at)
    world.at.sleep(30)
    world.broken(job_id)
    assert (world.job(job_id).run, world.job(job_id).resume_at) == (3, None)


# ------------------------------------------------------------------------------------------------------ a call in flight
def test_a_run_that_breaks_during_a_call_is_resumed_as_soon_as_the_outcome_is_written(
    world: World, vendor: Vendor
) -> None:
    world.configure("tryiton")
    job_id = world.prepared(provider="tryiton")
    vendor.starts, vendor.polls = [pending("v-1")], [finished(864, 1296)]

    def breaks() -> None:
        stop(world, job_id)
        world.broken(job_id)
        assert world.sweep() == 0, "the call must not be overtaken"
        assert runs(world, job_id) == [job_id]

    vendor.during = breaks
    assert world.start(job_id, remaining=180)["outcome"] == "pending"
    assert world.sweep() == 1
    assert runs(world, job_id) == [job_id, f"{job_id}.r2"]
    assert world.run(job_id) == ["Prepare", "Poll", "Collect", "Settle"]
    assert (world.job(job_id).status, len(vendor.orders)) == ("succeeded", 1)


def test_a_function_killed_in_its_call_ends_the_job_once_the_call_must_be_over(world: World, vendor: Vendor) -> None:
    vendor.starts = [ConnectionError("killed")]
    job_id = world.prepared()
    with pytest.raises(ConnectionError):
        world.start(job_id, remaining=900)
    stop(world, job_id)
    world.broken(job_id)
    assert not world.job(job_id).final
    began = world.at.now()
    while not world.job(job_id).final:
        assert list(due_now(world.at.now())) in ([], [jobs.key(job_id)])
        world.at.sleep(MINUTE)
        world.sweep()
    assert 720 <= (world.at.now() - began).total_seconds() <= 780
    job = world.job(job_id)
    assert job.latest and (job.status, job.latest.charged, len(vendor.orders)) == ("failed", "unknown", 1)
    assert (world.spent(), world.due()) == ((1, 40_000), [])


def test_a_job_that_has_failed_is_settled_and_not_resumed(world: World, vendor: Vendor) -> None:
    vendor.starts = [failed("content_blocked")]
    job_id = world.prepared()
    world.start(job_id)
    stop(world, job_id)
    world.broken(job_id)
    assert (world.job(job_id).status, runs(world, job_id)) == ("failed", [job_id])
