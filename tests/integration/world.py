"""A deployment in memory (moto), a clock that only moves when somebody sleeps, and a vendor that does as it is told."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeVar

from PIL import Image, ImageDraw

from fitting_room import clock as time
from fitting_room.actions.requests.accept import Accepted
from fitting_room.actions.requests.cancel import cancel
from fitting_room.actions.requests.submit import submit
from fitting_room.actions.upkeep.erase import erase_job, erase_owner, erase_subject
from fitting_room.actions.upkeep.erase_batch import erase_batch
from fitting_room.actions.upkeep.notify import notify
from fitting_room.actions.upkeep.resume import resume
from fitting_room.actions.upkeep.stop import stop
from fitting_room.actions.upkeep.sweep import sweep
from fitting_room.actions.workflow.collect import collect
from fitting_room.actions.workflow.poll import poll
from fitting_room.actions.workflow.prepare import prepare
from fitting_room.actions.workflow.settle import settle
from fitting_room.actions.workflow.start import start
from fitting_room.jobs.errors import Fault
from fitting_room.jobs.job import Job, Mode, folder_of
from fitting_room.jobs.outcome import Charged, Failed, Finished, Outcome, Pending, Picture, Reading, Step
from fitting_room.observability import metrics
from fitting_room.providers.adapter import Connection, Order
from fitting_room.stores import aws, jobs, uploads
from fitting_room.stores.api_keys import Caller
from tests.unit.memory import FakeClock

TABLE, INBOX, MEDIA = "fitting-room", "inbox-bucket", "media-bucket"
DROPS = "https://sqs.us-east-1.amazonaws.com/123456789012/drops"
QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/webhooks"
TENANT, OTHER = "acme", "rival"
LIVE_KEY = "fr_live_" + "a" * 32
TEST_KEY = "fr_test_" + "b" * 32
OTHER_KEY = "fr_live_" + "c" * 32
SECRET = "tryiton-secret-value"
LIVE, TEST, RIVAL = Caller(TENANT, "live", None), Caller(TENANT, "test", None), Caller(OTHER, "live", None)
Answer = TypeVar("Answer")


@dataclass
class Vendor:
    """Stands in for an adapter: answers what it is told, in order (the last answer for ever), and counts the calls."""

    starts: list[Outcome | Exception] = field(default_factory=list)
    polls: list[Reading | Exception] = field(default_factory=list)
    during: Callable[[], None] = lambda: None
    """What happens in the world while the vendor works on a submission."""
    orders: list[Order] = field(default_factory=list)
    polled: list[str] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    """The jobs that it was told to stop."""
    deleted: list[str] = field(default_factory=list)

    def connect(self, connection: Connection) -> Vendor:
        self.connections.append(connection)
        return self

    def start(self, order: Order) -> Outcome:
        self.orders.append(order)
        self.during()
        return _next(self.starts)

    def poll(self, order: Order, provider_job_id: str) -> Reading:
        self.polled.append(provider_job_id)
        return _next(self.polls)

    def cancel(self, provider_job_id: str) -> bool:
        self.stopped.append(provider_job_id)
        return True

    def erase_job(self, provider_job_id: str) -> bool:
        self.deleted.append(provider_job_id)
        return True


def _next(answers: list[Answer | Exception]) -> Answer:
    answer = answers.pop(0) if len(answers) > 1 else answers[0]
    if isinstance(answer, Exception):
        raise answer
    return answer


@dataclass
class World:
    at: FakeClock
    machine: str
    batch_machine: str
    stocked: bool = False
    erasures: list[dict[str, str]] = field(default_factory=list)
    """What the erase function was called with, and has not done yet."""
    messages: list[tuple[datetime, str]] = field(default_factory=list)
    """What the queue of webhooks holds: from when on it is given out, and the job."""
    looks: list[tuple[datetime, dict[str, Any]]] = field(default_factory=list)
    """What the queue of dropped files holds, besides the events of S3: from when on it is given out, and the event."""

    def body(self, mode: Mode = "live", **changes: Any) -> dict[str, Any]:
        """A request that Nova Canvas and the sandbox can do; TryItOn too while it is configured."""
        if mode == "test":
            named = {name: {"upload": self.upload(name, "test")} for name in ("person", "garment")}
            garment = {"image": named["garment"], "category": "tops"}
            return {"task": "try_on", "person": named["person"], "garments": [garment], **changes}
        if not self.stocked:
            self.put("person.png", picture(360, 540))
            self.put("garment.png", picture(200, 200, "navy"))
            self.stocked = True
        return {
            "task": "try_on",
            "person": {"s3": f"s3://{INBOX}/drop/{TENANT}/person.png"},
            "garments": [{"image": {"s3": f"s3://{INBOX}/drop/{TENANT}/garment.png"}, "category": "tops"}],
            **changes,
        }

    def put(self, name: str, data: bytes, *, folder: str = f"drop/{TENANT}", bucket: str = INBOX) -> str:
        aws.s3().put_object(Bucket=bucket, Key=f"{folder}/{name}", Body=data)
        return f"{folder}/{name}"

    def remove(self, key: str) -> None:
        aws.s3().delete_object(Bucket=INBOX, Key=key)

    def upload(self, name: str, mode: Mode = "live", tenant: str = TENANT) -> str:
        """The id of an upload of that mode, whose file has arrived."""
        sizes = {"person": picture(360, 540), "garment": picture(200, 200, "navy")}
        upload_id = self.at.new_id("upl")
        key = self.put(upload_id, sizes[name], folder=f"uploads/{folder_of(tenant, mode)}")
        uploads.put(uploads.Upload(upload_id, tenant, key, mode), self.at.now() + timedelta(days=1))
        return upload_id

    def submit(
        self,
        body: dict[str, Any] | None = None,
        *,
        key: str | None = None,
        mode: Mode = "live",
        tenant: str = TENANT,
        **changes: Any,
    ) -> Accepted:
        return submit(body or self.body(mode, **changes), Caller(tenant, mode, None), key, self.at)

    def job(self, job_id: str) -> Job:
        found = jobs.get(job_id, self.at.now())
        assert found is not None
        return found

    def prepared(self, **changes: Any) -> str:
        """The id of a job whose next step is Start."""
        job_id = self.submit(**changes).job.id
        assert prepare(job_id, self.at)["outcome"] == "prepared"
        return job_id

    def start(self, job_id: str, remaining: float = 180) -> Step:
        try:
            return start(job_id, remaining, self.at)
        finally:
            metrics.clear_metrics()  # as every invocation ends

    def poll(self, job_id: str, remaining: float = 300) -> Step:
        try:
            return poll(job_id, remaining, self.at)
        finally:
            metrics.clear_metrics()

    def run(self, job_id: str) -> list[str]:
        """What the state machine does, waits included. Gives the states it went through."""
        state, said, path = "Prepare", prepare(job_id, self.at), ["Prepare"]
        while state != "Settle":
            match said["outcome"]:
                case "prepared":
                    state, said = "Start", self.start(job_id)
                case "busy":
                    self.at.sleep(said["wait"])
                    state, said = "Start", self.start(job_id)
                case "pending":
                    self.at.sleep(said["wait"])
                    state, said = "Poll", self.poll(job_id)
                case "finished":
                    collect(job_id, self.at)
                    path.append("Collect")
                    state, said = "Settle", settle(job_id, self.at)
                case "failed" if said.get("again"):
                    state, said = "Prepare", prepare(job_id, self.at)
                case _:
                    state, said = "Settle", settle(job_id, self.at)
            path.append(state)
        return path

    def broken(self, job_id: str, run: int | None = None) -> None:
        """The event of a run that broke or was stopped arrives; by default it is of the job's present run."""
        try:
            resume(job_id, run or self.job(job_id).run, self.at)
        finally:
            metrics.clear_metrics()

    def sweep(self) -> int:
        try:
            return sweep(self.at)
        finally:
            metrics.clear_metrics()

    def cancel(self, job_id: str) -> Job:
        """Cancel a job and let the event of its stopped run arrive. The job as it is then."""
        cancel(job_id, LIVE, self.at)
        self.broken(job_id)
        return self.job(job_id)

    def run_until_pending(self, job_id: str) -> None:
        """The vendor has taken the job and works on it."""
        assert prepare(job_id, self.at)["outcome"] == "prepared"
        assert self.start(job_id)["outcome"] == "pending"

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: str) -> None:  # noqa: N803  as Lambda's client
        assert (FunctionName, InvocationType) == ("erase", "Event")
        self.erasures.append(json.loads(Payload))

    def erase(self) -> None:
        """The erase function does what it was called for."""
        while self.erasures:
            asked = self.erasures.pop(0)
            try:
                if "stop" in asked:
                    stop(asked["provider"], asked["stop"], self.at)
                elif "job_id" in asked:
                    erase_job(asked["job_id"], self.at)
                elif "batch_id" in asked:
                    erase_batch(asked["batch_id"], 120, self.at)
                elif "owner" in asked:
                    erase_owner(asked["owner"], self.at)
                else:
                    erase_subject(**asked, at=self.at)
            finally:
                metrics.clear_metrics()

    def send_message(self, *, QueueUrl: str, MessageBody: str, DelaySeconds: int, MessageGroupId: str = "") -> None:  # noqa: N803
        assert 0 <= DelaySeconds <= 900
        if QueueUrl == DROPS:
            self.looks.append((self.at.now() + timedelta(seconds=DelaySeconds), json.loads(MessageBody)))
            return
        assert (QueueUrl, MessageGroupId) == (QUEUE, TENANT)
        self.messages.append((self.at.now() + timedelta(seconds=DelaySeconds), json.loads(MessageBody)["job_id"]))

    def notify(self) -> None:
        """The queue gives out what is due, and the notify function does it."""
        for message in [each for each in self.messages if each[0] <= self.at.now()]:
            self.messages.remove(message)
            try:
                notify(message[1], self.at)
            finally:
                metrics.clear_metrics()

    def spent(self, tenant: str = TENANT, at: datetime | None = None) -> tuple[int, int]:
        from fitting_room.stores import budgets

        return budgets.spent(tenant, (at or self.at.now()).date().isoformat())

    def items(self) -> list[dict[str, Any]]:
        return aws.table().scan()["Items"]

    def remove_expired(self) -> None:
        """DynamoDB removes what is over. It may take days for that."""
        over = int(self.at.now().timestamp())
        with aws.table().batch_writer() as batch:
            for item in self.items():
                if int(item.get("ttl", over + 1)) <= over:
                    batch.delete_item({"pk": item["pk"], "sk": item["sk"]})

    def due(self) -> list[str]:
        """Ids of all jobs and subjects that are owed something, now or later; a debt is `<job id>:<kind>`."""
        return [_owed(item) for item in aws.table().scan(IndexName="due")["Items"]]

    def owed_at(self) -> datetime | None:
        """When the next of all that is owed is due."""
        owed = aws.table().scan(IndexName="due")["Items"]
        return min((time.parse(str(item["due_at"])) for item in owed), default=None)

    def executions(self, machine: str | None = None) -> list[str]:
        found = aws.step_functions().list_executions(stateMachineArn=machine or self.machine)["executions"]
        return [execution["name"] for execution in found]

    def keys(self, prefix: str, bucket: str = MEDIA) -> list[str]:
        return [found["Key"] for found in aws.s3().list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])]

    def read(self, key: str, bucket: str = MEDIA) -> bytes:
        return aws.s3().get_object(Bucket=bucket, Key=key)["Body"].read()

    def allow_key(self, key: str, tenant: str, mode: Mode, **facts: Any) -> None:
        aws.table().put_item(Item=api_key(key, tenant, mode) | facts)

    def configure(self, *providers: str, secret: str = SECRET) -> None:
        """Give the deployment these providers' keys."""
        from fitting_room.stores import provider_keys

        for provider in providers:
            aws.table().put_item(Item={"pk": "PROVIDERS", "sk": provider, "configured": True})
            aws.secrets().create_secret(Name=f"secret-of-{provider}", SecretString=secret)
        provider_keys.configured.clear()


def _owed(item: dict[str, Any]) -> str:
    kind, _, name = str(item["pk"]).partition("#")
    sort = str(item["sk"])
    if kind in ("SUBJECTS", "OWNER"):
        return sort
    return name if sort == "JOB" else f"{name}:{sort.removeprefix('OWES#').lower()}"


def api_key(key: str, tenant: str, mode: Mode) -> dict[str, Any]:
    return {"pk": "KEYS", "sk": hashlib.sha256(key.encode()).hexdigest(), "tenant": tenant, "mode": mode}


@cache
def picture(width: int, height: int, colour: str = "teal", form: str = "PNG") -> bytes:
    """A picture with something on it, so that no quality check takes it for empty."""
    image = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(image).ellipse((width // 4, height // 4, width * 3 // 4, height * 3 // 4), fill=colour)
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


def finished(width: int = 360, height: int = 540, *, count: int = 1, form: str = "PNG", **facts: Any) -> Finished:
    colours = ("crimson", "purple", "olive", "orange", "indigo")
    return Finished([Picture(picture(width, height, colours[n], form), seed=7 + n) for n in range(count)], **facts)


def failed(code: str = "provider_error", charged: Charged = "no", *, retryable: bool | None = None) -> Failed:
    return Failed(Fault.of(code, "The vendor's pipeline failed.", "Try again.", retryable=retryable), charged)


def pending(provider_job_id: str = "vendor-1", wait: float = 2.0) -> Pending:
    return Pending(provider_job_id, wait)


def moment(text: str | None) -> datetime:
    assert text is not None
    return time.parse(text)
