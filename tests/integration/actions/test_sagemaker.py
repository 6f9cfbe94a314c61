"""A job at the account's own endpoint: it may sleep for minutes, and no answer that is lost makes it work twice."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from fitting_room.actions.requests.context import deployment
from fitting_room.actions.requests.delete import delete_job
from fitting_room.actions.requests.estimate import estimate
from fitting_room.actions.requests.list_providers import list_providers
from fitting_room.actions.requests.recover import recover
from fitting_room.actions.requests.submit import submit
from fitting_room.actions.workflow.callback import await_callback
from fitting_room.actions.workflow.collect import collect
from fitting_room.actions.workflow.settle import settle
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.job import Job
from fitting_room.providers.adapter import Order
from fitting_room.providers.sagemaker.adapter import SageMaker
from fitting_room.stores import api_keys, aws, tenants
from tests.deployment import choose
from tests.integration.endpoint import SETTING, Endpoint, with_endpoint
from tests.integration.world import LIVE, TENANT, World, moment

LOST = ReadTimeoutError(endpoint_url="https://runtime.sagemaker.us-east-1.amazonaws.com")


@pytest.fixture
def endpoint(world: World, monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    return with_endpoint(monkeypatch)


def submitted(world: World, **changes: Any) -> str:
    """A job that the endpoint may have."""
    job_id = world.prepared(provider="sagemaker/vton", **changes)
    assert world.start(job_id)["outcome"] == "pending"
    return job_id


def polled(world: World, job_id: str, seconds: float) -> dict[str, Any]:
    """What the last look says of those that are made within that time, at the product's own pace."""
    end = world.at.now().timestamp() + seconds
    while (said := world.poll(job_id))["outcome"] == "pending" and world.at.now().timestamp() < end:
        world.at.sleep(said["wait"])
    return dict(said)


def settled(world: World, job_id: str) -> Job:
    collect(job_id, world.at)
    settle(job_id, world.at)
    return world.job(job_id)


def test_an_endpoint_at_zero_is_waited_for_until_it_has_woken(world: World, endpoint: Endpoint) -> None:
    job_id = submitted(world)
    assert polled(world, job_id, 8 * 60)["outcome"] == "pending"
    endpoint.answer()
    assert polled(world, job_id, 60) == {"outcome": "finished"}
    job = settled(world, job_id)
    assert job.status == "succeeded"
    assert [(attempt.charged, attempt.provider) for attempt in job.attempts.values()] == [("yes", "sagemaker")]
    assert (job.usage.images, job.usage.amount) == (1, 0.02)
    assert len(endpoint.calls) == 1


def test_a_submission_whose_answer_is_lost_is_found_and_not_sent_again(world: World, endpoint: Endpoint) -> None:
    endpoint.lost = [LOST]
    job_id = submitted(world)
    world.broken(job_id)
    assert world.start(job_id)["outcome"] == "pending"
    endpoint.answer()
    assert polled(world, job_id, 60) == {"outcome": "finished"}
    assert settled(world, job_id).status == "succeeded"
    assert len(endpoint.calls) == 1


def test_a_request_that_expires_ends_at_the_deadline_and_can_be_recovered(world: World, endpoint: Endpoint) -> None:
    job_id = submitted(world)
    assert polled(world, job_id, 2 * 3600)["outcome"] == "failed"
    job = settled(world, job_id)
    assert job.error and job.error.code == "timed_out"
    assert (world.at.now() - moment(job.started_at)).total_seconds() >= 3600
    assert [attempt.charged for attempt in job.attempts.values()] == ["unknown"]

    endpoint.answer()
    recovery = recover(job_id, LIVE, world.at).job.id
    assert world.run(recovery)[-2:] == ["Collect", "Settle"]
    assert world.job(recovery).status == "succeeded"
    assert len(endpoint.calls) == 1


def test_a_failure_costs_nothing_and_the_endpoint_is_asked_once_more(world: World, endpoint: Endpoint) -> None:
    job_id = submitted(world)
    endpoint.fail("Received server error (500) from model. See the SageMaker Endpoint logs.")
    said = polled(world, job_id, 60)
    assert said["outcome"] == "prepared", "another attempt at the same endpoint"
    assert world.start(job_id)["outcome"] == "pending"
    assert [call["InferenceId"][-2:] for call in endpoint.calls] == ["-1", "-2"]
    endpoint.answer()
    assert polled(world, job_id, 60) == {"outcome": "finished"}
    assert [attempt.charged for attempt in settled(world, job_id).attempts.values()] == ["no", "yes"]


@pytest.mark.parametrize("first", ["the wait", "the object"])
def test_the_event_of_the_written_object_ends_the_wait(
    world: World, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    ended: list[str] = []
    monkeypatch.setattr(aws.step_functions(), "send_task_success", lambda **given: ended.append(given["taskToken"]))
    handler = importlib.import_module("functions.event.wake.handler")
    monkeypatch.setattr(handler, "clock", world.at)

    def written(key: str) -> None:
        handler.handler({"detail": {"bucket": {"name": "media-bucket"}, "object": {"key": key}}}, CONTEXT)

    job_id = submitted(world)
    for key in world.keys(f"staging/{job_id}/"):
        written(key)
    if first == "the object":
        written(endpoint.answer())
    await_callback(job_id, "wait-1", world.at)
    if first == "the wait":
        written(endpoint.answer())
    assert ended == ["wait-1"]
    written(endpoint.answer())
    assert ended == ["wait-1"], "an event may come twice"


CONTEXT = SimpleNamespace(
    function_name="f", memory_limit_in_mb=256, aws_request_id="r", invoked_function_arn="arn:aws:lambda:x:1:function:f"
)


def test_what_is_written_after_an_erasure_is_erased_an_hour_later(world: World, endpoint: Endpoint) -> None:
    job_id = submitted(world)
    world.cancel(job_id)
    delete_job(job_id, LIVE, world.at)
    settle(job_id, world.at)
    world.erase()
    assert world.keys(f"staging/{job_id}") == []
    aws.s3().put_object(Bucket="media-bucket", Key=f"staging/{job_id}/1/sagemaker-request.json", Body=b"x")
    late = f"staging/{job_id}/1/sagemaker/{endpoint.calls[0]['Filename']}.out"
    aws.s3().put_object(Bucket="media-bucket", Key=late, Body=b"x")

    world.at.sleep(1800)
    world.sweep()
    world.erase()
    assert late in world.keys("staging/")
    world.at.sleep(1801)
    world.sweep()
    world.erase()
    assert world.keys("staging/") == []
    assert world.due() == []


def died_inside_the_call(world: World, endpoint: Endpoint) -> str:
    """A job whose Start died after SageMaker took the call, and before it heard of that."""
    endpoint.lost = [SystemExit("the function dies")]
    job_id = world.prepared(provider="sagemaker/vton")
    with pytest.raises(SystemExit):
        world.start(job_id)
    return job_id


def test_what_an_unheard_call_writes_after_an_erasure_is_erased_too(world: World, endpoint: Endpoint) -> None:
    job_id = died_inside_the_call(world, endpoint)
    delete_job(job_id, LIVE, world.at)
    world.at.sleep(200)  # the call might still be answered until then
    settle(job_id, world.at)
    world.erase()
    assert world.keys(f"staging/{job_id}") == []
    late = f"staging/{job_id}/1/sagemaker/{endpoint.calls[0]['Filename']}.out"
    aws.s3().put_object(Bucket="media-bucket", Key=late, Body=b"x")
    for _ in range(6):
        world.at.sleep(1800)
        world.sweep()
        world.erase()
    assert world.keys("staging/") == []
    assert world.due() == []


def test_what_an_unheard_call_makes_of_a_cancelled_job_can_be_recovered(world: World, endpoint: Endpoint) -> None:
    job_id = died_inside_the_call(world, endpoint)
    world.at.sleep(200)
    job = world.cancel(job_id)
    assert (job.status, [attempt.charged for attempt in job.attempts.values()]) == ("cancelled", ["unknown"])
    assert job.error and "recover" in job.error.remedy
    endpoint.answer()
    recovery = recover(job_id, LIVE, world.at).job.id
    assert world.run(recovery)[-2:] == ["Collect", "Settle"]
    assert world.job(recovery).status == "succeeded"
    assert len(endpoint.calls) == 1


def test_a_call_that_is_refused_leaves_nothing_to_look_for(world: World, endpoint: Endpoint) -> None:
    refused = {"Error": {"Code": "ThrottlingException"}, "ResponseMetadata": {"HTTPStatusCode": 429}}
    endpoint.lost = [ClientError(refused, "InvokeEndpointAsync")]  # type: ignore[arg-type]
    job_id = world.prepared(provider="sagemaker/vton")
    world.start(job_id)
    first = world.job(job_id).attempts["1"]
    assert (first.charged, first.provider_job_id) == ("no", None)


def test_a_request_that_is_written_while_its_job_is_erased_is_taken_back(
    world: World, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, real = world.prepared(provider="sagemaker/vton"), SageMaker.write

    def slow_write(vendor: SageMaker, order: Order) -> None:
        delete_job(job_id, LIVE, world.at)
        settle(job_id, world.at)
        world.erase()
        real(vendor, order)

    monkeypatch.setattr(SageMaker, "write", slow_write)
    world.start(job_id)
    assert world.keys("staging/") == []
    assert endpoint.calls == []


def test_without_an_endpoint_a_request_is_told_which_setting_names_one(world: World) -> None:
    for named in ("sagemaker", "sagemaker/vton"):
        with pytest.raises(Refusal) as caught:
            world.submit(provider=named)
        [fault] = caught.value.faults
        assert (fault.code, fault.pointer) == ("provider_not_configured", "/provider")
        assert "`sagemaker`" in fault.remedy
    [shown] = [item for item in list_providers(deployment(world.at), LIVE)["items"] if item["id"] == "sagemaker"]
    assert (shown["configured"], shown["models"]) == (False, [])


def test_the_list_of_providers_shows_each_endpoint_with_its_licence(world: World, endpoint: Endpoint) -> None:
    [shown] = [item for item in list_providers(deployment(world.at), LIVE)["items"] if item["id"] == "sagemaker"]
    assert shown["configured"]
    assert [(model["id"], model["licence"]) for model in shown["models"]] == [("vton", "Apache-2.0")]
    assert [(price["model"], price["amount"]) for price in shown["prices"]] == [("vton", 0.02)]


def test_the_list_of_providers_says_how_far_photos_travel(
    world: World, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(monkeypatch, sagemaker=SETTING, bedrock_regions={"nova_canvas": "eu-west-1"})
    items = list_providers(deployment(world.at), LIVE)["items"]
    shown = {item["id"]: tuple(item["photos"].values()) for item in items}
    assert shown["sagemaker"] == (False, False, ("us-east-1",))
    assert shown["nova_canvas"] == (True, False, ("eu-west-1",))
    assert shown["stability"] == (True, False, ()), "no region is named for it"
    assert shown["tryiton"] == (True, True, ())
    choose(monkeypatch, bedrock_regions={"stability": "us-west-2"})
    [stability] = [item for item in list_providers(deployment(world.at), LIVE)["items"] if item["id"] == "stability"]
    assert stability["photos"]["regions"] == ("us-east-1", "us-east-2", "us-west-2"), "profiles may send them there"


def test_a_stage_may_prefer_its_own_account_and_editors_come_last(
    world: World, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.configure("tryiton", "fashn", "astria", "gemini")
    woman = {"astria": {"person_class": "woman"}}
    plan = world.submit(provider_options=woman).job.plan
    assert plan == ["nova_canvas", "fashn", "tryiton", "sagemaker", "astria", "gemini"]
    choose(monkeypatch, sagemaker=SETTING, prefer="in_account", provider_order=["tryiton"])
    plan = world.submit(provider_options=woman).job.plan
    assert plan == ["sagemaker", "nova_canvas", "tryiton", "fashn", "astria", "gemini"]


def test_a_tenant_that_is_held_to_the_account_is_refused_any_other_provider(world: World, endpoint: Endpoint) -> None:
    world.configure("tryiton")
    tenants.allow(TENANT, None, in_account=True)
    caller = LIVE._replace(providers=api_keys.allowed(TENANT))
    assert submit(world.body(), caller, None, world.at).job.plan == ["sagemaker"]
    with pytest.raises(Refusal) as caught:
        submit(world.body(provider="tryiton"), caller, None, world.at)
    [fault] = caught.value.faults
    assert (fault.code, fault.pointer, fault.provider) == ("provider_not_allowed", "/provider", "tryiton")
    assert "Use one of: sagemaker" in fault.remedy


def test_an_endpoint_that_is_billed_by_the_hour_has_no_price_of_an_image(
    world: World, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    hourly = {"endpoint": "my-large", "price_per_hour": 1.41, "licence": "MIT"}
    choose(monkeypatch, sagemaker={**SETTING, "large": hourly})
    [offer] = estimate(world.body(provider="sagemaker/large"), LIVE, world.at)["plan"]
    assert (offer["model"], offer["cost"]["amount"]) == ("large", None)
    [offer] = estimate(world.body(provider="sagemaker"), LIVE, world.at)["plan"]
    assert (offer["model"], offer["cost"]["amount"]) == ("vton", 0.02)
