"""Each row of the table of behaviours in `docs/drop-folder.md`: events in every order, doubled, and late."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from fitting_room.actions.drops import files
from fitting_room.actions.drops.ingest import ingest
from fitting_room.jobs.job import Reservation
from fitting_room.jobs.outcome import Outcome
from fitting_room.stores import budgets, media
from infra.constructs.bundle import ROOT
from tests.deployment import choose
from tests.integration.world import TENANT, Vendor, World, failed, finished, picture
from tests.unit.memory import NOON

TEXT = (ROOT / "docs" / "drop-folder.md").read_text(encoding="utf-8")
PERSON, GARMENT = picture(360, 540), picture(300, 300, "navy")
ORDER = {"person": "anna.jpg", "garments": [{"image": "tee.png", "category": "tops"}], "owner": "jane"}


def job_json(**changes: Any) -> bytes:
    return json.dumps(ORDER | changes).encode()


@dataclass
class Drop:
    """A folder, and everything that is heard of it. `folder` is its path below the tenant's."""

    world: World
    vendor: Vendor
    folder: str
    there: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    put_at: dict[str, datetime] = field(default_factory=dict)

    def put(self, name: str, data: bytes) -> None:
        self.world.put(name, data, folder=f"drop/{TENANT}/{self.folder}".rstrip("/"))
        self.there.append(name)
        self.put_at[f"drop/{TENANT}/{self.folder}/{name}"] = self.world.at.now()

    def hear(self, *names: str) -> None:
        """Look at what is told of these files, or of all, twice."""
        for name in (names or tuple(self.there)) * 2:
            key = f"drop/{TENANT}/{self.folder}/{name}" if self.folder else f"drop/{TENANT}/{name}"
            if (job_id := ingest(key, self.world.at)) and job_id not in self.jobs:
                self.jobs.append(job_id)

    def end(self) -> None:
        """Let the open jobs run to their ends."""
        for job_id in self.jobs:
            if not (job := self.world.job(job_id)).final:
                told = json.loads(self.world.read(f"results/{TENANT}/drop/{job.drop}/status.json"))
                assert (told["status"], told["job_id"]) == ("running", job_id)
                self.world.run(job_id)

    def news(self) -> dict[str, str]:
        prefix = f"results/{TENANT}/drop/{self.folder}".rstrip("/") + "/"
        return {key.removeprefix(prefix): self._text(key) for key in self.world.keys(prefix)}

    def _text(self, key: str) -> str:
        return self.world.read(key).decode() if key.endswith(".json") else "an image"


Story = Callable[[Drop], None]
DONE = {"1.png": "image", "result.json": '"succeeded"'}


@dataclass
class Case:
    """`files`: by name, what is put. `news`: by name, what the object must say. `story`: what happens after the first end.

    `one_by_one`: also true if each file is looked at before the next one comes.
    """

    files: dict[str, bytes]
    news: dict[str, str] = field(default_factory=lambda: DONE)
    one_by_one: bool = True
    ends: Outcome = field(default_factory=finished)
    story: Story | None = None
    folder: str = ""
    spent: int = 0


def pair(**more: bytes) -> dict[str, bytes]:
    return {"person.jpg": PERSON, "garment.png": GARMENT, **more}


def named(*names: str) -> dict[str, bytes]:
    return dict.fromkeys(names, PERSON)


def refused(words: str) -> dict[str, str]:
    return {"error.json": words}


def again(**changed: bytes) -> Story:
    """Put the files once more after the end of their job, some of them changed."""

    def story(drop: Drop) -> None:
        drop.world.at.sleep(1)
        for name, data in (pair() | changed).items():
            drop.put(name, data)
        drop.vendor.starts = [finished()]
        drop.hear()
        drop.end()
        drop.hear()

    return story


def removed(drop: Drop) -> None:
    drop.world.remove(f"drop/{TENANT}/{drop.folder}/person.jpg")
    drop.put("garment.png", GARMENT)
    drop.hear()


def too_late(drop: Drop) -> None:
    drop.put("job.json", job_json(person="person.jpg", garments=[{"image": "garment.png"}]))
    drop.hear()
    drop.end()
    drop.hear()


SIDECARS = dict.fromkeys((".DS_Store", "Thumbs.db", "._person.jpg", "person.xmp", "~$list.xlsx", "notes.txt"), b"x")
CASES: dict[str, Case] = {
    "a pair: `person.jpg` and `garment.png`": Case(pair()),
    "a pair in capitals: `PERSON.JPG` and `Garment.HEIC`": Case({"PERSON.JPG": PERSON, "Garment.HEIC": GARMENT}),
    "a pair and sidecars (`.DS_Store`, `Thumbs.db`, `._person.jpg`, `person.xmp`, `~$list.xlsx`, `notes.txt`)": Case(
        pair() | SIDECARS
    ),
    "a pair and other images": Case(pair() | named("old.png", "person (1).jpg")),
    "sidecars alone": Case(SIDECARS, {}),
    "`person.jpg` alone": Case(named("person.jpg"), {"status.json": "garment.<ext>"}),
    "`person.jpg`, which is removed again, and then `garment.png`": Case(
        named("person.jpg"), {"status.json": "person.<ext>"}, story=removed
    ),
    "`persn.jpg` and `garment.png`": Case(named("persn.jpg", "garment.png"), refused("Name it `person.jpg`.")),
    "`Person .jpg` and `garment.png`": Case(named("Person .jpg", "garment.png"), refused("Name it `person.jpg`.")),
    "`person.jpg` and `tee.png`": Case(named("person.jpg", "tee.png"), refused("Name it `garment.png`.")),
    "images that match nothing (`anna.jpg`, `tee.png`)": Case(named("anna.jpg", "tee.png"), refused("`anna.jpg` is")),
    "two persons (`person.jpg`, `person.png`) and `garment.png`": Case(
        pair() | named("person.png"), refused("more than one person"), one_by_one=False
    ),
    "`person.jpg` of zero bytes and `garment.png`": Case(
        pair() | {"person.jpg": b""}, refused("`person.jpg` is empty")
    ),
    "a pair that the provider refuses": Case(pair(), refused("pose_not_found"), ends=failed("pose_not_found")),
    "a pair that the budget does not cover": Case(pair(), refused("budget_exceeded"), spent=1000),
    "two folders, one in the other, with a pair each": Case(
        pair() | {f"blue/{name}": data for name, data in pair().items()}
    ),
    "a file in no folder: `drop/<tenant>/person.jpg`": Case(
        named("person.jpg"), refused("lies in no folder"), folder="/"
    ),
    "a pair in a folder whose name has a part `..`, or none between two slashes": Case(
        pair(), refused("two slashes"), folder="a//b"
    ),
    "a pair in a folder whose name is too long for its results": Case(pair(), refused("too long"), folder="x" * 986),
    "more than 2,000 files without a manifest": Case(
        pair() | named("a.jpg", "b.jpg"), refused("more than 3 files"), one_by_one=False
    ),
    "a table or a document of another name (`products.csv`) alone": Case(
        {"products.csv": b"person,garment"}, refused("Name it `manifest.csv`")
    ),
    "a pair and a misspelt order (`Job.json`, `job.json.txt`, `manifest.xlsx`)": Case(
        pair() | {"Job.json": job_json()}, refused("Name it `job.json`"), one_by_one=False
    ),
    "`job.json` and the files it names": Case({"job.json": job_json()} | named("anna.jpg", "tee.png")),
    "`job.json` and a part of the files it names": Case(
        {"job.json": job_json()} | named("anna.jpg", "tee.PNG"), {"status.json": '"tee.png"'}
    ),
    "`job.json` with mistakes": Case(
        {"job.json": job_json(provider="fash", garments=[{"image": "tee.png", "category": "topps"}])},
        refused("/garments/0/category"),
    ),
    "`job.json` that is no JSON": Case({"job.json": b'{\n"person": anna.jpg}'}, refused("in line 2")),
    "`job.json` that names a file outside its folder": Case(
        {"job.json": job_json(person="../anna.jpg")}, refused("/person")
    ),
    "`job.json` and files in a folder below it": Case(
        {"job.json": job_json(person="photos/person.jpg", garments=[{"image": "photos/garment.png"}])}
        | named("photos/person.jpg", "photos/garment.png"),
        one_by_one=False,
    ),
    "`job.json` after its pair was bought": Case(
        pair(), DONE | {"error.json": "before `job.json` came"}, story=too_late
    ),
    "a pair with another garment, after its job": Case(
        pair(), story=again(**{"garment.png": picture(300, 300, "red")})
    ),
    "the same pair again after it succeeded": Case(pair(), story=again()),
    "the same pair again after a failure with `retryable: true`": Case(
        pair(), ends=failed("provider_error", retryable=True), story=again()
    ),
    "the same pair again after any other failure": Case(
        pair(), refused("pose_not_found"), ends=failed("pose_not_found"), story=again()
    ),
}


def documented() -> dict[str, int]:
    """By row of the table: how many jobs there are."""
    table = TEXT.partition("| you put |")[2].partition("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return {row[0]: int(row[2]) for row in rows}


def test_each_documented_behaviour_is_tried() -> None:
    assert documented().keys() == CASES.keys()


def orders(case: Case) -> Iterator[tuple[list[str], bool]]:
    """Yield orders of the files, and whether each is looked at before the next one comes."""
    names = list(case.files)
    yield random.sample(names, len(names)), False
    if case.one_by_one:
        yield random.sample(names, len(names)), True


LISTING = media.listing


def dated(drop: Drop) -> Callable[..., Iterator[media.Listed]]:
    """Return a listing by the test's clock."""

    def listing(*args: Any, **more: Any) -> Iterator[media.Listed]:
        return (found._replace(modified=drop.put_at.get(found.key, NOON)) for found in LISTING(*args, **more))

    return listing


@pytest.mark.parametrize("row", CASES)
def test_what_appears_does_not_depend_on_the_order_of_events(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch, row: str
) -> None:
    world.configure("tryiton")
    case = CASES[row]
    choose(monkeypatch, daily_images=1000, daily_usd=1000)
    budgets.reserve(TENANT, Reservation(day=NOON.date().isoformat(), images=case.spent, microusd=0), world.at)
    if "2,000" in row:
        monkeypatch.setattr(files, "MOST", 3)
    for n, (order, one_by_one) in enumerate(orders(case)):
        vendor.starts = [case.ends]
        drop = Drop(world, vendor, "" if case.folder == "/" else f"{case.folder}look-{n}")
        monkeypatch.setattr(media, "listing", dated(drop))
        before = len(world.executions())
        for name in order:
            drop.put(name, case.files[name])
            if one_by_one:
                drop.hear(name)
        drop.hear()
        drop.end()
        drop.hear(*reversed(order))
        if case.story:
            case.story(drop)
        told = {name: text for name, text in drop.news().items() if "blue/" not in name}
        assert told.keys() == case.news.keys(), (order, one_by_one, told)
        assert not [name for name, words in case.news.items() if words not in told[name]], (order, one_by_one, told)
        assert len(world.executions()) - before == documented()[row], (order, one_by_one)


@pytest.mark.parametrize("folder", ["look", f"drop/{TENANT}/look"])
def test_one_file_of_a_pair_that_is_put_again_is_enough_for_another_try(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    world.configure("tryiton")
    drop = Drop(world, vendor, folder)
    monkeypatch.setattr(media, "listing", dated(drop))
    vendor.starts = [failed("provider_error", retryable=True)]
    for name, data in pair().items():
        drop.put(name, data)
    drop.hear()
    drop.end()
    world.at.sleep(1)
    vendor.starts = [finished()]
    drop.put("garment.png", GARMENT)
    drop.hear("garment.png")
    drop.end()
    assert drop.news().keys() == {"1.png", "result.json"}
