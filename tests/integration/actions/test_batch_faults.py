"""What may go wrong with a batch halfway: no row is lost or bought twice, the counts add up, and the money is accounted for."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from fitting_room.actions.batch import admit as admitting
from fitting_room.actions.batch.finish import PAUSES
from fitting_room.actions.batch.reports import report_link, sheet_link
from fitting_room.actions.requests import accept as accepting
from fitting_room.actions.requests import batches as requests
from fitting_room.actions.requests.delete import delete_job, delete_owner
from fitting_room.actions.requests.recover import recover
from fitting_room.actions.workflow import start as starting
from fitting_room.actions.workflow.prepare import prepare
from fitting_room.actions.workflow.settle import settle
from fitting_room.jobs.batch import job_id_of
from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.jobs.outcome import Outcome, Unread
from fitting_room.net import safe_http
from fitting_room.net.safe_http import Fetched
from fitting_room.providers.overrides import Override, Pause
from fitting_room.stores import aws, batch_rows, batches, executions, jobs, offers
from tests.deployment import choose
from tests.integration.catalogue import Broken, Catalogue
from tests.integration.world import INBOX, LIVE, TENANT, TEST, Vendor, World, failed, finished, pending, picture

PRICE = 40_000
"""Micro-USD of an image by Nova Canvas."""


@pytest.fixture
def catalogue(world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    choose(monkeypatch, daily_images=1000, daily_usd=100.0)
    vendor.starts = [finished()]
    return Catalogue(world)


def breaks_at(row: int) -> Callable[[int], None]:
    def after(ran: int) -> None:
        if ran == row:
            raise Broken

    return after


def adds_up(catalogue: Catalogue, batch_id: str) -> None:
    """Every row is in one place, and the day's budget lost what the vendor was paid."""
    batch, view = catalogue.batch(batch_id), catalogue.view(batch_id)
    counts = view["counts"]
    ends = ("invalid", "queued", "running", "succeeded", "failed", "cancelled")
    assert sum(counts[name] for name in ends) == counts["rows"]
    spent = round(view["cost"]["spent"]["amount"] * 1e6)
    assert spent == sum(round((job.usage.amount or 0) * 1e6) for job in catalogue.jobs(batch_id))
    if batch.over:
        assert catalogue.world.spent()[1] == spent
        assert counts["queued"] == counts["running"] == 0


def test_an_expansion_that_is_killed_is_done_again_and_sets_the_budget_aside_once(
    world: World, catalogue: Catalogue, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, begin = catalogue.create(jobs=catalogue.rows(3)), batches.expanded
    with monkeypatch.context() as broken:  # after the rows were stored
        broken.setattr(batches, "expanded", lambda *_: (_ for _ in ()).throw(Broken))
        with pytest.raises(Broken):
            catalogue.run(batch.id)
    assert (world.spent(), catalogue.batch(batch.id).status) == ((0, 0), "expanding")
    catalogue.broken(batch.id)
    assert batches.expanded is begin
    assert (catalogue.counts(batch.id), len(vendor.orders)) == ({"rows": 3, "succeeded": 3}, 3)
    adds_up(catalogue, batch.id)


def test_an_expansion_that_always_breaks_ends_the_batch(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    batch = catalogue.create(jobs=catalogue.rows(2))
    with monkeypatch.context() as broken:
        broken.setattr(batches, "counted", lambda *_: (_ for _ in ()).throw(Broken))
        for _ in range(4):
            with pytest.raises(Broken):
                catalogue.broken(batch.id)
        catalogue.broken(batch.id)
    view = catalogue.view(batch.id)
    assert (view["status"], view["errors"][0]["code"], world.spent()) == ("failed", "internal", (0, 0))


def test_a_batch_that_is_cancelled_while_its_manifest_is_read_ends_without_a_row(
    catalogue: Catalogue, vendor: Vendor, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, put = catalogue.create(jobs=catalogue.rows(3)), batch_rows.put

    def slow(*args: object) -> None:
        requests.cancel_batch(batch.id, LIVE, world.at)
        put(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as during:
        during.setattr(batch_rows, "put", slow)
        assert catalogue.expand(batch.id)["outcome"] == "ended"
    catalogue.run(batch.id)
    assert (catalogue.batch(batch.id).status, catalogue.counts(batch.id)) == (
        "cancelled",
        {"rows": 3, "cancelled": 3},
    )
    assert (vendor.orders, world.spent()) == ([], (0, 0))
    rows = list(batch_rows.between(batch.id, 0, 3))
    assert len(rows) == 3 and not any(row.request for row in rows)


@pytest.mark.parametrize("stored", [False, True])
def test_an_admission_that_is_killed_is_done_again_and_makes_one_job(
    catalogue: Catalogue, vendor: Vendor, monkeypatch: pytest.MonkeyPatch, *, stored: bool
) -> None:
    batch, accept = catalogue.create(jobs=catalogue.rows(2)), accepting.accept
    said = catalogue.expand(batch.id)

    def killed(*args: object) -> object:
        if stored:
            accept(*args)  # type: ignore[arg-type]
        raise Broken

    with monkeypatch.context() as broken:
        broken.setattr(admitting, "accept", killed)
        with pytest.raises(Broken):
            catalogue.admit({"batch": batch.id, "rows": [0]})
    catalogue.map(said["items"])
    if stored:  # its own machine was never started: the sweep does that
        catalogue.world.run(job_id_of(batch.id, 0))
    catalogue.run(batch.id)
    assert (catalogue.counts(batch.id), len(vendor.orders)) == ({"rows": 2, "succeeded": 2}, 2)
    adds_up(catalogue, batch.id)


def test_a_map_that_is_aborted_goes_on_with_the_rows_that_are_left(catalogue: Catalogue, vendor: Vendor) -> None:
    batch = catalogue.create(jobs=catalogue.rows(6))
    catalogue.after = breaks_at(2)
    with pytest.raises(Broken):
        catalogue.run(batch.id)
    assert catalogue.counts(batch.id) == {"rows": 6, "queued": 4, "succeeded": 2}
    catalogue.broken(batch.id)
    assert [item["rows"] for item in catalogue.items] == [[2], [3], [4], [5]]
    assert catalogue.batch(batch.id).run == 2
    assert (catalogue.counts(batch.id), len(vendor.orders)) == ({"rows": 6, "succeeded": 6}, 6)
    adds_up(catalogue, batch.id)


def test_a_map_that_ends_without_all_rows_is_followed_by_another(catalogue: Catalogue, vendor: Vendor) -> None:
    batch = catalogue.create(jobs=catalogue.rows(3))
    catalogue.expand(batch.id)
    catalogue.child({"batch": batch.id, "rows": [1]})
    assert catalogue.finish(batch.id) == {"outcome": "more", "wait": 0}
    catalogue.run(batch.id)
    assert (catalogue.counts(batch.id), len(vendor.orders)) == ({"rows": 3, "succeeded": 3}, 3)


def test_rows_that_no_map_admits_fail_in_the_end(catalogue: Catalogue, world: World) -> None:
    batch = catalogue.create(jobs=catalogue.rows(2))
    catalogue.expand(batch.id)
    for pause in PAUSES:
        assert catalogue.finish(batch.id) == {"outcome": "more", "wait": pause}
    assert catalogue.finish(batch.id) == {"outcome": "ended"}
    view = catalogue.view(batch.id)
    assert (view["status"], view["counts"]["failed"]) == ("finished", 2)
    assert [(each["code"], each["count"], each["example"]) for each in view["row_errors"]] == [("internal", 2, None)]
    adds_up(catalogue, batch.id)


def test_a_cancelled_batch_admits_nothing_more_and_gives_back_what_was_not_spent(
    catalogue: Catalogue, vendor: Vendor, world: World
) -> None:
    batch = catalogue.create(jobs=catalogue.rows(6))
    catalogue.expand(batch.id)
    catalogue.child({"batch": batch.id, "rows": [0]})
    catalogue.child({"batch": batch.id, "rows": [1]})
    open_id = catalogue.admit({"batch": batch.id, "rows": [2]})["job_id"]
    executions.start_run(open_id)
    cancelled = requests.cancel_batch(batch.id, LIVE, world.at)
    assert cancelled.cancel_requested_at
    assert world.job(open_id).cancel_requested
    assert catalogue.admit({"batch": batch.id, "rows": [3]}) == {"outcome": "ended"}
    assert f"{batch.id}.r2" in world.executions(world.batch_machine)
    world.broken(open_id)
    catalogue.run(batch.id)
    assert catalogue.counts(batch.id) == {"rows": 6, "succeeded": 2, "cancelled": 4}
    assert (catalogue.batch(batch.id).status, len(vendor.orders)) == ("cancelled", 2)
    assert world.spent() == (2, 2 * PRICE)
    adds_up(catalogue, batch.id)
    assert requests.cancel_batch(batch.id, LIVE, world.at).status == "cancelled", "again: nothing changes"
    row = batch_rows.get(batch.id, 5)
    assert row and row.request is None, "nothing is kept of rows that were never run"


def test_a_row_that_is_admitted_while_the_batch_is_cancelled_is_cancelled_too(
    catalogue: Catalogue, world: World, monkeypatch: pytest.MonkeyPatch, vendor: Vendor
) -> None:
    batch, accept = catalogue.create(jobs=catalogue.rows(2)), accepting.accept
    catalogue.expand(batch.id)

    def slow(*args: object) -> object:
        requests.cancel_batch(batch.id, LIVE, world.at)
        return accept(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as during:
        during.setattr(admitting, "accept", slow)
        job_id = catalogue.admit({"batch": batch.id, "rows": [0]})["job_id"]
    assert world.job(job_id).cancel_requested
    world.run(job_id)
    catalogue.run(batch.id)
    assert (catalogue.counts(batch.id), vendor.orders) == ({"rows": 2, "cancelled": 2}, [])
    adds_up(catalogue, batch.id)


def test_a_paused_batch_that_is_cancelled_ends_although_its_run_broke(catalogue: Catalogue, world: World) -> None:
    batch = catalogue.create(jobs=catalogue.rows(2))
    catalogue.expand(batch.id)
    batches.pause(batch.id, Fault.of("quota_exhausted", "No credit.", "Buy some."), after=1)
    requests.cancel_batch(batch.id, LIVE, world.at)
    with pytest.raises(Refusal, match="This batch is being cancelled"):
        requests.resume_batch(batch.id, LIVE, world.at)
    catalogue.broken(batch.id)
    assert f"{batch.id}.r2" in world.executions(world.batch_machine)
    assert catalogue.counts(batch.id) == {"rows": 2, "cancelled": 2}
    assert catalogue.view(batch.id)["paused_for"] is None, "it waits for nothing any more"


def test_a_batch_that_is_cancelled_before_its_manifest_is_read_is_cancelled(catalogue: Catalogue) -> None:
    batch = catalogue.create(jobs=catalogue.rows(2))
    requests.cancel_batch(batch.id, LIVE, catalogue.world.at)
    catalogue.run(batch.id)
    assert (catalogue.batch(batch.id).status, catalogue.counts(batch.id)) == ("cancelled", {})


def test_the_report_of_a_batch_that_is_to_be_erased_is_not_handed_out(catalogue: Catalogue, world: World) -> None:
    batch = catalogue.create(jobs=catalogue.rows(1))
    catalogue.run(batch.id)
    assert report_link(catalogue.batch(batch.id), "csv", world.at)
    requests.delete_batch(batch.id, LIVE, world.at)
    with pytest.raises(Refusal) as refused:
        report_link(catalogue.batch(batch.id), "csv", world.at)
    assert refused.value.faults[0].code == "conflict"


def test_a_credit_that_runs_out_pauses_the_batch_after_a_few_rows(
    catalogue: Catalogue, vendor: Vendor, world: World
) -> None:
    batch = catalogue.create(jobs=catalogue.rows(8, provider="nova_canvas"))
    vendor.starts = [finished(), finished(), failed("quota_exhausted")]
    said = catalogue.expand(batch.id)
    items = [json.loads(line) for line in world.read(said["items"]).splitlines()]
    for item in items[:5]:
        catalogue.child(item)
    view = catalogue.view(batch.id)
    assert (view["status"], view["paused_for"]["code"]) == ("paused", "quota_exhausted")
    assert catalogue.admit(items[5]) == {"outcome": "wait", "wait": 300}
    assert len(vendor.orders) == 5
    vendor.starts = [failed("quota_exhausted"), finished()]
    resumed = requests.resume_batch(batch.id, LIVE, world.at)
    assert (resumed.status, resumed.paused_for) == ("running", None)
    for item in items[5:]:
        catalogue.child(item)
    assert catalogue.batch(batch.id).status == "running", "after a resume, the batch counts refused rows from zero"
    catalogue.run(batch.id)
    assert catalogue.counts(batch.id) == {"rows": 8, "succeeded": 4, "failed": 4}
    adds_up(catalogue, batch.id)
    again = catalogue.create(jobs=catalogue.rows(8, provider="nova_canvas"))
    catalogue.run(again.id)
    assert catalogue.counts(again.id) == {"rows": 8, "succeeded": 8, "reused": 4}
    assert len(vendor.orders) == 5 + 3 + 4


def test_the_rows_of_a_paused_batch_that_were_admitted_wait_and_are_bought_after_it(
    catalogue: Catalogue, vendor: Vendor, world: World
) -> None:
    batch = catalogue.create(jobs=catalogue.rows(8, provider="nova_canvas"))
    catalogue.expand(batch.id)
    in_flight = [catalogue.admit({"batch": batch.id, "rows": [n]})["job_id"] for n in range(8)]
    vendor.starts = [failed("quota_exhausted")]
    for job_id in in_flight[:3]:
        world.run(job_id)
    assert catalogue.view(batch.id)["status"] == "paused"
    vendor.starts = [finished()]
    for job_id in in_flight[3:]:
        prepare(job_id, world.at)
        assert [world.start(job_id) for _ in range(2)] == [{"outcome": "busy", "runner": "bedrock", "wait": 300}] * 2
        assert world.job(job_id).step == "waiting_for_slot"
    assert len(vendor.orders) == 3
    assert catalogue.finish(batch.id) == {"outcome": "look", "wait": 300}
    world.at.sleep(300)
    requests.resume_batch(batch.id, LIVE, world.at)
    for job_id in in_flight[3:]:
        world.run(job_id)
    catalogue.run(batch.id)
    assert catalogue.counts(batch.id) == {"rows": 8, "succeeded": 5, "failed": 3}
    adds_up(catalogue, batch.id)


def test_a_row_of_a_paused_batch_gives_its_place_back_and_waits_for_twenty_hours_at_most(
    catalogue: Catalogue, vendor: Vendor, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(monkeypatch, daily_images=1000, daily_usd=100.0, limits={"nova_canvas": {"submits": 2, "concurrency": 2}})
    batch = catalogue.create(jobs=catalogue.rows(2, provider="nova_canvas"))
    catalogue.expand(batch.id)
    one, two = (catalogue.admit({"batch": batch.id, "rows": [n]})["job_id"] for n in range(2))
    vendor.starts = [pending(), finished()]
    for job_id in (one, two):
        prepare(job_id, world.at)
        world.start(job_id)
    waiting = world.job(two).latest
    assert waiting and waiting.lease is not None
    batches.pause(batch.id, Fault.of("quota_exhausted", "", ""), after=1)
    waited = 0
    while (said := world.start(two))["outcome"] == "busy":
        waited += said["wait"]
        world.at.sleep(said["wait"])
        if waited == said["wait"]:
            places = [item for item in world.items() if str(item["pk"]).startswith("LEASE#")]
            assert two not in {item.get("job_id") for item in places}
    assert 19 * 3600 < waited <= 20 * 3600


def test_a_key_that_is_refused_lets_the_other_rows_wait_too(
    catalogue: Catalogue, vendor: Vendor, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = catalogue.create(jobs=catalogue.rows(1, provider="nova_canvas"))
    catalogue.expand(batch.id)
    job_id = catalogue.admit({"batch": batch.id, "rows": [0]})["job_id"]
    prepare(job_id, world.at)
    batches.pause(batch.id, Fault.of("provider_auth", "", ""), after=1)
    monkeypatch.setattr(starting, "connect", lambda *_: pytest.fail("the key was asked for"))
    assert world.start(job_id)["wait"] == 300


def test_a_paused_batch_whose_map_has_ended_goes_on_in_the_next_run(
    catalogue: Catalogue, vendor: Vendor, world: World
) -> None:
    batch = catalogue.create(jobs=catalogue.rows(6, provider="nova_canvas"))
    vendor.starts = [failed("quota_exhausted")]
    catalogue.after = breaks_at(3)
    with pytest.raises(Broken):
        catalogue.run(batch.id)
    executions.stop_run(batch.id, 1)
    vendor.starts = [finished()]
    requests.resume_batch(batch.id, LIVE, world.at)
    assert f"{batch.id}.r2" in world.executions(world.batch_machine)
    catalogue.run(batch.id)
    assert catalogue.counts(batch.id) == {"rows": 6, "succeeded": 3, "failed": 3}
    adds_up(catalogue, batch.id)


def test_a_provider_that_dies_halfway_is_followed_by_the_next_row_by_row(
    catalogue: Catalogue, vendor: Vendor, world: World
) -> None:
    world.configure("tryiton")
    rows = catalogue.rows(5, provider="tryiton", fallback=["nova_canvas"])
    batch = catalogue.create(jobs=rows)
    fails: list[Outcome | Exception] = [failed("provider_auth"), finished()]
    vendor.starts = [finished(), finished(), *fails * 3]
    catalogue.run(batch.id)
    assert catalogue.counts(batch.id) == {"rows": 5, "succeeded": 5}
    assert [job.attempts[max(job.attempts)].provider for job in catalogue.jobs(batch.id)] == [
        "tryiton",
        "tryiton",
        *["nova_canvas"] * 3,
    ]
    adds_up(catalogue, batch.id)


def test_five_percent_of_broken_rows_leave_the_others_alone(catalogue: Catalogue, vendor: Vendor) -> None:
    rows = catalogue.rows(20, provider="nova_canvas")
    rows[7]["person"] = {"s3": f"s3://{INBOX}/drop/{TENANT}/nobody.png"}
    rows[13]["garments"] = []
    batch = catalogue.create(jobs=rows)
    catalogue.run(batch.id)
    assert catalogue.counts(batch.id) == {"rows": 20, "invalid": 1, "succeeded": 18, "failed": 1}
    [invalid, error] = catalogue.view(batch.id)["row_errors"]
    assert (invalid["code"], invalid["pointer"], invalid["line"]) == ("invalid_input", "/garments", 14)
    assert (error["code"], error["count"], error["example"]) == ("image_unreadable", 1, job_id_of(batch.id, 7))
    assert len(vendor.orders) == 18
    adds_up(catalogue, batch.id)


def test_a_row_whose_upload_is_gone_at_its_turn_fails_as_a_job(catalogue: Catalogue, world: World) -> None:
    [row] = catalogue.rows(1)
    upload = world.upload("person")
    batch = catalogue.create(jobs=[{**row, "person": {"upload": upload}}], hold=True)
    catalogue.run(batch.id)
    aws.s3().delete_object(Bucket=INBOX, Key=f"uploads/{TENANT}/{upload}")
    requests.resume_batch(batch.id, LIVE, world.at)
    catalogue.run(batch.id)
    [job] = catalogue.jobs(batch.id)
    assert (job.status, job.error and job.error.code) == ("failed", "upload_missing")
    assert catalogue.counts(batch.id) == {"rows": 1, "failed": 1}
    adds_up(catalogue, batch.id)


def test_only_the_providers_that_were_reckoned_with_do_a_row(
    catalogue: Catalogue, world: World, vendor: Vendor
) -> None:
    batch = catalogue.create(jobs=catalogue.rows(2), hold=True)
    catalogue.run(batch.id)
    world.configure("tryiton")
    requests.resume_batch(batch.id, LIVE, world.at)
    catalogue.child({"batch": batch.id, "rows": [0]})
    offers.put("nova_canvas", Override(paused=Pause(at="2026-09-01")))
    world.at.sleep(31)
    catalogue.run(batch.id)
    done, paused = catalogue.jobs(batch.id)
    assert (done.plan, done.status, len(vendor.orders)) == (["nova_canvas"], "succeeded", 1)
    assert (paused.status, paused.error and paused.error.code) == ("failed", "provider_paused")
    adds_up(catalogue, batch.id)


@pytest.mark.parametrize("read", [False, True])
def test_a_row_that_is_admitted_twice_at_once_keeps_its_images(
    catalogue: Catalogue, world: World, monkeypatch: pytest.MonkeyPatch, *, read: bool
) -> None:
    [row] = catalogue.rows(1)
    inline = "data:image/png;base64," + base64.b64encode(picture(360, 540)).decode()
    batch = catalogue.create(jobs=[{**row, "person": inline}])
    catalogue.expand(batch.id)
    item, before = {"batch": batch.id, "rows": [0]}, batch_rows.get(batch.id, 0)
    job_id = catalogue.admit(item)["job_id"]
    with monkeypatch.context() as late:
        late.setattr(jobs, "raw_item", lambda _: None)
        if read:
            late.setattr(batch_rows, "get", lambda *_: before)
        assert catalogue.admit(item) == {"outcome": "admitted", "job_id": job_id}
    assert world.keys(f"staging/{job_id}/") == [f"staging/{job_id}/input-person"]
    world.run(job_id)
    assert world.job(job_id).status == "succeeded"


def test_a_row_that_is_admitted_as_its_batch_ends_is_cancelled(
    catalogue: Catalogue, world: World, monkeypatch: pytest.MonkeyPatch, vendor: Vendor
) -> None:
    batch, accept = catalogue.create(jobs=catalogue.rows(1)), accepting.accept
    catalogue.expand(batch.id)

    def slow(*args: object) -> object:
        for _ in range(len(PAUSES) + 1):
            catalogue.finish(batch.id)
        return accept(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as during:
        during.setattr(admitting, "accept", slow)
        job_id = catalogue.admit({"batch": batch.id, "rows": [0]})["job_id"]
    assert catalogue.batch(batch.id).over
    world.run(job_id)
    assert (world.job(job_id).status, vendor.orders) == ("cancelled", []), "nothing is set aside for it any more"


@pytest.mark.parametrize("how", ["refused", "cancelled"])
def test_rows_of_a_body_are_kept_no_longer_than_they_are_needed(catalogue: Catalogue, world: World, how: str) -> None:
    batch = catalogue.create(jobs=catalogue.rows(2, owner="jane"), max_images=1 if how == "refused" else 9)
    if how == "cancelled":
        requests.cancel_batch(batch.id, LIVE, world.at)
    catalogue.run(batch.id)
    assert catalogue.batch(batch.id).over
    assert not world.keys("staging/")


SIGNED, INLINE = "X-Amz-Signature=c0ffee", "data:image/png;base64,"


def with_secrets(catalogue: Catalogue, count: int) -> list[dict[str, Any]]:
    """Rows with a signed link and an image in the text. They ask for different things, by their garment's number."""
    rows = catalogue.rows(count)
    for n, row in enumerate(rows):
        row["person"] = {"url": f"https://shop.example/p.png?{SIGNED}"}
        row["garments"][0]["image"] = {"data": INLINE + base64.b64encode(picture(200, 200 + n, "navy")).decode()}
    return rows


def kept(world: World) -> set[str]:
    """Which of the secrets the table holds."""
    return {secret for secret in (SIGNED, "data:image") if any(secret in str(item) for item in world.items())}


@pytest.fixture
def _web(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_http, "get", lambda *_, **__: Fetched(picture(360, 540), "image/png"))


@pytest.mark.usefixtures("_web")
@pytest.mark.parametrize("crash", ["", "before", "after"])
def test_a_row_keeps_no_link_and_no_image_once_its_job_is_there(
    catalogue: Catalogue, world: World, monkeypatch: pytest.MonkeyPatch, crash: str
) -> None:
    batch, accept = catalogue.create(jobs=with_secrets(catalogue, 2)), accepting.accept
    said = catalogue.expand(batch.id)
    assert kept(world) == {SIGNED, "data:image"}

    def killed(*args: object) -> object:
        if crash == "after":
            accept(*args)  # type: ignore[arg-type]
        raise Broken

    if crash:
        with monkeypatch.context() as broken, pytest.raises(Broken):
            broken.setattr(admitting, "accept", killed)
            catalogue.admit({"batch": batch.id, "rows": [0]})
    catalogue.map(said["items"])
    if crash == "after":
        world.run(job_id_of(batch.id, 0))
    assert [row.request for row in batch_rows.between(batch.id, 0, 2)] == ["", ""]
    catalogue.run(batch.id)
    assert catalogue.counts(batch.id) == {"rows": 2, "succeeded": 2}
    assert kept(world) == set()


@pytest.mark.usefixtures("_web")
@pytest.mark.parametrize("how", ["cancelled", "refused", "never admitted", "cancelled unread"])
def test_a_batch_that_is_over_keeps_no_link_and_no_image_of_its_rows(
    catalogue: Catalogue, world: World, how: str
) -> None:
    rows, garments = with_secrets(catalogue, 2), with_secrets(catalogue, 1)[0]["garments"]
    for row in rows:
        del row["garments"]
    batch = catalogue.create(jobs=rows, defaults={"garments": garments}, max_images=1 if how == "refused" else 9)
    if how != "cancelled unread":
        catalogue.expand(batch.id)
    if how.startswith("cancelled"):
        requests.cancel_batch(batch.id, LIVE, world.at)
    if how == "never admitted":
        for _ in range(len(PAUSES) + 1):
            catalogue.finish(batch.id)
        report = json.loads(world.read(f"results/{TENANT}/batches/{batch.id}/report.json"))
        assert [row["status"] for row in report["rows"]] == ["failed", "failed"]
    else:
        catalogue.run(batch.id)
    assert catalogue.batch(batch.id).over
    assert kept(world) == set()


def test_an_erased_job_goes_from_its_row_and_from_the_reports(catalogue: Catalogue, world: World) -> None:
    rows = catalogue.rows(3, reference="winter")
    batch = catalogue.create(jobs=[rows[0], rows[1] | {"id": "coat"}, rows[2]])
    catalogue.run(batch.id)
    gone = catalogue.jobs(batch.id)[1].id
    sheet_link(catalogue.batch(batch.id), {}, world.at)
    delete_job(gone, LIVE, world.at)
    sheet_link(catalogue.batch(batch.id), {}, world.at)
    page = world.read(f"staging/{batch.id}/sheet-1.html")
    assert (b"coat" in page, b"row-2" in page) == (False, True), "its erasure has begun"
    world.erase()
    row = batch_rows.get(batch.id, 1)
    assert row and (row.request, row.id) == (None, None)
    assert not world.keys(f"staging/{batch.id}/sheet-"), "it named the row"
    with pytest.raises(Refusal, match="written anew"):
        report_link(catalogue.batch(batch.id), "json", world.at)
    catalogue.run(batch.id)
    text = world.read(f"results/{TENANT}/batches/{batch.id}/report.json").decode()
    assert gone not in text and "coat" not in text
    assert [row["status"] for row in json.loads(text)["rows"]] == ["succeeded", "erased", "succeeded"]


def test_an_owner_who_is_erased_before_a_row_s_turn_has_nothing_bought(
    catalogue: Catalogue, world: World, vendor: Vendor
) -> None:
    rows = catalogue.rows(2)
    rows[0]["owner"] = "jane"
    batch = catalogue.create(jobs=rows, hold=True)
    catalogue.run(batch.id)
    world.at.sleep(60)
    delete_owner("jane", LIVE, world.at)
    world.erase()
    world.at.sleep(60)
    requests.resume_batch(batch.id, LIVE, world.at)
    catalogue.run(batch.id)
    assert len(vendor.orders) == 1
    world.at.sleep(200)
    world.sweep()
    world.erase()
    assert not any("jane" in json.dumps(item, default=str) for item in world.items())


def test_an_owner_s_row_is_not_bought_however_long_its_batch_is_on_hold(
    catalogue: Catalogue, world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(monkeypatch, daily_images=1000, daily_usd=100.0, result_days=90)
    world.configure("tryiton")
    vendor.starts = [finished(864, 1296)]
    rows = catalogue.rows(2, provider="tryiton", owner="joe")
    rows[0]["owner"] = "jane"
    batch = catalogue.create(jobs=rows, hold=True)
    catalogue.run(batch.id)
    delete_owner("jane", LIVE, world.at)
    world.erase()
    world.at.sleep(89 * 86_400)
    world.remove_expired()
    requests.resume_batch(batch.id, LIVE, world.at)
    catalogue.run(batch.id)
    assert (len(vendor.orders), catalogue.jobs(batch.id)[1].status) == (1, "succeeded"), "joe's alone"


def test_an_erased_batch_takes_its_jobs_rows_and_files_along(catalogue: Catalogue, world: World) -> None:
    rows = "\n".join(map(json.dumps, catalogue.rows(3, owner="jane")))
    manifest = world.put("rows.jsonl", rows.encode())
    batch = catalogue.create(manifest={"s3": f"s3://{INBOX}/{manifest}"})
    catalogue.after = breaks_at(2)
    with pytest.raises(Broken):
        catalogue.run(batch.id)
    assert requests.delete_batch(batch.id, LIVE, world.at) == {"id": batch.id, "jobs": 2}
    world.erase()
    catalogue.run(batch.id)
    for _ in range(3):
        world.at.sleep(200)
        world.sweep()
        world.erase()
    with pytest.raises(Refusal, match="was erased"):
        requests.find_batch(batch.id, LIVE, world.at)
    with pytest.raises(Refusal) as other:
        requests.find_batch(batch.id, TEST, world.at)
    assert other.value.status == 404, "a test key learns nothing of it"
    left = [item["pk"] for item in world.items() if "BATCH#" in item["pk"]]
    assert left == [f"BATCH#{batch.id}"], "its tombstone"
    assert not world.keys(f"results/{TENANT}/") and not world.keys("staging/") and not world.keys(manifest, INBOX)
    assert requests.list_batches(LIVE, {}, world.at)["items"] == []


def test_an_erased_batch_takes_the_recoveries_of_its_jobs_along(
    catalogue: Catalogue, world: World, vendor: Vendor
) -> None:
    batch = catalogue.create(jobs=catalogue.rows(1))
    catalogue.expand(batch.id)
    job_id = catalogue.admit({"batch": batch.id, "rows": [0]})["job_id"]
    vendor.starts, vendor.polls = [pending("v-9")], [finished()]
    world.run_until_pending(job_id)
    world.cancel(job_id)
    settle(job_id, world.at)
    catalogue.run(batch.id)
    recovery = recover(job_id, LIVE, world.at).job.id
    world.run(recovery)
    assert world.job(recovery).images
    requests.delete_batch(batch.id, LIVE, world.at)
    world.erase()
    for _ in range(3):
        world.at.sleep(200)
        world.sweep()
        world.erase()
    assert not world.keys(f"results/{TENANT}/")
    assert {item["id"] for item in world.items() if "erased_at" in item} == {batch.id, job_id, recovery}


def test_a_row_that_proves_to_be_free_is_given_back_to_the_day_of_its_batch(
    catalogue: Catalogue, world: World, vendor: Vendor
) -> None:
    batch = catalogue.create(jobs=catalogue.rows(1), hold=True)
    catalogue.run(batch.id)
    expanded = world.at.now()
    world.at.sleep(24 * 3600)
    requests.resume_batch(batch.id, LIVE, world.at)
    vendor.starts, vendor.polls = [pending()], [Unread("HTTP 404", 404)]
    catalogue.run(batch.id)
    assert (world.spent(at=expanded), world.spent()) == ((1, PRICE), (0, 0))
    [job] = catalogue.jobs(batch.id)
    vendor.polls = [failed()]
    world.run(recover(job.id, LIVE, world.at).job.id)
    assert (world.spent(at=expanded), world.spent()) == ((0, 0), (0, 0))


def test_the_sweep_starts_a_batch_whose_start_was_refused_and_resumes_one_whose_run_broke(
    catalogue: Catalogue, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as refusing:
        refusing.setattr(executions, "start_run", lambda *_: "refused")
        batch = catalogue.create(jobs=catalogue.rows(1))
    assert world.executions(world.batch_machine) == []
    world.at.sleep(61)
    world.sweep()
    assert world.executions(world.batch_machine) == [batch.id]
    executions.stop_run(batch.id, 1)
    world.at.sleep(601)
    world.sweep()
    assert set(world.executions(world.batch_machine)) == {batch.id, f"{batch.id}.r2"}
