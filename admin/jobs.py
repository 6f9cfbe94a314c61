"""Cancel, retry or recover one job: the same actions as over HTTP, with the rights of the job's tenant."""

from __future__ import annotations

import os
from typing import Any

from fitting_room.actions.requests.cancel import cancel
from fitting_room.actions.requests.recover import recover
from fitting_room.actions.requests.retry import retry
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.job import Job
from fitting_room.settings import settings
from fitting_room.stores import jobs
from fitting_room.stores.api_keys import Caller, allowed


class Jobs:
    """Act on jobs with the settings of the stage: `environment` is that of its API function."""

    def __init__(self, environment: dict[str, str]) -> None:
        os.environ.update({name: value for name, value in environment.items() if not name.startswith("AWS_")})
        settings.cache_clear()
        self._at = Clock()

    def cancel(self, job_id: str) -> Job:
        return cancel(job_id, self._owner(job_id), self._at)

    def retry(self, job_id: str, *, buy_again: bool) -> Job:
        return retry(job_id, {"buy_again": buy_again}, self._owner(job_id), self._at).job

    def recover(self, job_id: str, provider_job_id: str | None) -> Job:
        """Recover a job; `provider_job_id` is the id that the operator found in the provider's account."""
        return recover(job_id, self._owner(job_id), self._at, provider_job_id=provider_job_id).job

    def _owner(self, job_id: str) -> Caller:
        job = jobs.get(job_id, self._at.now())
        if job is None:
            raise Refusal.of("not_found", f"There is no job {job_id}.", "Check the id and the stage.")
        return Caller(job.tenant, job.mode, allowed(job.tenant))


def printed(job: Job) -> dict[str, Any]:
    """Return the facts of a job that are printed."""
    return {
        "id": job.id,
        "status": job.status,
        "tenant": job.tenant,
        "retried_from": job.retried_from,
        "recovered_from": job.recovered_from,
    }
