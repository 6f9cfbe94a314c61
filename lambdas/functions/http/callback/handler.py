"""A vendor says that a job is over: `POST /v1/callbacks/{provider}/{token}`. Its body is not read.

Neither the path nor the token is ever logged.
"""

import json
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from fitting_room.actions.workflow.callback import wake
from fitting_room.clock import Clock
from fitting_room.cold import warm
from fitting_room.jobs.errors import PROBLEM, Refusal
from fitting_room.observability import error_facts, logger
from fitting_room.stores import aws

MAX_BODY = 64_000
clock = Clock()
warm(aws.table, aws.step_functions)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = context.aws_request_id
    try:
        _receive(event)
    except Refusal as refusal:
        return _problem(refusal, request)
    except Exception as error:
        logger.error("crashed", **error_facts(error))
        return _problem(Refusal.of("internal", "Internal server error.", "Call again.", status=500), request)
    return _answer(200, {}, "application/json", request)


def _receive(event: dict[str, Any]) -> None:
    if len(event.get("body") or "") > MAX_BODY:
        raise Refusal.of(
            "too_large", f"The body has more than {MAX_BODY:,} characters.", "Send a shorter body: it is not read."
        )
    if not wake(event["pathParameters"]["provider"], event["pathParameters"]["token"], clock):
        raise Refusal.of(
            "not_found", "This callback address is unknown.", "Call the address that was sent with the order."
        )


def _problem(refusal: Refusal, request: str) -> dict[str, Any]:
    return _answer(refusal.status, {**refusal.body(), "instance": f"urn:request:{request}"}, PROBLEM, request)


def _answer(status: int, body: dict[str, Any], media_type: str, request: str) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"content-type": media_type, "cache-control": "no-store", "request-id": request},
        "body": json.dumps(body),
    }
