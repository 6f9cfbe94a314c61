"""Put right where the emulator's Step Functions answers differently from AWS in a way this product can see."""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable
from typing import Any

from local.emulator.rewriting import rewrite


def _machines() -> Any:
    return importlib.import_module("ministack.services.stepfunctions")


def name_throttles() -> None:
    """Name a throttled task's error as AWS does.

    AWS: a throttled Lambda task fails with `Lambda.TooManyRequestsException`, and `Retry` matches on that.
    ministack: with `Lambda.Unknown`, so nothing is tried again.
    """
    old = 'body.get("errorType", "Lambda.Unknown")'
    rewrite(_machines(), "_call_lambda", (old, 'body.get("errorType") or "Lambda." + body.get("__type", "Unknown")'))


def pause_as_told() -> None:
    """Pause before a retry for as long as the rule says.

    AWS: `MaxDelaySeconds` caps the pause before a retry, and `JitterStrategy` FULL draws it at random.
    ministack: both are ignored, and every pause is capped at 60 s.
    """
    machines = _machines()
    machines._retry_pause = retry_pause
    rewrite(
        machines, "_execute_task", ("_scaled_sleep(min(sleep_sec, 60))", "_scaled_sleep(_retry_pause(retrier, count))")
    )
    old = '_scaled_sleep(min(interval * (retrier.get("BackoffRate", 2.0) ** count), 60))'
    rewrite(machines, "_with_retry_and_catch", (old, "_scaled_sleep(_retry_pause(retrier, count))"))


def retry_pause(retrier: dict[str, Any], count: int, draw: Callable[[], float] = random.random) -> float:
    """Return the seconds before the retry that `count` others came before."""
    pause = float(retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** count)
    pause = min(pause, float(retrier.get("MaxDelaySeconds", pause)))
    return pause * draw() if retrier.get("JitterStrategy") == "FULL" else pause


def start_once() -> None:
    """Let a running execution be started again without effect.

    AWS: a start with the same name and input is a success that starts nothing.
    ministack: `ExecutionAlreadyExists`.
    """
    old = "    # Reject duplicate execution names\n"
    new = """    there = _executions.get(exec_arn)
    if there and there["status"] == "RUNNING" and there["input"] == data.get("input", "{}"):
        return json_response({"executionArn": exec_arn, "startDate": there["startDate"]})
"""
    rewrite(_machines(), "_start_execution", (old, new))


def run_children_as_executions() -> None:
    """Run the machines that another machine starts as executions of their own.

    AWS: a standard machine that another one starts and waits for (`.sync`) has a name of its own and sends
    status events. ministack: a used name runs again over the first record, no event is sent, and errors
    have other names.
    """
    machines = _machines()
    rewrite(
        machines,
        "_start_sync_execution",
        (
            "    start_date = now_iso()\n    input_str",
            """    if exec_arn in _executions and sm["type"] != "EXPRESS":
        return error_response_json("ExecutionAlreadyExists", f"Execution already exists: '{exec_arn}'", 400)
    start_date = now_iso()
    input_str""",
        ),
        (
            '    _executions[exec_arn]["sync"] = True\n',
            """    _executions[exec_arn]["sync"] = sm["type"] == "EXPRESS"
    _emit_execution_status_event(_executions[exec_arn])
""",
        ),
    )
    old = 'payload.get("__type", "States.Runtime"),'
    for function in ("_invoke_nested_start_execution", "_invoke_nested_start_execution_sync"):
        rewrite(
            machines, function, (old, "'StepFunctions.' + payload['__type'].removesuffix('Exception') + 'Exception',")
        )


def stop_maps() -> None:
    """Stop the Map Runs of an execution that is stopped.

    AWS: StopExecution aborts the Map Runs below it. ministack: they go on starting items.
    Here: no further item starts and the run ends ABORTED; items that have begun finish.
    """
    rewrite(
        _machines(),
        "_run_distributed_map",
        (
            "    def run_child(idx, item):\n",
            '    def run_child(idx, item):\n        if execution["status"] != "RUNNING":\n            return\n',
        ),
        (
            'run["status"] = "FAILED" if exceeded else "SUCCEEDED"',
            'run["status"] = "ABORTED" if execution["status"] == "ABORTED" else "FAILED" if exceeded else "SUCCEEDED"',
        ),
    )
