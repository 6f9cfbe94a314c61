"""An execution broke: go on with its job in the next run."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from fitting_room.actions.upkeep.resume import resume
from fitting_room.clock import Clock
from fitting_room.cold import warm
from fitting_room.observability import logger, metrics, unspoken
from fitting_room.stores import aws, executions

clock = Clock()
warm(aws.table, aws.step_functions)


@logger.inject_lambda_context
@metrics.log_metrics
@unspoken()
def handler(event: dict[str, Any], _: LambdaContext) -> None:
    job_id, run = executions.parsed(event["detail"]["name"])
    logger.append_keys(job_id=job_id)
    resume(job_id, run, clock)
