"""Where the emulator is put right, seen over HTTP. Each would be answered otherwise by ministack as it is shipped."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.deploy import ACCOUNT, REGION
from local.emulator.functions import waiting_out_throttles
from local.emulator.machines import retry_pause
from tests.integration.local.emulated import Emulated, invoking, running, until

SCALE = 0.01  # of a state machine's waits
HOUR = {"Type": "Wait", "Seconds": 3600, "End": True}


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    with running(tmp_path_factory.mktemp("emulator")) as emulator:
        emulator.set(stepfunctions___SFN_WAIT_SCALE=SCALE)
        yield emulator


@pytest.fixture
def unhurried(emulator: Emulated) -> Iterator[Emulated]:
    """Its state machines wait as long as they say."""
    emulator.set(stepfunctions___SFN_WAIT_SCALE=1)
    yield emulator
    emulator.set(stepfunctions___SFN_WAIT_SCALE=SCALE)


def code(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as refused:
        call()
    return str(refused.value.response["Error"]["Code"])


# Ports


def test_the_same_is_served_over_tls_to_those_who_trust_its_certificate(emulator: Emulated) -> None:
    def usage(trusted: str | None) -> bytes:
        context = ssl.create_default_context(cafile=trusted)
        with urllib.request.urlopen(f"{emulator.tls_url}/_emulator/usage", context=context) as answer:
            return bytes(answer.read())

    assert b"requests" in usage(str(emulator.certificate))
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        usage(None)


# Functions


def test_a_template_reserves_concurrency(emulator: Emulated) -> None:
    stacks, functions, name = emulator.aws("cloudformation"), emulator.aws("lambda"), f"f-{uuid.uuid4()}"

    def template(**more: int) -> str:
        properties = {
            "FunctionName": name,
            "Runtime": "python3.13",
            "Handler": "index.handler",
            "Role": f"arn:aws:iam::{ACCOUNT}:role/anybody",
            "Code": {"ZipFile": "def handler(event, context): pass"},
            **more,
        }
        return json.dumps({"Resources": {"F": {"Type": "AWS::Lambda::Function", "Properties": properties}}})

    def reserved() -> int | None:
        found = functions.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
        return None if found is None else int(found)

    stacks.create_stack(StackName=name, TemplateBody=template(ReservedConcurrentExecutions=3))
    stacks.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    assert reserved() == 3
    stacks.update_stack(StackName=name, TemplateBody=template(ReservedConcurrentExecutions=0))
    stacks.get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    assert reserved() == 0
    assert code(lambda: functions.invoke(FunctionName=name)) == "TooManyRequestsException"


def test_a_rule_invokes_again_when_the_function_is_throttled(emulator: Emulated) -> None:
    bucket, events = emulator.bucket(), emulator.aws("events")
    name = emulator.function(f"import boto3; boto3.client('s3').put_object(Bucket='{bucket}', Key='1')")
    events.put_rule(Name=name, EventPattern=json.dumps({"source": ["test"]}))
    target = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": target}])
    emulator.aws("lambda").add_permission(
        FunctionName=name, StatementId="1", Action="lambda:InvokeFunction", Principal="events.amazonaws.com"
    )
    with emulator.control.faults(
        {"service": "lambda", "match": name, "code": "TooManyRequestsException", "status": 429, "times": 1}
    ):
        events.put_events(Entries=[{"Source": "test", "DetailType": "x", "Detail": "{}"}])
        until(lambda: emulator.aws("s3").list_objects_v2(Bucket=bucket)["KeyCount"], "the function to run")
        assert emulator.control.struck() == 1


def test_throttles_are_waited_out_until_the_event_is_too_old() -> None:
    paused: list[float] = []

    def answers(throttles: int) -> Callable[[], dict[str, Any]]:
        left = [{"throttle": True}] * throttles + [{"body": "done"}]
        return lambda: left.pop(0)

    def invoked(throttles: int, give_up_at: float) -> dict[str, Any]:
        paused.clear()
        return waiting_out_throttles(answers(throttles), give_up_at, now=lambda: sum(paused), sleep=paused.append)

    assert invoked(7, 21_600) == {"body": "done"}
    assert paused == [1, 2, 4, 8, 16, 30, 30]
    assert invoked(7, 10) == {"throttle": True}
    assert paused == [1, 2, 4]


# State machines


def test_the_pause_before_a_retry_is_capped_and_drawn() -> None:
    backoff = {"IntervalSeconds": 10, "BackoffRate": 3}
    assert [retry_pause(backoff, count) for count in range(4)] == [10, 30, 90, 270]
    assert [retry_pause({**backoff, "MaxDelaySeconds": 40}, count) for count in range(4)] == [10, 30, 40, 40]
    assert retry_pause({**backoff, "JitterStrategy": "FULL"}, 1, draw=lambda: 0.5) == 15
    assert retry_pause({**backoff, "JitterStrategy": "NONE"}, 1, draw=lambda: 0.5) == 30


@pytest.mark.parametrize("nested", [False, True])
def test_a_machine_keeps_to_the_longest_pause(unhurried: Emulated, nested: bool) -> None:
    retry = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 600, "MaxDelaySeconds": 1, "MaxAttempts": 1}
    state = invoking(unhurried.function("raise ValueError"), **({} if nested else {"Retry": [retry]}))
    if nested:
        branch = {"StartAt": "Work", "States": {"Work": state}}
        state = {"Type": "Parallel", "Branches": [branch], "Retry": [retry], "End": True}
    assert unhurried.ran(unhurried.machine({"Work": state}))["error"] == "ValueError"  # and not after minutes


def test_to_start_a_running_execution_again_is_no_error(emulator: Emulated) -> None:
    states, machine = emulator.aws("stepfunctions"), emulator.machine({"Wait": HOUR})
    first = states.start_execution(stateMachineArn=machine, name="one", input='{"n": 1}')
    again = states.start_execution(stateMachineArn=machine, name="one", input='{"n": 1}')
    assert (first["executionArn"], first["startDate"]) == (again["executionArn"], again["startDate"])
    assert len(states.list_executions(stateMachineArn=machine)["executions"]) == 1
    other = code(lambda: states.start_execution(stateMachineArn=machine, name="one", input='{"n": 2}'))
    states.stop_execution(executionArn=first["executionArn"])
    ended = code(lambda: states.start_execution(stateMachineArn=machine, name="one", input='{"n": 1}'))
    assert other == ended == "ExecutionAlreadyExists"


@pytest.mark.parametrize("pattern", ["", ".sync:2"])
def test_a_child_machine_has_a_name_of_its_own(emulator: Emulated, pattern: str) -> None:
    child = emulator.machine({"End": {"Type": "Succeed"}})
    start = {
        "Type": "Task",
        "Resource": f"arn:aws:states:::states:startExecution{pattern}",
        "Parameters": {"StateMachineArn": child, "Name": "child"},
        "End": True,
    }
    parent = emulator.machine({"Start": start})
    assert emulator.ran(parent)["status"] == "SUCCEEDED"
    emulator.ended(f"{child.replace(':stateMachine:', ':execution:')}:child")
    assert emulator.ran(parent)["error"] == "StepFunctions.ExecutionAlreadyExistsException"
    assert len(emulator.aws("stepfunctions").list_executions(stateMachineArn=child)["executions"]) == 1


def test_a_child_machine_tells_its_status(emulator: Emulated) -> None:
    child, queues, events = emulator.machine({"End": {"Type": "Succeed"}}), emulator.aws("sqs"), emulator.aws("events")
    name = f"q-{uuid.uuid4()}"
    queue = queues.create_queue(QueueName=name)["QueueUrl"]
    pattern = {"source": ["aws.states"], "detail": {"stateMachineArn": [child]}}
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"}])
    start = {
        "Type": "Task",
        "Resource": "arn:aws:states:::states:startExecution.sync:2",
        "Parameters": {"StateMachineArn": child},
        "End": True,
    }
    assert emulator.ran(emulator.machine({"Start": start}))["status"] == "SUCCEEDED"
    seen: list[str] = []

    def both() -> bool:
        messages = queues.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        seen.extend(json.loads(message["Body"])["detail"]["status"] for message in messages)
        return len(seen) == 2

    until(both, "two events")
    assert seen == ["RUNNING", "SUCCEEDED"]


def test_to_stop_an_execution_stops_its_map(emulator: Emulated) -> None:
    states = emulator.aws("stepfunctions")
    item = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Wait",
        "States": {"Wait": {"Type": "Wait", "Seconds": 50, "End": True}},
    }
    work = {"Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 1, "ItemProcessor": item, "End": True}
    machine = emulator.machine({"Work": work})
    execution = states.start_execution(stateMachineArn=machine, input=json.dumps({"items": [1, 2, 3, 4]}))
    arn = execution["executionArn"]
    [run] = until(lambda: states.list_map_runs(executionArn=arn)["mapRuns"], "the map to run")

    def items() -> int:
        return len(states.list_executions(mapRunArn=run["mapRunArn"])["executions"])

    until(items, "an item to start")
    states.stop_execution(executionArn=arn)
    begun = items()

    def ended() -> str | None:
        status = str(states.describe_map_run(mapRunArn=run["mapRunArn"])["status"])
        return None if status == "RUNNING" else status

    assert until(ended, "the map to stop") == "ABORTED"
    assert items() == begun < 4


# Policies


def test_a_policy_names_the_callers_own_prefix(emulator: Emulated) -> None:
    bucket = emulator.bucket()
    resource = f"arn:aws:s3:::{bucket}/${{aws:PrincipalTag/tenant}}/*"
    role = emulator.role("prefix", [{"Effect": "Allow", "Action": "s3:*", "Resource": resource}])
    tagged = emulator.aws("s3", credentials=emulator.session(role, tenant="a"))
    tagged.put_object(Bucket=bucket, Key="a/1", Body=b"1")
    assert code(lambda: tagged.put_object(Bucket=bucket, Key="b/1", Body=b"1")) == "AccessDenied"
    untagged = emulator.aws("s3", credentials=emulator.session(role))
    assert code(lambda: untagged.put_object(Bucket=bucket, Key="a/1", Body=b"1")) == "AccessDenied"


@pytest.mark.parametrize("quantifier", ["ForAllValues", "ForAnyValue"])
def test_a_policy_names_the_callers_own_keys(emulator: Emulated, quantifier: str) -> None:
    table = emulator.table()
    condition = {f"{quantifier}:StringEquals": {"dynamodb:LeadingKeys": ["TENANT#${aws:PrincipalTag/tenant}"]}}
    allow = {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*", "Condition": condition}
    role = emulator.role(f"keys-{quantifier}", [allow])
    db = emulator.aws("dynamodb", credentials=emulator.session(role, tenant="a"))
    untagged = emulator.aws("dynamodb", credentials=emulator.session(role))

    def item(tenant: str) -> dict[str, Any]:
        return {"pk": {"S": f"TENANT#{tenant}"}, "sk": {"S": "1"}}

    def query(tenant: str) -> Any:
        values = {":pk": {"S": f"TENANT#{tenant}"}}
        names = {"#pk": "pk"}
        return db.query(
            TableName=table,
            KeyConditionExpression="#pk = :pk",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
        )

    def batch(*tenants: str) -> Any:
        return db.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": item(each)}} for each in tenants]})

    def transaction(*tenants: str) -> Any:
        actions = [{"Put": {"TableName": table, "Item": item(each)}} for each in tenants]
        return db.transact_write_items(TransactItems=actions)

    db.put_item(TableName=table, Item=item("a"))
    assert db.get_item(TableName=table, Key=item("a"))["Item"]
    assert db.batch_get_item(RequestItems={table: {"Keys": [item("a")]}})["Responses"][table]
    assert query("a")["Count"] == 1
    batch("a")
    transaction("a")
    denied = [
        lambda: db.put_item(TableName=table, Item=item("b")),
        lambda: db.get_item(TableName=table, Key=item("b")),
        lambda: db.batch_get_item(RequestItems={table: {"Keys": [item("b")]}}),
        lambda: query("b"),
        lambda: batch("b"),
        lambda: transaction("b"),
        lambda: untagged.put_item(TableName=table, Item=item("a")),
    ]
    if quantifier == "ForAllValues":
        denied += [lambda: batch("a", "b"), lambda: transaction("a", "b")]
    assert {code(call) for call in denied} == {"AccessDeniedException"}
