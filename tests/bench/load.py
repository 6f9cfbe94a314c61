"""Many jobs at once on the running local cloud, in an account that runs ten functions at once, as a new account does.

    PYTHONPATH=.:lambdas nice .local/venv/bin/python tests/bench/load.py sandbox 50 100 200

Needs `make up`. A client per thread submits through the API, as fast as it is let, and asks again when it is refused.
The laptop sets the pace: its times are no times of AWS. What counts is how jobs end, and what they write and cost on the way.

bought: orders at the provider. lost: orders that are or may be charged, whose job did not succeed.
refused: requests of clients. throttled: invocations. one job, shared: write units in the busiest second of the busiest
partition key, of a job's own and of those that jobs share.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from local.emulator_control import EmulatorControl, Usage
from tests.bench.client import BUSY, FINAL, Client, Provider, endpoints

MOST_JOBS = 1000
OWN_KEYS = ("JOB#", "IDEMPOTENCY#", "CALLBACK#")  # as many as jobs
SUBMITTERS = 8
LOOK_SECONDS = 0.25  # between two requests that look at a job
KINDS: dict[str, tuple[str, dict[str, Any]]] = {  # the key, and what it asks for
    "sandbox": ("test_key", {"provider_options": {"sandbox": {"polled": True, "seconds": 5}}}),
    "tryiton": ("api_key", {"provider": "tryiton"}),
    "nova_canvas": ("api_key", {"provider": "nova_canvas", "output": {"seed": 1}}),
}
SIMULATORS = {"tryiton": "tryiton", "nova_canvas": "bedrock"}
COLUMNS = (
    "jobs succeeded failed open bought lost  all s  job p50   p95   max"
    "  refused throttled transitions p50 max  one job shared key"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument(
        "jobs", type=int, nargs="+", help=f"how many at once, one run after the other; at most {MOST_JOBS}"
    )
    parser.add_argument("--concurrency", type=int, default=10, help="of Lambda, in the whole account")
    parser.add_argument("--minutes", type=float, default=15, help="after which a run is over, whatever is open")
    args = parser.parse_args()
    if max(args.jobs) > MOST_JOBS:
        parser.error(f"at most {MOST_JOBS} jobs")
    print(f"{args.kind}, {args.concurrency} functions at once\n{COLUMNS}", flush=True)
    for jobs in args.jobs:
        run(args.kind, jobs, args.concurrency, args.minutes * 60)


def run(kind: str, count: int, concurrency: int, seconds: float) -> None:
    found = endpoints()
    key, more = KINDS[kind]
    client = Client(found["api"], found[key])
    provider = Provider(found["providers"][SIMULATORS[kind]]) if kind in SIMULATORS else None
    if provider:
        provider.reset()
    emulator = EmulatorControl(found["aws"])
    garment = client.upload("tee.png")
    with ThreadPoolExecutor(SUBMITTERS) as pool:
        persons = list(pool.map(lambda _: client.upload("person_a.png"), range(count)))
        bodies = [
            {"task": "try_on", "person": person, "garments": [{"image": garment, "category": "tops"}], **more}
            for person in persons
        ]
        emulator.reset_usage()
        with emulator.faults({"service": "lambda", "concurrency": concurrency}):
            began = time.monotonic()
            ids = list(pool.map(client.submit, bodies))
            ended = follow(client, ids, began + seconds)
            print_row(ids, ended, provider, client.refusals, emulator.usage())


def follow(client: Client, ids: list[str], end: float) -> list[dict[str, Any]]:
    """The jobs that are over by then. It looks slowly: the looks need functions too."""
    ended, waiting = [], list(ids)
    while waiting and time.monotonic() < end:
        for job_id in list(waiting):
            answer = client.http.get(f"/v1/jobs/{job_id}")
            if answer.status_code not in BUSY and (job := answer.raise_for_status().json())["status"] in FINAL:
                ended.append(job)
                waiting.remove(job_id)
            time.sleep(LOOK_SECONDS)
            if time.monotonic() > end:
                break
    return ended


def print_row(
    ids: list[str], ended: list[dict[str, Any]], provider: Provider | None, refusals: int, usage: Usage
) -> None:
    attempts = [(job, attempt) for job in ended for attempt in job["attempts"]]
    bought = len(provider.purchases()) if provider else sum(attempt["charged"] != "no" for _, attempt in attempts)
    lost = sum(job["status"] != "succeeded" and attempt["charged"] != "no" for job, attempt in attempts)
    succeeded = sum(job["status"] == "succeeded" for job in ended)
    times = sorted(moment(job, "finished_at") - moment(job, "created_at") for job in ended) or [0.0]
    whole = max(moment(job, "finished_at") for job in ended) - min(moment(job, "created_at") for job in ended)
    runs: Counter[str] = Counter()
    for executions in usage.transitions.values():
        for name, entered in executions.items():
            runs[name.partition(".")[0]] += entered  # the runs of one job together
    moves = sorted(runs[job_id] for job_id in ids)
    throttles = sum(function.throttles for function in usage.functions.values())
    busiest = [(each.peak, f"{each.index or ''}{each.value}"[:24]) for each in usage.writes]
    shared = next((each for each in busiest if not each[1].startswith(OWN_KEYS)), (0.0, ""))
    print(
        f"{len(ids):4} {succeeded:9} {len(ended) - succeeded:6} {len(ids) - len(ended):4} {bought:6} {lost:4} {whole:6.0f}"
        f" {statistics.median(times):8.1f} {times[int(len(times) * 0.95)]:5.0f} {times[-1]:5.0f} {refusals:8} {throttles:9}"
        f" {statistics.median(moves):15.0f} {moves[-1]:4} {busiest[0][0]:8.0f} {shared[0]:5.0f} {shared[1]}",
        flush=True,
    )
    for code, times_seen in Counter(job["error"]["code"] for job in ended if job["error"]).items():
        print(f"     {times_seen} failed with {code}")


def moment(job: dict[str, Any], name: str) -> float:
    return datetime.fromisoformat(job[name]).timestamp()


if __name__ == "__main__":
    main()
