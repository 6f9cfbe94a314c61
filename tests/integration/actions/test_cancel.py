"""Cancelling a job at each step of its life: what it ends as, what was bought, and what is never thrown away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fitting_room.actions.job_view import view
from fitting_room.actions.requests import cancel as cancelling
from fitting_room.actions.requests.cancel import cancel
from fitting_room.actions.workflow.collect import collect
from fitting_room.actions.workflow.prepare import prepare
from fitting_room.actions.workflow.settle import settle
from fitting_room.jobs.errors import Refusal
from fitting_room.stores import aws, executions
from tests.integration.world import LIVE, RIVAL, TEST, Vendor, World, failed, finished, pending

STEPS: dict[str, tuple[str, str | None, int, tuple[int, int]]] = {
    # what it ends as, what is told of the charge of its last attempt, purchases, and what the day's budget has lost
    "queued": ("cancelled", None, 0, (0, 0)),
    "prepared": ("cancelled", "no", 0, (0, 0)),
    "pending": ("cancelled", "unknown", 1, (1, 0)),
    "finished": ("succeeded", "yes", 1, (1, 0)),
    "collected": ("succeeded", "yes", 1, (1, 0)),
    "failed for free": ("failed", "no", 1, (0, 0)),
    "succeeded": ("succeeded", "yes", 1, (1, 0)),
}


def brought_to(world: World, vendor: Vendor, step: str) -> str:
    world.configure("tryiton")
    vendor.starts, vendor.polls = [pending("v-1")], [finished(864, 1296, credits=1)]
    if step == "failed for free":
        vendor.starts = [failed("content_blocked")]
    job_id = world.submit(provider="tryiton").job.id
    if step in ("succeeded", "failed for free"):
        world.run(job_id)
        return job_id
    doing: dict[str, Callable[[], Any]] = {
        "prepared": lambda: prepare(job_id, world.at),
        "pending": lambda: world.start(job_id),
        "finished": lambda: world.poll(job_id),
        "collected": lambda: collect(job_id, world.at),
    }
    for name, do in doing.items() if step != "queued" else ():
        do()
        if name == step:
            break
    return job_id


def to_the_end(world: World, job_id: str) -> None:
    """Whatever run there is goes on, until nothing is left to do."""
    for _ in range(3):
        if not world.job(job_id).final:
            world.run(job_id)


@pytest.mark.parametrize("step", STEPS)
def test_what_a_cancelled_job_ends_as(world: World, vendor: Vendor, step: str) -> None:
    job_id = brought_to(world, vendor, step)
    status, charged, purchases, spent = STEPS[step]
    was_final = world.job(job_id).final
    world.cancel(job_id)
    assert world.job(job_id).final is (was_final or step != "finished"), "at once, unless images are still to be stored"
    to_the_end(world, job_id)
    job = world.job(job_id)
    assert (job.status, job.latest and job.latest.charged) == (status, charged)
    assert (len(vendor.orders), world.spent(), world.due()) == (purchases, spent, [])
    assert bool(job.images) is (status == "succeeded")


@pytest.mark.parametrize("step", STEPS)
def test_cancelling_again_changes_nothing(world: World, vendor: Vendor, step: str) -> None:
    job_id = brought_to(world, vendor, step)
    world.cancel(job_id)
    to_the_end(world, job_id)
    once = world.items()
    assert cancel(job_id, LIVE, world.at).final
    world.broken(job_id)
    assert world.items() == once


def test_what_was_spent_is_told_and_how_to_fetch_it(world: World, vendor: Vendor) -> None:
    job_id = brought_to(world, vendor, "pending")
    world.cancel(job_id)
    error = world.job(job_id).error
    assert error and (error.code, error.retryable) == ("cancelled", False)
    assert "POST /v1/jobs/{id}/recover" in error.remedy
    assert view(world.job(job_id), world.at)["attempts"][0]["charged"] == "unknown"


def test_nothing_that_was_not_bought_is_said_to_be(world: World, vendor: Vendor) -> None:
    job_id = brought_to(world, vendor, "prepared")
    world.cancel(job_id)
    error = world.job(job_id).error
    assert error and "before anything was bought" in error.detail


@pytest.mark.parametrize(
    ("outcome", "status", "charged"),
    [
        (finished(864, 1296), "succeeded", "yes"),
        (pending("v-1"), "cancelled", "unknown"),
        (failed("provider_error"), "cancelled", "no"),
        (failed("content_blocked", "yes"), "cancelled", "yes"),
    ],
)
def test_a_call_in_flight_ends_first_and_then_the_job(
    world: World, vendor: Vendor, outcome: Any, status: str, charged: str
) -> None:
    world.configure("tryiton")
    job_id = world.prepared(provider="tryiton")

    def meanwhile() -> None:
        assert not world.cancel(job_id).final, "only the call itself knows what it bought"

    vendor.starts, vendor.during = [outcome], meanwhile
    world.start(job_id)
    assert world.sweep() == 1, "the outcome calls for the sweep"
    to_the_end(world, job_id)
    job = world.job(job_id)
    assert job.latest and (job.status, job.latest.charged, len(vendor.orders)) == (status, charged, 1)


def test_no_other_attempt_follows_the_one_that_failed(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    vendor.starts = [failed("provider_unavailable")]
    job_id = world.submit().job.id
    prepare(job_id, world.at)
    assert world.start(job_id) == {"outcome": "failed", "again": True}
    world.cancel(job_id)
    assert (world.job(job_id).status, len(vendor.orders), world.spent()) == ("cancelled", 1, (0, 0))


def test_the_run_is_stopped_and_one_that_never_began_is_started_to_end_the_job(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str, int]] = []
    there = True

    def stop(job_id: str, run: int) -> bool:
        asked.append(("stop", job_id, run))
        return there

    job_id = world.submit().job.id
    monkeypatch.setattr(executions, "stop_run", stop)
    monkeypatch.setattr(executions, "start_run", lambda job_id, run: asked.append(("start", job_id, run)))
    cancel(job_id, LIVE, world.at)
    there = False
    cancel(job_id, LIVE, world.at)
    assert asked == [("stop", job_id, 1), ("stop", job_id, 1), ("start", job_id, 1)]
    assert world.run(job_id) == ["Prepare", "Settle"]
    assert world.job(job_id).status == "cancelled"


def test_a_run_that_cannot_be_stopped_ends_at_its_next_function(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttled(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "x"}}, "StopExecution")

    job_id = brought_to(world, vendor, "prepared")
    monkeypatch.setattr(aws.step_functions(), "stop_execution", throttled)
    assert cancel(job_id, LIVE, world.at).cancel_requested
    assert world.start(job_id) == {"outcome": "ended"}
    settle(job_id, world.at)
    assert (world.job(job_id).status, vendor.orders) == ("cancelled", [])


def test_an_event_that_never_comes_is_made_up_for_by_the_sweep(world: World, vendor: Vendor) -> None:
    job_id = brought_to(world, vendor, "pending")
    cancel(job_id, LIVE, world.at)
    assert not world.job(job_id).final
    world.sweep()
    assert (world.job(job_id).status, world.due()) == ("cancelled", [])


def test_a_job_that_waits_for_its_next_run_is_cancelled_too(world: World, vendor: Vendor) -> None:
    job_id = brought_to(world, vendor, "pending")
    for _ in range(2):
        executions.stop_run(job_id, world.job(job_id).run)
        world.broken(job_id)
    assert world.job(job_id).resume_at
    cancel(job_id, LIVE, world.at)
    world.sweep()
    assert world.job(job_id).status == "cancelled"


@pytest.mark.parametrize("stranger", [RIVAL, TEST])
def test_nobody_else_may_cancel_a_job(world: World, monkeypatch: pytest.MonkeyPatch, stranger: Any) -> None:
    job_id = world.submit().job.id
    monkeypatch.setattr(cancelling, "end_run", lambda _: pytest.fail("it is stopped"))
    with pytest.raises(Refusal) as caught:
        cancel(job_id, stranger, world.at)
    assert (caught.value.status, world.job(job_id).cancel_requested) == (404, False)


# ------------------------------------------------------------------------------------------- the provider's own cancel
FAL_JOB = "fal-ai/fashn/requests/1"


def waiting_at(world: World, vendor: Vendor, provider: str) -> str:
    """The id of a job that a provider works on."""
    world.configure(provider)
    vendor.starts = [pending(FAL_JOB)]
    job_id = world.submit(provider=provider).job.id
    world.run_until_pending(job_id)
    return job_id


def test_a_provider_that_can_be_told_to_stop_is_told(world: World, vendor: Vendor) -> None:
    job_id = waiting_at(world, vendor, "fal")
    job = world.cancel(job_id)
    assert (job.status, job.latest and job.latest.charged) == ("cancelled", "unknown")
    assert world.erasures == [{"stop": FAL_JOB, "provider": "fal"}]
    world.erase()
    assert vendor.stopped == [FAL_JOB]
    world.cancel(job_id)
    assert world.erasures == [], "once"


def test_one_that_has_no_such_call_is_not(world: World, vendor: Vendor) -> None:
    assert world.cancel(waiting_at(world, vendor, "tryiton")).status == "cancelled"
    assert world.erasures == []


def test_a_job_that_becomes_pending_after_it_was_cancelled_is_stopped_too(world: World, vendor: Vendor) -> None:
    world.configure("fal")
    vendor.starts = [pending(FAL_JOB)]
    job_id = world.submit(provider="fal").job.id
    prepare(job_id, world.at)

    def meanwhile() -> None:
        cancel(job_id, LIVE, world.at)

    vendor.during = meanwhile
    world.start(job_id)
    to_the_end(world, job_id)
    assert world.job(job_id).status == "cancelled"
    assert world.erasures == [{"stop": FAL_JOB, "provider": "fal"}]


@pytest.mark.parametrize("trouble", ["the provider", "the call of the function"])
def test_a_failed_cancel_never_keeps_the_job_from_ending(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ClientError({"Error": {"Code": "TooManyRequestsException", "Message": "x"}}, "Invoke")

    monkeypatch.setattr(*((vendor, "cancel", broken) if trouble == "the provider" else (World, "invoke", broken)))
    job_id = waiting_at(world, vendor, "fal")
    assert world.cancel(job_id).status == "cancelled"
    world.erase()
    assert (world.job(job_id).status, world.due()) == ("cancelled", [])
