"""Many jobs at once on the running local cloud, in an account that runs ten functions at once, as a new account does.

    PYTHONPATH=.:lambdas nice .local/venv/bin/python tests/bench/load.py sandbox=50 sandbox=500+tryiton=200+nova_canvas=100

Each argument is one run. Eight clients submit through the API, as fast as they are let, and ask again when they are refused: on
a busy machine about a job a second. With `--together` no execution begins before the last job is accepted, then the sweep
starts all of them: a job's time counts from then.

The images are small and the machine sets the pace: its times are no times of AWS, but what a slower account would see. What
counts is how jobs end, and what they write and cost on the way.

bought: orders at the provider. lost: orders that are or may be charged, whose job did not succeed. s a job: the whole run over
its jobs. refused: requests of clients. throttled: invocations. one job, shared: write units in the busiest second of the
busiest partition key, of a job's own and of those that jobs share.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, NamedTuple

from PIL import Image

from local.emulator_control import EmulatorControl, Fault, Usage
from tests.bench.client import BUSY, FINAL, SAMPLES, Client, Provider, endpoints

OWN_KEYS = ("JOB#", "IDEMPOTENCY#", "CALLBACK#")  # as many as jobs
SUBMITTERS = 8
LOOK_SECONDS = 0.25  # between two requests that look at a job
SHRUNK = 2  # images are so many times smaller than the samples
KINDS: dict[str, tuple[str, dict[str, Any]]] = {  # the key, and what it asks for
    "sandbox": ("test_key", {"provider_options": {"sandbox": {"polled": True, "seconds": 5}}}),
    "tryiton": ("api_key", {"provider": "tryiton"}),
    "nova_canvas": ("api_key", {"provider": "nova_canvas", "output": {"seed": 1}}),
}
SIMULATORS = {"tryiton": "tryiton", "nova_canvas": "bedrock"}
NO_STARTS: Fault = {
    "service": "states",
    "operation": "StartExecution",
    "code": "ExecutionLimitExceeded",
    "status": 400,
}
Mix = dict[str, int]


class Job(NamedTuple):
    kind: str
    id: str
    client: Client


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", type=mix, nargs="+", help="kind=count[+kind=count ...], of " + ", ".join(KINDS))
    parser.add_argument("--concurrency", type=int, default=10, help="of Lambda, in the whole account")
    parser.add_argument("--minutes", type=float, default=20, help="after which a run is over, whatever is open")
    parser.add_argument("--together", action="store_true", help="let all jobs of a run begin at the same time")
    args = parser.parse_args()
    print(
        "| jobs at once | succeeded | failed | open | bought | lost | all, s | s a job | job p50, p95, max, s"
        " | transitions p50, max |\n|---|" + "---:|" * 9,
        flush=True,
    )
    for wanted in args.runs:
        run(wanted, args.concurrency, args.minutes * 60, args.together)


def mix(text: str) -> Mix:
    wanted = {kind: int(count) for kind, _, count in (part.partition("=") for part in text.split("+"))}
    if unknown := wanted.keys() - KINDS.keys():
        raise ValueError(f"no kind {', '.join(unknown)}")
    return wanted


def run(wanted: Mix, concurrency: int, seconds: float, together: bool) -> None:
    found = endpoints()
    providers = {kind: Provider(found["providers"][name]) for kind, name in SIMULATORS.items()}
    for provider in providers.values():
        provider.reset()
    orders = [order for kind, count in wanted.items() for order in orders_of(kind, count, found)]
    emulator = EmulatorControl(found["aws"])
    emulator.reset_usage()
    with ThreadPoolExecutor(SUBMITTERS) as pool:

        def submitted() -> list[Job]:
            return list(pool.map(lambda order: Job(order[0], order[1].submit(order[2]), order[1]), mixed(orders)))

        jobs: list[Job] = []
        if together:
            with emulator.faults(NO_STARTS):
                jobs = submitted()
        with emulator.faults({"service": "lambda", "concurrency": concurrency}):
            released, began = time.time(), time.monotonic()
            jobs = jobs or submitted()
            ended = follow(jobs, began + seconds)
            usage = emulator.usage()
    for kind in wanted:
        bought = len(providers[kind].purchases()) if kind in providers else None
        print_row(kind, [job for job in jobs if job.kind == kind], ended, bought, usage, released if together else 0)
    print_shared(concurrency, {order[1].key: order[1] for order in orders}, usage)


def orders_of(kind: str, count: int, found: dict[str, Any]) -> list[tuple[str, Client, dict[str, Any]]]:
    key, more = KINDS[kind]
    client = Client(found["api"], found[key])
    person, garment = (client.upload(name, small(name)) for name in ("person_a.png", "tee.png"))
    body = {"task": "try_on", "person": person, "garments": [{"image": garment, "category": "tops"}], **more}
    return [(kind, client, body)] * count


def mixed(orders: list[Any]) -> list[Any]:
    """All kinds from beginning to end, as callers who know nothing of each other would send them."""
    seen: Counter[str] = Counter()
    of = Counter(order[0] for order in orders)

    def place(order: Any) -> float:
        seen[order[0]] += 1
        return seen[order[0]] / of[order[0]]

    return [order for _, order in sorted(((place(order), order) for order in orders), key=lambda each: each[0])]


def small(name: str) -> bytes:
    file = io.BytesIO()
    Image.open(SAMPLES / name).reduce(SHRUNK).save(file, "PNG")
    return file.getvalue()


def follow(jobs: list[Job], end: float) -> dict[str, dict[str, Any]]:
    """The jobs that are over by then, by id. It looks slowly at those that are not: the looks need functions too."""
    ended, waiting = {}, list(jobs)
    while waiting and time.monotonic() < end:
        for job in list(waiting):
            answer = job.client.http.get(f"/v1/jobs/{job.id}")
            if answer.status_code not in BUSY and (seen := answer.raise_for_status().json())["status"] in FINAL:
                ended[job.id] = seen
                waiting.remove(job)
            else:
                time.sleep(LOOK_SECONDS)
            if time.monotonic() > end:
                break
    return ended


def print_row(
    kind: str,
    jobs: list[Job],
    all_ended: dict[str, dict[str, Any]],
    bought: int | None,
    usage: Usage,
    released: float,
) -> None:
    ended = [all_ended[job.id] for job in jobs if job.id in all_ended]
    attempts = [(job, attempt) for job in ended for attempt in job["attempts"]]
    bought = sum(attempt["charged"] != "no" for _, attempt in attempts) if bought is None else bought
    lost = sum(job["status"] != "succeeded" and attempt["charged"] != "no" for job, attempt in attempts)
    succeeded = sum(job["status"] == "succeeded" for job in ended)
    begun = {job["id"]: max(released, moment(job, "created_at")) for job in ended}
    times = sorted(moment(job, "finished_at") - begun[job["id"]] for job in ended) or [0.0]
    first = min(begun.values(), default=0)
    whole = max((moment(job, "finished_at") for job in ended), default=0) - first
    runs: Counter[str] = Counter()
    for executions in usage.transitions.values():
        for name, entered in executions.items():
            runs[name.partition(".")[0]] += entered  # the runs of one job together
    moves = sorted(runs[job.id] for job in jobs)
    print(
        f"| {len(jobs)} {kind} | {succeeded} | {len(ended) - succeeded} | {len(jobs) - len(ended)} | {bought} | {lost}"
        f" | {whole:.0f} | {whole / len(jobs):.2f}"
        f" | {statistics.median(times):.0f}, {times[int(len(times) * 0.95)]:.0f}, {times[-1]:.0f}"
        f" | {statistics.median(moves):.0f}, {moves[-1]} |",
        flush=True,
    )
    for code, times_seen in Counter(job["error"]["code"] for job in ended if job["error"]).items():
        print(f"  {times_seen} failed with {code}")


def print_shared(concurrency: int, clients: dict[str, Client], usage: Usage) -> None:
    throttles = sum(function.throttles for function in usage.functions.values())
    busiest = [(each.peak, f"{each.index or ''} {each.value}".strip()[:24]) for each in usage.writes]
    own = next((each for each in busiest if each[1].startswith(OWN_KEYS)), (0.0, ""))
    shared = next((each for each in busiest if not each[1].startswith(OWN_KEYS)), (0.0, ""))
    print(
        f"  {concurrency} functions at once: {sum(client.refusals for client in clients.values())} refused,"
        f" {throttles} throttled; write units in the busiest second: one job {own[0]:.0f},"
        f" shared {shared[0]:.0f} ({shared[1]})",
        flush=True,
    )


def moment(job: dict[str, Any], name: str) -> float:
    return datetime.fromisoformat(job[name]).timestamp()


if __name__ == "__main__":
    main()
