"""Speaks to Gemini: one synchronous `generateContent` call buys one image.

Source: `google-genai` 3.6.1, which calls `v1`, and the vendor's page on errors.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import httpx

from fitting_room.jobs.errors import JobFailure
from fitting_room.jobs.outcome import Failed, Finished, Outcome, Picture, Reading
from fitting_room.providers.adapter import Connection, Order
from fitting_room.providers.gemini.answers import BLOCKED, ENDED, LIMITED_ACCOUNT, Answer, error_of
from fitting_room.providers.gemini.body import body_of
from fitting_room.providers.gemini.entry import ANSWER_SECONDS, ID, TITLE, Settings
from fitting_room.providers.shared.failures import LATER, PAUSE_SECONDS, Failures
from fitting_room.providers.shared.http import UNSENT, client, retry_after

BASE = "https://generativelanguage.googleapis.com"
_LOOK = "Look at the usage of the Google project before you submit again."
_OTHER = "Choose another provider, or report it to the operator of this service."


class Gemini:
    def __init__(self, connection: Connection, transport: httpx.BaseTransport | None = None) -> None:
        """Open the client.

        Raises `JobFailure` (`provider_auth`) without a key.
        """
        if not connection.secret:
            raise JobFailure(
                "provider_auth",
                "There is no key for Gemini in this deployment.",
                "Ask the operator to store a key for Gemini.",
                provider=ID,
            )
        self.settings: Settings = connection.settings or Settings()
        self.failed = Failures(ID, connection.secret)
        self.http = client(
            connection.endpoint or BASE, {"x-goog-api-key": connection.secret}, transport, answers=ANSWER_SECONDS
        )

    def start(self, order: Order) -> Outcome:
        """Buy from the order's model, or from its successor.

        A model that Google no longer knows bought nothing, so its successor is called in its place.
        """
        named = [order.model] if order.model != order.shape else self.settings.models.get(order.shape, [order.shape])
        body = body_of(order).model_dump_json(exclude_none=True).encode()
        return self._first(named, body, order)

    def poll(self, order: Order, provider_job_id: str) -> Reading:
        raise NotImplementedError("Gemini answers at once")

    def _first(self, names: Iterable[str], body: bytes, order: Order) -> Outcome:
        outcome: Outcome | None = None
        for name in names:
            outcome = self._called(name, body, order)
            if not (isinstance(outcome, Failed) and outcome.fault.code == "model_retired"):
                return outcome
        assert outcome, "a model has a name"
        return outcome

    def _called(self, name: str, body: bytes, order: Order) -> Outcome:
        try:
            answer = self.http.post(
                f"v1/models/{name}:generateContent", content=body, headers={"Content-Type": "application/json"}
            )
        except UNSENT:
            return self.failed("provider_unavailable", "no", "Gemini cannot be reached; nothing was sent.", LATER)
        except httpx.HTTPError as error:
            return self.failed(
                "provider_unavailable",
                "unknown",
                "The connection to Gemini was lost after the request.",
                _LOOK,
                provider_code=type(error).__name__,
            )
        return self._outcome(answer, order) if answer.is_success else self._refused(answer)

    def _outcome(self, answer: httpx.Response, order: Order) -> Outcome:
        """Return the outcome of an answer with status 200.

        A block and an answer without an image become failures.
        """
        try:
            said = Answer.model_validate_json(answer.content)
            images = list(said.images())
        except (ValueError, RecursionError):
            return self.failed("provider_error", "unknown", "The answer of Gemini cannot be read.", _LOOK)
        amount = said.amount(order.shape)
        reason = said.candidate.finishReason
        if images and reason not in BLOCKED:  # the last one: those before it may be drafts
            return Finished([Picture(images[-1], order.seed)], amount=amount)
        return replace(self._without(said, reason), amount=amount)

    def _without(self, said: Answer, reason: str | None) -> Failed:
        """Return the failure of an answer without an image.

        No document says that such an answer is free, and its tokens are counted.
        """
        words: dict[str, Any] = {
            "provider_code": said.blocked or reason,
            "provider_detail": said.candidate.finishMessage,
        }
        if said.blocked:
            words["provider_detail"] = said.promptFeedback.blockReasonMessage
            detail, remedy = "The content filter of Gemini refused the request.", "Send other images or another text."
            return self.failed("content_blocked", "unknown", detail, remedy, **words)
        if reason in BLOCKED:
            return self.failed(
                "content_blocked",
                "unknown",
                "The content filter of Gemini held back the image.",
                "Change the images or the text; the same request may be blocked again.",
                **words,
            )
        if reason == LIMITED_ACCOUNT:
            return self.failed(
                "provider_auth",
                "unknown",
                "Google has limited the account of this deployment.",
                "Ask the operator to look at the account's state at Google. Until then choose another provider.",
                **words,
            )
        if reason == ENDED:
            words["provider_detail"] = said.text() or None
            return self.failed(
                "output_rejected",
                "unknown",
                "Gemini answered in words and made no image.",
                "Read `provider_detail`, and change the images or the text.",
                **words,
            )
        return self.failed(
            "provider_error", "unknown", "Gemini made no image.", "Change the images or the text.", **words
        )

    def _refused(self, answer: httpx.Response) -> Failed:
        error, status = error_of(answer.content), answer.status_code
        words: dict[str, Any] = {"provider_code": error.status or f"HTTP {status}", "provider_detail": error.message}
        match status:
            case 401 | 403:
                return self._bad_key(words)
            case 400 if "API_KEY_INVALID" in error.reasons or "API key" in (error.message or ""):
                return self._bad_key(words)
            case 404:
                return self.failed("model_retired", "no", "Google no longer knows this model.", _OTHER, **words)
            case 429 | 503 if status == 429 or error.status:
                told = retry_after(answer) or error.retry_after
                detail = "Gemini takes no more requests now."
                return self.failed("rate_limited", "no", detail, LATER, retry_after=told or PAUSE_SECONDS, **words)
            case 400 | 413 if status == 413 or "image" in (error.message or "").lower():
                return self.failed(
                    "image_unreadable",
                    "no",
                    "Gemini cannot use one of the images.",
                    "Send another image; `provider_detail` says what is wrong with this one.",
                    **words,
                )
            case _ if 400 <= status < 500 and status != 408:
                return self.failed(
                    "provider_error", "no", "Gemini refused the request as invalid.", _OTHER, retryable=False, **words
                )
        return self.failed("provider_error", "unknown", "Gemini failed while it took the request.", _LOOK, **words)

    def _bad_key(self, words: dict[str, Any]) -> Failed:
        return self.failed(
            "provider_auth",
            "no",
            f"{TITLE} does not accept the key of this deployment.",
            "Ask the operator to store a valid key for Gemini.",
            **words,
        )


def connect(connection: Connection, transport: httpx.BaseTransport | None = None) -> Gemini:
    return Gemini(connection, transport)
