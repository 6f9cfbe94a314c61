"""Webhooks, against the library of Standard Webhooks."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from fitting_room_client import BadInput, webhooks
from fitting_room_client.errors import SignatureInvalid

SECRET, OTHER = ("whsec_" + base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
BODY = json.dumps(
    {
        "type": "job.finished",
        "timestamp": "2026-11-26T10:00:00.000Z",
        "data": {"id": "job_1", "task": "try_on", "status": "succeeded", "reference": "Grösse M"},
    },
    ensure_ascii=False,
)


def signed(body: str = BODY, *secrets: str, at: datetime | None = None, event_id: str = "evt_1") -> dict[str, str]:
    at = at or datetime.now(UTC)
    signatures = [Webhook(secret).sign(event_id, at, body) for secret in secrets or (SECRET,)]
    return {
        "Webhook-Id": event_id,
        "Webhook-Timestamp": str(int(at.timestamp())),
        "Webhook-Signature": " ".join(signatures),
    }


@pytest.mark.parametrize("body", [BODY, BODY.encode()], ids=["text", "bytes"])
@pytest.mark.parametrize("secret", [SECRET, SECRET.removeprefix("whsec_"), SECRET.rstrip("=")])
def test_what_the_library_signed_is_an_event(body: Any, secret: str) -> None:
    event = webhooks.verify(body, signed(), secret)
    assert (event.id, event.type, event.data["reference"]) == ("evt_1", "job.finished", "Grösse M")
    assert event.timestamp == datetime(2026, 11, 26, 10, tzinfo=UTC)


@pytest.mark.parametrize("order", [(SECRET, OTHER), (OTHER, SECRET)])
def test_both_secrets_count_while_one_is_exchanged(order: tuple[str, str]) -> None:
    headers = signed(BODY, *order)
    headers["Webhook-Signature"] = f"v1a,abc {headers['Webhook-Signature']}"
    for secret in order:
        assert webhooks.verify(BODY, headers, secret).id == "evt_1"


def _changed(**changes: str | None) -> dict[str, str]:
    headers = {name.lower().replace("-", "_"): value for name, value in signed().items()} | changes
    return {name.replace("_", "-"): value for name, value in headers.items() if value is not None}


def _off(seconds: float) -> dict[str, str]:
    return signed(at=datetime.fromtimestamp(datetime.now(UTC).timestamp() + seconds, UTC))


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (BODY, lambda: _changed(webhook_signature=None)),
        (BODY, lambda: _changed(webhook_id=None)),
        (BODY, lambda: _changed(webhook_timestamp=None)),
        (BODY.replace("job_1", "job_2"), signed),
        (json.dumps(json.loads(BODY)), signed),
        (BODY, lambda: _changed(webhook_id="evt_2")),
        (BODY, lambda: _changed(webhook_timestamp=str(int(datetime.now(UTC).timestamp()) + 5))),
        (BODY, lambda: _changed(webhook_timestamp="soon")),
        (BODY, lambda: _changed(webhook_signature="v1,")),
        (BODY, lambda: _changed(webhook_signature=signed()["Webhook-Signature"].replace("v1,", "v2,"))),
        (BODY, lambda: _changed(webhook_signature=signed()["Webhook-Signature"][:-5])),
        (BODY, lambda: signed(BODY, OTHER)),
        (BODY, lambda: _off(-330)),
        (BODY, lambda: _off(330)),
    ],
)
def test_what_the_library_refuses_is_refused(body: str, headers: Callable[[], dict[str, str]]) -> None:
    sent = headers()
    with pytest.raises((WebhookVerificationError, ValueError)):
        Webhook(SECRET).verify(body, sent)
    with pytest.raises(SignatureInvalid) as invalid:
        webhooks.verify(body, sent, SECRET)
    assert SECRET not in str(invalid.value)
    assert signed()["Webhook-Signature"] not in str(invalid.value)


@pytest.mark.parametrize(
    "body", ["[]", "hello", '{"type": "job.finished"}', '{"type": 1, "timestamp": "x", "data": 2}']
)
def test_a_signed_body_that_is_no_event_is_refused(body: str) -> None:
    with pytest.raises(SignatureInvalid, match="no event"):
        webhooks.verify(body, signed(body), SECRET)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_???"])
def test_a_missing_secret_is_no_secret(secret: str) -> None:
    with pytest.raises(BadInput, match="no webhook secret"):
        webhooks.verify(BODY, signed(), secret)
