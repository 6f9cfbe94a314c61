"""A manifest in a drop folder becomes a batch: each row of the second table of `docs/drop-folder.md`, and the waits."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from fitting_room.actions.batch import expand
from fitting_room.actions.batch.reports import report_link
from fitting_room.actions.drops.ingest import ingest
from fitting_room.actions.requests.batches import delete_batch
from fitting_room.actions.requests.delete import delete_job
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.outcome import Outcome
from fitting_room.stores import batches, media
from tests.deployment import choose
from tests.integration.actions.test_drops import GARMENT, PERSON, TEXT, Drop, dated
from tests.integration.catalogue import Catalogue
from tests.integration.world import INBOX, LIVE, MEDIA, TENANT, Vendor, World, failed, finished, picture

HEAD = "id,person,garment,category\n"
TWO = f"{HEAD}A-1,anna.jpg,tee.png,tops\nB 2,anna.jpg,coat.png,tops\n".encode()
FILES = {"anna.jpg": PERSON, "tee.png": GARMENT, "coat.png": GARMENT + b"0"}
ROW_1, ROW_2 = ({f"row-{name}/{each}" for each in ("1.png", "result.json")} for name in ("2-A-1", "3-B_2"))
REPORTS = {"report.csv", "report.json"}


@dataclass
class Folder(Drop):
    """A folder with a manifest, and the queue that has it looked at again."""

    batches: list[str] = field(default_factory=list)

    def hear(self, *names: str) -> None:
        for name in (names or tuple(self.there)) * 2:
            self._look(f"drop/{TENANT}/{self.folder}/{name}")

    def wait(self, seconds: int) -> None:
        """Let time pass, in which the queue gives out what is due."""
        for _ in range(0, seconds, 30):
            self.world.at.sleep(30)
            for look in [each for each in self.world.looks if each[0] <= self.world.at.now()]:
                self.world.looks.remove(look)
                self._look(look[1]["detail"]["object"]["key"])

    def end(self) -> None:
        catalogue = Catalogue(self.world)
        for made in self.batches:
            if not catalogue.batch(made).over:
                assert self.told("status")["batch_id"] == made
                catalogue.run(made)

    def told(self, name: str) -> dict[str, Any]:
        return dict(json.loads(self.news()[f"{name}.json"]))

    def _look(self, key: str) -> None:
        if (made := ingest(key, self.world.at)) and made not in self.batches:
            self.batches.append(made)


@dataclass
class Case:
    """`late`: what is put later, after so many seconds."""

    files: dict[str, bytes]
    news: set[str]
    says: str = ""
    late: tuple[int, dict[str, bytes]] = (0, {})
    ends: list[Outcome] = field(default_factory=lambda: [finished()])
    again: bool = False


CASES = {
    "`manifest.csv` with two rows, and the files that they name": Case(
        {"manifest.csv": TWO} | FILES, REPORTS | ROW_1 | ROW_2
    ),
    "`manifest.csv`, and the last of its files within 15 minutes": Case(
        {"manifest.csv": TWO, "anna.jpg": PERSON}, REPORTS | ROW_1 | ROW_2, late=(600, FILES)
    ),
    "`manifest.csv`, and only one row's files within 15 minutes": Case(
        {"manifest.csv": TWO, "anna.jpg": PERSON, "tee.png": GARMENT},
        REPORTS | ROW_1,
        says="no file `coat.png`",
        late=(960, {}),
    ),
    "`manifest.csv` of which no row can be run": Case(
        {"manifest.csv": f"{HEAD}A-1,anna.jpg,tee.png,topps\n".encode()} | FILES,
        REPORTS | {"error.json"},
        says="None of the 1 rows",
    ),
    "`manifest.csv` that is no manifest": Case({"manifest.csv": b"PK\x03\x04"}, {"error.json"}, says="an Excel file"),
    "`manifest.csv` and files in a folder below it": Case(
        {
            "manifest.csv": TWO.replace(b"anna", b"photos/anna").replace(b"coat", b"photos/coat"),
            "photos/anna.jpg": PERSON,
        }
        | {"photos/coat.png": GARMENT, "tee.png": GARMENT},
        REPORTS | ROW_1 | ROW_2,
    ),
    "`manifest.csv`, a pair that it names, and nothing else": Case(
        {
            "manifest.csv": f"{HEAD}A-1,person.jpg,garment.png,tops\n".encode(),
            "person.jpg": PERSON,
            "garment.png": GARMENT,
        },
        REPORTS | ROW_1,
    ),
    "`manifest.csv` and `job.json`": Case({"manifest.csv": TWO, "job.json": b"{}"}, {"error.json"}, says="Keep one"),
    "the same manifest again after all its rows succeeded": Case(
        {"manifest.csv": TWO} | FILES, REPORTS | ROW_1 | ROW_2, again=True
    ),
    "the same manifest again after one of two rows failed": Case(
        {"manifest.csv": TWO} | FILES,
        REPORTS | ROW_1 | ROW_2,
        ends=[failed("content_blocked"), finished()],
        again=True,
    ),
}


def documented() -> dict[str, int]:
    table = TEXT.split("| you put |")[2].partition("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return {row[0]: int(row[2]) for row in rows}


def test_each_documented_behaviour_is_tried() -> None:
    assert documented().keys() == CASES.keys()


@pytest.fixture
def folder(world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> Folder:
    choose(monkeypatch, daily_images=1000, daily_usd=100.0)
    vendor.starts = [finished()]
    folder = Folder(world, vendor, "cat")
    monkeypatch.setattr(media, "listing", dated(folder))
    return folder


@pytest.mark.parametrize("row", CASES)
def test_what_appears_does_not_depend_on_the_order_of_events(
    world: World, vendor: Vendor, folder: Folder, row: str
) -> None:
    case, before = CASES[row], _jobs(world)
    vendor.starts = list(case.ends)
    for name in random.sample(list(case.files), len(case.files)):
        folder.put(name, case.files[name])
    folder.hear()
    seconds, late = case.late
    if seconds:
        assert folder.told("status")["status"] == "waiting" and not folder.batches
        folder.wait(seconds // 2)
        for name, data in late.items():
            folder.put(name, data)
            folder.hear(name)
        folder.wait(seconds)
    folder.end()
    folder.hear(*reversed(folder.there))
    if case.again:
        world.at.sleep(60)
        folder.put("manifest.csv", case.files["manifest.csv"])
        folder.hear()
        folder.end()
        folder.hear()
    assert not world.looks, "nobody looks any more"
    told = folder.news()
    assert told.keys() == case.news
    assert case.says in "".join(told.values())
    assert _jobs(world) - before == documented()[row]


def _jobs(world: World) -> int:
    return sum(item["sk"] == "JOB" for item in world.items())


def test_it_is_looked_at_by_its_own_events_alone_and_says_what_is_missing(world: World, folder: Folder) -> None:
    folder.put("manifest.csv", TWO)
    folder.put("anna.jpg", PERSON)
    folder.put("tee.png", b"")
    folder.hear("manifest.csv")
    assert (folder.told("status")["waiting_for"], len(world.looks)) == (["tee.png", "coat.png"], 2)
    folder.hear("anna.jpg", "tee.png")
    assert len(world.looks) == 2, "an image has nobody look"


def test_the_last_look_comes_when_the_time_is_over(world: World, folder: Folder) -> None:
    folder.put("manifest.csv", TWO)
    folder.hear("manifest.csv")
    folder.wait(870)
    assert folder.told("status")["status"] == "waiting"
    folder.wait(60)
    [made] = folder.batches
    folder.end()
    assert Catalogue(world).counts(made) == {"rows": 2, "invalid": 2}
    assert folder.told("error")["errors"][0]["detail"].startswith("None of the 2 rows")


def test_a_message_that_is_lost_with_its_function_is_sent_again(
    world: World, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look is asked for before anything is told: the event of a function that dies in between comes again."""
    folder.put("manifest.csv", TWO)
    with monkeypatch.context() as patch:
        patch.setattr(media, "put", _away)
        with pytest.raises(TimeoutError):
            folder.hear("manifest.csv")
    assert len(world.looks) == 1


def _away(*_: Any, **__: Any) -> None:
    raise TimeoutError("S3 is away")


def test_a_batch_is_the_folder_s(world: World, folder: Folder) -> None:
    folder.put("manifest.jsonl", b'{"person": "anna.jpg", "garment": "tee.png", "category": "tops", "owner": "jane"}\n')
    for name, data in FILES.items():
        folder.put(name, data)
    folder.hear()
    [made] = folder.batches
    batch = batches.get(made, world.at.now())
    assert batch and (batch.reference, batch.drop, batch.mode) == ("cat", "cat", "live")
    folder.end()
    [job] = Catalogue(world).jobs(made)
    assert (job.owner, job.results_prefix) == ("jane", f"results/{TENANT}/drop/cat/row-1")
    assert "row-1/1.png" in folder.news()


def test_a_manifest_that_changes_before_it_is_read_is_run_once(world: World, folder: Folder) -> None:
    for name, data in ({"manifest.csv": TWO} | FILES).items():
        folder.put(name, data)
    folder.hear()
    folder.put("manifest.csv", TWO.replace(b"A-1", b"A-2"))
    folder.hear("manifest.csv")
    first, second = folder.batches
    catalogue = Catalogue(world)
    catalogue.run(first)
    catalogue.run(second)
    assert "changed or removed" in catalogue.view(first)["errors"][0]["detail"]
    assert (catalogue.jobs(first), catalogue.counts(second)["succeeded"]) == ([], 2)


def test_a_manifest_that_is_too_large_is_told(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expand, "MAX_BYTES", 100)
    monkeypatch.setattr("fitting_room.actions.drops.manifest.MAX_BYTES", 100)
    for name, data in FILES.items():
        folder.put(name, data)
    folder.put("manifest.csv", TWO + b"\n" * 100)
    folder.hear()
    folder.end()
    assert "larger than 100 bytes" in folder.told("error")["errors"][0]["detail"]


def test_a_folder_whose_name_leaves_no_room_for_the_results_of_rows_buys_nothing(folder: Folder) -> None:
    folder.folder = "x" * 920
    for name, data in ({"manifest.csv": TWO} | FILES).items():
        folder.put(name, data)
    folder.hear()
    assert "too long for the keys of its results" in folder.told("error")["errors"][0]["detail"]
    assert folder.batches == []


@pytest.fixture
def twice(world: World, folder: Folder, vendor: Vendor) -> tuple[str, str]:
    """The batches of a manifest that was put once more, because one of its two rows had failed."""
    vendor.starts = [finished(), failed("content_blocked")]
    for name, data in ({"manifest.csv": TWO} | FILES | {"coat.png": picture(300, 300, "red")}).items():
        folder.put(name, data)
    folder.hear()
    folder.end()
    world.at.sleep(60)
    folder.put("manifest.csv", TWO)
    vendor.starts = [finished(432, 648)]
    folder.hear("manifest.csv")
    folder.end()
    first, second = folder.batches
    return first, second


def test_erasing_a_batch_leaves_what_the_next_batch_of_the_folder_shows(
    world: World, folder: Folder, twice: tuple[str, str]
) -> None:
    shown = folder.news()
    assert shown.keys() == REPORTS | ROW_1 | ROW_2
    for batch_id, left in zip(twice, (shown, {}), strict=True):
        delete_batch(batch_id, LIVE, world.at)
        world.erase()
        for _ in range(3):
            world.at.sleep(200)
            world.sweep()
            world.erase()
        assert folder.news() == left
    assert not world.keys("results/")


def test_a_row_whose_file_was_missing_runs_when_the_manifest_is_put_again(world: World, folder: Folder) -> None:
    for name in ("anna.jpg", "tee.png"):
        folder.put(name, FILES[name])
    folder.put("manifest.csv", TWO)
    folder.hear()
    folder.wait(960)
    folder.end()
    folder.put("coat.png", picture(300, 300, "red"))
    world.at.sleep(60)
    folder.put("manifest.csv", TWO)
    folder.hear("manifest.csv")
    folder.end()
    counts = [Catalogue(world).counts(each) for each in folder.batches]
    assert counts == [{"rows": 2, "invalid": 1, "succeeded": 1}, {"rows": 2, "succeeded": 2, "reused": 1}]


def test_erasing_a_batch_leaves_a_manifest_that_has_changed_since(world: World, folder: Folder) -> None:
    for name, data in ({"manifest.csv": TWO} | FILES).items():
        folder.put(name, data)
    folder.hear()
    folder.end()
    folder.put("manifest.csv", TWO.replace(b"A-1", b"A-2"))
    delete_batch(folder.batches[0], LIVE, world.at)
    world.erase()
    folder.hear("manifest.csv")
    assert len(folder.batches) == 2
    Catalogue(world).run(folder.batches[1])
    delete_batch(folder.batches[1], LIVE, world.at)
    world.erase()
    assert not [key for key in world.keys("drop/", INBOX) if "manifest" in key]


def test_each_batch_of_a_folder_has_its_own_reports(world: World, folder: Folder, twice: tuple[str, str]) -> None:
    catalogue, (first, second) = Catalogue(world), twice

    def told(batch_id: str) -> dict[str, Any]:
        text = httpx.URL(report_link(catalogue.batch(batch_id), "json", world.at)).path.rpartition(f"/{MEDIA}/")[2]
        return dict(json.loads(world.read(text.removeprefix("/"))))

    assert [told(each)["batch"]["id"] for each in twice] == [first, second]
    shown = folder.told("report")
    assert shown == told(second)
    delete_job(catalogue.jobs(first)[1].id, LIVE, world.at)
    world.erase()
    assert (folder.told("report"), told(second)) == (shown, shown), "they do not tell of the erased job"
    with pytest.raises(Refusal, match="written anew"):
        told(first)
    catalogue.run(first)
    assert (told(first)["rows"][1]["status"], folder.told("report")) == ("erased", shown)
    delete_job(catalogue.jobs(second)[1].id, LIVE, world.at)
    world.erase()
    assert not REPORTS & folder.news().keys(), "they told of it"
