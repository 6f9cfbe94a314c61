"""Decide from the record alone where a job stands, so that every run goes on where the last one broke."""

from __future__ import annotations

import math

from fitting_room import clock
from fitting_room.actions.workflow.failover import next_position
from fitting_room.clock import Clock
from fitting_room.jobs.job import Attempt, Job
from fitting_room.jobs.outcome import Step, step
from fitting_room.stores.offers import entry

FIRST_LOOK, SECOND_WAIT, LONGEST_WAIT = 2, 4, 30
"""Seconds until the first look at a job whose usual time is not known; from it to the second; and at most between two."""
LONGEST_TRAINING_WAIT = 60
CALLBACK_SOON = 300
"""Seconds after the submission during which a callback is expected any moment; later its absence is checked less often."""
CALL_LOOKS = (2, 5, 10, 30)
"""Seconds between two looks at a call in flight."""


def standing(job: Job, at: Clock) -> Step | None:
    """Return the next step of an open job; None when its next attempt is to be prepared.

    `ended` leads to Settle. A call in flight is always waited for: only its own function knows what it bought.
    """
    last = job.latest
    if last and in_flight(last, at):
        return step("busy", runner=entry(last.provider, at).runner, wait=_until_outcome(last, at))
    if job.failure or job.made or job.erase_requested_at:
        return step("ended")
    if last and last.outcome == "finished":  # paid for and in staging: collected even when the job is to be cancelled
        return step("finished")
    if job.cancel_requested:
        return step("ended")
    if last is None:
        return None
    if last.outcome is None:
        provider = entry(
            last.provider, at
        )  # an answer that lies in the media bucket is found though nobody was told of it
        unknown = last.claimed_at and not provider.answers_in_media
        return step("failed", again=False) if unknown else step("prepared", runner=provider.runner)
    if last.outcome == "pending":
        return waiting(job, last, at)
    return step("failed", again=False) if next_position(job) is None else None


def in_flight(attempt: Attempt, at: Clock) -> bool:
    """Return whether a function may still be inside its call to the provider."""
    claimed = bool(attempt.claimed_until) and attempt.outcome is None
    return claimed and clock.text(at.now()) < str(attempt.claimed_until)


def waiting(job: Job, attempt: Attempt, at: Clock, wait: float = 0) -> Step:
    """Return `pending` with the wait until the next look, in seconds: at least `wait`, and longer from look to look."""
    since = _since(job.created_at if attempt.recovered_n else attempt.submitted_at, at)
    longest = LONGEST_TRAINING_WAIT if job.subject else LONGEST_WAIT
    first = FIRST_LOOK if job.subject else entry(attempt.provider, at).usual or FIRST_LOOK
    grown = first - since if since < first else min(longest, SECOND_WAIT + int(since - first))
    if attempt.callback and not wait:
        # with a wait too: an execution that began before callbacks were known can only poll
        return step("pending", wait=math.ceil(grown), callback="soon" if since < CALLBACK_SOON else "later")
    return step("pending", wait=math.ceil(max(grown, wait)))


def _until_outcome(attempt: Attempt, at: Clock) -> int:
    passed = _since(attempt.claimed_at, at)
    pause = next((look for look in CALL_LOOKS if passed < look), CALL_LOOKS[-1])
    left = (clock.parse(str(attempt.claimed_until)) - at.now()).total_seconds()
    return max(1, min(pause, math.ceil(left)))


def _since(moment: str | None, at: Clock) -> float:
    return (at.now() - clock.parse(moment)).total_seconds() if moment else 0
