"""API Gateway for tools that speak WSGI: a request becomes an HTTP API event, and the handler's answer a response."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from werkzeug.wrappers import Request, Response

from tests.integration.functions.events import CONTEXT, event


def gateway(handler: Callable[[dict[str, Any], Any], dict[str, Any]]) -> Any:
    """Return a WSGI application.

    Repeated headers and parameters are joined by commas, and bodies that are no text are packed in base64 on both
    ways, as the gateway does it.
    """

    @Request.application
    def application(request: Request) -> Response:
        raw = request.get_data()
        try:
            body, packed = raw.decode(), False
        except UnicodeDecodeError:
            body, packed = base64.b64encode(raw).decode(), True
        query = {name: ",".join(request.args.getlist(name)) for name in request.args}
        headers = {name.lower(): value for name, value in request.headers.items()}
        sent = event(request.method, request.path, body, headers=headers, query=query, base64_encoded=packed)
        answer = handler(sent, CONTEXT)
        told = base64.b64decode(answer["body"]) if answer["isBase64Encoded"] else answer["body"]
        return Response(told, answer["statusCode"], answer["headers"])

    return application
