"""The kinds of jobs whose every call fails once, and how such a cell is run and judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, get_args

import pytest

from fitting_room.actions.drops.ingest import ingest
from fitting_room.actions.workflow import attempts
from fitting_room.net import safe_http
from fitting_room.providers import catalogue
from fitting_room.providers.fal.models import NANO_BANANA
from fitting_room.providers.fashn.entry import MAX
from tests.deployment import choose
from tests.faults.endpoint import EndpointLedger
from tests.faults.house import Faults, House, Ledger, Mode, injected, quiet
from tests.faults.vendors import WireLedger
from tests.integration.atelier import atelier_entry, offer
from tests.integration.conftest import deployed
from tests.integration.endpoint import SETTING
from tests.integration.world import TENANT, World, picture

MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True)
class Scenario:
    """A job, and how its provider behaves. `submit` gives the id of the stored job.

    `work`, `count`, `free`, `trains`: of the provider's ledger. `endpoint`: the stage has one of its own, and the
    real adapter. `wire`: the vendor whose real adapter speaks to the ledger.
    """

    submit: Callable[[World], str]
    work: float = 0
    count: int = 1
    free: int = 0
    trains: bool = False
    calls_back: bool = False
    endpoint: bool = False
    wire: str = ""


class Cell(NamedTuple):
    scenario: str
    mode: Mode | None
    at: int
    call: str
    """The call that was hit; empty without a fault."""
    books: dict[str, Any]
    calls: int = 0
    """How many calls the job's functions made."""

    @property
    def blind(self) -> bool:
        """Nobody can know what was bought: the function died between claim and record, or the answer to the submit was lost.

        A purchase whose id is written down is known, and its result can be asked for. The id of a call to an endpoint is
        written down before the call, so without a purchase it proves nothing.
        """
        books = self.books
        known = books["named"] and books["sold"]
        return books["charged"][-1:] == ["unknown"] and books["code"] is not None and not known

    def faults(self) -> list[str]:
        """What is wrong with the books."""
        books, wrong = self.books, []
        excused = self.blind and _may_be_blind(self)
        if self.mode and not self.call:
            wrong.append("no call was hit")
        if books["sold"] > 1:
            wrong.append(f"bought {books['sold']} times")
        if books["status"] != "succeeded" and not excused:
            wrong.append("a paid result was dropped" if books["sold"] else "died unbought")
            wrong.append(str(books["code"]))
        if books["sold"] and books["status"] == "succeeded" and "yes" not in books["charged"]:
            wrong.append("charged is not told")
        if books["status"] == "succeeded" and books["images"] != books["wanted"]:
            wrong += ["a paid result was dropped", f"{books['images']} of {books['wanted']} images"]
        if books["leases"]:
            wrong.append(f"{books['leases']} places kept")
        if tuple(books["spent"]) != tuple(books["usage"]):
            wrong.append(f"budget {books['spent']}, usage {books['usage']}")
        return wrong


def _may_be_blind(cell: Cell) -> bool:
    """The three exceptions, in which nobody can know of the purchase.

    The answer to the submit was lost, the function died with it, or AWS was away longer than the function
    could live that had it in memory.
    """
    if cell.call == "provider.submit":
        return True
    written_by = ("dynamodb.UpdateItem", "s3.PutObject")
    return bool(cell.mode == "outage" or (cell.mode or "").startswith("killed")) and cell.call in written_by


def _polled(world: World, **changes: Any) -> str:
    world.configure("tryiton")
    return world.submit(provider="tryiton", **changes).job.id


def _named(vendor: str, model: str = "") -> Callable[[World], str]:
    def submit(world: World) -> str:
        world.configure(vendor)
        return world.submit(provider=f"{vendor}{model and '/'}{model}").job.id

    return submit


def _failover(world: World) -> str:
    world.configure("tryiton")
    return world.submit(provider="tryiton", fallback=["nova_canvas"]).job.id


def _drop(world: World) -> str:
    world.configure("tryiton")
    for name in ("person.png", "garment.png"):
        key = world.put(name, picture(360, 540), folder=f"drop/{TENANT}/look")
    job_id = ingest(key, world.at)
    assert job_id
    return job_id


def _training(world: World) -> str:
    world.body()
    images = [{"s3": f"s3://inbox-bucket/drop/{TENANT}/person.png"}]
    body = {"task": "train_subject", "kind": "person", "class_name": "woman", "pictures": images, "provider": "atelier"}
    return world.submit(body).job.id


SCENARIOS: dict[str, Scenario] = {
    "sync": Scenario(lambda world: world.submit(provider="nova_canvas").job.id),
    "polled": Scenario(_polled, work=20),
    "callback": Scenario(_polled, work=15, calls_back=True),
    "two images": Scenario(lambda world: _polled(world, output={"count": 2}), work=10, count=2),
    "failover": Scenario(_failover, work=5, free=1),
    "training": Scenario(_training, work=90, trains=True),
    "drop": Scenario(_drop, work=5),
    "fal": Scenario(_named("fal"), work=15, calls_back=True, wire="fal"),
    "fal editor": Scenario(_named("fal", NANO_BANANA), work=15, wire="fal"),
    "tryon-max": Scenario(_named("fashn", MAX), work=15, calls_back=True, wire="fashn"),
    "gemini": Scenario(_named("gemini"), wire="gemini"),
    "endpoint": Scenario(lambda world: world.submit(provider="sagemaker").job.id, work=20, endpoint=True),
}


def run(name: str, mode: Mode | None = None, at: int = 0) -> Cell:
    """Live one job whose call number `at` fails in this way."""
    scenario = SCENARIOS[name]
    with pytest.MonkeyPatch.context() as patch, deployed(patch) as world:
        faults = Faults(lambda: world.at.now().timestamp(), mode, at)
        kind = EndpointLedger if scenario.endpoint else WireLedger if scenario.wire else Ledger
        ledger = kind(world, faults, scenario.work, scenario.count, scenario.free, scenario.trains)
        ledger.id = scenario.wire or ledger.id
        stage = "sagemaker" if scenario.endpoint else "dev"
        house = House(world, faults, ledger, calls_back=scenario.calls_back, stage=stage)
        _provide(patch, ledger, scenario)
        job_id = scenario.submit(world)
        with injected(faults, house, patch):
            house.live(job_id)
        return Cell(name, mode, at, faults.hit, quiet(house, job_id), len(faults.calls))


@cache
def undisturbed(name: str) -> Cell:
    return run(name)


def cells(name: str, modes: tuple[Mode, ...] = MODES, *, step: int = 1, first: int = 1) -> list[Cell]:
    """Run every `step`-th call of a scenario in these modes."""
    return [run(name, mode, at) for mode in modes for at in range(first, undisturbed(name).calls + 1, step)]


def _provide(patch: pytest.MonkeyPatch, ledger: Ledger, scenario: Scenario) -> None:
    if scenario.endpoint:
        choose(patch, sagemaker=SETTING)
    patch.setattr(attempts, "adapter", lambda _: ledger)
    patch.setattr(safe_http, "get", ledger.fetch)
    real = catalogue.entries()
    offered = tuple(
        one.model_copy(update={"callbacks": scenario.calls_back, "rate": None, "concurrency": 2}) for one in real
    )
    if scenario.trains:
        offered = (*offered, atelier_entry())
    offer(patch, offered)
    if scenario.calls_back:
        choose(patch, callback_url="https://api.example")
