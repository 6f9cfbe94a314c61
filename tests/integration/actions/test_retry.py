"""Retrying a job: once, with the same images, and bought a second time only when the client says so."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from fitting_room.actions.job_view import view
from fitting_room.actions.requests.accept import Accepted
from fitting_room.actions.requests.delete import delete_job, delete_subject
from fitting_room.actions.requests.retry import retry
from fitting_room.actions.requests.subjects import create, find_subject
from fitting_room.actions.upkeep.erase import erase_job
from fitting_room.actions.workflow.prepare import prepare
from fitting_room.actions.workflow.settle import pay_debt
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.job import Job
from fitting_room.jobs.outcome import Finished
from fitting_room.net import safe_http
from fitting_room.net.safe_http import Fetched, FetchFailed
from fitting_room.stores import aws, items, jobs, webhooks
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


def ended(world: World, vendor: Vendor, outcome: Any = None, **changes: Any) -> str:
    """A job that has failed; by default for free."""
    vendor.starts = [outcome or failed("content_blocked")]
    job_id = world.submit(**{**SHOPPER, **changes}).job.id
    world.run(job_id)
    assert world.job(job_id).status == "failed"
    return job_id


def again(world: World, job_id: str, body: Any = None) -> Accepted:
    return retry(job_id, {} if body is None else body, LIVE, world.at)


def refused(world: World, job_id: str, body: Any = None, caller: Any = LIVE) -> Refusal:
    before = everything(world)
    with pytest.raises(Refusal) as caught:
        retry(job_id, {} if body is None else body, caller, world.at)
    assert everything(world) == before, "a refusal stores, starts and costs nothing, and leaves no image behind"
    return caught.value


def everything(world: World) -> Any:
    kept = [item for item in world.items() if not item["pk"].startswith("BUDGET#")]
    return kept, world.spent(), world.executions(), world.keys("", MEDIA)


def test_a_retry_is_a_new_job_of_the_same_request_and_images(world: World, vendor: Vendor) -> None:
    old = world.job(ended(world, vendor, output={"seed": 41}))
    vendor.starts = [finished()]
    new = again(world, old.id)
    assert not new.replayed and new.job.id != old.id
    assert (new.job.request, new.job.retried_from, new.job.created_at) == (
        old.request,
        old.id,
        "2026-09-01T12:00:00.000Z",
    )
    assert world.job(old.id).retried_by == new.job.id
    assert sorted(world.executions()) == sorted([old.id, new.job.id])
    assert world.spent() == (1, 60_000), "its price is set aside anew"
    world.run(new.job.id)
    job = world.job(new.job.id)
    assert (job.status, len(vendor.orders), world.spent()) == ("succeeded", 2, (1, 40_000))
    shown, before = view(job, world.at), view(world.job(old.id), world.at)
    assert {name: shown[name] for name in SHOPPER} == SHOPPER
    assert (shown["retried_from"], before["retried_by"], before["retry_until"]) == (old.id, job.id, None)


def test_a_second_call_answers_the_same_job(world: World, vendor: Vendor) -> None:
    old = ended(world, vendor)
    first, second = again(world, old), again(world, old)
    assert (first.replayed, second.replayed, second.job.id) == (False, True, first.job.id)
    vendor.starts = [failed("content_blocked")]
    world.run(first.job.id)
    assert again(world, old).job.id == first.job.id, "also when it has failed, too"
    assert again(world, first.job.id).job.retried_from == first.job.id, "that one has a retry of its own"
    assert len(world.executions()) == 3


def test_of_two_calls_at_once_one_makes_the_job_and_the_other_leaves_nothing(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, real, other = ended(world, vendor), items.transact, []

    def slow(*args: Any) -> None:
        monkeypatch.setattr("fitting_room.actions.requests.accept.transact", real)
        other.append(again(world, old))
        real(*args)

    monkeypatch.setattr("fitting_room.actions.requests.accept.transact", slow)
    answer = again(world, old)
    assert (answer.replayed, answer.job.id) == (True, other[0].job.id)
    assert world.spent() == (1, 60_000)
    assert {key.split("/")[1] for key in world.keys("staging/")} == {old, answer.job.id}


# ------------------------------------------------------------------------------------------------ what may be retried
@pytest.mark.parametrize("status", ["queued", "running", "succeeded"])
def test_a_job_that_has_not_failed_is_not_retried(world: World, vendor: Vendor, status: str) -> None:
    vendor.starts = [finished()]
    job_id = world.submit().job.id
    if status == "running":
        prepare(job_id, world.at)
        world.start(job_id)
    if status == "succeeded":
        world.run(job_id)
    refusal = refused(world, job_id)
    assert (refusal.status, refusal.faults[0].code) == (409, "conflict")
    assert status in refusal.faults[0].detail


def test_a_cancelled_job_is_retried(world: World, vendor: Vendor) -> None:
    job_id = world.prepared()
    world.cancel(job_id)
    vendor.starts = [finished()]
    new = again(world, job_id).job.id
    world.run(new)
    assert world.job(new).status == "succeeded"


@pytest.mark.parametrize(
    ("outcome", "wanted"),
    [
        (failed("content_blocked", "yes"), "may_be_charged"),
        (failed("provider_unavailable", "unknown", retryable=False), "may_be_charged"),
        (failed("content_blocked", "no"), None),
    ],
)
def test_what_was_or_may_have_been_charged_is_bought_again_only_when_the_client_says_so(
    world: World, vendor: Vendor, outcome: Any, wanted: str | None
) -> None:
    old = ended(world, vendor, outcome)
    if wanted:
        for body in ({}, {"buy_again": False}):
            refusal = refused(world, old, body)
            assert (refusal.status, refusal.faults[0].code) == (409, wanted)
            assert "/recover" in refusal.faults[0].remedy and "buy_again" in refusal.faults[0].remedy
    vendor.starts = [finished()]
    new = again(world, old, {"buy_again": True}).job.id
    world.run(new)
    assert (world.job(new).status, len(vendor.orders)) == ("succeeded", 2)


@pytest.mark.parametrize("body", [{"buy_again": "yes"}, {"buy_again": 1}, {"buy": True}, [], "x"])
def test_a_body_that_breaks_its_rule_is_refused(world: World, vendor: Vendor, body: Any) -> None:
    assert refused(world, ended(world, vendor), body).faults[0].code == "invalid_input"


@pytest.mark.parametrize("stranger", [RIVAL, TEST])
def test_nobody_else_may_retry_a_job(world: World, vendor: Vendor, stranger: Any) -> None:
    assert refused(world, ended(world, vendor), caller=stranger).status == 404


def test_a_job_that_is_erased_or_is_to_be_is_not_retried(world: World, vendor: Vendor) -> None:
    old = ended(world, vendor)
    delete_job(old, LIVE, world.at)
    assert refused(world, old).faults[0].code == "conflict"
    erase_job(old, world.at)
    assert (refused(world, old).status, refused(world, old).faults[0].code) == (410, "erased")


def test_a_job_whose_retry_was_erased_has_another_one(world: World, vendor: Vendor) -> None:
    old = ended(world, vendor)
    first = again(world, old).job.id
    vendor.starts = [failed("content_blocked")]
    world.run(first)
    delete_job(first, LIVE, world.at)
    assert again(world, old).job.id == first, "until it is erased"
    erase_job(first, world.at)
    second = again(world, old)
    assert not second.replayed and world.job(old).retried_by == second.job.id != first
    assert again(world, old) == Accepted(world.job(second.job.id), replayed=True)


def test_a_webhook_that_can_no_longer_be_signed_is_refused_as_at_submit(world: World, vendor: Vendor) -> None:
    secret = webhooks.create(TENANT, world.at.now())
    old = ended(world, vendor, webhook={"url": "https://shop.example/hook"})
    webhooks.revoke(TENANT, secret.id, world.at.now())
    [fault] = refused(world, old).faults
    assert (fault.code, fault.pointer) == ("webhook_not_configured", "/webhook")
    webhooks.create(TENANT, world.at.now())
    assert again(world, old).job.request.webhook


def test_an_erasure_that_is_asked_for_meanwhile_wins(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, real = ended(world, vendor), items.transact

    def slow(*args: Any) -> None:
        delete_job(old, LIVE, world.at)
        real(*args)

    monkeypatch.setattr("fitting_room.actions.requests.accept.transact", slow)
    with pytest.raises(Refusal) as caught:
        again(world, old)
    assert (caught.value.status, caught.value.faults[0].code) == (409, "conflict")
    assert {key.split("/")[1] for key in world.keys("staging/")} == {old}
    assert world.spent() == (0, 0)


def test_the_plan_is_made_anew(world: World, vendor: Vendor) -> None:
    old = ended(world, vendor)
    world.configure("tryiton")
    assert (world.job(old).plan, again(world, old).job.plan) == (["nova_canvas"], ["nova_canvas", "tryiton"])


def test_the_budget_is_asked_anew(world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    old = ended(world, vendor)
    choose(monkeypatch, daily_usd=0.01)
    assert refused(world, old).faults[0].code == "budget_exceeded"


def test_a_table_that_stays_busy_leaves_nothing_behind(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = ended(world, vendor)

    def busy(*_: Any) -> None:
        raise aws.Busy("TransactionConflict")

    monkeypatch.setattr("fitting_room.actions.requests.accept.transact", busy)
    assert refused(world, old).faults[0].code == "throttled"


# ---------------------------------------------------------------------------------------------------------- the images
def test_the_images_are_copied_before_the_answer_so_that_the_old_job_may_go(world: World, vendor: Vendor) -> None:
    old = ended(world, vendor, person={"upload": world.upload("person")})
    world.put("garment.png", picture(200, 200, "olive"))  # another one lies in its place
    new = again(world, old).job
    assert world.read(f"staging/{new.id}/input-garment-0") == picture(200, 200, "navy")
    for role, source in new.sources.items():
        assert source.staged == f"staging/{new.id}/input-{role}"
        assert world.keys(source.staged)
    delete_job(old, LIVE, world.at)
    erase_job(old, world.at)
    vendor.starts = [finished()]
    world.run(new.id)
    assert world.job(new.id).status == "succeeded"


def test_an_upload_of_the_old_job_is_used_by_the_new_one_and_goes_with_the_last(world: World, vendor: Vendor) -> None:
    upload_id = world.upload("person")
    old = ended(world, vendor, person={"upload": upload_id})
    new = again(world, old).job.id
    vendor.starts = [finished()]
    world.run(new)
    for job_id, left in ((old, 1), (new, 0)):
        delete_job(job_id, LIVE, world.at)
        erase_job(job_id, world.at)
        assert len(world.keys(f"uploads/{TENANT}/", INBOX)) == left


def test_inline_images_are_copied_too(world: World, vendor: Vendor) -> None:
    data = {"data": "data:image/png;base64," + base64.b64encode(picture(360, 540)).decode()}
    new = again(world, ended(world, vendor, person=data)).job
    assert world.read(f"staging/{new.id}/input-person") == picture(360, 540)


def test_an_image_of_the_web_was_kept_and_is_not_fetched_again(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []

    def fetch(url: str, **_: Any) -> Fetched:
        fetched.append(url)
        return Fetched(picture(360, 540), "image/png")

    monkeypatch.setattr(safe_http, "get", fetch)
    old = ended(world, vendor, person={"url": "https://shop.example/p.png"})
    vendor.starts = [finished()]
    world.run(again(world, old).job.id)
    assert fetched == ["https://shop.example/p.png"]


def test_a_job_that_never_began_is_retried_with_its_files_but_not_with_a_link(world: World, vendor: Vendor) -> None:
    """A link leaves the record when the job ends: it may be signed."""
    old = world.submit().job.id
    world.cancel(old)
    new = again(world, old).job
    assert new.sources["garment-0"].staged == f"staging/{new.id}/input-garment-0"
    vendor.starts = [finished()]
    world.run(new.id)
    assert world.job(new.id).status == "succeeded"
    linked = world.submit(person={"url": "https://shop.example/p.png"}).job.id
    world.cancel(linked)
    assert refused(world, linked).faults[0].code == "upload_missing"


def test_a_host_that_was_away_is_no_case_for_a_retry_but_for_a_new_job_as_the_remedy_says(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> Fetched:
        raise FetchFailed("its host answers 503", "Try later.", passing=True)

    monkeypatch.setattr(safe_http, "get", away)
    body = world.body(person={"url": "https://shop.example/p.png?X-Amz-Signature=c0ffee"})
    job_id = world.submit(body).job.id
    world.run(job_id)
    error = world.job(job_id).error
    assert error and (error.code, error.retryable) == ("image_unreachable", True)
    assert "Submit a new job with POST /v1/jobs" in error.remedy
    assert view(world.job(job_id), world.at)["retry_until"] is None
    monkeypatch.setattr(safe_http, "get", lambda *_, **__: Fetched(picture(360, 540), "image/png"))
    [fault] = refused(world, job_id).faults
    assert (fault.code, fault.pointer) == ("upload_missing", "/person")
    assert "nor a link" in fault.detail and "Submit a new job with POST /v1/jobs" in fault.remedy
    vendor.starts = [finished()]
    new = world.submit(body).job.id
    world.run(new)
    assert world.job(new).status == "succeeded"


@pytest.mark.parametrize("role", ["person", "garment-0"])
def test_an_image_that_is_gone_is_told_where_it_stood_and_nothing_is_left(
    world: World, vendor: Vendor, role: str
) -> None:
    old = ended(world, vendor)
    source = world.job(old).sources[role]
    aws.s3().delete_object(Bucket=MEDIA, Key=f"staging/{old}/input-{role}")
    aws.s3().delete_object(Bucket=str(source.bucket), Key=str(source.key))
    refusal = refused(world, old)
    assert (refusal.status, refusal.faults[0].code) == (409, "upload_missing")
    assert refusal.faults[0].pointer == {"person": "/person", "garment-0": "/garments/0/image"}[role]


# ---------------------------------------------------------------------------------------------------------- a training
def training(world: World, atelier: Atelier) -> Job:
    """A training that failed for free."""
    world.body()
    atelier.starts = [failed("image_unreadable")]
    body = {
        "kind": "person",
        "class_name": "woman",
        "provider": ID,
        "pictures": [{"s3": f"s3://{INBOX}/drop/{TENANT}/person.png"}],
    }
    job = create(body, LIVE, None, world.at).job
    world.run(job.id)
    assert find_subject(str(job.subject), LIVE, world.at).status == "failed"
    return job


def test_a_training_is_retried_for_the_same_subject(world: World, atelier: Atelier) -> None:
    old = training(world, atelier)
    new = again(world, old.id).job
    assert new.subject == old.subject
    subject = find_subject(str(old.subject), LIVE, world.at)
    assert (subject.status, subject.job_id, subject.error) == ("training", new.id, None)
    atelier.starts, atelier.polls = [pending("tune-1")], [Finished([], token="ohwx")]
    world.run(new.id)
    assert find_subject(str(old.subject), LIVE, world.at).status == "ready"


@pytest.mark.parametrize("late", ["a debt paid twice", "an erasure"])
def test_what_is_late_of_the_old_training_does_not_undo_the_new_one(world: World, atelier: Atelier, late: str) -> None:
    old = training(world, atelier)
    new = again(world, old.id).job
    atelier.starts, atelier.polls = [pending("tune-1")], [Finished([], token="ohwx")]
    world.run(new.id)
    if late == "an erasure":
        delete_job(old.id, LIVE, world.at)
        erase_job(old.id, world.at)
    else:
        pay_debt(world.job(old.id), "subject", world.at)
    assert find_subject(str(old.subject), LIVE, world.at).status == "ready"
    assert atelier.erased == []


def test_a_subject_is_deleted_with_every_job_that_tried_to_make_it(world: World, atelier: Atelier) -> None:
    old = training(world, atelier)
    new = again(world, old.id).job
    atelier.starts = [failed("image_unreadable")]
    world.run(new.id)
    delete_subject(str(old.subject), LIVE, world.at)
    world.erase()
    assert world.keys("staging/") == []
    assert jobs.get(old.id, world.at.now()) is None and jobs.get(new.id, world.at.now()) is None
