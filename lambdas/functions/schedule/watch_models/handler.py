"""Once a day: ask Bedrock how long its models will live."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from fitting_room.actions.upkeep.watch_models import watch_models
from fitting_room.clock import Clock
from fitting_room.cold import warm
from fitting_room.observability import hiding_error_text, logger
from fitting_room.providers.catalogue import entries
from fitting_room.stores import aws

clock = Clock()
warm(aws.table, entries)


@logger.inject_lambda_context
@hiding_error_text()
def handler(_event: dict[str, Any], _: LambdaContext) -> dict[str, str]:
    return watch_models(clock)
