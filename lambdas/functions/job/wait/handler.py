"""The state machine waits for a vendor's callback: remember which wait it is to end."""

from aws_lambda_powertools.utilities.typing import LambdaContext

from fitting_room.actions.workflow.callback import wait
from fitting_room.clock import Clock
from fitting_room.cold import warm
from fitting_room.observability import logger, unspoken
from fitting_room.stores import aws

clock = Clock()
warm(aws.table)


@logger.inject_lambda_context
@unspoken()
def handler(event: dict[str, str], _: LambdaContext) -> None:
    logger.append_keys(job_id=event["job_id"])
    wait(event["job_id"], event["task_token"], clock)
