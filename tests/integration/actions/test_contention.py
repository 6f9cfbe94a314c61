"""One tenant's submits and settlements at the same moment, with the refusals of DynamoDB that moto does not make."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from fitting_room.settings import settings
from fitting_room.stores import items
from tests.integration.world import World

SUBMITS, EARLIER, THREADS = 100, 10, 16
Keys = frozenset[tuple[str, str]]


@pytest.fixture
def conflicts(monkeypatch: pytest.MonkeyPatch, one_at_a_time: None) -> list[Keys]:
    """The calls that met a transaction on the same item, or as a transaction met any write: DynamoDB refuses them."""
    call = BaseClient._make_api_call  # type: ignore[attr-defined]
    lock, refused = threading.Lock(), list[Keys]()
    in_flight: list[tuple[bool, Keys]] = []

    def contending(self: BaseClient, operation: str, parameters: Any) -> Any:
        mine = (operation == "TransactWriteItems", frozenset(_keys(operation, parameters)))
        with lock:
            if met := [keys & mine[1] for transacts, keys in in_flight if (transacts or mine[0]) and keys & mine[1]]:
                refused.append(met[0])
                code = "TransactionCanceledException" if mine[0] else "TransactionConflictException"
                reasons = [{"Code": "TransactionConflict"} for _ in mine[1]]
                raise _error(self, code, operation, reasons)
            in_flight.append(mine)
        try:
            return call(self, operation, parameters)
        finally:
            with lock:
                in_flight.remove(mine)

    monkeypatch.setattr(BaseClient, "_make_api_call", contending)
    monkeypatch.setattr(items, "_pause", lambda _: 0)
    return refused


def _keys(operation: str, parameters: Any) -> Iterator[tuple[str, str]]:
    if operation == "TransactWriteItems":
        for each in parameters["TransactItems"]:
            ((_, write),) = each.items()
            yield from _keys("", write)
    elif operation in ("", "PutItem", "UpdateItem", "DeleteItem"):
        key = parameters.get("Key") or parameters.get("Item") or {}
        if "pk" in key:
            yield str(key["pk"]), str(key["sk"])


def _error(client: Any, code: str, operation: str, reasons: list[dict[str, str]]) -> ClientError:
    kind: type[ClientError] = getattr(client.exceptions, code, ClientError)
    answer: Any = {"Error": {"Code": code, "Message": "injected"}, "CancellationReasons": reasons}
    return kind(answer, operation)


def test_a_hundred_submits_of_one_tenant_beside_settlements_meet_nowhere(
    world: World, conflicts: list[Keys], monkeypatch: pytest.MonkeyPatch
) -> None:
    rich = settings().deployment.model_copy(update={"daily_images": 1000, "daily_usd": 1000.0})
    monkeypatch.setattr(
        "fitting_room.stores.budgets.settings", lambda: settings().model_copy(update={"deployment": rich})
    )
    body = world.body()
    earlier = [world.submit(body).job.id for _ in range(EARLIER)]
    with ThreadPoolExecutor(THREADS) as pool:
        submits = [pool.submit(world.submit, body) for _ in range(SUBMITS)]
        settled = pool.submit(lambda: [world.cancel(job_id).status for job_id in earlier])
        accepted = {submit.result().job.id for submit in submits}  # a refusal would be raised here
    assert len(accepted) == SUBMITS and set(settled.result()) == {"cancelled"}
    assert conflicts == []
    assert world.spent()[0] == SUBMITS, "what the earlier jobs had set aside is given back, to the image"
