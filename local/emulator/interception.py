"""Strike with faults and count usage at the three places that every call passes.

Requests cover the SDK in a test and in every function. They do not cover the HTTP API, function URLs, and the calls that
the emulator makes inside itself; of these, invocations and writes are covered by the other two.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import time
from collections.abc import Callable
from typing import Any

from local.emulator import dynamodb
from local.emulator.dynamodb import Action, Item
from local.emulator.faults import Fault, Faults
from local.emulator.rewriting import rewrite
from local.emulator.usage import Usage

Answer = tuple[int, dict[str, Any], Any]
"""Status, headers, body: how every service of the emulator answers."""

MATCHED_BYTES = 65_536  # of a body; no expression needs to see a whole upload
OPERATIONS = {"InvokeFunction": "Invoke", "ListBucket": "ListObjectsV2"}
"""Where IAM's name of an operation is not the API's."""
WRITES = ("_put_item", "_update_item", "_delete_item", "_batch_write_item", "_transact_write_items")
PAID = ("ConditionalCheckFailedException", "TransactionCanceledException")
"""AWS bills a write that its condition refused."""
HOT = "Throughput exceeds the current capacity of your table or index."


def intercept_requests(ministack: Any, faults: Faults, usage: Usage) -> None:
    dispatch = ministack._dispatch_service_request

    async def dispatched(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any], request_id: str
    ) -> Answer:
        service, operation = _operation(ministack, method, path, headers, body, query)
        if service == "lambda":
            limit_concurrency(faults)  # GetAccountSettings tells it
        invocation = (service, operation) == ("lambda", "Invoke")  # these have a place of their own
        text = f"{path}\n{body[:MATCHED_BYTES].decode('latin-1')}"
        fault = None if invocation else faults.take(service, operation, text)
        if fault and fault.seconds:
            await asyncio.sleep(fault.seconds)
        answer: Answer | None = None
        if not fault or fault.when == "after" or not (fault.code or fault.cut):
            usage.requested(service, operation)
            answer = await dispatch(method, path, headers, body, query, request_id)
        if fault and fault.cut:
            return _cut(answer)
        if fault and fault.code:
            return _refusal(fault, service, path, body, request_id)
        assert answer
        return answer

    ministack._dispatch_service_request = dispatched


def _operation(
    ministack: Any, method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
) -> tuple[str, str]:
    router: Any = importlib.import_module("ministack.core.router")
    actions: Any = importlib.import_module("ministack.core.iam_actions")
    parameters = ministack._routing_params(method, path, headers, body, query)
    service: str = router.detect_service(method, path, headers, parameters)
    action: str = actions.extract_iam_action(service, method, path, headers, body, parameters) or ":"
    name = action.split(":")[1]
    if service == "s3" and method == "HEAD":
        name = "HeadBucket" if name == "ListBucket" else "HeadObject"
    return service, OPERATIONS.get(name, name)


def _cut(answer: Answer | None) -> Answer:
    """Send half the answer, then close the connection.

    botocore accepts a body that is shorter than its length says. So the half is sent in chunks, without
    a length, and the last chunk is missing.
    """
    responses: Any = importlib.import_module("ministack.core.responses")
    status, headers, body = answer or (200, {}, b"")
    data = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else b""

    async def half(send: Any, _receive: Any) -> None:
        await send({"type": "http.response.body", "body": data[: len(data) // 2], "more_body": True})

    kept = {name: value for name, value in headers.items() if name.lower() != "content-length"}
    return status, kept, responses.StreamingResponse(half)


def _refusal(fault: Fault, service: str, path: str, body: bytes, request_id: str) -> Answer:
    """Answer an error in the form that the service uses."""
    s3: Any = importlib.import_module("ministack.services.s3")
    responses: Any = importlib.import_module("ministack.core.responses")
    actions: Any = importlib.import_module("ministack.core.iam_actions")
    assert fault.code and fault.status
    if service == "s3":
        status, headers, text = s3._error(fault.code, fault.message, fault.status, path)
    elif "xml" in actions._SERVICE_PROTOCOL.get(service, "json"):
        status, headers, text = responses.error_response_xml(fault.code, fault.message, fault.status)
    else:
        extra = _cancellation(fault.reasons, body) if fault.reasons else None
        status, headers, text = _error(fault.code, fault.message, fault.status, extra)
    return status, {**headers, "x-amzn-requestid": request_id}, text


def _cancellation(reasons: list[str], body: bytes) -> dict[str, Any]:
    items = len(json.loads(body).get("TransactItems", reasons))
    codes = (reasons + ["None"] * items)[:items]
    return {"CancellationReasons": [{"Code": c} if c == "None" else {"Code": c, "Message": "injected"} for c in codes]}


def intercept_invocations(faults: Faults, usage: Usage) -> None:
    """Intercept every invocation of a function: by the API, a state machine, a queue or a rule."""
    service: Any = importlib.import_module("ministack.services.lambda_svc")
    rewrite(
        service, "_invoke", ("return 429, throttle_headers,", 'return result.get("status", 429), throttle_headers,')
    )
    acquire = service._acquire_execution_slot
    dispatch = service._execute_function_dispatch

    def acquired(func: dict[str, Any], config: dict[str, Any]) -> Any:
        fault = limit_concurrency(faults)
        slot, refused_by = acquire(func, config)
        if slot is None:
            usage.throttled(config["FunctionName"])
        if fault and refused_by == "account":
            fault.struck += 1
        return slot, refused_by

    def dispatched(func: dict[str, Any], config: dict[str, Any], *rest: Any) -> Any:
        fault = faults.take("lambda", "Invoke", config["FunctionName"])
        if fault and fault.seconds:
            time.sleep(fault.seconds)
        if not fault or not fault.code:
            return dispatch(func, config, *rest)
        if fault.when == "after":
            dispatch(func, config, *rest)
        if fault.status == 429:
            usage.throttled(config["FunctionName"])
        body = {"__type": fault.code, "message": fault.message}
        return {"throttle": True, "error": True, "status": fault.status, "body": body, "log": ""}

    service._acquire_execution_slot = acquired
    service._execute_function_dispatch = dispatched


def limit_concurrency(faults: Faults) -> Fault | None:
    """Replace the emulator's own limit of the account, which it computes from this machine's memory, by ours."""
    service: Any = importlib.import_module("ministack.services.lambda_svc")
    value, fault = faults.limit("concurrency") or (service._default_account_concurrency(), None)
    service._ACCOUNT_CONCURRENCY_CAP = value
    return fault


def intercept_writes(faults: Faults, usage: Usage) -> None:
    """Intercept every write to DynamoDB, those of state machines too. PartiQL is not covered."""
    service: Any = importlib.import_module("ministack.services.dynamodb")
    for name in WRITES:
        transaction = name == "_transact_write_items"
        setattr(service, name, _metered(getattr(service, name), transaction, faults, usage))


def _metered(
    write: Callable[[dict[str, Any]], Answer], transaction: bool, faults: Faults, usage: Usage
) -> Callable[[dict[str, Any]], Answer]:
    def metered(request: dict[str, Any]) -> Answer:
        before = [(action, dynamodb.stored(action)) for action in dynamodb.actions(request)]
        hot = [_hot(action, item, faults, usage) for action, item in before]
        if any(hot):
            return _throttled(hot, transaction)
        answer = write(request)
        if answer[0] == 200 or answer[1].get("x-amzn-errortype") in PAID:
            for action, item in before:
                for key, units in dynamodb.charges(action, item, dynamodb.stored(action), transaction):
                    usage.wrote(key, units)
        return answer

    return metered


def _hot(action: Action, before: Item | None, faults: Faults, usage: Usage) -> bool:
    for key in dynamodb.touched(action, before):
        units, fault = faults.limit("writes_per_second", key.value) or (0, None)
        if fault and usage.written_this_second(key) >= units:
            fault.struck += 1
            return True
    return False


def _throttled(hot: list[bool], transaction: bool) -> Answer:
    """Answer as AWS does for a hot partition of an on-demand table.

    Of a batch nothing is written; AWS may write a part.
    """
    if not transaction:
        return _error("ThrottlingException", HOT, 400)
    reasons = [{"Code": "ThrottlingError", "Message": HOT} if each else {"Code": "None"} for each in hot]
    return _error("TransactionCanceledException", "injected", 400, {"CancellationReasons": reasons})


def _error(code: str, message: str, status: int, extra: dict[str, Any] | None = None) -> Answer:
    responses: Any = importlib.import_module("ministack.core.responses")
    answer: Answer = responses.error_response_json(code, message, status, extra)
    return answer
