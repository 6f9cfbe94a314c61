"""A person and a garment dropped into one folder are one job, whatever the events do."""

from __future__ import annotations

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from fitting_room.actions.requests.ingest import Folder, ingest
from fitting_room.jobs.errors import Refusal
from fitting_room.stores import media
from tests.integration.world import OTHER, TENANT, Vendor, World, failed, finished, moment, picture


@pytest.fixture(autouse=True)
def configured(world: World) -> None:
    world.configure("tryiton")  # a drop names no category, which Nova Canvas needs


def drop(world: World, name: str, folder: str = "look", tenant: str = TENANT, data: bytes | None = None) -> str:
    return world.put(
        name, data or picture(360, 540, "navy" if name.startswith("g") else "teal"), folder=f"drop/{tenant}/{folder}"
    )


def error(world: World, folder: str = "look") -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(world.read(f"results/{TENANT}/drop/{folder}/error.json"))
    return answer


@pytest.mark.parametrize("order", [("person.png", "garment.png"), ("garment.png", "person.png")])
def test_the_second_file_makes_the_job_in_either_order(world: World, order: tuple[str, str]) -> None:
    assert ingest(drop(world, order[0]), world.at) is None
    job_id = ingest(drop(world, order[1]), world.at)
    assert world.executions() == [job_id]
    job = world.job(str(job_id))
    assert {role: source.key for role, source in job.sources.items()} == {
        "person": f"drop/{TENANT}/look/person.png",
        "garment-0": f"drop/{TENANT}/look/garment.png",
    }
    assert (job.tenant, job.drop, job.request.reference, job.mode) == (TENANT, "look", "look", "live")


@pytest.mark.parametrize("events", sorted(set(itertools.permutations("ppgg"))))
def test_doubled_and_interleaved_events_make_one_job(world: World, events: tuple[str, ...]) -> None:
    keys = {"p": drop(world, "person.png"), "g": drop(world, "garment.png")}
    assert len({ingest(keys[event], world.at) for event in events}) == 1
    assert len(world.executions()) == 1
    assert world.spent()[0] == 1


def test_events_handled_at_the_same_moment_make_one_job(world: World, one_at_a_time: None) -> None:
    keys = [drop(world, "person.png"), drop(world, "garment.png")] * 4
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda key: ingest(key, world.at), keys))) == 1
    assert len(world.executions()) == 1


def test_a_new_picture_in_the_folder_is_a_new_job(world: World) -> None:
    drop(world, "person.png")
    one = ingest(drop(world, "garment.png"), world.at)
    two = ingest(drop(world, "garment.png", data=picture(300, 300, "red")), world.at)
    assert one and two and one != two


def test_events_of_days_ago_do_not_make_the_job_again(world: World) -> None:
    drop(world, "person.png")
    key = drop(world, "garment.png")
    one = ingest(key, world.at)
    world.at.sleep(10 * 24 * 3600)
    assert ingest(key, world.at) == one


@pytest.mark.parametrize("folder", ["summer", "2026/summer sale/A-1", "naïve", "a..b", "x" * 200])
def test_folders_may_be_deep_and_have_any_name(world: World, folder: str) -> None:
    drop(world, "Person.JPG", folder)
    job_id = ingest(drop(world, "garment.webp", folder), world.at)
    assert job_id, error(world, folder)
    assert world.job(job_id).results_prefix == f"results/{TENANT}/drop/{folder}"


def test_what_else_lies_in_the_folder_or_below_it_does_not_matter(world: World) -> None:
    for n in range(30):
        drop(world, f"a{n:02}/person.png")
    for name in ("notes.txt", "personal.png", "person", "old-garment.png"):
        drop(world, name)
    drop(world, "person.png")
    assert ingest(drop(world, "garment.png"), world.at)
    assert len(world.executions()) == 1


def test_two_persons_are_told_and_bought_not(world: World) -> None:
    drop(world, "person.png")
    drop(world, "garment.png")
    assert ingest(drop(world, "person.jpg"), world.at) is None
    told = error(world)
    assert told["status"] == "refused"
    assert (told["errors"][0]["pointer"], told["errors"][0]["code"]) == ("/person", "invalid_input")
    assert "more than one person" in told["errors"][0]["detail"]
    assert world.executions() == []


def test_a_refusal_becomes_a_readable_file(world: World) -> None:
    for _ in range(2):
        world.submit(output={"count": 5}, provider="nova_canvas")
    drop(world, "person.png")
    assert ingest(drop(world, "garment.png"), world.at) is None
    assert error(world)["errors"][0]["code"] == "budget_exceeded"
    assert "operator" in error(world)["errors"][0]["remedy"]


def test_a_busy_table_is_tried_again_by_the_queue(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: Any, **__: Any) -> None:
        raise Refusal.of("throttled", "Too many.", "Again.")

    monkeypatch.setattr("fitting_room.actions.requests.ingest.submit", busy)
    drop(world, "person.png")
    with pytest.raises(Refusal):
        ingest(drop(world, "garment.png"), world.at)
    assert world.keys("results/") == []


@pytest.mark.parametrize(
    "key",
    [
        "drop/nobody/look/garment.png",
        "uploads/acme/look/garment.png",
        f"drop/{TENANT}/garment.png",
        "drop//look/garment.png",
        f"drop/{TENANT}//garment.png",
        "garment.png",
        "",
    ],
)
def test_files_of_no_tenants_folder_are_ignored(world: World, key: str) -> None:
    assert ingest(key, world.at) is None
    assert (world.executions(), world.keys("")) == ([], [])


def test_keys_are_taken_as_they_are(world: World) -> None:
    """EventBridge does not encode them: a plus is a plus."""
    drop(world, "person.png", "a+b%20c")
    assert ingest(drop(world, "garment.png", "a+b%20c"), world.at)
    assert Folder.of(f"drop/{OTHER}/a/b/garment.png") == (OTHER, "a/b")


def test_the_picture_and_the_result_lie_under_the_mirrored_path(world: World, vendor: Vendor) -> None:
    vendor.starts = [finished()]
    drop(world, "person.png", "2026/look")
    job_id = ingest(drop(world, "garment.png", "2026/look"), world.at)
    world.run(str(job_id))
    assert world.keys("results/") == [f"results/{TENANT}/drop/2026/look/{name}" for name in ("1.png", "result.json")]
    told = json.loads(world.read(f"results/{TENANT}/drop/2026/look/result.json"))
    assert (told["status"], told["images"][0]["s3"]) == (
        "succeeded",
        f"s3://media-bucket/results/{TENANT}/drop/2026/look/1.png",
    )
    assert "url" not in told["images"][0]
    assert world.due() == []


def test_a_job_that_failed_leaves_a_readable_error(world: World, vendor: Vendor) -> None:
    vendor.starts = [failed("pose_not_found")]
    drop(world, "person.png")
    job_id = ingest(drop(world, "garment.png"), world.at)
    world.run(str(job_id))
    assert (error(world)["status"], error(world)["error"]["code"]) == ("failed", "pose_not_found")


@pytest.mark.parametrize(
    "beside",
    ["person.AAE", "garment.xmp", "garment.txt", "person.png.crdownload", ".person.png", "Thumbs.db", "person"],
)
def test_what_is_no_image_is_ignored(world: World, beside: str) -> None:
    drop(world, beside)
    drop(world, "person.jpg")
    assert ingest(drop(world, "garment.png"), world.at)
    assert world.keys(f"results/{TENANT}/drop/look/") == []


@pytest.mark.parametrize("name", ["person (1).png", "model.jpg", "garment1.png", "person .png", "tee.webp"])
def test_an_image_of_another_name_is_told_while_the_pair_is_not_there(world: World, name: str) -> None:
    assert ingest(drop(world, name), world.at) is None
    [fault] = error(world)["errors"]
    assert name in fault["detail"]
    assert "person.<ext>" in fault["remedy"]
    drop(world, "person.png")
    assert ingest(drop(world, "garment.png"), world.at)
    assert world.keys(f"results/{TENANT}/drop/look/") == [], "the news of before is gone"


@pytest.mark.parametrize(("there", "missing"), [("person.png", "garment"), ("garment.png", "person")])
def test_half_a_folder_says_what_it_waits_for(world: World, vendor: Vendor, there: str, missing: str) -> None:
    vendor.starts = [finished(864, 1296)]
    ingest(drop(world, there), world.at)
    news = json.loads(world.read(f"results/{TENANT}/drop/look/status.json"))
    assert (news["status"], missing in news["detail"]) == ("waiting", True)
    job_id = ingest(drop(world, f"{missing}.png"), world.at)
    world.run(str(job_id))
    names = {key.rpartition("/")[2] for key in world.keys(f"results/{TENANT}/drop/look/")}
    assert names == {"1.png", "result.json"}


def test_a_file_that_lies_in_no_folder_is_told(world: World) -> None:
    key = world.put("person.png", picture(360, 540), folder=f"drop/{TENANT}")
    assert ingest(key, world.at) is None
    told = json.loads(world.read(f"results/{TENANT}/drop/error.json"))
    assert "lies in no folder" in told["errors"][0]["detail"]


@pytest.mark.parametrize("folder", ["a/../b", "./a", ".."])
def test_a_folder_that_a_client_would_walk_out_of_is_refused_in_its_own_words(world: World, folder: str) -> None:
    drop(world, "person.png", folder)
    assert ingest(drop(world, "garment.png", folder), world.at) is None
    assert "`.` or `..`" in error(world, folder)["errors"][0]["detail"]


def test_a_name_too_long_for_its_results_is_refused_before_anything_is_bought(world: World) -> None:
    room = 1024 - len(f"results/{TENANT}/drop//error.json")
    for length, told in ((room, True), (room + 1, False)):
        folder = "x" * length
        drop(world, "person.png", folder)
        assert ingest(drop(world, "garment.png", folder), world.at) is None
        assert bool(world.keys(f"results/{TENANT}/drop/{folder}/")) is told
    assert world.executions() == []


def put_at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    """All files were put at that moment."""
    real = media.listing
    monkeypatch.setattr(
        media, "listing", lambda *args, **more: (f._replace(modified=moment) for f in real(*args, **more))
    )


def test_files_that_are_put_again_after_a_failure_that_may_pass_run_again(world: World, vendor: Vendor) -> None:
    vendor.starts = [failed("rate_limited", retryable=True)]
    drop(world, "person.png")
    first = str(ingest(drop(world, "garment.png"), world.at))
    world.run(first)
    assert error(world)["error"]["retryable"] is True
    ended = moment(world.job(first).finished_at)
    for seconds, again in ((-1, False), (1, True)):
        with pytest.MonkeyPatch.context() as patch:
            put_at(patch, ended + timedelta(seconds=seconds))
            second = str(ingest(f"drop/{TENANT}/look/person.png", world.at))
        assert (second != first) is again
    vendor.starts = [finished(864, 1296)]
    world.run(second)
    names = {key.rpartition("/")[2] for key in world.keys(f"results/{TENANT}/drop/look/")}
    assert names == {"1.png", "result.json"}, "no stale error stands beside the result"
