"""Buying: one claim, one call, and the truth about what may have been charged."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from fitting_room.actions.job_view import summary
from fitting_room.actions.workflow.poll import poll
from fitting_room.actions.workflow.prepare import prepare
from fitting_room.actions.workflow.settle import settle
from fitting_room.actions.workflow.start import start
from fitting_room.jobs.errors import JobFailure
from fitting_room.stores import aws, jobs, media, provider_keys, refusals
from tests.integration.world import SECRET, Vendor, World, failed, finished, moment, pending


def cancel(job_id: str) -> None:
    aws.table().update_item(
        Key=jobs.key(job_id), UpdateExpression="SET cancel_requested = :yes", ExpressionAttributeValues={":yes": True}
    )


def test_the_vendor_gets_the_prepared_pictures_and_a_seed(world: World, vendor: Vendor) -> None:
    vendor.starts = [finished()]
    job_id = world.prepared(output={"seed": 41})
    assert world.start(job_id) == {"outcome": "finished"}
    (order,) = vendor.orders
    assert (order.job_id, order.attempt, order.seed) == (job_id, 1, 41)
    assert (order.base.width, order.base.height, order.base.media_type) == (360, 540, "image/png")
    assert order.base.read().startswith(b"\x89PNG")
    assert len(order.garments) == 1
    assert order.mask is None


def test_a_seed_is_drawn_where_the_client_gave_none(world: World, vendor: Vendor) -> None:
    vendor.starts = [finished()]
    world.start(world.prepared())
    seed = vendor.orders[0].seed
    assert seed is not None and 0 <= seed <= 2_147_483_646


def test_two_starts_of_one_attempt_call_once_and_tell_the_same(world: World, vendor: Vendor) -> None:
    vendor.starts = [finished()]
    job_id = world.prepared()
    assert world.start(job_id) == world.start(job_id) == {"outcome": "finished"}
    assert len(vendor.orders) == 1


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (pending(), {"outcome": "pending", "wait": 2}),
        (failed(charged="unknown"), {"outcome": "failed", "again": False}),
        (failed("content_blocked"), {"outcome": "failed", "again": False}),
    ],
)
def test_a_redelivered_start_repeats_what_was_recorded(
    world: World, vendor: Vendor, outcome: Any, told: dict[str, Any]
) -> None:
    vendor.starts = [outcome]
    job_id = world.prepared()
    assert [world.start(job_id), world.start(job_id)] == [told, told]
    assert len(vendor.orders) == 1


def test_threads_that_start_at_the_same_moment_call_once(world: World, vendor: Vendor, one_at_a_time: None) -> None:
    vendor.starts = [finished()]
    job_id, together = world.prepared(), threading.Barrier(6)

    def go(_: int) -> str:
        together.wait()
        return world.start(job_id)["outcome"]

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(go, range(6)))
    assert len(vendor.orders) == 1
    assert outcomes.count("finished") >= 1
    assert set(outcomes) <= {"finished", "busy"}


@pytest.mark.parametrize("look", [start, prepare, poll], ids=["Start", "Prepare", "Poll"])
def test_a_call_in_flight_is_looked_at_until_it_must_be_over_and_never_made_again(
    world: World, vendor: Vendor, look: Any
) -> None:
    vendor.starts = [ConnectionError("killed")]
    job_id = world.prepared()
    with pytest.raises(ConnectionError):
        world.start(job_id, remaining=100)
    waits = []
    while (said := look(job_id, *([] if look is prepare else [180.0]), world.at))["outcome"] == "busy":
        waits.append(said["wait"])
        assert said["runner"] == "bedrock"
        world.at.sleep(said["wait"])
    assert waits == [2, 5, 10, 30, 30, 23], "to the moment at which that invocation has ended"
    assert said == {"outcome": "failed", "again": False}
    assert len(vendor.orders) == 1


def test_an_outcome_written_meanwhile_ends_the_waiting(world: World, vendor: Vendor) -> None:
    job_id, meanwhile = world.prepared(), []
    vendor.starts, vendor.during = [finished()], lambda: meanwhile.append(world.start(job_id))
    world.start(job_id)
    assert meanwhile == [{"outcome": "busy", "runner": "bedrock", "wait": 2}]
    assert world.start(job_id) == {"outcome": "finished"}
    assert len(vendor.orders) == 1


def test_a_claim_whose_answer_got_lost_may_be_repeated_by_the_sdk(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DynamoDB took the write, the answer did not arrive, and botocore sent the write again."""
    client = aws.table().meta.client
    real = client._make_api_call  # type: ignore[attr-defined]

    def twice(operation: str, asked: dict[str, Any]) -> Any:
        if "claimed_by" in asked.get("UpdateExpression", ""):
            real(operation, asked)
        return real(operation, asked)

    vendor.starts = [finished()]
    job_id = world.prepared()
    monkeypatch.setattr(client, "_make_api_call", twice)
    assert world.start(job_id) == {"outcome": "finished"}
    assert len(vendor.orders) == 1


def test_an_invocation_that_loses_the_claim_never_calls(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "claim", lambda *_: False)
    assert world.start(world.prepared()) == {"outcome": "busy", "runner": "bedrock", "wait": 1}
    assert vendor.orders == []


def test_a_cancelled_job_is_never_bought(world: World, vendor: Vendor) -> None:
    job_id = world.prepared()
    cancel(job_id)
    assert world.start(job_id) == {"outcome": "ended"}
    settle(job_id, world.at)
    job = world.job(job_id)
    assert (vendor.orders, job.status, job.error and job.error.code) == ([], "cancelled", "cancelled")
    assert world.spent() == (0, 0)


def test_a_cancel_that_arrives_just_before_the_claim_wins(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, real = world.prepared(), jobs.claim

    def slow_claim(*args: Any) -> bool:
        cancel(job_id)
        return real(*args)

    monkeypatch.setattr(jobs, "claim", slow_claim)
    assert world.start(job_id)["outcome"] == "busy"
    assert world.start(job_id) == {"outcome": "ended"}
    assert vendor.orders == []


def test_a_final_or_unknown_job_is_never_bought(world: World, vendor: Vendor) -> None:
    job_id = world.prepared()
    world.cancel(job_id)
    assert world.start(job_id) == start("job_unknown", 180, world.at) == {"outcome": "ended"}
    assert vendor.orders == []


def test_the_vendors_job_id_is_stored_before_anything_else(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any, **__: Any) -> None:
        raise RuntimeError("the function is killed right after the first write")

    vendor.starts = [pending("vendor-77")]
    job_id = world.prepared()
    monkeypatch.setattr(jobs, "show_step", crash)
    monkeypatch.setattr(jobs, "warn", crash)
    with pytest.raises(RuntimeError):
        world.start(job_id)
    attempt = world.job(job_id).latest
    assert attempt and (attempt.provider_job_id, attempt.outcome) == ("vendor-77", "pending")


def test_an_exception_after_the_claim_is_a_purchase_of_unknown_fate(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    vendor.starts = [ConnectionError("broke off")]
    job_id = world.submit().job.id
    assert world.job(job_id).plan == ["nova_canvas", "tryiton"]
    prepare(job_id, world.at)
    with pytest.raises(ConnectionError):
        world.start(job_id)
    world.at.sleep(180)
    settle(job_id, world.at)
    job = world.job(job_id)
    assert job.error
    assert (job.status, job.error.code, job.error.retryable, job.error.provider) == (
        "failed",
        "internal",
        False,
        "nova_canvas",
    )
    assert "may have been charged" in job.error.remedy
    assert [(a["provider"], a["outcome"], a["charged"]) for a in summary(job, world.at)["attempts"]] == [
        ("nova_canvas", None, "unknown")
    ]
    assert world.spent() == (1, 40_000), "no refund of what may have been charged"
    assert len(vendor.orders) == 1, "no failover"


def test_a_vendor_that_may_have_charged_is_not_followed_by_another(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    vendor.starts = [failed("provider_unavailable", "unknown", retryable=False)]
    job_id = world.submit().job.id
    assert world.run(job_id) == ["Prepare", "Start", "Settle"]
    assert world.spent() == (1, 40_000)


def test_an_image_that_vanished_from_staging_is_prepared_once_more_before_the_claim(
    world: World, vendor: Vendor
) -> None:
    vendor.starts = [finished()]
    job_id = world.prepared()
    attempt = world.job(job_id).latest
    assert attempt
    aws.s3().delete_object(Bucket="media-bucket", Key=attempt.inputs["person"].key)
    assert world.start(job_id) == {"outcome": "failed", "again": True}
    assert (vendor.orders, world.job(job_id).attempts["1"].claimed_at) == ([], None)
    assert world.run(job_id) == ["Prepare", "Start", "Collect", "Settle"]
    assert (len(vendor.orders), list(world.job(job_id).attempts)) == (1, ["1"])


# ---------------------------------------------------------------------------------------- a claim whose answer is lost
class Table:
    """The table's client: the next writes of one kind go wrong as told.

    `before`: they never arrive. `after`: they are done, and the answer is lost. `until`: reads fail too, until that moment.
    """

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch, marks: str, when: str, times: int = 1) -> None:
        self.client = aws.table().meta.client
        self.real = self.client._make_api_call  # type: ignore[attr-defined]
        self.world, self.marks, self.when, self.left = world, marks, when, times
        self.blind_until = world.at.now()
        self.blind_seconds = 0
        monkeypatch.setattr(self.client, "_make_api_call", self.call)

    def call(self, operation: str, asked: dict[str, Any]) -> Any:
        if self.left and self.marks in asked.get("UpdateExpression", ""):
            self.left -= 1
            self.blind_until = self.world.at.now() + timedelta(seconds=self.blind_seconds)
            if self.when == "after":
                self.real(operation, asked)
            raise ReadTimeoutError(endpoint_url="https://dynamodb.example")
        if operation == "GetItem" and self.world.at.now() < self.blind_until:
            raise ReadTimeoutError(endpoint_url="https://dynamodb.example")
        return self.real(operation, asked)


CLAIM, RECORD = "started_at", "attempts.#n = :attempt"


@pytest.mark.parametrize("blind", [0, 40])
def test_a_claim_that_holds_although_its_answer_was_lost_is_bought_on(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch, blind: int
) -> None:
    vendor.starts = [finished()]
    job_id = world.prepared()
    Table(world, monkeypatch, CLAIM, "after").blind_seconds = blind
    assert world.start(job_id, remaining=900) == {"outcome": "finished"}
    assert len(vendor.orders) == 1
    assert world.job(job_id).attempts["1"].charged == "yes"


def test_a_claim_that_never_arrived_is_made_again_by_the_next_start(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.starts = [finished()]
    job_id = world.prepared()
    Table(world, monkeypatch, CLAIM, "before")
    assert world.start(job_id) == {"outcome": "busy", "runner": "bedrock", "wait": 1}
    assert (vendor.orders, world.job(job_id).attempts["1"].claimed_at) == ([], None)
    assert world.start(job_id) == {"outcome": "finished"}
    assert len(vendor.orders) == 1


def test_a_claim_that_is_known_too_late_for_a_call_is_taken_back(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.starts = [finished()]
    job_id = world.prepared()
    Table(world, monkeypatch, CLAIM, "after").blind_seconds = 125
    assert world.start(job_id, remaining=180) == {"outcome": "busy", "runner": "bedrock", "wait": 1}
    attempt = world.job(job_id).attempts["1"]
    assert (vendor.orders, attempt.claimed_by, attempt.charged) == ([], None, "no")
    assert world.start(job_id) == {"outcome": "finished"}
    assert len(vendor.orders) == 1


# ------------------------------------------------------------------- what a synchronous vendor made is only in memory
@pytest.mark.parametrize(
    ("what", "outcome"), [("the record", finished()), ("the record", pending("v-1")), ("the images", finished())]
)
def test_an_outcome_is_written_as_long_as_the_function_lives(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch, what: str, outcome: Any
) -> None:
    vendor.starts = [outcome]
    job_id, real, tries = world.prepared(), media.put, []

    def put(*args: Any, **more: Any) -> None:
        tries.append(args)
        if len(tries) <= 30:
            raise OSError("S3 is away")
        real(*args, **more)

    if what == "the record":
        Table(world, monkeypatch, RECORD, "before", times=30)
    else:
        monkeypatch.setattr(media, "put", put)
    began = world.at.now()
    assert world.start(job_id, remaining=180)["outcome"] == world.job(job_id).attempts["1"].outcome
    assert (world.at.now() - began).total_seconds() < 175
    monkeypatch.undo()
    assert (len(vendor.orders), world.start(job_id, remaining=180)["outcome"]) == (
        1,
        outcome.__class__.__name__.lower(),
    )


def test_a_record_whose_answer_was_lost_is_not_an_outcome_of_another(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.starts = [finished()]
    job_id = world.prepared()
    Table(world, monkeypatch, RECORD, "after")
    assert world.start(job_id) == {"outcome": "finished"}
    assert world.keys(f"staging/{job_id}/1/result"), "its images are still there"
    assert world.run(job_id)[-2:] == ["Collect", "Settle"]
    assert world.job(job_id).status == "succeeded"


def test_a_result_that_cannot_be_stored_while_the_function_lives_is_not_bought_again(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.starts = [finished()]
    job_id, began = world.prepared(), world.at.now()
    with monkeypatch.context() as broken:
        broken.setattr(media, "put", lambda *_, **__: (_ for _ in ()).throw(TimeoutError("S3 is away")))
        with pytest.raises(TimeoutError):
            world.start(job_id, remaining=180)
    assert 165 <= (world.at.now() - began).total_seconds() <= 175, "to the end, less what its own end takes"
    assert world.start(job_id)["outcome"] == "busy"
    assert len(vendor.orders) == 1


def test_what_only_shows_progress_may_fail(world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    vendor.starts = [pending("v-1")]
    job_id = world.prepared()
    Table(world, monkeypatch, "slot_at = :slot", "before", times=9)
    assert world.start(job_id) == {"outcome": "pending", "wait": 2}


# ---------------------------------------------------------------------------------------------------- a key that changed
@pytest.mark.parametrize(
    ("outcome", "fresh", "keys", "bought"),
    [
        (failed("provider_auth"), "new", [SECRET, "new"], "finished"),
        (failed("provider_auth"), SECRET, [SECRET], "failed"),
        (failed("provider_auth", "unknown"), "new", [SECRET], "failed"),
        (failed("content_blocked"), "new", [SECRET], "failed"),
        (finished(864, 1296), "new", [SECRET], "finished"),
    ],
)
def test_a_refused_key_that_was_changed_is_tried_once_more_within_the_same_claim(
    world: World,
    vendor: Vendor,
    outcome: Any,
    fresh: str,
    keys: list[str],
    bought: str,
) -> None:
    world.configure("tryiton")
    vendor.starts = [outcome, finished(864, 1296)]
    job_id = world.prepared(provider="tryiton")
    assert provider_keys.secret("tryiton", world.at) == SECRET, "it is known here, and then it is changed"
    aws.secrets().put_secret_value(SecretId="secret-of-tryiton", SecretString=fresh)
    assert world.start(job_id)["outcome"] == bought
    assert [connection.secret for connection in vendor.connections] == keys
    assert len(vendor.orders) == len(keys)
    assert list(world.job(job_id).attempts) == ["1"]


def test_a_changed_key_that_cannot_be_read_leaves_the_refusal(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.configure("tryiton")
    vendor.starts = [failed("provider_auth")]
    job_id = world.prepared(provider="tryiton")
    assert provider_keys.secret("tryiton", world.at) == SECRET
    monkeypatch.setattr(provider_keys.secret, "fresh", lambda *_: (_ for _ in ()).throw(TimeoutError()))
    assert world.start(job_id)["outcome"] == "failed"
    assert world.job(job_id).attempts["1"].charged == "no"


# -------------------------------------------------------------------------------------------------- the line
def test_the_key_is_read_from_its_secret_and_goes_to_the_vendor_only(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    vendor.starts = [finished()]
    job_id = world.prepared(provider="tryiton")
    world.start(job_id)
    assert vendor.connections[0].secret == SECRET
    assert SECRET not in str(world.items()).replace("KEY#", "")


def test_a_key_that_cannot_be_read_fails_before_anything_is_bought(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    aws.secrets().delete_secret(SecretId="secret-of-tryiton", ForceDeleteWithoutRecovery=True)
    job_id = world.submit(provider="tryiton", fallback=["nova_canvas"]).job.id
    prepare(job_id, world.at)
    assert world.start(job_id) == {"outcome": "failed", "again": True}
    attempt = world.job(job_id).latest
    assert attempt and attempt.error
    assert (attempt.error.code, attempt.charged, attempt.claimed_at) == ("provider_auth", "no", None)
    assert "store a key for TryItOn" in attempt.error.remedy


def test_an_adapter_that_cannot_connect_says_so_without_a_purchase(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(_: Any) -> Any:
        raise JobFailure("provider_auth", "The key has the wrong form.", "Set it again.")

    monkeypatch.setattr(vendor, "connect", connect)
    assert world.start(world.prepared()) == {"outcome": "failed", "again": False}
    assert vendor.orders == []


# ------------------------------------------------------------------------------------------------- timeline
def test_the_timeline_tells_each_step_once_and_in_order(world: World, vendor: Vendor) -> None:
    world.configure("tryiton")
    vendor.starts, vendor.polls = [pending()], [pending(), pending(), finished(864, 1296)]
    job_id = world.submit(provider="tryiton").job.id
    world.run(job_id)
    job = world.job(job_id)
    assert [entry["step"] for entry in job.timeline] == [
        "queued",
        "preparing",
        "submitting",
        "generating",
        "collecting",
        "done",
    ]
    assert [entry["at"] for entry in job.timeline] == sorted(entry["at"] for entry in job.timeline)
    assert job.started_at and job.finished_at and job.created_at <= job.started_at <= job.finished_at


@pytest.mark.parametrize(("provider", "seconds"), [("fashn", 180), ("gemini", 420)])
def test_a_call_is_taken_for_lost_when_its_provider_can_no_longer_answer(
    world: World, vendor: Vendor, provider: str, seconds: int
) -> None:
    """StartHttp may run as long as the slowest of its providers needs; a quick one is not waited for so long."""
    world.configure(provider)
    vendor.starts = [pending("v-1")]
    job_id, began = world.prepared(provider=provider), world.at.now()
    world.start(job_id, remaining=480)
    attempt = world.job(job_id).attempts["1"]
    assert abs((moment(attempt.claimed_until) - began).total_seconds() - seconds) < 2


def test_a_retired_model_that_a_client_asks_the_sandbox_for_ends_no_sandbox(world: World) -> None:
    outcome = {"sandbox": {"outcome": "model_retired"}}
    job_id = world.submit(provider="sandbox", provider_options=outcome).job.id
    world.run(job_id)
    error = world.job(job_id).error
    assert error and error.code == "model_retired"
    world.at.sleep(3600)  # past what a process remembers of the lifecycles
    assert world.submit(provider="sandbox").job.plan == ["sandbox"]


@pytest.mark.parametrize(
    "code",
    ["ResourceNotFoundException", "AccessDeniedException", "DecryptionFailure", "InvalidRequestException"],
)
def test_a_key_that_cannot_be_read_ends_the_attempt_and_the_operator_is_told(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    def unread(*_: Any) -> str:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "GetSecretValue")

    world.configure("tryiton")
    job_id = world.prepared(provider="tryiton")
    monkeypatch.setattr(provider_keys, "secret", unread)
    assert world.start(job_id)["outcome"] == "failed"
    attempt = world.job(job_id).latest
    assert attempt and attempt.error and (attempt.error.code, attempt.charged) == ("provider_auth", "no")
    assert vendor.orders == []
    assert "provider_auth" in refusals.listed()["tryiton"]
