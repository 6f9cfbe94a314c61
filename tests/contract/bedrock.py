"""Plain boto3 against a Bedrock simulator."""

from __future__ import annotations

import base64
import copy
import io
import json
from typing import Any

import boto3
import botocore.exceptions
import pytest
from botocore.config import Config
from PIL import Image

from tests.contract.conftest import Running

NOVA = "amazon.nova-canvas-v1:0"
REMOVED = object()


def client(url: str, service: Any = "bedrock-runtime", **config: Any) -> Any:
    return boto3.client(
        service, region_name=config.pop("region", "us-east-1"), endpoint_url=url,
        aws_access_key_id="local", aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}, **config),
    )  # fmt: skip


def invoke(simulator: Running, request: Any, model: str = NOVA, **config: Any) -> dict[str, Any]:
    raw = request if isinstance(request, bytes) else json.dumps(request).encode()
    answer = client(simulator.url, **config).invoke_model(modelId=model, body=raw)
    result: dict[str, Any] = json.loads(answer["body"].read())
    return result


def refused(simulator: Running, request: Any, **options: Any) -> tuple[str, int, str]:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        invoke(simulator, request, **options)
    return told(caught.value)


def told(error: botocore.exceptions.ClientError) -> tuple[str, int, str]:
    """Its code, HTTP status and message."""
    response = error.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


def opened(b64: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(b64)))


def with_value(request: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with one value set; REMOVED takes the key away."""
    request = copy.deepcopy(request)
    *parents, key = path.split(".")
    place = request
    for parent in parents:
        place = place.setdefault(parent, {})
    if value is REMOVED:
        del place[key]
    else:
        place[key] = value
    return request
