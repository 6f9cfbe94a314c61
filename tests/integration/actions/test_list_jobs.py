"""A tenant's jobs, page by page, while others are submitted; and what a key is told of its account."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest

from fitting_room import clock
from fitting_room.actions.requests.account import account
from fitting_room.actions.requests.list_jobs import list_jobs
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.job import Job
from fitting_room.stores import aws, jobs
from fitting_room.stores.api_keys import Caller
from tests.deployment import choose
from tests.integration.world import LIVE, OTHER, RIVAL, TENANT, TEST, Vendor, World, failed, finished


def page(world: World, caller: Caller = LIVE, /, **asked: str) -> dict[str, Any]:
    return list_jobs(caller, asked, world.at)


def ids(world: World, caller: Caller = LIVE, /, **asked: str) -> list[str]:
    return [item["id"] for item in page(world, caller, **asked)["items"]]


def faults(world: World, **asked: str) -> list[str | None]:
    with pytest.raises(Refusal) as refused:
        page(world, **asked)
    assert refused.value.status == 400
    return [fault.pointer for fault in refused.value.faults]


def store(world: World, like: Job, count: int) -> list[str]:
    """Store copies of a job, a second apart, oldest first."""
    made = []
    with aws.table().batch_writer() as batch:
        for _ in range(count):
            world.at.sleep(1)
            copy = like.model_copy(update={"id": world.at.new_id("job"), "created_at": clock.text(world.at.now())})
            batch.put_item(Item=jobs.item(copy))
            made.append(copy.id)
    return made


def test_400_jobs_are_listed_while_others_are_added_none_twice_and_none_missing(world: World) -> None:
    like = world.submit().job
    before = store(world, like, 399)
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = page(world, **cursor)
        seen += [item["id"] for item in answer["items"]]
        if answer["next_cursor"] is None:
            break
        cursor = {"cursor": answer["next_cursor"]}
        store(world, like, 11)
    assert world.at.count > 400 + 2 * 11
    assert seen == [*reversed(before), like.id]


def test_a_page_holds_as_many_as_asked_for_and_the_last_one_has_no_cursor(world: World) -> None:
    made = [world.submit().job.id for _ in range(5)]
    first = page(world, limit="2")
    second = page(world, limit="2", cursor=first["next_cursor"])
    third = page(world, limit="2", cursor=second["next_cursor"])
    assert [[item["id"] for item in each["items"]] for each in (first, second, third)] == [
        [made[4], made[3]],
        [made[2], made[1]],
        [made[0]],
    ]
    assert third["next_cursor"] is None


def test_a_key_lists_its_own_tenant_and_mode_only(world: World) -> None:
    live, test = world.submit().job.id, world.submit(mode="test").job.id
    assert (ids(world), ids(world, TEST), ids(world, RIVAL)) == ([live], [test], [])
    cursor = page(world, limit="1", cursor=jobs._cursor("job_" + "7" + "Z" * 25))  # of another list: only a place
    assert [item["id"] for item in cursor["items"]] == [live]


def test_each_filter_finds_its_jobs(world: World, vendor: Vendor) -> None:
    vendor.starts = [failed("content_blocked"), finished()]
    broken = world.submit(owner="jane", reference="A-1").job.id
    world.run(broken)
    world.at.sleep(1)
    middle = clock.text(world.at.now())
    world.at.sleep(1)
    made = world.submit(owner="joe").job.id
    world.run(made)
    open_one = world.submit(owner="jane").job.id
    for asked, found in (
        ({"owner": "jane"}, [open_one, broken]),
        ({"reference": "A-1"}, [broken]),
        ({"status": "failed"}, [broken]),
        ({"status": "succeeded", "owner": "jane"}, []),
        ({"task": "try_on"}, [open_one, made, broken]),
        ({"task": "inpaint"}, []),
        ({"provider": "nova_canvas", "status": "succeeded"}, [made]),
        ({"provider": "fashn"}, []),
        ({"created_after": middle}, [open_one, made]),
        ({"created_before": middle}, [broken]),
        ({"created_after": middle, "created_before": middle}, []),
        ({"created_after": "2026-12-01T00:00:00+01:00"}, []),
    ):
        assert ids(world, **asked) == found, asked


def test_a_job_is_found_by_the_provider_that_did_it(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    vendor.starts = [failed("provider_unavailable"), finished(864, 1296)]
    job_id = world.submit(provider="nova_canvas", fallback=["tryiton"]).job.id
    assert (ids(world, provider="nova_canvas"), ids(world, provider="tryiton")) == ([job_id], [])
    world.run(job_id)
    assert (ids(world, provider="nova_canvas"), ids(world, provider="tryiton")) == ([], [job_id])


def test_the_times_of_a_filter_go_on_over_pages(world: World) -> None:
    like = world.submit().job
    made = store(world, like, 30)
    after, before = (world.job(made[n]).created_at for n in (4, 25))
    first = page(world, limit="15", created_after=after, created_before=before)
    rest = ids(world, limit="15", created_after=after, created_before=before, cursor=first["next_cursor"])
    assert [item["id"] for item in first["items"]] + rest == made[24:4:-1]


def test_an_erased_job_is_not_listed(world: World) -> None:
    from fitting_room.actions.requests.delete import delete_job

    job_id = world.submit().job.id
    world.cancel(job_id)
    delete_job(job_id, LIVE, world.at)
    world.erase()
    assert ids(world) == []


def test_everything_wrong_with_a_query_is_told_at_once(world: World) -> None:
    sent = {"limit": "0", "status": "done", "task": "x", "created_after": "2026-01-01", "cursor": "x", "colour": "red"}
    assert sorted(map(str, faults(world, **sent))) == sorted(f"/{name}" for name in sent)


@pytest.mark.parametrize("limit", ["0", "101", "-1", "ten", "1.5", "", "١"])
def test_a_limit_is_1_to_100(world: World, limit: str) -> None:
    assert faults(world, limit=limit) == ["/limit"]


def test_a_cursor_that_was_not_given_out_is_refused(world: World) -> None:
    world.submit()
    world.submit()
    cursor = str(page(world, limit="1")["next_cursor"])
    other = base64.urlsafe_b64encode(world.at.new_id("sub").encode()).decode().rstrip("=")
    for wrong in ("", "!", cursor[:-1], cursor + "=", cursor + "A", cursor.lower(), "!" + cursor, other, "é"):
        assert faults(world, cursor=wrong) == ["/cursor"], wrong


def test_an_account_tells_what_is_left_of_the_day(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.starts = [finished()]
    world.run(world.submit().job.id)
    world.submit()
    told = account(LIVE._replace(scopes=frozenset({"read", "submit"}), providers=frozenset({"nova_canvas"})), world.at)
    assert told == {
        "tenant": TENANT,
        "mode": "live",
        "scopes": ["submit", "read"],
        "providers": ["nova_canvas"],
        "budget": {
            "day": "2026-09-01",
            "renewed_at": "2026-09-02T00:00:00.000Z",
            "images": {"limit": 10, "used": 2, "left": 8},
            "usd": {"limit": 1.0, "used": told["budget"]["usd"]["used"], "left": 1 - told["budget"]["usd"]["used"]},
        },
    }
    assert 0.04 < told["budget"]["usd"]["used"] < 0.2
    assert account(RIVAL, world.at)["tenant"] == OTHER
    choose(monkeypatch, daily_images=1)
    assert account(LIVE, world.at)["budget"]["images"] == {"limit": 1, "used": 2, "left": 0}


def test_an_account_of_a_test_key_counts_jobs(world: World) -> None:
    world.submit(mode="test")
    assert account(TEST, world.at)["budget"]["jobs"] == {"limit": 500, "used": 1, "left": 499}
    world.at.sleep(timedelta(days=1).total_seconds())
    assert account(TEST, world.at)["budget"]["jobs"]["used"] == 0
