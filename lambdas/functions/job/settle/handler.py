"""End a job."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from fitting_room.actions.workflow.settle import settle
from fitting_room.clock import Clock
from fitting_room.cold import warm
from fitting_room.observability import hiding_error_text, logger
from fitting_room.stores import aws

clock = Clock()
warm(aws.table)


@logger.inject_lambda_context
@hiding_error_text()
def handler(event: dict[str, str], _: LambdaContext) -> Any:
    logger.append_keys(job_id=event["job_id"])
    return settle(event["job_id"], clock)
