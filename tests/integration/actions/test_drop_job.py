"""A `job.json` in a drop folder: its options, the files it names, and what is wrong with it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fitting_room.actions.drops import job, news
from fitting_room.actions.drops.folder import Folder
from fitting_room.actions.drops.ingest import ingest
from fitting_room.actions.drops.pair import pair_of
from fitting_room.actions.requests.delete import delete_job
from fitting_room.net import safe_http
from fitting_room.net.safe_http import Fetched, FetchFailed
from fitting_room.stores import media
from tests.integration.actions.test_ingest import put_at
from tests.integration.world import INBOX, LIVE, TENANT, Vendor, World, failed, finished, picture

BODY: dict[str, Any] = {
    "person": "anna.jpg",
    "garments": [{"image": "tee.png", "category": "tops"}],
    "provider": "nova_canvas",
    "owner": "jane-doe",
    "output": {"seed": 7},
}


def drop(world: World, name: str, data: bytes | None = None, folder: str = "look") -> str | None:
    return ingest(world.put(name, data or picture(360, 540), folder=f"drop/{TENANT}/{folder}"), world.at)


def order(world: World, body: Any = None, **changes: Any) -> str | None:
    return drop(world, "job.json", json.dumps((body or BODY) | changes).encode())


def told(world: World, name: str) -> dict[str, Any]:
    return dict(json.loads(world.read(f"results/{TENANT}/drop/look/{name}.json")))


def test_the_options_of_a_job_json_are_those_of_the_job(world: World) -> None:
    drop(world, "anna.jpg")
    drop(world, "tee.png", picture(300, 300, "navy"))
    made = world.job(str(order(world)))
    request = made.request
    assert (made.plan, made.mode, made.drop, made.task) == (["nova_canvas"], "live", "look", "try_on")
    assert (request.owner, request.reference, request.output.seed) == ("jane-doe", "look", 7)
    assert {role: source.key for role, source in made.sources.items()} == {
        "person": f"drop/{TENANT}/look/anna.jpg",
        "garment-0": f"drop/{TENANT}/look/tee.png",
    }
    assert world.spent()[0] == 1


def test_a_reference_of_its_own_goes_before_the_folder_s_name(world: World) -> None:
    for name in ("anna.jpg", "tee.png"):
        drop(world, name)
    assert world.job(str(order(world, reference="A-1"))).request.reference == "A-1"


def test_the_name_of_a_folder_is_cut_to_the_length_of_a_reference(world: World) -> None:
    folder = "x" * 129
    for name in ("anna.jpg", "tee.png"):
        drop(world, name, folder=folder)
    made = drop(world, "job.json", json.dumps(BODY).encode(), folder)
    assert world.job(str(made)).request.reference == "x" * 128


def test_it_waits_for_the_files_it_names_and_says_which(world: World) -> None:
    drop(world, "anna.jpg")
    drop(world, "tee.jpg")
    assert order(world) is None
    waiting = told(world, "status")
    assert (waiting["status"], waiting["waiting_for"]) == ("waiting", ["tee.png"])
    assert "The folder has `tee.jpg`" in waiting["detail"]
    made = drop(world, "tee.png")
    assert made and told(world, "status")["job_id"] == made
    assert world.executions() == [made]


def test_all_faults_are_told_before_the_files_are_there(world: World) -> None:
    assert order(world, person="../anna.jpg", garments=[{"image": "tee.png", "category": "topps"}], colour=1) is None
    assert order(world, garments=[{"image": "tee.png", "category": "topps"}], colour=1, output={"count": 99}) is None
    faults = {fault["pointer"]: fault["remedy"] for fault in told(world, "error")["errors"]}
    assert faults.keys() == {"/garments/0/category", "/colour", "/output/count"}
    assert "`tops`" in faults["/garments/0/category"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not valid JSON"),
        (b'{\n  "person": anna.jpg\n}', "in line 2"),
        (b'{"output": {"seed": NaN}}', "not valid JSON"),
        (b"[]", "must hold a JSON object"),
        (b"[" * 100 + b"]" * 100, "levels deep"),
        (b'{"task": "train_subject"}', "trains no subject"),
        (b'{"person": "a/../../b.jpg"}', "no name of a file"),
        (b'{"person": {"upload": "upl_00000000000000000000000000"}, "garment": "tee.png"}', "upload_missing"),
    ],
)
def test_a_job_json_that_is_no_request_is_told_why(world: World, data: bytes, words: str) -> None:
    drop(world, "person.jpg")
    drop(world, "garment.jpg")
    before = world.executions()
    world.put("tee.png", picture(300, 300), folder=f"drop/{TENANT}/other")
    assert drop(world, "job.json", data, "other") is None
    assert words in world.read(f"results/{TENANT}/drop/other/error.json").decode()
    assert world.executions() == before


def test_a_job_json_that_is_too_large_is_not_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "MAX_BYTES", 10)
    assert order(world) is None
    assert told(world, "error")["errors"][0]["code"] == "too_large"


def test_short_forms_links_and_a_mark_at_the_beginning_are_understood(world: World) -> None:
    body = {
        "person": "https://shop.example/anna.jpg",
        "garment": "tee.png",
        "category": "tops",
        "provider": "nova_canvas",
    }
    drop(world, "tee.png")
    made = world.job(str(drop(world, "job.json", b"\xef\xbb\xbf" + json.dumps(body).encode())))
    assert made.sources["person"].url == "https://shop.example/anna.jpg"


def test_an_image_in_the_text_is_staged(world: World) -> None:
    drop(world, "tee.png")
    made = world.job(str(order(world, person={"data": "data:image/png;base64,iVBORw0KGgo="})))
    assert made.sources["person"].key == f"staging/{made.id}/input-person"


def test_a_changed_job_json_is_a_new_job_and_the_same_one_is_not(world: World) -> None:
    for name in ("anna.jpg", "tee.png"):
        drop(world, name)
    one = order(world)
    assert order(world) == one
    assert order(world, owner="june") != one
    assert len(world.executions()) == 2


def test_the_failure_of_a_later_job_takes_the_place_of_the_earlier_result(world: World, vendor: Vendor) -> None:
    vendor.starts = [finished(), failed("pose_not_found")]
    for name in ("anna.jpg", "tee.png"):
        drop(world, name)
    world.run(str(order(world)))
    assert told(world, "result")["status"] == "succeeded"
    world.run(str(order(world, output={"seed": 8})))
    news = {key.rpartition("/")[2] for key in world.keys(f"results/{TENANT}/drop/look/") if key.endswith(".json")}
    assert (news, told(world, "error")["error"]["code"]) == ({"error.json"}, "pose_not_found")


def test_a_job_json_that_changes_while_it_is_read_waits_for_its_own_event(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the new text would be bought twice: once for the old content, and once for its own."""
    for name in ("anna.jpg", "tee.png"):
        drop(world, name)
    real = pair_of

    def meanwhile(files: Any) -> Any:
        world.put("job.json", json.dumps(BODY | {"owner": "june"}).encode(), folder=f"drop/{TENANT}/look")
        return real(files)

    with monkeypatch.context() as patch:
        patch.setattr(job, "pair_of", meanwhile)
        assert order(world) is None
    made = ingest(f"drop/{TENANT}/look/job.json", world.at)
    assert world.job(str(made)).request.owner == "june"
    assert world.executions() == [made]


def test_a_job_json_is_erased_with_the_last_job_that_uses_its_folder(world: World, vendor: Vendor) -> None:
    vendor.starts = [finished()]
    for name in ("anna.jpg", "tee.png"):
        drop(world, name)
    made, changed = str(order(world)), str(order(world, output={"seed": 8}))
    for job_id, left in ((made, ["anna.jpg", "job.json", "tee.png"]), (changed, [])):
        world.run(job_id)
        delete_job(job_id, LIVE, world.at)
        world.erase()
        assert world.keys(f"drop/{TENANT}/look/", INBOX) == [f"drop/{TENANT}/look/{name}" for name in left]


def test_a_job_that_is_erased_while_its_folder_is_told_leaves_no_news(world: World, vendor: Vendor) -> None:
    vendor.starts = [finished()]
    for name in ("anna.jpg", "tee.png"):
        drop(world, name)
    open_job = world.job(str(order(world)))
    world.run(open_job.id)
    delete_job(open_job.id, LIVE, world.at)
    world.erase()
    news.running(Folder(TENANT, "look"), open_job, world.at)
    assert world.keys(f"results/{TENANT}/") == []


def test_a_job_json_whose_link_failed_is_submitted_anew_when_it_is_put_again(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Any] = [FetchFailed("its host answers 503", "Try later.", passing=True)]

    def fetch(*_: Any, **__: Any) -> Fetched:
        if isinstance(answers[0], Exception):
            raise answers[0]
        return Fetched(answers[0], "image/png")

    monkeypatch.setattr(safe_http, "get", fetch)
    vendor.starts = [finished()]
    drop(world, "tee.png")
    tries: list[str] = []
    for _ in range(3):
        put_at(monkeypatch, world.at.now())
        tries.append(str(order(world, person={"url": "https://shop.example/p.png"})))
        assert order(world, person={"url": "https://shop.example/p.png"}) == tries[-1], "an event may come twice"
        world.run(tries[-1])
        world.at.sleep(60)
        if len(tries) == 2:
            assert told(world, "error")["error"]["code"] == "image_unreachable"
            answers[:] = [picture(360, 540)]
    assert len(set(tries)) == 3, "each time it was put again there was a new job"
    assert told(world, "result")["id"] == tries[-1]
    assert "error.json" not in " ".join(world.keys(f"results/{TENANT}/drop/look/"))
    put_at(monkeypatch, world.at.now())
    assert order(world, person={"url": "https://shop.example/p.png"}) == tries[-1], "it has succeeded"
    assert len(vendor.orders) == 1


def test_a_job_json_whose_job_may_be_charged_is_not_bought_again(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safe_http, "get", lambda *_, **__: Fetched(picture(360, 540), "image/png"))
    vendor.starts = [failed("provider_error", "unknown", retryable=True)]
    drop(world, "tee.png")
    put_at(monkeypatch, world.at.now())
    made = str(order(world, person={"url": "https://shop.example/p.png"}))
    world.run(made)
    media.remove(world.keys(f"staging/{made}/"))  # it is days later
    world.at.sleep(60)
    put_at(monkeypatch, world.at.now())
    assert order(world, person={"url": "https://shop.example/p.png"}) is None
    assert told(world, "error")["errors"][0]["code"] == "may_be_charged"
    assert len(vendor.orders) == 1
