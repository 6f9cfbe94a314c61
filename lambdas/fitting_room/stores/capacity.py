"""Vendors' limits, kept in the table: evenly spaced slots for a rate, numbered leases for a concurrency.

No burst is allowed: a burst plus the spacing can put more calls into a window than the vendor permits.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

from fitting_room.jobs.rate import Rate
from fitting_room.stores import aws
from fitting_room.stores.items import update_and_return, update_if

JITTER_MS = 3000
"""How late a call may leave after its slot; the spacing allows for it, and a later one gives its slot up."""
_TRIES = 50
_LEASES_TRIED = 3


def gap_ms(rate: Rate) -> int:
    """Return the time between two slots, in ms.

    No window then holds more than `rate.submits`, even with every call late by the jitter.
    """
    return -(-int(rate.seconds * 1000 + JITTER_MS) // rate.submits)


class Queue(NamedTuple):
    """What is known of the turns at a provider, in epoch ms."""

    next_ms: int = -1
    """The next slot that no job has."""
    blocked_ms: int = -1
    """Until then no job calls the provider: it asked for a pause."""
    live_ms: int = -1
    """Until then rows of batches take no place: a live job waits for one."""


def look(provider: str, *, consistent: bool = False) -> Queue:
    found = aws.table().get_item(Key=_queue(provider), ConsistentRead=consistent).get("Item", {})
    return Queue(*(int(str(found.get(name, -1))) for name in Queue._fields))


def reserve_slot(provider: str, rate: Rate | None, now_ms: int, horizon_ms: int) -> tuple[int | None, int]:
    """Take the next slot of a provider, in epoch ms: `(slot, slot)`, or `(None, earliest)` if that lies beyond the horizon.

    What is read first says which write will hold, so a job that gets no slot writes nothing. DynamoDB has no `max()`, hence
    the two conditional forms; the one that is tried holds unless another caller was faster. Without a rate all jobs have
    one slot: the end of the provider's pause.
    """
    found = look(provider)
    for _ in range(_TRIES):
        first = max(now_ms, found.blocked_ms)
        earliest = max(found.next_ms, found.blocked_ms) if rate else found.blocked_ms
        if earliest >= horizon_ms:
            return None, earliest
        if rate is None:
            return first, first
        gap = gap_ms(rate)
        if found.next_ms < first and update_if(
            _queue(provider),
            "SET next_ms = :next",
            "attribute_not_exists(next_ms) OR next_ms < :first",
            values={":next": first + gap, ":first": first},
        ):
            return first, first
        after = update_and_return(
            _queue(provider),
            "SET next_ms = next_ms + :gap",
            "next_ms >= :first AND next_ms < :horizon",
            values={":gap": gap, ":first": first, ":horizon": horizon_ms},
        )
        if after is not None:
            slot = int(str(after["next_ms"])) - gap
            return slot, slot
        found = look(provider, consistent=True)
    return None, horizon_ms


def next_slot(provider: str, now_ms: int) -> int:
    """Return the slot a call would get now, in epoch ms, without taking it."""
    found = look(provider)
    return max(now_ms, found.next_ms, found.blocked_ms)


def block_until(provider: str, until_ms: int) -> None:
    """Let no job call a provider before that time: it asked for a pause."""
    _postpone(provider, "blocked_ms", until_ms)


def let_live_first(provider: str, until_ms: int) -> None:
    """Let no row of a batch take a place at a provider before that time: a live job waits for one."""
    _postpone(provider, "live_ms", until_ms)


def _postpone(provider: str, name: str, until_ms: int) -> None:
    condition = f"attribute_not_exists({name}) OR {name} < :until"
    update_if(_queue(provider), f"SET {name} = :until", condition, values={":until": until_ms})


def _queue(provider: str) -> dict[str, str]:
    return {"pk": "RATE", "sk": provider}


def acquire_lease(provider: str, cap: int, job_id: str, held: int | None, now_ms: int, until_ms: int) -> int | None:
    """Take one of `cap` numbered leases that is free, expired or the job's already; None when all are taken.

    One read says which those are, and at most three are tried: a full provider costs a waiting job no write. The
    job's own lease comes first, then the one it `held`, then always the same order. So calls of one job that meet end
    up with one lease.
    """
    holders = _holders(provider, now_ms)
    own = [number for number, holder in holders.items() if holder == job_id]
    first = zlib.crc32(job_id.encode())
    wanted = own + ([] if held is None else [held]) + [(first + step) % cap for step in range(cap)]
    free = [number for number in dict.fromkeys(wanted) if number < cap and holders.get(number, job_id) == job_id]
    return next(
        (
            number
            for number in free[:_LEASES_TRIED]
            if update_if(
                _lease(provider, number),
                "SET job_id = :job, expires_ms = :until",
                "attribute_not_exists(job_id) OR job_id = :job OR expires_ms < :now",
                values={":job": job_id, ":until": until_ms, ":now": now_ms},
            )
        ),
        None,
    )


def _holders(provider: str, now_ms: int) -> dict[int, str]:
    """Return the job that holds each taken lease, by a read that may be a second old."""
    answer = aws.table().query(
        KeyConditionExpression="pk = :provider", ExpressionAttributeValues={":provider": f"LEASE#{provider}"}
    )
    return {
        int(str(item["sk"])): str(item["job_id"])
        for item in answer["Items"]
        if "job_id" in item and int(str(item["expires_ms"])) >= now_ms
    }


def free_lease(provider: str, number: int, job_id: str) -> None:
    """Free a lease at once, unless it belongs to another job."""
    update_if(
        _lease(provider, number),
        "SET expires_ms = :zero REMOVE job_id",
        "job_id = :job",
        values={":zero": 0, ":job": job_id},
    )


def shorten_lease(provider: str, number: int, job_id: str, until_ms: int) -> None:
    """Let a lease end at that time, if it would end later."""
    update_if(
        _lease(provider, number),
        "SET expires_ms = :until",
        "job_id = :job AND expires_ms > :until",
        values={":job": job_id, ":until": until_ms},
    )


def renew_lease(provider: str, number: int, job_id: str, until_ms: int, renewed_ms: int) -> bool:
    """Move the end of a lease, unless it was taken over meanwhile, be it by another call for the same job."""
    return update_if(
        _lease(provider, number),
        "SET expires_ms = :renewed",
        "job_id = :job AND expires_ms = :until",
        values={":job": job_id, ":until": until_ms, ":renewed": renewed_ms},
    )


def _lease(provider: str, number: int) -> dict[str, str]:
    return {"pk": f"LEASE#{provider}", "sk": f"{number:04d}"}
