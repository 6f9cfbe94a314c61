"""A whole deployment in memory in which any one call can fail.

It has the real actions, the synthesized state machine, moto's AWS, and a provider with a ledger. Time
only passes when something waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from botocore.client import BaseClient
from botocore.exceptions import ClientError

from fitting_room.actions.upkeep.resume import resume
from fitting_room.actions.upkeep.sweep import sweep
from fitting_room.actions.workflow import callback
from fitting_room.actions.workflow.collect import collect
from fitting_room.actions.workflow.poll import poll
from fitting_room.actions.workflow.prepare import prepare
from fitting_room.actions.workflow.settle import settle
from fitting_room.actions.workflow.start import start
from fitting_room.jobs.errors import Fault
from fitting_room.jobs.job import Job
from fitting_room.jobs.outcome import Failed, Finished, Outcome, Pending, Picture, Reading, Ready, Unread
from fitting_room.net.safe_http import FetchFailed
from fitting_room.observability import metrics
from fitting_room.providers.adapter import Connection, Order
from fitting_room.stores import aws, executions, jobs
from tests.infra.synthesized import synthesized
from tests.integration.world import World, picture
from tests.workflow.machine import LambdaError, Machine

Mode = Literal["before", "after", "outage", "killed before", "killed after"]
OUTAGE_SECONDS = 600
"""Longer than everything that is retried before a purchase; a run that breaks of it is resumed."""
START_SECONDS = {"StartBedrock": 900, "StartHttp": 480, "StartSagemaker": 180}
LIFE = 3 * 24 * 3600
"""Seconds within which a job must have come to its end."""


class Killed(BaseException):
    """The process of a function dies."""


class Away(OSError):
    """A provider, or the way to it, is away."""


@dataclass
class Faults:
    """Counts every call to AWS and to the provider; call number `at` fails, and in an outage all calls for a while after it."""

    now: Callable[[], float]
    mode: Mode | None = None
    at: int = 0
    calls: list[str] = field(default_factory=list)
    began: float | None = None
    hit: str = ""
    watching: bool = False
    """Whether a function of ours runs; the harness's own calls never fail."""

    @contextmanager
    def watched(self) -> Iterator[None]:
        self.watching = True
        try:
            yield
        finally:
            self.watching = False
            metrics.clear_metrics()

    def around(self, name: str, call: Callable[[], Any], error: Callable[[], Exception]) -> Any:
        if not self.watching:
            return call()
        self.calls.append(name)
        here = self.mode is not None and len(self.calls) == self.at
        if here:
            self.hit, self.began = name, self.now()
        away = self.mode == "outage" and self.began is not None and self.now() - self.began < OUTAGE_SECONDS
        if away or (here and self.mode == "before"):
            raise error()
        if here and self.mode == "killed before":
            raise Killed
        answer = call()
        if here and self.mode == "after":
            raise error()
        if here and self.mode == "killed after":
            raise Killed
        return answer


@dataclass
class Ledger:
    """A provider that writes down what it sells.

    `work`: seconds it needs; 0: it answers at once. `free`: the first so many submissions fail for nothing.
    """

    world: World
    faults: Faults
    work: float = 0
    count: int = 1
    free: int = 0
    trains: bool = False
    id: str = "tryiton"
    address: str = ""
    sold: dict[str, float] = field(default_factory=dict)
    tried: int = 0

    def connect(self, _: Connection) -> Ledger:
        return self

    def start(self, order: Order) -> Outcome:
        try:
            return self.faults.around("provider.submit", lambda: self._sell(order), Away)
        except Away:
            fault = Fault.of(
                "provider_unavailable", "The connection was lost after the request.", "Look.", retryable=False
            )
            return Failed(fault, "unknown")

    def _sell(self, order: Order) -> Outcome:
        self.tried += 1
        self.address = order.callback or ""
        if self.tried <= self.free:
            return Failed(Fault.of("provider_unavailable", "The provider is closed.", "Submit again."), "no")
        name = f"v-{len(self.sold) + 1}"
        self.sold[name] = self.world.at.now().timestamp()
        if self.work:
            return Pending(name)
        self.world.at.sleep(1)
        return Finished([Picture(self.image(n)) for n in range(self.count)])

    def poll(self, order: Order, provider_job_id: str) -> Reading:
        try:
            return self.faults.around("provider.read", lambda: self._read(provider_job_id), Away)
        except Away:
            return Unread("ReadTimeout")

    def _read(self, name: str) -> Reading:
        if self.world.at.now().timestamp() - self.sold[name] < self.work:
            return Pending(name)
        if self.trains:
            return Finished([], token="sks")
        return Ready([f"https://cdn.example/{name}/{n}" for n in range(self.count)], "72 hours")

    def fetch(self, url: str, **_: Any) -> Any:
        class Got:
            data = self.image(int(url.rpartition("/")[2]))

        def away() -> Exception:
            return FetchFailed("the host answered 503", "Try again.", passing=True)

        return self.faults.around("provider.download", lambda: Got, away)

    def image(self, n: int) -> bytes:
        width, height = (864, 1296) if self.work else (360, 540)
        return picture(width, height, ("crimson", "olive", "indigo")[n])


@dataclass
class House:
    """Runs executions to their end, their events and the sweep, until nothing is owed any more."""

    world: World
    faults: Faults
    ledger: Ledger
    done: dict[str, str] = field(default_factory=dict)
    calls_back: bool = False
    woken: bool = False
    stage: str = "dev"

    def live(self, job_id: str) -> Job:
        """Let time pass until the job is over and nothing is owed; assert that this comes to pass."""
        until = self.world.at.now().timestamp() + LIFE
        while True:
            for name in self._begun():
                self._execute(name)
            job = self.world.job(job_id)
            if job.final and not self.world.due() and not self._owed():
                return job
            assert self.world.at.now().timestamp() < until, (
                f"the job never ends: {job.status} {job.step}, run {job.run}"
            )
            self.world.at.sleep(60)
            self._tolerated(lambda: sweep(self.world.at))

    def _begun(self) -> list[str]:
        return [name for name in self.world.executions() if name not in self.done]

    def _owed(self) -> bool:
        return any(str(item["sk"]).startswith("OWES#") for item in self.world.items())

    def _execute(self, name: str) -> None:
        machine = Machine(synthesized(self.stage).job_machine(), self._functions(), self.world.at.sleep)
        job_id, run = executions.parsed(name)
        self.done[name] = "RUNNING"
        self.done[name] = machine.run({"job_id": job_id}).status
        if self.done[name] == "FAILED":
            self._tolerated(lambda: resume(job_id, run, self.world.at))

    def _functions(self) -> dict[str, Callable[[dict[str, Any]], Any]]:
        at = self.world.at
        called: dict[str, Callable[[str], Any]] = {
            "Prepare": lambda job_id: prepare(job_id, at),
            "StartBedrock": lambda job_id: start(job_id, START_SECONDS["StartBedrock"], at),
            "StartHttp": lambda job_id: start(job_id, START_SECONDS["StartHttp"], at),
            "StartSagemaker": lambda job_id: start(job_id, START_SECONDS["StartSagemaker"], at),
            "Poll": lambda job_id: poll(job_id, 300, at),
            "Collect": lambda job_id: collect(job_id, at),
            "Settle": lambda job_id: settle(job_id, at),
        }
        invoked = {name: self._invoked(function) for name, function in called.items()}
        return {**invoked, "Wait": self._wait}

    def _invoked(self, function: Callable[[str], Any]) -> Callable[[dict[str, Any]], Any]:
        def invoke(payload: dict[str, Any]) -> Any:
            try:
                with self.faults.watched():
                    return function(payload["job_id"])
            except Exception as error:
                raise LambdaError(type(error).__name__) from error
            except Killed:
                raise LambdaError("Runtime.ExitError") from None

        return invoke

    def _wait(self, payload: dict[str, Any]) -> float | None:
        """Begin to wait for a callback; the provider calls back when it is done."""
        self.woken = False
        try:
            with self.faults.watched():
                callback.await_callback(payload["job_id"], payload["task_token"], self.world.at)
        except (Exception, Killed) as error:
            raise LambdaError(type(error).__name__) from error
        if self.woken:
            return 0.0
        if not self.calls_back:
            return None
        self._tolerated(self._call_back)
        return self.ledger.work if self.woken else None

    def _call_back(self) -> None:
        self.world.at.sleep(0)
        callback.wake(self.ledger.id, self.ledger.address.rpartition("/")[2], self.world.at)

    def _tolerated(self, call: Callable[[], Any]) -> None:
        """An event or a sweep that fails is lost; the next minute's sweep must do."""
        with suppress(Exception, Killed), self.faults.watched():
            call()


@contextmanager
def injected(faults: Faults, house: House, monkeypatch: Any) -> Iterator[None]:
    """Send every call of the SDK through `faults`."""
    real = BaseClient._make_api_call  # type: ignore[attr-defined]

    def call(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        def refused() -> Exception:
            return ClientError({"Error": {"Code": "ServiceUnavailable", "Message": "x"}}, operation)

        def do() -> Any:
            if operation == "DescribeExecution":
                name = arguments["executionArn"].rpartition(":")[2]
                if name in house.done:
                    return {"status": house.done[name]}
            if operation == "StartExecution" and house.done.get(arguments["name"], "RUNNING") != "RUNNING":
                raise client.exceptions.ExecutionAlreadyExists({"Error": {"Code": "x", "Message": "x"}}, operation)
            if operation == "SendTaskSuccess":
                house.woken = True
                return {}
            return real(client, operation, arguments)

        service = client.meta.service_model.service_name
        return faults.around(f"{service}.{operation}", do, refused)

    with monkeypatch.context() as patched:
        patched.setattr(BaseClient, "_make_api_call", call)
        yield


def quiet(house: House, job_id: str) -> dict[str, Any]:
    """What the books say once all is over; read without faults."""
    job = jobs.get(job_id, house.world.at.now())
    assert job is not None
    items = house.world.items()
    return {
        "status": job.status,
        "code": job.error.code if job.error else None,
        "charged": [attempt.charged for attempt in job.attempts.values()],
        "sold": len(house.ledger.sold),
        "named": bool(job.attempts and list(job.attempts.values())[-1].provider_job_id),
        "images": len(job.images),
        "wanted": 0 if house.ledger.trains else house.ledger.count,
        "leases": sum("job_id" in item for item in items if str(item["pk"]).startswith("LEASE#")),
        "spent": house.world.spent(at=house.world.at.moment.fromisoformat(job.created_at)),
        "usage": (job.usage.images, round((job.usage.amount or 0) * 1e6)),
        "table": aws.table().name,
    }
