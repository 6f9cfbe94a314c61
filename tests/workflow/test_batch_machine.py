"""The synthesized batch machine with the actions themselves, and branch by branch with functions that answer as told."""

from __future__ import annotations

from typing import Any

import pytest

from fitting_room.actions.batch.admit import admit
from fitting_room.actions.batch.expand import expand
from fitting_room.actions.batch.finish import finish
from fitting_room.jobs.batch import job_id_of
from tests.deployment import choose
from tests.infra.synthesized import synthesized
from tests.integration.catalogue import Catalogue
from tests.integration.conftest import vendor, world
from tests.integration.world import Vendor, World, finished
from tests.workflow.batch_machine import KNOWN, BatchMachine
from tests.workflow.machine import LambdaError

__all__ = ["vendor", "world"]

BATCH = {"batch_id": "bat_01"}
THROTTLED = LambdaError("Lambda.TooManyRequestsException")


def machine(world: World, **changes: Any) -> BatchMachine:
    """The machine with the real actions, but for those that are given."""
    functions = {
        "Expand": lambda payload: expand(payload["batch_id"], world.at),
        "Admit": lambda payload: admit(payload["batch"], payload["rows"], world.at),
        "Finish": lambda payload: finish(payload["batch_id"], world.at),
    }

    def run_job(job_id: str) -> None:
        world.run(job_id)

    return BatchMachine(
        synthesized("dev").batch_machine(),
        functions | changes.pop("functions", {}),
        read=lambda key: world.read(key).decode(),
        run_job=changes.pop("run_job", run_job),
        sleep=world.at.sleep,
    )


@pytest.fixture
def catalogue(world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    choose(monkeypatch, daily_images=100, daily_usd=100.0)
    vendor.starts = [finished()]
    return Catalogue(world)


def test_a_batch_goes_through_its_machine(catalogue: Catalogue, world: World) -> None:
    one, two = catalogue.rows(2)
    batch = catalogue.create(jobs=[one, two, {**one, "id": "again"}])
    run = machine(world)
    run.run({"batch_id": batch.id})
    assert catalogue.counts(batch.id) == {"rows": 3, "succeeded": 3, "reused": 1}
    admitted = ["Admit", "Admitted"]
    assert run.path == [
        *["Expand", "Expanded", "Rows"],
        *[*admitted, "RunFirst", *admitted, "Run"],  # the two that ask for the same
        *[*admitted, "Run"],
        *["Finish", "Finished", "Done"],
    ]
    ids = [job_id_of(batch.id, n) for n in (0, 2, 1)]
    assert [asked["Name"] for asked in run.started] == ids
    assert [asked["Input"] for asked in run.started] == [{"job_id": job_id} for job_id in ids]


def test_a_job_whose_run_breaks_leaves_the_other_rows_alone_and_is_waited_for(
    catalogue: Catalogue, world: World
) -> None:
    batch = catalogue.create(jobs=catalogue.rows(3))
    broken = job_id_of(batch.id, 1)

    def run_job(job_id: str) -> None:
        if job_id == broken:
            raise LambdaError("States.TaskFailed")
        world.run(job_id)

    run = machine(world, run_job=run_job)
    slept = run.sleep

    def sleep(seconds: float) -> None:
        slept(seconds)
        world.run(broken)  # the sweep resumes it

    run.sleep = sleep
    run.run({"batch_id": batch.id})
    assert run.path.count("Look") == 1
    assert catalogue.counts(batch.id) == {"rows": 3, "succeeded": 3}


def test_a_child_that_cannot_admit_its_row_is_followed_by_another(catalogue: Catalogue, world: World) -> None:
    batch = catalogue.create(jobs=catalogue.rows(2))
    tries = 0

    def admitting(payload: dict[str, Any]) -> Any:
        nonlocal tries
        tries += payload["rows"] == [0]
        if payload["rows"] == [0] and tries <= 9:
            raise LambdaError("Runtime.ExitError")
        return admit(payload["batch"], payload["rows"], world.at)

    run = machine(world, functions={"Admit": admitting})
    run.run({"batch_id": batch.id})
    assert run.broken == ["Runtime.ExitError"]
    assert run.path.count("Rows") == 2 and "Again" in run.path
    assert catalogue.counts(batch.id) == {"rows": 2, "succeeded": 2}


def test_an_item_that_cannot_be_read_ends_in_finish(world: World) -> None:
    answers = {
        "Expand": lambda _: {"outcome": "rows", "items": "gone"},
        "Finish": lambda _: {"outcome": "ended"},
    }
    run = machine(world, functions=answers)

    def read(_: str) -> str:
        raise LambdaError("States.ItemReaderFailed")

    run.read = read
    run.run(BATCH)
    assert run.path == ["Expand", "Expanded", "Rows", "Finish", "Finished", "Done"]


@pytest.mark.parametrize("function", ["Expand", "Admit", "Finish"])
def test_a_function_that_is_throttled_is_tried_again(world: World, function: str) -> None:
    turns = iter([THROTTLED] * 100)
    usual = {
        "Expand": {"outcome": "rows", "items": "x"},
        "Admit": {"outcome": "ended"},
        "Finish": {"outcome": "ended"},
    }

    def answering(name: str) -> Any:
        def answer(_: dict[str, Any]) -> Any:
            if name == function and (error := next(turns, None)):
                raise error
            return usual[name]

        return answer

    run = machine(world, functions={name: answering(name) for name in usual})
    run.read = lambda _: '{"batch": "bat_01", "rows": [0]}'
    run.run(BATCH)
    assert (run.path[-1], run.broken) == ("Done", [])


def test_the_machine_knows_no_state_without_a_way_in_or_out() -> None:
    definition = synthesized("dev").batch_machine()
    child = definition["States"]["Rows"]["ItemProcessor"]
    for part in (definition, child):
        states = part["States"]
        following = {part["StartAt"]}
        for state in states.values():
            assert state["Type"] in KNOWN
            following |= {state.get("Next"), state.get("Default")}
            following |= {rule["Next"] for rule in (*state.get("Choices", ()), *state.get("Catch", ()))}
        assert following - {None} == states.keys()
    assert definition["States"]["Rows"]["MaxConcurrency"] == 20
    assert child["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
