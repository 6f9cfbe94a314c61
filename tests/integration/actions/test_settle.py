"""The end of a job: once, with the truth about money, and by the first run or sweep that settles it."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from fitting_room.actions.workflow import start
from fitting_room.actions.workflow.attempts import record_outcome
from fitting_room.actions.workflow.prepare import prepare
from fitting_room.actions.workflow.settle import settle
from fitting_room.providers.catalogue import entry
from fitting_room.stores import aws, capacity, items, jobs
from fitting_room.stores.items import due_now
from tests.integration.world import TENANT, Vendor, World, failed, finished, pending


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


@pytest.mark.parametrize("stands", ["queued", "prepared", "pending", "finished"])
def test_a_job_with_work_left_is_not_ended_but_looked_at_at_once(world: World, vendor: Vendor, stands: str) -> None:
    world.configure("tryiton")
    vendor.starts = [pending()] if stands == "pending" else [finished(864, 1296)]
    job_id = world.submit(provider="tryiton").job.id
    if stands != "queued":
        prepare(job_id, world.at)
    if stands in ("pending", "finished"):
        world.start(job_id)
    spent = world.spent()
    assert settle(job_id, world.at) == {"outcome": "ended"}
    assert (world.job(job_id).final, world.spent()) == (False, spent)
    assert list(due_now(world.at.now())) == [jobs.key(job_id)]


def test_a_job_that_failed_before_anything_was_bought_is_refunded(world: World) -> None:
    job_id = world.submit().job.id
    jobs.fail(world.job(job_id), failed("internal").fault)
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
    job = world.cancel(job_id)
    assert job.error and job.latest
    assert (job.status, job.error.retryable, job.latest.charged, job.usage.credits) == (
        "cancelled",
        False,
        "unknown",
        1,
    )
    assert "POST /v1/jobs/{id}/recover" in job.error.remedy


def test_an_event_after_a_crashed_call_settles_once_it_must_be_over(world: World, vendor: Vendor) -> None:
    vendor.starts = [ConnectionError("killed")]
    job_id = world.prepared()
    with pytest.raises(ConnectionError):
        world.start(job_id, remaining=180)
    world.at.sleep(179)
    world.broken(job_id)
    assert not world.job(job_id).final
    world.at.sleep(1)
    world.broken(job_id)
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


def test_a_result_that_arrives_while_a_cancelled_job_is_settled_is_kept(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.configure("tryiton")
    vendor.starts, vendor.polls = [pending()], [finished(864, 1296)]
    job_id = world.submit(provider="tryiton").job.id
    world.run_until_pending(job_id)
    as_read = world.job(job_id)

    def arrive() -> None:
        record_outcome(as_read, as_read.attempts["1"], finished(864, 1296), world.at)

    jobs.request_cancel(as_read, "2026-09-01")
    race(monkeypatch, arrive)
    settle(job_id, world.at)
    assert not world.job(job_id).final, "it is resumed"
    assert world.run(job_id) == ["Prepare", "Collect", "Settle"]
    assert world.job(job_id).status == "succeeded"


def test_an_answer_at_the_last_moment_of_a_call_is_not_overlooked(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the job would end as of unknown fate, although its images are there."""
    vendor.starts = [finished()]
    job_id = world.prepared()

    def settled_by_another() -> None:
        world.at.sleep(180)
        as_read = world.job(job_id)
        race(monkeypatch, lambda: record_outcome(as_read, as_read.attempts["1"], finished(), world.at))
        settle(job_id, world.at)

    vendor.during = settled_by_another
    world.start(job_id, remaining=180)
    job = world.job(job_id)
    assert job.latest and (job.final, job.latest.charged) == (False, "yes")


def test_results_written_while_a_sweep_settles_are_kept(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fitting_room.actions.workflow.collect import collect

    vendor.starts = [finished()]
    job_id = world.prepared()
    world.start(job_id)
    jobs.fail(world.job(job_id), failed("output_rejected").fault)
    race(monkeypatch, lambda: collect(job_id, world.at))
    settle(job_id, world.at)
    assert world.job(job_id).status == "succeeded"


def test_two_settles_at_once_refund_once(world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = world.submit(output={"count": 3}).job.id
    world.submit(output={"count": 3})
    jobs.fail(world.job(job_id), failed("internal").fault)
    race(monkeypatch, lambda: settle(job_id, world.at))
    settle(job_id, world.at)
    assert world.spent() == (3, 180_000)
    assert [entry["step"] for entry in world.job(job_id).timeline].count("done") == 1


def test_a_table_that_stays_busy_is_an_error_so_that_the_machine_tries_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, job_id = aws.table().meta.client, world.submit().job.id
    jobs.fail(world.job(job_id), failed("internal").fault)

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
        with pytest.raises(aws.Busy):
            settle(job_id, world.at)
    settle(job_id, world.at)
    assert world.job(job_id).final


def test_the_end_touches_no_item_that_other_jobs_end_with(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the day's budget only one of sixteen items, and no lease: two ends that met would refuse each other."""
    vendor.starts = [failed("content_blocked")]
    job_id, written = world.submit().job.id, list[Any]()
    real = items.transact

    def transact(named: Any, *args: Any) -> None:
        written.extend(next(iter(item.values())).get("Key") or item["Put"]["Item"] for item in named.values())
        real(named, *args)

    monkeypatch.setattr("fitting_room.actions.workflow.settle.transact", transact)
    world.run(job_id)
    keys = {(key["pk"], key["sk"]) for key in written}
    own = {(f"JOB#{job_id}", "JOB"), (f"USAGE#{TENANT}#live#2026-09-01", job_id)}
    assert len(keys) == 3 and own < keys
    [(pk, sk)] = keys - own
    assert pk == f"BUDGET#{TENANT}" and re.fullmatch(r"2026-09-01#(0\d|1[0-5])", sk)


def test_a_place_that_cannot_be_freed_does_not_keep_a_job_from_its_end(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = entry("nova_canvas").model_copy(update={"rate": None, "concurrency": 1})
    monkeypatch.setattr(start, "entry", lambda *_: narrow)
    vendor.starts = [failed("content_blocked")]
    job_id = world.prepared()
    monkeypatch.setattr(capacity, "free_lease", lambda *_: (_ for _ in ()).throw(TimeoutError("the table is away")))
    world.start(job_id)
    settle(job_id, world.at)
    job = world.job(job_id)
    assert job.latest and (job.status, job.latest.lease) == ("failed", 0)


def test_the_stored_state_holds_no_link(world: World, vendor: Vendor) -> None:
    vendor.starts = [finished()]
    job_id = world.submit().job.id
    world.run(job_id)
    assert "X-Amz" not in json.dumps(world.items(), default=str)
    assert "https://" not in json.dumps([item for item in world.items() if item["pk"].startswith("JOB#")], default=str)
