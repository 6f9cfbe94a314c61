"""Models to DynamoDB items and back, and the two ways to write: one item, or several at once."""

from __future__ import annotations

import json
import random
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError
from pydantic import BaseModel

from fitting_room import clock
from fitting_room.stores import aws
from fitting_room.stores.aws import Busy

DUE_SHARDS = 4
KEEP_DAY = timedelta(days=2)
"""The lifetime of an item that counts one UTC day. Nothing reads it after that day, so late writes do no harm."""
_ATTEMPTS = 8
_PASSING = ("TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded")


def to_item(model: BaseModel) -> dict[str, Any]:
    """Return a model as an item: DynamoDB takes no float, and nulls are left out."""
    item: dict[str, Any] = json.loads(model.model_dump_json(exclude_none=True, by_alias=True), parse_float=Decimal)
    return item


def without_decimals(value: Any) -> Any:
    """Return a value of DynamoDB without its decimals: JSON would write those as text."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {name: without_decimals(part) for name, part in value.items()}
    return [without_decimals(part) for part in value] if isinstance(value, list) else value


def ttl_of_day(day: str) -> int:
    return int((datetime.fromisoformat(f"{day}T00:00:00+00:00") + KEEP_DAY).timestamp())


def due_attributes(job_id: str, at: str) -> dict[str, str]:
    """Return the two attributes that put an item on the `due` index: it is to be looked at at that time."""
    return {"due_shard": str(zlib.crc32(job_id.encode()) % DUE_SHARDS), "due_at": at}


def due_now(now: datetime, shards: Iterable[int] = range(DUE_SHARDS)) -> Iterator[dict[str, str]]:
    """Yield the keys of the items that are due, oldest first within each shard, read page by page."""
    for shard in shards:
        found = aws.every(
            IndexName="due",
            Limit=200,
            # as text: the SDK's condition objects are not safe in several threads
            KeyConditionExpression="due_shard = :shard AND due_at <= :now",
            ExpressionAttributeValues={":shard": str(shard), ":now": clock.text(now)},
        )
        yield from ({"pk": str(item["pk"]), "sk": str(item["sk"])} for item in found)


def set_due(key: dict[str, str], at: str) -> None:
    """Move an item that is on the `due` index to that time.

    An item that is not on it stays off.
    """
    update_if(key, "SET due_at = :at", "attribute_exists(pk) AND attribute_exists(due_at)", values={":at": at})


def clear_due(key: dict[str, str]) -> None:
    """Take an item off the `due` index."""
    update_if(key, "REMOVE due_shard, due_at", "attribute_exists(pk)")


def request_erasure(key: dict[str, str], item_id: str, now: datetime, look_at: str) -> None:
    """Mark an item as to be erased, and put it on the `due` index for that time."""
    mark = due_attributes(item_id, look_at)
    update_if(
        key,
        "SET erase_requested_at = :now, cancel_requested = :true, due_shard = :shard, due_at = :at"
        " REMOVE erase_failed_at",
        "attribute_exists(pk)",
        values={":now": clock.text(now), ":true": True, ":shard": mark["due_shard"], ":at": look_at},
    )


class Conflict(Exception):
    """Conditions of a transaction failed. `failed`: the names of the items that they belong to."""

    def __init__(self, failed: frozenset[str]) -> None:
        super().__init__(", ".join(sorted(failed)))
        self.failed = failed


def put_new(item: dict[str, Any]) -> bool:
    """Store an item.

    Returns False when there is one with its key.
    """
    try:
        aws.table().put_item(Item=item, ConditionExpression="attribute_not_exists(pk)")
    except ClientError as error:
        if aws.reason(error) != "ConditionalCheckFailedException":
            raise
        return False
    return True


def read_either(key: dict[str, str], earlier: dict[str, str]) -> dict[str, Any] | None:
    """Return an item, or the one that release 0.1.0 stored under another key. For one release."""
    table = aws.table()
    found = table.get_item(Key=key).get("Item")
    if found or not (found := table.get_item(Key=earlier).get("Item")):
        return found
    return {**found, **key}


def adopt(key: dict[str, str], earlier: dict[str, str]) -> None:
    """Copy an item of release 0.1.0 to its new key, so that it can be changed and listed. For one release."""
    if found := read_either(key, earlier):
        put_new(found)


def update_if(
    key: dict[str, str],
    update: str,
    condition: str,
    *,
    names: dict[str, str] | None = None,
    values: dict[str, Any] | None = None,
) -> bool:
    """Do one conditional update.

    Returns False when the condition does not hold.
    """
    return update_and_return(key, update, condition, names=names, values=values) is not None


def update_and_return(
    key: dict[str, str],
    update: str,
    condition: str,
    *,
    names: dict[str, str] | None = None,
    values: dict[str, Any] | None = None,
) -> dict[str, Any] | None:
    """Do one conditional update and return the item after it; None when the condition does not hold."""
    expression: dict[str, Any] = {
        "Key": key,
        "UpdateExpression": update,
        "ConditionExpression": condition,
        "ReturnValues": "ALL_NEW",
    }
    if names:
        expression["ExpressionAttributeNames"] = names
    if values:
        expression["ExpressionAttributeValues"] = values
    for attempt in range(_ATTEMPTS):
        try:
            return aws.table().update_item(**expression).get("Attributes", {})
        except ClientError as error:
            if aws.reason(error) == "ConditionalCheckFailedException":
                return None
            if aws.reason(error) != "TransactionConflictException" or attempt == _ATTEMPTS - 1:
                raise
        time.sleep(_pause(attempt))  # it met a transaction on the same item, which the SDK does not repeat
    return None


def delete_if(key: dict[str, str], condition: str, **values: str) -> bool:
    """Do one conditional delete. `values`: by name, what stands for `:name` in the condition.

    Returns False when the condition does not hold.
    """
    expression: dict[str, Any] = {"Key": key, "ConditionExpression": condition}
    if values:
        expression["ExpressionAttributeValues"] = {f":{name}": value for name, value in values.items()}
    try:
        aws.table().delete_item(**expression)
    except ClientError as error:
        if aws.reason(error) != "ConditionalCheckFailedException":
            raise
        return False
    return True


def transact(items: Mapping[str, dict[str, Any]], sleep: Callable[[float], None]) -> None:
    """Write all items, or none of them.

    The names are the caller's own, to show which condition failed. Two transactions that meet on one item fail
    although no condition is at fault, and the SDK does not repeat that: this does, with jitter. Raises `Conflict`
    when a condition failed, `Busy` when it was in vain or the table was throttled, `ClientError` for anything else.
    """
    client = aws.table().meta.client
    for attempt in range(_ATTEMPTS):
        try:
            client.transact_write_items(TransactItems=list(items.values()))  # type: ignore[arg-type]
            return
        except client.exceptions.TransactionCanceledException as error:
            codes = [str(item.get("Code", "None")) for item in error.response.get("CancellationReasons", [])]
            named = list(zip(items, codes, strict=False))
            if failed := frozenset(name for name, code in named if code == "ConditionalCheckFailed"):
                raise Conflict(failed) from error
            if not set(codes) & set(_PASSING):
                raise
        except ClientError as error:
            if aws.throttled(error):  # the SDK has repeated it, with longer and longer pauses
                raise Busy(aws.reason(error)) from error
            raise
        sleep(_pause(attempt))
    raise Busy(", ".join(sorted({code for code in codes if code != "None"})))


def update_once(update: dict[str, Any]) -> None:
    """Do one update that must not count twice.

    It is sent as a transaction, for the table does that once however often the SDK sends it after a lost answer.
    """
    transact({"once": {"Update": update}}, time.sleep)


def uncount_job(key: dict[str, str]) -> None:
    """Count one job less in an item that counts the jobs of a day."""
    update_once(
        {
            "TableName": aws.table().name,
            "Key": key,
            "UpdateExpression": "ADD jobs :less",
            "ExpressionAttributeValues": {":less": -1},
        }
    )


def _pause(attempt: int) -> float:
    return random.uniform(0, min(1.0, 0.02 * 2**attempt))  # noqa: S311  jitter, not a secret
