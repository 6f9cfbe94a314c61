"""Speaks to Astria: `POST /tunes` for subjects and references, `POST /tunes/:id/prompts` for pictures, both read until done.

Source: the vendor's pages "API overview", "Create a tune", "Create a prompt", "Retrieve", "Delete" (docs.astria.ai); the end
of a prompt and the workspace header by its command line tool.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from fitting_room.jobs.errors import JobFailure
from fitting_room.jobs.outcome import Failed, Finished, Outcome, Pending, Reading
from fitting_room.jobs.tasks import TrainSubject
from fitting_room.providers.adapter import Connection, Order, Reference
from fitting_room.providers.astria.answers import LOOK, PAUSE, Models, ended, prompt, refused, tune, tunes
from fitting_room.providers.astria.form import Form
from fitting_room.providers.astria.options import ID, TUNES, AstriaSettings
from fitting_room.providers.astria.prompts import prompt_of
from fitting_room.providers.astria.tunes import reference_of, training_of, training_title, trains
from fitting_room.providers.shared.failures import LATER, Failures
from fitting_room.providers.shared.http import UNSENT, client
from fitting_room.providers.shared.reading import read
from fitting_room.providers.shared.results import ready

BASE = "https://api.astria.ai"
POLL_SECONDS, TRAINING_SECONDS = 5.0, 60.0
PAGE = 120
"""The most tunes that one page of the list may have."""


class Astria:
    def __init__(self, connection: Connection, transport: httpx.BaseTransport | None = None) -> None:
        """Open the client.

        Raises `JobFailure` (`provider_auth`) without a key.
        """
        if not connection.secret:
            raise JobFailure(
                "provider_auth",
                "There is no key for Astria in this deployment.",
                "Ask the operator to store a key for Astria.",
                provider=ID,
            )
        self.settings: AstriaSettings = connection.settings or AstriaSettings()
        self.failed = Failures(ID, connection.secret)
        headers = {"Authorization": f"Bearer {connection.secret}"}
        if self.settings.workspace:
            headers["X-Workspace-Id"] = str(self.settings.workspace)
        self.http = client(connection.endpoint or BASE, headers, transport)

    # submit

    def start(self, order: Order) -> Outcome:
        if isinstance(order.request, TrainSubject):
            made = self._made(training_title(order), training_of(order, self.settings), look_first=order.attempt > 1)
            wait = TRAINING_SECONDS if trains(order) else POLL_SECONDS
            return made if isinstance(made, Failed) else Pending(made, wait)
        on, form = prompt_of(order, self.settings)
        answer = self._post(f"tunes/{quote(on, safe='')}/prompts", form, "prompt")
        if isinstance(answer, Failed):
            return answer
        accepted = prompt(answer.content)
        return Pending(f"{on}/{accepted.id}", POLL_SECONDS) if accepted else self._unreadable()

    # models

    def moved(self) -> Mapping[str, str]:
        """Return the tunes of the partner models that are other ones in the vendor's list."""
        try:
            listed = Models.model_validate_json(self.http.get("cli/models").raise_for_status().content).models
        except (httpx.HTTPError, ValidationError):
            raise JobFailure(
                "provider_unavailable", "Astria's list of models cannot be read.", "Ask again later.", provider=ID
            ) from None
        tunes = {model: (listed[model].tune_id or "") if model in listed else "" for model in TUNES}
        return {model: tune for model, tune in tunes.items() if tune != str(self.settings.tune(model))}

    # references

    def register(self, reference: Reference) -> str | Failed:
        if reference.model == "sd15" and not reference.kind.shared:
            return self.failed(
                "provider_error",
                "no",
                "astria/sd15 dresses a person it was trained on, not an image.",
                "Send person.subject, made for astria/sd15, or a garment subject made for a partner model.",
                retryable=False,
            )
        return self._made(reference.title, reference_of(reference, self.settings), look_first=True)

    def _made(self, title: str, form: Form, *, look_first: bool) -> str | Failed:
        """Return the id of the tune, made now or before.

        Source: "make sure you don't create duplicate tunes".
        """
        if look_first and (found := self._found(title)) is not None:
            return found
        answer = self._post("tunes", form, "subject")
        lost = answer if isinstance(answer, Failed) else None
        if isinstance(answer, httpx.Response):
            if made := tune(answer.content):
                return made.id
            lost = self._unreadable()
        assert lost
        found = self._found(title) if lost.charged == "unknown" else None  # it may be there although nobody said so
        return found if isinstance(found, str) else lost

    def _found(self, title: str) -> str | Failed | None:
        """Return the tune of this title, or None.

        The list may also hold tunes that have it as a part of their title.
        """
        try:
            answer = self.http.get("tunes", params={"title": title, "limit": PAGE})
        except httpx.HTTPError:
            return self.failed("provider_unavailable", "no", "Astria cannot be reached; nothing was bought.", LATER)
        if answer.status_code in (401, 403, 429):
            return refused(self.failed, answer, "subject")
        listed = tunes(answer.content) if answer.is_success else None
        if listed is None:
            return self.failed(
                "provider_unavailable",
                "no",
                "Astria's list of references cannot be read; nothing was bought.",
                LATER,
                provider_code=f"HTTP {answer.status_code}",
            )
        return next((each.id for each in listed if each.title == title), None)

    def _post(self, path: str, form: Form, what: str) -> httpx.Response | Failed:
        try:
            answer = self.http.post(path, files=form)
        except UNSENT:
            return self.failed("provider_unavailable", "no", "Astria cannot be reached; nothing was sent.", LATER)
        except httpx.HTTPError as error:
            return self.failed(
                "provider_unavailable",
                "unknown",
                "The connection to Astria was lost after the request.",
                LOOK,
                provider_code=type(error).__name__,
            )
        return answer if answer.is_success else refused(self.failed, answer, what)

    def _unreadable(self) -> Failed:
        return self.failed("provider_error", "unknown", "The answer of Astria cannot be read.", LOOK)

    # status

    def poll(self, order: Order, provider_job_id: str) -> Reading:
        on, _, job = provider_job_id.partition("/")
        path = f"tunes/{quote(on, safe='')}" + (f"/prompts/{quote(job, safe='')}" if job else "")
        again = Pending(provider_job_id, TRAINING_SECONDS if trains(order) else POLL_SECONDS)
        understand = self._pictures if job else _trained
        return read(lambda: self.http.get(path), lambda answer: understand(order, answer, again), pause=PAUSE)

    def _pictures(self, order: Order, answer: httpx.Response, again: Pending) -> Reading | None:
        status = prompt(answer.content)
        if status is None:
            return None
        if status.images:
            return ready("Astria", order, status.images, kept_for="30 days")
        return ended(self.failed, status.user_error) if status.user_error else again

    # deletion

    def erase_job(self, provider_job_id: str) -> bool:
        return self._deleted(f"prompts/{quote(provider_job_id.rpartition('/')[2], safe='')}")

    def erase_reference(self, made_id: str) -> bool:
        return self._deleted(f"tunes/{quote(made_id, safe='')}")

    def _deleted(self, path: str) -> bool:
        try:
            answer = self.http.delete(path)
        except httpx.HTTPError:
            return False
        return answer.is_success or answer.status_code == 404


def _trained(order: Order, answer: httpx.Response, again: Pending) -> Reading | None:
    """Return the outcome of a training, or `again` while it runs.

    A reference has no token: its id stands for it.
    """
    status = tune(answer.content)
    if status is None:
        return None
    return Finished([], token=status.token if trains(order) else None) if status.trained_at else again


def connect(connection: Connection, transport: httpx.BaseTransport | None = None) -> Astria:
    return Astria(connection, transport)
