"""The event owed to the webhook of a job or a batch: one item beside its own, on the `due` index until it was taken.

It stays when nothing is owed any more: its tries can be read, and the event sent again.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from fitting_room import clock
from fitting_room.jobs.batch import Batch
from fitting_room.jobs.job import Job
from fitting_room.settings import settings
from fitting_room.stores import aws
from fitting_room.stores.executions import of_batch
from fitting_room.stores.items import due_attributes, to_item, update_and_return, update_if, without_decimals

SORT_KEY = "WEBHOOK"
MAX_TRIES = 100
"""Of one event in all; each is kept."""
Status = Literal["scheduled", "delivered", "stopped", "failed"]
"""`stopped`: the receiver answered 410. `failed`: the schedule is over."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", defer_build=True)


class Try(_Model):
    """`status` is the receiver's answer; without one, `error` says why there is none, once that is known."""

    n: int
    at: str
    status: int | None = None
    error: str | None = None
    seconds: float | None = None


class Delivery(_Model):
    """A webhook event and its tries.

    `round`: tries since the event was due, or was sent again. `next_at`: when it is tried. While a try is under way,
    it is the time after which the try counts as lost.
    """

    job_id: str
    """Of the job, or of the batch."""
    tenant: str
    event: Literal["job.finished", "subject.finished", "batch.finished"]
    status: Status = "scheduled"
    next_at: str | None = None
    round: int = 0
    tries: dict[str, Try] = {}

    @property
    def webhook_id(self) -> str:
        """The same in every try: a job or a batch has one event."""
        return f"msg_{self.job_id.partition('_')[2]}"


def key(thing_id: str) -> dict[str, str]:
    return {"pk": f"{'BATCH' if of_batch(thing_id) else 'JOB'}#{thing_id}", "sk": SORT_KEY}


def new_item(job: Job, now: datetime, look_at: str) -> dict[str, Any]:
    """Return the transaction item that owes the end of a job to its webhook."""
    delivery = Delivery(
        job_id=job.id,
        tenant=job.tenant,
        event="subject.finished" if job.subject else "job.finished",
        next_at=clock.text(now),
    )
    return _new(delivery, job.expires_at, look_at)


def new_item_of_batch(batch: Batch, now: datetime, look_at: str) -> dict[str, Any]:
    """Return the transaction item that owes the end of a batch to its webhook."""
    delivery = Delivery(job_id=batch.id, tenant=batch.tenant, event="batch.finished", next_at=clock.text(now))
    return _new(delivery, batch.expires_at, look_at)


def _new(delivery: Delivery, expires_at: str, look_at: str) -> dict[str, Any]:
    item = {**key(delivery.job_id), **to_item(delivery), **due_attributes(delivery.job_id, look_at)}
    item["ttl"] = int(clock.parse(expires_at).timestamp())
    return {"Put": {"TableName": aws.table().name, "Item": item}}


def get(job_id: str) -> Delivery | None:
    found = aws.table().get_item(Key=key(job_id), ConsistentRead=True).get("Item")
    return Delivery.model_validate(without_decimals(found)) if found else None


def claim(delivery: Delivery, now: datetime, lost_at: str) -> Delivery | None:
    """Take the right to make the next try, and return the delivery with that try; None when another function was faster.

    At `lost_at` a try that was not recorded is repeated.
    """
    made = Try(n=len(delivery.tries) + 1, at=clock.text(now))
    found = update_and_return(
        key(delivery.job_id),
        "SET tries.#n = :try, #round = #round + :one, next_at = :lost, due_at = :lost",
        "#status = :scheduled AND next_at = :before",
        names={"#n": str(made.n), "#round": "round", "#status": "status"},
        values={
            ":try": to_item(made),
            ":one": 1,
            ":lost": lost_at,
            ":scheduled": "scheduled",
            ":before": delivery.next_at,
        },
    )
    return Delivery.model_validate(without_decimals(found)) if found else None


def broke_off(delivery: Delivery, made: Try) -> None:
    """Write down why a try has no answer, unless its function wrote one meanwhile."""
    update_if(
        key(delivery.job_id),
        "SET tries.#n = :try",
        "attribute_exists(tries.#n) AND attribute_not_exists(tries.#n.#status) AND attribute_not_exists(tries.#n.#error)",
        names={"#n": str(made.n), "#status": "status", "#error": "error"},
        values={":try": to_item(made)},
    )


def end(claimed: Delivery, made: Try, status: Status) -> None:
    """Write down how a try went, after which nothing is owed."""
    update = "SET tries.#n = :try, #status = :status REMOVE next_at, due_shard, due_at"
    _record(claimed, made, update, {":status": status}, {"#status": "status"})


def postpone(claimed: Delivery, made: Try, next_at: str, look_at: str) -> None:
    """Write down how a try went, and when the next one is.

    At `look_at` the sweep sees to it.
    """
    update = "SET tries.#n = :try, next_at = :next, due_at = :look"
    _record(claimed, made, update, {":next": next_at, ":look": look_at}, {})


def _record(claimed: Delivery, made: Try, update: str, values: dict[str, Any], names: dict[str, str]) -> None:
    """Store a try and its effect on the delivery.

    An event that was sent again during the try stays due.
    """
    names, mine = {"#n": str(made.n)} | names, {":try": to_item(made)}
    if not update_if(
        key(claimed.job_id),
        update,
        "next_at = :claimed",
        names=names,
        values=mine | values | {":claimed": claimed.next_at},
    ):
        update_if(
            key(claimed.job_id), "SET tries.#n = :try", "attribute_exists(pk)", names={"#n": str(made.n)}, values=mine
        )


def restart(delivery: Delivery, now: datetime, look_at: str) -> None:
    """Owe the event once more, from the beginning of the schedule."""
    mark = due_attributes(delivery.job_id, look_at)
    update_if(
        key(delivery.job_id),
        "SET #status = :scheduled, #round = :none, next_at = :now, due_shard = :shard, due_at = :look",
        "attribute_exists(pk)",
        names={"#status": "status", "#round": "round"},
        values={
            ":scheduled": "scheduled",
            ":none": 0,
            ":now": clock.text(now),
            ":shard": mark["due_shard"],
            ":look": look_at,
        },
    )


def remove(job_id: str) -> None:
    aws.table().delete_item(Key=key(job_id))


def enqueue(delivery: Delivery, delay: int = 0) -> None:
    """Have the event sent after so many seconds, at most 900.

    One tenant's slow receivers do not hold up the others'.
    """
    aws.queues().send_message(
        QueueUrl=settings().webhook_queue,
        MessageBody=json.dumps({"job_id": delivery.job_id}),
        MessageGroupId=delivery.tenant,
        DelaySeconds=delay,
    )
