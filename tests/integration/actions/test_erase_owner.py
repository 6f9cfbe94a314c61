"""Erasing all of an owner: nothing of the person is left in either bucket or in the table, and nothing comes back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from fitting_room.actions.requests import accept, delete
from fitting_room.actions.requests.delete import delete_owner
from fitting_room.actions.requests.subjects import create, find_subject
from fitting_room.actions.requests.usage import report
from fitting_room.jobs.outcome import Finished
from fitting_room.stores import items, owners
from fitting_room.stores.api_keys import Caller
from tests.integration.atelier import ID, Atelier
from tests.integration.world import INBOX, LIVE, MEDIA, RIVAL, TENANT, TEST, Vendor, World, finished, pending

JANE: dict[str, Any] = {"owner": "jane-doe", "reference": "A-8812", "metadata": {"mail": "jane@example.com"}}


def done(world: World, vendor: Vendor, **changes: Any) -> str:
    vendor.starts = [finished()]
    job_id = world.submit(**changes).job.id
    world.run(job_id)
    assert world.job(job_id).images
    return job_id


def pay_everything(world: World) -> None:
    """The erase function runs, and the sweep for some minutes."""
    for _ in range(6):
        world.erase()
        world.at.sleep(60)
        world.sweep()
    world.erase()


def traces(world: World, *names: str) -> list[str]:
    """What in the table or in a bucket still names one of these."""
    stored = [json.dumps(item, default=str) for item in world.items()]
    return [each for each in [*stored, *world.keys(""), *world.keys("", INBOX)] if any(name in each for name in names)]


def test_an_owner_with_a_job_still_running_leaves_nothing_in_buckets_and_table(world: World, vendor: Vendor) -> None:
    uploads = {name: world.upload(name) for name in ("person", "garment")}
    first = done(
        world,
        vendor,
        person={"upload": uploads["person"]},
        garments=[{"image": {"upload": uploads["garment"]}, "category": "tops"}],
        **JANE,
    )
    others = [done(world, vendor, owner="joe"), done(world, vendor, mode="test", owner="jane-doe")]
    vendor.starts, vendor.polls = [pending()], [finished()]
    world.configure("tryiton")
    running = world.submit(**JANE, provider="tryiton").job.id
    world.run_until_pending(running)
    assert world.keys(f"staging/{running}/") and world.keys(f"uploads/{TENANT}/{uploads['person']}", INBOX)

    told = delete_owner("jane-doe", LIVE, world.at)
    assert (told["owner"], told["jobs"]) == ("jane-doe", 2)
    assert {one["provider"] for one in told["remains"]} == {"nova_canvas", "tryiton", ""}, "joe uses the files, too"
    world.broken(running)  # its run was stopped
    pay_everything(world)

    left = [item for item in world.items() if item["pk"] in (f"JOB#{first}", f"JOB#{running}")]
    assert len(left) == 2 and all("erased_at" in item for item in left)
    assert not [key for key in world.keys("") if first in key or running in key]
    assert world.keys("uploads/", INBOX) and not [
        key for key in world.keys("", INBOX) if any(upload in key for upload in uploads.values())
    ]
    assert traces(world, "jane@example.com", "A-8812") == []
    spent = [item for item in world.items() if item["pk"].startswith(f"USAGE#{TENANT}#live")]
    assert len(spent) == 3 and [item.get("owner") for item in spent if item["sk"] in (first, running)] == [None, None]
    assert world.due() == []
    for other in others:
        assert world.keys(f"{world.job(other).results_prefix}/"), "another owner, and another mode, keep theirs"
    assert delete_owner("jane-doe", LIVE, world.at)["jobs"] == 0


def test_files_that_only_the_owner_s_own_jobs_use_do_not_remain(world: World, vendor: Vendor) -> None:
    for _ in range(2):
        done(world, vendor, **JANE)
    remains = delete_owner("jane-doe", LIVE, world.at)["remains"]
    assert [one["provider"] for one in remains] == ["nova_canvas"]
    pay_everything(world)
    assert world.keys("", INBOX) == []


def test_a_call_to_the_provider_that_is_under_way_ends_and_its_images_go(world: World, vendor: Vendor) -> None:
    def during() -> None:
        delete_owner("jane-doe", LIVE, world.at)

    vendor.starts, vendor.during = [finished()], during
    job_id = world.prepared(**JANE)
    world.start(job_id)
    world.broken(job_id)
    pay_everything(world)
    assert len(vendor.orders) == 1
    assert [key for key in world.keys("", MEDIA) if job_id in key] == []
    assert traces(world, "jane") == []


def test_a_subject_of_the_owner_goes_too(world: World, atelier: Atelier) -> None:
    trained(world, atelier)
    delete_owner("jane-doe", LIVE, world.at)
    pay_everything(world)
    assert ("reference", "tune-1") in atelier.erased
    assert not [item for item in world.items() if item["pk"].startswith("SUBJECTS#")]
    assert traces(world, "jane-doe") == []


def test_a_subject_that_the_owner_makes_after_the_erasure_stays(world: World, atelier: Atelier) -> None:
    delete_owner("jane-doe", LIVE, world.at)
    world.at.sleep(1)
    subject_id = trained(world, atelier)
    pay_everything(world)
    assert (find_subject(subject_id, LIVE, world.at).status, atelier.erased) == ("ready", [])


def trained(world: World, atelier: Atelier) -> str:
    """The id of a subject of the owner, made by the atelier."""
    atelier.starts, atelier.polls = [pending("tune-1")], [Finished([], token="ohwx")]
    world.body()
    pictures = [{"s3": f"s3://{INBOX}/drop/{TENANT}/person.png"}]
    body = {"kind": "person", "class_name": "woman", "provider": ID, "pictures": pictures, "owner": "jane-doe"}
    job = create(body, LIVE, None, world.at).job
    world.run(job.id)
    return str(job.subject)


@pytest.mark.parametrize("crashes", [False, True])
def test_a_submit_that_the_erasure_did_not_see_is_erased_all_the_same(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch, crashes: bool
) -> None:
    def transact(stored: Mapping[str, Any], sleep: Any) -> None:
        assert delete_owner("jane-doe", LIVE, world.at)["jobs"] == 0
        world.erase()
        items.transact(stored, sleep)

    vendor.starts = [finished()]
    with monkeypatch.context() as patch:
        patch.setattr(accept, "transact", transact)
        if crashes:  # after its transaction, before it has read the mark
            patch.setattr(owners, "wants_erased", lambda _: (_ for _ in ()).throw(OSError()))
        job_id = world.submit(**JANE).job.id
    world.run(job_id)
    assert len(vendor.orders) == (1 if crashes else 0)
    pay_everything(world)
    assert traces(world, "jane-doe", "A-8812") == []
    assert [key for key in world.keys("", MEDIA) if job_id in key] == []


def test_what_the_owner_does_after_the_erasure_stays(world: World, vendor: Vendor) -> None:
    done(world, vendor, **JANE)
    delete_owner("jane-doe", LIVE, world.at)
    world.at.sleep(1)
    later = done(world, vendor, **JANE)
    pay_everything(world)
    assert world.job(later).images and world.job(later).erase_requested_at is None


def test_more_jobs_than_fit_into_one_call_are_erased_by_the_sweep(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delete, "_AT_ONCE", 1)
    made = [done(world, vendor, **JANE) for _ in range(3)]
    assert delete_owner("jane-doe", LIVE, world.at)["jobs"] == 3
    world.erasures.clear()  # no call arrives
    pay_everything(world)
    pay_everything(world)
    assert not [key for key in world.keys("", MEDIA) if any(job_id in key for job_id in made)]


@pytest.mark.parametrize(("caller", "amount"), [(LIVE, 0.04), (TEST, 0)])
def test_the_usage_of_a_job_that_has_expired_no_longer_names_the_owner(
    world: World, vendor: Vendor, caller: Caller, amount: float
) -> None:
    done(world, vendor, mode=caller.mode, **JANE)
    done(world, vendor, mode=caller.mode, owner="joe")
    world.at.sleep(20 * 86400)
    later = done(world, vendor, mode=caller.mode, **JANE)
    world.at.sleep(11 * 86400)

    def shown() -> list[tuple[str | None, int, float]]:
        asked = [{"by": "owner", "to": day} for day in ("2026-09-01", "2026-09-21")]
        items = [item for each in asked for item in report(caller, each, world.at)["items"]]
        return [(item["owner"], item["jobs"], item["cost"]["amount"]) for item in items]

    assert shown() == [("jane-doe", 1, amount), ("joe", 1, amount), ("jane-doe", 1, amount)]
    assert delete_owner("jane-doe", caller, world.at)["jobs"] == 1, "the first job has expired"
    pay_everything(world)
    assert shown() == [(None, 1, amount), ("joe", 1, amount), (None, 1, amount)], "the money stays"
    assert world.due() == [] and delete_owner("jane-doe", caller, world.at)["jobs"] == 0
    assert not [item for item in world.items() if item["sk"].startswith("USAGE#") and later in item["sk"]]


def test_owners_of_another_tenant_or_mode_are_others(world: World, vendor: Vendor) -> None:
    job_id = done(world, vendor, **JANE)
    for caller in (RIVAL, TEST):
        assert delete_owner("jane-doe", caller, world.at)["jobs"] == 0
    pay_everything(world)
    assert world.job(job_id).erase_requested_at is None
