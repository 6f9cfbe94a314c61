"""Store a new job with everything that belongs to it, in one transaction, and start it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from fitting_room import clock
from fitting_room.actions.cost import asked_side
from fitting_room.actions.requests.plan import Plan
from fitting_room.actions.requests.tokens import used_up
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.job import Job, Reservation, Subject
from fitting_room.jobs.tasks import AnyRequest, TrainSubject
from fitting_room.providers.base import Model, Price
from fitting_room.settings import settings
from fitting_room.stores import aws, budgets, daily, executions, file_users, jobs, media, owners, subjects, tokens
from fitting_room.stores.api_keys import Caller
from fitting_room.stores.aws import Busy
from fitting_room.stores.items import Conflict, due_attributes, request_erasure, transact
from fitting_room.stores.offers import entry

START_GRACE = 60
"""Seconds after which the sweep starts a job whose own start was refused."""
Taken = list[Callable[[], None]]
"""How to give back each thing that a job took before it was stored."""


@dataclass(frozen=True)
class Accepted:
    job: Job
    replayed: bool = False


def accept(
    job: Job, inline: Mapping[str, bytes], writes: Mapping[str, dict[str, Any]], caller: Caller, at: Clock
) -> Accepted:
    """Store and start `job`, with the caller's own `writes` in the same transaction.

    `inline`: images to put into staging, by key. They are taken back when the job is refused. A row of a batch was counted
    and paid for with its batch, whose machine starts it. Raises `Refusal` (`budget_exceeded`, `throttled`, `forbidden`)
    and, when a condition of `writes` failed, `Conflict`.
    """
    taken: Taken = []
    try:
        if job.recovered_from is None and job.batch is None:
            _count(job, caller, taken, at)
        if job.batch is None:
            _reserve(job, taken, at)
        _store(job, inline, writes, caller, taken, at)
    except Exception:
        _give_back(taken)
        raise
    with aws.unimportant("whether all of an owner is being erased"):  # Settle asks again
        if owners.wants_erased(job):
            request_erasure(jobs.key(job.id), job.id, at.now(), clock.text(at.now()))
    if job.batch is None:
        executions.start_run(job.id)
    return Accepted(job)


def _count(job: Job, caller: Caller, taken: Taken, at: Clock) -> None:
    """Count a job for its owner and, if a token makes it, for the address that it comes from."""
    limits = settings().deployment
    counts = []
    if job.owner:
        counts.append((daily.of_owner(caller, job.owner, at), limits.daily_owner_jobs, "owner"))
    if caller.token:
        counts.append((daily.of_address(caller, at), limits.daily_address_jobs, "address"))
    for count, most, whose in counts:
        if not daily.add(count, most):
            raise over_budget(
                f"{most:,} jobs were submitted today for this {whose}, which is the limit.",
                f"ask the operator to raise `daily_{whose}_jobs`",
                at,
            )
        taken.append(partial(daily.take_back, count))


def _reserve(job: Job, taken: Taken, at: Clock) -> None:
    now = at.now()
    if job.reserved:
        if not budgets.coverable(job.tenant, job.reserved, at):
            raise over_a_day(
                "The tenant's budget for a whole day does not cover this job.",
                "Ask for fewer images, or ask the operator to raise the daily budget.",
            )
        if not budgets.reserve(job.tenant, job.reserved, at):
            raise over_budget(
                "The tenant's budget for today does not cover this job.",
                "ask the operator to raise the daily budget",
                at,
            )
        taken.append(partial(budgets.release, job.tenant, job.id, job.reserved))
    if job.mode == "test":
        if not budgets.count_test_job(job.tenant, now):
            most = settings().deployment.daily_test_jobs
            raise over_budget(
                f"Test keys of this tenant have submitted {most:,} jobs today, which is the limit.",
                "ask the operator to raise `daily_test_jobs`",
                at,
            )
        taken.append(partial(budgets.take_test_job_back, job.tenant, now))


def _store(
    job: Job, inline: Mapping[str, bytes], writes: Mapping[str, dict[str, Any]], caller: Caller, taken: Taken, at: Clock
) -> None:
    if not job.batch:  # the job of a row has the same id in every try, and may be there already
        taken.append(partial(media.remove, inline))
    for key, data in inline.items():
        media.put(key, data, "application/octet-stream")
    belongs = {**file_users.of_job(job), **owners.of_job(job), **_subject(job)}
    try:
        transact({"job": _stored(job, at), **belongs, **_spent(job, caller, at), **writes}, at.sleep)
    except Conflict as refused:
        if caller.token and refused.failed == {"token"}:
            raise used_up(caller.token) from refused
        raise
    except Busy as refused:
        if jobs.get(job.id, at.now()):  # an answer was lost before the table was throttled
            return
        raise Refusal.of(
            "throttled", "Too many jobs are being submitted at once.", "Send the request again.", retry_after=1
        ) from refused
    except aws.TROUBLE as error:
        if not aws.refused(error):  # the job may be stored: it needs what it took
            taken.clear()
        raise


def _spent(job: Job, caller: Caller, at: Clock) -> dict[str, dict[str, Any]]:
    """Everything but a recovery, which buys nothing, is a job of the token."""
    return {"token": tokens.spend(caller.token, at.now())} if caller.token and job.recovered_from is None else {}


def reservation(request: AnyRequest, planned: Plan, used: Mapping[str, Subject], at: Clock) -> Reservation | None:
    """Return the dearest that the plan can cost: any one of its providers, every image.

    Returns None for a free request.
    """
    count, prices = request.output.count, [price for _, price in offered(request, planned, used, at)]
    if all(price.free for price in prices):
        return None
    amount = max(price.per_image() or 0 for price in prices)
    return Reservation(day=at.now().date().isoformat(), images=count, microusd=round(amount * count * 1e6))


def offered(
    request: AnyRequest, planned: Plan, used: Mapping[str, Subject], at: Clock
) -> Iterator[tuple[Model | None, Price]]:
    """Yield the model and the price of each provider of a plan.

    The price is the exact one where the request asks for a size, else the dearest that can apply.
    """
    made_for = frozenset(subject.made_for for subject in used.values())
    for name in planned.providers:
        model = entry(name, at).model(request, made_for, planned.models)
        yield model, entry(name, at).cost(request, model, asked_side(request))


def expiry(at: Clock) -> str:
    return clock.text(at.now() + timedelta(days=settings().deployment.result_days))


def _stored(job: Job, at: Clock) -> dict[str, Any]:
    return {
        "Put": {
            "TableName": aws.table().name,
            "ConditionExpression": "attribute_not_exists(pk)",
            "Item": jobs.item(job) | due_attributes(job.id, clock.later(at.now(), START_GRACE)),
        }
    }


def _subject(job: Job) -> dict[str, dict[str, Any]]:
    if not isinstance(job.request, TrainSubject):
        return {}
    again = job.retried_from or job.recovered_from
    return {"subject": subjects.again(job) if again else subjects.begin(job, job.request)}


def _give_back(taken: Taken) -> None:
    """Give back everything that a refused job took.

    A failure does no harm: staging expires, and what was counted or reserved ends with the day.
    """
    for give_back in reversed(taken):
        with aws.unimportant("what a refused job took"):
            give_back()


def changed() -> Refusal:
    return Refusal.of(
        "conflict", "The job changed at the same time.", "Look at it with GET /v1/jobs/{id}, then try again."
    )


def over_budget(detail: str, otherwise: str, at: Clock) -> Refusal:
    tomorrow = (at.now() + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return Refusal.of(
        "budget_exceeded",
        detail,
        f"Wait until 00:00 UTC, or {otherwise}.",
        retry_after=int((tomorrow - at.now()).total_seconds()) + 1,
    )


def over_a_day(detail: str, remedy: str) -> Refusal:
    """Return the refusal of what no day's budget covers: to wait does not help."""
    return Refusal.of("budget_exceeded", detail, remedy, retryable=False)
