"""How long a job waits for its turn, and between two tries.

It counts the pauses that were recorded, never tries. So time in which no function could run costs a job nothing of
its queue.
"""

from __future__ import annotations

import random
from datetime import timedelta

from fitting_room.jobs.job import Attempt, Job

QUEUE_LIMIT, BATCH_QUEUE_LIMIT = timedelta(minutes=15), timedelta(hours=20)
"""How long a job may wait for all providers of its plan together."""
BATCH_SECONDS = 60, 120
"""Between two looks of a row of a batch at slots that are all further away."""
PAUSED_SECONDS = 300
"""Between two looks of a row at its paused batch: each costs the same as a step of a job."""
LIVE_FIRST_SECONDS = 10
"""For so long after the next look of a live job rows still leave it a place: it may be woken late."""
BUSY_SECONDS = 5, 60
"""Between two looks at a full provider: the first pause, and the longest. 15 minutes are at most 60 transitions."""
JITTER = 1.25
REFUSED_SECONDS = 15
"""How long a provider is left alone after its first 429; the pause doubles, up to a tenth of the queue limit."""


def left(job: Job) -> int:
    """Return the seconds that a job may still wait."""
    return int((BATCH_QUEUE_LIMIT if job.batch else QUEUE_LIMIT).total_seconds()) - job.waited


def place_pause(job: Job) -> int:
    """Return the seconds until a full provider is asked again: as long as the job has waited, and a little uneven."""
    shortest, longest = BUSY_SECONDS
    uneven = (shortest + job.waited) * random.uniform(1, JITTER)  # noqa: S311  jitter, not a secret
    return max(1, min(longest, left(job), int(uneven)))


def batch_pause() -> int:
    return random.randint(*BATCH_SECONDS)  # noqa: S311  jitter, not a secret


def refused_pause(job: Job, said: float | None) -> float:
    """Return the seconds to leave a provider alone that has just answered 429: those it `said`, or a growing number."""
    whole = left(job) + job.waited
    grown = min(REFUSED_SECONDS * 2.0 ** _refusals(job), whole / 10, max(0, left(job)))
    return max(said or 0, grown)


def _refusals(job: Job) -> int:
    """Count the attempts that were refused in a row, up to the one before the latest."""
    count = 0
    for attempt in sorted(job.attempts.values(), key=_number, reverse=True)[1:]:
        if attempt.error is None or attempt.error.code != "rate_limited":
            break
        count += 1
    return count


def _number(attempt: Attempt) -> int:
    return attempt.n
