"""Tenants and keys by the operator's tool, and what callers notice of it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from admin.cli import main
from admin.stage import Stage
from fitting_room.jobs.errors import Refusal
from fitting_room.stores import api_keys, aws
from tests.integration.admin.conftest import Stacks
from tests.integration.world import LIVE_KEY, OTHER, TENANT, World


def test_a_tenant_is_created_once_and_listed(admin: Any, refused: Any) -> None:
    assert admin("tenant create shop") == {"tenant": "shop"}
    assert "already exists" in refused("tenant create shop")
    assert [row["tenant"] for row in admin("tenant list")] == [TENANT, OTHER, "shop"]


@pytest.mark.parametrize("name", ["Demo", "a/b", "../x", "a" * 64])
def test_a_tenant_is_a_safe_folder_name(refused: Any, name: str) -> None:
    assert "lower-case letters" in refused(f"tenant create {name}")


def test_a_tenant_s_providers_are_named_and_set_free_again(admin: Any) -> None:
    assert admin(f"tenant allow {TENANT} tryiton fashn")["providers"] == ["fashn", "tryiton"]
    assert api_keys.allowed(TENANT) == frozenset({"tryiton", "fashn"})
    assert admin(f"tenant allow {TENANT} --in-account")["providers"] == "in_account"
    assert api_keys.allowed(TENANT) == frozenset({"sagemaker", "sandbox"})
    assert admin(f"tenant allow {TENANT} --all")["providers"] == "all"
    assert api_keys.allowed(TENANT) is None


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f"tenant allow {TENANT}", "--all"),
        (f"tenant allow {TENANT} tryiton --all", "--all"),
        (f"tenant allow {TENANT} tryiton --in-account", "--in-account alone"),
        (f"tenant allow {TENANT} tryion", "no provider `tryion`: use one of"),
        ("tenant allow nobody tryiton", "tenant create nobody"),
        ("tenant show nobody", "tenant create nobody"),
        (f"tenant budget {TENANT}", "--daily-images"),
        (f"tenant budget {TENANT} --default --daily-usd 3", "--default alone"),
        (f"tenant budget {TENANT} --daily-usd -1", "0 or more"),
        (f"tenant role {TENANT}", "--trust ACCOUNT"),
        (f"tenant role {TENANT} --trust 123 --external-id abc", "12 digits"),
        (f"tenant role {TENANT} --trust 123456789012 --external-id x", "--external-id"),
        (f"tenant role {TENANT} --remove", "has no role"),
        ("key create --tenant nobody --mode live", "tenant create nobody"),
        (f"key create --tenant {TENANT} --mode live --scopes write", "submit,read,erase,admin"),
        (f"key create --tenant {TENANT} --mode live --name {'a' * 65}", "at most 64 printable"),
        (f"key create --tenant {TENANT} --mode live --name \x1b[2J", "at most 64 printable"),
        ("key list --tenant nobody", "tenant create nobody"),
        ("job list --tenant nobody", "tenant create nobody"),
        ("usage today --tenant nobody", "tenant create nobody"),
        ("usage month --tenant nobody", "tenant create nobody"),
        ("key revoke key_0123456789abcdef", "key list"),
        ("key revoke key_0", "key list"),
    ],
)
def test_a_slip_changes_nothing_and_is_told(world: World, refused: Any, line: str, says: str) -> None:
    before = world.items()
    assert says in refused(line)
    assert world.items() == before


def test_a_budget_of_a_tenant_s_own_holds_within_30_seconds(world: World, admin: Any) -> None:
    world.submit(output={"count": 2})
    shown = admin(f"tenant budget {TENANT} --daily-images 3 --daily-usd 0.2")
    assert (shown["daily_images"], shown["daily_usd"]) == (3, 0.2)
    world.at.sleep(30)
    with pytest.raises(Refusal, match="budget for today does not cover"):
        world.submit(output={"count": 2})
    assert admin(f"tenant show {TENANT}")["reserved_today"] == {"images": 2, "usd": 0.12}
    assert admin(f"tenant budget {TENANT} --daily-usd 0.3")["daily_images"] == 3, "one that is not named stays"
    assert admin(f"tenant budget {TENANT} --daily-images 4")["daily_usd"] == 0.3
    assert admin(f"tenant budget {TENANT} --default")["daily_usd"] == "stage"
    world.at.sleep(30)
    assert world.submit(output={"count": 2})
    admin(f"tenant budget {TENANT} --daily-images 0")
    world.at.sleep(30)
    with pytest.raises(Refusal, match="budget for a whole day does not cover"):
        world.submit()


def test_a_role_reaches_the_tenant_s_folders_only(admin: Any, stacks: Stacks) -> None:
    role = admin(f"tenant role {TENANT} --trust 123456789012 --external-id 7f9c2ba4")["role"]
    assert role == f"arn:aws:iam::123456789012:role/FittingRoom-dev-Tenant-{TENANT}"
    made = stacks.made[f"FittingRoom-dev-Tenant-{TENANT}"]["Resources"]["Role"]["Properties"]
    [trust] = made["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": "7f9c2ba4"}}
    assert trust["Principal"] == {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::123456789012:root"}}
    [policy] = made["Policies"]
    statements = policy["PolicyDocument"]["Statement"]
    s3 = "arn:${AWS::Partition}:s3:::"
    assert [(each["Action"], each["Resource"]["Fn::Sub"]) for each in statements] == [
        ("s3:PutObject", f"{s3}inbox-bucket/drop/{TENANT}/*"),
        ("s3:GetObject", f"{s3}media-bucket/results/{TENANT}/*"),
        ("s3:ListBucket", f"{s3}media-bucket"),
    ]
    prefixes = statements[2]["Condition"]["StringLike"]["s3:prefix"]
    assert prefixes == [f"results/{TENANT}", f"results/{TENANT}/*"]
    assert admin(f"tenant role {TENANT} --remove")["role"] is None
    assert not stacks.made


def test_a_role_is_told_again_and_its_trust_is_changed(admin: Any, stacks: Stacks) -> None:
    first = admin(f"tenant role {TENANT} --trust 123456789012 --external-id 7f9c2ba4")["role"]
    assert admin(f"tenant role {TENANT} --trust 123456789012 --external-id 7f9c2ba4")["role"] == first
    assert admin(f"tenant role {TENANT} --trust 123456789012 --external-id 0a1b2c3d")["role"] == first
    made = stacks.made[f"FittingRoom-dev-Tenant-{TENANT}"]["Resources"]["Role"]["Properties"]
    [trust] = made["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": "0a1b2c3d"}}


def test_a_role_that_could_not_be_made_is_made_by_the_next_try(admin: Any, refused: Any, stacks: Stacks) -> None:
    line = f"tenant role {TENANT} --trust 123456789012 --external-id 7f9c2ba4"
    stacks.failing = True
    assert "stack_create_complete failed" in refused(line)
    stacks.failing = False
    assert admin(line)["role"] == f"arn:aws:iam::123456789012:role/FittingRoom-dev-Tenant-{TENANT}"


def test_a_role_may_use_the_stage_s_own_key_through_s3(stage: Stage, admin: Any, stacks: Stacks) -> None:
    key = stage.outputs["EncryptionKeyArn"] = "arn:aws:kms:us-east-1:123456789012:key/0a1b"
    admin(f"tenant role {TENANT} --trust 123456789012 --external-id 7f9c2ba4")
    [policy] = stacks.made[f"FittingRoom-dev-Tenant-{TENANT}"]["Resources"]["Role"]["Properties"]["Policies"]
    allowed = {each["Action"]: each for each in policy["PolicyDocument"]["Statement"]}
    for action in ("kms:GenerateDataKey", "kms:Decrypt"):
        assert allowed[action]["Resource"] == {"Fn::Sub": key}
        through = {"Fn::Sub": "s3.${AWS::Region}.${AWS::URLSuffix}"}
        assert allowed[action]["Condition"] == {"StringEquals": {"kms:ViaService": through}}


@pytest.mark.parametrize("mode", ["live", "test"])
def test_a_key_is_shown_once_and_stored_as_a_hash(world: World, admin: Any, mode: str) -> None:
    made = admin(f"key create --tenant {TENANT} --mode {mode} --name checkout --scopes submit,read")
    assert made["key"].startswith(f"fr_{mode}_") and len(made["key"]) == len(f"fr_{mode}_") + 32
    [row] = [row for row in admin(f"key list --tenant {TENANT}") if row["name"] == "checkout"]
    assert {**row, "key": made["key"]} == made
    assert (row["mode"], row["scopes"], row["revoked_at"]) == (mode, ["submit", "read"], None)
    [stored] = [item for item in world.items() if item.get("name") == "checkout"]
    assert stored["scopes"] == {"submit", "read"}
    assert made["key"] not in str(world.items())
    caller = api_keys.find_caller(made["key"], world.at)
    assert caller and (caller.tenant, caller.mode, caller.scopes) == (TENANT, mode, frozenset({"submit", "read"}))


def test_a_revoked_key_is_refused_within_30_seconds(world: World, admin: Any) -> None:
    made = admin(f"key create --tenant {TENANT} --mode live")
    assert api_keys.find_caller(made["key"], world.at)
    assert made["id"] in admin(f"tenant show {TENANT}")["keys"]
    ended = admin(f"key revoke {made['id']}")
    assert ended["revoked_at"] and "key" not in ended
    assert made["id"] not in admin(f"tenant show {TENANT}")["keys"]
    world.at.sleep(30)
    assert api_keys.find_caller(made["key"], world.at) is None
    assert admin(f"key revoke {made['id']}")["revoked_at"] == ended["revoked_at"]


def test_a_leaked_key_is_revoked_by_itself(world: World, admin: Any) -> None:
    assert admin(f"key revoke {LIVE_KEY}")["tenant"] == TENANT
    assert api_keys.find_caller(LIVE_KEY, world.at) is None


def test_options_may_stand_anywhere(admin: Any, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--json", "--stage", "prod", "tenant", "list"])
    first = json.loads(capsys.readouterr().out)
    main(["tenant", "--json", "list", "--stage", "prod"])
    assert json.loads(capsys.readouterr().out) == first
    assert admin("tenant list", text=True).splitlines()[0].startswith("tenant")


@pytest.mark.parametrize("line", ["--help", "tenant --help", "provider override --help", "doctor --help"])
def test_help_says_how(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(line.split())
    assert caught.value.code == 0
    told = capsys.readouterr().out
    assert "--stage" in told and "--local" in told
    assert "verbs" in told or "python -m admin" in told


def test_what_an_earlier_release_stored_goes_on_and_can_be_revoked(world: World, admin: Any) -> None:
    digest = hashlib.sha256(b"fr_live_of_release_0_1").hexdigest()
    with aws.table().batch_writer() as batch:
        batch.put_item({"pk": "TENANT#early", "sk": "TENANT", "providers": {"fashn"}})
        batch.put_item({"pk": f"KEY#{digest}", "sk": "KEY", "tenant": "early", "mode": "live"})
    caller = api_keys.find_caller("fr_live_of_release_0_1", world.at)
    assert caller is not None
    assert (caller.tenant, caller.mode, caller.providers) == ("early", "live", frozenset({"fashn"}))
    admin("key revoke fr_live_of_release_0_1")
    assert [row["tenant"] for row in admin("key list --tenant early")] == ["early"]
    world.at.sleep(31)
    assert api_keys.find_caller("fr_live_of_release_0_1", world.at) is None


def test_an_earlier_tenant_is_not_made_twice_and_its_unused_key_can_be_revoked(
    world: World, admin: Any, refused: Any
) -> None:
    digest = hashlib.sha256(b"fr_live_of_release_0_1").hexdigest()
    with aws.table().batch_writer() as batch:
        batch.put_item({"pk": "TENANT#early", "sk": "TENANT", "providers": {"fashn"}})
        batch.put_item({"pk": f"KEY#{digest}", "sk": "KEY", "tenant": "early", "mode": "live"})
    assert "already exists" in refused("tenant create early")
    assert admin("tenant show early")["providers"] == ["fashn"]
    assert admin("key revoke fr_live_of_release_0_1")["tenant"] == "early"
    assert api_keys.find_caller("fr_live_of_release_0_1", world.at) is None


def test_a_webhook_secret_is_shown_once_and_renewed(admin: Any, refused: Any) -> None:
    first, second = (admin(f"tenant webhook-secret {action} {TENANT}") for action in ("create", "rotate"))
    assert first["secret"].startswith("whsec_") and second["secret"] not in ("", first["secret"])
    shown = admin(f"tenant webhook-secret list {TENANT}")
    assert [each["id"] for each in shown] == [second["id"], first["id"]]
    assert "whsec_" not in json.dumps(shown)
    assert [each["id"] for each in admin(f"tenant webhook-secret revoke {TENANT} {first['id']}")] == [second["id"]]
    assert "rotate it" in refused(f"tenant webhook-secret create {TENANT}")
    assert "tenant create nobody" in refused("tenant webhook-secret create nobody")
