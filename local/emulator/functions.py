"""Put right where the emulator's Lambda and HTTP API answer differently from AWS in a way this product can see."""

from __future__ import annotations

import importlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from local.emulator.rewriting import replaced, rewrite

LONGEST_PAUSE = 30.0
"""AWS pauses up to five minutes between tries of a throttled asynchronous invocation; a test would not wait for that."""


def report_error_types() -> None:
    """Report a failing handler by its exception's class name.

    AWS: also reports a dying process as `Runtime.ExitError`, and Step Functions' Retry and Catch match on
    these names. ministack: both are `Runtime.HandlerError`.
    """
    runtime: Any = importlib.import_module("ministack.core.lambda_runtime")
    runtime._PYTHON_WORKER_SCRIPT = replaced(
        runtime._PYTHON_WORKER_SCRIPT, '"error": str(e),', '"error": str(e), "error_type": type(e).__name__,'
    )
    service = importlib.import_module("ministack.services.lambda_svc")
    old = 'error_type = "Runtime.HandlerError"'
    rewrite(service, "_execute_function_warm", (old, 'error_type = result.get("error_type", "Runtime.ExitError")'))


def pass_options_to_the_function() -> None:
    """Pass OPTIONS to the function.

    AWS: an HTTP API without CORS settings hands OPTIONS to its `$default` route. ministack: answers 403 itself.
    """
    gateway = importlib.import_module("ministack.services.apigateway")
    rewrite(gateway, "_handle_execute_in_scope", ('if method == "OPTIONS":', 'if method == "OPTIONS" and cors_cfg:'))


def allow_answers_without_body() -> None:
    """Allow a function's answer to have no body.

    AWS: the body may be null, as Powertools writes it for a redirect. ministack: fails with 500.
    """
    gateway = importlib.import_module("ministack.services.apigateway")
    rewrite(gateway, "_invoke_lambda_proxy", ('lambda_response.get("body", "")', 'lambda_response.get("body") or ""'))


def queue_beyond(workers: int) -> None:
    """Run at most `workers` processes of a function; further invocations wait.

    AWS: a thousand concurrent invocations are its problem. ministack: each is a process on this laptop.
    """
    service: Any = importlib.import_module("ministack.services.lambda_svc")
    gates: defaultdict[str, threading.BoundedSemaphore] = defaultdict(lambda: threading.BoundedSemaphore(workers))
    execute = service._execute_function_warm

    def execute_in_turn(func: dict[str, Any], event: Any, request_id: str) -> Any:
        with gates[(func.get("config") or func)["FunctionName"]]:
            return execute(func, event, request_id)

    service._execute_function_warm = execute_in_turn


def reserve_concurrency() -> None:
    """Reserve executions for a function.

    AWS: a template's `ReservedConcurrentExecutions` limits the function. ministack: ignored on create and update.
    """
    resources: Any = importlib.import_module("ministack.services.cloudformation.provisioners")
    resources._reserved = lambda props: (
        int(props["ReservedConcurrentExecutions"]) if "ReservedConcurrentExecutions" in props else None
    )
    rewrite(resources, "_lambda_create", ('"concurrency": None,', '"concurrency": _reserved(props),'))
    old = '    _reconcile_tag_map(func.setdefault("tags", {}), old_props, new_props)\n'
    rewrite(resources, "_lambda_update", (old, f'{old}    func["concurrency"] = _reserved(new_props)\n'))


def retry_asynchronous_invocations() -> None:
    """Try an asynchronous event again that met a throttled function.

    AWS: the event waits and is tried again until it is too old, and a throttle counts as no attempt.
    Rules invoke in the same way. ministack: a throttle is an attempt, and a rule tries once.
    """
    service: Any = importlib.import_module("ministack.services.lambda_svc")
    service._execute_when_free = lambda func, event, give_up_at: waiting_out_throttles(
        lambda: service._execute_function(func, event), give_up_at
    )
    old = "last_result = _execute_function(func, event)"
    new = "last_result = _execute_when_free(func, event, started + max_event_age)"
    rewrite(service, "invoke_async_with_retry", (old, new))
    rules = importlib.import_module("ministack.services.eventbridge")
    old = """threading.Thread(
        target=lambda_svc._execute_function_with_config_scope, args=(exec_record, event), daemon=True
    ).start()"""
    rewrite(rules, "_dispatch_to_lambda", (old, "lambda_svc.invoke_async_with_retry(exec_record, event)"))


def waiting_out_throttles(
    invoke: Callable[[], dict[str, Any]],
    give_up_at: float,
    now: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Return the first answer that is no throttle, or the last throttle before `give_up_at`."""
    pause = 1.0
    while (result := invoke()).get("throttle") and now() + pause <= give_up_at:
        sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
    return result
