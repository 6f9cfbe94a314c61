"""A small interpreter of what the job machine uses of the Amazon States Language.

It knows Task, Choice and Wait in JSONata, with Retry and Catch, and tasks that wait for a call with
their token. Time only adds up. It refuses what it does not know, so a new feature cannot pass untested.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from jsonata import Jsonata  # type: ignore[import-untyped]

Function = Callable[[dict[str, Any]], Any]
KNOWN = {
    "Task": {"Resource", "Arguments", "Output", "TimeoutSeconds", "Retry", "Catch", "Next", "End"},
    "Choice": {"Choices", "Default"},
    "Wait": {"Seconds", "Output", "Next"},
}
FOR_A_TOKEN = ".waitForTaskToken"
TOKEN = "task-token"
# Of one state or one call, as in the execution history of a standard workflow.
ENTER_AND_EXIT, CALL, CALL_FOR_A_TOKEN = 2, 3, 4
EVENTS_OF_AN_EXECUTION = 2
MOST_EVENTS = 25_000


class LambdaError(Exception):
    """A call that failed; `args[0]` is the error name that Step Functions sees."""


@dataclass
class Run:
    status: str = "RUNNING"
    path: list[str] = field(default_factory=list)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    events: int = EVENTS_OF_AN_EXECUTION
    seconds: float = 0
    """Waits and the longest that retries may wait; calls take no time, but for those that wait for a token."""


class Machine:
    """A function of a task that waits for its token tells after how many seconds somebody ends the wait; None: nobody does."""

    def __init__(
        self,
        definition: dict[str, Any],
        functions: Mapping[str, Function],
        sleep: Callable[[float], None] = lambda _: None,
    ) -> None:
        """`sleep` is told of all time that passes between calls, in seconds."""
        assert definition["QueryLanguage"] == "JSONata"
        self.definition, self.functions, self.sleep = definition, functions, sleep

    def run(self, execution_input: dict[str, Any]) -> Run:
        run, name, value = Run(), self.definition["StartAt"], execution_input
        while True:
            state = self.definition["States"][name]
            assert state.keys() - {"Type"} <= KNOWN[state["Type"]], (
                f"{name} uses something this interpreter does not know"
            )
            assert run.events < MOST_EVENTS, "AWS ends an execution with so long a history"
            run.path.append(name)
            run.events += ENTER_AND_EXIT
            scope = {"input": value, "context": {"Execution": {"Input": execution_input}, "Task": {"Token": TOKEN}}}
            try:
                following, value = getattr(self, f"_{state['Type'].lower()}")(state, scope, run)
            except LambdaError:
                run.status = "FAILED"
                return run
            if following is None:
                run.status = "SUCCEEDED"
                return run
            name = following

    def _task(self, state: dict[str, Any], scope: dict[str, Any], run: Run) -> tuple[str | None, Any]:
        arguments = evaluate(state["Arguments"], scope)
        try:
            answer = self._call(arguments["FunctionName"], arguments["Payload"], state, run)
            if state["Resource"].endswith(FOR_A_TOKEN):
                result = self._waited(answer, state["TimeoutSeconds"], run)
            else:
                result = {"Payload": answer, "StatusCode": 200}
            return state.get("Next"), evaluate(state.get("Output", "{% $states.result %}"), scope | {"result": result})
        except LambdaError as error:
            for catcher in state.get("Catch", []):
                if _matches(catcher["ErrorEquals"], str(error)):
                    return catcher["Next"], evaluate(catcher.get("Output", {"Error": str(error), "Cause": ""}), scope)
            raise

    def _call(self, function: str, payload: Any, state: dict[str, Any], run: Run) -> Any:
        retries = state.get("Retry", [])
        used = [0] * len(retries)
        while True:
            run.events += CALL_FOR_A_TOKEN if state["Resource"].endswith(FOR_A_TOKEN) else CALL
            run.calls.append((function, payload))
            try:
                return self.functions[function](payload)
            except LambdaError as error:
                which = next((n for n, retry in enumerate(retries) if _matches(retry["ErrorEquals"], str(error))), None)
                if which is None or used[which] == retries[which]["MaxAttempts"]:
                    raise
                retry = retries[which]
                pause = retry["IntervalSeconds"] * retry["BackoffRate"] ** used[which]
                self._pass(run, min(pause, retry["MaxDelaySeconds"]))
                used[which] += 1

    def _waited(self, seconds: float | None, timeout: int, run: Run) -> dict[str, Any]:
        """The answer to a wait that ends after `seconds`. Nothing of the function's own answer is seen."""
        if seconds is None or seconds > timeout:
            self._pass(run, timeout)
            raise LambdaError("States.Timeout")
        self._pass(run, seconds)
        return {}

    def _pass(self, run: Run, seconds: float) -> None:
        run.seconds += seconds
        self.sleep(seconds)

    def _choice(self, state: dict[str, Any], scope: dict[str, Any], run: Run) -> tuple[str, Any]:
        for choice in state["Choices"]:
            met = evaluate(choice["Condition"], scope)
            assert isinstance(met, bool), "AWS fails an execution whose condition is no boolean"
            if met:
                return choice["Next"], scope["input"]
        return state["Default"], scope["input"]

    def _wait(self, state: dict[str, Any], scope: dict[str, Any], run: Run) -> tuple[str, Any]:
        seconds = evaluate(state["Seconds"], scope)
        assert isinstance(seconds, int), "AWS waits whole seconds only"
        assert seconds >= 0, "AWS does not wait backwards"
        self._pass(run, seconds)
        return state["Next"], evaluate(state["Output"], scope)


@cache
def _parsed(expression: str) -> Jsonata:
    return Jsonata(expression)


def evaluate(value: Any, scope: dict[str, Any]) -> Any:
    match value:
        case str() if value.startswith("{%"):
            found = _parsed(value.removeprefix("{%").removesuffix("%}").strip()).evaluate(None, {"states": scope})
            if found is None:
                raise LambdaError("States.QueryEvaluationError")
            return found
        case dict():
            return {key: evaluate(item, scope) for key, item in value.items()}
    return value


def _matches(names: list[str], error: str) -> bool:
    return error in names or "States.ALL" in names or ("States.TaskFailed" in names and error != "States.Timeout")
