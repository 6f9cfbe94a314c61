"""A small interpreter of what the batch machine uses of the Amazon States Language, in JSONPath.

It refuses what it does not know, so a new feature cannot pass untested. A map runs its children one after the other.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.workflow.machine import Function, LambdaError

KNOWN = {
    "Task": {
        "Resource",
        "Parameters",
        "ResultSelector",
        "ResultPath",
        "TimeoutSeconds",
        "Retry",
        "Catch",
        "Next",
        "End",
    },
    "Choice": {"Choices", "Default"},
    "Wait": {"SecondsPath", "Next"},
    "Map": {
        "Label",
        "ItemReader",
        "ItemProcessor",
        "MaxConcurrency",
        "ToleratedFailurePercentage",
        "ResultPath",
        "Catch",
        "Next",
    },
    "Succeed": set(),
}
_INVOKE, _RUN = "arn:aws:states:::lambda:invoke", "arn:aws:states:::states:startExecution.sync:2"


@dataclass
class BatchMachine:
    """`read`: the text of the object with a map's items. `run`: what running a job does; it may raise `LambdaError`."""

    definition: dict[str, Any]
    functions: dict[str, Function]
    read: Callable[[str], str]
    run_job: Callable[[str], None]
    sleep: Callable[[float], None] = lambda _: None
    path: list[str] = field(default_factory=list)
    started: list[dict[str, Any]] = field(default_factory=list)
    """What `startExecution` was asked for."""
    broken: list[str] = field(default_factory=list)
    """Errors with which children of the map ended."""

    def run(self, execution_input: dict[str, Any]) -> None:
        self._states(self.definition["States"], self.definition["StartAt"], execution_input)

    def _states(self, states: dict[str, Any], name: str | None, value: Any) -> None:
        while name:
            state = states[name]
            assert state.keys() - {"Type"} <= KNOWN[state["Type"]], (
                f"{name} uses something this interpreter does not know"
            )
            assert len(self.path) < 10_000, "the machine does not end"
            self.path.append(name)
            try:
                name, value = getattr(self, f"_{state['Type'].lower()}")(state, value)
            except LambdaError as error:
                for catcher in state.get("Catch", ()):
                    assert (catcher["ErrorEquals"], catcher["ResultPath"]) == (["States.ALL"], None)
                    name = catcher["Next"]
                    break
                else:
                    raise error from None

    def _task(self, state: dict[str, Any], value: Any) -> tuple[str | None, Any]:
        asked = resolved(state["Parameters"], value)
        if state["Resource"] == _RUN:
            self.started.append(asked)
            self.run_job(asked["Name"])
            assert state["ResultPath"] is None
            return state.get("Next"), value
        assert state["Resource"] == _INVOKE
        payload = json.loads(json.dumps(self._call(asked["FunctionName"], asked["Payload"], state["Retry"])))
        result = resolved(state["ResultSelector"], {"Payload": payload})
        assert state["ResultPath"] == "$.now"
        return state["Next"], {**value, "now": result}

    def _call(self, function: str, payload: Any, retries: list[dict[str, Any]]) -> Any:
        used = [0] * len(retries)
        while True:
            try:
                return self.functions[function](payload)
            except LambdaError as error:
                names = [retry["ErrorEquals"] for retry in retries]
                which = next(n for n, known in enumerate(names) if str(error) in known or "States.ALL" in known)
                if used[which] == retries[which]["MaxAttempts"]:
                    raise
                used[which] += 1

    def _choice(self, state: dict[str, Any], value: Any) -> tuple[str, Any]:
        for choice in state["Choices"]:
            assert choice.keys() == {"Variable", "StringEquals", "Next"}
            if at(choice["Variable"], value) == choice["StringEquals"]:
                return choice["Next"], value
        return state["Default"], value

    def _wait(self, state: dict[str, Any], value: Any) -> tuple[str, Any]:
        seconds = at(state["SecondsPath"], value)
        assert isinstance(seconds, int) and seconds >= 0
        self.sleep(seconds)
        return state["Next"], value

    def _map(self, state: dict[str, Any], value: Any) -> tuple[str, Any]:
        assert state["ToleratedFailurePercentage"] == 100, "one child that breaks would abort the others"
        place = resolved(state["ItemReader"]["Parameters"], value)
        processor = state["ItemProcessor"]
        for line in self.read(place["Key"]).splitlines():
            try:
                self._states(processor["States"], processor["StartAt"], json.loads(line))
            except LambdaError as error:
                self.broken.append(str(error))
        assert state["ResultPath"] is None
        return state["Next"], value

    def _succeed(self, _: dict[str, Any], value: Any) -> tuple[None, Any]:
        return None, value


def resolved(template: Any, value: Any) -> Any:
    if not isinstance(template, dict):
        return template
    return {
        name.removesuffix(".$"): at(part, value) if name.endswith(".$") else resolved(part, value)
        for name, part in template.items()
    }


def at(path: str, value: Any) -> Any:
    """AWS fails an execution where a path leads nowhere."""
    root, *names = path.split(".")
    assert root == "$"
    for name in names:
        if not isinstance(value, dict) or name not in value:
            raise LambdaError("States.Runtime")
        value = value[name]
    return value
