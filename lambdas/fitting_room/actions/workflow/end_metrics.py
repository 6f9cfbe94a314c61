"""The metrics of a job at its end: how it ended, how long it waited, what each provider took and charged.

Jobs whose plan has the sandbox are left out: a client asks for its failures, and may ask for any.
"""

from __future__ import annotations

from fitting_room import clock
from fitting_room.actions.cost import cost_of
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Fault
from fitting_room.jobs.job import Attempt, Job
from fitting_room.observability import MetricUnit, measure
from fitting_room.stores.offers import entry

ACCOUNT = ("provider_auth", "quota_exhausted")
"""What only the owner of the account at the provider can put right, even if another provider did the job."""


def measure_end(job: Job, status: str, error: Fault | None, at: Clock) -> None:
    """Publish the metrics of a job that has just ended. docs/operations.md lists them."""
    if not all(entry(provider, at).live for provider in job.plan):
        return
    failed = {"code": error.code} if error and status == "failed" else {}
    measure({f"Job{status.capitalize()}": (MetricUnit.Count, 1)}, **failed)
    bought = [attempt for attempt in job.attempts.values() if attempt.claimed_at and not attempt.recovered_n]
    if bought and job.batch is None:  # a row waits for its turn by design
        measure({"QueueTime": (MetricUnit.Seconds, _seconds(job.created_at, str(bought[0].claimed_at)))})
    for attempt in job.attempts.values():
        if not attempt.recovered_n and (values := _of_attempt(job, attempt, status, at)):
            measure(values, provider=attempt.provider)


def provider_seconds(attempt: Attempt) -> float | None:
    """Return the seconds from the submission to the outcome.

    None where one of them is missing.
    """
    if attempt.submitted_at and attempt.finished_at:
        return _seconds(attempt.submitted_at, attempt.finished_at)
    return None


def _of_attempt(job: Job, attempt: Attempt, status: str, at: Clock) -> dict[str, tuple[MetricUnit, float]]:
    values: dict[str, tuple[MetricUnit, float]] = {}
    if attempt.outcome == "finished" and (seconds := provider_seconds(attempt)) is not None:
        values["ProviderLatency"] = (MetricUnit.Seconds, seconds)
    cost = cost_of(job, attempt, at)
    if cost and cost.amount:
        values["Spend"] = (MetricUnit.NoUnit, cost.amount)
    if attempt.charged == "unknown" and status != "cancelled":  # a client that cancels can recover the result
        values["ChargeUnknown"] = (MetricUnit.Count, 1)
    if attempt.error and attempt.error.code in ACCOUNT:
        values["AccountRefused"] = (MetricUnit.Count, 1)
    return values


def _seconds(begin: str, end: str) -> float:
    return (clock.parse(end) - clock.parse(begin)).total_seconds()
