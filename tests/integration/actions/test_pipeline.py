"""One job through the whole package, with the sandbox as provider."""

from __future__ import annotations

import pytest

from fitting_room.providers.sandbox.adapter import Sandbox
from tests.integration.world import MEDIA, World


@pytest.mark.parametrize("polled", [False, True])
def test_a_job_runs_from_the_request_to_a_picture_in_the_tenants_folder(
    world: World, polled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = Sandbox(lambda: world.at.now().timestamp())
    monkeypatch.setattr("fitting_room.providers.sandbox.adapter.connect", lambda _: sandbox)
    job_id = world.submit(
        mode="test", provider_options={"sandbox": {"polled": polled, "seconds": 2 if polled else 0}}
    ).job.id
    path = world.run(job_id)
    assert path == ["Prepare", "Start", *(["Poll"] if polled else []), "Collect", "Settle"]
    job = world.job(job_id)
    assert (job.status, job.step, job.error) == ("succeeded", "done", None)
    assert [image.n for image in job.images] == [1]
    assert job.images[0].bucket == MEDIA
    assert world.keys(f"results/acme/test/{job_id}/") == [job.images[0].key]
    assert (job.images[0].width, job.images[0].height) == (360, 540)
    assert world.due() == []
