"""Which function does what to which items of the table. The policies are made of it, and the integration tests walk along it.

A new kind of item is one row: the pattern of its partition key, and by function what that does. Tests fail with the row and
the word that are missing.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from fitting_room.providers.runners import RUNNERS

GET, BATCH, QUERY, PUT, UPDATE, DELETE = "GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "DeleteItem"
WRITE = "BatchWriteItem"
READS = (GET, BATCH, QUERY)
_ACTIONS = {"get": GET, "batch": BATCH, "query": QUERY, "put": PUT, "update": UPDATE, "delete": DELETE, "write": WRITE}


def _row(**does: str) -> dict[str, frozenset[str]]:
    """Make a row by function, or by a group of functions: `Starts`, and of these `StartsWithKeys`."""
    return {name: frozenset(_ACTIONS[word] for word in words.split()) for name, words in does.items()}


ITEMS = {
    "JOB#*": _row(  # the job; what it still owes, to a webhook too; its tombstone
        Api="get batch put update",
        BedrockDialect="get put update",
        Ingest="get put update",
        Prepare="get update",
        Starts="get update",
        Poll="get update",
        Wait="get",
        Collect="get update",
        Settle="get put update delete",
        Sweep="get put update delete",
        Erase="get batch put update delete",
        Notify="get update delete",
        Expand="batch",
        Admit="get put update",
        Finish="get batch update",
    ),
    "BATCH#*": _row(  # the batch, its counts and its rows; what it owes to a webhook
        Api="get query put update",
        Ingest="get put",
        Expand="get query update write",
        Admit="get update",
        Starts="get",
        Settle="update",
        Finish="get query put update",
        Sweep="get query update",
        Erase="get query put update delete write",
        Notify="get update delete",
    ),
    "USED#*": _row(Api="put query", Ingest="put", Admit="put", Erase="query delete"),
    "UPLOAD#*": _row(Api="get put", Ingest="get", Expand="get", Admit="get", Erase="get delete"),
    "OWNER#*": _row(  # what belongs to an owner, and since when it is to go
        Api="get query put update",
        Ingest="get put update",
        Admit="get put",
        BedrockDialect="get put",
        Settle="get put",
        Sweep="get put update",
        Erase="get query update delete",
    ),
    "TOKEN#*": _row(Api="get put update", BedrockDialect="get", Erase="delete"),
    "TODAY#*": _row(Api="update", BedrockDialect="update", Ingest="update"),
    "SALT": _row(Api="get put"),
    "MADE#*": _row(Prepare="get", Settle="put", Sweep="put", Erase="delete"),
    "SUBJECTS#*": _row(
        Api="get query put update",
        Ingest="get",
        Expand="get",
        Admit="get put update",
        Settle="update",
        Sweep="update",
        Erase="get update delete",
        Notify="get",
    ),
    "WEBHOOK_SECRETS#*": _row(Notify="get"),
    "IDEMPOTENCY#*": _row(Api="get put", BedrockDialect="get put", Ingest="get put"),
    "REPEATS#*": _row(Api="query put update"),
    "LINK_SECRET": _row(Api="get put"),
    "BUDGET#*": _row(
        Api="get query update",
        BedrockDialect="query update",
        Ingest="query update",
        Expand="query update",
        Finish="update",
        Settle="update",
        Sweep="update",
    ),
    "TESTS#*": _row(Api="get update", BedrockDialect="update", Expand="update"),
    "USAGE#*": _row(Api="query", Settle="put", Sweep="put", Erase="update"),
    "KEYS": _row(Api="get", BedrockDialect="get"),
    "TENANTS": _row(Api="get", BedrockDialect="get", Ingest="get", Expand="get", Admit="get"),
    "KEY#*": _row(Api="get", BedrockDialect="get"),  # release 0.1.0 kept keys and tenants here
    "TENANT#*": _row(Api="get", BedrockDialect="get", Ingest="get", Expand="get", Admit="get"),
    "PROVIDERS": _row(Api="query", BedrockDialect="query", Ingest="query", Expand="query", Admit="query"),
    "OVERRIDES": _row(
        Api="get",
        BedrockDialect="get",
        Ingest="get",
        Prepare="get",
        Starts="get",
        Poll="get",
        Collect="get",
        Settle="get",
        Sweep="get",
        Erase="get",
        Expand="get",
        Admit="get",
        Finish="get",
    ),
    "REFUSALS": _row(Prepare="update", Starts="update", Poll="update"),
    "MODELS": _row(
        Api="query",
        BedrockDialect="query",
        Ingest="query",
        Expand="query",
        Admit="query",
        Starts="put",
        Poll="put",
        WatchModels="put",
    ),
    "RATE": _row(Api="get", Starts="get update", Poll="update"),
    "LEASE#waiters": _row(Api="query update"),
    "LEASE#dialect_waiters": _row(BedrockDialect="query update"),
    "LEASE#*": _row(Starts="query update", Poll="update", Settle="update", Sweep="update"),
    "CALLBACK#*": _row(StartsWithKeys="put", StartSagemaker="put", Wait="update", Callback="update", Wake="update"),
    "REFERENCES#*": _row(StartsWithKeys="get put update delete"),
}
"""By pattern of the partition key. A `*` stands for anything."""


def allows(function: str, action: str, key: str) -> bool:
    """Say whether a function may do an action (`GetItem`) to the items of a partition key."""
    return any(action in _does(row, function) for pattern, row in ITEMS.items() if fnmatchcase(key, pattern))


def of(function: str, *, writes: bool) -> tuple[list[str], list[str]]:
    """Return the actions and the key patterns of all that a function reads, or of all that it writes."""
    cells = {
        pattern: {action for action in _does(row, function) if (action not in READS) is writes}
        for pattern, row in ITEMS.items()
    }
    return sorted(set().union(*cells.values())), [pattern for pattern, actions in cells.items() if actions]


def _does(row: dict[str, frozenset[str]], function: str) -> frozenset[str]:
    starts = [runner for runner in RUNNERS.values() if runner.state == function]
    names = [function, *("Starts" for _ in starts), *("StartsWithKeys" for runner in starts if runner.needs_key)]
    return frozenset[str]().union(*(row.get(name, frozenset()) for name in names))
