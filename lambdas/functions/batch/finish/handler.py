"""End a batch."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from fitting_room.actions.batch.finish import finish
from fitting_room.clock import Clock
from fitting_room.cold import warm
from fitting_room.observability import hiding_error_text, logger
from fitting_room.stores import aws

clock = Clock()
warm(aws.table, aws.s3, aws.step_functions)


@logger.inject_lambda_context
@hiding_error_text()
def handler(event: dict[str, str], _: LambdaContext) -> Any:
    logger.append_keys(batch_id=event["batch_id"])
    return finish(event["batch_id"], clock)
