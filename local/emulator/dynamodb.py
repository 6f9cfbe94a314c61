"""Find the DynamoDB keys that a request names, and the write units that it costs on each of them."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

EQUALITY = re.compile(r"([#\w.-]+)\s*=\s*(:\w+)")

Item = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Key:
    """A partition key's value in a table, or in one of its indexes."""

    table: str
    index: str | None
    value: str


class Action(NamedTuple):
    """One action of a request on one item, or on one partition. `body` holds its `Key`, `Item` or condition on keys."""

    table: str
    body: Mapping[str, Any]


def _service() -> Any:
    return importlib.import_module("ministack.services.dynamodb")


def actions(request: Mapping[str, Any]) -> list[Action]:
    """Yield every single action of a request; none of a malformed one, because the service refuses it."""
    try:
        found = list(_actions(request))
        items = [item for action in found for part in ("Key", "Item") if (item := action.body.get(part)) is not None]
        return found if all(isinstance(value, dict) for item in items for value in item.values()) else []
    except (AttributeError, KeyError, TypeError):
        return []


def _actions(request: Mapping[str, Any]) -> Iterator[Action]:
    if "TableName" in request:
        yield Action(_name(request["TableName"]), request)
    for table, asked in request.get("RequestItems", {}).items():
        if isinstance(asked, dict):  # BatchGetItem
            yield from (Action(_name(table), {"Key": key}) for key in asked["Keys"])
        else:
            yield from (Action(_name(table), body) for entry in asked for body in entry.values())
    for entry in request.get("TransactItems", ()):
        yield from (Action(_name(body["TableName"]), body) for body in entry.values())


def _name(table: str) -> str:
    return table.rsplit("/", 1)[-1]  # an ARN will do where a name is asked for


def partition_keys(action: Action) -> list[str]:
    """Return the values of the partition key that the action names; those of the index if it reads one."""
    table = _service()._tables.get(action.table) or {}
    name = _key_name(table, action.body.get("IndexName"))
    named = [_value(item[name]) for part in ("Key", "Item") if name in (item := action.body.get(part) or {})]
    names = action.body.get("ExpressionAttributeNames") or {}
    values = action.body.get("ExpressionAttributeValues") or {}
    for left, right in EQUALITY.findall(action.body.get("KeyConditionExpression") or ""):
        if names.get(left, left) == name and isinstance(value := values.get(right), dict):
            named.append(_value(value))
    return named


def _key_name(table: Mapping[str, Any], index: str | None) -> str:
    schemas = {each["IndexName"]: each["KeySchema"] for each in table.get("GlobalSecondaryIndexes") or ()}
    schema = schemas.get(index or "") or table.get("KeySchema") or ()  # a local index shares the table's partition key
    return next((each["AttributeName"] for each in schema if each["KeyType"] == "HASH"), "")


def _value(attribute: Mapping[str, Any]) -> str:
    return str(next(iter(attribute.values()), ""))


def stored(action: Action) -> Item | None:
    """Return the item as it stands in the table."""
    table = _service()._tables.get(action.table)
    key = action.body.get("Key") or action.body.get("Item") or {}
    found: Item | None = table and _service()._get_item_by_key(table, key)
    return found


def touched(action: Action, before: Item | None) -> set[Key]:
    """Return the partition keys, of table and indexes, that the action is known to write to before it is done."""
    table = _service()._tables.get(action.table) or {}
    items = [item for item in (before, action.body.get("Item"), action.body.get("Key")) if item]
    indexes = [None, *(each["IndexName"] for each in table.get("GlobalSecondaryIndexes") or ())]
    return {
        Key(action.table, index, _value(item[name]))
        for index in indexes
        for item in items
        if (name := _key_name(table, index)) in item
    }


def charges(action: Action, before: Item | None, after: Item | None, transaction: bool) -> Iterator[tuple[Key, float]]:
    """Compute AWS's price of a write.

    It is a unit for each started KB of the larger item, two in a transaction, and one more for each
    index entry that changes. An entry that moves to another partition key costs on both.
    """
    service = _service()
    table = service._tables[action.table]
    size = max(service._item_size_bytes(item) for item in (before or {}, after or {}))
    for key in partition_keys(action):
        yield Key(action.table, None, key), service._capacity_kb(size) * (2 if transaction else 1)
    for index in table.get("GlobalSecondaryIndexes") or ():
        name = _key_name(table, index["IndexName"])
        old, new = ((item or {}).get(name) for item in (before, after))
        moves = [(old, before, None), (new, None, after)] if old != new else [(new, before, after)]
        for value, was, becomes in moves:
            units = service._index_write_units(table, index, was, becomes)
            if value and units:
                yield Key(action.table, index["IndexName"], _value(value)), units
