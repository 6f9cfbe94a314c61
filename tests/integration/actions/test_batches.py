"""A batch from its manifest to its report: what is bought, what is counted, what it costs, and what is said of bad rows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fitting_room.actions.batch.reports import report_link, sheet_link
from fitting_room.actions.requests import batches as requests
from fitting_room.actions.requests.create_batch import create_batch
from fitting_room.actions.requests.list_jobs import list_jobs
from fitting_room.actions.workflow import end_metrics
from fitting_room.jobs.batch import Batch, Row
from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.net import safe_http
from fitting_room.net.safe_http import Fetched, FetchFailed
from fitting_room.stores import aws, batches, media, webhooks
from fitting_room.stores.api_keys import Caller
from tests.deployment import choose
from tests.integration.catalogue import Catalogue
from tests.integration.world import INBOX, LIVE, MEDIA, RIVAL, TENANT, TEST, Vendor, World, failed, finished

PRICE, DEAREST = 0.04, 0.06
"""Of an image by Nova Canvas: at the size that it has, and at most."""


@pytest.fixture
def catalogue(world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    choose(monkeypatch, daily_images=1000, daily_usd=100.0)
    vendor.starts = [finished()]
    return Catalogue(world)


def csv(world: World, text: str, name: str = "rows.csv") -> dict[str, str]:
    return {"s3": f"s3://{INBOX}/{world.put(name, text.encode())}"}


def test_every_row_becomes_a_job_and_the_batch_tells_how_they_fared(
    world: World, catalogue: Catalogue, vendor: Vendor
) -> None:
    batch = catalogue.create(jobs=catalogue.rows(3), reference="spring")
    assert (batch.status, world.executions(world.batch_machine)) == ("expanding", [batch.id])
    catalogue.run(batch.id)
    view = catalogue.view(batch.id)
    assert (view["status"], view["reference"]) == ("finished", "spring")
    assert catalogue.counts(batch.id) == {"rows": 3, "succeeded": 3}
    assert len(vendor.orders) == 3
    assert [job.row for job in catalogue.jobs(batch.id)] == [0, 1, 2]
    assert all(job.batch == batch.id and job.images for job in catalogue.jobs(batch.id))
    assert batch.id not in world.due() and not [job.id for job in catalogue.jobs(batch.id) if job.id in world.due()]
    assert view["cost"]["spent"]["amount"] == pytest.approx(3 * PRICE)
    assert world.spent() == (3, round(3 * PRICE * 1e6)), "as much as three jobs"


def test_the_budget_is_set_aside_once_and_what_was_not_spent_comes_back(
    world: World, catalogue: Catalogue, vendor: Vendor
) -> None:
    vendor.starts = [failed("content_blocked"), finished()]
    batch = catalogue.create(jobs=catalogue.rows(4))
    catalogue.expand(batch.id)
    catalogue.expand(batch.id)
    assert world.spent() == (4, round(4 * DEAREST * 1e6))
    assert catalogue.view(batch.id)["cost"]["reserved"]["amount"] == 0.24
    catalogue.run(batch.id)
    assert catalogue.view(batch.id)["cost"]["reserved"]["amount"] == 0
    assert catalogue.counts(batch.id) == {"rows": 4, "succeeded": 3, "failed": 1}
    assert world.spent() == (3, round(3 * PRICE * 1e6))
    catalogue.finish(batch.id)
    assert world.spent() == (3, round(3 * PRICE * 1e6)), "given back once"


def test_a_batch_that_the_day_s_budget_does_not_cover_buys_nothing(
    world: World, catalogue: Catalogue, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(monkeypatch, daily_images=2)
    batch = catalogue.create(jobs=catalogue.rows(3))
    catalogue.run(batch.id)
    view = catalogue.view(batch.id)
    assert (view["status"], view["errors"][0]["code"]) == ("failed", "budget_exceeded")
    assert (vendor.orders, world.spent()) == ([], (0, 0))


@pytest.mark.parametrize(
    ("caller", "limit", "remedy"),
    [
        (LIVE, {"daily_images": 2}, "ask the operator to raise the daily budget"),
        (TEST, {"daily_test_jobs": 2}, "ask the operator to raise `daily_test_jobs`"),
    ],
)
def test_waiting_is_a_remedy_only_where_a_day_covers_the_batch(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch, caller: Caller, limit: dict[str, int], remedy: str
) -> None:
    vendor.starts = [finished()]
    choose(monkeypatch, **{"daily_images": 1000, "daily_usd": 100.0, **limit})
    catalogue = Catalogue(world, caller)
    told = []
    for count in (3, 2, 2):
        rows = [world.body(caller.mode) for _ in range(count)]
        batch = catalogue.create(jobs=rows, defaults={"reuse": False})
        catalogue.run(batch.id)
        told.append([(error["remedy"], error["retryable"]) for error in catalogue.view(batch.id)["errors"]])
    too_large, fits, used_up = told
    assert too_large == [(f"Send fewer rows, or {remedy}.", False)]
    assert fits == []
    assert used_up == [(f"Wait until 00:00 UTC, or send fewer rows, or {remedy}.", True)]


@pytest.mark.parametrize(
    ("limits", "pointer"), [({"max_images": 2}, "/max_images"), ({"max_cost": {"amount": 0.1}}, "/max_cost")]
)
def test_a_batch_that_may_come_to_more_than_its_limit_buys_nothing(
    catalogue: Catalogue, vendor: Vendor, limits: dict[str, Any], pointer: str
) -> None:
    batch = catalogue.create(jobs=catalogue.rows(3), **limits)
    catalogue.run(batch.id)
    [error] = catalogue.view(batch.id)["errors"]
    assert (catalogue.batch(batch.id).status, error["pointer"], vendor.orders) == ("failed", pointer, [])


def test_a_manifest_with_too_many_rows_buys_nothing(
    catalogue: Catalogue, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(monkeypatch, batch_rows=2)
    batch = catalogue.create(jobs=catalogue.rows(3))
    catalogue.run(batch.id)
    [error] = catalogue.view(batch.id)["errors"]
    assert ("more than 2 rows" in error["detail"], vendor.orders) == (True, [])


def test_a_limit_in_usd_is_no_limit_of_credits(world: World, catalogue: Catalogue, vendor: Vendor) -> None:
    world.configure("tryiton")
    rows = catalogue.rows(2, provider="tryiton")
    refused = catalogue.create(jobs=rows, max_cost={"amount": 50})
    catalogue.run(refused.id)
    assert (catalogue.view(refused.id)["errors"][0]["pointer"], vendor.orders) == ("/max_cost", [])
    vendor.starts = [finished(credits=1)]
    batch = catalogue.create(jobs=rows, max_images=2)
    catalogue.run(batch.id)
    assert [catalogue.view(batch.id)["cost"][name]["credits"] for name in ("most", "spent")] == [2, 2]


def test_bad_rows_are_told_with_line_field_and_remedy_and_stop_no_other(
    world: World, catalogue: Catalogue, vendor: Vendor
) -> None:
    [row] = catalogue.rows(1)
    person, garment = row["person"]["s3"], row["garments"][0]["image"]["s3"]
    text = (
        "\ufeffid;person;garment;category;output.count\r\n"
        f"one;{person};{garment};tops;1\r\n"
        "\r\n"
        f"two;{person};{garment};topps;1\r\n"
        f"three;upl_{'0' * 26};{garment};tops;1\r\n"
        f"one;{person};{garment};bottoms;1\r\n"
    )
    batch = catalogue.create(manifest=csv(world, text))
    catalogue.run(batch.id)
    assert catalogue.counts(batch.id) == {"rows": 4, "invalid": 3, "succeeded": 1}
    report = json.loads(world.read(f"results/{TENANT}/batches/{batch.id}/report.json"))
    told = {row["line"]: [(fault["code"], fault["pointer"]) for fault in row["faults"]] for row in report["rows"]}
    assert told[4] == [("invalid_input", "/garments/0/category")]
    assert told[5] == [("upload_missing", "/person/upload")]
    assert told[6] == [("invalid_input", "/id")]
    assert all(fault["remedy"] for row in report["rows"] for fault in row["faults"])
    assert len(vendor.orders) == 1


def test_a_signed_link_s_manifest_is_of_the_kind_that_its_name_says(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    [row] = catalogue.rows(1)
    data = b'{"person": broken\n' + json.dumps(row).encode()
    monkeypatch.setattr(safe_http, "get", lambda *_, **__: Fetched(data, "text/plain"))
    batch = catalogue.create(manifest={"url": "https://shop.example/rows.jsonl?X-Amz-Signature=abc"})
    catalogue.run(batch.id)
    assert catalogue.counts(batch.id) == {"rows": 2, "invalid": 1, "succeeded": 1}


def test_a_manifest_without_a_row_that_can_run_has_a_report_all_the_same(world: World, catalogue: Catalogue) -> None:
    batch = catalogue.create(manifest=csv(world, "person,garment\nno,no\n"))
    catalogue.run(batch.id)
    assert catalogue.view(batch.id)["status"] == "failed"
    report = json.loads(world.read(f"results/{TENANT}/batches/{batch.id}/report.json"))
    assert [row["status"] for row in report["rows"]] == ["invalid"]


def test_persons_and_garments_are_crossed(catalogue: Catalogue, vendor: Vendor) -> None:
    rows = catalogue.rows(3)
    people = [rows[0]["person"]]
    batch = catalogue.create(
        cross={"persons": people, "garments": [row["garments"][0] for row in rows]},
        defaults={"provider": "nova_canvas", "reference": "crossed"},
    )
    catalogue.run(batch.id)
    assert catalogue.counts(batch.id) == {"rows": 3, "succeeded": 3}
    assert {job.request.reference for job in catalogue.jobs(batch.id)} == {"crossed"}


def test_a_second_run_of_a_manifest_buys_only_what_is_missing(
    world: World, catalogue: Catalogue, vendor: Vendor
) -> None:
    rows = catalogue.rows(4)
    vendor.starts = [failed("content_blocked"), finished()]
    first = catalogue.create(jobs=rows)
    catalogue.run(first.id)
    spent = world.spent()
    second = catalogue.create(jobs=rows)
    catalogue.run(second.id)
    assert catalogue.counts(second.id) == {"rows": 4, "succeeded": 4, "reused": 3}
    assert sheet(world, second.id).count("<img ") == 3 * 4, "a reused row shows its person and garment, too"
    assert len(vendor.orders) == 4 + 1
    assert world.spent() == (spent[0] + 1, spent[1] + round(PRICE * 1e6))
    third = catalogue.create(jobs=rows, defaults={"reuse": False})
    catalogue.run(third.id)
    assert (catalogue.counts(third.id), len(vendor.orders)) == ({"rows": 4, "succeeded": 4}, 9)


def test_rows_that_ask_for_the_same_run_one_after_the_other_and_one_is_bought(
    catalogue: Catalogue, vendor: Vendor
) -> None:
    one, two = catalogue.rows(2)
    rows = [{**one, "id": "a", "reference": "x"}, two, {**one, "id": "b"}, {**one, "id": "c", "metadata": {"k": "v"}}]
    batch = catalogue.create(jobs=rows)
    catalogue.run(batch.id)
    assert [item["rows"] for item in catalogue.items] == [[0, 2, 3], [1]]
    assert catalogue.counts(batch.id) == {"rows": 4, "succeeded": 4, "reused": 2}
    assert len(vendor.orders) == 2


def test_nothing_of_a_row_enters_an_execution(catalogue: Catalogue, world: World) -> None:
    batch = catalogue.create(jobs=catalogue.rows(2, owner="jane", metadata={"size": "xl"}))
    catalogue.run(batch.id)
    assert catalogue.items == [{"batch": batch.id, "rows": [n]} for n in range(2)]
    [execution] = aws.step_functions().list_executions(stateMachineArn=world.batch_machine)["executions"]
    found = aws.step_functions().describe_execution(executionArn=execution["executionArn"])
    assert json.loads(found["input"]) == {"batch_id": batch.id}


def test_a_batch_on_hold_shows_what_it_may_cost_and_buys_nothing_before_it_is_resumed(
    catalogue: Catalogue, vendor: Vendor, world: World
) -> None:
    batch = catalogue.create(jobs=catalogue.rows(2), hold=True)
    catalogue.run(batch.id)
    view = catalogue.view(batch.id)
    assert (view["status"], vendor.orders) == ("paused", [])
    assert (view["counts"]["queued"], view["images"]["most"]) == (2, 2)
    assert view["cost"]["most"]["amount"] == pytest.approx(2 * DEAREST)
    world.at.sleep(700)
    world.sweep()
    assert catalogue.batch(batch.id).run == 1, "the sweep starts nothing that waits for its tenant"
    requests.resume_batch(batch.id, LIVE, world.at)
    assert f"{batch.id}.r2" in world.executions(world.batch_machine)
    catalogue.run(batch.id)
    assert catalogue.counts(batch.id) == {"rows": 2, "succeeded": 2}
    with pytest.raises(Refusal, match="This batch is finished"):
        requests.resume_batch(batch.id, LIVE, world.at)


def test_the_time_that_is_left_is_reckoned_from_the_last_resume(catalogue: Catalogue, world: World) -> None:
    batch = catalogue.create(jobs=catalogue.rows(5), hold=True)

    def resume_after_a_night() -> None:
        catalogue.finish(batch.id)
        world.at.sleep(8 * 3600)
        requests.resume_batch(batch.id, LIVE, world.at)

    def seconds_left(item: dict[str, Any]) -> int | None:
        world.at.sleep(60)
        catalogue.child(item)
        return catalogue.view(batch.id)["seconds_left"]

    catalogue.expand(batch.id)
    resume_after_a_night()
    assert catalogue.view(batch.id)["seconds_left"] is None
    data = media.read(catalogue.expand(batch.id)["items"])
    items = [json.loads(line) for line in (data or b"").splitlines()]
    assert seconds_left(items[0]) == pytest.approx(4 * 60, abs=40)
    batches.pause(batch.id, Fault.of("quota_exhausted", "No credit.", "Buy some."), after=1)
    resume_after_a_night()
    assert catalogue.view(batch.id)["seconds_left"] is None
    assert seconds_left(items[1]) == pytest.approx(3 * 60, abs=40)


def test_a_batch_on_hold_says_why_rows_are_invalid(catalogue: Catalogue, world: World) -> None:
    [row] = catalogue.rows(1)
    person, garment = row["person"]["s3"], row["garments"][0]["image"]["s3"]
    lines = [f"{person},{garment},{category}" for category in ("tops", "topps", "botoms")]
    text = "\n".join(["person,garment,category", *lines, f"upl_{'0' * 26},{garment},tops"])
    batch = catalogue.create(manifest=csv(world, text), hold=True)
    catalogue.run(batch.id)
    view = catalogue.view(batch.id)
    assert (view["status"], view["counts"]["invalid"]) == ("paused", 3)
    assert [(each["count"], each["code"], each["pointer"], each["line"]) for each in view["row_errors"]] == [
        (2, "invalid_input", "/garments/0/category", 3),
        (1, "upload_missing", "/person/upload", 5),
    ]
    assert "Did you mean `tops`?" in view["row_errors"][0]["remedy"]
    shown = sheet(world, batch.id)
    assert "<b>2</b> <code>invalid_input</code> <code>/garments/0/category</code> (first in line 3)" in shown
    assert "<code>upload_missing</code> <code>/person/upload</code> (first in line 5)" in shown


def test_the_record_of_a_batch_names_only_the_commonest_faults(catalogue: Catalogue, world: World) -> None:
    [row] = catalogue.rows(1)
    wrong = [{**row, "id": str(n), f"field_{n}": 1} for n in range(30)]
    batch = catalogue.create(jobs=[row, *wrong, {**row, "id": "again", "field_29": 1}], hold=True)
    catalogue.run(batch.id)
    told = catalogue.view(batch.id)["row_errors"]
    assert (len(told), told[0]["pointer"], told[0]["count"]) == (20, "/field_29", 2)


def test_a_batch_that_is_resumed_before_its_run_has_ended_goes_on_in_that_run(
    catalogue: Catalogue, vendor: Vendor, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, park = catalogue.create(jobs=catalogue.rows(2), hold=True), batches.park
    catalogue.expand(batch.id)

    def late(paused: Batch) -> bool:
        requests.resume_batch(batch.id, LIVE, world.at)
        return park(paused)

    with monkeypatch.context() as during:
        during.setattr(batches, "park", late)
        assert catalogue.finish(batch.id)["outcome"] == "look"
    assert world.executions(world.batch_machine) == [batch.id]
    assert catalogue.finish(batch.id) == {"outcome": "more", "wait": 0}
    catalogue.run(batch.id)
    assert catalogue.counts(batch.id) == {"rows": 2, "succeeded": 2}


def test_a_job_and_a_test_key_s_batch_may_repeat_the_idempotency_key_of_a_live_batch(
    catalogue: Catalogue, world: World
) -> None:
    rows = catalogue.rows(1)
    live = catalogue.create(key="order-7", jobs=rows)
    assert Catalogue(world, TEST).create(key="order-7", jobs=rows).id != live.id
    assert world.submit(key="order-7").job.id != live.id


def test_a_batch_that_is_cancelled_twice_keeps_its_first_time(catalogue: Catalogue, world: World) -> None:
    batch = catalogue.create(jobs=catalogue.rows(1))
    times = []
    for _ in range(2):
        times.append(requests.cancel_batch(batch.id, LIVE, world.at).cancel_requested_at)
        world.at.sleep(60)
    assert times[0] and times[0] == times[1]


def test_equal_rows_with_webhooks_of_their_own_are_bought_once(
    catalogue: Catalogue, world: World, vendor: Vendor
) -> None:
    webhooks.create(TENANT, world.at.now())
    [row] = catalogue.rows(1)
    rows = [row | {"id": name, "webhook": {"url": f"https://shop.example/{name}"}} for name in ("one", "two")]
    vendor.starts = [finished()] * 2
    batch = catalogue.create(jobs=rows)
    catalogue.run(batch.id)
    assert [item["rows"] for item in catalogue.items] == [[0, 1]], "rows that run side by side would both be bought"
    assert catalogue.counts(batch.id) == {"rows": 2, "succeeded": 2, "reused": 1}
    assert len(vendor.orders) == 1


def test_free_rows_take_nothing_from_the_budget(catalogue: Catalogue, world: World, vendor: Vendor) -> None:
    free, paid = catalogue.rows(2)
    vendor.starts = [finished()]
    batch = catalogue.create(jobs=[free | {"provider": "sandbox"}, paid | {"provider": "nova_canvas"}])
    catalogue.run(batch.id)
    assert catalogue.counts(batch.id) == {"rows": 2, "succeeded": 2}
    assert world.spent() == (1, round(PRICE * 1e6))


def test_the_folder_of_a_row_has_at_most_60_characters_of_its_id() -> None:
    assert Row(n=0, line=7, id="a b/" + "x" * 80).folder == "row-7-a_b_" + "x" * 56


def test_the_same_key_and_body_answer_the_same_batch(catalogue: Catalogue, world: World) -> None:
    rows = catalogue.rows(1)
    first = create_batch({"jobs": rows}, LIVE, "order-1", world.at)
    again = create_batch({"jobs": rows}, LIVE, "order-1", world.at)
    assert (again.batch.id, first.replayed, again.replayed) == (first.batch.id, False, True)
    with pytest.raises(Refusal, match="another body"):
        create_batch({"jobs": rows, "hold": True}, LIVE, "order-1", world.at)


def test_a_body_s_faults_are_told_at_once(world: World) -> None:
    body = {"jobs": [], "cross": {"persons": []}, "max_images": 0, "webhook": {"url": "http://x"}, "later": 1}
    with pytest.raises(Refusal) as refused:
        create_batch(body, LIVE, None, world.at)
    pointers = {fault.pointer for fault in refused.value.faults}
    assert {"/jobs", "/cross/persons", "/cross/garments", "/max_images", "/webhook/url", "/later"} <= pointers
    twice = {"jobs": [{}], "manifest": {"url": "https://shop.example/rows.csv"}}
    nowhere: list[dict[str, Any]] = [{}, twice, {"manifest": {}}]
    for each in nowhere:
        with pytest.raises(Refusal):
            create_batch(each, LIVE, None, world.at)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"max_cost": {"amount": float("inf")}}, "/max_cost/amount"),
        ({"max_cost": {"amount": 1e300}}, "/max_cost/amount"),
        ({"max_images": 10**60}, "/max_images"),
        ({"defaults": {"prompt": "x" * 70_000}}, "/defaults"),
    ],
)
def test_what_no_record_could_hold_is_refused(world: World, changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Refusal) as refused:
        create_batch({"jobs": [{}], **changes}, LIVE, None, world.at)
    assert [fault.pointer for fault in refused.value.faults] == [pointer]


def test_a_manifest_with_nothing_but_faults_ends(world: World, catalogue: Catalogue) -> None:
    crossed = catalogue.create(cross={"persons": ["https://shop.example/\ud800.jpg"], "garments": ["https://x/g.jpg"]})
    columns = ",".join(f"colour{n}" for n in range(6000))
    wide = catalogue.create(manifest=csv(world, f"{columns}\n1\n"))
    for batch in (crossed, wide):
        catalogue.run(batch.id)
        assert catalogue.view(batch.id)["status"] == "failed"


def test_batches_and_their_jobs_are_listed(catalogue: Catalogue, world: World) -> None:
    rows = catalogue.rows(2)
    ids = []
    for _ in range(3):
        ids.append(catalogue.create(jobs=rows).id)
        world.at.sleep(1)
    catalogue.run(ids[0])
    page = requests.list_batches(LIVE, {"limit": "2"}, world.at)
    assert [batch["id"] for batch in page["items"]] == ids[:0:-1]
    rest = requests.list_batches(LIVE, {"cursor": page["next_cursor"]}, world.at)
    assert ([batch["id"] for batch in rest["items"]], rest["next_cursor"]) == ([ids[0]], None)
    listed = list_jobs(LIVE, {"batch": ids[0], "status": "succeeded"}, world.at)
    assert [job["batch"] for job in listed["items"]] == [ids[0]] * 2
    assert list_jobs(LIVE, {"batch": ids[1]}, world.at)["items"] == []
    for stranger in (RIVAL, TEST):
        assert requests.list_batches(stranger, {}, world.at)["items"] == []
        with pytest.raises(Refusal, match="no such batch"):
            requests.find_batch(ids[0], stranger, world.at)


def test_a_test_key_s_rows_are_counted_as_its_jobs(
    world: World, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(monkeypatch, daily_test_jobs=3)
    testing = Catalogue(world, TEST)
    rows = [world.body("test") for _ in range(2)]
    batch = testing.create(jobs=rows)
    testing.run(batch.id)
    assert testing.counts(batch.id)["rows"] == 2
    assert {job.plan[0] for job in testing.jobs(batch.id)} == {"sandbox"}
    again = testing.create(jobs=rows)
    testing.run(again.id)
    assert testing.view(again.id)["errors"][0]["code"] == "budget_exceeded"


def test_images_in_a_bucket_that_the_tenant_may_read(
    world: World, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.s3().create_bucket(Bucket="photos-of-acme")
    [row] = catalogue.rows(1)
    world.put("anna.png", world.read(f"drop/{TENANT}/person.png", INBOX), folder="models", bucket="photos-of-acme")
    row["person"] = {"s3": "s3://photos-of-acme/models/anna.png"}
    refused = catalogue.create(jobs=[row])
    catalogue.run(refused.id)
    assert catalogue.view(refused.id)["counts"]["invalid"] == 1
    choose(monkeypatch, daily_images=1000, tenant_buckets={"photos-of-acme": [TENANT], "photos-of-rival": ["rival"]})
    batch = catalogue.create(jobs=[row])
    catalogue.run(batch.id)
    assert catalogue.counts(batch.id) == {"rows": 1, "succeeded": 1}
    text = f"person,garment,category\nanna.png,{row['garments'][0]['image']['s3']},tops\n"
    key = world.put("rows.csv", text.encode(), folder="models", bucket="photos-of-acme")
    beside = catalogue.create(manifest={"s3": f"s3://photos-of-acme/{key}"})
    catalogue.run(beside.id)
    assert catalogue.counts(beside.id) == {"rows": 1, "succeeded": 1, "reused": 1}, "it names the file beside it"


def test_a_manifest_of_a_drop_folder_names_the_files_beside_it(world: World, catalogue: Catalogue) -> None:
    catalogue.rows(1)
    for name in ("person.png", "garment-0.png"):
        world.put(name, world.read(f"drop/{TENANT}/{name}", INBOX), folder=f"drop/{TENANT}/look-1/photos")
    world.put("half-sent.png", b"", folder=f"drop/{TENANT}/look-1/photos")
    garments = ("garment-0", "none", "half-sent")
    text = "person,garment,category\n" + "".join(f"photos/person.png,photos/{name}.png,tops\n" for name in garments)
    key = world.put("manifest.csv", text.encode(), folder=f"drop/{TENANT}/look-1")
    batch = catalogue.create(manifest={"s3": f"s3://{INBOX}/{key}"}, drop="look-1")
    catalogue.run(batch.id)
    assert catalogue.counts(batch.id) == {"rows": 3, "invalid": 2, "succeeded": 1}
    report = json.loads(world.read(f"results/{TENANT}/drop/look-1/report.json"))
    for n, name in enumerate(garments[1:], 1):
        [fault] = report["rows"][n]["faults"]
        assert (fault["code"], fault["pointer"]) == ("upload_missing", "/garments/0/image")
        assert f"photos/{name}.png" in fault["detail"]
    assert world.keys(key, INBOX), "the manifest stays"


def test_rows_whose_files_expire_before_their_turn_are_refused(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, world: World, vendor: Vendor
) -> None:
    world.configure("tryiton")
    choose(monkeypatch, daily_images=1000, limits={"tryiton": {"submits": 1, "seconds": 80_000}})
    rows = catalogue.rows(3, provider="tryiton")
    dropped, uploaded = rows[0]["person"], {"upload": world.upload("person")}
    for row in rows:
        row["garments"][0]["image"] = {"url": f"https://shop.example/{row['id']}.png"}
    for person in (dropped, uploaded):
        batch = catalogue.create(jobs=[row | {"person": person} for row in rows])
        catalogue.run(batch.id)
        [error] = catalogue.view(batch.id)["errors"]
        assert "2.8 days" in error["detail"]
    linked = {"url": "https://shop.example/person.png"}
    held = catalogue.create(jobs=[row | {"person": linked} for row in rows], hold=True)
    catalogue.run(held.id)
    assert catalogue.view(held.id)["status"] == "paused"


def test_the_reports_name_every_row_and_the_contact_sheet_shows_it(
    catalogue: Catalogue, world: World, vendor: Vendor
) -> None:
    batch = catalogue.create(jobs=[*catalogue.rows(2), {"id": "bad"}])
    with pytest.raises(Refusal, match="no report yet"):
        report_link(batch, "csv", world.at)
    assert "expanding" in sheet(world, batch.id)
    catalogue.run(batch.id)
    over = catalogue.batch(batch.id)
    assert report_link(over, "csv", world.at).partition("?")[0].endswith(f"/batches/{batch.id}/report.csv")
    lines = world.read(f"results/{TENANT}/batches/{batch.id}/report.csv").decode("utf-8-sig").splitlines()
    assert [line.split(",")[:3] for line in lines[1:3]] == [["1", "row-0", "succeeded"], ["2", "row-1", "succeeded"]]
    assert "bad,invalid" in lines[3]
    first = catalogue.jobs(batch.id)[0]
    page = sheet(world, batch.id)
    assert all(f"/{key}" in page for key in (first.images[0].key, f"staging/{first.id}/input-person"))
    with pytest.raises(Refusal, match="no such page"):
        sheet_link(over, {"page": "2"}, world.at)


def test_the_contact_sheet_shows_the_image_that_was_edited(catalogue: Catalogue, world: World) -> None:
    [row] = catalogue.rows(1)
    batch = catalogue.create(jobs=[{"task": "remove_background", "image": row["person"]}])
    catalogue.run(batch.id)
    [job] = catalogue.jobs(batch.id)
    assert f"/staging/{job.id}/input-image" in sheet(world, batch.id)


def sheet(world: World, batch_id: str) -> str:
    batch = batches.get(batch_id, world.at.now())
    assert batch
    link = sheet_link(batch, {}, world.at)
    assert "X-Amz-Expires=900" in link
    return world.read(f"staging/{batch_id}/sheet-1.html", MEDIA).decode()


def test_a_row_with_a_dead_link_shows_the_image_that_was_fetched_beside_it(
    catalogue: Catalogue, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dead(*_: Any, **__: Any) -> Fetched:
        raise FetchFailed("its host answers 404", "Check the link.")

    monkeypatch.setattr(safe_http, "get", dead)
    [row] = catalogue.rows(1, garments=[{"image": {"url": "https://shop.example/tee.png"}, "category": "tops"}])
    batch = catalogue.create(jobs=[row])
    catalogue.run(batch.id)
    [job] = catalogue.jobs(batch.id)
    assert job.error and job.error.code == "image_unreadable"
    assert f"/staging/{job.id}/input-person" in sheet(world, batch.id)


def test_rows_leave_the_queue_time_of_live_jobs_alone(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    monkeypatch.setattr(end_metrics, "measure", lambda values, **_: names.extend(values))
    batch = catalogue.create(jobs=catalogue.rows(1))
    catalogue.run(batch.id)
    assert "JobSucceeded" in names and "QueueTime" not in names
