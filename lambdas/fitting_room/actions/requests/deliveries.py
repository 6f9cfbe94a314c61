"""The tries of a job's webhook event, and sending the event again."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from fitting_room import clock
from fitting_room.actions.job_view import find_job
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.job import Job
from fitting_room.stores import deliveries
from fitting_room.stores.api_keys import Caller
from fitting_room.stores.aws import unimportant
from fitting_room.stores.deliveries import MAX_TRIES, Delivery

_SWEEP_SECONDS = 60


def list_deliveries(job_id: str, caller: Caller, at: Clock) -> dict[str, Any]:
    """Return the tries of a job's event, the oldest first.

    Raises `Refusal` `not_found` or `erased`.
    """
    return _view(find_job(job_id, caller, at), deliveries.get(job_id))


def resend(job_id: str, caller: Caller, at: Clock) -> dict[str, Any]:
    """Owe the event once more, now and then on the whole schedule; the answer is that of `list_deliveries`.

    Raises `Refusal`: `conflict` for a job without a webhook, that is not over, or whose event was tried too often.
    """
    job, delivery = find_job(job_id, caller, at), deliveries.get(job_id)
    if job.request.webhook is None:
        raise _conflict("This job has no webhook.", "Name one in `webhook` of the next job.")
    if job.erase_requested_at:
        raise _conflict("This job is being erased.", "Nothing is left to do.")
    if delivery is None:
        raise _conflict(f"This job is {job.status}: its webhook is told when it is over.", "Wait for its end.")
    if len(delivery.tries) >= MAX_TRIES:
        raise _conflict(f"The event was tried {MAX_TRIES} times.", "Read the job with GET /v1/jobs/{id}.")
    deliveries.restart(delivery, at.now(), clock.later(at.now(), _SWEEP_SECONDS))
    with unimportant("queueing a webhook"):
        deliveries.enqueue(delivery)
    return _view(job, deliveries.get(job_id))


def _conflict(detail: str, remedy: str) -> Refusal:
    return Refusal.of("conflict", detail, remedy)


def _view(job: Job, delivery: Delivery | None) -> dict[str, Any]:
    """Show the host alone of the address, whose path or query may hold a secret of the receiver."""
    tries = delivery.tries if delivery else {}
    return {
        "webhook_id": delivery and delivery.webhook_id,
        "event": delivery and delivery.event,
        "host": urlsplit(job.request.webhook.url).hostname if job.request.webhook else None,
        "status": delivery and delivery.status,
        "next_at": delivery and delivery.next_at,
        "items": [tries[n].model_dump(mode="json") for n in sorted(tries, key=int)],
    }
