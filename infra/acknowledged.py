"""The cdk-nag findings we live with, each with its reason. `cdk synth` fails on any other."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from constructs import IConstruct

REASONS = {
    "S1": "Server access logs would keep tenants' object names longer than the photos themselves; use CloudTrail data "
    "events where an audit needs them.",
    "DDB3": "A stage that is not retained has nothing to recover, and recovery would keep erased rows for 35 days.",
    "SMG4": "A vendor's API key can only be rotated in the vendor's own console.",
    "APIG4": "The api function authenticates behind $default: an authorizer's cached answer would outlive a revoked key, "
    "refuse preflight, and speak in the gateway's words.",
}


def acknowledge_wildcard(role: IConstruct, resource: str, reason: str) -> None:
    """Accept one wildcard in the policies of a role. The rule names a resource by its resolved parts."""
    acknowledge(role, "IAM5", reason, f"Resource::{_flat(cdk.Stack.of(role).resolve(resource))}")


def _flat(value: Any) -> str:
    match value:
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Fn::ImportValue": name}:
            return str(name)
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(map(_flat, parts))
    return str(value)


def acknowledge(scope: IConstruct, rule: str, reason: str | None = None, finding: str | None = None) -> None:
    """Accept one AwsSolutions rule below `scope`; `finding` is the action or resource of IAM5."""
    name = f"AwsSolutions::AwsSolutions-{rule}" + (f"[{finding}]" if finding else "")
    cdk.Validations.of(scope).acknowledge(cdk.Acknowledgment(id=name, reason=reason or REASONS[rule]))
