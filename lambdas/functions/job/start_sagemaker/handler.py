"""Buy from an endpoint of SageMaker: the only function that may call one."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from fitting_room.actions.workflow.start import start
from fitting_room.clock import Clock
from fitting_room.cold import warm
from fitting_room.observability import hiding_error_text, logger
from fitting_room.providers.sagemaker.adapter import runtime
from fitting_room.stores import aws

clock = Clock()


warm(aws.table, aws.s3, runtime)


@logger.inject_lambda_context
@hiding_error_text()
def handler(event: dict[str, str], context: LambdaContext) -> Any:
    logger.append_keys(job_id=event["job_id"])
    return start(event["job_id"], context.get_remaining_time_in_millis() / 1000, clock)
