"""What API Gateway and Lambda give the API function."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

CONTEXT = SimpleNamespace(
    function_name="api",
    memory_limit_in_mb=512,
    aws_request_id="request-1",
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:api",
    get_remaining_time_in_millis=lambda: 29_000,
)


def event(
    method: str,
    path: str,
    body: str | None = None,
    *,
    headers: dict[str, str],
    query: dict[str, str] | None = None,
    base64_encoded: bool = False,
) -> dict[str, Any]:
    """An HTTP API event, payload 2.0."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": headers,
        **({"queryStringParameters": query} if query else {}),
        "requestContext": {
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.9",
                "userAgent": "curl",
            },
            "stage": "$default",
            "requestId": "r",
            "apiId": "a",
            "accountId": "123456789012",
            "routeKey": "$default",
        },
        "isBase64Encoded": base64_encoded,
        **({} if body is None else {"body": body}),
    }
