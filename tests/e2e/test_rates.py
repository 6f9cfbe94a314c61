"""A provider's rate holds for all jobs together, and no job that waits for it is lost.

How often a job waits and in which order depends on how busy this machine is: `tests/unit/actions/test_start.py`.
"""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from .conftest import Cloud

JOBS = 30
SUBMITS, SECONDS = 3, 3
"""What `local/cloud.py` sets for Aidge, and its simulator enforces: the vendor's own window is 60 s."""


def test_thirty_jobs_at_once_keep_the_rate(cloud: Cloud, person: bytes, tee: bytes) -> None:
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
