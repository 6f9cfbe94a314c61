"""The rows of a batch: an item each, a thousand of them in a partition, so that one row can be read, shown and blanked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from boto3.dynamodb.conditions import Key

from fitting_room.jobs.batch import Row
from fitting_room.stores import aws
from fitting_room.stores.items import to_item, update_if, without_decimals

IN_A_PARTITION = 1000
_NO_BODY, _THERE = "SET #request = :none", "attribute_exists(pk)"
_REQUEST = {"#request": "request"}


def put(batch_id: str, rows: Iterable[Row], ttl: int) -> None:
    """Store rows, in the place of earlier ones of these numbers."""
    with aws.table().batch_writer() as batch:
        for row in rows:
            batch.put_item({**_key(batch_id, row.n), **to_item(row), "ttl": ttl})


def get(batch_id: str, n: int) -> Row | None:
    found = aws.table().get_item(Key=_key(batch_id, n), ConsistentRead=True).get("Item")
    return Row.model_validate(without_decimals(found)) if found else None


def between(batch_id: str, first: int, end: int) -> Iterator[Row]:
    """Yield the rows from `first` up to, but not, `end`, in order."""
    for start in range(first - first % IN_A_PARTITION, end, IN_A_PARTITION):
        low, high = max(first, start), min(end, start + IN_A_PARTITION) - 1
        here = Key("pk").eq(_key(batch_id, low)["pk"]) & Key("sk").between(
            _key(batch_id, low)["sk"], _key(batch_id, high)["sk"]
        )
        found = aws.every(KeyConditionExpression=here, ConsistentRead=True)
        yield from (Row.model_validate(without_decimals(item)) for item in found)


def admitted(batch_id: str, n: int) -> dict[str, Any]:
    """Return the transaction item that forgets the body of a row that becomes a job, which keeps what it needs of it."""
    return {
        "Update": {
            "TableName": aws.table().name,
            "Key": _key(batch_id, n),
            "UpdateExpression": _NO_BODY,
            "ConditionExpression": _THERE,
            "ExpressionAttributeNames": _REQUEST,
            "ExpressionAttributeValues": {":none": ""},
        }
    }


def forget_body(batch_id: str, n: int) -> None:
    """Forget the body of a row that failed without a job."""
    update_if(_key(batch_id, n), _NO_BODY, _THERE, names=_REQUEST, values={":none": ""})


def blank(batch_id: str, n: int) -> None:
    """Keep of a row only that it was there."""
    update_if(
        _key(batch_id, n),
        "REMOVE #request, #id, #plan, faults",
        _THERE,
        names={**_REQUEST, "#id": "id", "#plan": "plan"},
    )


def remove(batch_id: str, first: int, end: int) -> None:
    with aws.table().batch_writer() as batch:
        for n in range(first, end):
            batch.delete_item(_key(batch_id, n))


def _key(batch_id: str, n: int) -> dict[str, str]:
    return {"pk": f"BATCH#{batch_id}#{n // IN_A_PARTITION}", "sk": f"ROW#{n:07d}"}
