"""Send a webhook the event that a job or a batch is over: signed, at least once, on the schedule of Standard Webhooks.

A message of the queue says only that it is time to look. The delivery's item says whether a try is due, so a message
that comes twice, or too late, changes nothing; one that is lost is made up for by the sweep.
"""

from __future__ import annotations

import json
import math
import random
from typing import Any, NamedTuple

from standardwebhooks import Webhook

from fitting_room import clock
from fitting_room.clock import Clock
from fitting_room.jobs.batch import Batch
from fitting_room.jobs.job import Job
from fitting_room.net import safe_http
from fitting_room.net.safe_http import Answered, FetchFailed
from fitting_room.observability import MetricUnit, logger, metrics
from fitting_room.settings import settings
from fitting_room.stores import batches, deliveries, jobs, subjects, webhooks
from fitting_room.stores.aws import unimportant
from fitting_room.stores.deliveries import Delivery, Try
from fitting_room.stores.executions import of_batch

SCHEDULE = (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds before each try, counted from the one before. Tries do not come back all at once: up to a tenth is added."""
TIMEOUT = 15.0
"""Seconds that a receiver gets for everything."""
LOST_SECONDS = 60
"""After which a try that was not recorded is repeated; longer than the function lives."""
QUEUE_SECONDS = 900
"""The longest pause that the queue keeps; longer ones are the sweep's."""
SWEEP_AFTER = 60
"""Seconds that a message gets to arrive before the sweep queues another one."""
CLOCKS_DIFFER = 2
"""Seconds by which a function's clock may be behind that of the function that owed the event."""
GONE = 410


class Told(NamedTuple):
    """What is told of a job or a batch, and where."""

    thing: Job | Batch
    url: str
    data: dict[str, Any]


def notify(thing_id: str, at: Clock) -> None:
    """Make the try that is due, if one is.

    The event of a job or a batch that is erased, or is to be, is dropped.
    """
    delivery = deliveries.get(thing_id)
    if delivery is None:
        return
    told = _told(thing_id, at)
    if told is None:
        deliveries.remove(thing_id)
        return
    due = delivery.status == "scheduled" and str(delivery.next_at) <= clock.later(at.now(), CLOCKS_DIFFER)
    if not due or (isinstance(told.thing, Job) and _subject_open(told.thing, at)):
        return
    last = delivery.tries.get(str(len(delivery.tries)))
    if last and last.status is None and last.error is None:
        last.error = "The function that sent it broke off; the receiver may have got it."
        deliveries.broke_off(delivery, last)
    if last and delivery.round == len(SCHEDULE):  # the function died in the last try
        _end(delivery, last, "failed")
    elif claimed := deliveries.claim(delivery, at.now(), clock.later(at.now(), LOST_SECONDS)):
        _try(told, claimed, at)


def _told(thing_id: str, at: Clock) -> Told | None:
    """Return what there is to tell; None for what is erased, or is to be."""
    thing: Job | Batch | None
    if of_batch(thing_id):
        thing = batches.get(thing_id, at.now())
        if thing is None or thing.erase_requested_at or thing.webhook is None:
            return None
        data = {"reference": thing.reference, "links": {"self": f"/v1/batches/{thing.id}"}}
        return Told(thing, thing.webhook, {"id": thing.id, "status": thing.status, **data})
    thing = jobs.get(thing_id, at.now())
    if thing is None or thing.erase_requested_at:
        return None
    assert thing.request.webhook, "only a job with a webhook has a delivery"
    return Told(thing, thing.request.webhook.url, _of_job(thing))


def event(told: Told, delivery: Delivery) -> dict[str, Any]:
    """Return the event's body, which is the same in every try."""
    return {"type": delivery.event, "timestamp": told.thing.finished_at, "data": told.data}


def _of_job(job: Job) -> dict[str, Any]:
    data: dict[str, Any] = {
        "id": job.id,
        "task": job.task,
        "status": job.status,
        "reference": job.request.reference,
        "owner": job.request.owner,
        "links": {"self": f"/v1/jobs/{job.id}"},
    }
    if job.subject:
        data["id"] = job.subject
        data["status"] = "ready" if job.status == "succeeded" else "failed"
        data["links"] = {"self": f"/v1/subjects/{job.subject}", "job": f"/v1/jobs/{job.id}"}
    return data


def _subject_open(job: Job, at: Clock) -> bool:
    """Return whether the end of a subject's making is still unrecorded.

    The event would then be sent too early.
    """
    subject = subjects.get(job.subject, job.tenant, at.now()) if job.subject else None
    return subject is not None and subject.job_id == job.id and subject.status == "training"


def _try(told: Told, delivery: Delivery, at: Clock) -> None:
    made, began, asked = delivery.tries[str(len(delivery.tries))], at.ms(), 0.0
    try:
        answer = _sent(told, delivery, at)
        made.status, asked = answer.status, answer.retry_after or 0.0
    except FetchFailed as failed:
        made.error = f"{failed.why}."
    made.seconds = (at.ms() - began) / 1000
    if made.status and 200 <= made.status < 300:
        _end(delivery, made, "delivered")
    elif made.status == GONE:
        _end(delivery, made, "stopped")
    elif delivery.round < len(SCHEDULE):
        _later(delivery, made, asked, at)
    else:
        _end(delivery, made, "failed")


def _sent(told: Told, delivery: Delivery, at: Clock) -> Answered:
    """Send the event and return the answer.

    Raises `FetchFailed`, whose words name no more of the address than its host.
    """
    secrets, now = webhooks.living(told.thing.tenant, at.now()), at.now()
    if not secrets:
        raise FetchFailed("the tenant has no secret to sign with", "Ask the operator to create one.")
    body = json.dumps(event(told, delivery), separators=(",", ":"))
    headers = {
        "Content-Type": "application/json",
        "webhook-id": delivery.webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(delivery.webhook_id, now, body) for secret in secrets),
    }
    return safe_http.post(
        told.url, body.encode(), headers, allow=frozenset(settings().deployment.fetch_allow), timeout=TIMEOUT
    )


def _end(delivery: Delivery, made: Try, status: deliveries.Status) -> None:
    deliveries.end(delivery, made, status)
    _say(delivery, made, status)
    metrics.add_metric("Webhook" + status.capitalize(), MetricUnit.Count, 1)


def _later(delivery: Delivery, made: Try, asked: float, at: Clock) -> None:
    spread = random.uniform(1, 1.1)  # noqa: S311  jitter, not a secret
    pause = math.ceil(max(SCHEDULE[delivery.round] * spread, asked))
    queued = pause <= QUEUE_SECONDS
    look_at = clock.later(at.now(), pause + (SWEEP_AFTER if queued else 0))
    deliveries.postpone(delivery, made, clock.later(at.now(), pause), look_at)
    _say(delivery, made, "scheduled")
    if queued:
        with unimportant("queueing a webhook"):
            deliveries.enqueue(delivery, pause)


def _say(delivery: Delivery, made: Try, status: str) -> None:
    logger.info("webhook tried", job_id=delivery.job_id, n=made.n, answered=made.status, status=status)
