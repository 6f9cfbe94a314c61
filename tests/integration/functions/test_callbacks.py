"""What a vendor that calls back is answered, and what is never logged of it."""

from __future__ import annotations

import importlib
import io
import json
from types import SimpleNamespace
from typing import Any

import pytest

from fitting_room.stores import aws, callbacks
from tests.integration.world import World

CONTEXT = SimpleNamespace(
    function_name="f",
    memory_limit_in_mb=256,
    aws_request_id="request-1",
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:f",
)
TOKEN = "t0k3n" + "A" * 38


@pytest.fixture
def ended(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A callback of FASHN's is awaited by the wait `wait-1`; the waits that were ended."""
    ended: list[str] = []
    monkeypatch.setattr(aws.step_functions(), "send_task_success", lambda **given: ended.append(given["taskToken"]))
    callbacks.expect(callbacks.digest_of(TOKEN), "fashn", world.at.now())
    callbacks.wait(callbacks.digest_of(TOKEN), "wait-1")
    return ended


@pytest.fixture
def call(world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What API Gateway hands over of `POST /v1/callbacks/{provider}/{token}`, and the answer."""
    handler = importlib.import_module("functions.http.callback.handler")
    monkeypatch.setattr(handler, "clock", world.at)

    def go(
        token: str = TOKEN, provider: str = "fashn", body: str | None = '{"status": "completed"}'
    ) -> tuple[int, Any, Any]:
        event = {
            "version": "2.0",
            "routeKey": "POST /v1/callbacks/{provider}/{token}",
            "body": body,
            "isBase64Encoded": False,
            "rawPath": f"/v1/callbacks/{provider}/{token}",
            "rawQueryString": "",
            "headers": {"host": "api.example"},
            "pathParameters": {"provider": provider, "token": token},
            "requestContext": {"http": {"method": "POST", "path": f"/v1/callbacks/{provider}/{token}"}},
        }
        answer = handler.handler(event, CONTEXT)
        return answer["statusCode"], json.loads(answer["body"]), answer["headers"]

    return go


def test_a_callback_wakes_the_waiting_job_and_a_repeated_one_is_answered_alike(call: Any, ended: list[str]) -> None:
    for _ in range(2):
        status, body, headers = call()
        assert (status, body, headers["content-type"]) == (200, {}, "application/json")
        assert headers["request-id"] == "request-1"
    assert ended == ["wait-1"]


@pytest.mark.parametrize("body", [None, "", "not JSON", '{"status": "failed"}', "[" * 60_000])
def test_the_body_is_not_read(call: Any, ended: list[str], body: str | None) -> None:
    assert call(body=body)[0] == 200
    assert ended == ["wait-1"]


@pytest.mark.parametrize(
    ("provider", "token"), [("fashn", "B" * 43), ("tryiton", TOKEN), ("nobody", TOKEN), ("fashn", "x")]
)
def test_an_address_that_was_not_given_out_is_not_there(call: Any, ended: list[str], provider: str, token: str) -> None:
    status, body, headers = call(token, provider)
    assert (status, body["status"], body["code"]) == (404, 404, "not_found")
    assert headers["content-type"] == "application/problem+json"
    assert body["type"] == "urn:fitting-room:problem:not_found" and body["title"] and body["remedy"]
    assert (headers["request-id"], body["instance"]) == ("request-1", "urn:request:request-1")
    assert ended == []


def test_a_body_above_64_000_characters_is_refused_before_anything_is_done(call: Any, ended: list[str]) -> None:
    status, body, _ = call(body="x" * 64_001)
    assert (status, body["code"]) == (413, "too_large")
    assert ended == []
    assert call(body="x" * 64_000)[0] == 200


def test_a_failure_of_ours_asks_the_vendor_to_call_again(
    call: Any, ended: list[str], logs: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError(f"broke at {TOKEN}")

    monkeypatch.setattr(aws.table().meta.client, "_make_api_call", broken)
    status, body, headers = call()
    assert (status, body["code"], headers["content-type"]) == (500, "internal", "application/problem+json")
    assert '"error":"RuntimeError"' in logs.getvalue()
    assert TOKEN not in logs.getvalue()


@pytest.mark.parametrize(("token", "body"), [(TOKEN, "{}"), ("B" * 43, "{}"), (TOKEN, "x" * 65_537)])
def test_neither_path_nor_token_nor_body_is_logged(
    call: Any, ended: list[str], logs: io.StringIO, token: str, body: str
) -> None:
    status, answer, _ = call(token, body=body)
    written = logs.getvalue() + json.dumps(answer)
    assert status in (200, 404, 413)
    assert token not in written and "/v1/callbacks" not in written and "xxxx" not in written


def test_the_machine_s_waits_are_remembered_under_the_job_s_callback(
    world: World, ended: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that is not waiting is not left waiting."""
    handler = importlib.import_module("functions.job.wait.handler")
    monkeypatch.setattr(handler, "clock", world.at)
    assert handler.handler({"job_id": world.submit().job.id, "task_token": "wait-2"}, CONTEXT) is None
    assert ended == ["wait-2"]
