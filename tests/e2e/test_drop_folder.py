"""The S3 way in: two files in one folder become one job, whose picture lies under the mirrored path."""

from __future__ import annotations

import io
import json
import uuid
from typing import Any

import pytest
from PIL import Image

from .conftest import Cloud, until


def _drop(cloud: Cloud, folder: str, name: str, data: bytes) -> None:
    cloud.aws("s3").put_object(Bucket=cloud.inbox, Key=f"drop/{cloud.tenant}/{folder}/{name}", Body=data)


def _file(cloud: Cloud, folder: str, name: str) -> Any:
    s3 = cloud.aws("s3")

    def look() -> bytes | None:
        try:
            return bytes(
                s3.get_object(Bucket=cloud.media, Key=f"results/{cloud.tenant}/drop/{folder}/{name}")["Body"].read()
            )
        except s3.exceptions.NoSuchKey:
            return None

    return until(look, f"{name} of {folder}")


@pytest.mark.parametrize("order", [("person", "garment"), ("garment", "person")])
def test_either_order_and_doubled_events_make_one_job(
    cloud: Cloud, person: bytes, tee: bytes, order: tuple[str, str]
) -> None:
    folder, files = f"spring 2027/look-{uuid.uuid4().hex[:8]}", {"person": person, "garment": tee}
    for name in (*order, *order):  # the same bytes again: every file's event comes twice
        _drop(cloud, folder, f"{name}.png", files[name])
    result = json.loads(_file(cloud, folder, "result.json"))
    assert result["status"] == "succeeded"
    assert "url" not in result["images"][0]
    _file(cloud, folder, "1.png")
    until(lambda: _queue_is_empty(cloud) or None, "all events to be read")
    assert len(cloud.fashn.purchases()) == 1
    assert cloud.job(result["id"])["reference"] == folder
    with Image.open(io.BytesIO(_file(cloud, folder, "1.png"))) as picture:
        assert picture.size == (result["images"][0]["width"], result["images"][0]["height"])


def test_a_bad_picture_is_explained_in_the_folder(cloud: Cloud, tee: bytes) -> None:
    folder = f"broken-{uuid.uuid4().hex[:8]}"
    _drop(cloud, folder, "person.jpg", b"<html>not a picture</html>")
    _drop(cloud, folder, "garment.png", tee)
    explained = json.loads(_file(cloud, folder, "error.json"))
    assert explained["error"]["code"] == "image_unreadable"
    assert explained["error"]["pointer"] == "/person"
    assert explained["error"]["remedy"]
    assert cloud.fashn.purchases() == []


def test_two_persons_are_refused_in_the_folder(cloud: Cloud, person: bytes, tee: bytes) -> None:
    folder = f"crowd-{uuid.uuid4().hex[:8]}"
    _drop(cloud, folder, "person.jpg", person)
    _drop(cloud, folder, "person.png", person)
    _drop(cloud, folder, "garment.png", tee)
    assert json.loads(_file(cloud, folder, "error.json"))["errors"][0]["pointer"] == "/person"


def _queue_is_empty(cloud: Cloud) -> bool:
    sqs = cloud.aws("sqs")
    [url] = [url for url in sqs.list_queues()["QueueUrls"] if "drop" in url.lower() and "dead" not in url.lower()]
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return all(int(counts[name]) == 0 for name in counts if name.startswith("ApproximateNumberOfMessages"))
