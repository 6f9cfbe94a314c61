"""A provider's rate holds for all jobs together, and no job that waits for it is lost.

How often a job waits and in which order depends on how busy this machine is: `tests/unit/actions/test_start.py`.
"""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

from .conftest import Cloud

JOBS = 30
"""`local/cloud.py` sets three in 3 s for Aidge, which its simulator enforces: the vendor's own window is 60 s."""


def test_thirty_jobs_at_once_keep_the_rate(cloud: Cloud, person: bytes, tee: bytes) -> None:
    body = cloud.try_on(person, tee, provider="aidge")
    with ThreadPoolExecutor(JOBS) as clients:
        accepted = list(clients.map(lambda _: cloud.submit(body, key=str(uuid.uuid4())), range(JOBS)))
    ended = [cloud.finished(job["id"], 240) for job in accepted]
    assert [job["status"] for job in ended] == ["succeeded"] * JOBS, [job["error"] for job in ended if job["error"]]

    assert len(cloud.aidge.purchases()) == JOBS
    asked = [request for request in cloud.aidge.requests() if request["path"].endswith("/tryon-pro")]
    refused = len(asked) - JOBS
    assert refused <= JOBS // 5, "a vendor that refuses what breaks its rate had hardly to refuse one: 27 without slots"

    assert sum(len(job["attempts"]) for job in ended) == len(asked)
