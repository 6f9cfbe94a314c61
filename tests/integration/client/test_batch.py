"""A manifest of this machine to the folder with its results, by the client and the real API; its machine is walked."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fitting_room.stores import executions
from tests.client import Do, StillClock
from tests.deployment import choose
from tests.integration.catalogue import Catalogue
from tests.integration.client.conftest import Deployment
from tests.integration.world import Vendor, finished

HEADER = "id,person,garment,category\n"


@pytest.fixture
def catalogue(deployment: Deployment, clock: StillClock, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    """While the client pauses, every batch that waits is run to its end."""
    choose(monkeypatch, daily_images=1000, daily_usd=100.0)
    vendor.starts = [finished()]
    catalogue = Catalogue(deployment.world)

    def meanwhile(seconds: float) -> None:
        deployment.world.at.sleep(seconds)
        runs = deployment.world.executions(deployment.world.batch_machine)
        for batch_id in {executions.parsed(run)[0] for run in runs}:
            if catalogue.batch(batch_id).status in ("expanding", "running"):
                catalogue.run(batch_id)

    clock.meanwhile = meanwhile
    return catalogue


def test_a_manifest_becomes_a_folder_and_its_second_run_buys_nothing(
    do: Do, catalogue: Catalogue, vendor: Vendor, deployment: Deployment, person: Path, tee: Path, tmp_path: Path
) -> None:
    manifest = tmp_path / "autumn.csv"
    manifest.write_text(
        f"{HEADER}anna,person.png,tee.jpg,tops\n\nben,person.png,tee.jpg,bottoms\nwrong,person.png,tee.jpg,topps\n"
    )
    batch = do("batch", manifest, save=tmp_path / "out", defaults={"provider": "nova_canvas"}, reference="Autumn")
    assert (batch.status, batch.reference) == ("finished", "Autumn")
    assert {name: count for name, count in batch.counts.items() if count} == {"rows": 3, "invalid": 1, "succeeded": 2}
    assert len(vendor.orders) == 2
    assert len(deployment.sent("POST", "/v1/uploads")) == 3, "each file once, and the manifest"

    for name in ("anna", "ben"):
        assert Image.open(tmp_path / "out" / "results" / f"{name}.png").size == (360, 540)
    assert len(list((tmp_path / "out" / "inputs").iterdir())) == 2
    assert sum("input-" in str(asked.url) for asked in deployment.requests) == 2, "equal images are fetched once"
    html = (tmp_path / "out" / "index.html").read_text()
    assert "Autumn" in html
    assert "topps" not in html
    assert "Did you mean <code>tops</code>?" in html
    report = list(csv.DictReader((tmp_path / "out" / "report.csv").open(encoding="utf-8-sig", newline="")))
    assert [(row["line"], row["id"], row["status"]) for row in report] == [
        ("2", "anna", "succeeded"),
        ("4", "ben", "succeeded"),
        ("5", "wrong", "invalid"),
    ]
    assert report[2]["error_field"] == "/garments/0/category"

    again = do("batch", manifest, defaults={"provider": "nova_canvas"})
    assert (again.counts["succeeded"], again.counts["reused"], len(vendor.orders)) == (2, 2, 2)


def test_a_held_batch_buys_nothing_until_it_is_resumed(
    do: Do, catalogue: Catalogue, vendor: Vendor, person: Path, tee: Path
) -> None:
    rows: list[dict[str, Any]] = [{"person": person, "garments": [{"image": tee}]}]
    batch = do("batch", rows, hold=True, defaults={"provider": "nova_canvas", "category": "tops"})
    assert (batch.status, batch.images["most"], vendor.orders) == ("paused", 1, [])
    assert batch.cost.most.amount > 0
    assert do("batches.resume", batch.id).status == "running"
    assert do("batches.wait", batch.id).counts["succeeded"] == 1
    assert [found.id for found in do("batches.page").items] == [batch.id]
    assert do("batches.delete", batch.id) == 1


def test_a_row_that_names_a_file_has_a_remedy_where_nobody_uploads_it(
    do: Do, catalogue: Catalogue, deployment: Deployment
) -> None:
    batch = do("batch", [{"person": "anna.jpg", "garment": "https://x.example/tee.jpg"}])
    assert batch.status == "failed"
    [asked] = deployment.sent("POST", "/v1/batches")
    assert json.loads(asked.content)["jobs"] == [{"person": "anna.jpg", "garment": "https://x.example/tee.jpg"}]
