"""What a job costs beyond its provider: warm sandbox jobs on the running local cloud, against as many bare invocations.

Run by `make bench` (needs `make up`). The floor is five invocations, one after another, of a deployed function that finds
nothing to do: what the emulator itself takes for the five functions of a job. Overhead = finished_at - created_at - provider.
Budget: twice the floor.

Both have pauses of the emulator in them: 50 ms after each invocation that logs nothing, and 150 ms before an execution begins.
On 2026-11-27 they were 250 of 290 ms of the floor, and about 250 of 570 ms of the overhead.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from datetime import datetime
from typing import Any

import boto3
import httpx

from local.deploy import credentials
from tests.bench.client import Client, endpoints

JOBS = 15
WARM_UP = 3


def main() -> None:
    found = endpoints()
    os.environ.update(credentials(found["aws"]))
    functions = boto3.client("lambda")
    settle = next(f["FunctionName"] for f in functions.list_functions()["Functions"] if "Settle" in f["FunctionName"])

    def floor() -> float:
        began = time.perf_counter()
        for _ in range(5):
            functions.invoke(FunctionName=settle, Payload=json.dumps({"job_id": "job_none"}))["Payload"].read()
        return time.perf_counter() - began

    client = Client(found["api"], found["test_key"])
    body = {
        "task": "try_on",
        "person": client.upload("person_a.png"),
        "garments": [{"image": client.upload("tee.png")}],
    }
    pairs = [(floor(), overhead(client.http, body)) for _ in range(WARM_UP + JOBS)][WARM_UP:]
    low, high = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(
        f"floor (5 invocations) p50 {low * 1000:.0f} ms, job overhead p50 {high * 1000:.0f} ms, ratio {high / low:.2f}"
        f"   ({JOBS} warm jobs, one at a time)"
    )


def overhead(api: httpx.Client, body: dict[str, Any]) -> float:
    job = api.post("/v1/jobs", json=body).raise_for_status().json()
    while job["status"] not in ("succeeded", "failed"):
        time.sleep(0.05)
        job = api.get(job["links"]["self"]).raise_for_status().json()
    began, ended = (datetime.fromisoformat(job[name]) for name in ("created_at", "finished_at"))
    return (ended - began).total_seconds() - float(job["usage"]["provider_seconds"] or 0)


if __name__ == "__main__":
    main()
