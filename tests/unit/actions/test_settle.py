"""The end of a job: once, with the truth about money, and by whoever comes first."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from fitting_room.actions.workflow.settle import settle
from fitting_room.stores import aws, items, jobs
from fitting_room.stores.items import due_now
from tests.unit.world import TENANT, Vendor, World, failed, finished, pending


def test_settling_again_changes_nothing(world: World, vendor: Vendor) -> None:
    vendor.starts = [failed("content_blocked")]
    job_id = world.submit().job.id
    world.run(job_id)
    once, spent = world.job(job_id), world.spent()
    world.at.sleep(5)
    assert settle(job_id, world.at) == {"outcome": "ended"}
    assert settle(job_id, world.at) == {"outcome": "ended"}
    assert (world.job(job_id), world.spent()) == (once, spent) == (once, (0, 0))


def test_a_job_that_is_over_is_owed_nothing(world: World, vendor: Vendor) -> None:
    vendor.starts = [finished()]
    job_id = world.submit().job.id
    assert world.due() == [job_id]
    world.run(job_id)
    assert world.due() == []


def test_what_a_job_cost_is_told(world: World, vendor: Vendor) -> None:
    vendor.starts, vendor.during = [finished(count=2)], lambda: world.at.sleep(4.5)
    job_id = world.submit(output={"count": 2}).job.id
    world.run(job_id)
    usage = world.job(job_id).usage
    assert (usage.images, usage.amount, usage.currency, usage.credits, usage.provider_seconds) == (
        2,
        0.08,
        "USD",
        None,
        4.5,
    )
    assert "catalogue" in usage.basis
    assert world.spent() == (2, 80_000)


def test_credits_are_told_where_the_vendor_bills_them_and_the_money_is_given_back(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    vendor.starts, vendor.polls = [failed(), pending()], [finished(864, 1296, credits=3)]
    job_id = world.submit().job.id
    assert world.spent() == (1, 60_000)
    world.run(job_id)
    usage = world.job(job_id).usage
    assert (usage.images, usage.amount, usage.credits) == (1, None, 3)
    assert world.spent() == (1, 0)


def test_more_pictures_than_were_set_aside_count_against_the_budget(world: World, vendor: Vendor) -> None:
    vendor.starts = [finished(count=3)]
    job_id = world.submit().job.id
    assert world.spent() == (1, 60_000)
    world.run(job_id)
    assert world.job(job_id).usage.images == 3
    assert world.spent() == (3, 120_000)


def test_a_refund_goes_to_the_day_of_the_reservation(world: World, vendor: Vendor) -> None:
    vendor.starts = [failed("content_blocked")]
    job_id, day = world.submit(output={"count": 3}).job.id, world.at.now()
    assert world.spent() == (3, 180_000)
    world.at.moment += timedelta(hours=13)
    world.run(job_id)
    assert world.spent(at=day) == (0, 0)
    assert world.spent() == (0, 0), "nothing is given to the new day"


def test_a_charged_failure_is_not_refunded(world: World, vendor: Vendor) -> None:
    vendor.starts = [failed("content_blocked", "yes")]
    job_id = world.submit().job.id
    world.run(job_id)
    assert world.spent() == (1, 40_000)
    assert world.job(job_id).usage.images == 1


def test_a_job_that_stopped_before_anything_was_bought_is_refunded(world: World) -> None:
    job_id = world.submit().job.id
    settle(job_id, world.at)
    job = world.job(job_id)
    assert job.error and (job.status, job.error.code, job.error.retryable) == ("failed", "internal", True)
    assert (world.spent(), job.usage.images) == ((0, 0), 0)


def test_an_unreadable_picture_is_the_jobs_error(world: World, vendor: Vendor) -> None:
    body = world.body()
    world.put("garment.png", b"<svg></svg>")
    job_id = world.submit(body).job.id
    assert world.run(job_id) == ["Prepare", "Settle"]
    job = world.job(job_id)
    assert job.error and (job.error.code, job.error.pointer) == ("image_unreadable", "/garments/0/image")
    assert (vendor.orders, world.spent()) == ([], (0, 0))


def test_a_picture_that_is_not_where_it_was_said_to_be_is_told(world: World, vendor: Vendor) -> None:
    body = world.body()
    aws.s3().delete_object(Bucket="inbox-bucket", Key=f"drop/{TENANT}/person.png")
    job_id = world.submit(body).job.id
    world.run(job_id)
    error = world.job(job_id).error
    assert error and (error.code, error.pointer) == ("image_unreadable", "/person")


def test_a_job_stopped_while_the_vendor_works_may_have_been_charged(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    vendor.starts = [pending()]
    job_id = world.prepared(provider="tryiton")
    world.start(job_id)
    settle(job_id, world.at)
    job = world.job(job_id)
    assert job.error and job.latest
    assert (job.status, job.error.retryable, job.latest.charged, job.usage.credits) == ("failed", False, "unknown", 1)


def test_an_event_during_a_call_waits_until_the_call_must_be_over(world: World, vendor: Vendor) -> None:
    job_id = world.prepared()
    vendor.starts, vendor.during = [finished()], lambda: settle(job_id, world.at) and None
    began = world.at.now()
    assert world.start(job_id, remaining=180) == {"outcome": "finished"}, "the answer still counts"
    assert not world.job(job_id).final
    assert list(due_now(began + timedelta(seconds=179))) == []
    assert list(due_now(began + timedelta(seconds=180))) == [jobs.key(job_id)], "the sweep comes back then"


def test_an_event_after_a_crashed_call_settles_once_it_must_be_over(world: World, vendor: Vendor) -> None:
    vendor.starts = [ConnectionError("killed")]
    job_id = world.prepared()
    with pytest.raises(ConnectionError):
        world.start(job_id, remaining=180)
    world.at.sleep(179)
    settle(job_id, world.at)
    assert not world.job(job_id).final
    world.at.sleep(1)
    settle(job_id, world.at)
    job = world.job(job_id)
    assert job.latest and (job.status, job.latest.charged) == ("failed", "unknown")


def race(monkeypatch: pytest.MonkeyPatch, meanwhile: Any) -> None:
    """Something happens between the moment settle has read the job and its transaction."""
    real, left = items.transact, [meanwhile]

    def transact(*args: Any) -> None:
        if left:
            left.pop()()
        real(*args)

    monkeypatch.setattr("fitting_room.actions.workflow.settle.transact", transact)


def test_a_claim_made_while_a_sweep_settles_is_not_overlooked(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the job would end as never bought, refunded, while the vendor is being paid."""
    vendor.starts = [finished()]
    job_id = world.prepared()
    vendor.during = lambda: None
    race(monkeypatch, lambda: world.start(job_id))
    settle(job_id, world.at)
    job = world.job(job_id)
    assert job.final and job.latest
    assert (job.latest.charged, job.usage.images, world.spent()) == ("yes", 1, (1, 40_000))


def test_results_written_while_a_sweep_settles_are_kept(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fitting_room.actions.workflow.collect import collect

    vendor.starts = [finished()]
    job_id = world.prepared()
    world.start(job_id)
    race(monkeypatch, lambda: collect(job_id, world.at))
    settle(job_id, world.at)
    assert world.job(job_id).status == "succeeded"


def test_two_who_settle_at_once_refund_once(world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = world.submit(output={"count": 3}).job.id
    world.submit(output={"count": 3})
    race(monkeypatch, lambda: settle(job_id, world.at))
    settle(job_id, world.at)
    assert world.spent() == (3, 180_000)
    assert [entry["step"] for entry in world.job(job_id).timeline].count("done") == 1


def test_a_table_that_stays_busy_is_an_error_so_that_the_machine_tries_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, job_id = aws.table().meta.client, world.submit().job.id

    def busy(**asked: Any) -> None:
        raise client.exceptions.TransactionCanceledException(
            {
                "Error": {"Code": "TransactionCanceledException", "Message": "x"},
                "CancellationReasons": [{"Code": "TransactionConflict"} for _ in asked["TransactItems"]],
            },
            "TransactWriteItems",
        )

    with monkeypatch.context() as patched:
        patched.setattr(client, "transact_write_items", busy)
        with pytest.raises(items.Conflict):
            settle(job_id, world.at)
    settle(job_id, world.at)
    assert world.job(job_id).final


def test_the_stored_state_holds_no_link(world: World, vendor: Vendor) -> None:
    vendor.starts = [finished()]
    job_id = world.submit().job.id
    world.run(job_id)
    assert "X-Amz" not in json.dumps(world.items(), default=str)
    assert "https://" not in json.dumps([item for item in world.items() if item["pk"].startswith("JOB#")], default=str)
