"""Erasing: what is ours goes at once, what vendors keep as soon as they delete it, and nothing comes back."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from fitting_room.actions.drops.ingest import ingest
from fitting_room.actions.job_view import find_job
from fitting_room.actions.requests.context import deployment
from fitting_room.actions.requests.delete import delete_job, delete_subject
from fitting_room.actions.requests.list_providers import list_providers
from fitting_room.actions.requests.subjects import create, find_subject
from fitting_room.actions.upkeep.erase import erase_job
from fitting_room.actions.upkeep.sweep import sweep
from fitting_room.actions.workflow.collect import collect
from fitting_room.actions.workflow.poll import poll
from fitting_room.actions.workflow.prepare import prepare
from fitting_room.actions.workflow.settle import pay_debt, settle
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.outcome import Finished, Pending, Picture, Reading
from fitting_room.providers.adapter import Order
from fitting_room.stores import aws, jobs, media, subjects
from fitting_room.stores.api_keys import Caller
from tests.deployment import choose
from tests.integration.atelier import ID, Atelier
from tests.integration.world import INBOX, LIVE, RIVAL, TENANT, TEST, Vendor, World, failed, finished, pending, picture

SHOPPER: dict[str, Any] = {"owner": "jane-doe", "reference": "A-8812", "metadata": {"mail": "jane@example.com"}}


def done(world: World, vendor: Vendor, **changes: Any) -> str:
    vendor.starts = vendor.starts or [finished()]
    job_id = world.submit(**{**SHOPPER, **changes}).job.id
    world.run(job_id)
    assert world.job(job_id).status == "succeeded"
    return job_id


def erased(world: World, job_id: str) -> dict[str, Any]:
    """Delete a job and have it erased. What DELETE answered."""
    answer = delete_job(job_id, LIVE, world.at)
    world.erase()
    return answer


def told(world: World, job_id: str) -> str:
    """What `GET /v1/jobs/{id}` says of an erased job."""
    with pytest.raises(Refusal) as caught:
        find_job(job_id, LIVE, world.at)
    assert (caught.value.status, caught.value.faults[0].code) == (410, "erased")
    return caught.value.faults[0].detail


def trained(world: World, atelier: Atelier, **changes: Any) -> tuple[str, str]:
    """Ids of a subject that is ready and of the job that made it."""
    atelier.starts, atelier.polls = [pending("tune-1")], [Finished([], token="ohwx")]
    subject_id, job_id = training(world, **changes)
    world.run(job_id)
    return subject_id, job_id


def training(world: World, **changes: Any) -> tuple[str, str]:
    world.body()
    body = {
        "kind": "person",
        "class_name": "woman",
        "provider": ID,
        "pictures": [{"s3": f"s3://{INBOX}/drop/{TENANT}/person.png"}],
        **SHOPPER,
        **changes,
    }
    job = create(body, LIVE, None, world.at).job
    return str(job.subject), job.id


# ------------------------------------------------------------------------------------------------------ what is ours
def test_pictures_and_record_are_gone_and_only_a_tombstone_is_left(world: World, vendor: Vendor) -> None:
    other = done(world, vendor, owner="somebody-else")
    job_id = done(world, vendor)
    assert world.keys(f"staging/{job_id}/")
    erased(world, job_id)
    assert world.keys(f"staging/{job_id}/") == world.keys(f"results/{TENANT}/{job_id}/") == []
    [item] = [item for item in world.items() if item["pk"] == f"JOB#{job_id}"]
    assert set(item) == {
        "pk",
        "sk",
        "id",
        "tenant",
        "mode",
        "erase_requested_at",
        "erased_at",
        "remains",
        "owed",
        "expires_at",
        "ttl",
    }
    for trace in ("jane", "A-8812", "person.png"):
        assert trace not in json.dumps(item, default=str)
    assert told(world, job_id).startswith("This job was erased on 2026-09-01T12:00:00.")
    assert item["expires_at"].startswith("2026-10-01T12:00:"), "30 days later"
    assert world.due() == []
    assert world.job(other).images and world.keys(f"results/{TENANT}/{other}/"), "other jobs keep theirs"


def test_an_upload_goes_with_the_job_that_used_it_and_other_jobs_results_stay(world: World, vendor: Vendor) -> None:
    first = done(world, vendor)
    result = world.job(first).images[0]
    world.put("upl", picture(200, 200), folder=f"uploads/{TENANT}")
    vendor.starts = [Finished([Picture(picture(360, 540, "navy"))])]
    second = done(
        world,
        vendor,
        person={"s3": f"s3://{result.bucket}/{result.key}"},
        garments=[{"image": {"s3": f"s3://{INBOX}/uploads/{TENANT}/upl"}, "category": "tops"}],
    )
    erased(world, second)
    assert world.keys(f"uploads/{TENANT}/", INBOX) == []
    assert world.keys(result.key) == [result.key]


def test_a_drop_folder_s_results_go_and_those_of_a_folder_within_stay(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    vendor.starts, key, found = [finished()], "", {}
    for folder in ("look", "look/blue"):
        for name in ("person.png", "garment.png"):
            key = world.put(name, picture(360, 540), folder=f"drop/{TENANT}/{folder}")
        found[folder] = str(ingest(key, world.at))
        world.run(found[folder])
    assert f"results/{TENANT}/drop/look/result.json" in world.keys(f"results/{TENANT}/drop/look/")
    erased(world, found["look"])
    assert {key.rpartition("/")[0] for key in world.keys(f"results/{TENANT}/drop/")} == {
        f"results/{TENANT}/drop/look/blue"
    }
    assert world.keys(f"drop/{TENANT}/look/person", INBOX) == []
    assert world.keys(f"drop/{TENANT}/look/blue/person", INBOX)


@pytest.mark.parametrize("stranger", [RIVAL, TEST])
def test_asking_twice_changes_nothing_and_another_tenant_or_mode_may_not_ask(
    world: World, vendor: Vendor, stranger: Caller
) -> None:
    job_id = done(world, vendor)
    for _ in range(2):
        with pytest.raises(Refusal) as caught:
            delete_job(job_id, stranger, world.at)
        assert (caught.value.status, world.erasures) == (404, [])
        first = erased(world, job_id)
    assert erased(world, job_id) == first
    with pytest.raises(Refusal) as caught:
        find_job(job_id, stranger, world.at)
    assert caught.value.status == 404, "that there was one is nobody else's business"


def test_a_job_that_nobody_wants_erased_stays(world: World, vendor: Vendor) -> None:
    job_id = done(world, vendor)
    erase_job(job_id, world.at)
    erase_job("job_unknown", world.at)
    assert world.job(job_id).images


# ---------------------------------------------------------------------------------------------- a job that is not over
@pytest.mark.parametrize("stands", ["queued", "prepared", "pending", "finished"])
@pytest.mark.parametrize("heard", ["the event", "the sweep"])
def test_a_job_that_is_not_over_ends_at_once_and_nothing_more_is_bought_or_collected(
    world: World, vendor: Vendor, stands: str, heard: str
) -> None:
    world.configure("tryiton")
    vendor.starts, vendor.polls = [pending()], [finished(864, 1296)]
    job_id = world.submit(provider="tryiton", **SHOPPER).job.id
    if stands != "queued":
        prepare(job_id, world.at)
    if stands in ("pending", "finished"):
        world.start(job_id)
    if stands == "finished":
        world.poll(job_id)
    bought, looked = len(vendor.orders), len(vendor.polled)
    erased(world, job_id)
    collect(job_id, world.at)
    assert world.keys(f"results/{TENANT}/") == []
    if heard == "the event":
        world.broken(job_id)
        assert (world.job(job_id).status, world.due()) == ("cancelled", [job_id]), "settling does not forget it"
    for function in (prepare, collect, settle):
        assert function(job_id, world.at) == {"outcome": "ended"}
    assert world.start(job_id) == world.poll(job_id) == {"outcome": "ended"}
    for _ in range(4):
        world.at.sleep(60)
        world.sweep()
        world.erase()
    assert told(world, job_id)
    assert (len(vendor.orders), len(vendor.polled), world.due()) == (bought, looked, [])
    assert world.keys(f"results/{TENANT}/") == world.keys(f"staging/{job_id}/") == []


def test_a_call_in_flight_is_waited_for_and_what_it_made_is_removed(world: World, vendor: Vendor) -> None:
    job_id = world.prepared(**SHOPPER)

    def meanwhile() -> None:
        erased(world, job_id)
        world.broken(job_id)
        assert not world.job(job_id).final

    vendor.starts, vendor.during = [finished()], meanwhile
    world.start(job_id)
    assert world.keys(f"staging/{job_id}/1/result") == []
    world.sweep()
    assert world.job(job_id).final, "as soon as the call is over"
    world.at.sleep(60)
    world.sweep()
    world.erase()
    assert told(world, job_id)


def test_a_prepare_in_flight_takes_its_copies_back(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, real = world.submit(**SHOPPER).job.id, media.put
    put: list[str] = []

    def slow(key: str, *args: Any, **more: Any) -> None:
        put.append(key)
        if len(put) == 1:
            erased(world, job_id)
            world.broken(job_id)
            world.at.sleep(180)
            world.sweep()
            world.erase()
            assert told(world, job_id)
        real(key, *args, **more)

    monkeypatch.setattr(media, "put", slow)
    prepare(job_id, world.at)
    assert put and world.keys(f"staging/{job_id}/") == []


def test_what_is_asked_while_the_job_is_being_settled_is_not_lost(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.starts = [finished()]
    job_id, real = world.prepared(), jobs.finish

    def meanwhile(*args: Any, **more: Any) -> Any:
        delete_job(job_id, LIVE, world.at)
        return real(*args, **more)

    world.start(job_id)
    collect(job_id, world.at)
    monkeypatch.setattr(jobs, "finish", meanwhile)
    settle(job_id, world.at)
    assert (world.job(job_id).final, world.due()) == (True, [job_id])


# ---------------------------------------------------------------------------------------------- writers still in flight
@pytest.mark.parametrize("over", [True, False])
def test_a_collect_still_in_flight_takes_its_pictures_back(
    world: World, vendor: Vendor, over: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its execution was aborted, so the job was settled and erased, or is about to be, while it was at work."""
    vendor.starts = [finished(count=2, mask=finished().images[0].data)]
    job_id, real = world.prepared(output={"count": 2, "mask": True}), media.put
    world.start(job_id)
    written: list[str] = []

    def put(key: str, *args: Any, **more: Any) -> None:
        if not written:
            delete_job(job_id, LIVE, world.at)
            world.broken(job_id)
            assert world.job(job_id).final
            if over:
                world.erase()
        written.append(key)
        real(key, *args, **more)

    monkeypatch.setattr(media, "put", put)
    collect(job_id, world.at)
    assert written
    assert world.keys(f"results/{TENANT}/") == []


def test_a_result_json_written_after_the_erasure_is_taken_back(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    vendor.starts, key = [finished()], ""
    for name in ("person.png", "garment.png"):
        key = world.put(name, picture(360, 540), folder=f"drop/{TENANT}/look")
    job_id = str(ingest(key, world.at))
    world.run(job_id)
    as_it_was = world.job(job_id)
    erased(world, job_id)
    pay_debt(as_it_was, "drop", world.at)
    assert world.keys(f"results/{TENANT}/") == []
    assert told(world, job_id)


def test_a_poll_still_in_flight_writes_nothing_into_the_tombstone(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    vendor.starts, vendor.polls = [pending()], [finished(864, 1296)]
    job_id = world.prepared(provider="tryiton")
    world.start(job_id)
    real = vendor.poll

    def meanwhile(order: Order, provider_job_id: str) -> Reading:
        delete_job(job_id, LIVE, world.at)
        world.broken(job_id)
        world.erase()
        return real(order, provider_job_id)

    vendor.poll = meanwhile
    poll(job_id, 300, world.at)
    collect(job_id, world.at)
    assert told(world, job_id)
    [item] = [item for item in world.items() if item["pk"] == f"JOB#{job_id}"]
    assert "attempts" not in item


# ------------------------------------------------------------------------------------------------- what vendors keep
def test_what_remains_at_a_vendor_that_deletes_nothing_is_said_with_its_time(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    vendor.starts = [finished(864, 1296)]
    job_id = done(world, vendor, provider="tryiton")
    [left] = erased(world, job_id)["remains"]
    assert (left["provider"], left["what"]) == ("tryiton", "images sent and made")
    assert "72 hours" in left["until"]
    assert delete_job(job_id, LIVE, world.at)["remains"] == [left], "and again when asked again"


def test_a_provider_that_was_never_called_keeps_nothing(world: World, vendor: Vendor) -> None:
    assert delete_job(world.prepared(), LIVE, world.at)["remains"] == []


def test_a_vendor_is_asked_to_delete_the_job_and_the_person_but_not_the_shared_garment(
    world: World, atelier: Atelier
) -> None:
    atelier.starts, atelier.polls = [pending("prompt-1")], [finished(864, 1296)]
    job_id = done(world, atelier, provider=ID)
    [left] = erased(world, job_id)["remains"]
    assert atelier.erased == [("job", "prompt-1"), ("reference", "woman-1")]
    assert (left["provider"], left["until"]) == (ID, "30 days")
    assert "garment" in left["what"]


def test_a_call_without_an_answer_may_have_left_something_anywhere(world: World, atelier: Atelier) -> None:
    atelier.starts = [ConnectionError("broken off")]
    job_id = world.prepared(provider=ID)
    with pytest.raises(ConnectionError):
        world.start(job_id)
    world.at.sleep(180)
    settle(job_id, world.at)
    assert any("without an answer" in left["what"] for left in erased(world, job_id)["remains"])
    assert atelier.erased == [("reference", "woman-1")]


def test_a_vendor_that_fails_is_asked_again_for_what_it_still_keeps(world: World, atelier: Atelier) -> None:
    atelier.starts, atelier.polls, atelier.keeps = [pending("prompt-1")], [finished(864, 1296)], {"woman-1"}
    job_id = done(world, atelier, provider=ID)
    erased(world, job_id)
    assert world.keys(f"results/{TENANT}/") == [], "what is ours does not wait"
    assert "atelier has not deleted its copies yet" in told(world, job_id)
    assert world.due() == [job_id]
    atelier.keeps = set()
    world.at.sleep(59)
    assert sweep(world.at) == 0
    world.at.sleep(1)
    assert sweep(world.at) == 1
    world.erase()
    assert atelier.erased == [("job", "prompt-1"), ("reference", "woman-1")], "each once"
    assert told(world, job_id).endswith("Z.")
    assert world.due() == []


def test_after_a_week_in_vain_somebody_has_to_look(world: World, atelier: Atelier, logs: io.StringIO) -> None:
    atelier.starts, atelier.polls, atelier.keeps = [pending("prompt-1")], [finished(864, 1296)], {"woman-1"}
    job_id = done(world, atelier, provider=ID)
    asked: list[timedelta] = []
    began = world.at.now()
    erased(world, job_id)
    while (owed := world.owed_at()) and len(asked) < 100:
        world.at.moment = max(owed, world.at.now()) + timedelta(seconds=60)
        if sweep(world.at):
            asked.append(world.at.now() - began)
            world.erase()
    assert asked[0] < timedelta(hours=1)
    assert timedelta(days=7) <= asked[-1] < timedelta(days=7, hours=7)
    assert len(asked) < 60, "the longer in vain, the rarer"
    assert "atelier did not delete its copies" in told(world, job_id)
    assert "a provider does not delete its copies" in logs.getvalue()
    atelier.keeps = set()
    erased(world, job_id)
    assert told(world, job_id).endswith("Z."), "asking again begins anew"


def test_a_vendor_whose_key_is_missing_keeps_the_others_from_nothing(
    world: World, atelier: Atelier, monkeypatch: pytest.MonkeyPatch
) -> None:
    atelier.starts, atelier.polls = [pending("prompt-1")], [finished(864, 1296)]
    job_id = done(world, atelier, provider=ID)
    with monkeypatch.context() as patched:
        patched.setattr("fitting_room.actions.workflow.attempts.adapter", lambda _: 1 / 0)
        erased(world, job_id)
    assert "not deleted its copies yet" in told(world, job_id)
    world.at.sleep(60)
    sweep(world.at)
    world.erase()
    assert len(atelier.erased) == 2


# ------------------------------------------------------------------------------------------------------------ subjects
def test_a_subject_goes_at_its_vendor_and_with_the_job_that_holds_its_pictures(world: World, atelier: Atelier) -> None:
    subject_id, job_id = trained(world, atelier)
    assert delete_subject(subject_id, LIVE, world.at) == {"id": subject_id, "remains": []}
    world.erase()
    assert atelier.erased == [("reference", "tune-1")]
    with pytest.raises(Refusal) as caught:
        find_subject(subject_id, LIVE, world.at)
    assert caught.value.status == 404
    assert told(world, job_id)
    assert world.keys(f"staging/{job_id}/") == world.keys(f"drop/{TENANT}/person", INBOX) == []
    assert world.due() == []
    assert "jane" not in json.dumps(world.items(), default=str)


def test_a_subject_outlives_its_job_until_it_is_deleted_itself(world: World, atelier: Atelier) -> None:
    subject_id, job_id = trained(world, atelier)
    [left] = erased(world, job_id)["remains"]
    assert (left["provider"], left["until"]) == (ID, f"DELETE /v1/subjects/{subject_id}")
    assert (atelier.erased, find_subject(subject_id, LIVE, world.at).status) == ([], "ready")
    delete_subject(subject_id, LIVE, world.at)
    world.erase()
    assert atelier.erased == [("reference", "tune-1")]


def test_a_training_that_failed_leaves_nothing_at_its_vendor(world: World, atelier: Atelier) -> None:
    atelier.starts, atelier.polls = [pending("tune-1")], [failed("image_unreadable", "yes")]
    subject_id, job_id = training(world)
    world.run(job_id)
    assert delete_job(job_id, LIVE, world.at)["remains"] == [], "a subject that failed is none"
    world.erase()
    assert atelier.erased == [("reference", "tune-1")]
    assert find_subject(subject_id, LIVE, world.at).status == "failed"


def test_what_became_of_a_subject_is_written_down_before_its_job_is_erased(
    world: World, atelier: Atelier, monkeypatch: pytest.MonkeyPatch
) -> None:
    atelier.starts, atelier.polls = [pending("tune-1")], [Finished([], token="ohwx")]
    subject_id, job_id = training(world)

    def broken(*_: Any) -> None:
        raise TimeoutError("the table is away")

    with monkeypatch.context() as patched:
        patched.setattr(subjects, "finish", broken)
        with pytest.raises(TimeoutError):
            world.run(job_id)
    erased(world, job_id)
    assert told(world, job_id)
    assert find_subject(subject_id, LIVE, world.at).made_id == "tune-1"


def test_a_subject_whose_vendor_s_id_comes_to_light_only_now_is_not_removed_without_it(
    world: World, atelier: Atelier
) -> None:
    subject_id, _ = training(world)
    before = find_subject(subject_id, LIVE, world.at)
    trained(world, atelier)
    world.run(before.job_id)
    assert not subjects.remove(before)
    assert find_subject(subject_id, LIVE, world.at).made_id == "tune-1"


def test_a_subject_that_is_to_be_erased_serves_no_new_job(world: World, atelier: Atelier) -> None:
    subject_id, _ = trained(world, atelier, kind="garment", class_name="shirt")
    atelier.keeps = {"tune-1"}
    body = world.body(provider=ID, garments=[{"subject": subject_id}])
    world.put("person.png", picture(360, 540))
    assert world.submit(body)
    delete_subject(subject_id, LIVE, world.at)
    world.erase()
    with pytest.raises(Refusal) as caught:
        world.submit(body)
    assert caught.value.faults[0].code == "subject_not_ready"


def test_a_subject_in_training_is_stopped_at_its_vendor_and_goes_when_the_job_is_over(
    world: World, atelier: Atelier
) -> None:
    atelier.starts = [pending("tune-1")]
    atelier.polls = [pending("tune-1"), Pending("tune-1", 20.0), Finished([], token="ohwx")]
    subject_id, job_id = training(world)
    world.run_until_pending(job_id)
    delete_subject(subject_id, LIVE, world.at)
    world.erase()
    assert atelier.erased == [("reference", "tune-1")]
    assert find_subject(subject_id, LIVE, world.at).status == "training"
    world.broken(job_id)
    for _ in range(2):
        world.at.sleep(60)
        sweep(world.at)
        world.erase()
    assert set(atelier.erased) == {("reference", "tune-1")}
    assert told(world, job_id)
    assert subjects.get(subject_id, TENANT, world.at.now()) is None
    assert world.due() == []


def test_a_training_deleted_before_it_was_bought_leaves_nothing_anywhere(world: World, atelier: Atelier) -> None:
    subject_id, job_id = training(world)
    delete_subject(subject_id, LIVE, world.at)
    world.erase()
    world.run(job_id)
    for _ in range(2):
        world.at.sleep(60)
        sweep(world.at)
        world.erase()
    assert (atelier.orders, atelier.erased, world.due()) == ([], [], [])
    assert told(world, job_id)
    assert subjects.get(subject_id, TENANT, world.at.now()) is None


def test_a_vendor_that_keeps_a_subject_is_asked_again_and_given_up_on_after_a_week(
    world: World, atelier: Atelier, logs: io.StringIO
) -> None:
    subject_id, _ = trained(world, atelier)
    atelier.keeps = {"tune-1"}
    delete_subject(subject_id, LIVE, world.at)
    world.erase()
    for _ in range(8 * 24):
        world.at.sleep(3600)
        sweep(world.at)
        world.erase()
    subject = find_subject(subject_id, LIVE, world.at)
    assert subject.erase_failed_at and world.due() == []
    assert subject_id in logs.getvalue()
    delete_subject(subject_id, LIVE, world.at)
    assert find_subject(subject_id, LIVE, world.at).erase_failed_at is None, "asking again begins anew"
    atelier.keeps = set()
    world.erase()
    assert subjects.get(subject_id, TENANT, world.at.now()) is None


# ------------------------------------------------------------------------------------------------------------ the sweep
@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "TooManyRequestsException", "Message": "x"}}, "Invoke"),
        ConnectTimeoutError(endpoint_url="https://lambda"),
    ],
)
def test_a_call_of_the_erase_function_that_was_refused_or_did_not_arrive_is_repeated_by_the_sweep(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    job_id = done(world, vendor)

    def failing(*_: Any, **__: Any) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(World, "invoke", failing)
        assert delete_job(job_id, LIVE, world.at)["id"] == job_id
    assert world.job(job_id).images, "not yet"
    world.at.sleep(180)
    assert [sweep(world.at), sweep(world.at)] == [1, 0]
    assert world.erasures == [{"job_id": job_id}], "once, while that may be at work"
    world.erase()
    assert told(world, job_id)


def test_an_expired_job_is_struck_off_the_list(world: World) -> None:
    world.submit()
    world.at.moment += timedelta(days=31)
    assert sweep(world.at) == 1
    assert world.due() == []


def test_s3_that_keeps_a_picture_keeps_the_record_that_knows_it(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = done(world, vendor)
    answer = {"Errors": [{"Key": "k", "Code": "InternalError", "Message": "x"}]}
    with monkeypatch.context() as patched:
        patched.setattr(aws.s3(), "delete_objects", lambda **_: answer)
        delete_job(job_id, LIVE, world.at)
        with pytest.raises(OSError, match="InternalError"):
            world.erase()
    assert world.job(job_id).erase_requested_at
    world.at.sleep(180)
    sweep(world.at)
    world.erase()
    assert told(world, job_id)


def test_a_reference_of_a_person_that_may_have_been_made_unseen_is_told(
    world: World, atelier: Atelier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise ConnectionError

    job_id = world.prepared(provider=ID)
    with monkeypatch.context() as once:
        once.setattr(jobs, "save_reserved", killed)
        with pytest.raises(ConnectionError):
            world.start(job_id)
    world.cancel(job_id)
    assert (len(atelier.made), atelier.orders) == (1, [])
    [left] = erased(world, job_id)["remains"]
    assert (left["provider"], left["what"]) == (ID, "what a call without an answer may have left")
    assert atelier.erased == []


def test_a_test_key_erases_what_a_test_key_made_and_nothing_else(world: World) -> None:
    live, test = world.submit().job.id, world.submit(mode="test").job.id
    for job_id, caller in ((live, TEST), (test, LIVE)):
        with pytest.raises(Refusal) as caught:
            delete_job(job_id, caller, world.at)
        assert (caught.value.status, caught.value.faults[0].code) == (404, "not_found")
        assert world.job(job_id).erase_requested_at is None
    assert delete_job(test, TEST, world.at)["id"] == test


# ---------------------------------------------------------------------------------------------------- files in the inbox
def test_a_file_that_another_job_uses_stays_until_the_last_of_them_is_erased(world: World, vendor: Vendor) -> None:
    upload_id = world.upload("person")
    vendor.starts = [finished()]
    one, two = (done(world, vendor, person={"upload": upload_id}) for _ in range(2))
    remaining = [left for left in erased(world, one)["remains"] if "upload" in left["what"]]
    assert len(remaining) == 1 and "last of these jobs" in remaining[0]["until"]
    assert world.keys(f"uploads/{TENANT}/{upload_id}", INBOX)
    assert not [left for left in erased(world, two)["remains"] if "upload" in left["what"]]
    assert world.keys(f"uploads/{TENANT}/", INBOX) == []
    assert [item for item in world.items() if item["pk"].startswith("USED#")] == []


def test_a_job_that_has_not_read_the_shared_file_yet_can_still_do_so(world: World, vendor: Vendor) -> None:
    upload_id = world.upload("person")
    one = done(world, vendor, person={"upload": upload_id})
    two = world.submit(person={"upload": upload_id}).job.id
    erased(world, one)
    world.run(two)
    assert world.job(two).status == "succeeded"


def test_a_job_that_was_refused_is_no_user_of_its_files(world: World, vendor: Vendor) -> None:
    upload_id = world.upload("person")
    job_id = done(world, vendor, person={"upload": upload_id})
    for _ in range(9):
        world.submit()
    with pytest.raises(Refusal):
        world.submit(person={"upload": upload_id}, output={"count": 5})
    erased(world, job_id)
    assert world.keys(f"uploads/{TENANT}/", INBOX) == []


@pytest.mark.parametrize("admin", [False, True])
def test_fal_deletes_only_where_the_stage_says_that_its_key_may(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch, admin: bool
) -> None:
    if admin:
        choose(monkeypatch, provider_settings={"fal": {"erases": True}})
    world.configure("fal")
    shown = {item["id"]: item["erases"] for item in list_providers(deployment(world.at), LIVE)["items"]}
    assert (shown["fal"], shown["astria"], shown["fashn"]) == (admin, True, False)
    vendor.starts, vendor.polls = [pending("fal-ai/fashn/requests/1")], [finished(864, 1296)]
    job_id = world.submit(provider="fal").job.id
    world.run(job_id)
    left = delete_job(job_id, LIVE, world.at)["remains"]
    world.erase()
    assert [each["provider"] for each in left] == ([] if admin else ["fal"])
    assert vendor.deleted == (["fal-ai/fashn/requests/1"] if admin else [])
