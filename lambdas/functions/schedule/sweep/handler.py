"""Once a minute: pay what is owed."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from fitting_room.actions.upkeep.sweep import sweep
from fitting_room.clock import Clock
from fitting_room.cold import warm
from fitting_room.observability import logger, metrics, unspoken
from fitting_room.stores import aws

clock = Clock()
warm(aws.table, aws.step_functions)


@logger.inject_lambda_context
@metrics.log_metrics
@unspoken()
def handler(_event: dict[str, Any], _: LambdaContext) -> dict[str, int]:
    return {"due": sweep(clock)}
