"""A catalogue over HTTP, through the deployed batch machine and its map."""

from __future__ import annotations

import csv
import io
import uuid
from typing import Any

import httpx
import pytest

from .conftest import SAMPLES, Cloud, until

OVER = ("finished", "cancelled", "failed")


def manifest(person: str, tee: str, *, seconds: float = 0, rows: int = 12) -> bytes:
    """Ten rows that succeed, one that the provider refuses, and one that cannot be run."""
    lines = ["id,person,garment,category,output.seed,provider_options.sandbox.outcome,provider_options.sandbox.seconds"]
    for n in range(rows):
        category = "topps" if n == 3 else "tops"
        outcome = "content_blocked" if n == 7 else "success"
        lines.append(f"A-{n},{person},{tee},{category},{n},{outcome},{seconds or ''}")
    return "\n".join(lines).encode()


def created(cloud: Cloud, data: bytes, **fields: Any) -> dict[str, Any]:
    body = {
        "manifest": {"upload": cloud.upload(data, "text/csv")},
        "defaults": {"provider": "sandbox", **fields.pop("defaults", {})},
        **fields,
    }
    answer = cloud.live.post("/v1/batches", json=body)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def batch(cloud: Cloud, batch_id: str) -> dict[str, Any]:
    return dict(cloud.live.get(f"/v1/batches/{batch_id}").raise_for_status().json())


def reached(cloud: Cloud, batch_id: str, *statuses: str, seconds: float = 90) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = batch(cloud, batch_id)
        return found if found["status"] in statuses else None

    return dict(until(look, f"{batch_id} to be {' or '.join(statuses)}", seconds, pace=0.5))


def followed(cloud: Cloud, path: str) -> httpx.Response:
    answer = cloud.live.get(path)
    assert answer.status_code == 303, answer.text
    return httpx.get(answer.headers["location"], timeout=60).raise_for_status()


@pytest.fixture(scope="module")
def images(cloud: Cloud) -> tuple[str, str]:
    person, tee = (cloud.upload((SAMPLES / name).read_bytes()) for name in ("person_a.png", "tee.png"))
    return person, tee


def test_a_catalogue_is_held_run_reported_and_not_bought_twice(cloud: Cloud, images: tuple[str, str]) -> None:
    data, nobody_else = manifest(*images), {"owner": f"catalogue-{uuid.uuid4()}"}  # has the same images by now
    made = created(cloud, data, hold=True, reference="spring", defaults=nobody_else)
    held = reached(cloud, made["id"], "paused", "failed")
    assert (held["counts"]["rows"], held["counts"]["invalid"], held["counts"]["queued"]) == (12, 1, 11)
    assert held["images"] == {"most": 11, "bought": 0}

    assert cloud.live.post(f"/v1/batches/{made['id']}/resume").status_code == 202
    over = reached(cloud, made["id"], *OVER)
    assert {name: count for name, count in over["counts"].items() if count} == {
        "rows": 12,
        "invalid": 1,
        "succeeded": 10,
        "failed": 1,
    }
    assert {each["code"]: each["count"] for each in over["row_errors"]} == {"invalid_input": 1, "content_blocked": 1}

    table = list(csv.DictReader(io.StringIO(followed(cloud, over["report"]["csv"]).content.decode("utf-8-sig"))))
    assert [row["id"] for row in table] == [f"A-{n}" for n in range(12)]
    assert (table[3]["status"], table[3]["error_field"]) == ("invalid", "/garments/0/category")
    image = followed(cloud, table[0]["images"])
    assert image.headers["content-type"].startswith("image/")
    sheet = followed(cloud, over["report"]["html"])
    assert sheet.headers["content-type"].startswith("text/html")
    assert sheet.text.count("<article") == 12

    jobs = cloud.live.get(f"/v1/batches/{made['id']}/jobs", params={"status": "succeeded"}).json()["items"]
    assert len(jobs) == 10

    again = reached(cloud, created(cloud, data, defaults=nobody_else)["id"], *OVER)
    assert (again["counts"]["reused"], again["images"]["bought"]) == (10, 0)


def test_a_cancelled_catalogue_ends_with_every_row_accounted_for_and_can_be_erased(
    cloud: Cloud, images: tuple[str, str]
) -> None:
    data = manifest(*images, seconds=20)
    made = created(cloud, data, defaults={"reuse": False, "provider_options": {"sandbox": {"polled": True}}})
    until(lambda: batch(cloud, made["id"])["counts"]["running"] >= 3 or None, "rows that run")
    cancelled = cloud.live.post(f"/v1/batches/{made['id']}/cancel")
    assert cancelled.status_code == 202
    over = reached(cloud, made["id"], *OVER, seconds=150)
    counts = over["counts"]
    assert over["status"] == "cancelled"
    assert counts["queued"] == counts["running"] == 0
    assert counts["cancelled"] >= 3
    assert counts["invalid"] + counts["succeeded"] + counts["failed"] + counts["cancelled"] == 12
    open_jobs = [job for job in cloud.live.get(f"/v1/batches/{made['id']}/jobs").json()["items"] if not job["error"]]
    assert {job["status"] for job in open_jobs} <= {"succeeded"}

    assert cloud.live.delete(f"/v1/batches/{made['id']}").status_code == 202
    gone = until(
        lambda: ((answer := cloud.live.get(f"/v1/batches/{made['id']}")).status_code == 410 and answer) or None,
        "the batch to be erased",
        90,
    )
    assert gone.json()["code"] == "erased"
