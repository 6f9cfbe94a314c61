"""`make destroy` deletes what a stage does not keep, names what it keeps, and leaves a protected stage alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from infra.destroy import DestroyError, destroy
from local.deploy import ACCOUNT, REGION, SECRET
from tests.integration.local.emulated import Emulated, running

SESSION = boto3.Session(ACCOUNT, SECRET, region_name=REGION)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    with running(tmp_path_factory.mktemp("emulator")) as emulator:
        yield emulator


def deployed(emulator: Emulated, stage: str, policy: str, *, protected: bool = False) -> Any:
    """A stage whose two buckets have this deletion policy. One of them holds a photo."""
    bucket = {"Type": "AWS::S3::Bucket", "DeletionPolicy": policy}
    named = {name: bucket | {"Properties": {"BucketName": f"{stage}-{name.lower()}"}} for name in ("Inbox", "Media")}
    stacks = emulator.aws("cloudformation")
    for part, resources in (("Storage", named), ("Service", {"Topic": {"Type": "AWS::SNS::Topic"}})):
        stacks.create_stack(
            StackName=f"FittingRoom-{stage}-{part}",
            TemplateBody=json.dumps({"Resources": resources}),
            EnableTerminationProtection=protected,
        )
        stacks.get_waiter("stack_create_complete").wait(StackName=f"FittingRoom-{stage}-{part}")
    emulator.aws("s3").put_object(Bucket=f"{stage}-inbox", Key="uploads/shop/photo", Body=b"photo")
    return stacks


def buckets(emulator: Emulated, stage: str) -> list[str]:
    return [one["Name"] for one in emulator.aws("s3").list_buckets()["Buckets"] if one["Name"].startswith(stage)]


def test_a_trial_stage_goes_with_its_photos(emulator: Emulated) -> None:
    deployed(emulator, "trial", "Delete")
    assert destroy("trial", SESSION, emulator.url) == []
    assert buckets(emulator, "trial") == []


def test_the_roles_of_tenants_go_too_also_after_the_stage(emulator: Emulated) -> None:
    stacks, template = deployed(emulator, "roles", "Delete"), {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    names = ["FittingRoom-roles-Tenant-shop", "FittingRoom-roles-Tenant-other", "FittingRoom-roles2-Tenant-shop"]

    def left() -> set[str]:
        return {one["StackName"] for one in stacks.describe_stacks()["Stacks"]} & set(names)

    for name in names:
        stacks.create_stack(StackName=name, TemplateBody=json.dumps(template))
        stacks.get_waiter("stack_create_complete").wait(StackName=name)
    destroy("roles", SESSION, emulator.url)
    assert left() == {names[2]}
    destroy("roles2", SESSION, emulator.url)  # whose other stacks an earlier version deleted
    assert left() == set()


def test_a_stage_that_keeps_its_data_says_which_and_empties_none(emulator: Emulated) -> None:
    deployed(emulator, "team", "Retain")
    assert sorted(destroy("team", SESSION, emulator.url)) == [
        "AWS::S3::Bucket team-inbox",
        "AWS::S3::Bucket team-media",
    ]
    assert emulator.aws("s3").list_objects_v2(Bucket="team-inbox")["KeyCount"] == 1


def test_a_protected_stage_stays_whole_and_says_how_to_end_the_protection(emulator: Emulated) -> None:
    stacks = deployed(emulator, "safe", "Retain", protected=True)
    with pytest.raises(DestroyError) as refused:
        destroy("safe", SESSION, emulator.url)
    for words in ("Nothing was deleted", "--stack-name FittingRoom-safe-Service", "AWS::S3::Bucket safe-media"):
        assert words in str(refused.value)
    assert stacks.describe_stacks(StackName="FittingRoom-safe-Storage")["Stacks"]


def test_a_stage_that_is_not_there_is_one_clear_line(emulator: Emulated) -> None:
    with pytest.raises(DestroyError, match=r"no stage other in this account and Region\. Check AWS_PROFILE"):
        destroy("other", SESSION, emulator.url)
