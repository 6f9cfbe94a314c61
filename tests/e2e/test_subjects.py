"""Subjects from their making to their end, and jobs that are erased: here, and at the vendor."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from local.cloud import VENDORS

from .conftest import SAMPLES, Cloud, until

FORMS = {"person_class": "woman"}


@pytest.fixture
def stranger(cloud: Cloud) -> Iterator[httpx.Client]:
    """Another tenant with a key of its own."""
    with cloud.stranger() as client:
        yield client


def picture(cloud: Cloud, name: str) -> dict[str, str]:
    return {"upload": cloud.upload((SAMPLES / f"{name}.png").read_bytes())}


def created(cloud: Cloud, key: str | None = None, **body: Any) -> dict[str, Any]:
    answer = cloud.live.post("/v1/subjects", json=body, headers={"Idempotency-Key": key or secrets.token_hex(8)})
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/subjects/{answer.json()['id']}"
    return dict(answer.json())


def ready(cloud: Cloud, subject: dict[str, Any]) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = cloud.live.get(subject["links"]["self"]).raise_for_status().json()
        return found if found["status"] != "training" else None

    found: dict[str, Any] = until(look, f"{subject['id']} to be made", 90)
    assert (found["status"], found["error"]) == ("ready", None)
    return found


def at_vendor(cloud: Cloud, path: str) -> int:
    """How Astria answers its account's owner there."""
    return cloud.astria.http.get(path, headers={"Authorization": f"Bearer {VENDORS['astria'].key}"}).status_code


def deleted(cloud: Cloud, path: str, gone: int) -> dict[str, Any]:
    """DELETE, until the address says that it is done. What DELETE answered."""
    answer = cloud.live.delete(path)
    assert answer.status_code == 202, answer.text
    until(lambda: cloud.live.get(path).status_code == gone or None, f"{path} to be erased")
    return dict(answer.json())


def objects(cloud: Cloud, bucket: str, prefix: str) -> list[str]:
    found = cloud.aws("s3").list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return [each["Key"] for each in found]


def test_a_garment_is_registered_worn_and_deleted(cloud: Cloud) -> None:
    garment = ready(
        cloud,
        created(
            cloud,
            kind="garment",
            class_name="shirt",
            provider="astria",
            photo="flat_lay",
            pictures=[picture(cloud, "tee")],
        ),
    )
    assert garment["made_for"].startswith("astria/")
    tune = f"/tunes/{garment['provider_subject_id']}"
    assert at_vendor(cloud, tune) == 200
    job = cloud.finished(
        cloud.submit(
            {
                "task": "try_on",
                "person": picture(cloud, "person_a"),
                "provider": "astria",
                "garments": [{"subject": garment["id"]}],
                "provider_options": {"astria": FORMS},
            }
        )["id"],
        90,
    )
    assert (job["status"], len(job["images"])) == ("succeeded", 1), job["error"]
    assert garment["id"] in [item["id"] for item in cloud.live.get("/v1/subjects").json()["items"]]
    assert deleted(cloud, garment["links"]["self"], 404)["remains"] == []
    assert at_vendor(cloud, tune) == 404
    assert garment["id"] not in [item["id"] for item in cloud.live.get("/v1/subjects").json()["items"]]


def test_a_person_is_trained_worn_and_deleted_with_the_photos(cloud: Cloud) -> None:
    pictures = [picture(cloud, "person_a"), picture(cloud, "person_b")]
    key = secrets.token_hex(8)
    asked = {
        "kind": "person",
        "class_name": "woman",
        "provider": "astria/sd15",
        "pictures": pictures,
        "owner": "shopper-1",
    }
    subject = created(cloud, key, **asked)
    assert created(cloud, key, **asked)["id"] == subject["id"]
    person = ready(cloud, subject)
    assert (person["made_for"], person["owner"], bool(person["token"])) == ("astria/sd15", "shopper-1", True)
    assert len(cloud.astria.purchases()) == 1
    body = {
        "task": "try_on",
        "person": {"subject": person["id"]},
        "provider": "astria/sd15",
        "garments": [{"image": picture(cloud, "dress"), "category": "one_piece", "photo": "flat_lay"}],
    }
    job = cloud.finished(cloud.submit(body)["id"], 90)
    assert job["status"] == "succeeded", job["error"]
    photos = [f"uploads/{cloud.tenant}/{each['upload']}" for each in pictures]
    assert all(objects(cloud, cloud.inbox, photo) for photo in photos)
    deleted(cloud, person["links"]["self"], 404)
    assert at_vendor(cloud, f"/tunes/{person['provider_subject_id']}") == 404
    until(
        lambda: cloud.live.get(person["links"]["job"]).status_code == 410 or None, "the job that made it to be erased"
    )
    assert not any(objects(cloud, cloud.inbox, photo) for photo in photos)
    answer = cloud.live.post("/v1/jobs", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "subject_not_ready")


def test_an_erased_job_is_gone_here_and_at_the_vendor_and_the_shared_garment_stays(cloud: Cloud) -> None:
    body = {
        "task": "try_on",
        "person": picture(cloud, "person_a"),
        "provider": "astria",
        "owner": "jane-doe",
        "garments": [{"image": picture(cloud, "tee"), "category": "tops"}],
        "provider_options": {"astria": FORMS},
    }
    job = cloud.finished(cloud.submit(body)["id"], 90)
    assert job["status"] == "succeeded", job["error"]
    prompt = "/prompts/" + job["attempts"][0]["provider_job_id"].rpartition("/")[2]
    assert at_vendor(cloud, prompt) == 200
    answer = deleted(cloud, job["links"]["self"], 410)
    assert [(left["provider"], "garment" in left["what"]) for left in answer["remains"]] == [("astria", True)]
    until(lambda: at_vendor(cloud, prompt) == 404 or None, "the vendor to delete the prompt")

    def asked() -> list[str]:
        paths = [request["path"] for request in cloud.astria.requests() if request["method"] == "DELETE"]
        return list(dict.fromkeys(paths))

    until(lambda: asked()[1:] or None, "the vendor to be asked for both")
    assert [path.split("/")[1] for path in asked()] == ["prompts", "tunes"], (
        "the prompt, and the reference of the person alone"
    )
    until(lambda: at_vendor(cloud, asked()[1]) == 404 or None, "the vendor to delete the reference")
    for folder in (f"results/{cloud.tenant}/{job['id']}/", f"staging/{job['id']}/"):
        assert objects(cloud, cloud.media, folder) == []
    assert objects(cloud, cloud.inbox, f"uploads/{cloud.tenant}/{body['person']['upload']}") == []  # type: ignore[index]
    assert cloud.live.get(job["links"]["images"][0]).json()["code"] == "erased"
    row = cloud.aws("dynamodb").get_item(
        TableName=cloud.table, Key={"pk": {"S": f"JOB#{job['id']}"}, "sk": {"S": "JOB"}}
    )
    assert "jane-doe" not in str(row)


def test_a_vendor_that_never_hears_of_it_keeps_what_it_says(cloud: Cloud, person: bytes, tee: bytes) -> None:
    job = cloud.finished(cloud.submit(cloud.try_on(person, tee, provider="fashn"))["id"])
    [left] = deleted(cloud, job["links"]["self"], 410)["remains"]
    assert (left["provider"], "72 hours" in left["until"]) == ("fashn", True)
    assert cloud.live.delete(job["links"]["self"]).json()["remains"] == [left]


def test_another_tenant_neither_sees_uses_nor_deletes_them(cloud: Cloud, stranger: httpx.Client) -> None:
    garment = ready(
        cloud, created(cloud, kind="garment", class_name="shirt", provider="astria", pictures=[picture(cloud, "tee")])
    )
    for path in garment["links"].values():
        assert (stranger.get(path).status_code, stranger.delete(path).status_code) == (404, 404)
    assert stranger.get("/v1/subjects").json()["items"] == []
    body = {"task": "try_on", "person": {"url": "https://shop.example/p.png"}, "garments": [{"subject": garment["id"]}]}
    answer = stranger.post("/v1/jobs", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "subject_not_ready")
    assert cloud.live.get(garment["links"]["self"]).json()["status"] == "ready"
