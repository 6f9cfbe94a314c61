"""A call as an AWS SDK sends it: which operation its path names, and of which model.

Source: Amazon Bedrock API reference, `API_Operations_Amazon_Bedrock_Runtime`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote

from fitting_room.dialects.bedrock.errors import BedrockError

MODEL = "amazon.nova-canvas-v1:0"
TITAN = "amazon.titan-image-generator"
_SERVED = f"This address serves the model {MODEL} alone, by the operation InvokeModel."
_ARN = re.compile(r"arn:aws[a-z-]*:bedrock:[a-z0-9-]*::foundation-model/")
_PATH = re.compile(r"/model/(?P<model>.+)/(?P<operation>[a-z-]+)")
_OPERATIONS = {
    "invoke-with-response-stream": "InvokeModelWithResponseStream",
    "invoke-with-bidirectional-stream": "InvokeModelWithBidirectionalStream",
    "converse": "Converse",
    "converse-stream": "ConverseStream",
    "count-tokens": "CountTokens",
}
"""Of a model, by the end of their paths: those that are known and not served."""


class Call(NamedTuple):
    """`headers`: by lower-case name. `seconds_left`: of the function that answers it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    request_id: str
    seconds_left: float


def check_address(call: Call) -> None:
    """Raise `BedrockError` for anything but `POST /model/amazon.nova-canvas-v1:0/invoke`."""
    path = unquote(call.path)  # the SDKs encode the model's id; whether Lambda decodes it, no document says
    found = _PATH.fullmatch(path)
    if call.method != "POST" or found is None:
        raise BedrockError("ResourceNotFoundException", f"There is nothing at this path. {_SERVED}")
    if found["operation"] != "invoke":
        name = _OPERATIONS.get(found["operation"], found["operation"][:40])
        raise BedrockError("ValidationException", f"{name} is not served here. {_SERVED} Call InvokeModel.")
    model = _ARN.sub("", found["model"], count=1)
    if model.startswith(TITAN):
        raise BedrockError(
            "ResourceNotFoundException",
            f"Titan's image models are not served here. {_SERVED} Its requests have nearly the same fields: name it as the"
            " modelId, and change what the answer then names.",
        )
    if model != MODEL:
        raise BedrockError("ResourceNotFoundException", f"There is no such model here. {_SERVED}")
