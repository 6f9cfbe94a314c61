from __future__ import annotations

from collections.abc import Callable

import pytest

from fitting_room.actions.requests.wait import preferred, wait_for
from fitting_room.jobs.job import Job
from fitting_room.settings import settings
from tests.integration.world import World


@pytest.fixture
def together(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[Job, int], list[bool]]:
    """Callers that begin to wait for a job one inside the first pause of the other: which of them got a place."""
    sleep = world.at.sleep

    def callers(job: Job, count: int) -> list[bool]:
        got: list[bool] = []

        def slept(seconds: float) -> None:
            sleep(seconds)
            begin()

        def begin() -> None:
            if len(got) < count:
                number = len(got)
                got.append(False)
                got[number] = wait_for(job, 10, f"request-{number}", world.at)[1]

        monkeypatch.setattr(world.at, "sleep", slept)
        begin()
        return got

    return callers


def test_only_a_few_callers_wait_at_once(world: World, together: Callable[[Job, int], list[bool]]) -> None:
    job = world.submit().job
    assert together(job, settings().deployment.waiters) == [True] * 3
    assert together(job, 4) == [True, True, True, False]  # the places of those before are free again


def test_test_keys_hold_one_place_at_most(world: World, together: Callable[[Job, int], list[bool]]) -> None:
    assert together(world.submit(mode="test").job, 2) == [True, False]
    assert together(world.submit().job, 3) == [True] * 3


def test_the_place_of_a_caller_that_died_is_free_after_its_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job = world.submit(mode="test").job
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("fitting_room.actions.requests.wait.capacity.free_lease", _died)
        patch.setattr(world.at, "sleep", _died)
        wait_for(job, 10, "request-1", world.at)
    assert wait_for(job, 10, "request-2", world.at)[1] is False
    world.at.sleep(13)
    assert wait_for(job, 10, "request-2", world.at)[1] is True


def test_a_setting_can_forbid_to_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job = world.submit().job
    none = settings().deployment.model_copy(update={"waiters": 0})
    nobody = settings().model_copy(update={"deployment": none})
    monkeypatch.setattr("fitting_room.actions.requests.wait.settings", lambda: nobody)
    assert wait_for(job, 10, "request-1", world.at) == (job, False) and world.at.slept == []


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [("wait=10", 10), ("WAIT = 7", 7), ('respond-async, wait="5";x=1', 5), ("wait=100", 25), ("wait", 0), (None, 0)],
)
def test_a_preference_is_read_as_its_rfc_says(prefer: str | None, seconds: int) -> None:
    assert preferred(prefer) == seconds


def _died(*_: object) -> None:
    raise KeyboardInterrupt
