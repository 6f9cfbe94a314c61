"""Erase a job, a batch, a subject or all of an owner: called by the API when that is wanted, and by the sweep until it is done.

The API calls this function when its owner wants that, and the sweep until it is done. It also asks a provider to
stop, because it may use the keys while no job waits for it.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from fitting_room.actions.upkeep.erase import erase_job, erase_owner, erase_subject
from fitting_room.actions.upkeep.erase_batch import erase_batch
from fitting_room.actions.upkeep.stop import stop
from fitting_room.clock import Clock
from fitting_room.cold import warm
from fitting_room.observability import hiding_error_text, logger, metrics
from fitting_room.stores import aws

clock = Clock()
warm(aws.table, aws.s3)


@logger.inject_lambda_context
@metrics.log_metrics
@hiding_error_text()
def handler(event: dict[str, str], context: LambdaContext) -> None:
    """`{job_id}`, `{batch_id}`, `{subject_id, tenant}`, `{owner}`, or `{stop, provider}` with the provider's id of a job."""
    if "stop" in event:
        stop(event["provider"], event["stop"], clock)
    elif "job_id" in event:
        logger.append_keys(job_id=event["job_id"])
        erase_job(event["job_id"], clock)
    elif "batch_id" in event:
        logger.append_keys(batch_id=event["batch_id"])
        erase_batch(event["batch_id"], context.get_remaining_time_in_millis() / 1000, clock)
    elif "owner" in event:
        erase_owner(event["owner"], clock)
    else:
        erase_subject(event["subject_id"], event["tenant"], clock)
