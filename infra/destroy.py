"""Delete a deployed stage: `python -m infra.destroy dev`. It uses your AWS credentials and Region.

The roles of tenants and the service stack go first, so that nothing writes any more. Then the buckets that the storage
stack does not keep are emptied, because CloudFormation deletes no bucket with objects, and the storage stack goes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

BUCKET = "AWS::S3::Bucket"
KEPT = "AWS keeps these when the stacks are gone, and bills them. Delete them by hand:"


class DestroyError(Exception):
    """Say in one line what is wrong and what to do."""


def destroy(stage: str, session: boto3.Session, aws_url: str | None = None) -> list[str]:
    """Delete the stacks of a stage, and return what AWS keeps of it: a line each. A stage in use is protected."""
    stacks = session.client("cloudformation", endpoint_url=aws_url)
    storage, service = (f"FittingRoom-{stage}-{part}" for part in ("Storage", "Service"))
    there = _found(stacks, f"FittingRoom-{stage}-Tenant-", service, storage)
    if not there:
        raise DestroyError(f"There is no stage {stage} in this account and Region. Check AWS_PROFILE and AWS_REGION.")
    resources = list(_resources(stacks, storage)) if storage in there else []
    kept = [f"{kind} {physical}" for kind, physical, stays in resources if stays]
    if protected := [name for name, stack in there.items() if stack.get("EnableTerminationProtection")]:
        raise DestroyError(_protected(protected, kept))
    for name in there:
        if name == storage:
            for bucket in (physical for kind, physical, stays in resources if kind == BUCKET and not stays):
                _say(f"emptying the bucket {bucket}")
                session.resource("s3", endpoint_url=aws_url).Bucket(bucket).objects.all().delete()
        _say(f"deleting the stack {name}")
        stacks.delete_stack(StackName=name)
        stacks.get_waiter("stack_delete_complete").wait(StackName=name)
    return kept


def _found(stacks: Any, roles: str, *names: str) -> dict[str, dict[str, Any]]:
    """Return by name, in the order in which they are to go, the stacks of tenants' roles and those of these names."""
    pages = stacks.get_paginator("describe_stacks").paginate()
    every = {stack["StackName"]: stack for page in pages for stack in page["Stacks"]}
    ordered = [*(name for name in every if name.startswith(roles)), *names]
    return {name: every[name] for name in ordered if name in every}


def _protected(names: list[str], kept: list[str]) -> str:
    end = "aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name"
    return "\n".join(
        [
            "Nothing was deleted: the stage is protected. End that first, then destroy it again:",
            *(f"  {end} {name}" for name in names),
            *([KEPT, *(f"  {one}" for one in kept)] if kept else []),
        ]
    )


def _resources(stacks: Any, name: str) -> Iterator[tuple[str, str, bool]]:
    """Type and name of each resource of a stack, and whether it outlives the stack."""
    template = stacks.get_template(StackName=name)["TemplateBody"]["Resources"]
    for page in stacks.get_paginator("list_stack_resources").paginate(StackName=name):
        for found in page["StackResourceSummaries"]:
            stays = template.get(found["LogicalResourceId"], {}).get("DeletionPolicy") == "Retain"
            yield found["ResourceType"], found.get("PhysicalResourceId", ""), stays


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main(arguments: list[str]) -> None:
    if len(arguments) != 1:
        sys.exit("Name the stage: make destroy STAGE=dev")
    try:
        kept = destroy(arguments[0], boto3.Session(region_name=os.environ.get("AWS_REGION")))
    except (DestroyError, BotoCoreError, ClientError) as error:
        sys.exit(str(error))
    if kept:
        sys.stdout.write("\n".join([KEPT, *(f"  {one}" for one in kept)]) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
