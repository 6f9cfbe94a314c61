"""What a tenant is told that it made and spent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fitting_room.actions.requests.recover import recover
from fitting_room.actions.requests.usage import report
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.outcome import Failed
from tests.integration.world import LIVE, RIVAL, TEST, Vendor, World, failed, finished, pending


def told(world: World, **asked: str) -> dict[str, Any]:
    return report(LIVE, asked, world.at)


def ended(world: World, vendor: Vendor, outcome: Any, **changes: Any) -> str:
    vendor.starts = [outcome]
    job_id = world.submit(**changes).job.id
    world.run(job_id)
    return job_id


def test_a_job_counts_once_on_the_day_it_ended_and_for_its_own_world(world: World, vendor: Vendor) -> None:
    job_id = ended(world, vendor, finished(), owner="jane")
    world.run(job_id)  # settled again
    ended(world, vendor, failed("content_blocked"), owner="joe")
    total = told(world)["total"]
    assert total == {
        "jobs": 2,
        "succeeded": 1,
        "failed": 1,
        "cancelled": 0,
        "images": 1,
        "cost": {"amount": 0.04, "currency": "USD"},
        "credits": 0,
        "charged_unknown": 0,
    }
    kept = {int(item["ttl"]) for item in world.items() if item["pk"].startswith("USAGE#")}
    assert {round((ttl - world.at.now().timestamp()) / 86400) for ttl in kept} == {400}, "days"
    assert report(TEST, {}, world.at)["total"]["jobs"] == report(RIVAL, {}, world.at)["total"]["jobs"] == 0
    world.at.moment += timedelta(days=30)
    assert told(world)["total"]["jobs"] == 0
    assert told(world, to="2026-09-01")["total"]["jobs"] == 2
    by = told(world, **{"from": "2026-09-01", "by": "owner,day"})["items"]
    assert [(row["owner"], row["day"], row["images"]) for row in by] == [
        ("jane", "2026-09-01", 1),
        ("joe", "2026-09-01", 0),
    ]


def test_a_job_after_a_failover_counts_for_the_provider_that_did_it(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    vendor.starts = [failed("provider_unavailable"), finished(864, 1296)]
    world.run(world.submit().job.id)
    [row] = told(world, by="provider")["items"]
    assert (row["provider"], row["jobs"], row["images"]) == ("tryiton", 1, 1)


def test_a_charge_that_was_none_after_all_is_taken_back_on_the_day_of_its_job(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    vendor.starts, vendor.polls = [pending("vendor-1")], [Failed(failed().fault, "unknown")]
    job_id = world.submit(provider="tryiton").job.id
    world.run(job_id)
    assert told(world)["total"]["charged_unknown"] == 1 and told(world)["total"]["images"] == 1
    vendor.polls = [failed("provider_error", "no", retryable=False)]
    world.at.sleep(86400)
    world.run(recover(job_id, LIVE, world.at).job.id)
    days = told(world, **{"from": "2026-09-01", "by": "day"})["items"]
    assert [
        (total["day"], total["charged_unknown"], total["images"], total["credits"], total["jobs"]) for total in days
    ] == [("2026-09-01", 0, 0, 0, 1), ("2026-09-02", 0, 0, 0, 1)]


@pytest.mark.parametrize(
    ("asked", "pointers"),
    [
        ({"from": "yesterday"}, ["/from"]),
        ({"from": "2026-09-02", "to": "2026-09-01"}, ["/to"]),
        ({"from": "2026-08-01", "to": "2026-09-01"}, ["/to"]),
        ({"to": "x", "by": "week"}, ["/to", "/by"]),
    ],
)
def test_a_range_that_cannot_be_told_is_400_with_all_faults(
    world: World, asked: dict[str, str], pointers: list[str]
) -> None:
    with pytest.raises(Refusal) as caught:
        told(world, **asked)
    assert caught.value.status == 400
    assert [fault.pointer for fault in caught.value.faults] == pointers
