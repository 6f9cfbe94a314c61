"""Send the webhook of a job that is over (SQS)."""

import json
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from fitting_room.actions.upkeep.notify import notify
from fitting_room.clock import Clock
from fitting_room.cold import warm
from fitting_room.observability import hiding_error_text, logger, metrics
from fitting_room.stores import aws

clock = Clock()
warm(aws.table)


@logger.inject_lambda_context
@metrics.log_metrics
@hiding_error_text()
def handler(event: dict[str, Any], _: LambdaContext) -> None:
    """Send the event of one message.

    One message at a time: a slow receiver holds up no other. A message that fails comes again.
    """
    (record,) = event["Records"]
    notify(json.loads(record["body"])["job_id"], clock)
