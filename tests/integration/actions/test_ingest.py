"""A person and a garment dropped into one folder are one job, whatever the events do."""

from __future__ import annotations

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from fitting_room.actions.drops.folder import Folder
from fitting_room.actions.drops.ingest import ingest
from fitting_room.actions.requests.delete import delete_job
from fitting_room.jobs.errors import Refusal
from fitting_room.stores import media
from tests.integration.world import INBOX, LIVE, OTHER, TENANT, Vendor, World, failed, finished, moment, picture


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

    monkeypatch.setattr("fitting_room.actions.drops.buy.submit", busy)
    drop(world, "person.png")
    with pytest.raises(Refusal):
        ingest(drop(world, "garment.png"), world.at)
    assert world.keys("results/") == []


@pytest.mark.parametrize(
    "key",
    [
        "drop/nobody/look/garment.png",
        "uploads/acme/look/garment.png",
        "drop//look/garment.png",
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


def test_a_name_too_long_for_its_results_is_refused_before_anything_is_bought(world: World) -> None:
    room = 1024 - len(f"results/{TENANT}/drop//error.json")
    for length, told in ((room, True), (room + 1, False)):
        folder = "x" * length
        drop(world, "person.png", folder)
        assert ingest(drop(world, "garment.png", folder), world.at) is None
        assert bool(world.keys(f"results/{TENANT}/drop/{folder}/")) is told
    assert world.executions() == []


def test_a_person_beside_a_table_of_another_name_waits_for_the_garment(world: World) -> None:
    drop(world, "products.csv", data=b"sku,price")
    assert ingest(drop(world, "person.png"), world.at) is None
    told = json.loads(world.read(f"results/{TENANT}/drop/look/status.json"))
    assert (told["status"], told["waiting_for"]) == ("waiting", ["garment.<ext>"])


def put_at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    """All files were put at that moment."""
    real = media.listing
    monkeypatch.setattr(
        media, "listing", lambda *args, **more: (f._replace(modified=moment) for f in real(*args, **more))
    )


def test_files_that_are_put_again_run_again_only_after_the_last_try_failed(world: World, vendor: Vendor) -> None:
    """Not if they were put before that, and not if the last try has succeeded."""
    vendor.starts = [failed("provider_error", retryable=True)]
    drop(world, "person.png")
    first = str(ingest(drop(world, "garment.png"), world.at))
    world.run(first)
    assert error(world)["errors"] == [error(world)["error"]]
    ended = moment(world.job(first).finished_at)

    def put_again(seconds: int) -> str:
        with pytest.MonkeyPatch.context() as patch:
            put_at(patch, ended + timedelta(seconds=seconds))
            return str(ingest(f"drop/{TENANT}/look/person.png", world.at))

    assert put_again(-1) == first
    second = put_again(1)
    assert (world.job(second).retried_from, world.job(first).retried_by) == (first, second)
    assert {put_again(1), put_again(2)} == {second}, "its try is open"
    vendor.starts = [finished(864, 1296)]
    world.run(second)
    assert put_again(60) == second
    names = {key.rpartition("/")[2] for key in world.keys(f"results/{TENANT}/drop/look/")}
    assert names == {"1.png", "result.json"}, "no stale error stands beside the result"


def test_files_of_an_erased_job_are_not_bought_again(world: World, vendor: Vendor) -> None:
    vendor.starts = [finished()]
    keys = [drop(world, name) for name in ("person.png", "garment.png")]
    job_id = str(ingest(keys[0], world.at))
    world.run(job_id)
    delete_job(job_id, LIVE, world.at)
    world.erase()
    assert ingest(keys[0], world.at) is None
    assert world.keys(f"results/{TENANT}/") == [], "the event is late: its files are gone"
    for name in ("person.png", "garment.png"):
        assert ingest(drop(world, name), world.at) is None
    [fault] = error(world)["errors"]
    assert (fault["code"], fault["remedy"]) == ("erased", "Put the files into another folder.")
    assert len(world.executions()) == 1


def test_what_was_told_while_a_job_ran_is_told_after_its_end(world: World, vendor: Vendor) -> None:
    """An error about a file that came too late does not go with the end of the job that came in time."""
    vendor.starts = [finished()]
    drop(world, "person.png")
    job_id = str(ingest(drop(world, "garment.png"), world.at))
    assert ingest(drop(world, "person.jpg"), world.at) is None
    world.run(job_id)
    assert "more than one person" in error(world)["errors"][0]["detail"]
    assert f"results/{TENANT}/drop/look/result.json" in world.keys(f"results/{TENANT}/drop/look/")
    world.remove(f"drop/{TENANT}/look/person.jpg")
    ingest(f"drop/{TENANT}/look/garment.png", world.at)
    assert f"results/{TENANT}/drop/look/error.json" not in world.keys(f"results/{TENANT}/drop/look/")


def test_erasing_a_failed_try_leaves_the_image_that_the_next_one_bought(world: World, vendor: Vendor) -> None:
    drop(world, "job.json", data=b'{"person": "person.png", "garment": "garment.png", "category": "tops"}')
    drop(world, "person.png")
    vendor.starts = [failed("provider_error", retryable=True)]
    first = str(ingest(drop(world, "garment.png"), world.at))
    world.run(first)
    with pytest.MonkeyPatch.context() as patch:
        put_at(patch, moment(world.job(first).finished_at) + timedelta(seconds=1))
        second = str(ingest(f"drop/{TENANT}/look/person.png", world.at))
    vendor.starts = [finished()]
    world.run(second)
    there = world.keys(f"results/{TENANT}/drop/look/")
    assert [key.rpartition("/")[2] for key in there] == ["1.png", "result.json"]
    dropped = world.keys(f"drop/{TENANT}/look/", INBOX)
    delete_job(first, LIVE, world.at)
    world.erase()
    assert world.keys(f"results/{TENANT}/drop/look/") == there
    assert world.keys(f"drop/{TENANT}/look/", INBOX) == dropped, "without its job.json the pair would be bought again"
    delete_job(second, LIVE, world.at)
    world.erase()
    assert world.keys(f"results/{TENANT}/drop/look/") == world.keys(f"drop/{TENANT}/look/", INBOX) == []


def test_erasing_an_earlier_job_leaves_the_image_of_the_job_that_took_its_place(world: World, vendor: Vendor) -> None:
    vendor.starts = [finished(864, 1296)]
    drop(world, "person.png")
    first = str(ingest(drop(world, "garment.png"), world.at))
    world.run(first)
    second = str(ingest(drop(world, "garment.png", data=picture(99, 99, "red")), world.at))
    vendor.starts = [finished(432, 648)]
    world.run(second)
    delete_job(first, LIVE, world.at)
    world.erase()
    [image] = world.job(second).images
    assert world.read(image.key) and f"results/{TENANT}/drop/look/result.json" in world.keys("results/")
