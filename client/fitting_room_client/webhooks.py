"""Webhooks of Fitting Room, as Standard Webhooks describes them: https://www.standardwebhooks.com."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping

from pydantic import ValidationError

from fitting_room_client.errors import BadInput, SignatureInvalid
from fitting_room_client.models import Event, Fault

TOLERANCE = 300
"""Seconds between the sender's clock and this one. An older message may be a replay."""


def verify(payload: bytes | str, headers: Mapping[str, str], secret: str, *, now: float | None = None) -> Event:
    """Return the event, if it was signed with `secret` (`whsec_...`) in the last five minutes.

    `payload` is the body as it came: parsed and written again it would have another signature. Raises `SignatureInvalid`.
    """
    body = payload.encode() if isinstance(payload, str) else payload
    sent = {name.lower(): value for name, value in headers.items()}
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    if missing := [name for name in names if not sent.get(name)]:
        raise _invalid(f"The headers have no {' and no '.join(missing)}.", "Pass all headers of the request.")
    event_id, timestamp, signatures = (sent[name] for name in names)
    signed = hmac.new(_key(secret), f"{event_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(signed).decode()
    if not any(hmac.compare_digest(expected.encode(), given.encode()) for given in signatures.split(" ")):
        raise _invalid("No signature fits the body and the secret.", "Pass the body's bytes as they came.")
    if not (timestamp.isascii() and timestamp.isdecimal()):
        raise _invalid("The timestamp is no number.", "Answer with status 400.")
    if abs((time.time() if now is None else now) - int(timestamp)) > TOLERANCE:
        raise _invalid(f"The webhook is more than {TOLERANCE} s old or early.", "Check the clock of this machine.")
    try:
        return Event.model_validate({**json.loads(body), "id": event_id})
    except (ValueError, TypeError, ValidationError):
        raise _invalid("The body is no event of Fitting Room.", "Check which service has this secret.") from None


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_") + "==")
    except ValueError:
        key = b""
    if not key:  # anybody can sign with an empty key
        raise BadInput(
            Fault(code="invalid_input", detail="This is no webhook secret.", remedy="It begins with whsec_.")
        )
    return key


def _invalid(detail: str, remedy: str) -> SignatureInvalid:
    return SignatureInvalid(Fault(code="signature_invalid", detail=detail, remedy=remedy))
