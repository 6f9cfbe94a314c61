"""A person and a garment dropped into one folder are one job, whatever the events do."""

from __future__ import annotations

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fitting_room.actions.requests.ingest import Folder, ingest
from fitting_room.jobs.errors import Refusal
from tests.unit.world import OTHER, TENANT, Vendor, World, failed, finished, picture


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
