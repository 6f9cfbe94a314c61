"""Whole batches on the running local cloud: time per row, purchases, and a live job in between.

    PYTHONPATH=.:lambdas .local/venv/bin/python tests/bench/batch.py sandbox=100 sandbox=300 fashn=200

Each argument is one batch, whose rows differ in their seed. Of a provider with a simulator the same manifest is run again,
and while the first run lasts, a live job is sent to the same provider. The images are small and the machine sets the pace: its
times are no times of AWS. What counts is that time per row does not grow, and what is bought.

bought: orders at the provider, or rows that made images. most: orders in the busiest minute. live: seconds until a live job
was bought. moves: state transitions of a row, those of the batch machine and of its job.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import datetime
from typing import Any

import httpx

from local.emulator_control import EmulatorControl, Usage
from tests.bench.client import Client, Provider, endpoints
from tests.bench.cost import row
from tests.bench.load import small

OVER = ("finished", "cancelled", "failed")
LOOK_SECONDS = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", nargs="+", help="provider=rows")
    costs: list[str] = []
    print("| rows | ended | s | s a row | expanding, s | bought | most | live, s | moves |\n|---|" + "---:|" * 8)
    for run in parser.parse_args().runs:
        provider, _, count = run.partition("=")
        measure(provider, int(count), costs)
    print("\nWhat AWS would bill for each whole batch, as `make cost` reckons it:", *costs, sep="\n")


def measure(provider: str, count: int, costs: list[str]) -> None:
    found = endpoints()
    client, emulator = Client(found["api"], found["api_key"]), EmulatorControl(found["aws"])
    simulator = Provider(found["providers"][provider]) if provider in found["providers"] else None
    images = [client.upload(name, small(name))["upload"] for name in ("person_a.png", "tee.png")]
    data = manifest(provider, count, *images)
    for again in (False, True):
        if simulator:
            simulator.reset()
        emulator.reset_usage()
        live = None if again or not simulator else {"provider": provider, "output": {"seed": 10**6}}
        batch, began, waited = run(client, data, images, live)
        orders = simulator.purchases() if simulator else []
        bought = len(orders) if simulator else batch["images"]["bought"]
        usage = emulator.usage()
        seconds = moment(batch["finished_at"]) - moment(batch["created_at"])
        counts = ", ".join(f"{name} {number}" for name, number in batch["counts"].items() if number and name != "rows")
        print(
            f"| {count} {provider} | {batch['status']}: {counts} | {seconds:.0f} | {seconds / count:.2f}"
            f" | {moment(batch['started_at']) - began:.0f} | {bought} | {busiest(orders)}"
            f" | {'' if waited is None else f'{waited:.1f}'} | {moves(usage) / count:.1f} |",
            flush=True,
        )
        costs.append(row(f"{count} {provider}", {"provider": provider, "usage": {}}, usage))
        if again or not simulator:
            return


def manifest(provider: str, count: int, person: str, garment: str) -> bytes:
    first = int(time.time()) % 4_000_000 * 1000  # of no earlier run
    rows = [
        {
            "id": f"row-{n}",
            "person": person,
            "garment": garment,
            "category": "tops",
            "provider": provider,
            "output": {"seed": first + n},
        }
        for n in range(count)
    ]
    return "\n".join(map(json.dumps, rows)).encode()


def run(
    client: Client, data: bytes, images: list[str], live: dict[str, Any] | None
) -> tuple[dict[str, Any], float, float | None]:
    """Return the batch when it is over, when it was sent, and how long a live job waited meanwhile until it was bought."""
    made = client.call("POST", "/v1/uploads", {"content_type": "application/jsonl", "bytes": len(data)}).json()
    files = {"file": ("rows.jsonl", data, "application/jsonl")}
    httpx.post(made["post"]["url"], data=made["post"]["fields"], files=files, timeout=60).raise_for_status()
    began = time.time()
    batch_id = client.call("POST", "/v1/batches", {"manifest": {"upload": made["id"]}}).json()["id"]
    job_id, waited = "", None
    while True:
        batch = client.call("GET", f"/v1/batches/{batch_id}").json()
        done = batch["counts"]["succeeded"]
        if live and not job_id and done >= batch["counts"]["rows"] / 4 > 0:
            person, garment = ({"upload": upload} for upload in images)
            body = {"task": "try_on", "person": person, "garments": [{"image": garment, "category": "tops"}], **live}
            job_id = client.submit(body)
        if batch["status"] in OVER:
            break
        print(f"  {batch['status']} {batch['counts']}", file=sys.stderr)
        time.sleep(LOOK_SECONDS)
    if job_id:
        job = client.finished(job_id)
        assert job["status"] == "succeeded", job["error"]
        waited = moment(job["attempts"][0]["submitted_at"]) - moment(job["created_at"])
    return batch, began, waited


def busiest(orders: list[dict[str, Any]]) -> int:
    """Orders in the busiest minute."""
    times = sorted(moment(order["at"]) for order in orders)
    return max((sum(begin <= each < begin + 60 for each in times) for begin in times), default=0)


def moves(usage: Usage) -> int:
    """State transitions since the usage was reset. Nothing else runs here."""
    return sum(sum(executions.values()) for executions in usage.transitions.values())


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


if __name__ == "__main__":
    main()
