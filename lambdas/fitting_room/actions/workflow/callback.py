"""A vendor's callback is a wake-up and nothing more: the workflow then reads the status with our own key.

Nothing of its body is read. Its address holds a secret that is good for one attempt and one call.
"""

from __future__ import annotations

import re
import secrets

from fitting_room.clock import Clock
from fitting_room.observability import logger
from fitting_room.providers.base import CatalogueEntry
from fitting_room.settings import settings
from fitting_room.stores import aws, callbacks, jobs

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def expect_callback(provider: CatalogueEntry, at: Clock) -> tuple[str, str] | None:
    """Return a new address for a provider to call and its digest; None where the provider calls none."""
    if not (provider.callbacks and settings().callback_url):
        return None
    token = secrets.token_urlsafe(32)
    digest = callbacks.digest_of(token)
    callbacks.expect(digest, provider.id, at.now())
    return f"{settings().callback_url.rstrip('/')}/v1/callbacks/{provider.id}/{token}", digest


def wake(provider: str, token: str, at: Clock) -> bool:
    """End the wait that a provider's call is for. False when that address was never given out.

    A repeated call changes nothing and is answered like the first, so that the provider does not repeat it again. The table
    is asked for the token's hash, so the time it takes tells nothing of how much of a guess was right.
    """
    if not _TOKEN.fullmatch(token):
        return False
    ours, waiting = callbacks.woken(callbacks.digest_of(token), provider, at.now())
    if waiting:
        _end(waiting)
    return ours


def await_callback(job_id: str, task_token: str, at: Clock) -> None:
    """Let the workflow wait for the job's callback. If there is nothing to wait for, end the wait at once."""
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
    """End a wait. One that has ended by itself, by its timeout or with its execution, needs no ending."""
    client = aws.step_functions()
    try:
        client.send_task_success(taskToken=task_token, output="{}")
    except (client.exceptions.TaskTimedOut, client.exceptions.TaskDoesNotExist, client.exceptions.InvalidToken):
        logger.info("the wait was over already")
