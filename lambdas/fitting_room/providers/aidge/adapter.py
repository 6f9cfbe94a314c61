"""Speaks to Aidge: `POST /ai/virtual/tryon-pro`, then `POST /ai/virtual/tryon-results` until the task is over.

Source: the vendor's page "Virtual Try-on Submit API Reference" and its sample `VirtualTryOnProHttpExample.java`. A v2
signature stands in the address, so no address of this vendor is logged (see `providers/shared/http.py`) or put into an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fitting_room.jobs.errors import JobFailure
from fitting_room.jobs.outcome import Charged, Failed, Finished, Outcome, Pending
from fitting_room.providers.aidge import signature
from fitting_room.providers.aidge.answers import BROKEN, KEY, LIMITED, OF_A_GARMENT, UNNAMED, Answer
from fitting_room.providers.aidge.body import payload_of
from fitting_room.providers.aidge.entry import ENTRY, ID, AidgeSettings
from fitting_room.providers.base import Connection, Order
from fitting_room.providers.shared.failures import LATER, Told, failed
from fitting_room.providers.shared.http import UNSENT, client, retry_after
from fitting_room.providers.shared.results import collected, partial

HOSTS = {"global": "https://api.aidc-ai.com/rest", "china": "https://cn-api.aidc-ai.com/rest"}
SUBMIT, RESULTS = "/ai/virtual/tryon-pro", "/ai/virtual/tryon-results"
POLL_SECONDS = 3.0
WINDOW_SECONDS = 60.0
"""Of the vendor's limit on submissions: after it, there is room again."""
_LOOK = "Look at the usage of the Aidge account before you submit again."
LOST = Told("provider_error", "Aidge no longer tells how the job is doing.", _LOOK)


class Keys(BaseModel):
    """The secret: `{"app_key": "...", "app_secret": "..."}`."""

    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True)

    app_key: str = Field(min_length=1)
    app_secret: str = Field(min_length=1, repr=False)

    @classmethod
    def of(cls, secret: str | None) -> Self:
        """Raises `JobFailure` (`provider_auth`), which quotes nothing of the secret."""
        try:
            return cls.model_validate_json(secret or "")
        except ValidationError:
            raise JobFailure(
                "provider_auth",
                "The stored key for Aidge is missing or has another form than it must.",
                'The operator must store it as {"app_key": "...", "app_secret": "..."}.',
                provider=ID,
            ) from None


class Aidge:
    def __init__(
        self,
        connection: Connection,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock`: seconds since 1970. Raises `JobFailure` (`provider_auth`) without a usable key."""
        self.keys = Keys.of(connection.secret)
        self.settings: AidgeSettings = connection.settings or AidgeSettings()
        self.download, self.clock = connection.download, clock
        self.http = client(
            connection.endpoint or HOSTS[self.settings.host],
            {"x-iop-trial": "true"} if self.settings.trial else {},
            transport,
        )

    def call(self, path: str, name: str, value: str) -> httpx.Response:
        """One signed call with one parameter. Raises `httpx.HTTPError`."""
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
            return _failed("provider_unavailable", "no", "Aidge cannot be reached; nothing was sent.", LATER)
        except httpx.HTTPError as error:
            return _failed(
                "provider_unavailable",
                "unknown",
                "The connection to Aidge was lost after the request.",
                _LOOK,
                provider_code=type(error).__name__,
            )
        said = Answer.of(answer.content)
        if answer.status_code == 408 or not (answer.is_success or answer.is_client_error):
            return _failed(
                "provider_error", "unknown", "Aidge failed while it took the request.", _LOOK, **_words(said, answer)
            )
        if not said.task_id and (said.complaint or answer.is_client_error):
            return _told(_meaning(said, answer, UNNAMED), said, answer, order=order)
        if not said.task_id or said.complaint or answer.is_client_error:
            return _failed(
                "provider_error", "unknown", "The answer of Aidge names no usable task.", _LOOK, **_words(said, answer)
            )
        return Pending(said.task_id, POLL_SECONDS)

    # results

    def poll(self, order: Order, provider_job_id: str) -> Outcome:
        """Reading the results costs nothing, so whatever may pass is simply looked at again, until the deadline."""
        again = Pending(provider_job_id, POLL_SECONDS)
        try:
            answer = self.call(RESULTS, self.settings.task_key, provider_job_id)
        except httpx.HTTPError:
            return again
        if answer.status_code in (408, 429) or answer.is_server_error:
            return Pending(provider_job_id, min(max(POLL_SECONDS, retry_after(answer) or 0), 60))
        said = Answer.of(answer.content)
        if said.statuses:
            return self._ended(order, said, answer) if said.statuses[0] in ("finished", "failed") else again
        if not said.complaint and answer.is_success:
            return again
        told = _meaning(said, answer, LOST)
        if told is LIMITED or said.complaint == "500":
            return again
        return _told(told, said, answer, "unknown")

    def _ended(self, order: Order, said: Answer, answer: httpx.Response) -> Outcome:
        """A task may consist of several, of which some fail. What a failed one costs, the vendor does not say."""
        some_failed = "failed" in said.statuses
        if some_failed and not said.addresses:
            return _told(said.told if said.complaint else BROKEN, said, answer, "unknown", order)
        outcome = collected(
            ID,
            ENTRY.title,
            order,
            said.addresses,
            self.download,
            remedy="How long Aidge keeps them is not documented: the operator can ask it for the task of the attempt's"
            " provider_job_id.",
        )
        if some_failed and isinstance(outcome, Finished) and not outcome.warnings:
            return replace(outcome, warnings=[partial("Aidge says that a part of the job failed.")])
        return outcome


def _meaning(said: Answer, answer: httpx.Response, otherwise: Told) -> Told:
    """Of a refusal: the vendor's words count more than the status."""
    if said.told is not UNNAMED:
        return said.told
    return {401: KEY, 403: KEY, 429: LIMITED}.get(answer.status_code, otherwise)


def _told(
    told: Told, said: Answer, answer: httpx.Response, charged: Charged = "no", order: Order | None = None
) -> Failed:
    wait = (retry_after(answer) or WINDOW_SECONDS) if told is LIMITED else None
    return _failed(
        told.code,
        charged,
        told.detail,
        told.remedy,
        retryable=told.retryable,
        retry_after=wait,
        pointer=_garment(order) if order and said.complaint in OF_A_GARMENT else None,
        **_words(said, answer),
    )


def _garment(order: Order) -> str:
    """Where the request has the image of the garment; of two, the vendor does not say which it means."""
    return "/garments/0/image" if len(order.garments) == 1 else "/garments"


def _words(said: Answer, answer: httpx.Response) -> dict[str, str | None]:
    return {"provider_code": said.complaint or f"HTTP {answer.status_code}", "provider_detail": said.words}


def _failed(code: str, charged: Charged, detail: str, remedy: str, **facts: Any) -> Failed:
    return failed(ID, code, charged, detail, remedy, **facts)


def connect(
    connection: Connection, transport: httpx.BaseTransport | None = None, clock: Callable[[], float] = time.time
) -> Aidge:
    return Aidge(connection, transport, clock)
