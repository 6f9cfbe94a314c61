"""A file arrived in a drop folder (S3 -> EventBridge -> SQS)."""

import json
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from fitting_room.actions.drops.ingest import ingest
from fitting_room.clock import Clock
from fitting_room.cold import warm
from fitting_room.observability import hiding_error_text, logger
from fitting_room.providers.catalogue import entries
from fitting_room.stores import aws

clock = Clock()
warm(aws.table, aws.s3, aws.step_functions, entries)
processor = BatchProcessor(EventType.SQS)


@hiding_error_text()
def record_handler(record: SQSRecord) -> None:
    ingest(json.loads(record.body)["detail"]["object"]["key"], clock)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    return process_partial_response(event, record_handler, processor, context)
