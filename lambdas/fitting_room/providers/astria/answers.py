"""The answers of Astria: its objects, wrapped or not, and the meaning of its refusals.

Source: page "API overview", section "Error codes". The form of an error's body is not documented, so every text in it
counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, Field

from fitting_room.jobs.outcome import Failed
from fitting_room.providers.shared.failures import LATER, Failures
from fitting_room.providers.shared.http import retry_after

LOOK = "Look at the prompts and tunes of the Astria account before you submit again."
PAUSE = 30.0
"""Seconds: "Such requests should be retried with exponential backoff and wait start time of 30 seconds"; ours for 429 too."""
_OTHER = "Choose another provider, or report it to the operator of this service."
_MONEY = re.compile(r"balance|billing|credit|payment|plan|quota|top.?off|top.?up", re.IGNORECASE)
_PICTURE = re.compile(r"(?<!num_)image", re.IGNORECASE)
_CONTENT = re.compile(
    r"nsfw|safety|moderat|polic(y|ies)|inappropriate|prohibited|sensitive|nudity|content filter|flagged", re.IGNORECASE
)


Id = Annotated[str, Field(coerce_numbers_to_str=True)]


class Tune(BaseModel):
    """Ready when `trained_at` is set; `token` stands for it in a prompt."""

    model_config = ConfigDict(extra="ignore")

    id: Id
    title: str | None = None
    token: str | None = None
    trained_at: str | None = None
    model_type: str | None = None


class Prompt(BaseModel):
    """Over when there are `images` (addresses) or a `user_error`."""

    model_config = ConfigDict(extra="ignore")

    id: Id
    images: list[str] | None = None
    user_error: Any = None


class Listed(BaseModel):
    """A partner model in the list of the vendor's command line tool."""

    tune_id: Id | None = None


class Models(BaseModel):
    """`GET /cli/models`, as the tool reads it (`bin/astria` 1.19.1)."""

    models: dict[str, Listed]


Kind = TypeVar("Kind", Tune, Prompt)


def tune(content: bytes) -> Tune | None:
    """Return the tune in an answer, or None."""
    return _object(Tune, content, "tune")


def prompt(content: bytes) -> Prompt | None:
    """Return the prompt in an answer, or None."""
    return _object(Prompt, content, "prompt")


def tunes(content: bytes) -> list[Tune] | None:
    """Return the list of tunes in an answer, or None.

    An unreadable list must not read as an empty one, which leads to a purchase.
    """
    try:
        found = json.loads(content)
        return [Tune.model_validate(_unwrapped(item, "tune")) for item in found] if isinstance(found, list) else None
    except ValueError:
        return None


def _object(kind: type[Kind], content: bytes, name: str) -> Kind | None:
    try:
        return kind.model_validate(_unwrapped(json.loads(content), name))
    except ValueError:
        return None


def _unwrapped(found: Any, name: str) -> Any:
    """Return the object in a list of one, or wrapped by its name.

    The vendor's tool expects a list of one in the place of the object; its starter a wrapped one.
    """
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    return found[name] if isinstance(found, dict) and isinstance(found.get(name), dict) else found


def refused(failed: Failures, answer: httpx.Response, title: str) -> Failed:
    """Return the failure of a request that the vendor did not take.

    `title` is the thing to be made.
    """
    status, words = answer.status_code, _words(answer)
    facts: dict[str, Any] = {"provider_code": f"HTTP {status}", "provider_detail": words}
    if status in (401, 403):
        return failed(
            "provider_auth",
            "no",
            "Astria does not accept the key of this deployment.",
            "Ask the operator to store a valid key for Astria.",
            **facts,
        )
    if status == 402 or (status in (400, 422) and _MONEY.search(words)):
        return failed(
            "quota_exhausted",
            "no",
            "The Astria account has no balance or plan for this.",
            "Ask the operator to check the account's billing. Until then choose another provider.",
            **facts,
        )
    if status == 429:
        return failed(
            "rate_limited",
            "no",
            "Astria takes no more requests now.",
            LATER,
            retry_after=retry_after(answer) or PAUSE,
            **facts,
        )
    if status == 404:
        return failed(
            "provider_error",
            "no",
            f"Astria does not know what the {title} is to be made on.",
            "It deletes subjects 30 days after they were made: create the subject again. A partner model's tune may"
            " have changed: in that case ask the operator to set `tunes`.",
            retryable=False,
            **facts,
        )
    if status == 413 or (status in (400, 422) and _PICTURE.search(words)):
        return failed(
            "image_unreadable",
            "no",
            "Astria cannot use one of the images.",
            "Send another image; `provider_detail` says what is wrong with this one.",
            **facts,
        )
    if 400 <= status < 500 and status != 408:
        return failed(
            "provider_error", "no", "Astria refused the request as invalid.", _OTHER, retryable=False, **facts
        )
    if (
        status == 500
    ):  # to be retried by the vendor's word, and of the two errors not the one that "probably" was processed
        return failed(
            "provider_error", "no", "Astria failed before it took the request.", LATER, retry_after=PAUSE, **facts
        )
    return failed(
        "provider_error", "unknown", f"Astria may have started the {title}, but did not confirm it.", LOOK, **facts
    )


def ended(failed: Failures, error: object) -> Failed:
    """Return the failure that a prompt's `user_error` stands for.

    No document says what such a prompt costs.
    """
    words = " ".join(_texts(error))
    if _CONTENT.search(words):
        return failed(
            "content_blocked",
            "unknown",
            "The content filter of Astria, or of the model it uses, refused the job.",
            "Send other images or another prompt.",
            provider_detail=words,
        )
    return failed("provider_error", "unknown", "Astria could not make the images.", LOOK, provider_detail=words)


def _words(answer: httpx.Response) -> str:
    try:
        return " ".join(_texts(answer.json()))
    except ValueError:
        return answer.text


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value, and the keys that lead to it."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"{key}:"
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif value is not None:
        yield str(value)
