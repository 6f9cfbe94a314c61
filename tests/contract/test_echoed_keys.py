"""A vendor that echoes our key: it reaches no error, in no form and however short it is."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import pytest

from fitting_room.providers import catalogue
from fitting_room.providers.shared.failures import Failures
from tests.contract.orders import connection, order, try_on

KEY = "k/Y+9? ~z"
"""Nine characters, with everything that an encoding changes."""
FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in a header": "Authorization: Bearer {}".format,
    "base64": lambda key: b64encode(key.encode()).decode(),
    "base64 for addresses, no padding": lambda key: urlsafe_b64encode(key.encode()).decode().rstrip("="),
    "base64 of the header": lambda key: b64encode(f"Bearer {key}".encode()).decode(),
    "base64 behind a user": lambda key: b64encode(f"us:{key}".encode()).decode(),
    "base64 before a password": lambda key: b64encode(f"{key}:".encode()).decode(),
    "in an address": lambda key: quote(key, safe=""),
    "in an address, small letters": lambda key: quote(key, safe="").lower(),
    "in a form": lambda key: quote(key, safe="").replace("%20", "+"),
}


class Vendor(NamedTuple):
    """`secrets`: what of the stored key must not come back. `job`: how its jobs are named."""

    id: str
    stored: str
    secrets: tuple[str, ...]
    refused: Callable[[str], Any]
    failed: Callable[[str], Any]
    job: str = "job-1"


def _predictions(words: str) -> dict[str, Any]:
    return {"id": "job-1", "status": "failed", "error": {"name": words, "message": words}}


def _fal(words: str) -> dict[str, Any]:
    return {"status": "COMPLETED", "request_id": "1", "error": words, "error_type": words}


def _aidge(words: str) -> dict[str, Any]:
    return {"resCode": words, "resMessage": words, "success": "false", "data": {"taskStatus": "failed"}}


def _refused(words: str) -> dict[str, Any]:
    return {"error": words, "message": words}


VENDORS = [
    Vendor("tryiton", KEY, (KEY,), _refused, _predictions),
    Vendor("fashn", KEY, (KEY,), _refused, _predictions),
    Vendor("fal", f"1a2b-3c4d:{KEY}", ("1a2b-3c4d", KEY), _refused, _fal, job="fal-ai/fashn/requests/1"),
    Vendor("astria", KEY, (KEY,), _refused, lambda words: {"id": 1, "user_error": words}, job="1/2"),
    Vendor(
        "aidge",
        json.dumps({"app_key": "512345", "app_secret": KEY}),
        ("512345", KEY),
        lambda words: {"code": words, "message": words, "requestId": words},
        _aidge,
    ),
]
AT_ONCE = [Vendor("gemini", KEY, (KEY,), _refused, _refused)]
"""Vendors whose jobs are not read."""
CASES = [pytest.param(each, secret, id=f"{each.id}: {secret}") for each in VENDORS for secret in each.secrets]
SUBMITS = [*CASES, *(pytest.param(each, each.stored, id=each.id) for each in AT_ONCE)]
REFERENCES = {"person": "123", "garment-0": "456"}


def _order(provider: str) -> Any:
    options = {"astria": {"person_class": "woman"}} if provider == "astria" else {}
    return order(provider, try_on(provider_options=options), references=REFERENCES)


def _line(each: Vendor, answer: httpx.Response) -> Any:
    adapter: Any = catalogue.adapter(each.id)  # those over HTTP take a transport too
    return adapter.connect(connection(secret=each.stored), httpx.MockTransport(lambda _: answer))


def _told(outcome: Any) -> str:
    """Everything of an outcome that is stored or shown, and that there was something to say."""
    fault = outcome.fault
    assert "say" in (fault.provider_detail or ""), fault
    return f"{outcome!r} {fault.model_dump_json()}"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("each", "secret"), SUBMITS)
def test_a_refused_submit_does_not_tell_our_key(each: Vendor, secret: str, form: str) -> None:
    echoed = FORMS[form](secret)
    for status in (400, 401, 422, 429, 500, 503):
        answer = httpx.Response(status, json=each.refused(f"say {echoed} end"))
        told = _told(_line(each, answer).start(_order(each.id)))
        assert echoed not in told
        assert secret not in told


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("each", "secret"), CASES)
def test_a_failed_job_does_not_tell_our_key(each: Vendor, secret: str, form: str) -> None:
    echoed = FORMS[form](secret)
    answer = httpx.Response(200, json=each.failed(f"say {echoed} end"))
    told = _told(_line(each, answer).poll(_order(each.id), each.job))
    assert echoed not in told
    assert secret not in told


@pytest.mark.parametrize(("each", "secret"), CASES)
def test_a_refused_read_does_not_tell_our_key(each: Vendor, secret: str) -> None:
    for status in (200, 401):
        reading = _line(each, httpx.Response(status, json=each.refused(secret))).poll(_order(each.id), each.job)
        assert secret not in repr(reading)


def test_the_rest_of_the_vendors_words_stays() -> None:
    assert Failures("tryiton", KEY).quoted(f"the key {KEY} is not valid") == "the key [removed] is not valid"


def test_a_key_at_the_end_of_what_is_kept_is_removed_before_the_cut() -> None:
    told = str(Failures("tryiton", KEY).quoted("x " * 147 + KEY))
    assert told.endswith("[remov")


def test_without_a_key_nothing_is_removed() -> None:
    assert Failures("sandbox").quoted("plain words") == "plain words"
