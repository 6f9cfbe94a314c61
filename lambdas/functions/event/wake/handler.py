"""A provider wrote an object into the media bucket (S3 -> EventBridge): the job that waits for it looks at once."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from fitting_room.actions.workflow.callback import wake_for
from fitting_room.clock import Clock
from fitting_room.cold import warm
from fitting_room.observability import hiding_error_text, logger
from fitting_room.stores import aws

clock = Clock()
warm(aws.table, aws.step_functions)


@logger.inject_lambda_context
@hiding_error_text()
def handler(event: dict[str, Any], _: LambdaContext) -> None:
    wake_for(event["detail"]["object"]["key"], clock)
