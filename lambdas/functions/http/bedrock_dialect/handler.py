"""The Bedrock runtime's InvokeModel, behind a Lambda Function URL: a call may wait for minutes, as no HTTP API can."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from fitting_room.actions.requests.throttle import overload
from fitting_room.clock import Clock
from fitting_room.cold import warm
from fitting_room.dialects.bedrock.call import Call
from fitting_room.dialects.bedrock.errors import BedrockError, Names, of_refusal
from fitting_room.dialects.bedrock.invoke import invoke
from fitting_room.observability import error_facts, logger
from fitting_room.providers.catalogue import entries
from fitting_room.stores import aws

clock = Clock()
warm(aws.table, aws.s3, aws.step_functions, entries)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    try:
        body, headers = invoke(_call(event, context), clock)
        return _answer(200, body.decode(), headers, context)
    except BedrockError as error:
        return _error(error, context)
    except Exception as error:
        if refusal := overload(error):
            return _error(of_refusal(refusal, Names()), context)
        logger.error("crashed", **error_facts(error))
        return _error(
            BedrockError("InternalServerException", "Internal server error. The SDK's own retry is safe."), context
        )


def _call(event: dict[str, Any], context: LambdaContext) -> Call:
    body = event.get("body") or ""
    return Call(
        method=event["requestContext"]["http"]["method"],
        path=event["rawPath"],
        headers=event["headers"],
        body=base64.b64decode(body) if event.get("isBase64Encoded") else body.encode(),
        request_id=context.aws_request_id,
        seconds_left=context.get_remaining_time_in_millis() / 1000,
    )


def _error(error: BedrockError, context: LambdaContext) -> dict[str, Any]:
    body = json.dumps({"message": str(error), "__type": error.kind})
    return _answer(error.status, body, {**error.headers, "x-amzn-errortype": error.kind}, context)


def _answer(status: int, body: str, headers: Mapping[str, str], context: LambdaContext) -> dict[str, Any]:
    common = {
        "content-type": "application/json",
        "cache-control": "no-store",
        "x-amzn-requestid": context.aws_request_id,
    }
    return {"statusCode": status, "headers": {**headers, **common}, "body": body}
