"""A batch in a world in memory, walked as its machine does: expand, a child for each item of the map, finish."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fitting_room.actions.batch.admit import Admission, admit
from fitting_room.actions.batch.expand import Expanded, expand
from fitting_room.actions.batch.finish import Ending, finish
from fitting_room.actions.requests import batches as requests
from fitting_room.actions.requests.create_batch import create_batch
from fitting_room.actions.upkeep.batches import resume_run
from fitting_room.jobs.batch import Batch, job_ids_of
from fitting_room.jobs.job import Job
from fitting_room.observability import metrics
from fitting_room.stores import batches, jobs, media
from fitting_room.stores.api_keys import Caller
from tests.integration.world import INBOX, LIVE, TENANT, World, picture

MOST_TURNS = 50


class Broken(Exception):
    """The run breaks here; nothing after it happens."""


@dataclass
class Catalogue:
    """`before`, `after`: what happens before a row is run, and after; either may break the run."""

    world: World
    caller: Caller = LIVE
    before: Callable[[Job], None] = lambda _: None
    after: Callable[[int], None] = lambda _: None
    items: list[dict[str, Any]] = field(default_factory=list)
    """Those of the last map."""
    ran: int = 0

    def rows(self, count: int, **changes: Any) -> list[dict[str, Any]]:
        """Rows that ask for different things, of images in the drop folder."""
        self.world.put("person.png", picture(360, 540))
        for n in range(count):
            self.world.put(f"garment-{n}.png", picture(200, 200 + n, "navy"))
        at = f"s3://{INBOX}/drop/{TENANT}"
        return [
            {
                "id": f"row-{n}",
                "task": "try_on",
                "person": {"s3": f"{at}/person.png"},
                "garments": [{"image": {"s3": f"{at}/garment-{n}.png"}, "category": "tops"}],
                **changes,
            }
            for n in range(count)
        ]

    def create(self, *, key: str | None = None, drop: str | None = None, **body: Any) -> Batch:
        return create_batch(body, self.caller, key, self.world.at, drop=drop).batch

    def batch(self, batch_id: str) -> Batch:
        found = batches.get(batch_id, self.world.at.now())
        assert found is not None
        return found

    def view(self, batch_id: str) -> dict[str, Any]:
        return requests.view(self.batch(batch_id), self.world.at)

    def counts(self, batch_id: str) -> dict[str, int]:
        """Those that are not zero."""
        return {name: count for name, count in self.view(batch_id)["counts"].items() if count}

    def jobs(self, batch_id: str) -> list[Job]:
        """In the order of the rows."""
        ids = job_ids_of(batch_id)
        found = jobs.of_batch(self.caller.tenant, self.caller.mode, ids, self.world.at.now())
        return list(found)[::-1]

    def run(self, batch_id: str) -> None:
        """One run of the machine, with all its waits."""
        for _ in range(MOST_TURNS):
            expanded = self.expand(batch_id)
            if expanded["outcome"] == "rows":
                self.map(expanded["items"])
            ending = self.finish(batch_id)
            while ending["outcome"] == "look":
                self.world.at.sleep(ending["wait"])
                ending = self.finish(batch_id)
            if ending["outcome"] == "ended":
                return
            self.world.at.sleep(ending["wait"])
        raise AssertionError("the batch does not end")

    def expand(self, batch_id: str) -> Expanded:
        return expand(batch_id, self.world.at)

    def map(self, key: str) -> None:
        data = media.read(key)
        assert data is not None
        self.items = [json.loads(line) for line in data.splitlines()]
        for item in self.items:
            self.child(item)

    def child(self, item: dict[str, Any]) -> None:
        for _ in range(MOST_TURNS):
            said = self.admit(item)
            match said["outcome"]:
                case "admitted" | "first":
                    self.before(self.world.job(said["job_id"]))
                    self.world.run(said["job_id"])
                    self.ran += 1
                    self.after(self.ran)
                    if said["outcome"] == "admitted":
                        return
                case "wait":
                    self.world.at.sleep(said["wait"])
                case _:
                    return
        raise AssertionError("a row waits for ever")

    def admit(self, item: dict[str, Any]) -> Admission:
        return admit(item["batch"], item["rows"], self.world.at)

    def finish(self, batch_id: str) -> Ending:
        return finish(batch_id, self.world.at)

    def broken(self, batch_id: str) -> None:
        """The event of the run that broke arrives, and the next run does its work."""
        try:
            resume_run(batch_id, self.batch(batch_id).run, self.world.at)
        finally:
            metrics.clear_metrics()
        self.run(batch_id)
