"""A vendor's callback is a wake-up and nothing more: the workflow then reads the status with our own key.

Nothing of its body is read. Its address holds a secret that is good for one attempt and one call. Where a vendor answers into
the media bucket, the event of the written object takes its place.
"""

from __future__ import annotations

import re
import secrets

from fitting_room.clock import Clock
from fitting_room.jobs.job import Attempt, Job
from fitting_room.observability import logger
from fitting_room.providers.base import CatalogueEntry
from fitting_room.settings import settings
from fitting_room.stores import aws, callbacks, jobs

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_WRITTEN = re.compile(r"staging/(?P<job>job_\w+)/(?P<n>\d+)/(?P<provider>[a-z_]+)/.+")
"""The key of an object that a provider wrote for an attempt."""


def expect_callback(job: Job, attempt: Attempt, provider: CatalogueEntry, at: Clock) -> tuple[str | None, str] | None:
    """Return a new address for a provider to call, None where it writes an object instead, and the digest of the call.

    None where nothing will report that the provider is done.
    """
    if provider.answers_in_media:
        digest = _digest_of_object(job.id, attempt.n)
        callbacks.expect(digest, provider.id, at.now())
        return None, digest
    if not (provider.callbacks and settings().callback_url):
        return None
    token = secrets.token_urlsafe(32)
    digest = callbacks.digest_of(token)
    callbacks.expect(digest, provider.id, at.now())
    return f"{settings().callback_url.rstrip('/')}/v1/callbacks/{provider.id}/{token}", digest


def wake(provider: str, token: str, at: Clock) -> bool:
    """End the wait that a provider's call is for.

    Returns False when that address was never given out. A repeated call changes nothing and is answered like the
    first, so that the provider does not repeat it again. The table is asked for the token's hash, so the time it
    takes reveals nothing about a guess.
    """
    if not _TOKEN.fullmatch(token):
        return False
    ours, waiting = callbacks.woken(callbacks.digest_of(token), provider, at.now())
    if waiting:
        _end(waiting)
    return ours


def wake_for(key: str, at: Clock) -> None:
    """End the wait for an object that a provider has written into the media bucket.

    Other objects end no wait.
    """
    if written := _WRITTEN.fullmatch(key):
        _, waiting = callbacks.woken(
            _digest_of_object(written["job"], int(written["n"])), written["provider"], at.now()
        )
        if waiting:
            _end(waiting)


def _digest_of_object(job_id: str, n: int) -> str:
    return callbacks.digest_of(f"{job_id}/{n}")


def await_callback(job_id: str, task_token: str, at: Clock) -> None:
    """Let the workflow wait for the job's callback.

    If there is nothing to wait for, end the wait at once.
    """
    job = jobs.get(job_id, at.now())
    attempt = job.latest if job and not job.final else None
    if (
        attempt is None
        or attempt.outcome != "pending"
        or not attempt.callback
        or callbacks.wait(attempt.callback, task_token)
    ):
        _end(task_token)


def _end(task_token: str) -> None:
    """End a wait.

    A wait that is over, by its timeout or with its execution, needs no ending.
    """
    client = aws.step_functions()
    try:
        client.send_task_success(taskToken=task_token, output="{}")
    except (client.exceptions.TaskTimedOut, client.exceptions.TaskDoesNotExist, client.exceptions.InvalidToken):
        logger.info("the wait was over already")
