"""The S3 way in: two files in one folder become one job, whose picture lies under the mirrored path."""

from __future__ import annotations

import io
import json
import uuid
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError
from PIL import Image

from .conftest import Cloud, until
from .test_operator import admin


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


def test_a_job_json_comes_by_forms_waits_for_its_images_and_has_its_options(
    cloud: Cloud, person: bytes, tee: bytes
) -> None:
    folder = f"forms/{uuid.uuid4().hex[:8]}"
    order = {"person": "anna.png", "garment": "tee.png", "category": "tops", "provider": "sandbox", "owner": "jane"}
    _send(cloud, folder, "job.json", json.dumps(order).encode(), "application/json")
    _send(cloud, folder, "anna.png", person, "image/png")
    waiting = _file(cloud, folder, "status.json")
    assert json.loads(waiting)["waiting_for"][-1] == "tee.png"
    _send(cloud, folder, "tee.png", tee, "image/png")
    result = json.loads(_file(cloud, folder, "result.json"))
    assert (result["status"], result["provider"], result["owner"]) == ("succeeded", "sandbox", "jane")
    _comes_to(cloud, folder, "1.png", "result.json")


def test_a_manifest_becomes_a_batch_whose_images_and_reports_lie_in_the_folder(
    cloud: Cloud, person: bytes, tee: bytes
) -> None:
    folder, head = f"catalogue/{uuid.uuid4().hex[:8]}", "id,person,garment,category,provider\n"
    rows = "".join(
        f"A {n},anna.png,photos/tee.png,{category},sandbox\n" for n, category in enumerate(("tops", "wrong"))
    )
    for name, data in (("anna.png", person), ("photos/tee.png", tee), ("manifest.csv", f"{head}{rows}".encode())):
        _drop(cloud, folder, name, data)
    report = json.loads(_file(cloud, folder, "report.json"))
    assert [row["status"] for row in report["rows"]] == ["succeeded", "invalid"]
    assert json.loads(_file(cloud, folder, "row-2-A_0/result.json"))["provider"] == "sandbox"
    _comes_to(cloud, folder, "report.csv", "report.json", "1.png", "result.json")  # no news of the pictures


def test_the_role_of_a_tenant_is_a_way_in(cloud: Cloud, person: bytes, tee: bytes) -> None:
    folder = f"role/{uuid.uuid4().hex[:8]}"
    arn = admin(f"tenant role {cloud.tenant} --trust 000000000000 --external-id 7f9c2ba4")["role"]
    found = cloud.aws("sts").assume_role(RoleArn=arn, RoleSessionName="shop", ExternalId="7f9c2ba4")["Credentials"]
    s3 = boto3.Session(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"]).client("s3")
    for name, data in (("person.png", person), ("garment.png", tee)):
        s3.put_object(Bucket=cloud.inbox, Key=f"drop/{cloud.tenant}/{folder}/{name}", Body=data)
    _comes_to(cloud, folder, "1.png", "result.json")
    listed = s3.list_objects_v2(Bucket=cloud.media, Prefix=f"results/{cloud.tenant}/drop/{folder}/")["Contents"]
    assert [found["Key"].rpartition("/")[2] for found in listed] == ["1.png", "result.json"]
    assert s3.get_object(Bucket=cloud.media, Key=listed[0]["Key"])["Body"].read()
    with pytest.raises(ClientError):
        s3.put_object(Bucket=cloud.inbox, Key=f"drop/another/{folder}/person.png", Body=person)
    assert admin(f"tenant role {cloud.tenant} --remove")["role"] is None


def _comes_to(cloud: Cloud, folder: str, *names: str) -> None:
    """News of a job is removed after its result is there."""
    until(lambda: _names(cloud, folder) == set(names) or None, f"{folder} to hold {names} alone")


def _send(cloud: Cloud, folder: str, name: str, data: bytes, content_type: str) -> None:
    asked = {"drop": f"{folder}/{name}", "content_type": content_type, "bytes": len(data)}
    form = cloud.live.post("/v1/uploads", json=asked).raise_for_status().json()["post"]
    sent = httpx.post(form["url"], data=form["fields"], files={"file": (name, data, content_type)}, timeout=60)
    assert sent.is_success, sent.text


def _names(cloud: Cloud, folder: str) -> set[str]:
    found = cloud.aws("s3").list_objects_v2(Bucket=cloud.media, Prefix=f"results/{cloud.tenant}/drop/{folder}/")
    return {each["Key"].rpartition("/")[2] for each in found.get("Contents", [])}


def _queue_is_empty(cloud: Cloud) -> bool:
    sqs = cloud.aws("sqs")
    [url] = [url for url in sqs.list_queues()["QueueUrls"] if "drop" in url.lower() and "dead" not in url.lower()]
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return all(int(counts[name]) == 0 for name in counts if name.startswith("ApproximateNumberOfMessages"))
