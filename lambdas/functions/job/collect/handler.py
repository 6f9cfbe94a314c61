"""Check the vendor's pictures and write the results."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from fitting_room.actions.workflow.collect import collect
from fitting_room.clock import Clock
from fitting_room.observability import logger, unspoken

clock = Clock()


@logger.inject_lambda_context
@unspoken()
def handler(event: dict[str, str], _: LambdaContext) -> Any:
    logger.append_keys(job_id=event["job_id"])
    return collect(event["job_id"], clock)
