"""The executions of a job or a batch: one for each run, named by its id and, from the second on, by the run's number."""

from __future__ import annotations

import json
import re
from typing import Literal

from botocore.exceptions import BotoCoreError, ClientError

from fitting_room.observability import logger
from fitting_room.settings import settings
from fitting_room.stores import aws

_LATER_RUN = re.compile(r"(?P<thing>.+)\.r(?P<run>[0-9]+)")


def name_of(thing_id: str, run: int) -> str:
    return thing_id if run == 1 else f"{thing_id}.r{run}"


def parsed(name: str) -> tuple[str, int]:
    """Split an execution's name into the id of the job or batch and the run."""
    later = _LATER_RUN.fullmatch(name)
    return (later["thing"], int(later["run"])) if later else (name, 1)


def of_batch(thing_id: str) -> bool:
    return thing_id.startswith("bat_")


def start_run(thing_id: str, run: int = 1) -> Literal["runs", "was", "refused"]:
    """Start a run.

    Returns `runs` also for one that was started before and still runs, `was` for one that has ended. A start that is
    refused stays owed: the sweep repeats it.
    """
    name = "batch_id" if of_batch(thing_id) else "job_id"
    try:
        aws.step_functions().start_execution(
            stateMachineArn=_machine(thing_id),
            name=name_of(thing_id, run),
            input=json.dumps({name: thing_id}, separators=(",", ":")),
        )
    except aws.step_functions().exceptions.ExecutionAlreadyExists:
        logger.info("run was started before", extra={name: thing_id, "run": run})
        return "was"
    except (ClientError, BotoCoreError) as error:
        logger.warning("start refused", extra={name: thing_id, "run": run, "error": type(error).__name__})
        return "refused"
    return "runs"


def stop_run(thing_id: str, run: int) -> bool:
    """Stop a run; the function that it is in goes on to its own end.

    Return False for a run that was never started.
    """
    try:
        aws.step_functions().stop_execution(executionArn=_arn(thing_id, run))
    except aws.step_functions().exceptions.ExecutionDoesNotExist:
        return False
    return True


def is_running(thing_id: str, run: int) -> bool:
    """Return whether a run that was started has not ended."""
    return aws.step_functions().describe_execution(executionArn=_arn(thing_id, run))["status"] == "RUNNING"


def _machine(thing_id: str) -> str:
    return settings().batch_machine_arn if of_batch(thing_id) else settings().job_machine_arn


def _arn(thing_id: str, run: int) -> str:
    return _machine(thing_id).replace(":stateMachine:", ":execution:") + f":{name_of(thing_id, run)}"
