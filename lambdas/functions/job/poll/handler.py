"""Look how a vendor's job is doing."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from fitting_room.actions.workflow.poll import poll
from fitting_room.clock import Clock
from fitting_room.cold import warm
from fitting_room.observability import hiding_error_text, logger, metrics
from fitting_room.providers.shared import http
from fitting_room.stores import aws

clock = Clock()
warm(aws.table, aws.s3, aws.secrets, http.trust)


@logger.inject_lambda_context
@metrics.log_metrics
@hiding_error_text()
def handler(event: dict[str, str], context: LambdaContext) -> Any:
    logger.append_keys(job_id=event["job_id"])
    return poll(event["job_id"], context.get_remaining_time_in_millis() / 1000, clock)
