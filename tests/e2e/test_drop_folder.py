"""The S3 way in: two files in one folder become one job, whose picture lies under the mirrored path."""

from __future__ import annotations

import io
import json
import uuid
from typing import Any

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


def test_files_that_come_together_make_one_job_in_any_order(cloud: Cloud, person: bytes, tee: bytes) -> None:
    """Every event comes twice, and in one folder a wrong garment is replaced before anybody has looked."""
    files, orders = {"person": person, "garment": tee}, (("person", "garment"), ("garment", "person"))
    folders = [f"spring 2027/look-{uuid.uuid4().hex[:8]}" for _ in orders]
    for folder, order in zip(folders, orders, strict=True):
        _drop(cloud, folder, "garment.png", person if order[0] == "garment" else tee)
        for name in (*order, *order):
            _drop(cloud, folder, f"{name}.png", files[name])
    for folder in folders:
        result = json.loads(_file(cloud, folder, "result.json"))
        assert result["status"] == "succeeded"
        assert "url" not in result["images"][0]
        assert cloud.job(result["id"])["reference"] == folder
        with Image.open(io.BytesIO(_file(cloud, folder, "1.png"))) as picture:
            assert picture.size == (result["images"][0]["width"], result["images"][0]["height"])
    until(lambda: _queue_is_empty(cloud) or None, "all events to be read")
    assert len(cloud.fashn.purchases()) == 2


REFUSED = {
    # folder: its files, {pointer: words of detail or remedy}
    "two persons": (("person.jpg", "person.png", "garment.png"), {"/person": "more than one person image"}),
    "another name": (("person (1).png", "garment.png"), {"": "`person (1).png` is neither"}),
    "a/../b": (("person.png", "garment.png"), {"": "`.` or `..`"}),
}


def test_what_makes_no_job_is_explained_in_the_folder(cloud: Cloud, person: bytes, tee: bytes) -> None:
    run = uuid.uuid4().hex[:8]
    for folder, (names, _) in REFUSED.items():
        for name in names:
            _drop(cloud, f"{run}/{folder}", name, person)
    _drop(cloud, f"{run}/half", "person.png", person)
    _drop(cloud, f"{run}/broken", "person.jpg", b"<html>not a picture</html>")
    for name in ("garment.png", "garment.xmp", "person.AAE"):  # an editor's notes lie beside its images
        _drop(cloud, f"{run}/broken", name, tee)
    for folder, (_, told) in REFUSED.items():
        [error] = json.loads(_file(cloud, f"{run}/{folder}", "error.json"))["errors"]
        assert told[error["pointer"]] in error["detail"]
        assert error["remedy"]
    assert "Waiting for garment" in json.loads(_file(cloud, f"{run}/half", "status.json"))["detail"]
    error = json.loads(_file(cloud, f"{run}/broken", "error.json"))["error"]
    assert (error["code"], error["pointer"], bool(error["remedy"])) == ("image_unreadable", "/person", True)
    assert cloud.fashn.purchases() == []


def _queue_is_empty(cloud: Cloud) -> bool:
    sqs = cloud.aws("sqs")
    [url] = [url for url in sqs.list_queues()["QueueUrls"] if "drop" in url.lower() and "dead" not in url.lower()]
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return all(int(counts[name]) == 0 for name in counts if name.startswith("ApproximateNumberOfMessages"))
