"""Recovering a job: what was, or may have been, paid for is fetched by a new job that buys nothing."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from fitting_room.actions.drops.ingest import ingest
from fitting_room.actions.job_view import view
from fitting_room.actions.requests.accept import Accepted
from fitting_room.actions.requests.delete import delete_job, delete_subject
from fitting_room.actions.requests.recover import recover
from fitting_room.actions.requests.subjects import create, find_subject
from fitting_room.actions.upkeep.erase import erase_job
from fitting_room.actions.workflow import end_metrics, start
from fitting_room.actions.workflow import prepare as preparing
from fitting_room.actions.workflow.collect import collect
from fitting_room.actions.workflow.settle import settle
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.job import Job
from fitting_room.jobs.outcome import Finished, Unread
from fitting_room.providers.catalogue import entry
from fitting_room.stores import items, jobs, media
from tests.deployment import choose
from tests.integration.atelier import ID, Atelier
from tests.integration.world import (
    INBOX,
    LIVE,
    MEDIA,
    RIVAL,
    TENANT,
    TEST,
    Vendor,
    World,
    failed,
    finished,
    pending,
    picture,
)

SHOPPER = {"owner": "shopper-1", "reference": "A-1", "metadata": {"shop": "north"}}
NO_LONGER = Unread("HTTP 404", 404)


def again(world: World, job_id: str, **facts: Any) -> Accepted:
    return recover(job_id, LIVE, world.at, **facts)


def refused(world: World, job_id: str, caller: Any = LIVE) -> tuple[int, str]:
    before = world.items(), world.executions(), world.keys("", MEDIA)
    with pytest.raises(Refusal) as caught:
        recover(job_id, caller, world.at)
    assert (world.items(), world.executions(), world.keys("", MEDIA)) == before, "a refusal stores and starts nothing"
    return caught.value.status, caught.value.faults[0].code


def lost(world: World, vendor: Vendor, how: str = "timed out", **changes: Any) -> str:
    """A job that Nova's or TryItOn's account may have been charged for, and that has no images."""
    world.configure("tryiton")
    vendor.starts, vendor.polls = [pending("v-9")], [NO_LONGER]
    job_id = world.submit(provider="tryiton", **{**SHOPPER, **changes}).job.id
    if how == "cancelled":
        world.run_until_pending(job_id)
        world.cancel(job_id)
    else:
        world.run(job_id)
    vendor.polls, vendor.polled = [finished(864, 1296)], []
    assert world.job(job_id).status in ("failed", "cancelled")
    return job_id


def unstored(world: World, vendor: Vendor) -> str:
    """A job whose images are in staging: Collect rejected them, by a fault of ours."""
    vendor.starts = [finished()]
    job_id = world.prepared(**SHOPPER)
    world.start(job_id)
    jobs.fail(world.job(job_id), failed("output_rejected").fault)
    settle(job_id, world.at)
    assert world.job(job_id).status == "failed"
    return job_id


# --------------------------------------------------------------------------------------------------- what is fetched
def test_what_is_recovered_of_a_drop_folder_lies_in_it_in_place_of_the_error(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    vendor.starts, vendor.polls = [pending("v-9")], [NO_LONGER]
    order = {"person": "anna.png", "garments": [{"image": "tee.png", "category": "tops"}], "provider": "tryiton"}
    files = {"anna.png": picture(360, 540), "tee.png": picture(300, 300), "job.json": json.dumps(order).encode()}
    keys = [world.put(name, data, folder=f"drop/{TENANT}/look") for name, data in files.items()]
    job_id = str(ingest(keys[-1], world.at))
    world.run(job_id)
    results = f"results/{TENANT}/drop/look"
    assert world.keys(results) == [f"{results}/error.json"]
    vendor.polls = [finished(864, 1296)]
    world.run(again(world, job_id).job.id)
    assert world.keys(results) == [f"{results}/1.png", f"{results}/result.json"]


@pytest.mark.parametrize("how", ["timed out", "cancelled"])
def test_from_the_provider_s_id_it_is_read_and_nothing_is_bought(world: World, vendor: Vendor, how: str) -> None:
    old = lost(world, vendor, how)
    spent, bought = world.spent(), len(vendor.orders)
    new = again(world, old)
    assert not new.replayed
    assert world.run(new.job.id) == ["Prepare", "Poll", "Collect", "Settle"]
    job = world.job(new.job.id)
    assert (job.status, job.images[0].n, vendor.polled) == ("succeeded", 1, ["v-9"])
    assert (len(vendor.orders), world.spent()) == (bought, spent) == (1, (1, 0)), "it is paid for by the old job"
    assert (job.usage.images, job.usage.amount, job.usage.credits, job.reserved) == (0, None, None, None)
    assert world.job(old).recovered_by == job.id


def test_from_staging_it_is_collected_without_a_word_to_the_provider(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = unstored(world, vendor)
    spent = world.spent()
    new = again(world, old).job.id
    assert world.run(new) == ["Prepare", "Collect", "Settle"]
    job = world.job(new)
    assert (job.status, len(job.images), vendor.polled, len(vendor.orders)) == ("succeeded", 1, [], 1)
    assert (job.usage.images, world.spent()) == (0, spent)


def test_images_that_are_gone_from_staging_are_fetched_from_the_provider(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    vendor.starts, vendor.polls = [pending("v-9")], [finished(864, 1296)]
    old = world.prepared(provider="tryiton")
    world.start(old)
    world.poll(old)
    jobs.fail(world.job(old), failed("output_rejected").fault)
    settle(old, world.at)
    media.remove(world.keys(f"staging/{old}/1/result"))
    new = again(world, old).job.id
    assert world.run(new) == ["Prepare", "Poll", "Collect", "Settle"]
    assert (world.job(new).status, len(world.job(new).images), len(vendor.orders)) == ("succeeded", 1, 1)


def test_images_that_are_gone_from_staging_and_that_no_provider_keeps_cannot_be_recovered(
    world: World, vendor: Vendor
) -> None:
    old = unstored(world, vendor)
    media.remove(world.keys(f"staging/{old}/1/result"))
    assert refused(world, old) == (409, "nothing_to_recover")


def test_those_images_that_are_still_in_staging_are_collected(world: World, vendor: Vendor) -> None:
    vendor.starts = [finished(count=2)]
    old = world.prepared(output={"count": 2})
    world.start(old)
    jobs.fail(world.job(old), failed("output_rejected").fault)
    settle(old, world.at)
    media.remove(world.keys(f"staging/{old}/1/result-0"))
    new = again(world, old).job.id
    world.run(new)
    assert (world.job(new).status, len(world.job(new).images)) == ("succeeded", 1)


def test_images_of_a_paid_attempt_that_the_provider_keeps_are_fetched_although_it_failed(
    world: World, vendor: Vendor
) -> None:
    """As when none of them could be downloaded by the deadline: charged, and the provider keeps them."""
    world.configure("tryiton")
    vendor.starts, vendor.polls = [pending("v-9")], [failed("timed_out", "yes")]
    old = world.submit(provider="tryiton").job.id
    world.run(old)
    vendor.polls = [finished(864, 1296)]
    new = again(world, old).job.id
    world.run(new)
    assert (world.job(new).status, len(vendor.orders)) == ("succeeded", 1)


def test_what_a_client_sees_of_both(world: World, vendor: Vendor) -> None:
    old = lost(world, vendor)
    new = again(world, old).job.id
    world.run(new)
    shown, before = view(world.job(new), world.at), view(world.job(old), world.at)
    assert (shown["recovered_from"], before["recovered_by"]) == (old, new)
    assert {name: shown[name] for name in SHOPPER} == SHOPPER
    [attempt] = shown["attempts"]
    assert (attempt["recovered"], attempt["cost"], attempt["charged"]) == (True, None, "yes")
    assert (before["attempts"][0]["recovered"], before["attempts"][0]["cost"]["images"]) == (False, 1)
    assert not {"reads", "recovered_n", "claimed_by", "claimed_until", "callback", "lease"} & attempt.keys()


def test_it_takes_no_place_at_the_provider_and_counts_as_no_attempt(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = entry("tryiton").model_copy(update={"rate": None, "concurrency": 1})
    monkeypatch.setattr(start, "entry", lambda *_: narrow)
    old = lost(world, vendor)
    assert world.job(old).attempts["1"].lease == 0
    counted: list[str] = []
    monkeypatch.setattr(end_metrics, "measure", lambda values, **_: counted.extend(values))
    new = again(world, old).job
    copied = new.attempts["1"]
    assert (copied.lease, copied.callback, copied.provider_job_id) == (None, None, "v-9")
    world.run(new.id)
    assert counted == ["JobSucceeded"]


def test_it_has_fifteen_minutes_of_its_own(world: World, vendor: Vendor) -> None:
    old = lost(world, vendor)
    vendor.polls = [NO_LONGER]
    new, began = again(world, old).job.id, world.at.now()
    world.run(new)
    job = world.job(new)
    assert job.error and (job.status, job.error.code) == ("failed", "timed_out")
    assert timedelta(minutes=15) < world.at.now() - began < timedelta(minutes=30)
    assert (world.job(old).attempts["1"].charged, world.spent()) == ("unknown", (1, 0)), (
        "nothing is known of the charge"
    )


def test_it_looks_at_once_and_not_at_the_pace_of_an_old_job(world: World, vendor: Vendor) -> None:
    old = lost(world, vendor)
    assert preparing.prepare(again(world, old).job.id, world.at) == {"outcome": "pending", "wait": 2}


def test_the_latest_attempt_that_may_have_been_charged_is_fetched(world: World, vendor: Vendor) -> None:
    world.configure("tryiton", "fashn")
    vendor.starts, vendor.polls = [failed("provider_unavailable"), pending("v-2")], [NO_LONGER]
    old = world.submit(provider="tryiton", fallback=["nova_canvas"]).job.id
    world.run(old)
    vendor.polls = [finished()]
    new = again(world, old).job
    assert (new.attempts["1"].recovered_n, new.plan) == (2, ["nova_canvas"])
    world.run(new.id)
    assert (world.job(new.id).status, len(vendor.orders)) == ("succeeded", 2)


def test_an_operator_who_finds_the_provider_s_id_has_it_fetched(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    vendor.starts, vendor.polls = [ConnectionError("killed")], [finished(864, 1296)]
    old = world.prepared(provider="tryiton")
    with pytest.raises(ConnectionError):
        world.start(old)
    world.at.sleep(180)
    settle(old, world.at)
    assert refused(world, old) == (409, "nothing_to_recover")
    new = again(world, old, provider_job_id="v-found").job.id
    world.run(new)
    assert (world.job(new).status, vendor.polled, len(vendor.orders)) == ("succeeded", ["v-found"], 1)


def test_the_id_that_an_operator_found_goes_before_the_one_that_is_known(world: World, vendor: Vendor) -> None:
    world.run(again(world, lost(world, vendor), provider_job_id="v-found").job.id)
    assert vendor.polled == ["v-found"]


# ------------------------------------------------------------------------------------------ the provider charged nothing
@pytest.mark.parametrize("code", ["provider_error", "provider_unavailable", "content_blocked"])
def test_a_failure_that_is_free_is_given_back_once_to_its_own_day_and_nothing_is_bought(
    world: World, vendor: Vendor, code: str
) -> None:
    vendor.starts, vendor.polls = [pending("v-9")], [NO_LONGER]
    bought = world.at.now()
    old = world.submit(provider="nova_canvas", output={"count": 2}).job.id
    world.run(old)
    assert world.spent() == (2, 80_000)
    world.at.moment += timedelta(hours=13)
    vendor.polls = [failed(code)]
    new = again(world, old).job.id
    assert world.run(new) == ["Prepare", "Poll", "Settle"]
    for _ in range(3):
        settle(new, world.at)
    assert (world.spent(at=bought), world.spent()) == ((0, 0), (0, 0)), "nothing is given to the new day"
    job = world.job(old)
    assert (job.status, job.attempts["1"].charged, job.usage.images, job.usage.amount) == ("failed", "no", 0, None)
    assert (world.job(new).status, world.job(new).error and world.job(new).error.code) == ("failed", code)  # type: ignore[union-attr]
    assert len(vendor.orders) == 1
    assert refused(world, old) == (409, "nothing_to_recover")


def test_a_failure_that_was_charged_is_given_nothing_back(world: World, vendor: Vendor) -> None:
    old = lost(world, vendor)
    vendor.polls = [failed("content_blocked", "yes")]
    world.run(again(world, old).job.id)
    assert (world.job(old).attempts["1"].charged, world.spent()) == ("unknown", (1, 0))


def test_two_recoveries_that_hear_of_it_give_back_once(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = lost(world, vendor)
    vendor.polls = [failed("content_blocked")]
    first = again(world, old).job.id
    world.poll(first)
    real = items.transact

    def slow(*args: Any) -> None:
        monkeypatch.setattr("fitting_room.actions.workflow.settle.transact", real)
        settle(first, world.at)
        real(*args)

    monkeypatch.setattr("fitting_room.actions.workflow.settle.transact", slow)
    settle(first, world.at)
    assert world.spent() == (0, 0)


def test_an_old_job_that_was_erased_meanwhile_is_given_nothing_back(world: World, vendor: Vendor) -> None:
    old = lost(world, vendor)
    new = again(world, old).job.id
    vendor.polls = [failed("content_blocked")]
    world.poll(new)
    delete_job(old, LIVE, world.at)
    erase_job(old, world.at)
    settle(new, world.at)
    assert world.job(new).final
    assert [item for item in world.items() if item["pk"] == f"JOB#{old}" and "attempts" in item] == []


# --------------------------------------------------------------------------------------------------- once, and for whom
def test_a_second_call_answers_the_same_job_while_it_is_open_and_once_it_succeeded(
    world: World, vendor: Vendor
) -> None:
    old = lost(world, vendor)
    first = again(world, old).job.id
    for _ in range(2):
        answer = again(world, old)
        assert (answer.replayed, answer.job.id) == (True, first)
        world.run(first)
    assert world.job(first).status == "succeeded"


def test_a_recovery_reads_as_long_as_if_nothing_had_been_read_before(world: World, vendor: Vendor) -> None:
    old = lost(world, vendor)
    vendor.polls = [NO_LONGER]
    began, new = world.at.now(), again(world, old).job.id
    world.run(new)
    assert world.at.now() - began >= timedelta(minutes=17), "15 minutes, and three reads a minute apart after them"


@pytest.mark.parametrize("ends", ["failed", "cancelled"])
def test_a_recovery_that_was_in_vain_may_be_followed_by_another(world: World, vendor: Vendor, ends: str) -> None:
    old = lost(world, vendor)
    vendor.polls = [NO_LONGER]
    first = again(world, old).job.id
    if ends == "cancelled":
        world.cancel(first)
    else:
        world.run(first)
    assert world.job(first).status == ends
    vendor.polls = [finished(864, 1296)]
    second = again(world, old)
    assert (second.replayed, second.job.id == first, world.job(old).recovered_by) == (False, False, second.job.id)
    world.run(second.job.id)
    assert (world.job(second.job.id).status, len(vendor.orders)) == ("succeeded", 1)


def test_of_two_calls_at_once_one_makes_the_job(world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    old, real, other = lost(world, vendor), items.transact, []

    def slow(*args: Any) -> None:
        monkeypatch.setattr("fitting_room.actions.requests.accept.transact", real)
        other.append(again(world, old).job.id)
        real(*args)

    monkeypatch.setattr("fitting_room.actions.requests.accept.transact", slow)
    answer = again(world, old)
    assert (answer.replayed, [answer.job.id]) == (True, other)


@pytest.mark.parametrize(
    ("stands", "code"),
    [
        ("queued", "nothing_to_recover"),
        ("pending", "nothing_to_recover"),
        ("succeeded", "nothing_to_recover"),
        ("failed for free", "nothing_to_recover"),
        ("cancelled in the queue", "nothing_to_recover"),
        ("of unknown fate without an id", "nothing_to_recover"),
    ],
)
def test_there_is_nothing_to_recover(world: World, vendor: Vendor, stands: str, code: str) -> None:
    vendor.starts, vendor.polls = [pending("v-1")], [finished()]
    job_id = world.submit().job.id
    if stands == "pending":
        world.run_until_pending(job_id)
    if stands == "succeeded":
        world.run(job_id)
    if stands == "failed for free":
        vendor.starts = [failed("content_blocked")]
        world.run(job_id)
    if stands == "cancelled in the queue":
        world.cancel(job_id)
    if stands.startswith("of unknown"):
        vendor.starts = [failed("provider_unavailable", "unknown", retryable=False)]
        world.run(job_id)
    assert refused(world, job_id) == (409, code)


@pytest.mark.parametrize("stranger", [RIVAL, TEST])
def test_nobody_else_may_recover_a_job(world: World, vendor: Vendor, stranger: Any) -> None:
    assert refused(world, lost(world, vendor), stranger) == (404, "not_found")


# ------------------------------------------------------------------------------------------------------------- erasing
def test_a_job_that_is_erased_or_is_to_be_is_not_recovered(world: World, vendor: Vendor) -> None:
    old = lost(world, vendor)
    delete_job(old, LIVE, world.at)
    assert refused(world, old) == (409, "nothing_to_recover")
    erase_job(old, world.at)
    assert refused(world, old) == (410, "erased")


def test_an_erasure_that_is_asked_for_meanwhile_wins(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, real = lost(world, vendor), items.transact

    def slow(*args: Any) -> None:
        delete_job(old, LIVE, world.at)
        real(*args)

    monkeypatch.setattr("fitting_room.actions.requests.accept.transact", slow)
    with pytest.raises(Refusal) as caught:
        again(world, old)
    assert caught.value.status == 409
    assert len(world.executions()) == 1


@pytest.mark.parametrize("which", ["the old one", "the new one"])
def test_erasing_either_erases_both(world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch, which: str) -> None:
    old = unstored(world, vendor)
    new = again(world, old).job.id
    world.run(new)
    delete_job(old if which == "the old one" else new, LIVE, world.at)
    world.erase()
    assert jobs.get(old, world.at.now()) is None and jobs.get(new, world.at.now()) is None
    assert world.keys("staging/") == world.keys(f"results/{TENANT}/") == []
    assert "shopper-1" not in str(world.items())


def test_a_collect_of_a_recovery_takes_its_images_back_when_the_old_job_is_erased(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = unstored(world, vendor)
    new, real = again(world, old).job.id, media.put

    def put(*args: Any, **more: Any) -> None:
        monkeypatch.setattr(media, "put", real)
        delete_job(old, LIVE, world.at)
        world.broken(new)
        real(*args, **more)

    monkeypatch.setattr(media, "put", put)
    collect(new, world.at)
    assert world.keys(f"results/{TENANT}/") == []


# ----------------------------------------------------------------------------------------------------------- trainings
def training(world: World, atelier: Atelier) -> Job:
    """A training whose end was never heard of."""
    world.body()
    atelier.starts, atelier.polls = [pending("tune-1")], [NO_LONGER]
    body = {
        "kind": "person",
        "class_name": "woman",
        "provider": ID,
        "pictures": [{"s3": f"s3://{INBOX}/drop/{TENANT}/person.png"}],
    }
    job = create(body, LIVE, None, world.at).job
    world.run(job.id)
    assert find_subject(str(job.subject), LIVE, world.at).status == "failed"
    atelier.polls = [Finished([], token="ohwx")]
    return job


def test_a_training_that_is_recovered_makes_the_same_subject_ready(world: World, atelier: Atelier) -> None:
    old = training(world, atelier)
    new = again(world, old.id).job
    assert new.subject == old.subject
    assert (find_subject(str(old.subject), LIVE, world.at).status, len(atelier.orders)) == ("training", 1)
    world.run(new.id)
    subject = find_subject(str(old.subject), LIVE, world.at)
    assert (subject.status, subject.made_id, subject.token, subject.job_id) == ("ready", "tune-1", "ohwx", new.id)
    assert len(atelier.orders) == 1


def test_the_subject_outlives_the_jobs_that_made_it_and_goes_with_its_own_deletion(
    world: World, atelier: Atelier
) -> None:
    old = training(world, atelier)
    new = again(world, old.id).job
    world.run(new.id)
    delete_job(old.id, LIVE, world.at)
    world.erase()
    assert jobs.get(new.id, world.at.now()) is None, "both hold the person's images"
    assert (atelier.erased, find_subject(str(old.subject), LIVE, world.at).status) == ([], "ready")
    delete_subject(str(old.subject), LIVE, world.at)
    world.erase()
    assert atelier.erased == [("reference", "tune-1")]


def test_a_recovery_is_no_job_of_the_owners_day(world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, daily_owner_jobs=1)
    job_id = lost(world, vendor)
    made = again(world, job_id).job
    assert made.recovered_from == job_id
    assert made.models == world.job(job_id).models
