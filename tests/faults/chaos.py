"""Kill functions every few seconds while a hundred jobs run on the local cloud, then look how each of them ended.

    make up; PYTHONPATH=.:lambdas:client .local/venv/bin/python tests/faults/chaos.py

Every process of a Lambda may die at any moment, inside a call to a provider, too. Only such a death may leave a job of unknown
fate; a job whose provider's id was written down must be delivered.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx

from local import cloud as local_cloud
from local.cloud import ENDPOINTS
from local.demo import GARMENT, PERSON

JOBS, KILLING_SECONDS, PACE = 100, 90, 3
PROVIDERS = ("tryiton", "fashn", "fal", "aidge", "astria", "gemini", "nova_canvas", "sandbox")
GIVE_UP_SECONDS = 1500
"""A killed StartBedrock is waited for until it can no longer deliver: 15 minutes."""


def main() -> int:
    found = json.loads(ENDPOINTS.read_text())
    random.seed(7)
    with httpx.Client(
        base_url=found["api"], headers={"Authorization": f"Bearer {found['api_key']}"}, timeout=60
    ) as api:
        person, garment = (_upload(api, path.read_bytes()) for path in (PERSON, GARMENT))
        with ThreadPoolExecutor(8) as pool:
            jobs = list(pool.map(lambda n: _submit(api, person, garment, PROVIDERS[n % len(PROVIDERS)]), range(JOBS)))
        kills = _kill_for(KILLING_SECONDS)
        ended = [_finished(api, job) for job in jobs]
    print(f"{len(jobs)} jobs, {kills} kills")
    ends = Counter(_end(job) for job in ended)
    for end, count in sorted(ends.items()):
        print(f"{count:>4}  {end}")
    lost = [job["id"] for job in ended if _left_at_the_provider(job)]
    print("paid results left at a provider:", lost or "none")
    return int(bool(lost) or any(job["status"] not in ("succeeded", "failed") for job in ended))


def _kill_for(seconds: float) -> int:
    end, kills = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        time.sleep(PACE)
        names = ("Prepare", "StartHttp", "StartBedrock", "Poll", "Collect", "Settle", "Wait", "Sweep")
        pids = [pid for name in names for pid in local_cloud.lambda_pids(name)]
        if pids:
            with suppress(ProcessLookupError):
                os.kill(random.choice(pids), signal.SIGKILL)
                kills += 1
    return kills


def _upload(api: httpx.Client, data: bytes) -> str:
    made = api.post("/v1/uploads", json={"content_type": "image/png", "bytes": len(data)}).raise_for_status().json()
    httpx.post(made["post"]["url"], data=made["post"]["fields"], files={"file": ("image", data)}).raise_for_status()
    return str(made["id"])


def _submit(api: httpx.Client, person: str, garment: str, provider: str) -> str:
    body = {
        "task": "try_on",
        "person": {"upload": person},
        "garments": [{"image": {"upload": garment}, "category": "tops"}],
        "provider": provider,
        "provider_options": {"astria": {"person_class": "woman"}} if provider == "astria" else {},
    }
    answer = api.post("/v1/jobs", json=body, headers={"Idempotency-Key": str(uuid.uuid4())})
    return str(answer.raise_for_status().json()["id"])


def _finished(api: httpx.Client, job_id: str) -> dict[str, Any]:
    end = time.monotonic() + GIVE_UP_SECONDS
    while True:
        job: dict[str, Any] = api.get(f"/v1/jobs/{job_id}").raise_for_status().json()
        if job["status"] in ("succeeded", "failed", "cancelled") or time.monotonic() > end:
            return job
        time.sleep(1)


def _end(job: dict[str, Any]) -> str:
    last = job["attempts"][-1] if job["attempts"] else {}
    error = job["error"] or {}
    return f"{job['provider']:<12} {job['status']:<10} {error.get('code', ''):<22} charged {last.get('charged')}"


def _left_at_the_provider(job: dict[str, Any]) -> bool:
    return job["status"] != "succeeded" and any(attempt["provider_job_id"] for attempt in job["attempts"])


if __name__ == "__main__":
    sys.exit(main())
