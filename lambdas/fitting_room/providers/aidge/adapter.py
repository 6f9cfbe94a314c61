"""Speaks to Aidge: `POST /ai/virtual/tryon-pro`, then `POST /ai/virtual/tryon-results` until the task is over.

Source: the vendor's page "Virtual Try-on Submit API Reference" and its sample `VirtualTryOnProHttpExample.java`. A v2
signature stands in the address, so no address of this vendor is logged (see `providers/shared/http.py`) or put into an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Self

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fitting_room.jobs.errors import JobFailure
from fitting_room.jobs.outcome import Charged, Failed, Outcome, Pending, Reading, Ready, Unread
from fitting_room.providers.adapter import Connection, Order
from fitting_room.providers.aidge import signature
from fitting_room.providers.aidge.answers import BROKEN, EXHAUSTED, INVALID, KEY, LIMITED, OF_TASKS, UNNAMED, Answer
from fitting_room.providers.aidge.body import payload_of
from fitting_room.providers.aidge.entry import ENTRY, ID, AidgeSettings
from fitting_room.providers.shared.failures import LATER, Failures, Told, Words
from fitting_room.providers.shared.http import UNSENT, client, retry_after
from fitting_room.providers.shared.reading import read
from fitting_room.providers.shared.results import partial, ready

HOSTS = {"global": "https://api.aidc-ai.com/rest", "china": "https://cn-api.aidc-ai.com/rest"}
SUBMIT, RESULTS = "/ai/virtual/tryon-pro", "/ai/virtual/tryon-results"
POLL_SECONDS = 3.0
WINDOW_SECONDS = 60.0
"""Of the vendor's limit on submissions: after it, there is room again."""
_LOOK = "Look at the usage of the Aidge account before you submit again."


class Keys(BaseModel):
    """The secret: `{"app_key": "...", "app_secret": "..."}`."""

    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True)

    app_key: str = Field(min_length=1)
    app_secret: str = Field(min_length=1, repr=False)

    @classmethod
    def of(cls, secret: str | None) -> Self:
        """Read the stored key.

        Raises `JobFailure` (`provider_auth`), which quotes nothing of the secret.
        """
        try:
            return cls.model_validate_json(secret or "")
        except ValidationError:
            raise JobFailure(
                "provider_auth",
                "The stored key for Aidge is missing or has the wrong form.",
                'Ask the operator to store it as {"app_key": "...", "app_secret": "..."}.',
                provider=ID,
            ) from None


class Aidge:
    def __init__(
        self,
        connection: Connection,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open the client.

        `clock`: seconds since 1970. Raises `JobFailure` (`provider_auth`) without a usable key.
        """
        self.keys = Keys.of(connection.secret)
        self.settings: AidgeSettings = connection.settings or AidgeSettings()
        self.failed = Failures(ID, self.keys.app_key, self.keys.app_secret)
        self.clock = clock
        self.http = client(
            connection.endpoint or HOSTS[self.settings.host],
            {"x-iop-trial": "true"} if self.settings.trial else {},
            transport,
        )

    def call(self, path: str, name: str, value: str) -> httpx.Response:
        """Make one signed call with one parameter.

        Raises `httpx.HTTPError`.
        """
        common = {"app_key": self.keys.app_key, "sign_method": "sha256", "timestamp": str(int(self.clock() * 1000))}
        if self.settings.sign == "iop":
            form = {**common, name: value}
            return self.http.post(path[1:], data={**form, "sign": signature.iop(self.keys.app_secret, path, form)})
        sign = signature.v2(self.keys.app_secret, common["timestamp"])
        return self.http.post(
            path[1:], json={name: value}, params={"partner_id": "aidge", "sign_ver": "v2", **common, "sign": sign}
        )

    # submit

    def start(self, order: Order) -> Outcome:
        try:
            answer = self.call(SUBMIT, self.settings.parameter, payload_of(order))
        except UNSENT:
            return self.failed("provider_unavailable", "no", "Aidge cannot be reached; nothing was sent.", LATER)
        except httpx.HTTPError as error:
            return self.failed(
                "provider_unavailable",
                "unknown",
                "The connection to Aidge was lost after the request.",
                _LOOK,
                provider_code=type(error).__name__,
            )
        said = Answer.of(answer.content)
        if answer.status_code == 408 or not (answer.is_success or answer.is_client_error):
            return self.failed(
                "provider_error", "unknown", "Aidge failed while it took the request.", _LOOK, **_words(said, answer)
            )
        if not said.task_id and (said.complaint or answer.is_client_error):
            return self._told(_meaning(said, answer), said, answer)
        if not said.task_id or said.complaint or answer.is_client_error:
            return self.failed(
                "provider_error", "unknown", "The answer of Aidge names no usable task.", _LOOK, **_words(said, answer)
            )
        return Pending(said.task_id, POLL_SECONDS)

    # results

    def poll(self, order: Order, provider_job_id: str) -> Reading:
        return read(
            lambda: self.call(RESULTS, self.settings.task_key, provider_job_id),
            lambda answer: self._understood(answer, order, provider_job_id),
        )

    def _understood(self, answer: httpx.Response, order: Order, provider_job_id: str) -> Reading | None:
        """Return the reading of a task from an answer 2xx, or None.

        The task's status decides. Without one, only a code that the vendor has for tasks is about the task. Every
        other complaint is about this read: a key, a limit, the clock, a task that is not known yet.

        Raises `ValidationError`.
        """
        said = Answer.model_validate_json(answer.content)
        if said.statuses:
            over = said.statuses[0] in ("finished", "failed")
            return self._ended(order, said, answer) if over else Pending(provider_job_id, POLL_SECONDS)
        if said.complaint in OF_TASKS and said.told is not EXHAUSTED:
            return self._told(said.told, said, answer, "unknown")
        why = self.failed.quoted(said.complaint and f"code {said.complaint}", limit=60)
        made = said.told is not LIMITED
        return Unread(why, _status(said, answer), retry_after(answer), made=made) if why else None

    def _ended(self, order: Order, said: Answer, answer: httpx.Response) -> Reading:
        """Return the outcome of a task that ended.

        A task may consist of several, of which some fail. The vendor does not say what a failed one costs.
        """
        some_failed = "failed" in said.statuses
        if some_failed and not said.addresses:
            return self._told(said.told if said.complaint else BROKEN, said, answer, "unknown")
        outcome = ready(ENTRY.title, order, said.addresses, kept_for="a time that it does not document")
        if some_failed and isinstance(outcome, Ready) and not outcome.warnings:
            return replace(outcome, warnings=[partial("Aidge says that a part of the job failed.")])
        return outcome

    def _told(self, told: Told, said: Answer, answer: httpx.Response, charged: Charged = "no") -> Failed:
        wait = (retry_after(answer) or WINDOW_SECONDS) if told is LIMITED else None
        return self.failed(
            told.code,
            charged,
            told.detail,
            told.remedy,
            retryable=told.retryable,
            retry_after=wait,
            pointer=told.pointer,
            **_words(said, answer),
        )


def _meaning(said: Answer, answer: httpx.Response) -> Told:
    """Return the meaning of a refusal.

    The vendor's words count more than the status.
    """
    if said.told is not UNNAMED:
        return said.told
    return {401: KEY, 403: KEY, 429: LIMITED}.get(answer.status_code, UNNAMED)


def _status(said: Answer, answer: httpx.Response) -> int:
    """Return the HTTP status that a refused read stands for, as Aidge answers 200 to all of them.

    No document says how it answers for a task that the key's account does not know: invalid, or by another code.
    """
    of = ((KEY, 401), (LIMITED, 429), (INVALID, 404), (UNNAMED, 404))
    return next((status for told, status in of if said.told is told), answer.status_code)


def _words(said: Answer, answer: httpx.Response) -> Words:
    return {"provider_code": said.complaint or f"HTTP {answer.status_code}", "provider_detail": said.words}


def connect(
    connection: Connection, transport: httpx.BaseTransport | None = None, clock: Callable[[], float] = time.time
) -> Aidge:
    return Aidge(connection, transport, clock)
