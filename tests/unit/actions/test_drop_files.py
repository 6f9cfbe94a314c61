"""What the name of a file in a drop folder says."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fitting_room.actions.drops.files import File
from fitting_room.actions.drops.folder import Folder


def named(name: str) -> File:
    return File(name, "etag", datetime(2026, 11, 26, tzinfo=UTC), 1)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("Job.json", "Name it `job.json`."),
        ("jobs.json", "Name it `job.json`."),
        ("job (1).json", "Name it `job.json`."),
        ("job.json.txt", "Name it `job.json`."),
        ("MANIFEST.CSV", "Name it `manifest.csv`."),
        ("manifest .jsonl", "Name it `manifest.jsonl`."),
        ("manifest.xlsx", "Save it as CSV, named `manifest.csv`."),
    ],
)
def test_an_order_of_another_name_was_meant_as_one(name: str, remedy: str) -> None:
    assert (named(name).misspelt is not None, named(name).remedy) == (True, remedy)


@pytest.mark.parametrize(
    "name",
    [
        "job.json",
        "manifest.csv",
        "person.jpg.json",
        "metadata.json",
        "notes.txt",
        "Thumbs.db",
        "job.jpg",
        "web.manifest",
    ],
)
def test_an_order_a_sidecar_and_an_image_are_none_that_is_misspelt(name: str) -> None:
    assert named(name).misspelt is None


@pytest.mark.parametrize(("name", "flawed"), [("a/b", 0), ("a/../b", 1), ("./a", 1), ("a//b", 1), ("a\tb", 1), ("", 1)])
def test_a_folder_s_name_may_have_any_parts_but_those_that_lead_elsewhere(name: str, flawed: int) -> None:
    assert len(list(Folder("acme", name).flaws())) == flawed


def test_a_folder_lies_in_those_above_it() -> None:
    assert [folder.name for folder in Folder("acme", "a/b/c").above()] == ["a/b", "a"]
    assert list(Folder("acme", "").above()) == []
