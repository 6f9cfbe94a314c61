"""An endpoint of SageMaker that stands beside moto's S3: it takes calls, and answers when the test tells it to."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any

import pytest

from fitting_room.providers.sagemaker import adapter
from fitting_room.stores import aws
from tests.deployment import choose
from tests.integration.world import MEDIA, picture

SETTING = {"vton": {"endpoint": "my-vton", "price_per_image": 0.02, "licence": "Apache-2.0"}}


@dataclass
class Endpoint:
    """`lost`: what the caller sees in place of the next answers."""

    calls: list[dict[str, Any]] = field(default_factory=list)
    lost: list[BaseException] = field(default_factory=list)

    def invoke_endpoint_async(self, **given: Any) -> dict[str, Any]:
        self.calls.append(given)
        if self.lost:
            raise self.lost.pop(0)
        return {"OutputLocation": self._location(given, ""), "FailureLocation": self._location(given, "-error")}

    def answer(self, index: int = -1, **changes: Any) -> str:
        """Do the work of one call. The key of the answer."""
        given = self.calls[index]
        asked = json.loads(_stored(given["InputLocation"]))
        data = picture(asked["person"]["width"], asked["person"]["height"], "crimson")
        made = {"media_type": "image/png", "data": b64encode(data).decode(), "seed": asked["output"]["seed"]}
        images = [made] * asked["output"]["count"]
        document = {"contract": asked["contract"], "id": asked["id"], "images": images, **changes}
        return self._put(self._location(given, ""), json.dumps(document).encode())

    def fail(self, text: str, index: int = -1) -> str:
        return self._put(self._location(self.calls[index], "-error"), text.encode())

    def _location(self, given: dict[str, Any], word: str) -> str:
        return f"s3://{MEDIA}/staging/{given['S3OutputPathExtension']}/{given['Filename']}{word}.out"

    def _put(self, location: str, data: bytes) -> str:
        bucket, _, key = location.removeprefix("s3://").partition("/")
        aws.s3().put_object(Bucket=bucket, Key=key, Body=data)
        return key


def _stored(location: str) -> bytes:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    data: bytes = aws.s3().get_object(Bucket=bucket, Key=key)["Body"].read()
    return data


def with_endpoint(monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    """A stage with one endpoint, the model `sagemaker/vton`."""
    endpoint = Endpoint()
    choose(monkeypatch, sagemaker=SETTING)
    monkeypatch.setattr(adapter, "runtime", lambda: endpoint)
    return endpoint
