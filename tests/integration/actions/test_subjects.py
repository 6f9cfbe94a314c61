"""Subjects as a client sees them: created once, trained, listed newest first, and used by its own tenant alone."""

from __future__ import annotations

from typing import Any

import pytest

from fitting_room.actions.requests import subjects
from fitting_room.actions.requests.accept import Accepted
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.outcome import Finished
from tests.integration.atelier import ID, Atelier
from tests.integration.world import INBOX, LIVE, RIVAL, TENANT, TEST, World, failed, finished, pending


def body(world: World, **changes: Any) -> dict[str, Any]:
    world.body()  # puts the pictures there
    return {
        "kind": "person",
        "class_name": "woman",
        "pictures": [{"s3": f"s3://{INBOX}/drop/{TENANT}/person.png"}],
        "provider": ID,
        "owner": "shopper-1",
        "reference": "A-1",
        **changes,
    }


def create(world: World, key: str | None = None, **changes: Any) -> Accepted:
    return subjects.create(body(world, **changes), LIVE, key, world.at)


def shown(world: World, accepted: Accepted) -> dict[str, Any]:
    return subjects.view(subjects.find_subject(str(accepted.job.subject), LIVE, world.at))


def test_a_person_is_in_training_until_the_job_has_ended_and_ready_then(world: World, atelier: Atelier) -> None:
    atelier.starts, atelier.polls = [pending("tune-1")], [Finished([], token="ohwx")]
    made = create(world)
    before = shown(world, made)
    assert (before["status"], before["ready_at"], before["provider_subject_id"]) == ("training", None, None)
    assert before["links"] == {"self": f"/v1/subjects/{made.job.subject}", "job": f"/v1/jobs/{made.job.id}"}
    world.run(made.job.id)
    ready = shown(world, made)
    assert {
        name: ready[name]
        for name in (
            "kind",
            "class_name",
            "status",
            "provider",
            "made_for",
            "token",
            "error",
            "owner",
            "reference",
            "provider_subject_id",
        )
    } == {
        "kind": "person",
        "class_name": "woman",
        "status": "ready",
        "provider": ID,
        "made_for": f"{ID}/look",
        "token": "ohwx",
        "error": None,
        "owner": "shopper-1",
        "reference": "A-1",
        "provider_subject_id": "tune-1",
    }
    assert ready["created_at"] < ready["ready_at"] < ready["expires_at"]


def test_a_training_that_failed_says_why(world: World, atelier: Atelier) -> None:
    atelier.starts = [failed("image_unreadable")]
    made = create(world)
    world.run(made.job.id)
    assert (shown(world, made)["status"], shown(world, made)["error"]["code"]) == ("failed", "image_unreadable")


def test_a_subject_that_is_ready_is_what_a_try_on_wears(world: World, atelier: Atelier) -> None:
    atelier.starts, atelier.polls = [pending("tune-1"), finished(864, 1296)], [Finished([], token="ohwx")]
    made = create(world)
    world.run(made.job.id)
    subject_id = str(made.job.subject)
    job_id = world.submit(person={"subject": subject_id}).job.id
    world.run(job_id)
    assert world.job(job_id).status == "succeeded"
    used = atelier.orders[-1].subjects[subject_id]
    assert (used.made_id, used.token) == ("tune-1", "ohwx")


def test_the_same_key_makes_one_subject(world: World, atelier: Atelier) -> None:
    first, again = create(world, "k"), create(world, "k")
    assert (again.replayed, again.job.subject) == (True, first.job.subject)
    with pytest.raises(Refusal) as caught:
        create(world, "k", class_name="man")
    assert caught.value.faults[0].code == "idempotency_conflict"


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"task": "train_subject"}, "/task"),
        ({"kind": "dog"}, "/kind"),
        ({"class_name": "X-1"}, "/class_name"),
        ({"pictures": []}, "/pictures"),
        ({"photo": "flat_lay"}, "/photo"),
        ({"output": {"count": 2}}, "/output"),
    ],
)
def test_a_field_that_breaks_its_rule_is_named(
    world: World, atelier: Atelier, changes: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(Refusal) as caught:
        create(world, **changes)
    [fault] = caught.value.faults
    assert (fault.code, fault.pointer) == ("invalid_input", pointer)
    assert subjects.list_subjects(LIVE, {}, world.at)["items"] == []


@pytest.mark.parametrize("given", [None, [], "woman", 1])
def test_a_body_that_is_no_object_is_refused(world: World, given: Any) -> None:
    with pytest.raises(Refusal) as caught:
        subjects.create(given, LIVE, None, world.at)
    assert caught.value.faults[0].code == "invalid_input"


def test_a_list_comes_in_pages_newest_first_and_ends(world: World, atelier: Atelier) -> None:
    ids = [str(create(world).job.subject) for _ in range(3)]
    first = subjects.list_subjects(LIVE, {"limit": "2"}, world.at)
    assert [item["id"] for item in first["items"]] == [ids[2], ids[1]]
    last = subjects.list_subjects(LIVE, {"limit": "2", "cursor": first["next_cursor"]}, world.at)
    assert ([item["id"] for item in last["items"]], last["next_cursor"]) == ([ids[0]], None)
    for caller in (RIVAL, TEST):
        assert subjects.list_subjects(caller, {}, world.at) == {"items": [], "next_cursor": None}


def test_a_subject_of_another_tenant_or_mode_is_as_unknown_as_none(world: World, atelier: Atelier) -> None:
    subject_id = str(create(world).job.subject)
    refusals = []
    for caller, asked in ((RIVAL, subject_id), (TEST, subject_id), (LIVE, "sub_unknown")):
        with pytest.raises(Refusal) as caught:
            subjects.find_subject(asked, caller, world.at)
        refusals.append((caught.value.status, caught.value.faults))
    assert refusals[0] == refusals[1] == refusals[2]
    assert refusals[0][0] == 404


def test_a_person_is_no_garment(world: World, atelier: Atelier) -> None:
    atelier.starts, atelier.polls = [pending("tune-1")], [Finished([], token="ohwx")]
    made = create(world)
    world.run(made.job.id)
    garments = [{"subject": str(made.job.subject), "category": "tops"}]
    with pytest.raises(Refusal) as caught:
        world.submit(garments=garments)
    [fault] = caught.value.faults
    assert (fault.code, fault.pointer) == ("invalid_input", "/garments/0/subject")
