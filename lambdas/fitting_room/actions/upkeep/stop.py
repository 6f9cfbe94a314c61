"""Ask a provider to stop working on a job that was cancelled.

The job has ended; this only saves work, and perhaps money.
"""

from __future__ import annotations

from typing import cast

from fitting_room.actions.workflow.attempts import connect
from fitting_room.clock import Clock
from fitting_room.observability import error_facts, logger
from fitting_room.providers.adapter import Canceller
from fitting_room.stores.offers import entry


def stop(provider_id: str, provider_job_id: str, at: Clock) -> None:
    """Call the provider's own cancel once.

    Nothing here depends on its answer.
    """
    try:
        stopped = cast(Canceller, connect(entry(provider_id, at), at)).cancel(provider_job_id)
    except Exception as error:  # a key that is missing, an adapter that breaks
        logger.warning("a provider could not be told to stop", provider=provider_id, **error_facts(error))
        return
    logger.info("a provider was told to stop", provider=provider_id, stopped=stopped)
