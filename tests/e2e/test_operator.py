"""The operator's tool on a deployed stage: every answer is read as JSON by this script."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from local.cloud import VENDORS

from .conftest import Cloud, until

ROOT = Path(__file__).parents[2]


def admin(line: str, *, stdin: str = "", code: int = 0) -> Any:
    """Run one command on the local cloud. Its answer."""
    command = [sys.executable, "-m", "admin", *line.split(), "--local", "--json"]
    done = subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def outputs(cloud: Cloud) -> dict[str, str]:
    stack = cloud.aws("cloudformation").describe_stacks(StackName="FittingRoom-dev-Service")["Stacks"][0]
    return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}


def states(answers: list[dict[str, Any]]) -> dict[str, str]:
    return {answer["check"]: answer["state"] for answer in answers}


def test_a_tenant_from_its_first_key_to_its_revocation(cloud: Cloud) -> None:
    tenant = f"shop-{uuid.uuid4().hex[:8]}"
    assert admin(f"tenant create {tenant}") == {"tenant": tenant}
    made = admin(f"key create --tenant {tenant} --mode live --name checkout --scopes submit,read")
    headers = {"Authorization": f"Bearer {made['key']}"}
    with httpx.Client(base_url=cloud.api, headers=headers, timeout=120) as client:
        assert client.get("/v1/providers").status_code == 200
        job = cloud.finished(cloud.submit(sandbox(cloud, client), client)["id"], client=client)
        assert [row["id"] for row in admin(f"job list --tenant {tenant} --reference A-1")["items"]] == [job["id"]]
        assert admin(f"job show {job['id']}")["status"] == "succeeded"
        assert admin(f"usage today --tenant {tenant}")["items"][0]["succeeded"] == 1
        assert client.get("/v1/usage").json()["total"]["jobs"] == 1
        assert [key["name"] for key in admin(f"key list --tenant {tenant}")] == ["checkout"]
        assert admin(f"key revoke {made['id']}")["revoked_at"]
        until(lambda: client.get("/v1/providers").status_code == 401 or None, "the key to end", 35)


def sandbox(cloud: Cloud, client: httpx.Client) -> dict[str, Any]:
    png = (ROOT / "local" / "samples" / "tee.png").read_bytes()
    return cloud.try_on(png, png, client=client, provider="sandbox", reference="A-1")


def test_a_role_of_a_tenant_is_made_and_removed(cloud: Cloud) -> None:
    made = admin(f"tenant role {cloud.tenant} --trust 123456789012 --external-id 7f9c2ba4")
    name = made["role"].rpartition("/")[2]
    policy = cloud.aws("iam").get_role_policy(RoleName=name, PolicyName="folders")["PolicyDocument"]
    resources = {resource for each in policy["Statement"] for resource in [each["Resource"]]}
    assert f"arn:aws:s3:::{cloud.inbox}/drop/{cloud.tenant}/*" in resources
    assert admin(f"tenant role {cloud.tenant} --remove") == {"tenant": cloud.tenant, "role": None}


def test_a_provider_is_checked_paused_and_resumed(cloud: Cloud, person: bytes, tee: bytes) -> None:
    assert admin("provider check tryiton")["accepted"] is True
    admin("provider pause tryiton --reason outage")
    try:
        asked = cloud.try_on(person, tee, provider="tryiton")
        refused = until(lambda: _refusal(cloud, asked), "the pause to be seen", 35)
        assert (refused["code"], refused["status"]) == ("provider_paused", 422)
    finally:
        admin("provider resume tryiton")
    [row] = [row for row in admin("provider list") if row["provider"] == "tryiton"]
    assert row["configured"] and row["paused"] is None
    until(lambda: _refusal(cloud, asked) is None or None, "the end of the pause to be seen", 35)


def test_a_rotated_key_is_in_use_within_30_seconds(cloud: Cloud, person: bytes, tee: bytes) -> None:
    body = cloud.try_on(person, tee, provider="tryiton")

    def ended(as_: str) -> dict[str, Any] | None:
        job = cloud.finished(cloud.submit(body)["id"])
        return job if as_ in (job["status"], (job["error"] or {}).get("code")) else None

    def rotated(key: str) -> None:
        assert admin("provider set tryiton", stdin=f"{key}\n") == {"provider": "tryiton", "configured": True}

    try:
        rotated("no-key-of-this-account")
        refused = until(lambda: ended("provider_auth"), "the wrong key to be used", 35)
        assert [attempt["charged"] for attempt in refused["attempts"]] == ["no"]
        cloud.tryiton.reset()
    finally:
        rotated(VENDORS["tryiton"].key)
    until(lambda: ended("succeeded"), "the right key to be used", 35)
    assert len(cloud.tryiton.purchases()) == 1


def _refusal(cloud: Cloud, body: dict[str, Any]) -> dict[str, Any] | None:
    answer = cloud.live.post("/v1/jobs/estimate", json=body)
    return None if answer.is_success else dict(answer.json())


def test_a_model_that_its_vendor_renamed_is_bought_again_without_a_deployment(
    cloud: Cloud, person: bytes, tee: bytes
) -> None:
    body = cloud.try_on(person, tee, provider="fashn")

    def ended() -> dict[str, Any]:
        return cloud.finished(cloud.submit(body)["id"])

    def succeeded() -> dict[str, Any] | None:
        job = ended()
        return job if job["status"] == "succeeded" else None

    def cost() -> dict[str, Any] | None:
        [offer] = cloud.live.post("/v1/jobs/estimate", json=body).raise_for_status().json()["plan"]
        return dict(offer["cost"]) if offer["cost"]["amount"] == 0.05 else None

    cloud.fashn.rename(**{"tryon-v1.6": "tryon-v1.7"})
    [attempt] = ended()["attempts"]
    assert "model_name" in attempt["error"]["provider_detail"]
    assert (attempt["charged"], cloud.fashn.purchases()) == ("no", [])
    admin("provider override fashn --model tryon-v1.6 --sent-as tryon-v1.7")
    admin("provider override fashn --model tryon-v1.6 --price 0.05 --credits 2")
    try:
        job = until(succeeded, "the override to be seen", 60)
        assert [purchase["model"] for purchase in cloud.fashn.purchases()] == ["tryon-v1.7"]
        [image] = job["images"]
        assert cloud.picture(image).size == Image.open(io.BytesIO(person)).size
        assert until(cost, "the price to be seen", 60)["credits"] == 2
        [row] = [row for row in admin("provider list") if row["provider"] == "fashn"]
        assert (row["overridden"], row["models"][0]["sent_as"]) == (True, "tryon-v1.7")
    finally:
        admin("provider override fashn --clear")
        cloud.fashn.reset()
    until(succeeded, "the catalogue's id to be sent again", 60)


def test_a_doctor_finds_a_healthy_stage_healthy(cloud: Cloud) -> None:
    found = states(admin("doctor"))
    assert "wrong" not in found.values(), found
    sure = ("credentials", "region", "bootstrap", "Lambda quota", "API", "callback address", "sweep", "key of fashn")
    assert {found[name] for name in sure} == {"ok"}


def test_a_doctor_names_five_things_that_are_broken(cloud: Cloud) -> None:
    broken = [_sweep, _key, _letter, _callback, _alarm]
    with contextmanager(lambda: _all(cloud, broken))():
        found = admin("doctor", code=1)
    wrong = {answer["check"]: answer["remedy"] for answer in found if answer["state"] == "wrong"}
    assert set(wrong) == {"sweep", "key of aidge", "dead letters", "callback address", "alarms"}
    assert all(wrong.values())
    assert "wrong" not in states(admin("doctor")).values()


def _all(cloud: Cloud, broken: Sequence[Callable[[Cloud], Iterator[None]]]) -> Iterator[None]:
    if not broken:
        yield
        return
    with contextmanager(broken[0])(cloud):
        yield from _all(cloud, broken[1:])


def _sweep(cloud: Cloud) -> Iterator[None]:
    events = cloud.aws("events")
    [rule] = [each["Name"] for each in events.list_rules()["Rules"] if "EveryMinute" in each["Name"]]
    events.disable_rule(Name=rule)
    try:
        yield
    finally:
        events.enable_rule(Name=rule)


def _key(cloud: Cloud) -> Iterator[None]:
    secret, secrets = json.loads(outputs(cloud)["ProviderSecrets"])["aidge"], cloud.aws("secretsmanager")
    before = secrets.get_secret_value(SecretId=secret)["SecretString"]
    secrets.put_secret_value(SecretId=secret, SecretString="no JSON")
    try:
        yield
    finally:
        secrets.put_secret_value(SecretId=secret, SecretString=before)


def _letter(cloud: Cloud) -> Iterator[None]:
    """A dropped file whose tenant is gone: replayed, it is ignored."""
    event = {"source": "aws.s3", "detail": {"object": {"key": "drop/nobody/a/person.png"}}}
    queue = outputs(cloud)["DeadLettersUrl"]
    cloud.aws("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(event))
    yield
    assert [row["about"] for row in admin("dead-letters list")] == ["drop/nobody/a/person.png"]
    assert len(admin("dead-letters replay --all")) == 1
    assert admin("dead-letters list") == []


def _callback(cloud: Cloud) -> Iterator[None]:
    functions, name = cloud.aws("lambda"), cloud.function("Service-Api")
    before = functions.get_function_configuration(FunctionName=name)["Environment"]
    chosen = json.loads(before["Variables"]["DEPLOYMENT"]) | {"callback_url": "http://127.0.0.1:9"}
    elsewhere = {"Variables": {**before["Variables"], "DEPLOYMENT": json.dumps(chosen)}}
    functions.update_function_configuration(FunctionName=name, Environment=elsewhere)
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=name, Environment=before)


def _alarm(cloud: Cloud) -> Iterator[None]:
    """One that rings, and tells nobody."""
    name = "FittingRoom-dev-Service-Test"
    cloud.aws("cloudwatch").put_metric_alarm(
        AlarmName=name,
        Namespace="FittingRoom",
        MetricName="JobFailed",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
    )
    try:
        yield
    finally:
        cloud.aws("cloudwatch").delete_alarms(AlarmNames=[name])


def test_what_no_emulator_shows_is_asked_line_by_line(cloud: Cloud) -> None:
    """The emulator is not AWS, so the answers prove nothing here; that each can be asked does."""
    command = [sys.executable, "-m", "admin", "verify", "--local", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    found = json.loads(done.stdout)
    assert [each["state"] for each in found if "partition keys" in each["check"]] == ["ok"]
    assert not [each for each in found if "answered" in each["detail"] and each["state"] == "unknown"], found
