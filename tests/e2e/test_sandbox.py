"""The free provider answers everything a client must be able to handle."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fitting_room.jobs.errors import CODES

from .conftest import Cloud

JOB_CODES = [
    "image_unreadable",
    "pose_not_found",
    "content_blocked",
    "output_rejected",
    "quota_exhausted",
    "rate_limited",
    "provider_auth",
    "model_retired",
    "provider_error",
    "provider_unavailable",
    "timed_out",
    "cancelled",
    "internal",
]


def _body(person: str, tee: str, **options: Any) -> dict[str, Any]:
    return {
        "task": "try_on",
        "person": {"upload": person},
        "garments": [{"image": {"upload": tee}}],
        "output": {"count": 2},
        "provider_options": {"sandbox": options},
    }


def test_every_job_code_and_partial_results_sync_and_polled(cloud: Cloud, person: bytes, tee: bytes) -> None:
    assert set(JOB_CODES) <= set(CODES)
    uploads = cloud.upload(person, client=cloud.test), cloud.upload(tee, client=cloud.test)
    wanted = [{"outcome": code} for code in JOB_CODES] + [{"outcome": code, "polled": True} for code in JOB_CODES[:3]]
    wanted += [{"outcome": "success"}, {"outcome": "success", "polled": True, "seconds": 2}, {"outcome": "partial"}]
    with ThreadPoolExecutor(4) as pool:
        jobs = list(pool.map(lambda options: cloud.submit(_body(*uploads, **options), cloud.test), wanted))
    for options, job in zip(wanted, jobs, strict=True):
        ended = cloud.finished(job["id"], 90, cloud.test)
        assert ended["provider"] == "sandbox"
        if options["outcome"] in ("success", "partial"):
            assert ended["status"] == "succeeded", ended["error"]
            assert len(ended["images"]) == (2 if options["outcome"] == "success" else 1)
            assert bool(ended["warnings"]) is (options["outcome"] == "partial")
        else:
            assert ended["status"] == ("cancelled" if options["outcome"] == "cancelled" else "failed")
            assert ended["error"]["code"] == options["outcome"]
            assert ended["error"]["remedy"]
        if options.get("polled"):
            assert ended["attempts"][0]["provider_job_id"]


def test_a_test_key_reaches_nothing_else(cloud: Cloud, person: bytes, tee: bytes) -> None:
    answer = cloud.test.post("/v1/jobs", json=cloud.try_on(person, tee, client=cloud.test, provider="tryiton"))
    assert (answer.status_code, answer.json()["code"]) == (403, "provider_not_allowed")
