"""Walk every call to the table that a test makes in a function's place, and compare it with what that function may do.

`infra/items.py` is the table of permissions. The function is told from the outermost handler or action on the stack.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

from botocore.endpoint import Endpoint

from infra import items

JOB_FUNCTIONS = frozenset({"Prepare", "StartBedrock", "StartHttp", "Poll", "Wait", "Collect", "Settle"})
CALLED_BY = {
    "drops/": {"Ingest"},
    "requests/": {"Api"},
    "batch/expand": {"Expand"},
    "batch/admit": {"Admit"},
    "batch/finish": {"Finish"},
    "workflow/prepare": {"Prepare"},
    "workflow/start": {"StartBedrock", "StartHttp"},
    "workflow/poll": {"Poll"},
    "workflow/callback": {"Callback", "Wait"},
    "workflow/collect": {"Collect"},
    "workflow/settle": {"Settle"},
    "workflow/": JOB_FUNCTIONS,
    "upkeep/sweep": {"Sweep"},
    "upkeep/resume": {"Sweep"},
    "upkeep/erase": {"Erase"},
    "upkeep/watch_models": {"WatchModels"},
    "upkeep/notify": {"Notify"},
    "upkeep/batches": {"Sweep"},
}
"""By the beginning of an action's path, the functions that run it; the first row that fits counts."""
WRITES = {"Put": items.PUT, "Update": items.UPDATE, "Delete": items.DELETE, "ConditionCheck": "ConditionCheckItem"}
_HANDLER = re.compile(r"/lambdas/functions/\w+/(\w+)/handler\.py$")
_ACTION = re.compile(r"/lambdas/fitting_room/actions/(\w+/\w+)\.py$")
_EQUALS = re.compile(r"([#\w]+)\s*=\s*(:\w+)")

refused: list[str] = []
"""What no policy allows, since the last look."""
seen: set[tuple[frozenset[str], str, str]] = set()
"""Functions that may have made a call, its action, and the partition key."""


def begin() -> None:
    """Watch all requests of this process from now on."""
    send = Endpoint.make_request

    def watched(self: Endpoint, operation_model: Any, request_dict: dict[str, Any]) -> Any:
        if operation_model.service_model.service_name == "dynamodb" and (functions := _functions()):
            for action, key in _touched(operation_model.name, json.loads(request_dict["body"])):
                seen.add((functions, action, key))
                if not any(items.allows(function, action, key) for function in functions):
                    refused.append(_remedy(functions, action, key))
        return send(self, operation_model, request_dict)

    Endpoint.make_request = watched  # type: ignore[assignment]


def check() -> None:
    """Fail with everything that was refused since the last look."""
    found = sorted(set(refused))
    refused.clear()
    assert not found, "\n".join(found)


def _remedy(functions: frozenset[str], action: str, key: str) -> str:
    prefix = f"{key.partition('#')[0]}#*" if "#" in key else key
    return (
        f'{" or ".join(sorted(functions))} does {action} on {prefix}: allow it in the row "{prefix}" of infra/items.py'
    )


def _functions() -> frozenset[str]:
    """Whose call this is; empty: the test's own, or the operator's.

    Where a test stands between two functions of ours, as when a vendor answers only once another function has run, the inner
    one called.
    """
    frame, found, ours = sys._getframe(2), frozenset[str](), False
    while frame is not None and not (ours and "/tests/" in frame.f_code.co_filename):
        file = frame.f_code.co_filename
        ours = ours or "/lambdas/fitting_room/" in file
        if handler := _HANDLER.search(file):
            return frozenset({handler[1].title().replace("_", "")})
        if action := _ACTION.search(file):
            found = next((frozenset(by) for path, by in CALLED_BY.items() if action[1].startswith(path)), found)
        if "/admin/" in file:
            return frozenset()
        frame = frame.f_back  # type: ignore[assignment]
    return found


def _touched(operation: str, body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each action of a request with its partition key. A read of an index names none of the table's."""
    for entry in body.get("TransactItems", ()):
        yield from ((WRITES[verb], _key(one)) for verb, one in entry.items())
    if operation == "Query":
        if "IndexName" not in body:
            yield items.QUERY, _queried(body)
    elif operation == "BatchGetItem":
        yield from ((operation, str(key["pk"]["S"])) for keys in body["RequestItems"].values() for key in keys["Keys"])
    elif operation == "BatchWriteItem":
        for one in (one for requests in body["RequestItems"].values() for one in requests):
            yield operation, _key(one.get("PutRequest") or one["DeleteRequest"])
    elif operation != "TransactWriteItems":
        yield operation, _key(body)


def _key(body: dict[str, Any]) -> str:
    return str((body.get("Key") or body.get("Item") or {"pk": {"S": ""}})["pk"]["S"])


def _queried(body: dict[str, Any]) -> str:
    names, values = body.get("ExpressionAttributeNames", {}), body["ExpressionAttributeValues"]
    equal = _EQUALS.findall(body["KeyConditionExpression"])
    return next(str(values[value]["S"]) for name, value in equal if names.get(name, name) == "pk")
