"""Jobs, dead letters and usage by the operator's tool."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from admin.stage import Stage
from tests.integration.world import OTHER, TENANT, Vendor, World, failed, finished, pending


def ended(world: World, vendor: Vendor, outcome: Any, **changes: Any) -> str:
    vendor.starts = [outcome]
    job_id = world.submit(**changes).job.id
    world.run(job_id)
    return job_id


def ids(page: dict[str, Any]) -> list[str]:
    return [row["id"] for row in page["items"]]


def test_jobs_are_found_by_end_and_by_reference(world: World, vendor: Vendor, admin: Any) -> None:
    good = ended(world, vendor, finished(), reference="A-1")
    bad = ended(world, vendor, failed("content_blocked"), reference="A-2", owner="jane")
    assert ids(admin("job list")) == [bad, good]
    assert ids(admin(f"job list --failed --tenant {TENANT}")) == [bad]
    assert admin("job list --failed")["items"][0]["error"]["code"] == "content_blocked"
    assert ids(admin("job list --reference A-1")) == [good]
    assert ids(admin("job list --owner jane")) == [bad]
    assert ids(admin(f"job list --tenant {OTHER}")) == ids(admin("job list --reference A-3")) == []
    assert "content_blocked" in admin("job list", text=True)
    assert "jane" not in admin("job list", text=True)
    trial = world.submit(mode="test").job.id
    assert ids(admin("job list --limit 2")) == [trial, bad], "the newest of all modes and tenants"


def test_a_long_list_comes_in_pages(world: World, admin: Any, refused: Any) -> None:
    made = [world.submit(mode="test").job.id for _ in range(5)][::-1]
    seen, cursor = [], ""
    while cursor is not None:
        page = admin(f"job list --tenant {TENANT} --mode test --limit 2{cursor and ' --cursor ' + cursor}")
        seen.append(ids(page))
        cursor = page["next_cursor"]
    assert seen == [made[:2], made[2:4], made[4:]]
    assert "next_cursor" in refused(f"job list --tenant {TENANT} --mode test --cursor am9i")
    assert "--tenant and --mode" in refused("job list --cursor am9i")
    assert "1 to 1000" in refused("job list --limit 0")


def test_an_erased_job_leaves_the_list(world: World, vendor: Vendor, admin: Any) -> None:
    from fitting_room.actions.requests.delete import delete_job
    from tests.integration.world import LIVE

    job_id = ended(world, vendor, finished(), owner="jane")
    delete_job(job_id, LIVE, world.at)
    world.erase()
    assert ids(admin("job list")) == []
    assert admin(f"job show {job_id}")["erased_at"]
    assert admin("usage today --by owner")["items"][0]["owner"] is None


def test_a_job_is_stuck_when_its_run_broke_or_nobody_looks(world: World, vendor: Vendor, admin: Any) -> None:
    vendor.starts = [pending()]
    job_id = world.submit().job.id
    world.run_until_pending(job_id)
    assert ids(admin("job list --stuck")) == []
    vendor.starts = [pending()]
    broken = world.submit().job.id
    world.run_until_pending(broken)
    for at_once in (True, False):
        world.broken(broken)
        assert (world.job(broken).resume_at is None) is at_once
        assert ids(admin("job list --stuck")) == [broken]
    world.at.moment += timedelta(hours=1)  # the sweep does not run
    assert set(ids(admin("job list --stuck"))) == {job_id, broken}
    assert ids(admin(f"job list --stuck --tenant {OTHER}")) == []


def test_stuck_jobs_of_others_are_not_listed(world: World, vendor: Vendor, admin: Any, refused: Any) -> None:
    made = {}
    for owner in ("jane", "joe"):
        vendor.starts = [pending()]
        made[owner] = world.submit(owner=owner, reference=owner).job.id
        world.run_until_pending(made[owner])
    world.at.moment += timedelta(hours=1)  # the sweep does not run
    assert set(ids(admin("job list --stuck"))) == set(made.values())
    assert ids(admin("job list --stuck --owner jane")) == [made["jane"]]
    assert ids(admin("job list --stuck --reference joe")) == [made["joe"]]
    assert len(ids(admin("job list --stuck --mode live"))) == 2
    assert ids(admin("job list --stuck --mode test")) == []
    assert "leave out --failed" in refused("job list --stuck --failed")
    assert "--cursor" in refused("job list --stuck --cursor am9i")


def test_one_job_is_shown_cancelled_retried_and_recovered(
    world: World, vendor: Vendor, admin: Any, refused: Any
) -> None:
    job_id = world.submit(provider="nova_canvas").job.id
    assert admin(f"job show {job_id}")["status"] == "queued"
    assert "url" not in json.dumps(admin(f"job show {job_id}")["images"])
    assert admin(f"job cancel {job_id}")["id"] == job_id
    world.broken(job_id)
    admin(f"tenant allow {TENANT} sandbox")
    assert "This tenant may not use" in refused(f"job retry {job_id}")
    admin(f"tenant allow {TENANT} --all")
    again = admin(f"job retry {job_id}")
    assert again["retried_from"] == job_id
    assert "nothing" in refused(f"job recover {job_id}").lower()
    assert "Check the id" in refused("job show job_00000000000000000000000000")
    assert "Check the id" in refused("job cancel job_00000000000000000000000000")


def test_usage_tells_what_was_made_and_spent(world: World, vendor: Vendor, admin: Any, refused: Any) -> None:
    ended(world, vendor, finished(count=2), output={"count": 2}, owner="jane")
    ended(world, vendor, failed("content_blocked"), owner="joe")
    ended(world, vendor, failed("internal", "unknown"), owner="joe")
    ended(world, vendor, finished(), mode="test")
    told = admin(f"usage today --tenant {TENANT}")
    [row] = told["items"]
    assert (row["jobs"], row["succeeded"], row["failed"], row["images"]) == (3, 1, 2, 3)
    assert row["cost"]["amount"] == pytest.approx(0.12) and row["charged_unknown"] == 1
    [trial] = admin(f"usage today --tenant {TENANT} --mode test")["items"]
    assert (trial["jobs"], trial["succeeded"], trial["cost"]["amount"]) == (1, 1, 0)
    world.at.moment += timedelta(days=1)
    assert admin(f"usage today --tenant {TENANT}")["items"][0]["jobs"] == 0
    by = admin(f"usage month --tenant {TENANT} --by day,owner")["items"]
    assert [(each["day"], each["owner"], each["jobs"]) for each in by] == [
        ("2026-09-01", "jane", 1),
        ("2026-09-01", "joe", 2),
    ]
    assert admin("usage month 2026-08")["items"][0]["jobs"] == 0
    assert "2026-11" in refused("usage month 2026-13")
    assert "day,provider,owner" in refused("usage today --by week")
    assert "3 jobs" in admin("usage month", text=True)


# --------------------------------------------------------------------------------------------------- dead letters
DROP = {"source": "aws.s3", "detail": {"object": {"key": "drop/acme/a/person.png"}}}
BROKEN = {"source": "aws.states", "detail": {"name": "job_1"}}
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:sweep"


def letter(stage: Stage, body: Any, **attributes: str) -> None:
    told = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
    stage.client("sqs").send_message(
        QueueUrl=stage.outputs["DeadLettersUrl"], MessageBody=json.dumps(body), MessageAttributes=told
    )


def test_dead_letters_are_listed_and_go_where_they_belong(
    world: World, stage: Stage, admin: Any, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, Any]] = []

    class Functions:
        def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> None:  # noqa: N803
            assert InvocationType == "Event"
            calls.append((FunctionName, json.loads(Payload)))

    real = stage.client
    monkeypatch.setattr(stage, "client", lambda name, **more: Functions() if name == "lambda" else real(name, **more))
    letter(stage, DROP)
    letter(stage, BROKEN, TARGET_ARN=FUNCTION, ERROR_CODE="THROTTLED")
    context = {"functionArn": f"{FUNCTION}:$LATEST", "condition": "RetriesExhausted"}
    answer = {"errorType": "TimeoutError", "errorMessage": "the table is away"}
    letter(stage, {"requestContext": context, "requestPayload": {"shard": 1}, "responsePayload": answer})
    letter(stage, {"job_id": "job_2"})

    listed = admin("dead-letters list")
    assert {(row["to"], row["about"], row["reason"]) for row in listed} == {
        ("drops", "drop/acme/a/person.png", "tried five times"),
        ("sweep", "job_1", "THROTTLED"),
        ("sweep", "", "RetriesExhausted TimeoutError"),
        ("webhooks", "job_2", "tried five times"),
    }
    assert "--all" in refused("dead-letters replay")
    assert "no dead letter" in refused("dead-letters replay nothing")
    [dropped] = [row["id"] for row in listed if row["to"] == "drops"]
    assert len(admin(f"dead-letters replay {dropped}")) == 1
    queue = real("sqs").receive_message(QueueUrl=stage.outputs["DropsUrl"])["Messages"]
    assert json.loads(queue[0]["Body"]) == DROP
    assert len(admin("dead-letters replay --all")) == 3
    [webhook] = real("sqs").receive_message(QueueUrl=stage.outputs["WebhooksUrl"])["Messages"]
    assert json.loads(webhook["Body"]) == {"job_id": "job_2"}
    assert (FUNCTION, {"shard": 1}) in calls and (FUNCTION, BROKEN) in calls
    assert admin("dead-letters list") == []
