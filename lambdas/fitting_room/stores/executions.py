"""The executions of a job: one for each run, named by the job's id and, from the second on, by the run's number."""

from __future__ import annotations

import re
from typing import Literal

from botocore.exceptions import BotoCoreError, ClientError

from fitting_room.observability import logger
from fitting_room.settings import settings
from fitting_room.stores import aws

_LATER_RUN = re.compile(r"(?P<job>.+)\.r(?P<run>[0-9]+)")


def name_of(job_id: str, run: int) -> str:
    return job_id if run == 1 else f"{job_id}.r{run}"


def parsed(name: str) -> tuple[str, int]:
    """Split an execution's name into the job's id and the run."""
    later = _LATER_RUN.fullmatch(name)
    return (later["job"], int(later["run"])) if later else (name, 1)


def start_run(job_id: str, run: int = 1) -> Literal["runs", "was", "refused"]:
    """Start a run.

    Returns `runs` also for one that was started before and still runs, `was` for one that has ended. A start that is
    refused stays owed: the sweep repeats it.
    """
    try:
        aws.step_functions().start_execution(
            stateMachineArn=settings().job_machine_arn, name=name_of(job_id, run), input=f'{{"job_id":"{job_id}"}}'
        )
    except aws.step_functions().exceptions.ExecutionAlreadyExists:
        logger.info("run was started before", job_id=job_id, run=run)
        return "was"
    except (ClientError, BotoCoreError) as error:
        logger.warning("start refused", job_id=job_id, run=run, error=type(error).__name__)
        return "refused"
    return "runs"


def stop_run(job_id: str, run: int) -> bool:
    """Stop a run; the function that it is in goes on to its own end.

    Return False for a run that was never started.
    """
    try:
        aws.step_functions().stop_execution(executionArn=_arn(job_id, run))
    except aws.step_functions().exceptions.ExecutionDoesNotExist:
        return False
    return True


def is_running(job_id: str, run: int) -> bool:
    """Return whether a run that was started has not ended."""
    return aws.step_functions().describe_execution(executionArn=_arn(job_id, run))["status"] == "RUNNING"


def _arn(job_id: str, run: int) -> str:
    return settings().job_machine_arn.replace(":stateMachine:", ":execution:") + f":{name_of(job_id, run)}"
