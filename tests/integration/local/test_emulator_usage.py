"""What AWS would bill is counted: write units a key, requests, invocations, state transitions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.emulator.dynamodb import Key
from local.emulator.usage import Usage
from tests.integration.local.emulated import Emulated, invoking, running

KEY = Key("jobs", None, "JOB#1")


@pytest.fixture(scope="module")
def running_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    with running(tmp_path_factory.mktemp("emulator")) as emulator:
        emulator.set(stepfunctions___SFN_WAIT_SCALE=0.001)
        yield emulator


@pytest.fixture
def emulator(running_emulator: Emulated) -> Emulated:
    running_emulator.control.reset_usage()
    return running_emulator


def item(pk: str, **more: str) -> dict[str, Any]:
    return {name: {"S": value} for name, value in {"pk": pk, "sk": "1", **more}.items()}


def test_the_busiest_second_of_a_key() -> None:
    now = 100.0
    usage = Usage(now=lambda: now)
    for now, units in ((100.1, 3.0), (100.9, 4.0), (101.0, 5.0), (105.0, 1.0)):  # noqa: B007
        usage.wrote(KEY, units)
    [writes] = usage.listed()["writes"]
    assert (writes["total"], writes["peak"]) == (13, 7)
    assert usage.written_this_second(KEY) == 1
    now = 106.0
    assert usage.written_this_second(KEY) == 0


def test_write_units_by_size_and_by_key(emulator: Emulated) -> None:
    table, db = emulator.table(), emulator.aws("dynamodb")
    db.put_item(TableName=table, Item=item("SMALL"))
    db.put_item(TableName=table, Item=item("LARGE", text="x" * 2500))
    db.update_item(
        TableName=table, Key=item("LARGE"), UpdateExpression="REMOVE #t", ExpressionAttributeNames={"#t": "text"}
    )
    db.delete_item(TableName=table, Key=item("SMALL"))
    usage = emulator.control.usage()
    assert usage.writes_on("SMALL").total == 2
    assert usage.writes_on("LARGE").total == 6  # the larger of before and after
    assert usage.writes[0].value == "LARGE"


def test_a_transaction_costs_twice_as_much_even_when_refused(emulator: Emulated) -> None:
    table, db = emulator.table(), emulator.aws("dynamodb")
    puts = [
        {"Put": {"TableName": table, "Item": item(pk), "ConditionExpression": "attribute_not_exists(pk)"}}
        for pk in ("A", "B")
    ]
    db.transact_write_items(TransactItems=puts)
    assert emulator.control.usage().writes_on("A").total == 2
    with pytest.raises(ClientError, match="TransactionCanceledException"):
        db.transact_write_items(TransactItems=puts)
    assert emulator.control.usage().writes_on("A").total == 4


def test_a_refused_condition_costs_and_an_invalid_request_does_not(emulator: Emulated) -> None:
    table, db = emulator.table(), emulator.aws("dynamodb")
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        db.put_item(TableName=table, Item=item("A"), ConditionExpression="attribute_exists(pk)")
    with pytest.raises(ClientError, match="ValidationException"):
        db.put_item(TableName=table, Item={"pk": {"S": "B"}})
    usage = emulator.control.usage()
    assert usage.writes_on("A").total == 1
    assert usage.writes_on("B").total == 0


def test_an_index_costs_on_its_own_keys(emulator: Emulated) -> None:
    table, db = emulator.table(), emulator.aws("dynamodb")

    def move(place: str) -> None:
        db.update_item(
            TableName=table,
            Key=item("A"),
            UpdateExpression="SET place = :place",
            ExpressionAttributeValues={":place": {"S": place}},
        )

    for place in ("ONE", "ONE", "TWO"):
        move(place)
    usage = emulator.control.usage()
    assert usage.writes_on("A").total == 3
    assert usage.writes_on("ONE", index="queue").total == 2  # in, unchanged, out
    assert usage.writes_on("TWO", index="queue").total == 1


def test_a_batch_costs_on_each_key(emulator: Emulated) -> None:
    table = emulator.table()
    puts = [{"PutRequest": {"Item": item(pk)}} for pk in ("A", "B")]
    emulator.aws("dynamodb").batch_write_item(RequestItems={table: puts})
    assert {each.value: each.total for each in emulator.control.usage().writes} == {"A": 1, "B": 1}


def test_requests_by_service_and_operation(emulator: Emulated) -> None:
    bucket, s3 = emulator.bucket(), emulator.aws("s3")
    emulator.control.reset_usage()
    s3.put_object(Bucket=bucket, Key="1", Body=b"1")
    s3.get_object(Bucket=bucket, Key="1")
    s3.head_object(Bucket=bucket, Key="1")
    s3.list_objects_v2(Bucket=bucket)
    with emulator.control.faults({"service": "s3", "code": "SlowDown", "status": 503}), pytest.raises(ClientError):
        s3.get_object(Bucket=bucket, Key="1")  # not billed
    expected = {"PutObject": 1, "GetObject": 1, "HeadObject": 1, "ListObjectsV2": 1}
    assert emulator.control.usage().requests == {"s3": expected}


def test_invocations_by_function(emulator: Emulated) -> None:
    works, fails = emulator.function("import time; time.sleep(0.1)", memory=2048), emulator.function("raise ValueError")
    functions = emulator.aws("lambda")
    for name in (works, works, fails):
        functions.invoke(FunctionName=name)
    throttle = {"code": "TooManyRequestsException", "status": 429}
    with emulator.control.faults({"service": "lambda", **throttle}), pytest.raises(ClientError):  # type: ignore[typeddict-item]
        functions.invoke(FunctionName=works)
    usage = emulator.control.usage()
    found = usage.functions[works]
    assert (found.invocations, found.errors, found.throttles) == (2, 0, 1)
    assert 0.4 <= found.gb_seconds < 200  # 2 x 2 GB x 0.1 s, and the cold start
    assert (usage.functions[fails].invocations, usage.functions[fails].errors) == (1, 1)
    assert usage.log_bytes > 0


def test_transitions_by_execution(emulator: Emulated) -> None:
    """Three states, two retries, and two states in each of two items."""
    retry = {"ErrorEquals": ["States.ALL"], "MaxAttempts": 2}
    work = invoking(
        emulator.function("raise ValueError"), Retry=[retry], Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Each"}]
    )
    items = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "End": True}}}
    machine = emulator.machine(
        {
            "Work": work,
            "Each": {"Type": "Map", "ItemsPath": "$$.Execution.Input.items", "ItemProcessor": items, "Next": "End"},
            "End": {"Type": "Succeed"},
        }
    )
    execution = emulator.ran(machine, {"items": [1, 2]})
    assert execution["status"] == "SUCCEEDED"
    transitions = emulator.control.usage().transitions
    assert transitions == {machine.rsplit(":", 1)[1]: {execution["name"]: 3 + 2 + 2 * 2}}
