"""Do the due work: once a minute, and at once for a job or a batch whose execution broke."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from fitting_room.actions.upkeep.batches import resume_run
from fitting_room.actions.upkeep.resume import resume
from fitting_room.actions.upkeep.sweep import sweep
from fitting_room.clock import Clock
from fitting_room.cold import warm
from fitting_room.observability import hiding_error_text, logger, metrics
from fitting_room.stores import aws, executions

clock = Clock()
warm(aws.table, aws.step_functions, aws.functions, aws.queues)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
@hiding_error_text()
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int] | None:
    """Sweep all that is due, or resume the job or the batch whose execution broke.

    The event of an execution that broke names it and its run; the schedule's names nothing.
    """
    name = event.get("detail", {}).get("name")
    if name is None:
        return {"due": sweep(clock, context.get_remaining_time_in_millis() / 1000)}
    thing_id, run = executions.parsed(name)
    if executions.of_batch(thing_id):
        logger.append_keys(batch_id=thing_id)
        resume_run(thing_id, run, clock)
    else:
        logger.append_keys(job_id=thing_id)
        resume(thing_id, run, clock)
    return None
