"""Jobs in the table. Every write says what must still be true; no write depends on what was read before."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

from boto3.dynamodb.conditions import Attr, Key

from fitting_room import clock
from fitting_room.jobs.errors import Fault, JobWarning
from fitting_room.jobs.job import Attempt, Job, JobImage, Mode, Source, StepName
from fitting_room.stores import aws
from fitting_room.stores.items import to_item, update_and_return, update_if, without_decimals

_OPEN = "#status IN (:queued, :running)"
_OPEN_VALUES = {":queued": "queued", ":running": "running"}
_LOOKS = 1000
"""Jobs that one page of a list looks at, at most."""
_STORED_WITHIN = timedelta(minutes=1)
"""Between the id of a job and its `created_at`, at most."""


def key(job_id: str) -> dict[str, str]:
    return {"pk": f"JOB#{job_id}", "sk": "JOB"}


def item(job: Job) -> dict[str, Any]:
    """Return the item of a job.

    `request` is kept as text: it holds floats and free-form options that DynamoDB would change.
    """
    item = to_item(job)
    listed = {"owner": job.request.owner, "reference": job.request.reference}
    return {
        **item,
        **key(job.id),
        "listed": _listing(job.tenant, job.mode),
        **{name: value for name, value in listed.items() if value is not None},
        "request": job.request.model_dump_json(by_alias=True),
        "ttl": int(clock.parse(job.expires_at).timestamp()),
    }


def get(job_id: str, now: datetime) -> Job | None:
    """Return the job, read consistently.

    None once it is erased or has expired, even while DynamoDB still holds it.
    """
    found = aws.table().get_item(Key=key(job_id), ConsistentRead=True).get("Item")
    if found is None or "erased_at" in found or str(found["expires_at"]) <= clock.text(now):
        return None
    return _job(found)


class Page(NamedTuple):
    """`cursor`: where the next page begins; None after the last one. A page may be short although more follow."""

    jobs: list[Job]
    cursor: str | None


def listed(
    tenant: str,
    mode: Mode,
    now: datetime,
    *,
    limit: int,
    cursor: str | None = None,
    facts: Mapping[str, str] = MappingProxyType({}),
    wanted: Callable[[Job], bool] | None = None,
    between: tuple[datetime | None, datetime | None] = (None, None),
    ids: tuple[str, str] | None = None,
) -> Page:
    """Return a tenant's jobs of one mode, newest first.

    `facts`: `task`, `owner`, `reference` or `batch`, which the index itself knows. `wanted` needs the job, so it costs a
    read of each. `between` and `ids`: no jobs outside these times and ids need to be looked at. One call looks at 1,000 jobs
    at most. Raises `ValueError` for a cursor that this function did not give out.
    """
    found: list[Job] = []
    after, looked = position(cursor) if cursor else None, 0
    if cursor and after is None:
        raise ValueError("no cursor")
    oldest, newest = (clock.first_id("job", moment) if moment else None for moment in _widened(between))
    if ids:
        oldest, newest = max(oldest or ids[0], ids[0]), min(newest or ids[1], ids[1])
    if newest and (after is None or newest < after):
        after = newest
    if oldest and after and oldest > after:
        return Page(found, None)
    look = {"Limit": 100 if facts or wanted else min(limit + 1, 100), **_look(facts)}
    while looked < _LOOKS:
        answer = aws.table().query(**look, KeyConditionExpression=_range(_listing(tenant, mode), oldest, after))
        looked += answer["ScannedCount"]
        for job in many([str(item["id"]) for item in answer["Items"] if item["id"] != after], now):
            if len(found) == limit:
                return Page(found, _cursor(found[-1].id))
            if wanted is None or wanted(job):
                found.append(job)
        last = answer.get("LastEvaluatedKey")
        if last is None:
            return Page(found, None)
        after = str(last["id"])
    return Page(found, after and _cursor(after))


def of_batch(tenant: str, mode: Mode, ids: tuple[str, str], now: datetime) -> Iterator[Job]:
    """Yield the jobs of a batch, the last row first. `ids`: the first and the last that they may have."""
    cursor: str | None = None
    while True:
        page = listed(tenant, mode, now, limit=100, cursor=cursor, ids=ids)
        yield from page.jobs
        if (cursor := page.cursor) is None:
            return


def many(job_ids: list[str], now: datetime) -> list[Job]:
    """Return those of up to 100 jobs that are neither erased nor expired, in the order of their ids here.

    Read consistently: a copy of the table may not have a job yet that the index has, and a list would pass over it.
    """
    table = aws.table()
    found: dict[str, dict[str, Any]] = {}
    keys = {"Keys": [key(job_id) for job_id in job_ids], "ConsistentRead": True}
    asked: dict[str, Any] = {table.name: keys} if job_ids else {}
    while asked:
        answer = table.meta.client.batch_get_item(RequestItems=asked)
        found |= {str(item["id"]): item for item in answer["Responses"].get(table.name, [])}
        asked = answer.get("UnprocessedKeys", {})
    items = [found[job_id] for job_id in job_ids if job_id in found]
    return [_job(item) for item in items if not ("erased_at" in item or str(item["expires_at"]) <= clock.text(now))]


def there(job_ids: list[str]) -> set[str]:
    """Return those of these ids that a job, or what is left of an erased one, has."""
    table, found = aws.table(), set[str]()
    for start in range(0, len(job_ids), 100):
        keys = {"Keys": [key(job_id) for job_id in job_ids[start : start + 100]], "ConsistentRead": True}
        asked: dict[str, Any] = {table.name: {**keys, "ProjectionExpression": "id"}}
        while asked:
            answer = table.meta.client.batch_get_item(RequestItems=asked)
            found |= {str(item["id"]) for item in answer["Responses"].get(table.name, [])}
            asked = answer.get("UnprocessedKeys", {})
    return found


def _widened(between: tuple[datetime | None, datetime | None]) -> tuple[datetime | None, datetime | None]:
    """Return the range of ids for a range of times. One clock may be a little ahead of another."""
    after, before = between
    return after and after - _STORED_WITHIN, before and before + _STORED_WITHIN


def _look(facts: Mapping[str, str]) -> dict[str, Any]:
    query: dict[str, Any] = {"IndexName": "listed", "ScanIndexForward": False}
    for name, value in facts.items():
        matches = Attr(name).eq(value)
        query["FilterExpression"] = query["FilterExpression"] & matches if "FilterExpression" in query else matches
    return query


def _range(listing: str, oldest: str | None, after: str | None) -> Any:
    """Return the key condition for the part of a listing between two ids. DynamoDB finds both of them, too."""
    here = Key("listed").eq(listing)
    if after:
        return here & (Key("id").between(oldest, after) if oldest else Key("id").lte(after))
    return here & Key("id").gte(oldest) if oldest else here


def _listing(tenant: str, mode: Mode) -> str:
    return f"{tenant}#{mode}"


def _cursor(job_id: str) -> str:
    return base64.urlsafe_b64encode(job_id.encode()).decode().rstrip("=")


def position(cursor: str) -> str | None:
    """Return the id after which a page begins; None for a cursor that `listed` did not give out."""
    try:
        job_id = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:
        return None
    return job_id if clock.is_id(job_id, "job") and _cursor(job_id) == cursor else None


def _job(item: Mapping[str, Any]) -> Job:
    return Job.model_validate({**without_decimals(dict(item)), "request": json.loads(str(item["request"]))})


def raw_item(job_id: str) -> dict[str, Any] | None:
    """Return the raw item, read consistently.

    It serves facts that are needed even when the job is erased.
    """
    return aws.table().get_item(Key=key(job_id), ConsistentRead=True).get("Item")


def unwanted(job_id: str) -> bool:
    """Return whether a job is erased, or is to be.

    No data written for it may stay.
    """
    found = raw_item(job_id)
    return found is None or erasing(found)


def erasing(found: dict[str, Any]) -> bool:
    """Return whether a raw item is of a job that is erased, or is to be."""
    return "erased_at" in found or bool(found.get("erase_requested_at"))


def show_step(job: Job, step: StepName, now: datetime) -> None:
    """Show where the job is, once per step and only while it is open.

    It goes on when that cannot be written.
    """
    with aws.unimportant("where a job is"):
        update_if(
            key(job.id),
            "SET #step = :step, slot_at = :none, timeline = list_append(timeline, :entry)",
            f"{_OPEN} AND (#step <> :step OR slot_at <> :none)",
            names={"#status": "status", "#step": "step"},
            values={
                **_OPEN_VALUES,
                ":step": step,
                ":none": None,
                ":entry": [{"step": step, "at": clock.text(now)}],
            },
        )


def fail(job: Job, fault: Fault) -> None:
    """Record that no further attempt can be made.

    Settling turns the fault into the job's error.
    """
    update_if(
        key(job.id),
        "SET failure = :fault",
        _OPEN,
        names={"#status": "status"},
        values={**_OPEN_VALUES, ":fault": to_item(fault)},
    )


def staged(job: Job, sources: dict[str, Source]) -> None:
    """Remember where images of an open job lie now."""
    update_if(
        key(job.id),
        "SET sources = :sources",
        _OPEN,
        names={"#status": "status"},
        values={**_OPEN_VALUES, ":sources": _sources_item({**job.sources, **sources})},
    )


def _sources_item(sources: dict[str, Source]) -> dict[str, Any]:
    return {role: to_item(source) for role, source in sources.items()}


def begin(job: Job, attempt: Attempt, position: int, sources: dict[str, Source]) -> bool:
    """Write down a prepared attempt.

    Doing it again is harmless; once it is claimed or over, it is refused.
    """
    return update_if(
        key(job.id),
        "SET attempts.#n = :attempt, #position = :position, sources = :sources",
        f"{_OPEN} AND attribute_not_exists(attempts.#n.claimed_at) AND attribute_not_exists(attempts.#n.outcome)",
        names={"#status": "status", "#n": str(attempt.n), "#position": "position"},
        values={
            **_OPEN_VALUES,
            ":attempt": to_item(attempt),
            ":position": position,
            ":sources": _sources_item(sources),
        },
    )


def warn(job: Job, warnings: list[JobWarning]) -> None:
    """Add warnings to an open job."""
    update_if(
        key(job.id),
        "SET warnings = list_append(warnings, :warnings)",
        _OPEN,
        names={"#status": "status"},
        values={**_OPEN_VALUES, ":warnings": [to_item(warning) for warning in warnings]},
    )


def save_reserved(job: Job, attempt: Attempt) -> None:
    """Store the slot, the lease and the references of an unclaimed attempt."""
    update_if(
        key(job.id),
        "SET attempts.#n.slot_ms = :slot, attempts.#n.lease = :lease, attempts.#n.#references = :made",
        f"{_OPEN} AND attribute_not_exists(attempts.#n.claimed_at)",
        names={"#status": "status", "#n": str(attempt.n), "#references": "references"},
        values={**_OPEN_VALUES, ":slot": attempt.slot_ms, ":lease": attempt.lease, ":made": attempt.references},
    )


def wait(job: Job, attempt: Attempt, now: datetime, *, slot_at: str | None = None) -> None:
    """Record why an unclaimed attempt waits and for how long, and show that once."""
    update = (
        "SET attempts.#n.waited = :waited, attempts.#n.slot_ms = :slot, attempts.#n.slot_waited = :slot_waited,"
        " attempts.#n.lease = :lease, attempts.#n.#references = :made"
    )
    names = {"#status": "status", "#n": str(attempt.n), "#references": "references"}
    values: dict[str, Any] = {
        **_OPEN_VALUES,
        ":waited": attempt.waited,
        ":slot": attempt.slot_ms,
        ":slot_waited": attempt.slot_waited,
        ":lease": attempt.lease,
        ":made": attempt.references,
    }
    if (job.step, job.slot_at) != ("waiting_for_slot", slot_at):
        update += ", #step = :step, slot_at = :slot_at, timeline = list_append(timeline, :entry)"
        names["#step"] = "step"
        values |= {
            ":step": "waiting_for_slot",
            ":slot_at": slot_at,
            ":entry": [{"step": "waiting_for_slot", "at": clock.text(now)}],
        }
    condition = f"{_OPEN} AND attribute_not_exists(attempts.#n.claimed_at)"
    update_if(key(job.id), update, condition, names=names, values=values)


def claim(job: Job, claimed: Attempt) -> bool:
    """Do the one write that allows a purchase: this attempt unclaimed, the job open and not cancelled.

    A caller that gets False must not call the provider. `claimed_by` is new for every claim, so a claim that the SDK repeats
    because the first answer was lost still holds. `provider_job_id`: where it is foreseen, erasing and recovering find what the
    call makes although nobody hears its answer.
    """
    return update_if(
        key(job.id),
        "SET attempts.#n.claimed_at = :now, attempts.#n.claimed_until = :until, attempts.#n.deadline_at = :deadline,"
        " attempts.#n.claimed_by = :me, attempts.#n.prices = :prices, attempts.#n.provider_job_id = :foreseen,"
        " #status = :running, #step = :submitting, slot_at = :none,"
        " timeline = list_append(timeline, :entry), started_at = if_not_exists(started_at, :now)",
        f"{_OPEN} AND (attribute_not_exists(attempts.#n.claimed_at) OR attempts.#n.claimed_by = :me)"
        " AND cancel_requested = :false",
        names={"#status": "status", "#step": "step", "#n": str(claimed.n)},
        values={
            **_OPEN_VALUES,
            ":now": claimed.claimed_at,
            ":until": claimed.claimed_until,
            ":me": claimed.claimed_by,
            ":prices": to_item(claimed)["prices"],
            ":foreseen": claimed.provider_job_id,
            ":deadline": claimed.deadline_at,
            ":submitting": "submitting",
            ":none": None,
            ":false": False,
            ":entry": [{"step": "submitting", "at": claimed.claimed_at}],
        },
    )


def unclaim(job: Job, claimed: Attempt) -> None:
    """Take a claim back that was never used: its function has no time left for the call."""
    update_if(
        key(job.id),
        "REMOVE attempts.#n.claimed_at, attempts.#n.claimed_until, attempts.#n.claimed_by, attempts.#n.provider_job_id",
        "attempts.#n.claimed_by = :me AND attribute_not_exists(attempts.#n.outcome)",
        names={"#n": str(claimed.n)},
        values={":me": claimed.claimed_by},
    )


def record(job: Job, attempt: Attempt, warnings: list[JobWarning]) -> dict[str, Any] | None:
    """Record the outcome of an attempt, and return the job's item as it is then.

    Only the claimant may do so, or any caller while the attempt is unclaimed. An attempt that is over stays as it was
    first recorded: None then, and once the job is erased.
    """
    values: dict[str, Any] = {":attempt": to_item(attempt), ":pending": "pending"}
    update = "SET attempts.#n = :attempt"
    if warnings:
        update += ", warnings = list_append(warnings, :warnings)"
        values[":warnings"] = [to_item(warning) for warning in warnings]
    mine = "attribute_not_exists(attempts.#n.claimed_at)"
    if attempt.claimed_at:
        mine, values[":mine"] = "attempts.#n.claimed_by = :mine", attempt.claimed_by
    return update_and_return(
        key(job.id),
        update,
        f"{mine} AND (attribute_not_exists(attempts.#n.outcome) OR attempts.#n.outcome = :pending)",
        names={"#n": str(attempt.n)},
        values=values,
    )


def record_reads(job: Job, attempt: Attempt, warnings: list[JobWarning]) -> None:
    """Remember how the reads of a pending attempt went, and which of its images are in staging already."""
    values: dict[str, Any] = {
        ":pending": "pending",
        ":reads": to_item(attempt.reads),
        ":results": [to_item(stored) for stored in attempt.results],
    }
    update = "SET attempts.#n.#reads = :reads, attempts.#n.results = :results"
    if warnings:
        update += ", warnings = list_append(warnings, :warnings)"
        values[":warnings"] = [to_item(warning) for warning in warnings]
    update_if(
        key(job.id),
        update,
        "attempts.#n.outcome = :pending",
        names={"#n": str(attempt.n), "#reads": "reads"},
        values=values,
    )


def collected(job: Job, images: list[JobImage], mask: JobImage | None, warnings: list[JobWarning]) -> bool:
    return update_if(
        key(job.id),
        "SET images = :images, mask = :mask, warnings = list_append(warnings, :warnings)",
        f"{_OPEN} AND size(images) = :zero",
        names={"#status": "status"},
        values={
            **_OPEN_VALUES,
            ":images": [to_item(image) for image in images],
            ":mask": to_item(mask) if mask else None,
            ":zero": 0,
            ":warnings": [to_item(w) for w in warnings if w not in job.warnings],
        },
    )


def reused(job: Job, earlier: Job, images: list[JobImage], mask: JobImage | None, sources: dict[str, Source]) -> bool:
    """Give an open job copies of an earlier job's images, and remember where its own inputs lie."""
    return update_if(
        key(job.id),
        "SET images = :images, mask = :mask, reused_from = :earlier, sources = :sources",
        f"{_OPEN} AND size(images) = :zero",
        names={"#status": "status"},
        values={
            **_OPEN_VALUES,
            ":images": [to_item(image) for image in images],
            ":mask": to_item(mask) if mask else None,
            ":earlier": earlier.id,
            ":sources": _sources_item(sources),
            ":zero": 0,
        },
    )


def mark_adrift(job: Job, look_at: str) -> None:
    """Mark a job whose run broke while a call to a provider is in flight.

    It is examined at `look_at`, or once its outcome is written.
    """
    update_if(
        key(job.id),
        "SET adrift = :true, due_at = :at",
        f"{_OPEN} AND attribute_exists(due_at)",
        names={"#status": "status"},
        values={**_OPEN_VALUES, ":true": True, ":at": look_at},
    )


def resume_later(job: Job, until: str) -> None:
    """Schedule the next run of a job whose run broke."""
    update_if(
        key(job.id),
        "SET resume_at = :at, due_at = :at",
        f"{_OPEN} AND (attribute_not_exists(#run) OR #run = :run)",
        names={"#status": "status", "#run": "run"},
        values={**_OPEN_VALUES, ":at": until, ":run": job.run},
    )


def next_run(job: Job, look_at: str) -> bool:
    """Take the right to start the run after the one that broke.

    Returns False when another caller was faster.
    """
    return update_if(
        key(job.id),
        "SET #run = :next, due_at = :at REMOVE resume_at, adrift",
        f"{_OPEN} AND (attribute_not_exists(#run) OR #run = :run)",
        names={"#status": "status", "#run": "run"},
        values={**_OPEN_VALUES, ":run": job.run, ":next": job.run + 1, ":at": look_at},
    )


def request_cancel(job: Job, look_at: str) -> bool:
    """Ask for the end of an open job, and have it looked at then.

    Returns False when it is over already.
    """
    return update_if(
        key(job.id),
        "SET cancel_requested = :true, due_at = :at",
        _OPEN,
        names={"#status": "status"},
        values={**_OPEN_VALUES, ":true": True, ":at": look_at},
    )


def finish(
    job: Job, *, status: str, error: Fault | None, usage: dict[str, Any], now: datetime, owed_at: str | None
) -> dict[str, Any]:
    """Return the transaction item that ends a job, if it is open and still as it was read.

    A claim or a result in between would make status and refund wrong. `owed_at` keeps it on the `due` index.
    """
    update = (
        "SET #status = :status, #step = :done, #error = :error, #usage = :usage, finished_at = :now, slot_at = :none,"
        " timeline = list_append(timeline, :entry)"
    )
    values: dict[str, Any] = {
        **_OPEN_VALUES,
        ":status": status,
        ":done": "done",
        ":usage": usage,
        ":error": to_item(error) if error else None,
        ":now": clock.text(now),
        ":none": None,
        ":entry": [{"step": "done", "at": clock.text(now)}],
    }
    if any(source.url for source in job.sources.values()):  # a link may be signed, and nobody will follow it any more
        update += ", sources = :sources"
        unlinked = {role: source.model_copy(update={"url": None}) for role, source in job.sources.items()}
        values[":sources"] = _sources_item(unlinked)
    if owed_at:
        update, values[":owed"] = update + ", due_at = :owed", owed_at
    else:
        update += " REMOVE due_shard, due_at"
    names = {"#status": "status", "#step": "step", "#error": "error", "#usage": "usage"}
    as_read = " AND size(attempts) = :attempts AND size(images) = :images"
    if job.erase_requested_at is None:
        as_read += " AND attribute_not_exists(erase_requested_at)"
    values |= {":attempts": len(job.attempts), ":images": len(job.images)}
    if last := job.latest:
        names["#n"] = str(last.n)
        for name in ("claimed_at", "outcome"):
            if (value := getattr(last, name)) is None:
                as_read += f" AND attribute_not_exists(attempts.#n.{name})"
            else:
                as_read, values[f":{name}"] = f"{as_read} AND attempts.#n.{name} = :{name}", value
    return {
        "Update": {
            "TableName": aws.table().name,
            "Key": key(job.id),
            "UpdateExpression": update,
            "ConditionExpression": _OPEN + as_read,
            "ExpressionAttributeValues": values,
            "ExpressionAttributeNames": names,
        }
    }


def retried(old: Job, new: Job) -> dict[str, Any]:
    """Return the transaction item that makes `new` the retry of `old`, if that has no other than the one that was read."""
    return _followed(old, "retried_by", old.retried_by, new.id)


def recovered(old: Job, new: Job) -> dict[str, Any]:
    """Return the transaction item that makes `new` the recovery of `old`, if that has no other than the one that was read."""
    return _followed(old, "recovered_by", old.recovered_by, new.id)


def not_charged(job: Job, attempt: Attempt, usage: dict[str, Any]) -> dict[str, Any]:
    """Return the transaction item that corrects an attempt, once: its provider charged nothing for it."""
    return {
        "Update": {
            "TableName": aws.table().name,
            "Key": key(job.id),
            "UpdateExpression": "SET attempts.#n.charged = :no, #usage = :usage",
            "ConditionExpression": "attempts.#n.charged <> :no AND attribute_exists(attempts.#n.claimed_at)",
            "ExpressionAttributeNames": {"#n": str(attempt.n), "#usage": "usage"},
            "ExpressionAttributeValues": {":no": "no", ":usage": usage},
        }
    }


def _followed(old: Job, name: str, before: str | None, new_id: str) -> dict[str, Any]:
    condition = f"{name} = :before" if before else f"attribute_not_exists({name})"
    return {
        "Update": {
            "TableName": aws.table().name,
            "Key": key(old.id),
            "UpdateExpression": f"SET {name} = :new",
            "ConditionExpression": f"attribute_exists(pk) AND {condition} AND attribute_not_exists(erase_requested_at)",
            "ExpressionAttributeValues": {":new": new_id, **({":before": before} if before else {})},
        }
    }


# ------------------------------------------------------------------------------------------------ idempotency
def idempotency_key(tenant: str, value: str) -> dict[str, str]:
    digest = hashlib.sha256(value.encode()).hexdigest()
    return {"pk": f"IDEMPOTENCY#{tenant}#{digest}", "sk": "IDEMPOTENCY"}


def body_hash(body: Any) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def replayed(tenant: str, value: str, now: datetime) -> dict[str, Any] | None:
    """Return the use of an idempotency key: `{job_id, body_hash}`; None when it is new or has expired."""
    found = aws.table().get_item(Key=idempotency_key(tenant, value), ConsistentRead=True).get("Item")
    return found if found and str(found["expires_at"]) > clock.text(now) else None


def remember(tenant: str, value: str, *, job_id: str, digest: str, now: datetime, keep: timedelta) -> dict[str, Any]:
    """Return the transaction item that takes an idempotency key."""
    expires = now + keep
    return {
        "Put": {
            "TableName": aws.table().name,
            "Item": {
                **idempotency_key(tenant, value),
                "job_id": job_id,
                "body_hash": digest,
                "expires_at": clock.text(expires),
                "ttl": int(expires.timestamp()),
            },
            "ConditionExpression": "attribute_not_exists(pk) OR expires_at <= :now",
            "ExpressionAttributeValues": {":now": clock.text(now)},
        }
    }
