"""End a job: called by the state machine, or by the event that its execution stopped before it came here."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from fitting_room.actions.workflow.settle import settle
from fitting_room.clock import Clock
from fitting_room.observability import logger, metrics, unspoken

clock = Clock()


@logger.inject_lambda_context
@metrics.log_metrics
@unspoken()
def handler(event: dict[str, Any], _: LambdaContext) -> Any:
    from_machine = "job_id" in event
    job_id = event["job_id"] if from_machine else event["detail"]["name"]
    logger.append_keys(job_id=job_id)
    return settle(job_id, clock, certain=from_machine)
