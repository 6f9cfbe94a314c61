"""Writing several items at once: all or none, and the names of what refused."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fitting_room.stores import aws, debts
from fitting_room.stores.aws import Busy
from fitting_room.stores.items import (
    DUE_SHARDS,
    Conflict,
    clear_due,
    due_attributes,
    due_now,
    set_due,
    transact,
    update_if,
)
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
    reasons: Any = [{"Code": code} for code in codes]
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


@pytest.mark.parametrize(
    ("code", "raised"),
    [
        ("ThrottlingException", Busy),
        ("ProvisionedThroughputExceededException", Busy),
        ("RequestLimitExceeded", Busy),
        ("ValidationException", ClientError),
        ("InternalServerError", ClientError),
    ],
)
def test_a_transaction_that_the_sdk_repeated_in_vain_is_not_repeated_again(
    world: World, monkeypatch: pytest.MonkeyPatch, code: str, raised: type[Exception]
) -> None:
    asked: list[Any] = []

    def refuse(**written: Any) -> None:
        asked.append(written)
        raise ClientError({"Error": {"Code": code, "Message": "x"}}, "TransactWriteItems")

    monkeypatch.setattr(aws.table().meta.client, "transact_write_items", refuse)
    with pytest.raises(raised):
        transact({"one": new("A")}, world.at.sleep)
    assert (len(asked), world.at.slept) == (1, [])


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


@pytest.mark.parametrize(("meetings", "written"), [(0, True), (1, True), (7, True), (8, False)])
def test_an_update_that_meets_a_transaction_is_repeated(
    world: World, monkeypatch: pytest.MonkeyPatch, meetings: int, written: bool
) -> None:
    """So a purchase is recorded though its job is settled or erased at the same moment; the SDK does not repeat this."""
    update, left, slept = aws.table().update_item, [None] * meetings, list[float]()

    def meets(**asked: Any) -> Any:
        if left:
            left.pop()
            raise ClientError({"Error": {"Code": "TransactionConflictException", "Message": "x"}}, "UpdateItem")
        return update(**asked)

    monkeypatch.setattr(aws.table(), "update_item", meets)
    monkeypatch.setattr(time, "sleep", slept.append)
    if written:
        assert update_if({"pk": "A", "sk": "A"}, "SET n = :n", "attribute_not_exists(pk)", values={":n": 1})
    else:
        with pytest.raises(ClientError):
            update_if({"pk": "A", "sk": "A"}, "SET n = :n", "attribute_not_exists(pk)", values={":n": 1})
    assert [item["n"] for item in world.items() if item["pk"] == "A"] == [1] * written
    assert len(slept) == min(meetings, 7) and max(slept, default=0) <= 1


def test_an_update_that_is_refused_for_another_reason_is_not_repeated(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def refuse(**update: Any) -> Any:
        asked.append(update)
        raise ClientError({"Error": {"Code": "ValidationException", "Message": "x"}}, "UpdateItem")

    monkeypatch.setattr(aws.table(), "update_item", refuse)
    with pytest.raises(ClientError):
        update_if({"pk": "A", "sk": "A"}, "SET n = :n", "attribute_not_exists(pk)", values={":n": 1})
    assert len(asked) == 1


def test_what_is_owed_longest_comes_first_in_each_shard(world: World) -> None:
    """Otherwise a sweep that runs out of time would never come to what waits longest."""
    for minute in (3, 0, 2, 1):
        for n in range(8):
            at = f"2026-09-01T11:5{minute}:00.000Z"
            aws.table().put_item(Item={"pk": f"JOB#{minute}{n}", "sk": "JOB", **due_attributes(f"{n}", at)})
    for shard in range(DUE_SHARDS):
        minutes = [found["pk"][4] for found in due_now(world.at.now(), [shard])]
        assert minutes and minutes == sorted(minutes)
