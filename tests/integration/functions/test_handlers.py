"""The thin handlers: what their events look like, and what leaves them when something breaks."""

from __future__ import annotations

import importlib
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fitting_room.actions.requests.cancel import cancel
from fitting_room.actions.requests.delete import delete_job, delete_owner, delete_subject
from fitting_room.jobs.outcome import Finished
from fitting_room.net import safe_http
from fitting_room.observability import Crash, MetricUnit, metrics
from fitting_room.stores import aws, deliveries, executions, webhooks
from tests.integration.atelier import Atelier
from tests.integration.world import LIVE, TENANT, Vendor, World, finished, picture

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics")  # pytest undoes our own filter
CONTEXT = SimpleNamespace(
    function_name="f",
    memory_limit_in_mb=512,
    aws_request_id="request-1",
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:f",
    get_remaining_time_in_millis=lambda: 120_000,
)


@pytest.fixture
def invoke(world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    def go(name: str, event: dict[str, Any]) -> Any:
        handler = importlib.import_module(f"functions.{name}.handler")
        monkeypatch.setattr(handler, "clock", world.at)
        try:
            return handler.handler(event, CONTEXT)
        finally:
            metrics.clear_metrics()  # they are disabled here, so nobody flushes them

    return go


@pytest.mark.parametrize(("start", "provider"), [("start_bedrock", "nova_canvas"), ("start_http", "tryiton")])
def test_the_state_machines_functions_take_a_job_id_and_answer_an_outcome(
    world: World, vendor: Vendor, invoke: Any, start: str, provider: str
) -> None:
    world.configure("tryiton")
    vendor.starts = [finished(360, 540)]
    event = {"job_id": world.submit(provider=provider).job.id}
    assert invoke("job.prepare", event) == {"outcome": "prepared", "runner": start.removeprefix("start_")}
    assert invoke(f"job.{start}", event) == {"outcome": "finished"}
    attempt = world.job(event["job_id"]).latest
    assert attempt and attempt.claimed_until == "2026-09-01T12:02:00.000Z", "the time this invocation has left"
    assert invoke("job.poll", event) == {"outcome": "finished"}
    assert invoke("job.collect", event) == {"outcome": "ended"}
    assert invoke("job.settle", event) == {"outcome": "ended"}
    assert world.job(event["job_id"]).status == "succeeded"


def broke(world: World, job_id: str, status: str = "FAILED") -> dict[str, Any]:
    """What EventBridge hands over of the present run of a job that is no longer running."""
    name = executions.name_of(job_id, world.job(job_id).run)
    return {
        "version": "0",
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "detail": {
            "executionArn": f"arn:aws:states:us-east-1:123456789012:execution:jobs:{name}",
            "name": name,
            "stateMachineArn": world.machine,
            "status": status,
        },
    }


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_an_event_of_a_broken_execution_starts_the_job_s_next_run(world: World, invoke: Any, status: str) -> None:
    job_id = world.submit().job.id
    assert executions.stop_run(job_id, 1)
    event = broke(world, job_id, status)
    assert invoke("schedule.sweep", event) is None
    assert invoke("schedule.sweep", event) is None, "events may come twice"
    assert sorted(world.executions()) == [job_id, f"{job_id}.r2"]
    assert (world.job(job_id).run, world.job(job_id).final) == (2, False)


def test_an_event_of_a_cancelled_job_s_run_settles_the_job(world: World, invoke: Any) -> None:
    job_id = world.submit().job.id
    cancel(job_id, LIVE, world.at)
    invoke("schedule.sweep", broke(world, job_id, "ABORTED"))
    assert world.job(job_id).status == "cancelled"
    assert world.executions() == [job_id]


def test_such_an_event_leaves_a_call_in_flight_alone(world: World, vendor: Vendor, invoke: Any) -> None:
    job_id = world.prepared()
    vendor.starts, vendor.during = [finished()], lambda: invoke("schedule.sweep", broke(world, job_id))
    assert invoke("job.start_bedrock", {"job_id": job_id}) == {"outcome": "finished"}
    assert (world.job(job_id).run, world.job(job_id).final, len(vendor.orders)) == (1, False, 1)


def test_the_sweep_tells_how_many_jobs_were_due(world: World, invoke: Any) -> None:
    world.submit()
    world.at.sleep(60)
    assert invoke("schedule.sweep", {"detail-type": "Scheduled Event", "detail": {}}) == {"due": 1}


def test_the_erase_function_takes_a_job_a_subject_or_an_owner_and_answers_nothing(
    world: World, atelier: Atelier, invoke: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = world.submit(provider="atelier").job.id
    of_jane = world.submit(provider="atelier", owner="jane").job.id
    subject_id = str(
        world.submit(
            {
                "task": "train_subject",
                "kind": "garment",
                "class_name": "shirt",
                "provider": "atelier",
                "pictures": [{"s3": f"s3://inbox-bucket/drop/{TENANT}/garment.png"}],
            }
        ).job.subject
    )
    atelier.starts = [Finished([])]
    delete_subject(subject_id, LIVE, world.at)
    delete_job(job_id, LIVE, world.at)
    monkeypatch.setattr("fitting_room.actions.requests.delete._AT_ONCE", 0)
    delete_owner("jane", LIVE, world.at)
    for asked in list(world.erasures):
        assert invoke("event.erase", asked) is None
    assert sorted(next(iter(asked)) for asked in world.erasures) == ["job_id", "job_id", "owner", "subject_id"]
    assert world.job(job_id).cancel_requested and world.job(of_jane).erase_requested_at


def test_the_erase_function_tells_a_provider_to_stop(world: World, vendor: Vendor, invoke: Any) -> None:
    world.configure("fal")
    assert invoke("event.erase", {"stop": "fal-ai/fashn/requests/1", "provider": "fal"}) is None
    assert vendor.stopped == ["fal-ai/fashn/requests/1"]


def test_the_notify_function_takes_one_message_and_fails_with_it_without_words(
    world: World, vendor: Vendor, invoke: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.starts = [finished()]
    webhooks.create(TENANT, world.at.now())
    job_id = world.submit(webhook={"url": "https://shop.example/hook?token=c0ffee"}).job.id
    world.run(job_id)
    event = {"Records": [{"messageId": "m", "body": json.dumps({"job_id": job_id}), "eventSource": "aws:sqs"}]}
    sent: list[str] = []

    def post(url: str, *_: Any, **__: Any) -> safe_http.Answered:
        sent.append(url)
        if len(sent) == 1:
            raise KeyError(url)
        return safe_http.Answered(204, None)

    monkeypatch.setattr(safe_http, "post", post)
    with pytest.raises(Crash, match=r"^KeyError$"):  # so that the message comes again
        invoke("event.notify", event)
    world.at.sleep(60)
    assert invoke("event.notify", event) is None
    assert len(sent) == 2
    found = deliveries.get(job_id)
    assert found and found.status == "delivered"


COUNTING: dict[str, tuple[str, dict[str, Any]]] = {
    "event.erase": ("erase_job", {"job_id": "job_1"}),
    "event.notify": ("notify", {"Records": [{"body": '{"job_id": "job_1"}'}]}),
    "job.poll": ("poll", {"job_id": "job_1"}),
    "schedule.sweep": ("sweep", {}),
}
"""The functions that add to `metrics`: an action of each, and an event that leads to it. `test_cold` holds them all to it."""


@pytest.mark.parametrize("name", COUNTING)
def test_what_a_function_has_counted_is_published_when_it_ends(
    invoke: Any, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    action, event = COUNTING[name]
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "false")
    handler = importlib.import_module(f"functions.{name}.handler")
    monkeypatch.setattr(handler, action, lambda *_: metrics.add_metric("Counted", MetricUnit.Count, 1))
    invoke(name, event)
    assert '"Counted":[1.0]' in capsys.readouterr().out


def message(number: int, key: str) -> dict[str, Any]:
    """What SQS hands over of EventBridge's `Object Created`."""
    body = {
        "version": "0",
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": "inbox-bucket"}, "object": {"key": key, "size": 1, "etag": "e"}},
    }
    return {
        "messageId": f"m{number}",
        "receiptHandle": "h",
        "body": json.dumps(body),
        "attributes": {},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:drops",
    }


def test_dropped_files_make_jobs_and_only_the_message_that_failed_comes_again(
    world: World, invoke: Any, monkeypatch: pytest.MonkeyPatch, logs: io.StringIO
) -> None:
    world.configure("tryiton")
    keys = [
        world.put(name, picture(360, 540), folder=f"drop/{TENANT}/{folder}")
        for folder in ("one", "jane-doe")
        for name in ("person.png", "garment.png")
    ]
    handler = importlib.import_module("functions.event.ingest.handler")
    real = handler.ingest

    def ingest(key: str, *args: Any) -> Any:
        if "jane-doe" in key:
            raise RuntimeError(f"broke at {key}")
        return real(key, *args)

    monkeypatch.setattr(handler, "ingest", ingest)
    answer = invoke("event.ingest", {"Records": [message(n, key) for n, key in enumerate(keys)]})
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m2"}, {"itemIdentifier": "m3"}]}
    assert len(world.executions()) == 1
    assert "jane-doe" not in logs.getvalue()


LAMBDAS = Path(__file__).parents[3] / "lambdas"
STEPS = sorted(
    ".".join(file.parts[-3:-1]) for kind in ("job", "batch") for file in LAMBDAS.glob(f"functions/{kind}/*/handler.py")
)
EVENT_OF_A_JOB = {"job_id": "job_1", "task_token": "t", "detail": {"name": "job_1"}}
EVENT_OF_A_BATCH = {"batch_id": "bat_1", "batch": "bat_1", "rows": [0]}


@pytest.mark.parametrize("name", [*STEPS, "schedule.sweep", "event.erase"])
def test_the_words_of_an_exception_stay_inside(
    world: World, invoke: Any, name: str, monkeypatch: pytest.MonkeyPatch, logs: io.StringIO
) -> None:
    """What Lambda logs and the state machine keeps in its history is the type only."""
    of_batch = name.startswith("batch.")

    def broken(**_: Any) -> None:
        raise RuntimeError("https://signed.example/?X-Amz-Signature=abc")

    monkeypatch.setattr(aws.table().meta.client, "_make_api_call", lambda *_: broken())
    with pytest.raises(Crash) as caught:
        invoke(name, EVENT_OF_A_BATCH if of_batch else EVENT_OF_A_JOB)
    assert str(caught.value) == "RuntimeError"
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
    logged = logs.getvalue()
    assert "signed.example" not in logged
    assert '"error":"RuntimeError"' in logged and ("batches.py" if of_batch else "jobs.py") in logged
    assert ('"batch_id":"bat_1"' if of_batch else '"job_id":"job_1"') in logged
