"""Batches in the table: one record each, and 64 items that count how its rows fare.

No transaction of a row touches the record, so rows do not get into each other's way.
"""

from __future__ import annotations

import zlib
from datetime import datetime
from typing import Any

from boto3.dynamodb.conditions import Key

from fitting_room import clock
from fitting_room.jobs.batch import Batch, BatchStatus, Counts, ErrorCount
from fitting_room.jobs.errors import Fault
from fitting_room.jobs.job import Job, Mode, Status, Usage
from fitting_room.stores import aws
from fitting_room.stores.items import (
    due_attributes,
    to_item,
    update_and_return,
    update_if,
    without_decimals,
)

COUNT_ITEMS = 64
_OPEN = "#status IN (:expanding, :running, :paused)"
_OPEN_VALUES = {":expanding": "expanding", ":running": "running", ":paused": "paused"}
_STATUS = {"#status": "status"}
_NO_LINKS = "manifest = :manifest, defaults = :defaults"
_SEEN = "#rows = :rows, #invalid = :invalid, row_faults = :told"
_SEEN_NAMES = {"#rows": "rows", "#invalid": "invalid"}
_ERROR, _EXAMPLE = "error_", "example_"


def key(batch_id: str) -> dict[str, str]:
    return {"pk": f"BATCH#{batch_id}", "sk": "BATCH"}


def new_item(batch: Batch, look_at: str) -> dict[str, Any]:
    """Return the transaction item that stores a new batch, due at that time."""
    return {
        "Put": {
            "TableName": aws.table().name,
            "ConditionExpression": "attribute_not_exists(pk)",
            "Item": {
                **to_item(batch),
                **key(batch.id),
                "listed": _listing(batch.tenant, batch.mode),
                "ttl": int(clock.parse(batch.expires_at).timestamp()),
                **due_attributes(batch.id, look_at),
            },
        }
    }


def get(batch_id: str, now: datetime) -> Batch | None:
    """Return the batch, read consistently. None once it is erased or has expired."""
    found = raw_item(batch_id)
    if found is None or "erased_at" in found or str(found["expires_at"]) <= clock.text(now):
        return None
    return _batch(found)


def raw_item(batch_id: str) -> dict[str, Any] | None:
    return aws.table().get_item(Key=key(batch_id), ConsistentRead=True).get("Item")


def paused(batch_id: str) -> bool:
    """Return whether a batch is paused, by a read that may be a second old."""
    found = aws.table().get_item(Key=key(batch_id), ProjectionExpression="#status", ExpressionAttributeNames=_STATUS)
    return found.get("Item", {}).get("status") == "paused"


def listed(tenant: str, mode: Mode, now: datetime, limit: int, after: str | None) -> tuple[list[Batch], str | None]:
    """Return at most `limit` batches, newest first and older than `after`.

    The second value is the id to go on after, if there are more.
    """
    here = Key("listed").eq(_listing(tenant, mode))
    answer = aws.table().query(
        IndexName="listed",
        ScanIndexForward=False,
        Limit=limit + 1,
        KeyConditionExpression=here & Key("id").lt(after) if after else here,
    )
    ids = [str(item["id"]) for item in answer["Items"]]
    found = [get(batch_id, now) for batch_id in ids[:limit]]
    return [batch for batch in found if batch], ids[limit - 1] if len(ids) > limit else None


def expanded(batch: Batch, status: BatchStatus, now: datetime, look_at: str) -> dict[str, Any]:
    """Return the transaction item that ends the expansion of a batch, with what is known of its rows."""
    reserved = to_item(batch.reserved) if batch.reserved else None
    return {
        "Update": {
            "TableName": aws.table().name,
            "Key": key(batch.id),
            "UpdateExpression": f"SET #status = :status, {_SEEN}, most_images = :images,"
            " most_microusd = :microusd, most_millicredits = :credits,"
            f" reserved = :reserved, started_at = :now, due_at = :at, {_NO_LINKS}",
            "ConditionExpression": "#status = :expanding AND attribute_not_exists(cancel_requested_at)",
            "ExpressionAttributeNames": {**_STATUS, **_SEEN_NAMES},
            "ExpressionAttributeValues": {
                ":status": status,
                ":expanding": "expanding",
                **_seen(batch),
                ":images": batch.most_images,
                ":microusd": batch.most_microusd,
                ":credits": batch.most_millicredits,
                ":reserved": reserved,
                ":now": clock.text(now),
                ":at": look_at,
                **_unlinked(batch),
            },
        }
    }


def _seen(batch: Batch) -> dict[str, Any]:
    """Return the values for what was seen of the rows."""
    return {":rows": batch.rows, ":invalid": batch.invalid, ":told": [to_item(each) for each in batch.row_faults]}


def counted(batch: Batch) -> bool:
    """Write down how many rows were read so far, and what is wrong with them. False for a batch that is to end."""
    return update_if(
        key(batch.id),
        f"SET {_SEEN}",
        "#status = :expanding AND attribute_not_exists(cancel_requested_at)",
        names={**_STATUS, **_SEEN_NAMES},
        values={":expanding": "expanding", **_seen(batch)},
    )


def refused(batch: Batch, faults: list[Fault]) -> None:
    """Write down why a batch cannot be run at all, and what was seen of its rows."""
    update_if(
        key(batch.id),
        f"SET #errors = :faults, {_SEEN}, {_NO_LINKS}",
        "#status = :expanding",
        names={**_STATUS, "#errors": "errors", **_SEEN_NAMES},
        values={
            ":expanding": "expanding",
            ":faults": [to_item(fault) for fault in faults],
            **_seen(batch),
            **_unlinked(batch),
        },
    )


def pause(batch_id: str, why: Fault, *, after: int) -> bool:
    """Count a row that met an account without credit, and pause the batch once there are `after` of them."""
    counted = update_and_return(
        key(batch_id),
        "ADD exhausted :one",
        "#status = :running",
        names=_STATUS,
        values={":one": 1, ":running": "running"},
    )
    if counted is None or int(str(counted["exhausted"])) < after:
        return False
    return update_if(
        key(batch_id),
        "SET #status = :paused, paused_for = :why",
        "#status = :running",
        names=_STATUS,
        values={":running": "running", ":paused": "paused", ":why": to_item(why)},
    )


def park(batch: Batch) -> bool:
    """Let a run end because the batch is paused. False when it was resumed, or is to end."""
    return update_if(
        key(batch.id),
        "SET parked = :run",
        "#status = :paused AND attribute_not_exists(cancel_requested_at)",
        names=_STATUS,
        values={":paused": "paused", ":run": batch.run},
    )


def resume(batch_id: str, done: int, now: datetime, look_at: str) -> Batch | None:
    """Let a paused batch run again, and return it. None for one that is not paused. `done`: rows that are done already."""
    found = update_and_return(
        key(batch_id),
        "SET #status = :running, exhausted = :none, resumed_at = :now, done_before = :done, due_at = :at"
        " REMOVE paused_for",
        "#status = :paused",
        names=_STATUS,
        values={
            ":running": "running",
            ":paused": "paused",
            ":none": 0,
            ":now": clock.text(now),
            ":done": done,
            ":at": look_at,
        },
    )
    return _batch(found) if found else None


def request_cancel(batch_id: str, now: datetime, look_at: str) -> bool:
    """Ask for the end of an open batch: no row is admitted any more. False when it is over already."""
    return update_if(
        key(batch_id),
        "SET cancel_requested_at = if_not_exists(cancel_requested_at, :now), due_at = :at",
        _OPEN,
        names=_STATUS,
        values={**_OPEN_VALUES, ":now": clock.text(now), ":at": look_at},
    )


def request_erasure(batch_id: str, now: datetime, look_at: str) -> None:
    mark = due_attributes(batch_id, look_at)
    update_if(
        key(batch_id),
        "SET erase_requested_at = if_not_exists(erase_requested_at, :now), due_shard = :shard, due_at = :at,"
        " cancel_requested_at = if_not_exists(cancel_requested_at, :now)",
        "attribute_exists(pk) AND attribute_not_exists(erased_at)",
        values={":now": clock.text(now), ":shard": mark["due_shard"], ":at": look_at},
    )


def next_run(batch: Batch, look_at: str) -> bool:
    """Take the right to start the run after the one that ended. False when another caller was faster."""
    mark = due_attributes(batch.id, look_at)
    return update_if(
        key(batch.id),
        "SET #run = :next, due_shard = :shard, due_at = :at",
        "#run = :run AND attribute_not_exists(erased_at)",
        names={"#run": "run"},
        values={":run": batch.run, ":next": batch.run + 1, ":shard": mark["due_shard"], ":at": look_at},
    )


def count_pass(batch_id: str) -> int:
    """Count an end of the map at which rows were left, and return how many there were."""
    found = update_and_return(key(batch_id), "ADD passes :one", "attribute_exists(pk)", values={":one": 1})
    return int(str((found or {}).get("passes", 0)))


def finish(over: Batch, now: datetime) -> dict[str, Any]:
    """Return the transaction item that ends a batch, once. One that is to be erased stays on the `due` index."""
    values = {
        **_OPEN_VALUES,
        ":status": over.status,
        ":counts": to_item(over.counts or Counts()),
        ":now": clock.text(now),
        **_unlinked(over),
    }
    update, as_read = "REMOVE due_shard, due_at, paused_for", "attribute_not_exists(erase_requested_at)"
    if over.erase_requested_at:
        update, as_read = "REMOVE paused_for", "attribute_exists(erase_requested_at)"
    return {
        "Update": {
            "TableName": aws.table().name,
            "Key": key(over.id),
            "UpdateExpression": f"SET #status = :status, #counts = :counts, finished_at = :now, {_NO_LINKS} {update}",
            "ConditionExpression": f"{_OPEN} AND {as_read}",
            "ExpressionAttributeNames": {**_STATUS, "#counts": "counts"},
            "ExpressionAttributeValues": values,
        }
    }


def bury(batch: Batch, now: datetime) -> None:
    """Leave of an erased batch only that it was one."""
    kept = {"id": batch.id, "tenant": batch.tenant, "mode": batch.mode, "expires_at": batch.expires_at}
    ttl = int(clock.parse(batch.expires_at).timestamp())
    aws.table().put_item(Item={**key(batch.id), **kept, "erased_at": clock.text(now), "ttl": ttl})


# ------------------------------------------------------------------------------------------------ counts
def admitted(job: Job) -> dict[str, Any]:
    """Return the transaction item that counts a row that becomes a job."""
    return _count(job, "ADD admitted :one", {":one": 1})


def settled(job: Job, status: Status, usage: Usage, error: Fault | None) -> dict[str, Any]:
    """Return the transaction item that counts how a row's job ended, and what it bought."""
    added = [f"{status} :one", "images :images", "paid :paid", "microusd :microusd", "millicredits :credits"]
    values: dict[str, Any] = {
        ":one": 1,
        ":images": usage.images,
        ":paid": usage.images if job.reserved else 0,
        ":microusd": round((usage.amount or 0) * 1e6),
        ":credits": round((usage.credits or 0) * 1000),
    }
    if job.reused_from:
        added.append("reused :one")
    example = ""
    if error and status == "failed":
        added.append(f"{_ERROR}{error.code} :one")
        example = f" SET {_EXAMPLE}{error.code} = if_not_exists({_EXAMPLE}{error.code}, :job)"
        values[":job"] = job.id
    return _count(job, f"ADD {', '.join(added)}{example}", values)


def counts(batch_id: str) -> Counts:
    """Return the sums of the count items, read consistently."""
    found = list(
        aws.every(
            ConsistentRead=True,
            KeyConditionExpression=Key("pk").eq(key(batch_id)["pk"]) & Key("sk").begins_with("COUNT#"),
        )
    )
    sums = {
        name: sum(int(str(item.get(name, 0))) for item in found) for name in Counts.model_fields if name != "errors"
    }
    errors: dict[str, ErrorCount] = {}
    for item in found:
        for name in (each for each in item if each.startswith(_ERROR)):
            code = name.removeprefix(_ERROR)
            before = errors.get(code, ErrorCount(example=str(item[f"{_EXAMPLE}{code}"])))
            errors[code] = before.model_copy(update={"count": before.count + int(str(item[name]))})
    return Counts(**sums, errors=errors)


def remove_counts(batch_id: str) -> None:
    with aws.table().batch_writer() as batch:
        for number in range(COUNT_ITEMS):
            batch.delete_item(_count_key(batch_id, number))


def _count(job: Job, update: str, values: dict[str, Any]) -> dict[str, Any]:
    number = zlib.crc32(job.id.encode()) % COUNT_ITEMS
    ttl = int(clock.parse(job.expires_at).timestamp())
    head, found, tail = update.partition(" SET ")
    return {
        "Update": {
            "TableName": aws.table().name,
            "Key": _count_key(str(job.batch), number),
            "UpdateExpression": f"{head} SET #ttl = :ttl" + (f", {tail}" if found else ""),
            "ExpressionAttributeNames": {"#ttl": "ttl"},
            "ExpressionAttributeValues": {**values, ":ttl": ttl},
        }
    }


def _count_key(batch_id: str, number: int) -> dict[str, str]:
    return {"pk": key(batch_id)["pk"], "sk": f"COUNT#{number:02d}"}


def _listing(tenant: str, mode: Mode) -> str:
    return f"BATCHES#{tenant}#{mode}"


def _unlinked(batch: Batch) -> dict[str, Any]:
    """Return the values that forget links, which may be signed, and images in the defaults: nobody reads them any more."""
    return {":manifest": to_item(batch.manifest.model_copy(update={"url": None})), ":defaults": "{}"}


def _batch(item: dict[str, Any]) -> Batch:
    return Batch.model_validate(without_decimals(item))
