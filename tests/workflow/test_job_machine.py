"""The synthesized job machine, branch by branch, with functions that answer as told."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from fitting_room.actions.workflow import poll
from fitting_room.actions.workflow.queueing import BUSY_SECONDS, QUEUE_LIMIT
from fitting_room.actions.workflow.standing import waiting
from fitting_room.clock import Clock, text
from fitting_room.jobs.job import Attempt, Job
from fitting_room.providers.catalogue import entries
from infra.constructs.job_workflow import CALLBACK_SECONDS
from tests.infra.synthesized import synthesized
from tests.workflow.machine import TOKEN, Function, LambdaError, Machine, Run

JOB = {"job_id": "job_01"}
PREPARED = {"outcome": "prepared", "runner": "http"}
PENDING = {"outcome": "pending", "wait": 3}
SOON, LATER = ({"outcome": "pending", "wait": 3, "callback": when} for when in ("soon", "later"))
FINISHED = {"outcome": "finished"}
ENDED = {"outcome": "ended"}
FAILED = {"outcome": "failed", "again": False}
AGAIN = {"outcome": "failed", "again": True}
THROTTLED = LambdaError("Lambda.TooManyRequestsException")
# A handler's exception, an invocation the service lost, a killed process, a result too large, a hung call.
FAULTS = [
    "KeyError",
    "Lambda.ServiceException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.Unknown",
    "Runtime.ExitError",
    "Sandbox.Timedout",
    "States.TaskFailed",
    "States.Timeout",
]
STATES = ["Prepare", "StartBedrock", "StartHttp", "Poll", "Collect", "Settle"]
USUAL = {
    "Prepare": PREPARED,
    "StartBedrock": FINISHED,
    "StartHttp": FINISHED,
    "Poll": FINISHED,
    "Wait": 2,
    "Collect": ENDED,
    "Settle": ENDED,
}


def run(**answers: Any) -> Run:
    """Run with these answers: one, or a list to give in turn (an exception is raised), or a function of the payload."""
    functions = {name: _answering(answers.get(name, usual)) for name, usual in USUAL.items()}
    return Machine(synthesized("dev").job_machine(), functions).run(JOB)


def _answering(answer: Any) -> Function:
    if callable(answer):
        return cast(Function, answer)
    turns: Iterator[Any] = iter(answer if isinstance(answer, list) else [])

    def call(_: dict[str, Any]) -> Any:
        given = next(turns) if isinstance(answer, list) else answer
        if isinstance(given, Exception):
            raise given
        return given

    return call


def broken(state: str, answers: Any) -> Run:
    """Run a job whose function of one state gives these answers; after a list of errors, its usual one."""
    usual = USUAL | {"StartHttp": PENDING}
    if state == "StartBedrock":
        usual["Prepare"] = {"outcome": "prepared", "runner": "bedrock"}
    return run(**usual | {state: [*answers, usual[state]] if isinstance(answers, list) else answers})


def calls(done: Run, name: str) -> int:
    return sum(called == name for called, _ in done.calls)


@pytest.mark.parametrize(("runner", "starter"), [("bedrock", "StartBedrock"), ("http", "StartHttp")])
def test_a_provider_that_answers_at_once_takes_six_states(runner: str, starter: str) -> None:
    done = run(Prepare={"outcome": "prepared", "runner": runner})
    assert done.path == ["Prepare", "Next", starter, "Next", "Collect", "Settle"]
    assert (done.status, done.seconds) == ("SUCCEEDED", 0)


@pytest.mark.parametrize("polls", [1, 2, 5])
def test_each_poll_adds_three_states_and_the_wait_it_asks_for(polls: int) -> None:
    done = run(StartHttp=PENDING, Poll=[{"outcome": "pending", "wait": 10 + n} for n in range(polls - 1)] + [FINISHED])
    assert done.path == [
        "Prepare",
        "Next",
        "StartHttp",
        "Next",
        *["WaitToPoll", "Poll", "Next"] * polls,
        "Collect",
        "Settle",
    ]
    assert done.seconds == 3 + sum(10 + n for n in range(polls - 1))


def test_a_callback_ends_the_wait_and_the_status_is_read_once() -> None:
    done = run(StartHttp=SOON, Wait=7)
    assert done.path == ["Prepare", "Next", "StartHttp", "Next", "AwaitCallback", "Poll", "Next", "Collect", "Settle"]
    assert done.seconds == 7
    assert calls(done, "Poll") == 1


@pytest.mark.parametrize(("pending", "state"), [(SOON, "AwaitCallback"), (LATER, "AwaitLateCallback")])
def test_a_callback_that_never_comes_is_found_by_reading_the_status(pending: dict[str, Any], state: str) -> None:
    done = run(StartHttp=pending, Wait=None, Poll=[pending, pending, FINISHED])
    assert done.path == ["Prepare", "Next", "StartHttp", "Next", *[state, "Poll", "Next"] * 3, "Collect", "Settle"]
    assert done.seconds == 3 * CALLBACK_SECONDS[pending["callback"]]
    assert done.status == "SUCCEEDED"


def test_a_callback_is_missed_less_often_the_longer_it_is_expected() -> None:
    done = run(StartHttp=SOON, Wait=None, Poll=[SOON, LATER, FINISHED])
    assert [name for name in done.path if "Callback" in name] == ["AwaitCallback"] * 2 + ["AwaitLateCallback"]


def test_the_wait_function_is_told_the_job_and_the_token_of_this_wait() -> None:
    done = run(StartHttp=SOON, Poll=[LATER, FINISHED])
    assert [payload for name, payload in done.calls if name == "Wait"] == [{**JOB, "task_token": TOKEN}] * 2


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "States.Timeout"])
@pytest.mark.parametrize(("pending", "state"), [(SOON, "AwaitCallback"), (LATER, "AwaitLateCallback")])
def test_when_waiting_is_broken_the_vendor_is_polled_at_the_pace_of_a_missed_callback(
    pending: dict[str, Any], state: str, fault: str
) -> None:
    done = run(StartHttp=pending, Wait=lambda _: _raise(LambdaError(fault)), Poll=[pending, FINISHED])
    assert done.path[4:10] == [state, "WaitToPoll", "Poll", "Next", state, "WaitToPoll"]
    assert (done.status, calls(done, "Wait")) == ("SUCCEEDED", 2)
    assert done.seconds == 2 * CALLBACK_SECONDS[pending["callback"]]


@pytest.mark.parametrize(
    ("runner", "starter", "wait"), [("bedrock", "StartBedrock", "WaitForBedrock"), ("http", "StartHttp", "WaitForHttp")]
)
def test_a_job_without_a_slot_waits_and_starts_without_being_prepared_again(
    runner: str, starter: str, wait: str
) -> None:
    busy = {"outcome": "busy", "runner": runner, "wait": 17}
    done = run(Prepare={"outcome": "prepared", "runner": runner}, **{starter: [busy, busy, FINISHED]})
    assert done.path == [
        "Prepare",
        "Next",
        *[starter, "Next", wait] * 2,
        starter,
        "Next",
        "Collect",
        "Settle",
    ]
    assert done.seconds == 34


def test_a_planned_next_attempt_is_prepared_for_its_provider() -> None:
    done = run(Prepare=[{"outcome": "prepared", "runner": "bedrock"}, PREPARED], StartBedrock=AGAIN)
    assert done.path == [
        "Prepare",
        "Next",
        "StartBedrock",
        "Next",
        "Prepare",
        "Next",
        "StartHttp",
        "Next",
        "Collect",
        "Settle",
    ]


def test_a_vendor_s_job_that_failed_for_free_is_tried_again() -> None:
    done = run(StartHttp=[PENDING, FINISHED], Poll=AGAIN, Prepare=[PREPARED, PREPARED])
    assert done.path[4:8] == ["WaitToPoll", "Poll", "Next", "Prepare"]
    assert done.path[-2:] == ["Collect", "Settle"]


@pytest.mark.parametrize(
    "answer", [FAILED, ENDED, {"outcome": "failed"}, {"outcome": "not yet invented", "more": 1}, {}]
)
@pytest.mark.parametrize("state", ["Prepare", "StartHttp", "Poll"])
def test_any_other_outcome_is_settled(state: str, answer: dict[str, Any]) -> None:
    done = run(**({"StartHttp": PENDING} | {state: answer}))
    assert done.path[-3:] == [state, "Next", "Settle"]
    assert done.status == "SUCCEEDED"


def test_every_other_function_is_given_the_job_s_id_and_nothing_else() -> None:
    done = run(
        Prepare=[PREPARED, PREPARED],
        StartHttp=[{"outcome": "busy", "runner": "http", "wait": 1}, PENDING, FINISHED],
        Poll=AGAIN,
    )
    assert {name for name, _ in done.calls} == {"Prepare", "StartHttp", "Poll", "Collect", "Settle"}
    assert [payload for _, payload in done.calls] == [JOB] * len(done.calls)


@pytest.mark.parametrize("state", STATES)
def test_a_call_that_was_throttled_did_not_run_and_is_repeated(state: str) -> None:
    done = broken(state, [THROTTLED, THROTTLED])
    assert calls(done, state) == 3
    assert done.status == "SUCCEEDED"
    assert done.path[-2:] == ["Collect", "Settle"]


@pytest.mark.parametrize("state", STATES)
def test_a_call_throttled_for_half_an_hour_goes_on(state: str) -> None:
    """Every delay is drawn between zero and the longest one: half of the longest is the average."""
    done = broken(state, [THROTTLED] * 130)
    assert (done.status, done.path[-1]) == ("SUCCEEDED", "Settle")
    assert done.seconds / 2 >= 1800


@pytest.mark.parametrize("state", STATES)
def test_a_call_throttled_for_longer_breaks_the_run_and_settles_nothing(state: str) -> None:
    done = broken(state, lambda _: _raise(THROTTLED))
    assert (done.status, done.path[-1]) == ("FAILED", state)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("state", STATES)
def test_every_function_is_run_again_after_a_fault(state: str, fault: str) -> None:
    """Also one that buys: its claim and its record keep it from buying twice."""
    done = broken(state, [LambdaError(fault)] * 5)
    assert calls(done, state) == 6
    assert (done.status, done.path[-2:]) == ("SUCCEEDED", ["Collect", "Settle"])


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("state", STATES)
def test_what_keeps_failing_breaks_the_run_and_settles_nothing(state: str, fault: str) -> None:
    """The event of the broken execution, or the sweep, starts the next run."""
    done = broken(state, lambda _: _raise(LambdaError(fault)))
    assert (done.status, done.path[-1]) == ("FAILED", state)
    hours = done.seconds / 2 / 3600
    assert hours >= {"Poll": 6, "Collect": 20, "Settle": 20}.get(state, 0)
    assert state in ("Poll", "Collect", "Settle") or hours * 3600 >= 60


@pytest.mark.parametrize(
    ("stands", "path"),
    [
        (PREPARED, ["StartHttp", "Next", "Collect", "Settle"]),
        (PENDING, ["WaitToPoll", "Poll", "Next", "Collect", "Settle"]),
        (SOON, ["AwaitCallback", "Poll", "Next", "Collect", "Settle"]),
        (FINISHED, ["Collect", "Settle"]),
        (ENDED, ["Settle"]),
        (FAILED, ["Settle"]),
        (
            {"outcome": "busy", "runner": "http", "wait": 2},
            ["WaitForHttp", "StartHttp", "Next", "Collect", "Settle"],
        ),
    ],
)
def test_a_resumed_run_goes_from_prepare_to_where_the_job_stands(stands: dict[str, Any], path: list[str]) -> None:
    assert run(Prepare=stands).path == ["Prepare", "Next", *path]


def test_a_busy_answer_without_its_wait_ends_the_execution_for_the_event_and_the_sweep() -> None:
    done = run(StartHttp={"outcome": "busy", "runner": "http"})
    assert (done.status, done.path[-1]) == ("FAILED", "WaitForHttp")


class Still(Clock):
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment


TRY_ON, TRAINING = max(entry.deadline for entry in entries()), max(entry.training_deadline for entry in entries())
UNMADE = int(poll.UNMADE.total_seconds())
HOW = {
    "polled": None,
    "callbacks that never come": lambda: None,
    "waiting that is broken": lambda: _raise(LambdaError("E")),
}


def patient(attempts: int, deadline: int, how: str, *, unmade: int = 0, faults: int = 0) -> Run:
    """The longest possible history.

    Each attempt uses up its queue, looking as often as it may, and then its deadline at the product's own
    pace, every call answering in no time. Then it fails and the next one begins.

    `unmade`: seconds after the deadline in which no read can be made. `faults`: of every look, so many calls
    fail first.
    """
    clock, began, wait = Still(), datetime(2026, 1, 1, tzinfo=UTC), HOW[how]
    left, failing = attempts, 0
    job = cast(Any, Job).model_construct(subject="sub_1" if deadline == TRAINING else None, created_at=text(began))

    def prepare(_: dict[str, Any]) -> Any:
        nonlocal began, left
        began, left = clock.moment, left - 1
        return PREPARED

    def begin(_: dict[str, Any]) -> Any:
        nonlocal began
        if clock.moment - began < QUEUE_LIMIT:
            clock.moment += timedelta(seconds=BUSY_SECONDS[0])
            return {"outcome": "busy", "runner": "http", "wait": BUSY_SECONDS[0]}
        began = clock.moment
        return pace()

    def look(_: dict[str, Any]) -> Any:
        nonlocal failing
        if failing < faults:
            failing += 1
            raise LambdaError("Lambda.Unknown")
        failing = 0
        if clock.moment - began >= timedelta(seconds=deadline + unmade):
            return AGAIN if left else FAILED
        return pace()

    def pace() -> Any:
        late = clock.moment - began >= timedelta(seconds=deadline)
        digest = "digest" if wait and not late else None
        attempt = Attempt(n=1, provider="tryiton", outcome="pending", submitted_at=text(began), callback=digest)
        answer = waiting(job, attempt, clock, poll.LAST_READ_SECONDS if late else 0)
        clock.moment += timedelta(seconds=CALLBACK_SECONDS[answer["callback"]] if digest else answer["wait"])
        return answer

    return run(Prepare=prepare, StartHttp=begin, Poll=look, Wait=lambda _: wait and wait())


@pytest.fixture(autouse=True)
def no_overrides(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests have no table: a look at the overrides would go to the network."""
    monkeypatch.setattr("fitting_room.stores.offers.read", dict)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("deadline", [TRY_ON, TRAINING])
def test_the_longest_queue_and_deadline_stay_far_below_the_history_limit(deadline: int, how: str) -> None:
    done = patient(1, deadline, how)
    assert done.path[-3:] == ["Poll", "Next", "Settle"]
    assert done.seconds >= 15 * 60 + deadline
    assert done.events < 10_000


@pytest.mark.parametrize("how", HOW)
def test_the_longest_training_with_six_hours_of_reads_that_cannot_be_made_fits_the_history(how: str) -> None:
    """At one read a minute to the end, which is oftener than reads that fail are made; and every look fails twice before."""
    done = patient(1, TRAINING, how, unmade=UNMADE, faults=2)
    assert done.seconds >= 15 * 60 + 12 * 3600
    assert done.events < 25_000


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("deadline", [TRY_ON, TRAINING])
def test_no_plan_is_so_long_that_aws_ends_the_execution(deadline: int, how: str) -> None:
    """The provider that failed on a job for nothing is asked once more; and one does not train what another can use."""
    polled = sum(entry.deadline for entry in entries() if entry.polled and entry.live)
    attempts = {TRY_ON: math.ceil((polled + TRY_ON) / TRY_ON), TRAINING: 2}[deadline]
    done = patient(attempts, deadline, how)
    assert calls(done, "Prepare") == attempts  # the interpreter ends like AWS at 25,000 events
    assert done.seconds < synthesized("dev").job_machine()["TimeoutSeconds"]


@pytest.mark.parametrize("state", STATES)
def test_the_longest_repetition_of_one_state_fits_the_history(state: str) -> None:
    done = broken(state, lambda _: _raise(LambdaError("Lambda.Unknown")))
    throttled = broken(state, lambda _: _raise(THROTTLED))
    assert done.events + throttled.events < 10_000, "so that there is room for what came before"


def _raise(error: Exception) -> Any:
    raise error
