"""Count what AWS would bill and throttle: requests, write units a key, invocations, state transitions, log bytes."""

from __future__ import annotations

import importlib
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from local.emulator.dynamodb import Key
from local.emulator.rewriting import rewrite

EVENT_BYTES = 26  # CloudWatch bills these on top of each log event's text


@dataclass
class Rate:
    """Units altogether, in the current second, and in the busiest second."""

    total: float = 0
    peak: float = 0
    second: int = 0
    current: float = 0

    def add(self, units: float, now: float) -> None:
        self.current = self.at(now) + units
        self.second = int(now)
        self.total += units
        self.peak = max(self.peak, self.current)

    def at(self, now: float) -> float:
        """Return the units of the second that `now` lies in."""
        return self.current if int(now) == self.second else 0


@dataclass
class Invocations:
    """Of one function. `gb_seconds` is this laptop's time, cold starts included."""

    invocations: int = 0
    errors: int = 0
    throttles: int = 0
    gb_seconds: float = 0


@dataclass
class Counts:
    """Everything since `since`, a Unix time."""

    since: float
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    writes: defaultdict[Key, Rate] = field(default_factory=lambda: defaultdict(Rate))
    functions: defaultdict[str, Invocations] = field(default_factory=lambda: defaultdict(Invocations))
    transitions: Counter[str] = field(default_factory=Counter)
    log_bytes: int = 0


class Usage:
    """State machines and functions run in threads of their own, so one lock guards all counts."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._counts = Counts(now())

    def reset(self) -> None:
        with self._lock:
            self._counts = Counts(self._now())

    def requested(self, service: str, operation: str) -> None:
        with self._lock:
            self._counts.requests[service, operation] += 1

    def wrote(self, key: Key, units: float) -> None:
        with self._lock:
            self._counts.writes[key].add(units, self._now())

    def written_this_second(self, key: Key) -> float:
        with self._lock:
            rate = self._counts.writes.get(key)
            return rate.at(self._now()) if rate else 0

    def invoked(self, function: str, megabytes: int, seconds: float, failed: bool) -> None:
        with self._lock:
            record = self._counts.functions[function]
            record.invocations += 1
            record.errors += failed
            record.gb_seconds += megabytes / 1024 * ceil(seconds * 1000) / 1000

    def throttled(self, function: str) -> None:
        with self._lock:
            self._counts.functions[function].throttles += 1

    def moved_on(self, execution: str) -> None:
        with self._lock:
            self._counts.transitions[execution] += 1

    def logged(self, messages: list[str]) -> None:
        with self._lock:
            self._counts.log_bytes += sum(len(message.encode()) + EVENT_BYTES for message in messages)

    def listed(self) -> dict[str, Any]:
        """List the usage as JSON: the busiest keys first, executions by machine and name."""
        with self._lock:
            counts = self._counts
            requests: defaultdict[str, dict[str, int]] = defaultdict(dict)
            for (service, operation), times in sorted(counts.requests.items()):
                requests[service][operation] = times
            transitions: defaultdict[str, dict[str, int]] = defaultdict(dict)
            for execution, moves in counts.transitions.items():
                machine, name = execution.split(":")[6:8]
                transitions[machine][name] = moves
            busiest = sorted(counts.writes.items(), key=lambda each: -each[1].peak)
            return {
                "since": counts.since,
                "seconds": self._now() - counts.since,
                "requests": requests,
                "writes": [{**vars(key), "total": rate.total, "peak": rate.peak} for key, rate in busiest],
                "functions": {name: vars(record) for name, record in counts.functions.items()},
                "transitions": transitions,
                "log_bytes": counts.log_bytes,
            }


def count_transitions(usage: Usage) -> None:
    """Count every state that is entered and every retry, in branches and items too, as AWS bills them."""
    machines: Any = importlib.import_module("ministack.services.stepfunctions")
    machines._count_transition = lambda execution: usage.moved_on(execution["executionArn"])
    entered = 'ctx["State"] = {"Name": current_name, "EnteredTime": now_iso(), "RetryCount": 0}'
    for function in ("_run_execution", "_run_sub_machine"):
        rewrite(machines, function, (entered, f"_count_transition(execution); {entered}"))
    retried = "retry_counts[retrier_idx] = count + 1"
    rewrite(machines, "_execute_task", (retried, f"_count_transition(execution); {retried}"))


def time_invocations(usage: Usage) -> None:
    """Time each invocation.

    Call it before `queue_beyond`: a wait for one of this laptop's processes costs nothing on AWS.
    """
    service: Any = importlib.import_module("ministack.services.lambda_svc")
    execute = service._execute_function_warm

    def execute_timed(func: dict[str, Any], event: Any, request_id: str) -> Any:
        began = time.perf_counter()
        result = execute(func, event, request_id)
        config = func.get("config") or func
        seconds = time.perf_counter() - began
        usage.invoked(config["FunctionName"], config.get("MemorySize", 128), seconds, bool(result.get("error")))
        return result

    service._execute_function_warm = execute_timed


def weigh_logs(usage: Usage) -> None:
    logs: Any = importlib.import_module("ministack.services.cloudwatch_logs")
    append = logs._append_log_events

    def append_weighed(stream: Any, events: list[dict[str, Any]]) -> None:
        usage.logged([event["message"] for event in events])
        append(stream, events)

    logs._append_log_events = append_weighed
