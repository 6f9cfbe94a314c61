"""Writing several items at once: all or none, and the names of what refused."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from fitting_room.stores import aws, debts
from fitting_room.stores.items import Busy, Conflict, clear_due, due_now, set_due, transact
from tests.integration.world import TABLE, World


def new(name: str) -> dict[str, Any]:
    item = {"pk": name, "sk": name}
    return {"Put": {"TableName": TABLE, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}}


def test_all_is_written_or_nothing_and_the_refusing_items_are_named(world: World) -> None:
    transact({"one": new("A"), "two": new("B")}, world.at.sleep)
    before = world.items()
    with pytest.raises(Conflict) as caught:
        transact({"first": new("A"), "second": new("C"), "third": new("B")}, world.at.sleep)
    assert caught.value.failed == {"first", "third"}
    assert world.items() == before


def cancelled(*codes: str) -> ClientError:
    kind = aws.table().meta.client.exceptions.TransactionCanceledException
    reasons = [{"Code": code} for code in codes]
    found: ClientError = kind(
        {"Error": {"Code": "TransactionCanceledException", "Message": "x"}, "CancellationReasons": reasons},
        "TransactWriteItems",
    )
    return found


@pytest.mark.parametrize(
    ("codes", "raised", "tries"),
    [
        (("TransactionConflict", "None"), Busy, 8),
        (("None", "ThrottlingError"), Busy, 8),
        (("ProvisionedThroughputExceeded", "None"), Busy, 8),
        (("TransactionConflict", "ConditionalCheckFailed"), Conflict, 1),
        (("None", "ValidationError"), ClientError, 1),
    ],
)
def test_what_may_pass_is_repeated_and_what_may_not_is_told_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch, codes: tuple[str, ...], raised: type[Exception], tries: int
) -> None:
    asked: list[Any] = []

    def refuse(**written: Any) -> None:
        asked.append(written)
        raise cancelled(*codes)

    monkeypatch.setattr(aws.table().meta.client, "transact_write_items", refuse)
    with pytest.raises(raised):
        transact({"one": new("A"), "two": new("B")}, world.at.sleep)
    assert len(asked) == tries


def test_a_debt_is_looked_at_when_it_is_due_until_it_is_paid(world: World) -> None:
    key = debts.key("job_1", "drop")
    transact({"debt": debts.new_item("job_1", "drop", "2026-09-01T12:01:00.000Z")}, world.at.sleep)
    assert list(due_now(world.at.now())) == []
    world.at.sleep(60)
    assert list(due_now(world.at.now())) == [key]
    assert debts.kind_of(key["sk"]) == "drop" and debts.kind_of("JOB") is None
    debts.remove("job_1", "drop")
    assert list(due_now(world.at.now())) == []


def test_a_late_writer_does_not_bring_a_paid_debt_back(world: World) -> None:
    key = debts.key("job_1", "drop")
    debts.remove("job_1", "drop")
    set_due(key, "2026-09-01")
    clear_due(key)
    assert [item for item in world.items() if item["pk"] == key["pk"]] == []
