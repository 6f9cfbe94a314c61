"""What a job costs beyond its provider: warm sandbox jobs on the running local cloud, against as many bare invocations.

Run by `make bench` (needs `make up`). The floor is five invocations, one after another, of a deployed function that finds
nothing to do: what the emulator itself takes for the five functions of a job. Overhead = finished_at - created_at - provider.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import httpx

from local.deploy import credentials

ROOT = Path(__file__).parents[2]
JOBS = 15
WARM_UP = 3


def main() -> None:
    found = json.loads((ROOT / ".local" / "endpoints.json").read_text())
    os.environ.update(credentials(found["aws"]))
    functions = boto3.client("lambda")
    settle = next(f["FunctionName"] for f in functions.list_functions()["Functions"] if "Settle" in f["FunctionName"])

    def floor() -> float:
        began = time.perf_counter()
        for _ in range(5):
            functions.invoke(FunctionName=settle, Payload=json.dumps({"job_id": "job_none"}))["Payload"].read()
        return time.perf_counter() - began

    with httpx.Client(
        base_url=found["api"], headers={"Authorization": f"Bearer {found['test_key']}"}, timeout=30
    ) as api:
        pictures = {name: upload(api, ROOT / "local" / "samples" / name) for name in ("person_a.png", "tee.png")}
        body = {
            "task": "try_on",
            "person": {"upload": pictures["person_a.png"]},
            "garments": [{"image": {"upload": pictures["tee.png"]}}],
        }
        pairs = [(floor(), overhead(api, body)) for _ in range(WARM_UP + JOBS)][WARM_UP:]
    low, high = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(
        f"floor (5 invocations) p50 {low * 1000:.0f} ms, job overhead p50 {high * 1000:.0f} ms, ratio {high / low:.2f}"
        f"   ({JOBS} warm jobs, one at a time)"
    )


def upload(api: httpx.Client, file: Path) -> str:
    data = file.read_bytes()
    made = api.post("/v1/uploads", json={"content_type": "image/png", "bytes": len(data)}).raise_for_status().json()
    httpx.post(made["post"]["url"], data=made["post"]["fields"], files={"file": data}).raise_for_status()
    return str(made["id"])


def overhead(api: httpx.Client, body: dict[str, Any]) -> float:
    job = api.post("/v1/jobs", json=body).raise_for_status().json()
    while job["status"] not in ("succeeded", "failed"):
        time.sleep(0.05)
        job = api.get(job["links"]["self"]).raise_for_status().json()
    began, ended = (datetime.fromisoformat(job[name]) for name in ("created_at", "finished_at"))
    return (ended - began).total_seconds() - float(job["usage"]["provider_seconds"] or 0)


if __name__ == "__main__":
    main()
