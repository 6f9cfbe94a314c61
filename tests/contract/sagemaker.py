"""What stands around an endpoint in a test: a bucket in memory, the example's container as a process, plain boto3."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import httpx
from botocore.config import Config
from PIL import Image

SERVER = Path(__file__).parents[2] / "examples" / "sagemaker_container" / "server.py"
BUCKET = "media-bucket"


class Bucket(dict[str, bytes]):
    """One bucket: for an adapter by key, and for a simulator as a client of S3."""

    def put(self, key: str, data: bytes, media_type: str) -> None:
        self[key] = data

    def read(self, key: str, *, max_bytes: int | None = None) -> bytes | None:
        found = self.get(key)
        return found if found is None or max_bytes is None else found[: max_bytes + 1]

    def remove(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.pop(key, None)

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: N803
        assert Bucket == BUCKET
        self[Key] = Body

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        assert Bucket == BUCKET
        return {"Body": io.BytesIO(self[Key])}


@contextmanager
def container(server: Path = SERVER, ping: int = 200) -> Iterator[str]:
    """The address of a container, which SageMaker would start with the word `serve`, once it answers a ping so."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    told = os.environ | {"HOST": "127.0.0.1", "SAGEMAKER_BIND_TO_PORT": str(port)}
    with subprocess.Popen([sys.executable, str(server), "serve"], env=told, stderr=subprocess.DEVNULL) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(url, ping)
            yield url
            process.terminate()
            assert process.wait(10) == 0, "it ends when it is told to"
        finally:
            process.kill()


def _wait_for(url: str, ping: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            if httpx.get(f"{url}/ping").status_code == ping:
                return
        except httpx.TransportError:
            continue
    raise AssertionError("the container does not become ready")


def runtime(url: str, **config: Any) -> Any:
    """A client as the adapter makes one, at another address."""
    return boto3.client(
        "sagemaker-runtime",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(**{"retries": {"total_max_attempts": 1}, **config}),
    )


def png(width: int, height: int, colour: str = "teal") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, "PNG")
    return file.getvalue()


def answer(document: bytes, **changes: Any) -> bytes:
    """What an endpoint answers to a document: images of the person's size."""
    asked = json.loads(document)
    size = asked["person"]["width"], asked["person"]["height"]
    made = {"media_type": "image/png", "data": b64encode(png(*size)).decode(), "seed": asked["output"]["seed"]}
    images = [made] * asked["output"]["count"]
    return json.dumps({"contract": asked["contract"], "id": asked["id"], "images": images, **changes}).encode()
