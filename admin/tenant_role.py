"""The IAM role of a tenant, in a CloudFormation stack of its own, so that tenants come and go without a deployment."""

from __future__ import annotations

import json
import re
from typing import Any

from botocore.exceptions import ClientError

from admin.stage import AdminError, Stage

_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)


def make(stage: Stage, tenant: str, account: str, external_id: str) -> str:
    """Make or change the role, wait for it, and return its ARN."""
    if not re.fullmatch(r"[0-9]{12}", account):
        raise AdminError("--trust: send the 12 digits of an AWS account")
    if not _EXTERNAL_ID.fullmatch(external_id):
        raise AdminError("--external-id: use 2 to 1,224 letters, digits and characters of +=,.@:/-_")
    cloudformation, name = stage.client("cloudformation"), _stack(stage, tenant)
    asked = {
        "StackName": name,
        "Capabilities": ["CAPABILITY_IAM"],
        "TemplateBody": json.dumps(template(stage.outputs, tenant, account, external_id)),
    }
    try:
        if _there(cloudformation, name):
            cloudformation.update_stack(**asked)
            cloudformation.get_waiter("stack_update_complete").wait(StackName=name)
        else:
            cloudformation.create_stack(**asked, OnFailure="DELETE")
            cloudformation.get_waiter("stack_create_complete").wait(StackName=name)
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise
    outputs = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
    return str(next(output["OutputValue"] for output in outputs if output["OutputKey"] == "RoleArn"))


def remove(stage: Stage, tenant: str) -> None:
    cloudformation, name = stage.client("cloudformation"), _stack(stage, tenant)
    if not _there(cloudformation, name):
        raise AdminError(f"tenant `{tenant}` has no role in this stage")
    cloudformation.delete_stack(StackName=name)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=name)


def template(outputs: dict[str, str], tenant: str, account: str, external_id: str) -> dict[str, Any]:
    """Return the template of the stack: one role, limited to the tenant's own folders."""
    inbox, media = (f"arn:${{AWS::Partition}}:s3:::{outputs[name]}" for name in ("InboxBucket", "MediaBucket"))
    statements = [
        _allow("s3:PutObject", f"{inbox}/drop/{tenant}/*"),
        _allow("s3:GetObject", f"{media}/results/{tenant}/*"),
        _allow("s3:ListBucket", media)
        | {"Condition": {"StringLike": {"s3:prefix": [f"results/{tenant}", f"results/{tenant}/*"]}}},
    ]
    if key := outputs.get("EncryptionKeyArn"):
        through = {"kms:ViaService": {"Fn::Sub": "s3.${AWS::Region}.${AWS::URLSuffix}"}}
        statements += [
            _allow(action, key) | {"Condition": {"StringEquals": through}}
            for action in ("kms:GenerateDataKey", "kms:Decrypt")  # to put a file, and to get or to finish one
        ]
    trust = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"AWS": {"Fn::Sub": f"arn:${{AWS::Partition}}:iam::{account}:root"}},
        "Condition": {"StringEquals": {"sts:ExternalId": external_id}},
    }
    role = {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "Description": f"Fitting Room: the folders of tenant {tenant}",
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
            "Policies": [
                {"PolicyName": "folders", "PolicyDocument": {"Version": "2012-10-17", "Statement": statements}}
            ],
        },
    }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"The role of tenant {tenant} of Fitting Room",
        "Resources": {"Role": role},
        "Outputs": {"RoleArn": {"Value": {"Fn::GetAtt": ["Role", "Arn"]}}},
    }


def _allow(action: str, resource: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": {"Fn::Sub": resource}}


def _there(cloudformation: Any, name: str) -> bool:
    try:
        stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        return False
    return bool(stack["StackStatus"] != "DELETE_COMPLETE")


def _stack(stage: Stage, tenant: str) -> str:
    return f"FittingRoom-{stage.name}-Tenant-{tenant}"
