"""Models to DynamoDB items and back, and the two ways to write: one item, or several at once."""

from __future__ import annotations

import json
import random
import time
import zlib
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError
from pydantic import BaseModel

from fitting_room.stores import aws

DUE_SHARDS = 4
_ATTEMPTS = 8


def to_item(model: BaseModel) -> dict[str, Any]:
    """DynamoDB takes no float, and keeps no null of ours."""
    item: dict[str, Any] = json.loads(model.model_dump_json(exclude_none=True, by_alias=True), parse_float=Decimal)
    return item


def plain(value: Any) -> Any:
    """What DynamoDB gave back, without its decimals: those would come out of JSON as text."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list) else value


def due(job_id: str, at: str) -> dict[str, str]:
    """The two attributes that put an item on the `due` index: it is owed something at that time."""
    return {"due_shard": str(zlib.crc32(job_id.encode()) % DUE_SHARDS), "due_at": at}


class Conflict(Exception):
    """A transaction's condition failed. `reasons`: one DynamoDB code per item, `None` for the items that were fine."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__(", ".join(reasons))
        self.reasons = reasons


def update_if(key: dict[str, str], update: str, condition: str, *, names: dict[str, str] | None = None,
              values: dict[str, Any] | None = None) -> bool:
    """One conditional update. False when the condition does not hold."""
    expression: dict[str, Any] = {"Key": key, "UpdateExpression": update, "ConditionExpression": condition}
    if names:
        expression["ExpressionAttributeNames"] = names
    if values:
        expression["ExpressionAttributeValues"] = values
    for attempt in range(_ATTEMPTS):
        try:
            aws.table().update_item(**expression)
            return True
        except ClientError as error:
            if aws.reason(error) == "ConditionalCheckFailedException":
                return False
            if aws.reason(error) != "TransactionConflictException" or attempt == _ATTEMPTS - 1:
                raise
        time.sleep(_pause(attempt))  # it met a transaction on the same item, which the SDK does not repeat
    return False


def transact(items: Sequence[dict[str, Any]], sleep: Callable[[float], None]) -> None:
    """All or nothing. Two transactions that meet on one item fail although no condition is at fault, and the SDK does not
    repeat that: we do, with jitter. Raises `Conflict` when a condition failed."""
    client = aws.table().meta.client
    for attempt in range(_ATTEMPTS):
        try:
            client.transact_write_items(TransactItems=list(items))  # type: ignore[arg-type]
            return
        except client.exceptions.TransactionCanceledException as error:
            reasons = [str(item.get("Code", "None")) for item in error.response.get("CancellationReasons", [])]
            if "ConditionalCheckFailed" in reasons or "TransactionConflict" not in reasons or attempt == _ATTEMPTS - 1:
                raise Conflict(reasons) from error
        sleep(_pause(attempt))


def _pause(attempt: int) -> float:
    return random.uniform(0, min(1.0, 0.02 * 2**attempt))  # noqa: S311  jitter, not a secret
