"""End a job, when the state machine calls; resume it, when the event of a broken execution does."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from fitting_room.actions.upkeep.resume import resume
from fitting_room.actions.workflow.settle import settle
from fitting_room.clock import Clock
from fitting_room.observability import logger, metrics, unspoken
from fitting_room.stores import executions

clock = Clock()


@logger.inject_lambda_context
@metrics.log_metrics
@unspoken()
def handler(event: dict[str, Any], _: LambdaContext) -> Any:
    """`{job_id}` from the state machine, or the event of an execution that broke."""
    if "job_id" in event:
        logger.append_keys(job_id=event["job_id"])
        return settle(event["job_id"], clock)
    job_id, run = executions.parsed(event["detail"]["name"])
    logger.append_keys(job_id=job_id)
    resume(job_id, run, clock)
    return None
