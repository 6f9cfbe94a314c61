"""A vendor's rate holds for all jobs together, and nobody who waits for it is lost."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import pairwise
from typing import Any

from .conftest import Cloud

JOBS = 30
SUBMITS, SECONDS = 3, 3
"""What `local/cloud.py` sets for Aidge, and its simulator enforces: the vendor's own window is 60 s."""


def test_thirty_jobs_at_once_keep_the_rate_and_their_order(cloud: Cloud, person: bytes, tee: bytes) -> None:
    body = cloud.try_on(person, tee, provider="aidge")
    with ThreadPoolExecutor(JOBS) as clients:
        accepted = list(clients.map(lambda _: cloud.submit(body, key=str(uuid.uuid4())), range(JOBS)))
    ended = [cloud.finished(job["id"], 240) for job in accepted]
    assert [job["status"] for job in ended] == ["succeeded"] * JOBS, [job["error"] for job in ended if job["error"]]

    bought = sorted(datetime.fromisoformat(purchase["at"]) for purchase in cloud.aidge.purchases())
    assert len(bought) == JOBS
    most = max(sum(0 <= (other - first).total_seconds() < SECONDS for other in bought) for first in bought)
    assert most <= SUBMITS + 1, "a busy machine may delay one call into the next one's window"
    asked = [request for request in cloud.aidge.requests() if request["path"].endswith("/tryon-pro")]
    assert len(asked) == JOBS, "the vendor never had to refuse one"

    assert all(len(job["attempts"]) == 1 for job in ended)
    again = [job["id"] for job in ended if _waits(job) > 1]
    assert len(again) <= JOBS // 10, (
        "each waits for its slot once; only a job that a busy machine wakes too late takes another one"
    )
    slotted = sorted(ended, key=_prepared)
    submitted = [job["attempts"][0]["submitted_at"] for job in slotted]
    early = sum(later < earlier for earlier, later in pairwise(submitted))
    assert early <= 2, "slots are given in the order in which jobs ask for them"


def _waits(job: dict[str, Any]) -> int:
    return sum(entry["step"] == "waiting_for_slot" for entry in job["timeline"])


def _prepared(job: dict[str, Any]) -> str:
    """When the job asked for its slot: when it began to wait, or else to submit."""
    return str(next(entry["at"] for entry in job["timeline"] if entry["step"] in ("waiting_for_slot", "submitting")))
