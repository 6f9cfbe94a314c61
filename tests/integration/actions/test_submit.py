"""Accepting a job: once, within the budget, without pictures in the table, and never lost afterwards."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from fitting_room.actions.requests.delete import delete_job
from fitting_room.actions.requests.upload import create_upload
from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.jobs.job import Job, Mode, folder_of
from fitting_room.stores import aws, jobs, media
from fitting_room.stores.api_keys import Caller
from tests.deployment import choose
from tests.integration.world import INBOX, LIVE, MEDIA, OTHER, TENANT, TEST, Vendor, World, finished, picture

MIDNIGHT = 12 * 3600


def refused(world: World, *args: Any, **changes: Any) -> Refusal:
    before = everything(world)
    with pytest.raises(Refusal) as caught:
        world.submit(*args, **changes)
    assert everything(world) == before, "a refusal stores, starts and costs nothing, and leaves no image behind"
    return caught.value


def everything(world: World) -> Any:
    """All that there is. A budget by what is left of it: what was set aside and given back is two items."""
    items = [item for item in world.items() if not item["pk"].startswith(("BUDGET#", "TODAY#", "TESTS#"))]
    return items, world.spent(), counted(world), world.executions(), world.keys("", MEDIA)


def counted(world: World) -> dict[str, int]:
    """The jobs of the day by what counts them: an owner, an address, a tenant's test keys."""
    found = {str(item["pk"]): int(str(item["jobs"])) for item in world.items() if "jobs" in item}
    return {name: jobs for name, jobs in found.items() if jobs}


def first(refusal: Refusal) -> tuple[str, str | None]:
    return refusal.faults[0].code, refusal.faults[0].pointer


# ---------------------------------------------------------------------------------------------- what is stored
def test_an_accepted_job_is_stored_and_started_under_its_own_id(world: World) -> None:
    accepted = world.submit(owner="shopper-1")
    job = world.job(accepted.job.id)
    assert not accepted.replayed
    assert (job.status, job.step, job.plan) == ("queued", "queued", ["nova_canvas"])
    assert world.executions() == [job.id]
    arn = aws.step_functions().list_executions(stateMachineArn=world.machine)["executions"][0]["executionArn"]
    assert json.loads(aws.step_functions().describe_execution(executionArn=arn)["input"]) == {"job_id": job.id}
    assert world.due() == [job.id]


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "StartExecution"),
        ConnectTimeoutError(endpoint_url="https://states"),
    ],
)
def test_a_start_that_is_refused_or_does_not_arrive_still_accepts(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(**_: Any) -> None:
        raise error

    monkeypatch.setattr(aws.step_functions(), "start_execution", refuse)
    job = world.submit().job
    assert world.job(job.id).status == "queued"
    assert world.due() == [job.id], "the sweep will start it"


def test_inline_pictures_go_to_s3_and_never_to_the_table(world: World) -> None:
    data = picture(360, 540)
    text = base64.b64encode(data).decode()
    inline = {"data": f"data:image/png;base64,{text}"}
    job = world.submit(
        person=inline, garments=[{"image": inline, "category": "tops"}], mask={"type": "image", "image": inline}
    ).job
    assert {role: world.read(str(source.key)) == data for role, source in world.job(job.id).sources.items()} == {
        "person": True,
        "garment-0": True,
        "mask": True,
    }
    assert text[:40] not in str(world.items())


def test_a_damaged_data_url_is_refused_where_it_stands(world: World) -> None:
    body = world.body(person={"data": "data:image/png;base64,%%%"})
    assert first(refused(world, body)) == ("invalid_input", "/person/data")
    assert world.keys("staging/") == []


# ------------------------------------------------------------------------------------------------ idempotency
def test_the_same_key_and_body_answer_the_same_job(world: World) -> None:
    one, two = world.submit(key="order-1"), world.submit(key="order-1")
    assert (one.replayed, two.replayed) == (False, True)
    assert one.job.id == two.job.id
    assert world.executions() == [one.job.id]
    assert world.spent() == (1, 60_000)


def test_the_order_of_fields_does_not_make_another_body(world: World) -> None:
    body = world.body(owner="a", reference="b")
    assert world.submit(body, key="k").job.id == world.submit(dict(reversed(body.items())), key="k").job.id


def test_the_same_key_with_another_body_is_refused(world: World) -> None:
    world.submit(key="order-1")
    assert first(refused(world, key="order-1", owner="somebody else")) == ("idempotency_conflict", None)


def test_a_key_is_free_again_after_24_hours(world: World) -> None:
    one = world.submit(key="order-1").job.id
    world.at.moment += timedelta(hours=23, minutes=59)
    assert world.submit(key="order-1").job.id == one
    world.at.moment += timedelta(minutes=1)
    assert world.submit(key="order-1", owner="somebody else").job.id != one


def test_a_key_belongs_to_one_tenant(world: World) -> None:
    web: dict[str, Any] = {
        "person": {"url": "https://shop.example/p.png"},
        "garments": [{"image": {"url": "https://shop.example/g.png"}, "category": "tops"}],
    }
    assert world.submit(key="k", **web).job.id != world.submit(key="k", tenant=OTHER, **web).job.id


def test_a_refused_request_does_not_use_up_its_key(world: World) -> None:
    refused(world, key="k", merge="harsh")
    assert not world.submit(key="k").replayed


@pytest.mark.parametrize("key", ["", " ", "with space", "ü", "x" * 256, "line\nbreak"])
def test_a_malformed_key_is_a_bad_request(world: World, key: str) -> None:
    assert refused(world, key=key).status == 400


# ----------------------------------------------------------------------------------------------------- budget
def test_the_dearest_provider_of_the_plan_is_reserved(world: World) -> None:
    world.configure("tryiton")
    job = world.submit(output={"count": 3}).job
    assert job.plan == ["nova_canvas", "tryiton"]
    assert world.spent() == (3, 180_000)


def test_a_used_up_budget_of_images_says_how_long_to_wait(world: World) -> None:
    for _ in range(2):
        world.submit(output={"count": 5})
    refusal = refused(world)
    assert first(refusal) == ("budget_exceeded", None)
    assert refusal.status == 429
    assert refusal.retry_after is not None and MIDNIGHT <= refusal.retry_after <= MIDNIGHT + 1
    assert refusal.faults[0].retryable
    world.at.moment += timedelta(seconds=refusal.retry_after)
    assert world.submit().job


def test_a_used_up_budget_of_money_refuses_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, daily_usd=0.13)
    world.submit()
    world.submit()
    assert first(refused(world)) == ("budget_exceeded", None)


def test_a_job_above_a_whole_days_budget_is_refused_on_a_fresh_day(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(monkeypatch, daily_images=2)
    refusal = refused(world, output={"count": 3})
    assert first(refusal) == ("budget_exceeded", None)
    assert (refusal.faults[0].retryable, refusal.retry_after) == (False, None)
    assert "Wait" not in refusal.faults[0].remedy, "no day comes that covers it"


def test_budgets_are_per_tenant_and_the_sandbox_is_free(world: World) -> None:
    for _ in range(2):
        world.submit(output={"count": 5})
    web = {"url": "https://shop.example/p.png"}
    world.submit(tenant=OTHER, person=web, garments=[{"image": web, "category": "tops"}])
    world.submit(mode="test", output={"count": 5})
    assert world.spent() == (10, 600_000)


# --------------------------------------------------------------------------------------------------- pictures
def uploaded(world: World, tenant: str = TENANT, *, mode: Mode = "live", send: bool = True) -> str:
    caller = Caller(tenant, mode, None)
    upload_id: str = create_upload({"content_type": "image/png", "bytes": 5000}, caller, world.at)["id"]
    if send:
        world.put(upload_id, picture(360, 540), folder=f"uploads/{folder_of(tenant, mode)}")
    return upload_id


def test_an_upload_is_found_by_its_id(world: World) -> None:
    upload_id = uploaded(world)
    job = world.submit(person={"upload": upload_id}).job
    assert job.sources["person"].key == f"uploads/{TENANT}/{upload_id}"


@pytest.mark.parametrize("case", ["another tenant's", "a test key's", "not sent", "expired", "unknown"])
def test_an_upload_that_cannot_be_used_is_refused(world: World, case: str) -> None:
    upload_id = (
        "upl_01J00000000000000000000999"
        if case == "unknown"
        else uploaded(
            world,
            OTHER if case == "another tenant's" else TENANT,
            mode="test" if case == "a test key's" else "live",
            send=case != "not sent",
        )
    )
    if case == "expired":
        world.at.moment += timedelta(days=3)
    assert first(refused(world, person={"upload": upload_id})) == ("upload_missing", "/person/upload")


def test_an_upload_form_takes_exactly_the_declared_type_and_at_most_the_declared_size(world: World) -> None:
    answer = create_upload({"content_type": "image/jpeg", "bytes": 1234}, LIVE, world.at)
    policy = json.loads(base64.b64decode(answer["post"]["fields"]["policy"]))
    assert ["content-length-range", 1, 1234] in policy["conditions"]
    assert {"Content-Type": "image/jpeg"} in policy["conditions"]
    assert answer["post"]["fields"]["key"] == f"uploads/{TENANT}/{answer['id']}"
    assert answer["post"]["fields"]["x-amz-algorithm"] == "AWS4-HMAC-SHA256"
    assert answer["expires_at"] == "2026-09-01T12:15:00.000Z"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"content_type": "image/gif", "bytes": 1}, "/content_type"),
        ({"content_type": "image/png"}, "/bytes"),
        ({"content_type": "image/png", "bytes": 0}, "/bytes"),
        ({"content_type": "image/png", "bytes": 30_000_001}, "/bytes"),
        ({"content_type": "image/png", "bytes": 1, "key": "x"}, "/key"),
        (None, ""),
    ],
)
def test_an_upload_that_breaks_a_rule_is_refused(world: World, body: Any, pointer: str) -> None:
    with pytest.raises(Refusal) as caught:
        create_upload(body, LIVE, world.at)
    assert [fault.pointer for fault in caught.value.faults] == [pointer]


@pytest.mark.parametrize(
    "s3",
    [
        f"s3://{INBOX}/uploads/{OTHER}/p.png",
        f"s3://{INBOX}/drop/{OTHER}/p.png",
        f"s3://{MEDIA}/results/{OTHER}/j/1.png",
        f"s3://{MEDIA}/staging/job_1/person.png",
        f"s3://{MEDIA}/uploads/{TENANT}/p.png",
        f"s3://{INBOX}/results/{TENANT}/p.png",
        f"s3://somebody-elses/uploads/{TENANT}/p.png",
        f"s3://{INBOX}/uploads/{TENANT}/../{OTHER}/p.png",
        f"s3://{INBOX}/uploads/{TENANT}/./p.png",
        f"s3://{INBOX}/uploads/{TENANT}-2/p.png",
        f"s3://{INBOX}/{TENANT}/p.png",
    ],
)
def test_an_s3_reference_outside_the_tenants_folders_is_refused(world: World, s3: str) -> None:
    refusal = refused(world, garments=[{"image": {"s3": s3}, "category": "tops"}])
    assert first(refusal) == ("invalid_input", "/garments/0/image/s3")
    assert f"uploads/{TENANT}/" in refusal.faults[0].remedy


@pytest.mark.parametrize(
    ("bucket", "key"),
    [
        (INBOX, f"uploads/{TENANT}/p.png"),
        (INBOX, f"drop/{TENANT}/summer sale/a..b/p.png"),
        (MEDIA, f"results/{TENANT}/j/1.png"),
    ],
)
def test_an_s3_reference_inside_them_is_taken(world: World, bucket: str, key: str) -> None:
    source = world.submit(person={"s3": f"s3://{bucket}/{key}"}).job.sources["person"]
    assert (source.bucket, source.key) == (bucket, key)


def test_all_pictures_that_cannot_be_used_are_told_at_once(world: World) -> None:
    bad = {"s3": "s3://elsewhere/p.png"}
    refusal = refused(
        world,
        person=bad,
        garments=[{"image": {"upload": "upl_01J00000000000000000000999"}, "category": "tops"}],
        mask={"type": "image", "image": {"data": "data:image/png;base64,%"}},
    )
    assert {fault.pointer for fault in refusal.faults} == {"/person/s3", "/garments/0/image/upload", "/mask/image/data"}


# ------------------------------------------------------------------------------------ what a refused request leaves
def inline(world: World, **changes: Any) -> dict[str, Any]:
    data = {"data": "data:image/png;base64," + base64.b64encode(picture(360, 540)).decode()}
    return world.body(person=data, garments=[{"image": data, "category": "tops"}], **changes)


@pytest.mark.parametrize("why", ["budget_exceeded", "throttled", "upload_missing"])
def test_no_image_of_a_refused_request_is_left_in_staging(
    world: World, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    body = inline(world, output={"count": 5})
    if why == "budget_exceeded":
        for _ in range(2):
            world.submit(output={"count": 5})
    if why == "throttled":
        Busy(99, monkeypatch)
    if why == "upload_missing":
        body["garments"][0]["image"] = {"upload": "upl_01J00000000000000000000999"}
    assert first(refused(world, body))[0] == why


def test_no_image_of_a_request_that_lost_the_race_for_its_key_is_left_in_staging(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = inline(world)
    winner = world.submit(body, key="k").job.id
    before = everything(world)
    real, first_look = jobs.replayed, [None]
    monkeypatch.setattr(jobs, "replayed", lambda *args: first_look.pop() if first_look else real(*args))
    assert world.submit(body, key="k").job.id == winner
    assert everything(world) == before


def test_no_image_is_left_when_the_next_one_cannot_be_put(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    body, real, put = inline(world), media.put, []
    before = everything(world)

    def second_fails(*args: Any, **more: Any) -> None:
        put.append(args)
        if len(put) == 2:
            raise ClientError({"Error": {"Code": "SlowDown", "Message": "x"}}, "PutObject")
        real(*args, **more)

    monkeypatch.setattr(media, "put", second_fails)
    with pytest.raises(ClientError):
        world.submit(body)
    assert everything(world) == before


def test_nothing_of_an_inline_image_is_put_before_the_budget_covers_the_job(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        world.submit(output={"count": 5})
    put: list[str] = []
    monkeypatch.setattr(media, "put", lambda key, *_: put.append(key))
    refused(world, inline(world))
    assert put == []


# ------------------------------------------------------------------------------------------------ live and test apart
def test_a_test_key_reads_nothing_of_the_live_folders(world: World) -> None:
    body = world.body("test", person={"s3": f"s3://{INBOX}/drop/{TENANT}/person.png"})
    assert first(refused(world, body, mode="test")) == ("invalid_input", "/person/s3")


def test_a_live_key_reads_and_erases_nothing_that_a_test_key_made(world: World) -> None:
    form = create_upload({"content_type": "image/png", "bytes": 1000}, TEST, world.at)["post"]
    key = str(form["fields"]["key"])
    world.put(key.rpartition("/")[2], picture(360, 540), folder=key.rpartition("/")[0])
    made = world.submit(mode="test").job.id
    world.run(made)
    [image] = world.job(made).images
    for bucket, theirs in ((INBOX, key), (MEDIA, image.key)):
        body = world.body(person={"s3": f"s3://{bucket}/{theirs}"})
        refusal = refused(world, body)
        assert first(refusal) == ("invalid_input", "/person/s3")
        assert refusal.faults[0].detail == "A live key cannot read the folders of test keys."
        assert theirs in world.keys("", bucket)


def test_the_folders_of_test_keys_lie_apart_and_go_with_their_jobs(world: World) -> None:
    made = world.submit(mode="test").job.id
    world.run(made)
    for bucket, folder in ((INBOX, "uploads"), (MEDIA, "results")):
        there = world.keys(f"{folder}/{TENANT}/", bucket)
        assert there and there == world.keys(f"{folder}/{TENANT}/test/", bucket)
    delete_job(made, TEST, world.at)
    world.erase()
    assert not world.keys("uploads/", INBOX) and not world.keys("results/")


def test_an_image_that_release_0_1_0_put_elsewhere_goes_with_its_job(world: World) -> None:
    with pytest.MonkeyPatch.context() as before:
        before.setattr(Job, "results_prefix", property(lambda job: f"results/{job.tenant}/{job.id}"))
        made = world.submit(mode="test").job.id
        world.run(made)
    assert world.keys(f"results/{TENANT}/{made}/")
    delete_job(made, TEST, world.at)
    world.erase()
    assert not world.keys("results/")


def test_a_drop_folder_may_be_named_test(world: World) -> None:
    world.put("p.png", picture(360, 540), folder=f"drop/{TENANT}/test")
    assert world.submit(person={"s3": f"s3://{INBOX}/drop/{TENANT}/test/p.png"}).job.mode == "live"


def test_an_idempotency_key_of_a_test_key_is_another_one(world: World) -> None:
    assert world.submit(key="k", mode="test").job.id != world.submit(key="k").job.id


def test_a_test_key_uses_no_live_upload_and_the_other_way_round(world: World) -> None:
    for upload, key in (("live", "test"), ("test", "live")):
        body = world.body(key, person={"upload": uploaded(world, mode=upload)})  # type: ignore[arg-type]
        assert first(refused(world, body, mode=key)) == ("upload_missing", "/person/upload")
    assert world.submit(mode="test", person={"upload": uploaded(world, mode="test")}).job.mode == "test"


# -------------------------------------------------------------------------------------------------- conflicts
class Busy:
    """The table's client, whose transactions meet others as often as told. DynamoDB does that; the emulators do not."""

    def __init__(self, conflicts: int, monkeypatch: pytest.MonkeyPatch, reason: str = "TransactionConflict") -> None:
        client = aws.table().meta.client
        real, self.calls, self.left = client.transact_write_items, 0, conflicts

        def transact(**asked: Any) -> Any:
            if not stores_a_job(asked):
                return real(**asked)
            self.calls += 1
            if self.left > 0:
                self.left -= 1
                codes = ["None"] * (len(asked["TransactItems"]) - 1) + [reason]
                raise client.exceptions.TransactionCanceledException(
                    {
                        "Error": {"Code": "TransactionCanceledException", "Message": "x"},
                        "CancellationReasons": [{"Code": code} for code in codes],
                    },
                    "TransactWriteItems",
                )
            return real(**asked)

        monkeypatch.setattr(client, "transact_write_items", transact)


def test_transactions_that_meet_are_repeated_with_jitter(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    busy = Busy(7, monkeypatch)
    assert world.submit().job
    assert busy.calls == 8
    assert len(set(world.at.slept)) == 7, "two callers must not meet again and again"
    assert all(wait <= 1 for wait in world.at.slept)


def test_a_table_that_stays_busy_ends_as_throttled(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    busy = Busy(99, monkeypatch)
    refusal = refused(world)
    assert first(refusal) == ("throttled", None)
    assert (refusal.status, refusal.retry_after, busy.calls) == (429, 1, 8)


@pytest.mark.parametrize("reason", ["ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_throttled_transaction_is_repeated_and_then_told_as_throttled(
    world: World, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    busy = Busy(7, monkeypatch, reason)
    assert world.submit().job
    busy.left = 99
    assert first(refused(world)) == ("throttled", None)
    assert busy.calls == 16


def stores_a_job(asked: dict[str, Any]) -> bool:
    """A transaction without a put gives back what a refused job took."""
    return any("Put" in item for item in asked["TransactItems"])


class Failing:
    """The table's client, whose transactions that store a job end in this error: before they did anything, or after."""

    def __init__(self, error: Exception, monkeypatch: pytest.MonkeyPatch, *, written: bool = False) -> None:
        client = aws.table().meta.client
        real = client.transact_write_items

        def transact(**asked: Any) -> Any:
            if not stores_a_job(asked):
                return real(**asked)
            if written:
                real(**asked)
            raise error

        monkeypatch.setattr(client, "transact_write_items", transact)


def refusal_of_the_table(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "x"}}, "TransactWriteItems")


@pytest.mark.parametrize("mode", ["live", "test"])
@pytest.mark.parametrize("code", ["ThrottlingException", "ProvisionedThroughputExceededException"])
def test_a_throttled_table_is_told_as_throttled_and_costs_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, mode: Mode, code: str
) -> None:
    body = world.body("test", owner="jane") if mode == "test" else inline(world, owner="jane")
    Failing(refusal_of_the_table(code), monkeypatch)
    refusal = refused(world, body, mode=mode)
    assert (first(refusal), refusal.status, refusal.retry_after) == (("throttled", None), 429, 1)


@pytest.mark.parametrize("code", ["ValidationException", "AccessDeniedException"])
def test_a_refusal_of_the_table_costs_nothing_and_leaves_no_image(
    world: World, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    body, before = inline(world, owner="jane"), everything(world)
    Failing(refusal_of_the_table(code), monkeypatch)
    with pytest.raises(ClientError):
        world.submit(body)
    assert everything(world) == before


@pytest.mark.parametrize("code", ["InternalServerError", "RequestTimeout"])
def test_a_job_that_may_be_stored_keeps_what_it_took(world: World, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """The sweep starts it: without its images it would fail, and without its reservation it would cost too much."""
    Failing(refusal_of_the_table(code), monkeypatch, written=True)
    with pytest.raises(ClientError):
        world.submit(inline(world, owner="jane"))
    world.at.sleep(61)
    world.sweep()
    [job_id] = world.executions()
    assert {source.key for source in world.job(job_id).sources.values()} == set(world.keys("staging/"))
    assert (world.spent(), list(counted(world).values())) == ((1, 60_000), [1])


def test_a_job_whose_answer_was_lost_before_the_table_was_throttled_is_accepted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    Failing(refusal_of_the_table("ThrottlingException"), monkeypatch, written=True)
    job = world.submit(inline(world)).job
    assert world.executions() == [job.id] and world.spent() == (1, 60_000)
    assert {source.key for source in job.sources.values()} == set(world.keys("staging/"))


def test_a_request_that_loses_the_race_for_a_key_answers_the_winners_job(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    winner = world.submit(key="k").job.id
    real, first_look = jobs.replayed, [None]
    monkeypatch.setattr(jobs, "replayed", lambda *args: first_look.pop() if first_look else real(*args))
    loser = world.submit(key="k")
    assert (loser.job.id, loser.replayed) == (winner, True)
    assert world.executions() == [winner]
    assert world.spent() == (1, 60_000)


def test_the_table_takes_what_a_busy_request_holds(world: World) -> None:
    """Floats, free-form options and unusual texts come back as they were sent."""
    job = world.submit(
        mode="test",
        output={"guidance": 6.5, "seed": 4_294_967_295, "count": 2},
        metadata={"ä": "€"},
        provider_options={"sandbox": {"seconds": 0.25}},
    ).job
    again = world.job(job.id)
    assert again.request == job.request
    assert again.request.provider_options == {"sandbox": {"seconds": 0.25}}


@pytest.mark.parametrize("ballast", ["x" * 500_000, json.loads("[" * 230 + "]" * 230)])
def test_options_of_providers_that_are_not_asked_are_not_kept(world: World, ballast: Any) -> None:
    """They are not checked, and an item of DynamoDB holds 400 KB."""
    job = world.submit(provider="nova_canvas", provider_options={"sandbox": {"x": ballast}}).job
    assert world.job(job.id).request.provider_options == {}


def test_fifty_submits_of_the_same_key_at_once_make_one_job_and_one_purchase(
    world: World, vendor: Vendor, one_at_a_time: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    choose(monkeypatch, daily_images=100, daily_usd=100)  # each sets its cost aside until it has lost
    vendor.starts = [finished()]
    body = world.body(owner="jane")
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: world.submit(body, key="k"), range(50)))
    assert len({answer.job.id for answer in answers}) == 1
    assert [answer.replayed for answer in answers].count(False) == 1
    assert world.spent() == (1, 60_000)
    [name] = world.executions()
    world.run(name)
    world.run(name)  # its start is repeated
    assert len(vendor.orders) == 1
    assert world.spent()[0] == 1


def test_the_fault_of_a_refusal_never_holds_what_was_sent(world: World) -> None:
    refusal = refused(world, person={"s3": "s3://elsewhere/jane-doe.png"})
    assert "jane-doe" not in str([Fault.model_dump(fault) for fault in refusal.faults]) + str(refusal)


def test_auto_follows_the_order_of_the_stage(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, provider_order=["fashn", "tryiton"])
    world.configure("tryiton", "fashn")
    assert world.submit().job.plan[:3] == ["fashn", "tryiton", "nova_canvas"]
