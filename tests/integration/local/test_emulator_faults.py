"""The emulator is made to fail as AWS can: over HTTP, with the SDK that the product uses."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from local.emulator.faults import Faults
from local.emulator_control import Fault
from tests.integration.local.emulated import Emulated, invoking, running, until

SLOW_DOWN: Fault = {"service": "s3", "match": "/results/", "code": "SlowDown", "status": 503}
THROTTLED: Fault = {"service": "lambda", "code": "TooManyRequestsException", "status": 429}
RETRY = {"ErrorEquals": ["Lambda.TooManyRequestsException"], "MaxAttempts": 5, "IntervalSeconds": 1}


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    with running(tmp_path_factory.mktemp("emulator")) as emulator:
        emulator.set(stepfunctions___SFN_WAIT_SCALE=0.01)
        yield emulator


def refusal(call: Callable[[], Any]) -> dict[str, Any]:
    with pytest.raises(ClientError) as refused:
        call()
    return dict(refused.value.response)


def code(call: Callable[[], Any]) -> str:
    return str(refusal(call)["Error"]["Code"])


def item(pk: str, **more: str) -> dict[str, Any]:
    return {name: {"S": value} for name, value in {"pk": pk, "sk": "1", **more}.items()}


# DynamoDB


@pytest.mark.parametrize("name", ["ProvisionedThroughputExceededException", "ThrottlingException"])
def test_a_table_throttles_one_operation_on_some_keys_so_often(emulator: Emulated, name: str) -> None:
    table, db = emulator.table(), emulator.aws("dynamodb")
    fault: Fault = {"service": "dynamodb", "operation": "PutItem", "match": "JOB#", "code": name, "status": 400}
    with emulator.control.faults({**fault, "times": 2}):
        db.put_item(TableName=table, Item=item("TENANT#a"))
        db.get_item(TableName=table, Key=item("JOB#1"))
        assert code(lambda: db.put_item(TableName=table, Item=item("JOB#1"))) == name
        assert "Item" not in db.get_item(TableName=table, Key=item("JOB#1"))
        assert code(lambda: db.put_item(TableName=table, Item=item("JOB#1"))) == name
        db.put_item(TableName=table, Item=item("JOB#1"))
        assert emulator.control.struck() == 2


def test_the_sdk_waits_out_a_throttle(emulator: Emulated) -> None:
    table = emulator.table()
    fault: Fault = {"service": "dynamodb", "code": "ThrottlingException", "status": 400, "times": 2}
    with emulator.control.faults(fault):
        answer = emulator.aws("dynamodb", attempts=3).put_item(TableName=table, Item=item("JOB#1"))
    assert answer["ResponseMetadata"]["RetryAttempts"] == 2


def test_a_transaction_meets_another_one(emulator: Emulated) -> None:
    table, db = emulator.table(), emulator.aws("dynamodb")
    puts = [{"Put": {"TableName": table, "Item": item(f"JOB#{n}")}} for n in range(3)]
    fault: Fault = {"service": "dynamodb", "code": "TransactionCanceledException", "status": 400}
    reasons = ["None", "TransactionConflict"]
    with emulator.control.faults({**fault, "operation": "TransactWriteItems", "reasons": reasons, "times": 1}):
        refused = refusal(lambda: db.transact_write_items(TransactItems=puts))
    assert refused["Error"]["Code"] == "TransactionCanceledException"
    assert [each["Code"] for each in refused["CancellationReasons"]] == ["None", "TransactionConflict", "None"]


def test_a_write_is_done_and_told_as_failed(emulator: Emulated) -> None:
    table, db = emulator.table(), emulator.aws("dynamodb")
    fault: Fault = {"service": "dynamodb", "operation": "PutItem", "code": "InternalServerError", "status": 500}
    with emulator.control.faults({**fault, "when": "after", "times": 1}):
        assert code(lambda: db.put_item(TableName=table, Item=item("JOB#1"))) == "InternalServerError"
    assert "Item" in db.get_item(TableName=table, Key=item("JOB#1"))


@pytest.mark.parametrize(("when", "done"), [("before", False), ("after", True)])
def test_a_connection_is_cut_before_or_after_the_write(emulator: Emulated, when: Any, done: bool) -> None:
    table, db = emulator.table(), emulator.aws("dynamodb")
    with (
        emulator.control.faults({"service": "dynamodb", "operation": "PutItem", "cut": True, "when": when}),
        pytest.raises(BotoCoreError),
    ):
        db.put_item(TableName=table, Item=item("JOB#1"))
    assert ("Item" in db.get_item(TableName=table, Key=item("JOB#1"))) is done


def test_a_hot_key_is_throttled_and_no_other(emulator: Emulated) -> None:
    table, db = emulator.table(), emulator.aws("dynamodb")
    with emulator.control.faults({"service": "dynamodb", "match": "^HOT$", "writes_per_second": 0.5}):
        for pk in ("COLD", "HOT", "COLD", "COLD"):
            db.put_item(TableName=table, Item=item(pk))
        assert code(lambda: [db.put_item(TableName=table, Item=item("HOT")) for _ in range(9)]) == "ThrottlingException"
        puts = [{"Put": {"TableName": table, "Item": item(pk)}} for pk in ("COLD", "HOT")]
        refused = refusal(lambda: [db.transact_write_items(TransactItems=puts) for _ in range(9)])
    assert [each["Code"] for each in refused["CancellationReasons"]] == ["None", "ThrottlingError"]


def test_a_hot_key_of_an_index_throttles_the_table(emulator: Emulated) -> None:
    table, db = emulator.table(), emulator.aws("dynamodb")
    with emulator.control.faults({"service": "dynamodb", "match": "^QUEUE$", "writes_per_second": 1}):
        refused = code(lambda: [db.put_item(TableName=table, Item=item(str(n), place="QUEUE")) for n in range(9)])
    assert refused == "ThrottlingException"


# S3


def test_a_bucket_slows_down_under_a_prefix(emulator: Emulated) -> None:
    bucket, s3 = emulator.bucket(), emulator.aws("s3")
    with emulator.control.faults(SLOW_DOWN):
        s3.put_object(Bucket=bucket, Key="uploads/1", Body=b"1")
        refused = refusal(lambda: s3.put_object(Bucket=bucket, Key="results/1", Body=b"1"))
        assert refused["Error"]["Code"] == "SlowDown"
        assert refused["ResponseMetadata"]["HTTPStatusCode"] == 503
    s3.put_object(Bucket=bucket, Key="results/1", Body=b"1")


def test_half_an_object_arrives(emulator: Emulated) -> None:
    bucket, s3 = emulator.bucket(), emulator.aws("s3")
    s3.put_object(Bucket=bucket, Key="1", Body=b"x" * 1000)
    with (
        emulator.control.faults({"service": "s3", "operation": "GetObject", "cut": True, "when": "after"}),
        pytest.raises(BotoCoreError),
    ):
        s3.get_object(Bucket=bucket, Key="1")["Body"].read()


def test_a_look_at_an_object_is_not_a_read(emulator: Emulated) -> None:
    bucket, s3 = emulator.bucket(), emulator.aws("s3")
    s3.put_object(Bucket=bucket, Key="results/1", Body=b"1")
    with emulator.control.faults({**SLOW_DOWN, "operation": "HeadObject"}):
        s3.get_object(Bucket=bucket, Key="results/1")
        assert code(lambda: s3.head_object(Bucket=bucket, Key="results/1")) == "503"


# Lambda


def test_one_function_is_throttled_for_every_caller(emulator: Emulated) -> None:
    busy, free = emulator.function(), emulator.function()
    machine = emulator.machine({"Work": invoking(busy, Retry=[RETRY])})
    functions = emulator.aws("lambda")
    with emulator.control.faults({**THROTTLED, "match": busy, "times": 3}):
        assert code(lambda: functions.invoke(FunctionName=busy)) == "TooManyRequestsException"
        assert functions.invoke(FunctionName=free)["StatusCode"] == 200
        assert emulator.ran(machine)["status"] == "SUCCEEDED"
        assert emulator.control.struck() == 3


def test_all_functions_are_throttled(emulator: Emulated) -> None:
    functions = emulator.aws("lambda")
    with emulator.control.faults(THROTTLED):
        for name in (emulator.function(), emulator.function()):
            assert code(lambda name=name: functions.invoke(FunctionName=name)) == "TooManyRequestsException"


def test_a_function_has_run_when_lambda_fails(emulator: Emulated) -> None:
    table, db = emulator.table(), emulator.aws("dynamodb")
    put = f"import boto3; boto3.client('dynamodb').put_item(TableName='{table}', Item={item('DONE')})"
    machine = emulator.machine({"Work": invoking(emulator.function(put))})
    fault: Fault = {"service": "lambda", "code": "ServiceException", "status": 500, "when": "after"}
    with emulator.control.faults(fault):
        assert emulator.ran(machine)["error"] == "Lambda.ServiceException"
    assert "Item" in db.get_item(TableName=table, Key=item("DONE"))


def test_an_account_runs_so_many_functions_at_once(emulator: Emulated) -> None:
    """Each holds its place until both have been seen: the third finds none."""
    bucket, functions = emulator.bucket(), emulator.aws("lambda")
    hold = (
        "import boto3, time; s3 = boto3.client('s3'); s3.put_object(Bucket=event['bucket'], Key=event['name']);\n"
        "    while 'Contents' not in s3.list_objects_v2(Bucket=event['bucket'], Prefix='go'): time.sleep(0.05)"
    )
    holding = [emulator.function(hold) for _ in range(2)]
    s3 = emulator.aws("s3")

    def invoke(name: str) -> None:
        functions.invoke(FunctionName=name, Payload=f'{{"bucket": "{bucket}", "name": "{name}"}}'.encode())

    with emulator.control.faults({"service": "lambda", "concurrency": 2}):
        threads = [threading.Thread(target=invoke, args=(name,)) for name in holding]
        for thread in threads:
            thread.start()
        until(lambda: s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 2, "both functions to run")
        assert functions.get_account_settings()["AccountLimit"]["ConcurrentExecutions"] == 2
        refused = refusal(lambda: functions.invoke(FunctionName=emulator.function()))
        assert emulator.control.struck() == 1
        s3.put_object(Bucket=bucket, Key="go")
        for thread in threads:
            thread.join()
        assert functions.invoke(FunctionName=holding[0], Payload=f'{{"bucket": "{bucket}", "name": "x"}}'.encode())
    assert refused["Error"]["Code"] == "TooManyRequestsException"
    assert refused["Reason"] == "ConcurrentInvocationLimitExceeded"
    assert functions.get_account_settings()["AccountLimit"]["ConcurrentExecutions"] > 2


# Step Functions


def test_a_machine_does_not_start(emulator: Emulated) -> None:
    machine, states = emulator.machine({"End": {"Type": "Succeed"}}), emulator.aws("stepfunctions")
    fault: Fault = {"service": "states", "operation": "StartExecution", "status": 400}
    for name in ("ThrottlingException", "ExecutionLimitExceeded"):
        with emulator.control.faults({**fault, "code": name}):
            assert code(lambda: states.start_execution(stateMachineArn=machine)) == name
    assert emulator.ran(machine)["status"] == "SUCCEEDED"


def test_a_machine_starts_and_the_caller_never_learns_it(emulator: Emulated) -> None:
    machine, states = emulator.machine({"End": {"Type": "Succeed"}}), emulator.aws("stepfunctions")
    fault: Fault = {"service": "states", "operation": "StartExecution", "cut": True, "when": "after"}
    with emulator.control.faults(fault), pytest.raises(BotoCoreError):
        states.start_execution(stateMachineArn=machine, name="one")
    assert [each["name"] for each in states.list_executions(stateMachineArn=machine)["executions"]] == ["one"]


# The control itself


def test_a_fault_in_a_service_that_answers_xml(emulator: Emulated) -> None:
    fault: Fault = {"service": "sns", "code": "Throttling", "status": 400}
    with emulator.control.faults(fault):
        assert code(emulator.aws("sns").list_topics) == "Throttling"


def test_no_web_page_makes_aws_fail(emulator: Emulated) -> None:
    answer = httpx.post(f"{emulator.url}/_emulator/faults", json=SLOW_DOWN, headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403
    assert emulator.control.struck() == 0
    assert httpx.get(f"{emulator.url}/_emulator/faults").json() == {"faults": []}


def test_a_late_answer_is_still_the_answer(emulator: Emulated) -> None:
    with emulator.control.faults({"service": "s3", "operation": "ListAllMyBuckets", "seconds": 0.2}):
        began = emulator.control.usage().seconds
        assert "Buckets" in emulator.aws("s3").list_buckets()
        assert emulator.control.usage().seconds - began >= 0.2


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ([], "send a JSON object"),
        ({"service": "dynamo", "cut": True}, "/service: 'dynamo' is no service"),
        ({"service": "s3", "cut": True, "time": 1}, "/time: no such field"),
        ({"service": "s3", "cut": True, "times": 0}, "/times: 0 is not above zero"),
        ({"service": "s3", "cut": True, "when": "now"}, "/when: 'now' is neither"),
        ({"service": "s3", "cut": True, "match": "("}, "/match: no regular expression"),
        ({"service": "s3", "cut": True, "match": 1}, "/match: 1 is no string"),
        ({"service": "s3", "code": "SlowDown"}, "/status: an error has a code and a status"),
        ({"service": "s3"}, "the fault does nothing"),
        ({"service": "s3", "concurrency": 1}, "/concurrency: only functions have it"),
        ({"service": "lambda", "concurrency": 1, "match": "x"}, "/match: the limit is the account's"),
        ({"service": "s3", "writes_per_second": 1}, "/writes_per_second: only tables have it"),
        ({"service": "dynamodb", "cut": True, "reasons": ["x"]}, "/reasons: only a transaction has them"),
        ({"service": "lambda", "cut": True}, "/cut: an invocation has no connection"),
    ],
)
def test_a_fault_that_is_none_is_refused(emulator: Emulated, fault: object, told: str) -> None:
    answer = httpx.post(f"{emulator.url}/_emulator/faults", json=fault)
    assert answer.status_code == 400
    assert told in answer.json()["error"]


def test_a_fault_ends_with_its_time() -> None:
    now = 100.0
    faults = Faults({"s3"}, now=lambda: now)
    faults.add({**SLOW_DOWN, "for_seconds": 60})
    assert faults.take("s3", "GetObject", "/media/results/1")
    now = 160.0
    assert not faults.take("s3", "GetObject", "/media/results/1")
    assert faults.listed()[0]["struck"] == 1


def test_the_oldest_fault_strikes_first_and_then_the_next() -> None:
    faults = Faults({"s3"})
    for name in ("SlowDown", "InternalError"):
        faults.add({"service": "s3", "code": name, "status": 503, "times": 1})
    struck = [faults.take("s3", "GetObject", "/") for _ in range(3)]
    assert [fault and fault.code for fault in struck] == ["SlowDown", "InternalError", None]
